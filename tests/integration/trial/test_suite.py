"""A whole suite: a short drill with its control and a planted defect, and one that a signal ends."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys

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


def started(suite):
    """`harness suite` on it, its output in output.txt."""
    folder = suite.parents[1]
    with (folder / "output.txt").open("w") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "harness.cli.main", "suite", str(suite), "--reports-dir", str(folder / "reports")],
            cwd=folder, env=os.environ, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
            start_new_session=True,
        )  # fmt: skip


def runs(suite):
    """Run directories, the oldest first."""
    found = (suite.parents[1] / "reports").glob("2*Z-*")
    return sorted(path for path in found if path.is_dir())


def document(suite):
    (path,) = (suite.parents[1] / "reports").glob("suite-*/suite.json")
    return json.loads(path.read_text())


def leftovers(run_dir):
    """What of a trial exists now."""
    events = [event for event in timeline.read(run_dir)[0] if event.kind is Kind.PROCESS_STARTED]
    pids = {event.data["name"]: event.data["pid"] for event in events}
    return census.take(pids, [port for event in events for port in event.data["ports"]])


def test_suite_is_as_expected(suite):
    """The drill and its control PASS, the planted defect is found as it promises; the index has all three."""
    process = started(suite)
    code = process.wait(timeout=SUITE_S_MAX)
    output = (suite.parents[1] / "output.txt").read_text()
    assert 0 == code, output
    assert output.splitlines()[-1].startswith("suite: PASS ")
    found = document(suite)
    assert [] == found["not_run"]
    assert ["PASS", "PASS", "FAIL"] == [one["verdict"] for one in found["trials"]]
    assert {"PASS"} == {one["outcome"] for one in found["trials"]}
    drill, control, planted = runs(suite)
    manifests = [json.loads((path / "manifest.json").read_text()) for path in (drill, control, planted)]
    assert ["", drill.name, ""] == [one["control_of"] for one in manifests]
    assert ["", "", "router_unchanged"] == [one["plant"] for one in manifests]
    assert manifests[0]["load"] == manifests[1]["load"]
    assert "--plant router_unchanged" in manifests[2]["command"]
    page = (suite.parents[1] / "reports" / "index.html").read_text()
    assert "2 trials and 1 with a planted defect" in page
    assert [] == [
        name for path in (drill, control, planted) for name in [path.name] if f"{name}/report.html" not in page
    ]
    folder = (suite.parents[1] / "reports" / "latest-suite").resolve()
    linked = re.findall(r"\]\((.+?)\)", (folder / "summary.md").read_text())
    assert [path / "report.html" for path in (drill, control, planted)] == [(folder / one).resolve() for one in linked]
    assert [] == [left for path in (drill, control, planted) for left in leftovers(path)]


def test_signal_ends_the_suite_after_the_running_trial(suite):
    """SIGTERM goes to the trial that runs: it heals, stops and is judged; no other is started, and nothing is left."""
    process = started(suite)
    try:
        assert await_condition(lambda: bool(runs(suite)), 60.0)
        (run_dir,) = runs(suite)
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
    found = document(suite)
    assert (True, "INCONCLUSIVE") == (found["interrupted"], found["verdict"])
    assert ["INCONCLUSIVE"] == [one["verdict"] for one in found["trials"]]
    assert ["a signal ended the suite"] * 2 == [one["why"] for one in found["not_run"]]
    assert [run_dir] == runs(suite)
    assert await_condition(lambda: not leftovers(run_dir), GONE_S_MAX), leftovers(run_dir)
