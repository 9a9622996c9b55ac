"""The final reads: everything the load was told was stored, looked for through stable and in the store.

Order matters: the load has ended, then nothing moves any more (two equal quiet looks), then the reads, then
the purge. Each step leaves what it saw in the run directory, also when it could not come to its end.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from harness import clock
from harness.drive.guard.client import note_progress
from harness.drive.target.port import Instance, ReadBackWanted, StoredWrite, TargetKit
from harness.errors import DriveError
from harness.evidence import tables
from harness.evidence.format import OPERATIONS, READBACK, Kind
from harness.evidence.timeline import TimelineWriter

QUIESCE_S_MAX = 5.0
SERVICE, STORE = "service", "store"
_LOOK_PAUSE_S = 0.1


def quiesce(kit: TargetKit, instances: Sequence[Instance], reader_dsn: str, timeline: TimelineWriter) -> bool:
    """Look until two looks in a row are quiet and equal; False when that did not come within QUIESCE_S_MAX."""
    looks: list[dict[str, Any]] = []
    give_up_ns = clock.monotonic_ns() + int(QUIESCE_S_MAX * clock.NS_PER_S)
    last = None
    quiescent = False
    while not quiescent and clock.monotonic_ns() < give_up_ns:
        look = kit.quiesce(instances, reader_dsn)
        looks.append({"in_flight": dict(look.in_flight), "open_transactions": look.open_transactions})
        quiescent = look.quiet and look == last
        last = look
        clock.sleep(_LOOK_PAUSE_S)
    timeline.event(Kind.QUIESCED, quiescent=quiescent, reads=looks[-20:])
    return quiescent


def wanted(run_dir: Path, run_id: str, write_kinds: Sequence[str]) -> ReadBackWanted:
    """(kind, key) of every write that the load recorded, each once."""
    table, _ = tables.read_folder(run_dir / "operations", OPERATIONS)
    kinds, keys = table.column("kind").to_pylist(), table.column("key").to_pylist()
    writes = set(write_kinds)
    pairs = sorted({(kind, key) for kind, key in zip(kinds, keys, strict=True) if kind in writes})
    return ReadBackWanted(run_id=run_id, writes=tuple(pairs))


def read_service(
    kit: TargetKit, stable: Instance, looked_for: ReadBackWanted, run_dir: Path, place: str = SERVICE
) -> None:
    """The read through one stable instance into readback/<place>: SERVICE, or STORE where there is no other."""
    version = kit.identify(stable)
    _keep(run_dir / "readback" / place, lambda: kit.read_back(stable, looked_for), stable.name, version)


def read_store(kit: TargetKit, reader_dsn: str, run_id: str, run_dir: Path) -> None:
    """The read of the store into readback/store/."""
    _keep(run_dir / "readback" / STORE, lambda: kit.store_scan(reader_dsn, run_id), "store", "")


def read_invariants(kit: TargetKit, reader_dsn: str, run_id: str, run_dir: Path) -> None:
    """What of the stored rows contradicts the domain, into readback/invariants.json; [] where nothing does."""
    found = [
        {"name": one.name, "detail": one.detail, "op_ids": list(one.op_ids)}
        for one in kit.invariants(reader_dsn, run_id)
    ]
    (run_dir / "readback" / "invariants.json").write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")


def _keep(folder: Path, read: Callable[[], Iterable[StoredWrite]], instance: str, version: str) -> None:
    folder.mkdir(parents=True)
    meta: dict[str, Any] = {"instance": instance, "version": version, "started_ns": clock.monotonic_ns(), "error": ""}
    rows: list[StoredWrite] = []
    try:
        for row in read():
            note_progress()  # some thousand writes take their time, and none of it is a hang
            rows.append(row)
        meta["complete"] = True
    except DriveError as error:
        meta["complete"], meta["error"] = False, str(error)
    meta["ended_ns"] = clock.monotonic_ns()
    columns = {name: [getattr(row, name) for row in rows] for name in READBACK.names}
    tables.write_parquet(folder / "rows.parquet", pa.table(columns, schema=READBACK))
    (folder / "meta.json").write_text(json.dumps(meta, indent=1, sort_keys=True) + "\n")
