"""The ledger: every write that was sent, what its sender was told, and whether the final reads found it.

Terms. A *write* is an operation with a sequence number. *Acknowledged* means outcome ok: the service said it was
done. *Failed* means surely without effect, *unknown* that nobody can say (it may be there or not; both are legal).
*Found* means that at least one row of a final read carries the write's op_id. There are two final reads: through
the stable version's own interface, and of the store by a user that can only read.

These are subtractions, not verdicts: whether a missing row is a loss is for the check `data_loss`.
Not covered: order and content of what was found; the judge compares those.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from harness.clock import NS_PER_S
from harness.evidence.finding import Findings, Verdict
from harness.evidence.format import Outcome
from harness.evidence.run import Evidence, ReadBack
from harness.report import series, words

OFFENDERS_MAX: Final = 10


@dataclass(frozen=True, slots=True)
class Row:
    """Writes of one track and kind. `ok_in_*`, `failed_in_*`, `unknown_in_*` count those that the read found."""

    track: str
    kind: str
    attempted: int
    ok: int
    failed: int
    unknown: int
    ok_in_service: int
    ok_in_store: int
    failed_in_store: int
    unknown_in_store: int


@dataclass(frozen=True, slots=True)
class Offender:
    """One operation that a check which is not PASS names, or an acknowledged write that a whole read lacks."""

    op_id: str
    why: str
    kind: str
    key: str
    track: str
    outcome: str
    status: int
    sent_s: float
    error: str


@dataclass(frozen=True, slots=True)
class Ledger:
    """The rows, their sum, the offenders, and one sentence for each final read that says how far it came.

    `gone` has one entry an operation: whether it is an acknowledged write that a whole final read lacks.
    """

    rows: tuple[Row, ...]
    total: Row
    offenders: tuple[Offender, ...]
    offenders_count: int
    service: str
    store: str
    gone: np.ndarray[Any, np.dtype[np.bool_]]


def build(evidence: Evidence, findings: Findings, zero_ns: int) -> Ledger:
    """The ledger of a trial; empty rows where nothing was written."""
    track_of = series.tracks(evidence)
    writes = evidence.operations["seq"] >= 0
    kinds = evidence.operations["kind"]
    pairs = {(track, kind) for track in series.TRACKS for kind in set(kinds[writes & (track_of == track)].tolist())}
    in_service, in_store = (_found(evidence, read, writes) for read in (evidence.service, evidence.store))
    order = {track: place for place, track in enumerate(series.TRACKS)}
    rows = tuple(
        _row(evidence, track, kind, writes & (track_of == track) & (kinds == kind), in_service, in_store)
        for track, kind in sorted(pairs, key=lambda pair: (order[pair[0]], pair[1]))
    )
    named = list(_offenders(evidence, findings, writes, in_service, in_store))
    shown = tuple(_offender(evidence, row, why, str(track_of[row]), zero_ns) for row, why in named[:OFFENDERS_MAX])
    return Ledger(
        rows=rows,
        total=_row(evidence, "all", "all", writes, in_service, in_store),
        offenders=shown,
        offenders_count=len(named),
        service=_read_sentence(evidence.service, "through the stable version"),
        store=_read_sentence(evidence.store, "of the store"),
        gone=_gone(evidence, writes, in_service, in_store),
    )


def _gone(
    evidence: Evidence, writes: np.ndarray[Any, Any], in_service: np.ndarray[Any, Any], in_store: np.ndarray[Any, Any]
) -> np.ndarray[Any, np.dtype[np.bool_]]:
    acknowledged = writes & (evidence.operations["outcome"] == Outcome.OK)
    lacks_service, lacks_store = evidence.service.complete & ~in_service, evidence.store.complete & ~in_store
    return np.asarray(acknowledged & (lacks_service | lacks_store), dtype=np.bool_)


def _found(evidence: Evidence, read: ReadBack, writes: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Which writes have a row in a final read. Hashed by Arrow: a million as Python strings take a second."""
    found = np.zeros(writes.size, dtype=np.bool_)
    op_id, known = (pa.array(ids, pa.string()) for ids in (evidence.operations["op_id"][writes], read.rows["op_id"]))
    found[writes] = pc.is_in(op_id, value_set=known).to_numpy(zero_copy_only=False)
    return found


def _row(
    evidence: Evidence,
    track: str,
    kind: str,
    mask: np.ndarray[Any, Any],
    in_service: np.ndarray[Any, Any],
    in_store: np.ndarray[Any, Any],
) -> Row:
    outcome = evidence.operations["outcome"]
    ok, failed, unknown = (mask & (outcome == each) for each in Outcome)
    return Row(
        track=track,
        kind=kind,
        attempted=int(mask.sum()),
        ok=int(ok.sum()),
        failed=int(failed.sum()),
        unknown=int(unknown.sum()),
        ok_in_service=int((ok & in_service).sum()),
        ok_in_store=int((ok & in_store).sum()),
        failed_in_store=int((failed & in_store).sum()),
        unknown_in_store=int((unknown & in_store).sum()),
    )


def _offenders(
    evidence: Evidence,
    findings: Findings,
    writes: np.ndarray[Any, Any],
    in_service: np.ndarray[Any, Any],
    in_store: np.ndarray[Any, Any],
) -> Iterator[tuple[int, str]]:
    """(row of operations, why), each row once: those the judge names first, then acknowledged writes not found."""
    named = list(_named(findings))
    # JSON may hold what UTF-8 cannot.
    texts = pa.array([text.encode(errors="replace").decode() for text, _ in named], pa.string())
    places = pc.index_in(texts, value_set=pa.array(evidence.operations["op_id"], pa.string())).to_pylist()
    seen: set[int] = set()
    for row, (_, why) in zip(places, named, strict=True):
        if row is not None and row not in seen:
            seen.add(row)
            yield row, why
    acknowledged = writes & (evidence.operations["outcome"] == Outcome.OK)
    for read, present, where in (
        (evidence.service, in_service, "through stable"),
        (evidence.store, in_store, "in the store"),
    ):
        absent: list[int] = np.flatnonzero(acknowledged & ~present).tolist() if read.complete else []
        for place in absent:
            if place not in seen:
                seen.add(place)
                yield place, f"acknowledged, but not found {where}"


def _named(findings: Findings) -> Iterator[tuple[str, str]]:
    """(op_id, why) of every text in the measured values of checks that are not PASS."""
    for check in findings.checks:
        if check.verdict is Verdict.PASS:
            continue
        for name, value in check.measured.items():
            for text in _texts(value):
                yield text, f"{check.id}: {name.removesuffix('_op_ids').replace('_', ' ')}"


def _texts(value: object) -> Iterable[str]:
    if isinstance(value, str):
        return (value,)
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list | tuple) else ()


def _offender(evidence: Evidence, row: int, why: str, track: str, zero_ns: int) -> Offender:
    column = {name: values[row] for name, values in evidence.operations.items()}
    return Offender(
        op_id=words.plain(column["op_id"]),
        why=words.plain(why),
        kind=words.plain(column["kind"]),
        key=words.plain(column["key"], 80),
        track=track,
        outcome=words.plain(column["outcome"]),
        status=int(column["status"]),
        sent_s=(int(column["sent_ns"]) - zero_ns) / NS_PER_S,
        error=words.plain(column["error"], 200),
    )


def _read_sentence(read: ReadBack, what: str) -> str:
    if not read.meta:
        return f"The final read {what} was never made, so nothing is known from it."
    rows = f"{len(read.rows['op_id']):,} rows"
    who = f" (version {words.plain(read.meta['version'])})" if read.meta.get("version") else ""
    if read.complete:
        return f"The final read {what}{who} came to its end: {rows}."
    error = words.plain(read.meta.get("error", "")) or "no reason recorded"
    return f"The final read {what}{who} did not come to its end after {rows}: {error}. What it lacks proves nothing."
