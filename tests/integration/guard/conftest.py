"""A running control stub, its guard and its processes; whatever a failing test leaves is ended."""

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
from harness.drive.guard.client import await_condition
from harness.evidence import timeline
from harness.evidence.format import Kind

STUB = Path(__file__).with_name("control_stub.py")


class Stub:
    """A running control stub and the pids it told."""

    def __init__(self, run_dir: Path, mode: str) -> None:
        self.run_dir = run_dir
        (run_dir / "manifest.json").write_text(json.dumps({"format": "harness/run/1", "run_id": "r"}))
        with socket.socket() as one, socket.socket() as other:
            one.bind(("127.0.0.1", 0))
            other.bind(("127.0.0.1", 0))
            self.port, self.door_port = one.getsockname()[1], other.getsockname()[1]
        self.scratch = run_dir.parent / f"{run_dir.name}-scratch"
        self.process = subprocess.Popen(
            [sys.executable, str(STUB), str(run_dir), str(self.scratch), mode, str(self.port), str(self.door_port)],
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

    def say(self) -> None:
        """One line to the stub, for which most modes wait."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def end(self) -> None:
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()
        self.process.wait(timeout=10)

    def events(self, *kinds: Kind) -> list[timeline.Event]:
        return [event for event in timeline.read(self.run_dir)[0] if event.kind in kinds]

    def undo_lines(self) -> list[dict]:
        return [json.loads(line) for line in (self.run_dir / "logs" / "undo.ndjson").read_text().splitlines()]

    def nothing_left(self) -> bool:
        alive = [name for name, pid in self.pids.items() if census.is_alive(pid)]
        heard = [port for port in (self.port, self.door_port) if census.listens(port)]
        return not alive and not heard and not self.scratch.exists()


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
