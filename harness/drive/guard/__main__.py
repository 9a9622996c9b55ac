"""The guard process. `python -m harness.drive.guard --control-fd N ...` is started by the control, never by hand.

It serves one client over one inherited socket (JSON lines), so the client's death is an end of file and
needs no time-out; a client that hangs is noticed by its missing heartbeat or by a main thread without a sign
of life, one that never ends by the deadline. In each case the guard finishes the trial: end the client, heal,
stop, seal with complete=False, judge, report. It holds the run directory's lock (an inherited descriptor) for
as long as it works. Others than the client may ask for one thing only, at `door`.

Every wait has a limit, so that the guard itself can be waited for. Exit code 0 after `release` and after a
finish that left nothing; 70 when something would not end.
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
from harness.drive.guard import identity, processes
from harness.drive.guard.door import Door
from harness.drive.guard.undo import UndoLog, UndoRequest
from harness.drive.stack.spec import ProcessSpec
from harness.errors import EXIT_HARNESS, GuardError
from harness.evidence import seal
from harness.evidence.format import Kind
from harness.evidence.timeline import TimelineWriter

_TICK_S = 0.1
_FINISH_GRACE_S = 1.5  # of the 10 s within which a killed trial must have left nothing
JUDGE_S_MAX = 120.0
_SEND_S_MAX = 2.0  # the control's end takes in some hundred kB unread: one that does not take a line hangs
# So long after its start a child is looked at for another executable: `unshare` hands over to what it was given.
_HAND_OVER_S_MAX = 5.0


class Guard:
    """One trial's processes, undo log, deadline and heartbeat."""

    def __init__(self, options: argparse.Namespace, environment: Mapping[str, str]) -> None:
        self.run_dir = Path(options.run_dir)
        self.keep_evidence: bool = not options.stack_only
        self.control_pid: int = options.control_pid
        self.control_started: int = census.start_time_of(options.control_pid)
        self.scratch = Path(options.scratch_dir)
        self.heartbeat_ns = int(options.heartbeat_s * clock.NS_PER_S)
        self.stall_ns = int(options.stall_s * clock.NS_PER_S)  # 0: a control that does nothing is no hang
        self.deadline_ns = clock.monotonic_ns() + int(options.deadline_s * clock.NS_PER_S)
        self.last_beat_ns = clock.monotonic_ns()
        self.last_progress_ns = clock.monotonic_ns()
        self.progress = 0
        self.environment = environment
        self.timeline = TimelineWriter(self.run_dir, "guard")
        self.undo = UndoLog(self.run_dir)
        self.undo.scratch(self.scratch)
        self.children: dict[str, processes.Child] = {}
        self.identities: dict[str, tuple[int, identity.Identity]] = {}  # when it was started, and what it was
        self.may_stop: set[str] = set()
        self.door: Door | None = None
        self.ports: list[int] = []
        self.released = False
        self.asked_to_end = ""
        self.control_gone = False
        self.unread = b""
        self.socket = socket.socket(fileno=options.control_fd)
        self.socket.settimeout(_SEND_S_MAX)
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.socket, selectors.EVENT_READ, self._hear)

    # -- requests of the control ------------------------------------------------------------------------------

    def answer(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Do what one request asks; its answer's fields."""
        match request["do"]:
            case "start":
                return self._start(msgspec.convert(request["spec"], ProcessSpec))
            case "status":
                return {"codes": {name: child.code for name, child in self.children.items()}}
            case "stop":
                chosen = [self.children[name] for name in request["names"] if name in self.children]
                return {"left": self._stop(chosen)}
            case "stop_all":
                self._shut_door()  # who waits there would wait for a guard that is busy until all have ended
                left = self._stop(list(self.children.values()), request.get("grace_s"))
                shutil.rmtree(self.scratch, ignore_errors=True)
                return {"left": left}
            case "undo_add":
                return {"entry": self.undo.add(msgspec.convert(request["request"], UndoRequest))}
            case "undo_done":
                self.undo.done(int(request["entry"]))
                return {}
            case "open_door":
                self.door = Door(request["port"], request["token"], self.selector, self._end_allowed)
                return {}
            case "allow_stop":
                self.may_stop.update(request["names"])
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
        self._identify(spec.name, child.popen.pid)
        self.ports += spec.ports
        self.timeline.event(Kind.PROCESS_STARTED, name=spec.name, pid=child.popen.pid, ports=list(spec.ports))
        return {"pid": child.popen.pid}

    def _identify(self, name: str, pid: int) -> None:
        """Which process it is, on disk before anybody hears that it runs."""
        found = identity.of(name, pid)
        self.identities[name] = (clock.monotonic_ns(), found)
        self.undo.process(found)

    def _note_hand_overs(self) -> None:
        """Young processes that run another program by now."""
        now_ns = clock.monotonic_ns()
        for name, (started_ns, known) in list(self.identities.items()):
            if now_ns - started_ns > _HAND_OVER_S_MAX * clock.NS_PER_S:
                del self.identities[name]
            elif identity.executable(known.pid) not in ("", known.exe):
                self.identities[name] = (started_ns, identity.of(name, known.pid))
                self.undo.process(self.identities[name][1])

    def _end_allowed(self, name: str) -> processes.Ending:
        """Begin to end a process for somebody at the door. GuardError where the control has not allowed it."""
        if name not in self.may_stop:
            allowed = ", ".join(sorted(self.may_stop)) or "none"
            raise GuardError(f"{name!r} may not be stopped here; the control has allowed: {allowed}")
        if name not in self.children:
            raise GuardError(f"{name!r} was never started")
        return processes.Ending.begin(self.children[name])

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
            code = child.code
            self.identities.pop(name, None)
            self.undo.ended(child.popen.pid)
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
        except TimeoutError:
            self.asked_to_end = f"the control took nothing in for {_SEND_S_MAX:g} s: it hangs"

    # -- the loop -----------------------------------------------------------------------------------------------

    def serve(self) -> str:
        """Serve until released ("") or until a reason to finish the trial in the control's place."""
        reason = ""
        while not (self.released or reason):  # bounded by the deadline, which is a reason
            for key, _ in self.selector.select(timeout=_TICK_S):
                key.data()
            self._note_exits()
            self._note_hand_overs()
            if self.door is not None:
                self.door.advance()
            reason = self._reason_to_finish()
        self._shut_door()
        return "" if self.released else reason

    def _shut_door(self) -> None:
        if self.door is not None:
            self.door.close()
            self.door = None

    def _hear(self) -> None:
        """Take in what the control sent and do each whole line of it."""
        try:
            chunk = self.socket.recv(1 << 16)
        except ConnectionResetError:
            chunk = b""
        self.control_gone = not chunk
        *lines, self.unread = (self.unread + chunk).split(b"\n")
        for line in lines:
            self._handle(json.loads(line))

    def _handle(self, request: Mapping[str, Any]) -> None:
        self.last_beat_ns = clock.monotonic_ns()
        if request["do"] == "beat":
            if request["progress"] != self.progress:
                self.progress, self.last_progress_ns = request["progress"], self.last_beat_ns
            return
        try:
            result = {"ok": True, **self.answer(request)}
        except (GuardError, msgspec.ValidationError, KeyError) as error:
            result = {"ok": False, "error": str(error)}
        # Beats queued up while this request was served, and whoever sent it waited.
        self.last_beat_ns = self.last_progress_ns = clock.monotonic_ns()
        self._send({"id": request["id"], **result})

    def _reason_to_finish(self) -> str:
        now_ns = clock.monotonic_ns()
        if self.asked_to_end:
            return self.asked_to_end
        if self.control_gone:
            return "the control is gone"
        if now_ns - self.last_beat_ns > self.heartbeat_ns:
            return f"no heartbeat for {self.heartbeat_ns / clock.NS_PER_S:g} s: the control hangs"
        if self.stall_ns and now_ns - self.last_progress_ns > self.stall_ns:
            return f"no progress for {self.stall_ns / clock.NS_PER_S:g} s: the control hangs in what it does"
        if now_ns > self.deadline_ns:
            return "the trial's deadline has passed"
        return ""

    # -- finishing in the control's place -----------------------------------------------------------------------

    def finish(self, reason: str) -> list[str]:
        """Heal, stop, seal; what would not end. First of all the control ends: it must not break what was healed."""
        self.timeline.event(Kind.GUARD_FINISHING, why=reason)
        self._end_control()
        not_healed = self._heal()
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


def judge(run_dir: Path) -> bool:
    """Judge and draw in processes of their own, as the control does; whether both ended within JUDGE_S_MAX.

    Their output, and which of them had to be killed, is in logs/judge.log.
    """
    with (run_dir / "logs" / "judge.log").open("ab", buffering=0) as log:
        for command in ("judge", "report"):
            argv = [sys.executable, "-m", "harness.cli.main", command, str(run_dir)]
            try:
                subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, timeout=JUDGE_S_MAX, check=False)
            except subprocess.TimeoutExpired as error:
                log.write(f"{error}\n".encode())
                return False
    return True


def _options(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="harness.drive.guard")
    parser.add_argument("--run-dir", required=True)
    parser.add_argument("--scratch-dir", required=True)
    parser.add_argument("--control-fd", type=int, required=True)
    parser.add_argument("--control-pid", type=int, required=True)
    parser.add_argument("--lock-fd", type=int, required=True)
    parser.add_argument("--heartbeat-s", type=float, required=True)
    parser.add_argument("--deadline-s", type=float, required=True)
    parser.add_argument("--stall-s", type=float, default=0.0, help="seconds without progress that are a hang; 0: none")
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
    judged = judge(guard.run_dir) if guard.keep_evidence else True
    return EXIT_HARNESS if left or not judged else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], dict(os.environ)))
