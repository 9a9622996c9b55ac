"""Whole trials: the green ones, and one for each planted defect, each red as it must be."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from harness.drive import prepare
from harness.study import expected

pytestmark = pytest.mark.integration

# Each says what it turns verdict, headline and red checks into.
DEFECTS = expected.read(prepare.plants())
BY_CHAOS = "fault_reaches_stable"  # INCONCLUSIVE: `harness run` would exit with 2
TRIAL_S_MAX = 180.0
EXIT_CODES = {"PASS": 0, "FAIL": 1, "INCONCLUSIVE": 2}


def harness(*arguments: str, timeout_s: float = 60.0) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "harness.cli.main", *arguments], capture_output=True, timeout=timeout_s, check=False
    )


def test_running_trial_is_seen_in_objects(experiment, start):
    """`harness run --json` and a `harness watch --json` beside it show the same seconds, and end with the verdict."""
    trial = start(experiment(), "--json")
    trial.await_phase("baseline")
    watched = harness("watch", str(trial.run_dir), "--json", timeout_s=TRIAL_S_MAX)
    assert (0, 0) == (trial.code(), watched.returncode), trial.output
    # The output file has stderr too: the words for people stand between the objects.
    lines = [
        [line for line in text.splitlines() if line[:1] == "{"] for text in (trial.output, watched.stdout.decode())
    ]
    of_run, of_watch = ([json.loads(line) for line in part] for part in lines)
    verdict = {"kind": "verdict", "verdict": "PASS", "run_dir": str(trial.run_dir), "exit_code": 0}
    assert verdict.items() <= of_run[-1].items()
    assert of_run[-1] == of_watch[-1]
    seconds = [[one["t_s"] for one in objects if one["kind"] == "second"] for objects in (of_run, of_watch)]
    assert seconds[0] == seconds[1]
    assert {"second", "phase", "fault_on", "alert_seen", "decided", "outcome"} <= {one["kind"] for one in of_watch}


def test_chaos_run_does_the_same_trial(experiment, start):
    """`chaos run` alone leaves the same run directory and exits 0 on PASS."""
    trial = start(experiment(), command="chaos")
    assert 0 == trial.code(), trial.output
    assert "PASS" == trial.findings()["verdict"]
    assert {"findings.json", "report.html", "summary.md", "junit.xml", "SEAL", "journal.json"} <= {
        path.name for path in trial.run_dir.iterdir()
    }


@pytest.mark.parametrize("plant", DEFECTS)
def test_planted_defect_turns_the_verdict_it_should(experiment, start, plant):
    """Each planted defect, alone, gives its verdict, its headline and exactly its red checks.

    One of them is run by `chaos`, which exits 1 for whatever is no PASS.
    """
    promise = DEFECTS[plant]
    by_chaos = plant == BY_CHAOS
    trial = start(experiment(plant=plant), command="chaos" if by_chaos else "harness")
    assert (1 if by_chaos else EXIT_CODES[promise.verdict]) == trial.code(), trial.output
    wanted = {"verdict": promise.verdict, "headline": (promise.check, promise.rule), "red": list(promise.red)}
    assert wanted == trial.judged(), trial.output
