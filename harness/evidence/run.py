"""Reading a run directory into one frozen object: all that a judge or a report ever sees.

Reading never fails for evidence that is cut, empty or missing: that is itself evidence, named in
`problems`. It fails (EvidenceError) only where the directory is no run directory of format 1 at all.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from harness.clock import NS_PER_MS
from harness.errors import EvidenceError
from harness.evidence import seal, tables, timeline
from harness.evidence.format import METRICS, OPERATIONS, READBACK, ROUTING, RUN_FORMAT, SCHEDULE, Kind
from harness.evidence.tables import Columns
from harness.evidence.timeline import Event

FOLDERS: Final = ("config", "metrics", "notifications", "operations", "readback", "routing", "schedule", "timeline")


@dataclass(frozen=True, slots=True)
class ReadBack:
    """One final read. `meta` is {} where it was never made; `meta["complete"]` says whether it came to its end."""

    meta: Mapping[str, Any]
    rows: Columns

    @property
    def complete(self) -> bool:
        """Whether the read came to its end."""
        return bool(self.meta.get("complete", False))


@dataclass(frozen=True, slots=True)
class Notification:
    """One webhook as a receiver got it."""

    t_ns: int
    receiver: str
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Clock:
    """Wall time to CLOCK_MONOTONIC by the run's own samples. Shapes: (n,) each, in order of t_ns."""

    t_ns: np.ndarray[Any, Any]
    offset_ns: np.ndarray[Any, Any]  # wall - monotonic

    def to_mono_ns(self, wall_ns: np.ndarray[Any, Any] | int) -> Any:
        """Monotonic instants of wall instants, by the offset interpolated between the samples around them."""
        if self.t_ns.size == 0:
            raise EvidenceError("no clock event: wall time of this run cannot be placed")
        wall_at = self.t_ns + self.offset_ns
        # Differences from the first sample keep float64 exact: an epoch in nanoseconds has more than 53 bits.
        shift = np.interp(
            np.asarray(wall_ns - wall_at[0], dtype=np.float64),
            (wall_at - wall_at[0]).astype(np.float64),
            (self.offset_ns - self.offset_ns[0]).astype(np.float64),
        )
        return wall_ns - self.offset_ns[0] - np.rint(shift).astype(np.int64)

    @property
    def drift_ms(self) -> float:
        """How far the two clocks drifted apart over the run, peak to peak."""
        return float(np.ptp(self.offset_ns)) / NS_PER_MS if self.offset_ns.size else 0.0


@dataclass(frozen=True, slots=True)
class Evidence:
    """One trial. Columns have the names of evidence.format; `samples` also has `t_ns`, `routing` `start_ns`."""

    run_dir: str
    manifest: Mapping[str, Any]
    complete: bool
    problems: tuple[str, ...]
    events: tuple[Event, ...]
    clock: Clock
    operations: Columns
    schedule: Columns
    routing: Columns
    samples: Columns
    notifications: tuple[Notification, ...]
    service: ReadBack
    store: ReadBack
    config_files: tuple[str, ...] = ()  # names of the rendered files, relative to config/
    # Broken invariants of the kit, {"name", "detail", "op_ids"} each; None where the kit was not asked for them.
    invariants: tuple[Mapping[str, Any], ...] | None = None
    files: tuple[str, ...] = ()  # every evidence file that is there, relative to the run directory

    def of(self, *kinds: Kind) -> tuple[Event, ...]:
        """The events of these kinds, in order."""
        return tuple(event for event in self.events if event.kind in kinds)


def load(run_dir: Path) -> Evidence:
    """Read a run directory. EvidenceError when it is none, or while its trial still runs."""
    manifest = read_manifest(run_dir)
    _refuse_live(run_dir)
    complete, problems = seal.read_seal(run_dir)
    events, line_problems = timeline.read(run_dir)
    clock = _clock(events)
    operations, operation_problems = tables.read_folder(run_dir / "operations", OPERATIONS)
    schedule, schedule_problems = tables.read_folder(run_dir / "schedule", SCHEDULE)
    samples, sample_problems = tables.read_folder(run_dir / "metrics", METRICS)
    routing, routing_problems = _routing(run_dir)
    notifications, notification_problems = _notifications(run_dir)
    service, service_problems = _read_back(run_dir / "readback" / "service")
    store, store_problems = _read_back(run_dir / "readback" / "store")
    invariants, invariant_problems = _invariants(run_dir / "readback" / "invariants.json")
    return Evidence(
        run_dir=str(run_dir),
        manifest=manifest,
        complete=complete,
        problems=(
            *problems,
            *line_problems,
            *operation_problems,
            *schedule_problems,
            *sample_problems,
            *routing_problems,
            *notification_problems,
            *service_problems,
            *store_problems,
            *invariant_problems,
        ),
        events=events,
        clock=clock,
        operations=tables.columns(operations.sort_by("intended_ns")),
        schedule=tables.columns(schedule),
        routing=_with_instant(routing.sort_by("start_wall_ns"), "start_wall_ns", "start_ns", 1, clock),
        samples=_with_instant(_distinct(samples), "wall_ms", "t_ns", NS_PER_MS, clock),
        notifications=notifications,
        service=service,
        store=store,
        config_files=_config_files(run_dir / "config"),
        invariants=invariants,
        files=_files(run_dir),
    )


def read_manifest(run_dir: Path) -> Mapping[str, Any]:
    """manifest.json of a run directory. EvidenceError where it is missing, broken or of another format."""
    path = run_dir / "manifest.json"
    try:
        manifest = json.loads(path.read_text())
    except FileNotFoundError as error:
        raise EvidenceError(f"{run_dir}: no manifest.json: not a run directory; give one of reports/") from error
    except (ValueError, OSError) as error:
        raise EvidenceError(f"{path}: {error}: the manifest cannot be read; copy the directory anew") from error
    found = manifest.get("format") if isinstance(manifest, dict) else None
    if not isinstance(manifest, dict) or found != RUN_FORMAT:
        raise EvidenceError(
            f"{path}: format is {found!r}; this version reads {RUN_FORMAT!r}: use the harness that wrote it"
        )
    return manifest


def _refuse_live(run_dir: Path) -> None:
    """A trial holds an exclusive flock on LOCK for as long as it runs."""
    path = run_dir / "LOCK"
    if not path.exists():
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise EvidenceError(f"{run_dir}: its trial is still running; judge it when it has ended") from error
    finally:
        os.close(descriptor)


def _clock(events: tuple[Event, ...]) -> Clock:
    samples = [(event.t_ns, int(event.data["wall_ns"])) for event in events if event.kind is Kind.CLOCK]
    t_ns = np.array([at for at, _ in samples], dtype=np.int64)
    wall_ns = np.array([wall for _, wall in samples], dtype=np.int64)
    return Clock(t_ns=t_ns, offset_ns=wall_ns - t_ns)


def _routing(run_dir: Path) -> tuple[pa.Table, tuple[str, ...]]:
    """Parquet once sealed; the router's own log where a trial was cut."""
    folder = run_dir / "routing"
    sealed, problems = tables.read_folder(folder, ROUTING)
    parts = [sealed]
    for log in sorted(folder.glob("*.ndjson")):
        with log.open(errors="replace") as lines:
            table, bad_count = tables.routing_rows(lines, ROUTING)
        parts.append(table)
        if bad_count:
            problems = (*problems, f"routing/{log.name}: {bad_count} lines do not parse")
    return pa.concat_tables(parts), problems


def _distinct(samples: pa.Table) -> pa.Table:
    """Each sample once, in order of time: fetches overlap on purpose."""
    if samples.num_rows == 0:
        return samples
    grouped = samples.group_by(["name", "labels", "wall_ms"]).aggregate([("value", "max")])
    renamed = grouped.rename_columns(["name", "labels", "wall_ms", "value"])
    return renamed.select(METRICS.names).sort_by(
        [("wall_ms", "ascending"), ("name", "ascending"), ("labels", "ascending")]
    )


def _with_instant(table: pa.Table, source: str, name: str, unit_ns: int, clock: Clock) -> Columns:
    found = tables.columns(table)
    if clock.t_ns.size == 0:
        found[name] = np.zeros(table.num_rows, dtype=np.int64)
    else:
        found[name] = np.asarray(clock.to_mono_ns(found[source].astype(np.int64) * unit_ns), dtype=np.int64)
    return found


def _notifications(run_dir: Path) -> tuple[tuple[Notification, ...], tuple[str, ...]]:
    found: list[Notification] = []
    problems: list[str] = []
    for path in sorted((run_dir / "notifications").glob("*.json")):
        try:
            record = json.loads(path.read_text())
            found.append(Notification(int(record["t_ns"]), str(record["receiver"]), record["body"]))
        except (ValueError, KeyError, TypeError) as error:
            problems.append(f"notifications/{path.name}: {error}")
    return tuple(sorted(found, key=lambda item: item.t_ns)), tuple(problems)


def _invariants(path: Path) -> tuple[tuple[Mapping[str, Any], ...] | None, tuple[str, ...]]:
    """What the kit found broken, None where it was not asked or cannot be read, which is a problem."""
    if not path.exists():
        return None, ()
    try:
        found = [
            {"name": str(one["name"]), "detail": str(one["detail"]), "op_ids": list(one["op_ids"])}
            for one in json.loads(path.read_text())
        ]
    except (ValueError, KeyError, TypeError) as error:
        return None, (f"readback/{path.name}: {type(error).__name__}: {error}",)
    return tuple(found), ()


def _config_files(folder: Path) -> tuple[str, ...]:
    return tuple(sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()))


def _files(run_dir: Path) -> tuple[str, ...]:
    """What the seal is over and the seal itself: neither logs nor what is drawn from the evidence."""
    found = [path for name in FOLDERS for path in (run_dir / name).rglob("*") if path.is_file()]
    found += [path for name in ("SEAL", "journal.json", "manifest.json") if (path := run_dir / name).exists()]
    return tuple(sorted(path.relative_to(run_dir).as_posix() for path in found))


def _read_back(folder: Path) -> tuple[ReadBack, tuple[str, ...]]:
    """One final read, as far as it can be read, and what is wrong with its files."""
    meta_path, rows_path = folder / "meta.json", folder / "rows.parquet"
    meta: Mapping[str, Any] = {}
    table, problems = READBACK.empty_table(), []
    if meta_path.exists():
        try:
            meta = dict(json.loads(meta_path.read_text()))
        except (ValueError, TypeError) as error:
            problems.append(f"readback/{folder.name}/{meta_path.name}: {error}")
    if rows_path.exists():
        found, why = tables.read_parquet(rows_path)
        if found is not None:
            found, why = tables.fit(found, READBACK)
        if found is None:
            problems.append(f"readback/{folder.name}/{rows_path.name}: {why}")
            meta = {**meta, "complete": False}  # what it lacks proves nothing
        else:
            table = found
    return ReadBack(meta=meta, rows=tables.columns(table)), tuple(problems)
