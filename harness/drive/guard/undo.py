"""The undo log: what must be taken back, written and synced before it is done.

One JSON line each in `undo.ndjson` of the run directory's `logs/`, synced:

    {"add": id, "request": {...}}   before a change        {"done": id}     after it was taken back
    {"process": {...}}              a process was started  {"ended": pid}   it has ended and was reaped
    {"scratch": path}               before the folder is made

Requests are HTTP and safe to repeat any number of times. A process is an `identity.Identity`; a later line about
the same pid replaces the earlier, since a program may hand over to another (`unshare` to PostgreSQL). What has a line
and no end is what a trial left, for whoever cleans up after a guard that was killed.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path

import httpx

from harness import clock
from harness.drive.guard.identity import Identity

HEAL_S_MAX = 1.0  # a control port on loopback answers in milliseconds; a dead one must not hold up the rest
# Stopping comes after healing, and takes the faults along: of the 10 s for both, healing gets less than half.
HEAL_ALL_S_MAX = 4.0


@dataclass(frozen=True, slots=True)
class UndoRequest:
    """One HTTP request that takes a change back. A refused connection counts as done: the process is gone."""

    method: str
    url: str
    headers: dict[str, str] = field(default_factory=dict)
    fault: str = ""  # the fault it heals, for the record


@dataclass(frozen=True, slots=True)
class Healed:
    """One try to take a change back, between two clock reads; `problem` is "" when it was taken back."""

    request: UndoRequest
    lo_ns: int
    hi_ns: int
    problem: str


class UndoLog:
    """The open entries of one trial, in order; healed from the last to the first."""

    def __init__(self, run_dir: Path) -> None:
        (run_dir / "logs").mkdir(exist_ok=True)
        self._descriptor = os.open(run_dir / "logs" / "undo.ndjson", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._open: dict[int, UndoRequest] = {}
        self._next = 1

    def add(self, request: UndoRequest) -> int:
        """Record a change that is about to be made; on disk when this returns."""
        entry = self._next
        self._next += 1
        self._open[entry] = request
        self._append({"add": entry, "request": asdict(request)})
        return entry

    def done(self, entry: int) -> None:
        """The change was taken back."""
        self._open.pop(entry, None)
        self._append({"done": entry})

    def process(self, started: Identity) -> None:
        """A process was started."""
        self._append({"process": asdict(started)})

    def ended(self, pid: int) -> None:
        """A process has ended; its pid may now mean another."""
        self._append({"ended": pid})

    def scratch(self, path: Path) -> None:
        """A folder is about to be made that must not outlive the trial."""
        self._append({"scratch": str(path)})

    def heal(self, limit_s: float = HEAL_ALL_S_MAX) -> list[Healed]:
        """Take every open change back, the latest first, none begun after `limit_s`; what came of each."""
        tried: list[Healed] = []
        give_up_ns = clock.monotonic_ns() + int(limit_s * clock.NS_PER_S)
        for entry, request in sorted(self._open.items(), reverse=True):
            lo_ns = clock.monotonic_ns()
            late = f"{request.method} {request.url}: not tried, the {limit_s:g} s for healing were over"
            problem = send(request) if lo_ns < give_up_ns else late
            tried.append(Healed(request, lo_ns, clock.monotonic_ns(), problem))
            if not problem:
                self.done(entry)
        return tried

    def _append(self, record: dict[str, object]) -> None:
        os.write(self._descriptor, json.dumps(record).encode() + b"\n")
        os.fsync(self._descriptor)


def send(request: UndoRequest) -> str:
    """Send one undo request; "" when it was taken back, else why not."""
    try:
        answer = httpx.request(request.method, request.url, headers=request.headers, timeout=HEAL_S_MAX)
    except httpx.ConnectError:
        return ""
    except httpx.HTTPError as error:
        return f"{request.method} {request.url}: {error}"
    return "" if answer.is_success else f"{request.method} {request.url}: {answer.status_code}: {answer.text[:200]}"
