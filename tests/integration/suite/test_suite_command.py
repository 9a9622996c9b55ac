"""`harness suite`, `index`, `trend` and `diff` as commands; their children end before anything is started."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from harness.evidence import findings_file
from harness.judge import judge
from harness.testing import histories as h

pytestmark = pytest.mark.integration
ROOT = Path(__file__).parents[3]


def harness(*arguments, stdout=subprocess.PIPE, **environment):
    return subprocess.run(
        [sys.executable, "-m", "harness.cli.main", *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def suite_file(tmp_path):
    """A suite of one experiment whose load profile no kit has: `harness run` refuses it with 64."""
    (tmp_path / "suites").mkdir()
    (tmp_path / "targets").mkdir()
    shipped = ROOT / "experiments"
    (tmp_path / "targets" / "local.yaml").write_text((shipped / "targets" / "local.yaml").read_text())
    text = (shipped / "canary-5xx.yaml").read_text()
    (tmp_path / "canary-5xx.yaml").write_text(text.replace("profile: M", "profile: XXL"))
    path = tmp_path / "suites" / "tiny.yaml"
    trials = "".join(f"  - {{experiment: canary-5xx, seconds: {seconds}}}\n" for seconds in (20, 250))
    path.write_text(f"title: One that is refused\nbudget_s: 260\ntrials:\n{trials}")
    return path


def test_refused_trial_comes_back(tmp_path, suite_file):
    """The child's 64 makes the suite INCONCLUSIVE, with its words, in all three files and in the last line."""
    reports = tmp_path / "reports"
    done = harness("suite", suite_file, "--budget", "4m", "--reports-dir", reports)
    assert 2 == done.returncode, done.stderr
    (folder,) = [path for path in reports.iterdir() if path.is_dir() and not path.is_symlink()]
    assert folder == (reports / "latest-suite").resolve()
    assert f"suite: INCONCLUSIVE {folder}" == done.stdout.splitlines()[-1]
    document = json.loads((folder / "suite.json").read_text())
    (trial,) = document["trials"]
    assert ("harness/suite/1", 64, "", "INCONCLUSIVE") == (
        document["format"], trial["exit_code"], trial["run"], trial["outcome"],
    )  # fmt: skip
    assert "load.profile is 'XXL'" in trial["why"]
    assert "load.profile is 'XXL'" in (folder / trial["log"]).read_text()
    assert ["takes about 250 s, and 2"] == [one["why"][:24] for one in document["not_run"]]
    assert "load.profile is" in (folder / "summary.md").read_text()
    assert 1 == len(list(ET.parse(folder / "junit.xml").iter("error")))
    assert (reports / "index.html").exists()


def test_reader_that_has_gone_ends_no_suite(tmp_path, suite_file):
    """With nobody at the other end of stdout the suite runs to its end: its own exit code and all three files."""
    reader, writer = os.pipe()
    os.close(reader)
    done = harness("suite", suite_file, "--budget", "4m", "--reports-dir", tmp_path / "reports", stdout=writer)
    os.close(writer)
    assert 2 == done.returncode, done.stderr
    folder = (tmp_path / "reports" / "latest-suite").resolve()
    assert {"suite.json", "summary.md", "junit.xml", "logs"} == {path.name for path in folder.iterdir()}


def test_list_starts_nothing(tmp_path, suite_file):
    """`--list` says what would be run in which order, and makes no folder."""
    done = harness("suite", suite_file, "--list", "--budget", "100", "--reports-dir", tmp_path / "reports")
    assert 0 == done.returncode, done.stderr
    assert "1. canary-5xx: about 20 s; never ran here" in done.stdout
    assert "canary-5xx: about 250 s do not fit" in done.stdout
    assert not (tmp_path / "reports").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["suite", "nigtly"], "did you mean 'nightly'?"),
        (["suite", "smoke", "--budget", "soon"], "--budget: is 'soon'"),
        (["run", "experiments/canary-5xx.yaml", "--plant", "load_stop"], "did you mean 'load_stops'?"),
        (["index", "no-such-folder"], "no-such-folder: no such folder"),
        (["trend", "experiments", "--experiment", "x"], "no trial of 'x' is there"),
        (["diff", "experiments", "docs"], "not a run directory"),
    ],
)
def test_wrong_argument_is_named(arguments, said):
    """A wrong argument is named with the next step, exit code 64."""
    done = harness(*arguments)
    assert (64, True) == (done.returncode, said in done.stderr), done.stderr


def test_plant_from_outside_is_refused():
    """A plant in the environment would be in every trial of the suite."""
    done = harness("suite", "smoke", "--list", HARNESS_PLANT="load_stops")
    assert (64, True) == (done.returncode, "HARNESS_PLANT" in done.stderr)


def test_address_that_would_be_no_link_is_refused():
    """Whom it is told clicks on it: a path, or an address with a bracket, would lead nowhere."""
    for wrong in ("reports/{run}", "https://example.org/a b", "https://example.org/(x)"):
        done = harness("suite", "smoke", "--list", HARNESS_REPORTS_URL=wrong)
        assert (64, True) == (done.returncode, f"HARNESS_REPORTS_URL: is {wrong!r}" in done.stderr), done.stderr


def test_named_plant_is_in_the_plan():
    """`--plant` puts the defect into what would be run, without a change of the file."""
    done = harness("run", "experiments/canary-5xx.yaml", "--plant", "load_stops", "--dry-run")
    assert (0, True) == (done.returncode, "planted defect: load_stops" in done.stdout), done.stderr


def test_history_of_a_folder(tmp_path):
    """Index, trend and diff over two real run directories."""
    for name, evidence in (
        ("a", h.passing()),
        ("b", h.with_manifest(h.passing(), run_id="20260102t030505z-000001", load={"profile": "S", "seed": 8})),
    ):
        h.write(evidence, tmp_path / name)
        findings_file.write(tmp_path / name / "findings.json", judge(evidence))
    done = harness("index", tmp_path)
    assert f"{tmp_path / 'index.html'}\n" == done.stdout
    assert "2 trials" in (tmp_path / "index.html").read_text()
    assert 3 == len(harness("trend", tmp_path).stdout.splitlines())
    assert 2 == len(json.loads(harness("trend", tmp_path, "--json").stdout)["trials"])
    assert "load.seed\n    A  7\n    B  8" in harness("diff", tmp_path / "a", tmp_path / "b").stdout
