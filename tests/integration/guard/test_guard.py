"""The guard with real processes: whatever happens to the control or to itself, nothing stays behind."""

from __future__ import annotations

import os
import signal
import sys

import pytest

from harness.drive import census
from harness.drive.guard import identity
from harness.drive.guard.client import BEAT_S, HEARTBEAT_S_MAX, await_condition
from harness.errors import EvidenceError
from harness.evidence import run
from harness.evidence.format import Kind

pytestmark = pytest.mark.integration
STALL_S = DEADLINE_S = 2.0  # as the stub has them
GONE_S_MAX = 10.0  # what the design promises for a killed trial


def test_released_guard_leaves_nothing_and_seals_nothing(start, tmp_path):
    """After stop_all and release all has ended, also what ignored SIGTERM and its child; sealing is the control's."""
    stub = start("release")
    stub.say()
    told = stub.line()
    stub.end()
    assert ([], []) == (told["left"], told["exits"])
    assert stub.nothing_left()
    assert not (tmp_path / "SEAL").exists()
    assert [True, True] == [event.data["expected"] for event in stub.events(Kind.PROCESS_EXITED)]


def test_killed_control_is_finished_by_the_guard(start, tmp_path):
    """SIGKILL of the control: the fault is healed, every process ends, and the directory is sealed as incomplete."""
    stub = start("live")
    stub.process.kill()
    assert await_condition(stub.nothing_left, GONE_S_MAX)
    stub.end()
    assert "healed\n" == (tmp_path / "logs" / "healed").read_text()
    evidence = run.load(tmp_path)
    assert not evidence.complete
    assert ["the control is gone"] == [event.data["why"] for event in evidence.of(Kind.GUARD_FINISHING)]
    assert [] == evidence.of(Kind.CENSUS)[-1].data["items"]


def test_hanging_control_is_ended_and_finished(start, tmp_path):
    """A control that hangs is noticed by its heartbeat, ended, and its trial finished."""
    stub = start("hang")
    assert await_condition(stub.nothing_left, HEARTBEAT_S_MAX + GONE_S_MAX)
    assert -signal.SIGKILL == stub.process.wait(timeout=5)
    stub.end()
    (finishing,) = stub.events(Kind.GUARD_FINISHING)
    assert "no heartbeat for 6 s" in finishing.data["why"]


def test_control_whose_main_thread_hangs_is_ended_and_finished(start, tmp_path):
    """A heartbeat is no progress: a main thread without a sign of life is a hang, and its trial is finished."""
    stub = start("stall")
    assert await_condition(stub.nothing_left, STALL_S + BEAT_S + GONE_S_MAX)
    assert -signal.SIGKILL == stub.process.wait(timeout=5)
    stub.end()
    (finishing,) = stub.events(Kind.GUARD_FINISHING)
    assert "no progress for 2 s: the control hangs in what it does" == finishing.data["why"]
    assert "healed\n" == (tmp_path / "logs" / "healed").read_text()
    assert [] == run.load(tmp_path).of(Kind.CENSUS)[-1].data["items"]


def test_control_that_polls_is_no_hang(start, tmp_path):
    """An action that takes three times the limit, and polls, is left alone."""
    stub = start("poll")
    assert "polled" == stub.line()
    assert ([], True) == (stub.events(Kind.GUARD_FINISHING), census.is_alive(stub.pids["guard"]))


def test_trial_past_its_deadline_is_ended_and_finished(start, tmp_path):
    """A control that goes on and on, alive and polling, is ended when the trial's time is over."""
    stub = start("late")
    assert await_condition(stub.nothing_left, DEADLINE_S + GONE_S_MAX)
    assert -signal.SIGKILL == stub.process.wait(timeout=5)
    stub.end()
    evidence = run.load(tmp_path)
    assert ["the trial's deadline has passed"] == [event.data["why"] for event in evidence.of(Kind.GUARD_FINISHING)]
    assert "healed\n" == (tmp_path / "logs" / "healed").read_text()
    assert (False, []) == (evidence.complete, evidence.of(Kind.CENSUS)[-1].data["items"])


def test_killed_guard_takes_every_process_with_it(start):
    """SIGKILL of the guard: the kernel ends what it started, and the control hears of it."""
    stub = start("live")
    os.kill(stub.pids["guard"], signal.SIGKILL)
    assert await_condition(
        lambda: not any(census.is_alive(stub.pids[name]) for name in ("server", "stubborn")), GONE_S_MAX
    )
    stub.say()
    assert ["guard -1"] == stub.line()["exits"]
    stub.end()


def test_unexpected_death_of_a_process_is_told(start, tmp_path):
    """A process that dies by itself is recorded as unexpected and told to the control."""
    stub = start("live")
    os.kill(stub.pids["server"], signal.SIGKILL)
    assert await_condition(lambda: bool(stub.events(Kind.PROCESS_EXITED)), 5.0)
    stub.say()
    assert ["server -9"] == stub.line()["exits"]
    assert [False] == [event.data["expected"] for event in stub.events(Kind.PROCESS_EXITED)]
    stub.end()
    assert await_condition(stub.nothing_left, GONE_S_MAX)


def test_running_trial_cannot_be_judged(start, tmp_path):
    """While the guard works it holds the run directory's lock."""
    start("live")
    with pytest.raises(EvidenceError, match="still running"):
        run.load(tmp_path)


def test_identity_of_every_process_is_on_disk(start):
    """While they run the undo log says what a healer must compare, also after a hand-over; and when they have ended."""
    stub = start("release")

    def recorded() -> list[dict]:
        return [line["process"] for line in stub.undo_lines() if "process" in line]

    assert await_condition(lambda: len(recorded()) == 3, 5.0)
    shell, *final = sorted(
        recorded(), key=lambda found: (found["name"], os.path.realpath(sys.executable) == found["exe"])
    )
    assert ("server", stub.pids["server"], "sh") == (shell["name"], shell["pid"], shell["exe"][-2:])
    assert [identity_now(name, stub.pids[name]) for name in ("server", "stubborn")] == final
    assert {"scratch": str(stub.scratch)} == stub.undo_lines()[0]
    assert [] == [line for line in stub.undo_lines() if "ended" in line]
    stub.say()
    stub.line()
    stub.end()
    ended = [line["ended"] for line in stub.undo_lines() if "ended" in line]
    assert sorted((stub.pids["server"], stub.pids["stubborn"])) == sorted(ended)


def identity_now(name: str, pid: int) -> dict:
    return {
        "name": name,
        "pid": pid,
        "start_ticks": census.start_time_of(pid),
        "boot_id": identity.boot_id(),
        "exe": os.readlink(f"/proc/{pid}/exe"),
        "pgid": os.getpgid(pid),
    }
