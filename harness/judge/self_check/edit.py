"""A changed copy of an Evidence, sharing all that did not change: what every mutation is made of.

Columns that are not touched are shared with the original, touched ones are copied, so a mutation of a trial
of thousands of operations costs microseconds. A *stream* is `operations`, `schedule`, `routing`, `samples`, or
one of the reads, `service` and `store`. Instants that the reader derives from wall stamps move with them: a
mutated copy is what the reader would have made of a mutated directory.

Not covered: columns that no mutation changes the number of rows of and the meaning of at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, Final

import numpy as np

from harness.clock import NS_PER_MS
from harness.evidence.format import Kind
from harness.evidence.run import Clock, Evidence, ReadBack
from harness.evidence.tables import Columns
from harness.evidence.timeline import Event
from harness.judge.facts import Array

# stream -> (its instant, the wall stamp that the instant comes from, the stamp's unit)
_STAMPS: Final = {"samples": ("t_ns", "wall_ms", NS_PER_MS), "routing": ("start_ns", "start_wall_ns", 1)}


def columns_of(evidence: Evidence, stream: str) -> Columns:
    """The columns of a stream."""
    found = getattr(evidence, stream)
    columns: Columns = found.rows if isinstance(found, ReadBack) else found
    return columns


def with_columns(evidence: Evidence, stream: str, columns: Columns) -> Evidence:
    """With these columns in a stream."""
    found = getattr(evidence, stream)
    change: dict[str, Any] = {stream: replace(found, rows=columns) if isinstance(found, ReadBack) else columns}
    return replace(evidence, **change)


def put(evidence: Evidence, stream: str, rows: Array | int, **values: Any) -> Evidence:
    """With other values, one or one a row, in these rows (indices or a mask) of a stream."""
    columns = dict(columns_of(evidence, stream))
    for name, value in values.items():
        columns[name] = columns[name].copy()
        columns[name][rows] = value
    return with_columns(evidence, stream, columns)


def taken(evidence: Evidence, stream: str, rows: Array) -> Evidence:
    """With these rows (indices in this order, or a mask) of a stream and no others."""
    return with_columns(evidence, stream, {name: column[rows] for name, column in columns_of(evidence, stream).items()})


def emptied(evidence: Evidence, stream: str) -> Evidence:
    """With a stream that has no rows."""
    return taken(evidence, stream, np.array([], dtype=np.int64))


def repeated(evidence: Evidence, stream: str, row: int, **values: Any) -> Evidence:
    """With one more row at the end of a stream: that one again, with other values."""
    size = next(iter(columns_of(evidence, stream).values())).size
    return put(taken(evidence, stream, np.append(np.arange(size), row)), stream, size, **values)


def moved(evidence: Evidence, stream: str, rows: Array | int, by_ns: int) -> Evidence:
    """With these rows of `samples` or `routing` later (earlier where negative), in whole milliseconds."""
    instant, stamp, unit_ns = _STAMPS[stream]
    by_ms = by_ns // NS_PER_MS
    columns = columns_of(evidence, stream)
    values = {
        instant: columns[instant][rows] + by_ms * NS_PER_MS,
        stamp: columns[stamp][rows] + by_ms * NS_PER_MS // unit_ns,
    }
    return put(evidence, stream, rows, **values)


def with_events(evidence: Evidence, events: Iterable[Event]) -> Evidence:
    """With these events and no others, in order of time."""
    return replace(evidence, events=tuple(sorted(events, key=lambda event: event.t_ns)))


def events_changed(evidence: Evidence, change: Callable[[Event], Event | None], *kinds: Kind) -> Evidence:
    """Each event of these kinds through `change`; None drops it."""
    found = (change(event) if event.kind in kinds else event for event in evidence.events)
    return with_events(evidence, (event for event in found if event is not None))


def events_dropped(evidence: Evidence, *kinds: Kind) -> Evidence:
    """Without the events of these kinds."""
    return with_events(evidence, (event for event in evidence.events if event.kind not in kinds))


def saying(event: Event, **data: Any) -> Event:
    """The event with other data."""
    return replace(event, data={**event.data, **data})


def with_meta(evidence: Evidence, read: str, **values: Any) -> Evidence:
    """With other values in the meta of the read `service` or `store`."""
    found: ReadBack = getattr(evidence, read)
    change: dict[str, Any] = {read: replace(found, meta={**found.meta, **values})}
    return replace(evidence, **change)


def with_clock(evidence: Evidence, clock: Clock) -> Evidence:
    """With this clock, and every instant that comes from a wall stamp placed by it."""
    changed = replace(evidence, clock=clock)
    for stream, (instant, stamp, unit_ns) in _STAMPS.items():
        columns = dict(columns_of(evidence, stream))
        wall_ns = columns[stamp].astype(np.int64) * unit_ns
        placed = clock.to_mono_ns(wall_ns) if clock.t_ns.size else np.zeros_like(wall_ns)
        columns[instant] = np.asarray(placed, dtype=np.int64)
        changed = with_columns(changed, stream, columns)
    return changed
