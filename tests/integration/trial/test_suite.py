"""The suite `smoke` as it ships, and one that a signal ends. Controls: test_own_service.py runs a suite with one."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
import yaml

from harness.drive import census
from harness.drive.guard.client import await_condition
from harness.drive.live import Tail
from harness.evidence import timeline
from harness.evidence.format import Kind

pytestmark = pytest.mark.integration
SUITE_S_MAX = 400.0
GONE_S_MAX = 10.0
SMOKE = Path(__file__).parents[3] / "experiments" / "suites" / "smoke.yaml"


@pytest.fixture
def suite(tmp_path, experiment):
    """A suite file of the short drill with its control, then with a plant; experiments beside it."""
    experiment()
    experiment(name="healthy-release")
    folder = tmp_path / "suites"
    folder.mkdir()
    path = folder / "tiny.yaml"
    entries = [
        {"experiment": "canary-5xx", "seconds": 120, "control": True},
        {"experiment": "canary-5xx", "seconds": 60, "plants": ["router_unchanged"]},
    ]
    path.write_text(yaml.safe_dump({"title": "Tiny", "budget_s": 380, "trials": entries}))
    return path


def started(suite, folder):
    """`harness suite` on it in the folder, its output in output.txt."""
    with (folder / "output.txt").open("w") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "harness.cli.main", "suite", str(suite)],
            cwd=folder, env=os.environ, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
            start_new_session=True,
        )  # fmt: skip


def runs(folder):
    """Run directories, the oldest first."""
    return sorted(path for path in (folder / "reports").glob("2*Z-*") if path.is_dir())


def document(folder):
    (path,) = (folder / "reports").glob("suite-*/suite.json")
    return json.loads(path.read_text())


def leftovers(run_dir):
    """What of a trial exists now."""
    events = [event for event in timeline.read(run_dir)[0] if event.kind is Kind.PROCESS_STARTED]
    pids = {event.data["name"]: event.data["pid"] for event in events}
    return census.take(pids, [port for event in events for port in event.data["ports"]])


def assert_judged_alike_again(run_dir):
    """`harness judge` and `harness report` of a directory that lies there give the same bytes as the trial did."""
    names = ("findings.json", "report.html", "summary.md", "junit.xml")
    first = {name: (run_dir / name).read_bytes() for name in names}
    for command in ("judge", "report"):
        subprocess.run(
            [sys.executable, "-m", "harness.cli.main", command, str(run_dir)],
            stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=True,
        )  # fmt: skip
    assert first == {name: (run_dir / name).read_bytes() for name in names}
    assert {"0"} == {suite.get("failures") for suite in ET.fromstring(first["junit.xml"]).iter("testsuite")}


def test_smoke_is_as_expected(tmp_path):
    """Nothing of it is left out: the drill and the healthy release PASS, the day's planted defect is found as it
    promises; index and summary lead to all three, and nothing is left."""
    process = started("smoke", tmp_path)
    code = process.wait(timeout=SUITE_S_MAX)
    output = (tmp_path / "output.txt").read_text()
    assert 0 == code, output
    assert output.splitlines()[-1].startswith("suite: PASS ")
    found = document(tmp_path)
    assert [] == found["not_run"]
    assert {"PASS"} == {one["outcome"] for one in found["trials"]}
    drill, healthy, planted = runs(tmp_path)
    assert [one.name for one in (drill, healthy, planted)] == [one["run"] for one in found["trials"]]
    assert ["PASS", "PASS"] == [one["verdict"] for one in found["trials"][:2]]
    assert ["fault"] == json.loads((healthy / "findings.json").read_text())["not_asked"]
    assert_judged_alike_again(drill)
    manifest = json.loads((planted / "manifest.json").read_text())
    plants = yaml.safe_load(SMOKE.read_text())["trials"][2]["plants"]
    assert found["trials"][2]["plant"] == manifest["plant"]
    assert manifest["plant"] in plants
    assert f"--plant {manifest['plant']}" in manifest["command"]
    page = (tmp_path / "reports" / "index.html").read_text()
    assert "2 trials and 1 with a planted defect" in page
    assert [] == [path for path in (drill, healthy, planted) if f"{path.name}/report.html" not in page]
    folder = (tmp_path / "reports" / "latest-suite").resolve()
    linked = re.findall(r"\]\((.+?)\)", (folder / "summary.md").read_text())
    reports = [path / "report.html" for path in (drill, healthy, planted)]
    assert reports == [(folder / one).resolve() for one in linked]
    assert [] == [left for path in (drill, healthy, planted) for left in leftovers(path)]


def test_signal_ends_the_suite_after_the_running_trial(suite, tmp_path):
    """SIGTERM goes to the trial that runs: it heals, stops and is judged; no other is started, and nothing is left."""
    process = started(suite, tmp_path)
    try:
        assert await_condition(lambda: bool(runs(tmp_path)), 60.0)
        (run_dir,) = runs(tmp_path)
        tail = Tail(run_dir / "timeline" / "control.ndjson")
        assert await_condition(
            lambda: any(event["kind"] == Kind.PHASE and event["phase"] == "detect" for event in tail.new()), 120.0
        )
        process.send_signal(signal.SIGTERM)
        assert 143 == process.wait(timeout=90.0)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait(timeout=10)
    found = document(tmp_path)
    assert (True, "INCONCLUSIVE") == (found["interrupted"], found["verdict"])
    assert ["INCONCLUSIVE"] == [one["verdict"] for one in found["trials"]]
    assert ["a signal ended the suite"] * 2 == [one["why"] for one in found["not_run"]]
    assert [run_dir] == runs(tmp_path)
    assert await_condition(lambda: not leftovers(run_dir), GONE_S_MAX), leftovers(run_dir)
