"""The local stack without a trial: up until it is told to end, then gone. The guard owns it as in a trial."""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from harness import clock
from harness.drive import traffic
from harness.drive.end_signals import EndSignals
from harness.drive.guard.client import GuardClient, start_guard
from harness.drive.prepare import ReadyTarget
from harness.drive.stack import local, ports
from harness.drive.stack.spec import Endpoints, StackSpec
from harness.drive.stack.start import start, write_files
from harness.errors import DriveError
from harness.plan.experiment import Rollout

DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Folders:
    """Where an up stack keeps its logs and its data; both are removed when it ends."""

    run_dir: Path
    scratch_dir: Path
    port_locks: Path

    @classmethod
    def of(cls, cache_dir: Path) -> Folders:
        """New folders with a name of their own."""
        name = f"stack-{clock.utc_stamp()}-{secrets.token_hex(3)}"
        return cls(cache_dir / "stacks" / name, cache_dir / "scratch" / name, cache_dir / "ports")


def serve(
    ready: ReadyTarget,
    folders: Folders,
    port: int | None,
    weight: int,
    end: EndSignals,
    on_ready: Callable[[Endpoints], None],
) -> None:
    """Bring the stack up, call `on_ready`, wait for `end`, take it down. DriveError when a part of it died."""
    died: list[str] = []

    def on_exit(name: str, code: int) -> None:
        died.append(f"{name} ended with {code}")
        end.ask()

    fixed = (port,) if port else ()
    with ports.reserve(
        local.port_count(ready.target, ready.kit) - len(fixed), folders.port_locks, fixed=fixed
    ) as lease:
        folders.run_dir.mkdir(parents=True)
        try:
            spec = _spec(ready, folders, lease.ports)
            lock_fd = os.open(folders.run_dir / "LOCK", os.O_RDWR | os.O_CREAT, 0o644)
            fcntl.flock(lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            guard = start_guard(folders.run_dir, folders.scratch_dir, lock_fd, DAY_S, on_exit, stack_only=True)
            try:
                _up(guard, spec, folders.run_dir, ready, weight)
                on_ready(spec.endpoints)
                end.wait()
            finally:
                left = _down(guard, lock_fd)
        finally:
            shutil.rmtree(folders.run_dir, ignore_errors=True)
    if died or left:
        raise DriveError("; ".join([*died, *(f"{name} would not end" for name in left)]))


def _spec(ready: ReadyTarget, folders: Folders, chosen: tuple[int, ...]) -> StackSpec:
    return local.build(
        ready.target,
        Rollout(),
        ready.kit,
        paths=local.Paths(run_dir=folders.run_dir, scratch_dir=folders.scratch_dir),
        binaries=ready.binaries,
        ports=chosen,
        token=secrets.token_urlsafe(18),
        python=sys.executable,
        as_root=os.geteuid() == 0,
    )


def _up(guard: GuardClient, spec: StackSpec, run_dir: Path, ready: ReadyTarget, weight: int) -> None:
    (run_dir / "timeline").mkdir(exist_ok=True)
    write_files(spec, run_dir)
    start(guard, spec.processes, run_dir)
    if weight:
        traffic.build(ready.target.router.kind, spec.endpoints).set_weight(weight)


def _down(guard: GuardClient, lock_fd: int) -> list[str]:
    left = [] if guard.gone else guard.stop_all()
    guard.release()
    os.close(lock_fd)
    return left
