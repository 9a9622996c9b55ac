"""Starting, watching and ending the trial's processes. Only the guard's main thread may call this.

Every child leads a session of its own, so a signal to its group reaches what it started too, and has
PR_SET_PDEATHSIG = SIGKILL, so that nothing outlives a killed guard. The kernel ties that signal to the
*thread* that forked, which is why the guard has one thread.

A child that has ended keeps its pid as a zombie until it is reaped here. So whatever it left in its group is
ended before it is reaped, and nothing is signalled after: a signal can never reach a stranger with the same pid.

Two ways to end children: `stop` waits until they have ended; `Ending` is looked at by a loop that does other
things in between.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness import clock
from harness.drive.stack.spec import ProcessSpec
from harness.errors import GuardError

_PR_SET_PDEATHSIG = 1
_POLL_S = 0.02
_KILLED_S_MAX = 2.0  # what SIGKILL may take; a process in an uninterruptible wait ends after it, or never
_REAP_S_MAX = 1.0  # the child has ended, so this returns at once
# What a child sees of our environment. Anything else is given by its spec, so that a trial can be repeated.
_KEPT_ENVIRONMENT = ("PATH", "PYTHONPATH", "HOME", "LANG", "LC_ALL", "TZ")  # PYTHONPATH: kits that are not installed


@dataclass(slots=True)
class Child:
    """One process. `expected_exit` is set before it is asked to end, or from the start for a run_once step."""

    spec: ProcessSpec
    popen: subprocess.Popen[bytes]
    level: int
    expected_exit: bool
    reported: bool = False

    @property
    def running(self) -> bool:
        """Whether it has not ended; when it has, ends what is left of its group and reaps it."""
        if self.popen.returncode is not None:
            return False
        if os.waitid(os.P_PID, self.popen.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is None:
            return True
        _signal_group(self, signal.SIGKILL)
        self.popen.wait(timeout=_REAP_S_MAX)
        return False

    @property
    def code(self) -> int | None:
        """Its exit code, None while it runs."""
        return None if self.running else self.popen.returncode


@dataclass(slots=True)
class Ending:
    """One child that was asked to end, to be looked at until it has. `kill_ns` and `give_up_ns` are CLOCK_MONOTONIC."""

    child: Child
    kill_ns: int
    give_up_ns: int
    killed: bool = False

    @classmethod
    def begin(cls, child: Child) -> Ending:
        """Ask it to end; harmless when it has ended."""
        if child.running:
            child.expected_exit = True
            _signal_group(child, child.spec.stop_signal)
        kill_ns = clock.monotonic_ns() + int(child.spec.stop_s_max * clock.NS_PER_S)
        return cls(child=child, kill_ns=kill_ns, give_up_ns=kill_ns + int(_KILLED_S_MAX * clock.NS_PER_S))

    def has_ended(self) -> bool:
        """Look; SIGKILL once its own limit has passed. GuardError when even that did not end it in time."""
        if not self.child.running:
            return True
        now_ns = clock.monotonic_ns()
        if now_ns > self.give_up_ns:
            raise GuardError(f"{self.child.spec.name}: pid {self.child.popen.pid} did not end, not even by SIGKILL")
        if now_ns > self.kill_ns and not self.killed:
            self.killed = True
            _signal_group(self.child, signal.SIGKILL)
        return False


def die_with_parent() -> None:
    """Run in the child between fork and exec: SIGKILL me when the forking thread ends."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def spawn(spec: ProcessSpec, level: int, run_dir: Path, environment: Mapping[str, str]) -> Child:
    """Start one process with its output in `logs/<name>.log`. GuardError when it cannot be started."""
    kept = {name: environment[name] for name in _KEPT_ENVIRONMENT if name in environment}
    if "PYTHONPATH" in kept:  # relative to where the trial was started, and a child's folder is another
        kept["PYTHONPATH"] = os.pathsep.join(map(os.path.abspath, kept["PYTHONPATH"].split(os.pathsep)))
    (run_dir / "logs").mkdir(exist_ok=True)
    with (run_dir / "logs" / f"{spec.name}.log").open("ab") as log:
        try:
            popen = subprocess.Popen(
                spec.argv,
                env={**kept, "PYTHONUNBUFFERED": "1", **spec.env},
                cwd=spec.cwd or run_dir,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=die_with_parent,  # noqa: PLW1509 - the guard has one thread, so forking here is safe
            )
        except OSError as error:
            raise GuardError(
                f"{spec.name}: {spec.argv[0]}: {error.strerror}: is it installed? run `harness doctor`"
            ) from error
    return Child(spec=spec, popen=popen, level=level, expected_exit=spec.run_once)


def level_of(spec: ProcessSpec, levels: Mapping[str, int]) -> int:
    """One above the highest of those it was started after: higher levels are stopped first."""
    return 1 + max((levels.get(name, 0) for name in spec.after), default=0)


def stop(children: Sequence[Child], grace_s: float | None = None, beat: Callable[[], None] = lambda: None) -> list[str]:
    """End these processes, dependants before what they depend on; the names of any that would not end.

    Each level gets its stop signal at once and then SIGKILL after `grace_s` (its own stop_s_max when None).
    """
    for level in sorted({child.level for child in children}, reverse=True):
        group = [child for child in children if child.level == level and child.running]
        for child in group:
            child.expected_exit = True
            _signal_group(child, child.spec.stop_signal)
        limit_s = grace_s if grace_s is not None else max((child.spec.stop_s_max for child in group), default=0.0)
        _await_end(group, limit_s, beat)
        for child in group:
            if child.running:
                _signal_group(child, signal.SIGKILL)
        _await_end(group, _KILLED_S_MAX, beat)
    return [child.spec.name for child in children if child.running]


def _await_end(group: Sequence[Child], limit_s: float, beat: Callable[[], None]) -> None:
    give_up_ns = clock.monotonic_ns() + int(limit_s * clock.NS_PER_S)
    while any(child.running for child in group) and clock.monotonic_ns() < give_up_ns:
        beat()
        clock.sleep(_POLL_S)


def _signal_group(child: Child, number: int) -> None:
    assert child.popen.returncode is None, f"{child.spec.name} was reaped: its pid may be anybody's"
    try:
        os.killpg(child.popen.pid, number)
    except ProcessLookupError:
        return  # nobody is left in the group
    except PermissionError as error:
        raise GuardError(f"{child.spec.name}: pid {child.popen.pid}: may not be signalled: {error}") from error
