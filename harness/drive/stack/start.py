"""Bringing a stack up through the guard: as much side by side as `after` allows, ready when it answers.

Every wait is bounded by the process's own `ready_s_max`; what does not come up says why, with the end of its log.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

import httpx

from harness import clock
from harness.drive.guard.client import GuardClient
from harness.drive.stack.spec import SERVICE_DATA, ProcessSpec, StackSpec
from harness.errors import DriveError

_PACE_S = 0.03
_PROBE_S_MAX = 1.0
_LOG_TAIL_LINES = 8


def write_files(spec: StackSpec, run_dir: Path) -> None:
    """Render the stack's files and make its scratch folder, with one for the service."""
    for name, text in spec.files.items():
        path = run_dir / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (Path(spec.scratch_dir) / SERVICE_DATA).mkdir(parents=True, exist_ok=True)


def start(guard: GuardClient, processes: Sequence[ProcessSpec], run_dir: Path, ready: Iterable[str] = ()) -> None:
    """Start these and wait until each is ready (run_once: ended with 0). DriveError names the first that is not.

    `ready` names processes of an earlier call that `after` may refer to.
    """
    waiting = {spec.name: spec for spec in processes}
    done = set(ready)
    started: dict[str, int] = {}
    with httpx.Client(timeout=_PROBE_S_MAX) as client:
        while waiting:
            startable = [name for name, spec in waiting.items() if name not in started and set(spec.after) <= done]
            assert startable or started.keys() & waiting.keys(), f"{sorted(waiting)} wait for each other"
            for name in startable:
                guard.start(waiting[name])
                started[name] = clock.monotonic_ns()
            codes = guard.codes()
            for name in [name for name in waiting if name in started]:
                if _is_ready(waiting[name], codes.get(name), started[name], client, run_dir):
                    done.add(name)
                    del waiting[name]
            clock.sleep(_PACE_S)


def _is_ready(spec: ProcessSpec, code: int | None, started_ns: int, client: httpx.Client, run_dir: Path) -> bool:
    if code is not None and not (spec.run_once and code == 0):
        raise DriveError(f"{spec.name} ended with {code} before it was ready{log_tail(run_dir, spec.name)}")
    if spec.run_once:
        ready = code == 0
    elif spec.ready_url:
        ready = _answers(client, spec.ready_url)
    elif spec.ready_argv:
        ready = _succeeds(spec.ready_argv)
    else:
        ready = True
    if not ready and clock.monotonic_ns() - started_ns > spec.ready_s_max * clock.NS_PER_S:
        raise DriveError(f"{spec.name} was not ready within {spec.ready_s_max:g} s{log_tail(run_dir, spec.name)}")
    return ready


def _answers(client: httpx.Client, url: str) -> bool:
    try:
        return client.get(url).status_code == 200
    except httpx.TransportError:
        return False


def _succeeds(argv: Sequence[str]) -> bool:
    try:
        return subprocess.run(argv, capture_output=True, timeout=_PROBE_S_MAX, check=False).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def log_tail(run_dir: Path, name: str) -> str:
    """`: see <log>` and its last lines."""
    path = run_dir / "logs" / f"{name}.log"
    if not path.exists():
        return ""
    lines = path.read_text(errors="replace").splitlines()[-_LOG_TAIL_LINES:]
    return "".join([f"; the end of {path}:", *(f"\n    {line}" for line in lines)])
