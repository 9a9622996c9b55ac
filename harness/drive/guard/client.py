"""The control's side of the guard: one socket, answers by id, a heartbeat, and word of processes that died.

The socket is also the guard's proof that the control lives: when this process ends in any way, the kernel
closes it. The heartbeat has a thread of its own, so it says only that the interpreter runs. With it goes a
count of the main thread's signs of life, its requests and its polls: a count that stands still for
`stall_s_max` is a control that hangs in an action.

`on_exit` is called from the reader thread when a process of the trial ends that nobody asked to end, and with
name "guard" when the guard itself is gone.
"""

from __future__ import annotations

import itertools
import json
import os
import queue
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from harness import clock
from harness.drive.guard.undo import UndoRequest
from harness.drive.stack.spec import ProcessSpec
from harness.errors import GuardError

BEAT_S = 1.0
HEARTBEAT_S_MAX = 6.0  # six missed beats: a control that only waits for its turn on a busy machine is not hung
# No sign of the main thread for so long is a hang: every action polls, and the longest thing without a poll, reading
# some thousand writes back, takes a few seconds.
STALL_S_MAX = 60.0
_ANSWER_S_MAX = 30.0  # the longest request is stop_all: every level's own limit and then SIGKILL

OnExit = Callable[[str, int], None]

_signs_of_life = itertools.count(1)
_last_sign = 0


def note_progress() -> None:
    """A sign of life of the main thread; from any other it says nothing about that one, and counts for nothing."""
    global _last_sign  # noqa: PLW0603 - a process has one main thread, whose count it is
    if threading.current_thread() is threading.main_thread():
        _last_sign = next(_signs_of_life)


class GuardClient:
    """Starts the guard and speaks with it. One instance a trial."""

    def __init__(self, socket_: socket.socket, guard: subprocess.Popen[bytes], on_exit: OnExit) -> None:
        self._socket = socket_
        self._guard = guard
        self._on_exit = on_exit
        self._write_lock = threading.Lock()
        self._answers: dict[int, queue.SimpleQueue[dict[str, Any]]] = {}
        self._next = 1
        self._closing = threading.Event()
        self._gone = threading.Event()
        self._reader = threading.Thread(target=self._read, name="guard-reader", daemon=True)
        self._beater = threading.Thread(target=self._beat, name="guard-heartbeat", daemon=True)
        self._reader.start()
        self._beater.start()

    @property
    def pid(self) -> int:
        """The guard's process id."""
        return self._guard.pid

    @property
    def gone(self) -> bool:
        """Whether the guard closed its end."""
        return self._gone.is_set()

    def start(self, spec: ProcessSpec) -> int:
        """Start one process; its pid."""
        return int(self._request("start", spec=msgspec.to_builtins(spec))["pid"])

    def codes(self) -> dict[str, int | None]:
        """Exit code by process name; None while it runs."""
        return dict(self._request("status")["codes"])

    def stop(self, names: Sequence[str]) -> list[str]:
        """End these processes; the names of any that would not end."""
        return list(self._request("stop", names=list(names))["left"])

    def stop_all(self, grace_s: float | None = None) -> list[str]:
        """End every process and remove the scratch folder; the names of any that would not end.

        Each level gets SIGKILL after `grace_s`, None: after the longest of its processes' own limits.
        """
        return list(self._request("stop_all", grace_s=grace_s)["left"])

    def undo_add(self, request: UndoRequest) -> int:
        """Record, on disk, how to take back a change that is about to be made."""
        return int(self._request("undo_add", request=msgspec.to_builtins(request))["entry"])

    def undo_done(self, entry: int) -> None:
        """The change was taken back."""
        self._request("undo_done", entry=entry)

    def allow_stop(self, names: Sequence[str]) -> None:
        """From now on the guard's door ends these processes, and no others, for whoever has its token."""
        self._request("allow_stop", names=list(names))

    def open_door(self, port: int, token: str) -> None:
        """Have the guard listen on 127.0.0.1:`port` for stops; GuardError when it cannot."""
        self._request("open_door", port=port, token=token)

    def progress(self) -> None:
        """The main thread lives; called wherever it polls. Harmless from other threads, and without effect."""
        note_progress()

    def release(self) -> None:
        """The trial is closed: the guard ends without finishing it. Returns when it has ended."""
        if not self.gone:
            self._closing.set()
            self._request("release")
            self._socket.shutdown(socket.SHUT_RDWR)  # close() alone would wait for the reader's file on it
        self._socket.close()
        try:
            self._guard.wait(timeout=5)
        except subprocess.TimeoutExpired as error:
            raise GuardError(f"the guard (pid {self.pid}) did not end within 5 s of its release") from error

    def _request(self, do: str, **fields: Any) -> dict[str, Any]:
        if self.gone:
            raise GuardError(f"the guard (pid {self.pid}) is gone; cannot {do}")
        note_progress()
        with self._write_lock:
            number = self._next
            self._next += 1
            answers: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
            self._answers[number] = answers
            self._send({"id": number, "do": do, **fields})
        try:
            answer = answers.get(timeout=_ANSWER_S_MAX)
        except queue.Empty as error:
            raise GuardError(f"the guard (pid {self.pid}) did not answer {do!r} within {_ANSWER_S_MAX:g} s") from error
        if not answer.get("ok"):
            raise GuardError(str(answer.get("error", f"the guard is gone; {do!r} was not answered")))
        return answer

    def _send(self, message: Mapping[str, Any]) -> None:
        try:
            self._socket.sendall(json.dumps(message).encode() + b"\n")
        except OSError as error:
            raise GuardError(f"the guard (pid {self.pid}) is gone: {error}") from error

    def _beat(self) -> None:
        while not self._closing.wait(BEAT_S) and not self.gone:
            with self._write_lock:
                try:
                    self._send({"do": "beat", "progress": _last_sign})
                except GuardError:
                    return  # the reader thread sees the same end of file and reports it

    def _read(self) -> None:
        try:
            with self._socket.makefile("rb") as lines:
                for line in lines:
                    self._take(json.loads(line))
        except (OSError, ValueError):
            pass  # closed by release(), or cut with the guard: both end here
        self._gone.set()
        for answers in list(self._answers.values()):
            answers.put({"ok": False})
        if not self._closing.is_set():
            self._on_exit("guard", -1)

    def _take(self, message: Mapping[str, Any]) -> None:
        if message.get("event") == "exited":
            self._on_exit(str(message["name"]), int(message["code"]))
            return
        answers = self._answers.pop(int(message["id"]), None)
        if answers is not None:
            answers.put(dict(message))


def start_guard(
    run_dir: Path,
    scratch_dir: Path,
    lock_fd: int,
    deadline_s: float,
    on_exit: OnExit,
    stack_only: bool = False,
    *,
    stall_s_max: float = STALL_S_MAX,
    door_port: int | None = None,
    door_token: str = "",
) -> GuardClient:
    """Start a guard for this process, detached from its terminal and its process group.

    With a `door_port` it listens there for stops, from whoever has `door_token`. With `stack_only` nobody works an
    experiment, so a main thread that only waits is no hang.
    """
    ours, theirs = socket.socketpair()
    argv = [sys.executable, "-m", "harness.drive.guard", "--run-dir", str(run_dir), "--scratch-dir", str(scratch_dir)]
    argv += ["--control-fd", str(theirs.fileno()), "--control-pid", str(os.getpid()), "--lock-fd", str(lock_fd)]
    argv += ["--heartbeat-s", str(HEARTBEAT_S_MAX), "--deadline-s", str(deadline_s)]
    argv += ["--stack-only"] if stack_only else ["--stall-s", str(stall_s_max)]
    (run_dir / "logs").mkdir(exist_ok=True)
    with (run_dir / "logs" / "guard.log").open("ab") as log:
        guard = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            pass_fds=(theirs.fileno(), lock_fd),
            start_new_session=True,
        )
    theirs.close()
    client = GuardClient(ours, guard, on_exit)
    if door_port is not None:
        try:
            client.open_door(door_port, door_token)
        except GuardError:
            client.release()
            raise
    return client


def await_condition(condition: Callable[[], bool], limit_s: float, pause_s: float = 0.05) -> bool:
    """Poll until it holds; False when it did not within `limit_s`. Each poll is a sign of life to a guard."""
    give_up_ns = clock.monotonic_ns() + int(limit_s * clock.NS_PER_S)
    while clock.monotonic_ns() < give_up_ns:
        note_progress()
        if condition():
            return True
        clock.sleep(pause_s)
    return condition()
