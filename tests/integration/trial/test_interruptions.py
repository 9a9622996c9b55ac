"""Whatever ends a trial early: within ten seconds no fault, no process, no port, and a directory that judges."""

from __future__ import annotations

import os
import signal

import psutil
import pytest

from harness.drive.guard.client import await_condition
from harness.evidence.format import Kind

pytestmark = pytest.mark.integration
GONE_S_MAX = 10.0
EXIT_SIGINT, EXIT_SIGTERM = 130, 143


def assert_nothing_stays(trial) -> None:
    """Everything is gone in time, and the verdict is not PASS."""
    assert await_condition(lambda: not trial.leftovers(), GONE_S_MAX), trial.leftovers()
    assert trial.findings()["verdict"] in {"INCONCLUSIVE", "FAIL"}
    assert "evidence" in trial.judged()["red"]


def chaos_of(trial) -> psutil.Process:
    """The `chaos run` child of `harness run`."""
    (child,) = [
        one for one in psutil.Process(trial.process.pid).children() if "chaostoolkit" in " ".join(one.cmdline())
    ]
    return child


def test_killed_harness_leaves_nothing(experiment, start):
    """SIGKILL of `harness run` during the fault."""
    trial = start(experiment(plant="stepper_ignores_webhook"))
    trial.await_event(Kind.FAULT_ON)
    os.kill(trial.process.pid, signal.SIGKILL)
    trial.code()
    assert_nothing_stays(trial)


def test_killed_chaos_leaves_nothing(experiment, start):
    """SIGKILL of `chaos run`, as the child of `harness run`, during the fault."""
    trial = start(experiment(plant="stepper_ignores_webhook"))
    trial.await_event(Kind.FAULT_ON)
    chaos_of(trial).kill()
    assert_nothing_stays(trial)
    assert 2 == trial.code(), trial.output


@pytest.mark.parametrize("phase", ["open", "baseline", "canary", "fault", "verify"])
def test_ctrl_c_in_any_phase_leaves_nothing(experiment, start, phase):
    """SIGINT of `harness run` in each phase: healed, stopped, judged, exit code 130."""
    trial = start(experiment())
    trial.await_phase(phase)
    os.kill(trial.process.pid, signal.SIGINT)
    assert_nothing_stays(trial)
    assert EXIT_SIGINT == trial.code(), trial.output


def test_sigterm_of_chaos_run_leaves_nothing(experiment, start):
    """SIGTERM of a `chaos run` that was started alone, during an action, which Chaos Toolkit would swallow."""
    trial = start(experiment(plant="stepper_ignores_webhook"), command="chaos")
    trial.await_event(Kind.FAULT_ON)
    os.kill(trial.process.pid, signal.SIGTERM)
    assert_nothing_stays(trial)
    assert 1 == trial.code(), trial.output


def test_second_ctrl_c_does_not_cut_the_close(experiment, start):
    """Two SIGINT in a row to `chaos run`: the trial is closed, sealed and judged all the same."""
    trial = start(experiment(plant="stepper_ignores_webhook"), command="chaos")
    trial.await_event(Kind.FAULT_ON)
    os.kill(trial.process.pid, signal.SIGINT)
    trial.await_event(Kind.INTERRUPTED)
    os.kill(trial.process.pid, signal.SIGINT)
    assert_nothing_stays(trial)
    assert (trial.run_dir / "SEAL").exists()
    assert 1 == trial.code(), trial.output


def test_death_of_a_part_ends_the_trial(experiment, start):
    """SIGKILL of the router: the trial ends by itself, and says which part died."""
    trial = start(experiment(plant="stepper_ignores_webhook"))
    trial.await_event(Kind.FAULT_ON)
    os.kill(trial.pids()["envoy"], signal.SIGKILL)
    assert_nothing_stays(trial)
    assert 2 == trial.code(), trial.output
    assert "envoy" in trial.findings()["headline"]["says"]
