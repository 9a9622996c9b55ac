"""The other shipped experiments, shortened: each outcome that a drill can expect, from real parts."""

from __future__ import annotations

import json

import pytest

from harness.evidence.format import Kind

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("name", ["canary-latency", "slow-leak", "fault-after-100", "shift-at-50"])
def test_rollback_passes(experiment, start, name):
    """A canary that is slow, gets slow, breaks after it has replaced stable, or breaks at half of the traffic."""
    trial = start(experiment(name=name))
    assert 0 == trial.code(), trial.output
    assert {"verdict": "PASS", "headline": ("", ""), "red": []} == trial.judged()
    assert "rolled_back" == trial.events(Kind.OUTCOME)[0].data["outcome"]


def test_removed_canary_is_stopped_and_the_team_is_told(experiment, start):
    """Strategy remove: after the drain the canary is stopped, and the team is told version, reason and outcome."""
    trial = start(experiment(name="canary-5xx-remove"))
    assert 0 == trial.code(), trial.output
    decided = [event.data["decision"] for event in trial.events(Kind.DECIDED)]
    assert ["step", "roll_back", "remove"] == decided
    (ended,) = [event for event in trial.events(Kind.PROCESS_EXITED) if event.data["name"] == "canary-1"]
    (closing,) = [event for event in trial.events(Kind.PHASE) if event.data["phase"] == "close"]
    assert ended.data["expected"]
    assert ended.t_ns < closing.t_ns
    (told,) = [json.loads(path.read_text())["body"] for path in trial.run_dir.glob("notifications/*-team.json")]
    assert ("1.1", "rolled_back", "CanaryErrorRatioHigh") == (told["version"], told["outcome"], told["alert"])


def test_fault_on_both_versions_holds_the_rollout(experiment, start):
    """What breaks both versions alike holds the rollout and tells the team; the canary's own alert stays silent."""
    trial = start(experiment(name="fault-on-both"))
    assert 0 == trial.code(), trial.output
    assert "held" == trial.events(Kind.OUTCOME)[0].data["outcome"]
    (told,) = [json.loads(path.read_text())["body"] for path in trial.run_dir.glob("notifications/*-team.json")]
    assert ("held", "ServiceErrorRatioHigh") == (told["outcome"], told["alert"])
