"""Mutations of what was stored: lost, changed, twice, out of nowhere, failed and there, out of order, unread, unproven.

Where the experiment allows n acknowledged writes to be lost, n + 1 are: what it allows is no defect.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from harness.clock import NS_PER_MS
from harness.evidence.format import Kind
from harness.evidence.run import Evidence
from harness.evidence.timeline import Event
from harness.judge import data_loss
from harness.judge.facts import CANARY, Array, Facts, index_in, is_among
from harness.judge.self_check import edit
from harness.judge.self_check.mutation import Mutation
from harness.judge.statistics import rate_detectable

READS: Final = ("service", "store")


def _writes(facts: Facts, outcome: str) -> Array:
    """Rows of operations that write and had this outcome. Shape (m,)."""
    operations = facts.evidence.operations
    writes = is_among(operations["kind"], data_loss.write_kinds(facts))
    return np.flatnonzero(writes & (operations["outcome"] == outcome))


def _acked_canary(facts: Facts) -> Array:
    """Rows of operations: acknowledged writes of the canary. Shape (m,)."""
    acked = _writes(facts, "ok")
    return np.asarray(acked[facts.tracks[acked] == CANARY])


def _victims(facts: Facts, read: str) -> Array | str:
    """Rows of a read: one more of the canary's acknowledged writes than may be lost, from the middle of the trial."""
    op_ids, count = facts.evidence.operations["op_id"][_acked_canary(facts)], _allowed_count(facts) + 1
    rows = index_in(op_ids, edit.columns_of(facts.evidence, read)["op_id"])
    rows = rows[rows >= 0]
    if count > rows.size:
        return f"the {read} read has {rows.size} acknowledged writes of the canary, and {count - 1} may be lost"
    first = (rows.size - count) // 2
    return np.asarray(rows[first : first + count])


def _allowed_count(facts: Facts) -> int:
    return int(facts.expect["write_lost_count_max"])


def _gone(facts: Facts, read: str) -> Evidence | str:
    rows = _victims(facts, read)
    if isinstance(rows, str):
        return rows
    kept = np.ones(edit.columns_of(facts.evidence, read)["op_id"].size, dtype=bool)
    kept[rows] = False
    return edit.taken(facts.evidence, read, kept)


def _gone_from_service(facts: Facts) -> Evidence | str:
    return _gone(facts, "service")


def _gone_from_store(facts: Facts) -> Evidence | str:
    return _gone(facts, "store")


def _no_service_rows(facts: Facts) -> Evidence | str:
    return _no_rows(facts, "service")


def _no_store_rows(facts: Facts) -> Evidence | str:
    return _no_rows(facts, "store")


def _no_rows(facts: Facts, read: str) -> Evidence | str:
    if _writes(facts, "ok").size <= _allowed_count(facts):
        return "every acknowledged write may be lost"
    return edit.emptied(facts.evidence, read)


def _payload_changed(facts: Facts) -> Evidence | str:
    rows = _victims(facts, "store")
    return rows if isinstance(rows, str) else edit.put(facts.evidence, "store", rows, payload_hash="another payload")


def _number_changed(facts: Facts) -> Evidence | str:
    """The service gives the canary's writes with sequence numbers that nobody sent."""
    rows = _victims(facts, "service")
    return rows if isinstance(rows, str) else edit.put(facts.evidence, "service", rows, seq=-2)


def _stored_twice(facts: Facts) -> Evidence | str:
    rows = _victims(facts, "store")
    return rows if isinstance(rows, str) else edit.repeated(facts.evidence, "store", int(rows[0]))


def _phantom(facts: Facts) -> Evidence | str:
    """Both reads give a write that was never attempted."""
    rows = _victims(facts, "store")
    return rows if isinstance(rows, str) else _in_both(facts, f"{facts.evidence.manifest['run_id']}-phantom")


def _in_both(facts: Facts, op_id: str) -> Evidence:
    """With a row of this op_id in both reads: the last one of each again, at the end of its key."""
    changed = facts.evidence
    for read in READS:
        rows = edit.columns_of(changed, read)
        last = int(rows["op_id"].size) - 1
        changed = edit.repeated(changed, read, last, op_id=op_id, position=int(rows["position"].max()) + 1)
    return changed


def _failed_is_there(facts: Facts) -> Evidence | str:
    """Both reads give a write that had failed."""
    failed = _writes(facts, "failed")
    if failed.size == 0:
        return "no write failed"
    return _in_both(facts, str(facts.evidence.operations["op_id"][failed[0]]))


def _swapped(facts: Facts) -> Evidence | str:
    """Two writes of one key, the first acknowledged before the second was sent, are stored the other way round."""
    store, operations = facts.evidence.store.rows, facts.evidence.operations
    acked = _writes(facts, "ok")
    place = index_in(store["op_id"], operations["op_id"][acked])
    order = np.lexsort((store["position"], store["key"].astype(str)))
    order = order[place[order] >= 0]
    first, second = order[:-1], order[1:]
    done_ns, sent_ns = operations["done_ns"][acked[place[first]]], operations["sent_ns"][acked[place[second]]]
    pairs = np.flatnonzero((store["key"][first] == store["key"][second]) & (done_ns + NS_PER_MS < sent_ns))
    if pairs.size == 0:
        return "no two writes of one key followed each other"
    pair = pairs[pairs.size // 2]
    both = np.array([first[pair], second[pair]])
    return edit.put(facts.evidence, "store", both, position=store["position"][both[::-1]])


def _read_cut(facts: Facts) -> Evidence:
    return edit.with_meta(facts.evidence, "service", complete=False, error="the connection was closed")


def _read_early(facts: Facts) -> Evidence | str:
    """The scan of the store began before half of the writes were acknowledged."""
    acked = _writes(facts, "ok")
    if acked.size == 0:
        return "no write was acknowledged"
    middle_ns = int(np.median(facts.evidence.operations["done_ns"][acked]))
    return edit.with_meta(facts.evidence, "store", started_ns=middle_ns)


def _never_still(facts: Facts) -> Evidence:
    """The service was never seen to stand still before the reads."""

    def restless(event: Event) -> Event:
        return edit.saying(event, quiescent=False)

    return edit.events_changed(facts.evidence, restless, Kind.QUIESCED)


def _unproven(facts: Facts) -> Evidence | str:
    """What came of every write of the canary is unknown."""
    return edit.put(facts.evidence, "operations", _acked_canary(facts), outcome="unknown", status=0)


def _weak(facts: Facts) -> Evidence | str:
    """All but one of the canary's writes are unknown: a zero of one proves next to nothing."""
    if rate_detectable(1) <= float(facts.expect["loss_rate_detectable_max"]):
        return "a single acknowledged write is enough for the experiment"
    return edit.put(facts.evidence, "operations", _acked_canary(facts)[1:], outcome="unknown", status=0)


def _invariant_broken(facts: Facts) -> Evidence | str:
    if facts.evidence.invariants is None:
        return "the kit was not asked for invariants"
    broken = {"name": "sum", "detail": "does not add up", "op_ids": []}
    return replace(facts.evidence, invariants=(*facts.evidence.invariants, broken))


MUTATIONS: Final = (
    Mutation("write_gone_from_store", data_loss.ID, "vanished", _gone_from_store),
    Mutation("store_read_empty", data_loss.ID, "vanished", _no_store_rows),
    Mutation("write_gone_from_service", data_loss.ID, "unreadable", _gone_from_service),
    Mutation("service_read_empty", data_loss.ID, "unreadable", _no_service_rows),
    Mutation("payload_changed", data_loss.ID, "mutated", _payload_changed),
    Mutation("sequence_number_changed", data_loss.ID, "mutated", _number_changed),
    Mutation("write_stored_twice", data_loss.ID, "duplicated", _stored_twice),
    Mutation("phantom_write", data_loss.ID, "phantom", _phantom),
    Mutation("failed_write_is_there", data_loss.ID, "aborted_visible", _failed_is_there),
    Mutation("writes_swapped", data_loss.ID, "order", _swapped),
    Mutation("invariant_broken", data_loss.ID, "invariants", _invariant_broken),
    Mutation("service_read_cut", data_loss.ID, "verified", _read_cut),
    Mutation("store_read_too_early", data_loss.ID, "verified", _read_early),
    Mutation("service_never_stood_still", data_loss.ID, "verified", _never_still),
    Mutation("canary_writes_unknown", data_loss.ID, "vacuous", _unproven),
    Mutation("canary_writes_too_few", data_loss.ID, "power", _weak),
)
