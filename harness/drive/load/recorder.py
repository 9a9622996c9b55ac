"""What the load process leaves on disk: a row per operation, a line per second.

Rows go to `operations/load-0.arrows`, an Arrow IPC stream: a reader gets every whole batch of it even
after kill -9, which a Parquet or Arrow file does not give. A batch is written every `FLUSH_S`, straight
to the operating system, so a kill loses at most that. An operation that was in flight then has a row in
the schedule and none here: unknown.

Lines go to `timeline/load.ndjson`. A `load_tick` is for the live view and never for judgement:

    {"second", "sent", "capped", "lag_ms_p99", "in_flight",
     "versions": {version: {"ok", "failed", "unknown", "marked", "refused", "p95_ms"}}}

`second` counts from the load's zero; `sent` and `lag_ms_p99` are of what was sent in it, `versions` of what
ended in it, `p95_ms` from the intended start, of kinds that do not wait. A missing second means that the process did
not get to run.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

import pyarrow as pa

from harness import clock
from harness.evidence.format import OPERATIONS, Kind, Outcome
from harness.evidence.timeline import TimelineWriter

FLUSH_S: Final = 0.5
SOURCE: Final = "load"


class Operation(NamedTuple):
    """One row of OPERATIONS, in the order of its columns."""

    op_id: str
    user: int
    kind: str
    key: str
    seq: int
    payload_hash: str
    intended_ns: int
    sent_ns: int  # 0: never sent
    done_ns: int
    outcome: str
    status: int
    version: str
    version_source: str
    instance: str
    attempt: int
    fault_mark: str
    error: str


class Sink(Protocol):
    """Who is told what the engine did."""

    def ready(self) -> None:
        """Everything is prepared; nothing is sent yet."""
        ...

    def started(self, start_ns: int) -> None:
        """The schedule's zero."""
        ...

    def sent(self, intended_ns: int, sent_ns: int) -> None:
        """One operation is about to be sent."""
        ...

    def done(self, operation: Operation) -> None:
        """One operation ended, or was never sent."""
        ...

    def beat(self, second: int | None, in_flight: int) -> None:
        """Called every FLUSH_S; `second` is the one that just ended, None between two."""
        ...

    def failed(self, where: str, message: str) -> None:
        """A part of the load process itself failed."""
        ...

    def stopped(self, dispatched: int, completed: int, in_flight: int, stopped_ns: int) -> None:
        """The end: nothing comes after it."""
        ...


class OperationsFile:
    """Rows into an Arrow stream, a batch at a time. Refuses to write over an earlier load's rows."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644))
        self._file = pa.OSFile(str(path), "wb")  # unbuffered: each batch reaches the system as it is written
        self._writer = pa.ipc.new_stream(self._file, OPERATIONS)
        self._rows: list[Operation] = []
        self.written = 0

    def append(self, operation: Operation) -> None:
        """Keep a row for the next batch."""
        self._rows.append(operation)

    def flush(self) -> None:
        """Write what is kept as one batch; nothing when nothing is."""
        if not self._rows:
            return
        rows, self._rows = self._rows, []
        columns = [
            pa.array(column, field.type) for column, field in zip(zip(*rows, strict=True), OPERATIONS, strict=True)
        ]
        self._writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=OPERATIONS))
        self.written += len(rows)

    def close(self) -> None:
        """Write the last batch and end the stream."""
        self.flush()
        self._writer.close()
        self._file.close()


class Second:
    """Counts of one second, for its tick."""

    def __init__(self, waiting: frozenset[str] = frozenset()) -> None:
        self._waiting = waiting
        self.sent = 0
        self.capped = 0
        self._lags_ns: list[int] = []
        self._counts: dict[str, dict[str, int]] = {}
        self._latencies_ns: dict[str, list[int]] = {}

    def add_sent(self, lag_ns: int) -> None:
        """One operation sent, so long after its instant."""
        self.sent += 1
        self._lags_ns.append(lag_ns)

    def add_done(self, operation: Operation) -> None:
        """One operation that ended; one that was never sent counts as capped and for no version."""
        if not operation.sent_ns:
            self.capped += 1
            return
        version = operation.version
        if version not in self._counts:
            self._counts[version] = {
                **dict.fromkeys((outcome.value for outcome in Outcome), 0),
                "marked": 0,
                "refused": 0,
            }
            self._latencies_ns[version] = []
        self._counts[version][operation.outcome] += 1
        self._counts[version]["marked"] += bool(operation.fault_mark)
        self._counts[version]["refused"] += 400 <= operation.status < 500
        if operation.kind not in self._waiting:
            self._latencies_ns[version].append(operation.done_ns - operation.intended_ns)

    def fields(self, second: int, in_flight: int) -> dict[str, Any]:
        """The tick's fields."""
        return {
            "second": second,
            "sent": self.sent,
            "capped": self.capped,
            "lag_ms_p99": quantile_ms(self._lags_ns, 0.99),
            "in_flight": in_flight,
            "versions": {
                version: {**counts, "p95_ms": quantile_ms(self._latencies_ns[version], 0.95)}
                for version, counts in sorted(self._counts.items())
            },
        }


class RunRecorder:
    """The sink of a trial. Raises FileExistsError where the run directory already has a load's rows.

    `waiting` are the kinds whose latency says nothing about the service (see OperationKind).
    """

    def __init__(self, run_dir: Path, waiting: frozenset[str] = frozenset()) -> None:
        self._waiting = waiting
        self._operations = OperationsFile(run_dir / "operations" / "load-0.arrows")
        self._timeline = TimelineWriter(run_dir, SOURCE)
        self._second = Second(waiting)

    def ready(self) -> None:
        """Say that the schedule is stored and sending can start."""
        self._timeline.event(Kind.LOAD_READY)

    def started(self, start_ns: int) -> None:
        """Say where the schedule's zero lies, before anything is sent."""
        self._timeline.event(Kind.LOAD_STARTED, start_ns=start_ns)

    def sent(self, intended_ns: int, sent_ns: int) -> None:
        """Count it; its row follows when it ends."""
        self._second.add_sent(sent_ns - intended_ns)

    def done(self, operation: Operation) -> None:
        """Keep the row for the next batch."""
        self._operations.append(operation)
        self._second.add_done(operation)

    def beat(self, second: int | None, in_flight: int) -> None:
        """Write the batch, and the tick at the end of a second."""
        self._operations.flush()
        if second is not None:
            ended, self._second = self._second, Second(self._waiting)
            self._timeline.event(Kind.LOAD_TICK, **ended.fields(second, in_flight))

    def failed(self, where: str, message: str) -> None:
        """An error event: it rules out PASS."""
        self._timeline.event(Kind.ERROR, where=where, message=message)

    def stopped(self, dispatched: int, completed: int, in_flight: int, stopped_ns: int) -> None:
        """Close the rows first, so that `recorded` counts what is on disk."""
        self._operations.close()
        self._timeline.event(
            Kind.LOAD_STOPPED,
            dispatched=dispatched,
            completed=completed,
            recorded=self._operations.written,
            in_flight=in_flight,
            stopped_ns=stopped_ns,
        )
        self._timeline.close()


def quantile_ms(values_ns: Iterable[int], share: float) -> float:
    """The nearest-rank quantile in milliseconds, 0 for none: a value that was measured, never one between two."""
    ordered = sorted(values_ns)
    if not ordered:
        return 0.0
    rank = min(len(ordered) - 1, int(share * len(ordered)))
    return round(ordered[rank] / clock.NS_PER_MS, 3)
