"""The guard with real processes: whatever happens to the control or to itself, nothing stays behind."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from harness.drive import census
from harness.drive.guard.client import HEARTBEAT_S_MAX, await_condition
from harness.errors import EvidenceError
from harness.evidence import run, timeline
from harness.evidence.format import Kind

pytestmark = pytest.mark.integration
STUB = Path(__file__).with_name("control_stub.py")
GONE_S_MAX = 10.0  # what the design promises for a killed trial


class Stub:
    """A running control stub and the pids it told."""

    def __init__(self, run_dir: Path, mode: str) -> None:
        self.run_dir = run_dir
        (run_dir / "manifest.json").write_text(json.dumps({"format": "harness/run/1", "run_id": "r"}))
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.scratch = run_dir.parent / f"{run_dir.name}-scratch"
        self.process = subprocess.Popen(
            [sys.executable, str(STUB), str(run_dir), str(self.scratch), mode, str(self.port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.pids: dict[str, int] = self.line()
        grandchild = run_dir / "logs" / "grandchild"
        assert await_condition(lambda: grandchild.exists() and bool(grandchild.read_text()), 10.0)
        assert await_condition(lambda: census.listens(self.port), 10.0)
        self.pids["grandchild"] = int(grandchild.read_text())

    def line(self) -> dict:
        assert self.process.stdout is not None
        return json.loads(self.process.stdout.readline())

    def end(self) -> None:
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()
        self.process.wait(timeout=10)

    def nothing_left(self) -> bool:
        alive = [name for name, pid in self.pids.items() if census.is_alive(pid)]
        return not alive and not census.listens(self.port) and not self.scratch.exists()


@pytest.fixture
def start(tmp_path):
    """Starts stubs; ends those that a failing test left."""
    stubs: list[Stub] = []

    def start_one(mode: str) -> Stub:
        stubs.append(Stub(tmp_path, mode))
        return stubs[-1]

    yield start_one
    for stub in stubs:
        if stub.process.poll() is None:
            stub.process.kill()
            stub.end()
        for pid in stub.pids.values():
            if census.is_alive(pid):
                os.kill(pid, signal.SIGKILL)


def events(run_dir: Path, *kinds: Kind) -> list[timeline.Event]:
    return [event for event in timeline.read(run_dir)[0] if event.kind in kinds]


def test_released_guard_leaves_nothing_and_seals_nothing(start, tmp_path):
    """After stop_all and release all has ended, also what ignored SIGTERM and its child; sealing is the control's."""
    stub = start("release")
    assert stub.process.stdin is not None
    stub.process.stdin.write("\n")
    stub.process.stdin.flush()
    told = stub.line()
    stub.end()
    assert ([], []) == (told["left"], told["exits"])
    assert stub.nothing_left()
    assert not (tmp_path / "SEAL").exists()
    assert [True, True] == [event.data["expected"] for event in events(tmp_path, Kind.PROCESS_EXITED)]


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
    (finishing,) = events(tmp_path, Kind.GUARD_FINISHING)
    assert "no heartbeat for 6 s" in finishing.data["why"]


def test_killed_guard_takes_every_process_with_it(start):
    """SIGKILL of the guard: the kernel ends what it started, and the control hears of it."""
    stub = start("live")
    os.kill(stub.pids["guard"], signal.SIGKILL)
    assert await_condition(
        lambda: not any(census.is_alive(stub.pids[name]) for name in ("server", "stubborn")), GONE_S_MAX
    )
    assert stub.process.stdin is not None
    stub.process.stdin.write("\n")
    stub.process.stdin.flush()
    assert ["guard -1"] == stub.line()["exits"]
    stub.end()


def test_unexpected_death_of_a_process_is_told(start, tmp_path):
    """A process that dies by itself is recorded as unexpected and told to the control."""
    stub = start("live")
    os.kill(stub.pids["server"], signal.SIGKILL)
    assert await_condition(lambda: bool(events(tmp_path, Kind.PROCESS_EXITED)), 5.0)
    assert stub.process.stdin is not None
    stub.process.stdin.write("\n")
    stub.process.stdin.flush()
    assert ["server -9"] == stub.line()["exits"]
    assert [False] == [event.data["expected"] for event in events(tmp_path, Kind.PROCESS_EXITED)]
    stub.end()
    assert await_condition(stub.nothing_left, GONE_S_MAX)


def test_running_trial_cannot_be_judged(start, tmp_path):
    """While the guard works it holds the run directory's lock."""
    start("live")
    with pytest.raises(EvidenceError, match="still running"):
        run.load(tmp_path)
