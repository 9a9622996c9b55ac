"""The guard process. `python -m harness.drive.guard --control-fd N ...` is started by the control, never by hand.

It serves one client over one inherited socket (JSON lines), so the client's death is an end of file and
needs no time-out; a client that hangs is noticed by its missing heartbeat, one that never ends by the
deadline. In each case the guard finishes the trial: heal, stop, seal with complete=False, judge, report.
It holds the run directory's lock (an inherited descriptor) for as long as it works.

Exit code 0 after `release` and after a finish that left nothing; 70 when something would not end.
"""

from __future__ import annotations

import argparse
import json
import os
import selectors
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from harness import clock
from harness.drive import census
from harness.drive.guard import processes
from harness.drive.guard.undo import UndoLog, UndoRequest
from harness.drive.stack.spec import ProcessSpec
from harness.errors import EXIT_HARNESS, GuardError
from harness.evidence import seal
from harness.evidence.format import Kind
from harness.evidence.timeline import TimelineWriter

_TICK_S = 0.1
_FINISH_GRACE_S = 1.5  # of the 10 s within which a killed trial must have left nothing
JUDGE_S_MAX = 120.0


class Guard:
    """One trial's processes, undo log, deadline and heartbeat."""

    def __init__(self, options: argparse.Namespace, environment: Mapping[str, str]) -> None:
        self.run_dir = Path(options.run_dir)
        self.keep_evidence: bool = not options.stack_only
        self.control_pid: int = options.control_pid
        self.control_started: int = census.start_time_of(options.control_pid)
        self.scratch = Path(options.scratch_dir)
        self.heartbeat_ns = int(options.heartbeat_s * clock.NS_PER_S)
        self.deadline_ns = clock.monotonic_ns() + int(options.deadline_s * clock.NS_PER_S)
        self.last_beat_ns = clock.monotonic_ns()
        self.environment = environment
        self.timeline = TimelineWriter(self.run_dir, "guard")
        self.undo = UndoLog(self.run_dir)
        self.children: dict[str, processes.Child] = {}
        self.ports: list[int] = []
        self.released = False
        self.asked_to_end = ""
        self.socket = socket.socket(fileno=options.control_fd)

    # -- requests of the control ------------------------------------------------------------------------------

    def answer(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Do what one request asks; its answer's fields."""
        match request["do"]:
            case "start":
                return self._start(msgspec.convert(request["spec"], ProcessSpec))
            case "status":
                return {"codes": {name: child.popen.poll() for name, child in self.children.items()}}
            case "stop":
                chosen = [self.children[name] for name in request["names"] if name in self.children]
                return {"left": self._stop(chosen)}
            case "stop_all":
                left = self._stop(list(self.children.values()))
                shutil.rmtree(self.scratch, ignore_errors=True)
                return {"left": left}
            case "undo_add":
                return {"entry": self.undo.add(msgspec.convert(request["request"], UndoRequest))}
            case "undo_done":
                self.undo.done(int(request["entry"]))
                return {}
            case "release":
                self.released = True
                return {}
            case unknown:
                raise GuardError(f"the guard knows no request {unknown!r}")

    def _start(self, spec: ProcessSpec) -> dict[str, Any]:
        levels = {name: child.level for name, child in self.children.items()}
        child = processes.spawn(spec, processes.level_of(spec, levels), self.run_dir, self.environment)
        self.children[spec.name] = child
        self.ports += spec.ports
        self.timeline.event(Kind.PROCESS_STARTED, name=spec.name, pid=child.popen.pid, ports=list(spec.ports))
        return {"pid": child.popen.pid}

    def _stop(self, chosen: list[processes.Child], grace_s: float | None = None) -> list[str]:
        left = processes.stop(chosen, grace_s, beat=self._note_exits)
        self._note_exits()
        return left

    def _note_exits(self) -> None:
        """Record every end once, and tell the control of those that nobody asked for."""
        for name, child in self.children.items():
            if child.reported or child.running:
                continue
            child.reported = True
            code = child.popen.returncode
            self.timeline.event(
                Kind.PROCESS_EXITED, name=name, pid=child.popen.pid, code=code, expected=child.expected_exit
            )
            if not child.expected_exit:
                self._send({"event": "exited", "name": name, "code": code})

    def _send(self, message: Mapping[str, Any]) -> None:
        try:
            self.socket.sendall(json.dumps(message).encode() + b"\n")
        except (BrokenPipeError, ConnectionResetError):
            return  # the control is gone: the next read says so and the guard finishes

    # -- the loop -----------------------------------------------------------------------------------------------

    def serve(self) -> str:
        """Serve until released ("") or until a reason to finish the trial in the control's place."""
        pending = b""
        with selectors.DefaultSelector() as selector:
            selector.register(self.socket, selectors.EVENT_READ)
            for _ in iter(int, 1):  # bounded by the deadline, which reason_to_finish checks on every turn
                if selector.select(timeout=_TICK_S):
                    chunk = self._receive()
                    if not chunk:
                        return "the control is gone"
                    pending += chunk
                    *lines, pending = pending.split(b"\n")
                    for line in lines:
                        self._handle(json.loads(line))
                if self.released:
                    return ""
                self._note_exits()
                reason = self._reason_to_finish()
                if reason:
                    return reason
        return ""

    def _receive(self) -> bytes:
        try:
            return self.socket.recv(1 << 16)
        except ConnectionResetError:
            return b""

    def _handle(self, request: Mapping[str, Any]) -> None:
        self.last_beat_ns = clock.monotonic_ns()
        if request["do"] == "beat":
            return
        try:
            result = {"ok": True, **self.answer(request)}
        except (GuardError, msgspec.ValidationError, KeyError) as error:
            result = {"ok": False, "error": str(error)}
        self.last_beat_ns = clock.monotonic_ns()  # beats queued up while this request was served
        self._send({"id": request["id"], **result})

    def _reason_to_finish(self) -> str:
        now_ns = clock.monotonic_ns()
        if self.asked_to_end:
            return self.asked_to_end
        if now_ns - self.last_beat_ns > self.heartbeat_ns:
            return f"no heartbeat for {self.heartbeat_ns / clock.NS_PER_S:g} s: the control hangs"
        if now_ns > self.deadline_ns:
            return "the trial's deadline has passed"
        return ""

    # -- finishing in the control's place -----------------------------------------------------------------------

    def finish(self, reason: str) -> list[str]:
        """Heal, stop, seal, judge; what would not end."""
        self.timeline.event(Kind.GUARD_FINISHING, why=reason)
        not_healed = self._heal()
        self._end_control()
        left = [*not_healed, *self._stop(list(self.children.values()), _FINISH_GRACE_S)]
        shutil.rmtree(self.scratch, ignore_errors=True)
        if not self.keep_evidence:
            return left
        items = census.take({name: child.popen.pid for name, child in self.children.items()}, self.ports)
        self.timeline.event(Kind.CENSUS, at="close", items=items)
        offset = clock.sample()
        self.timeline.event(Kind.CLOCK, t_ns=offset.t_ns, wall_ns=offset.wall_ns, width_ns=offset.width_ns)
        for message in not_healed:
            self.timeline.event(Kind.ERROR, where="heal", message=message)
        self.timeline.close()
        seal.seal(self.run_dir, complete=False)
        return left

    def _heal(self) -> list[str]:
        """Take every open change back and put it on record; a line for each that could not be."""
        tried = self.undo.heal()
        for one in tried:
            if not one.problem:
                self.timeline.event(
                    Kind.FAULT_HEALED, lo_ns=one.lo_ns, hi_ns=one.hi_ns, fault=one.request.fault or one.request.url
                )
        return [one.problem for one in tried if one.problem]

    def _end_control(self) -> None:
        """A control that hangs or ignores its deadline is ended, after the same identity check as ever."""
        if not census.is_same_process(self.control_pid, self.control_started):
            return
        os.kill(self.control_pid, signal.SIGKILL)


def judge(run_dir: Path) -> None:
    """Judge and draw in processes of their own, as the control does; their output is in logs/."""
    with (run_dir / "logs" / "judge.log").open("ab") as log:
        for command in ("judge", "report"):
            subprocess.run(
                [sys.executable, "-m", "harness.cli.main", command, str(run_dir)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                timeout=JUDGE_S_MAX,
                check=False,
            )


def _options(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="harness.drive.guard")
    parser.add_argument("--run-dir", required=True)
    parser.add_argument("--scratch-dir", required=True)
    parser.add_argument("--control-fd", type=int, required=True)
    parser.add_argument("--control-pid", type=int, required=True)
    parser.add_argument("--lock-fd", type=int, required=True)
    parser.add_argument("--heartbeat-s", type=float, required=True)
    parser.add_argument("--deadline-s", type=float, required=True)
    parser.add_argument("--stack-only", action="store_true", help="no evidence is kept: `harness stack up`")
    return parser.parse_args(argv)


def main(argv: list[str], environment: Mapping[str, str]) -> int:
    """Serve one trial to its end."""
    options = _options(argv)
    guard = Guard(options, environment)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C is for the control
    signal.signal(signal.SIGHUP, signal.SIG_IGN)

    def on_term(number: int, frame: object) -> None:
        guard.asked_to_end = "the guard got SIGTERM"

    signal.signal(signal.SIGTERM, on_term)
    reason = guard.serve()
    if not reason:
        return 0
    left = guard.finish(reason)
    os.close(options.lock_fd)
    if guard.keep_evidence:
        judge(guard.run_dir)
    return EXIT_HARNESS if left else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], dict(os.environ)))
