"""What test_kills.py has no row for: before the trial is open, a control that hangs, and several victims at once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from harness import settings
from harness.drive import heal
from harness.drive.guard.client import await_condition
from harness.evidence.format import Kind

pytestmark = pytest.mark.integration
GONE_S_MAX = 10.0
EXIT_HARNESS, EXIT_INCONCLUSIVE = 70, 2


def child_of(trial: Any, part: str) -> psutil.Process:
    """The one process below `harness run` whose command line has this part."""
    (child,) = [one for one in psutil.Process(trial.process.pid).children(recursive=True) if part in one.cmdline()]
    return child


def await_child(trial: Any, part: str) -> None:
    command = psutil.Process(trial.process.pid)
    assert await_condition(
        lambda: any(part in one.cmdline() for one in command.children()) or trial.process.poll() is not None, 20.0, 0.01
    )


def kill_at_once(*victims: psutil.Process) -> None:
    """None of them sees another one end."""
    for victim in victims:
        victim.suspend()
    for victim in victims:
        victim.kill()


def left(trial: Any) -> list[str]:
    """Processes, ports, faults and folders of this one trial."""
    folders = [str(folder) for folder in heal.read(trial.run_dir).scratch if folder.exists()]
    return [*(f"{item['what']} {item['name']}" for item in trial.leftovers()), *folders]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signal_before_the_trial_is_open_leaves_nothing(experiment, start, number, code):
    """While Chaos Toolkit is still being started there is no trial: no run directory, nothing left, 130 or 143."""
    trial = start(experiment())
    await_child(trial, "chaostoolkit")
    os.kill(trial.process.pid, number)
    assert code == trial.code(), trial.output
    assert not trial.run_dir.exists()
    assert "Traceback" not in trial.output


def test_hung_chaos_is_finished_by_its_guard(experiment, start):
    """SIGSTOP of `chaos run` during the fault: no heartbeat for six seconds, then the guard ends and closes all."""
    trial = start(experiment(plant="stepper_ignores_webhook"))
    trial.await_event(Kind.FAULT_ON)
    child_of(trial, "chaostoolkit").send_signal(signal.SIGSTOP)
    assert await_condition(lambda: [] == left(trial), GONE_S_MAX), left(trial)
    assert EXIT_INCONCLUSIVE == trial.code(), trial.output
    assert "heartbeat" in trial.findings()["headline"]["says"]


def test_parts_that_hang_do_not_hold_up_an_interrupted_close(experiment, start):
    """Load and observer got SIGSTOP, so neither ends when asked: the close kills them, within its ten seconds.

    Their own limits, for the end of a whole trial, are longer than that.
    """
    trial = start(experiment(plant="stepper_ignores_webhook"))
    trial.await_event(Kind.FAULT_ON)
    for part in ("load", "observer"):
        os.kill(trial.pids()[part], signal.SIGSTOP)
    os.kill(trial.process.pid, signal.SIGINT)
    assert await_condition(lambda: [] == left(trial), GONE_S_MAX), left(trial)
    assert 130 == trial.code(), trial.output
    assert "INCONCLUSIVE" == trial.findings()["verdict"]


def test_killed_chaos_and_guard_are_healed_by_the_command(experiment, start):
    """SIGKILL of both that would close: `harness run`, the last that knows of the trial, heals and judges."""
    trial = start(experiment(plant="stepper_ignores_webhook"))
    trial.await_event(Kind.FAULT_ON)
    kill_at_once(child_of(trial, "harness.drive.guard"), child_of(trial, "chaostoolkit"))
    assert await_condition(lambda: [] == left(trial), GONE_S_MAX), left(trial)
    assert EXIT_INCONCLUSIVE == trial.code(), trial.output
    assert "its guard is gone too" in trial.output


def test_everybody_killed_is_healed_by_heal(experiment, start):
    """SIGKILL of command, control and guard at once: the kernel ends the rest, `harness heal --all` what it cannot."""
    trial = start(experiment(plant="stepper_ignores_webhook"))
    trial.await_event(Kind.FAULT_ON)
    command = psutil.Process(trial.process.pid)
    kill_at_once(child_of(trial, "harness.drive.guard"), child_of(trial, "chaostoolkit"), command)
    trial.code()
    cache = settings.cache_dir(settings.load())
    (scratch,) = heal.read(trial.run_dir).scratch
    assert await_condition(lambda: not trial.leftovers(), GONE_S_MAX), trial.leftovers()
    assert [scratch] == [one.folder for one in heal.left_by_one(trial.run_dir, cache)]
    assert 0 == heal_all(trial.run_dir).returncode
    assert [] == left(trial)
    assert EXIT_INCONCLUSIVE == judged(trial.run_dir).returncode


def heal_all(run_dir: Path) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "harness.cli.main", "heal", str(run_dir), "--all", "--reports-dir", str(run_dir)]
    return subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, check=False)


def judged(run_dir: Path) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "harness.cli.main", "judge", str(run_dir)]
    return subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False)
