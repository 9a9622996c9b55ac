"""Timeline files: one per writing process, one JSON object a line, appended with one write each.

One `os.write` to an O_APPEND descriptor a line, so a line is whole or absent whatever kills the writer.
`read` refuses unknown kinds and reports lines that do not parse; a cut last line is reported, not fatal.
"""

from __future__ import annotations

import errno
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.clock import monotonic_ns
from harness.evidence.format import Kind


@dataclass(frozen=True, slots=True)
class Event:
    """One line. `data` has every field but t_ns, source and kind."""

    t_ns: int
    source: str
    kind: Kind
    data: dict[str, Any]


class TimelineWriter:
    """Appends events of one source to `timeline/<source>.ndjson`."""

    def __init__(self, run_dir: Path, source: str) -> None:
        folder = run_dir / "timeline"
        folder.mkdir(parents=True, exist_ok=True)
        self._source = source
        self._descriptor = os.open(folder / f"{source}.ndjson", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

    def event(self, kind: Kind, t_ns: int | None = None, **data: Any) -> int:
        """Write one event, by default at this instant; its t_ns."""
        at_ns = monotonic_ns() if t_ns is None else t_ns
        record = {"t_ns": at_ns, "source": self._source, "kind": str(kind), **data}
        line = json.dumps(record, separators=(",", ":")).encode() + b"\n"
        if os.write(self._descriptor, line) != len(line):
            raise OSError(errno.ENOSPC, f"the line of {kind} was cut", self._source)
        return at_ns

    def close(self) -> None:
        """Sync and close."""
        os.fsync(self._descriptor)
        os.close(self._descriptor)


def parse_line(line: str) -> Event:
    """One line as an event; ValueError says what is wrong with it."""
    return of_record(json.loads(line))


def of_record(record: dict[str, Any]) -> Event:
    """A line's object as an event, which keeps the object; ValueError says what is wrong with it."""
    t_ns, source = int(record.pop("t_ns")), str(record.pop("source"))
    return Event(t_ns=t_ns, source=source, kind=Kind(record.pop("kind")), data=record)


def read(run_dir: Path) -> tuple[tuple[Event, ...], tuple[str, ...]]:
    """Every event of the run in order of t_ns, and a problem for every line that is none."""
    events: list[Event] = []
    problems: list[str] = []
    for path in sorted((run_dir / "timeline").glob("*.ndjson")):
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
            try:
                events.append(parse_line(line))
            except (ValueError, KeyError, TypeError) as error:
                problems.append(f"timeline/{path.name}:{number}: {error}")
    return tuple(sorted(events, key=lambda event: event.t_ns)), tuple(problems)
