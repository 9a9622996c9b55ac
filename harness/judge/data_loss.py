"""data_loss: every acknowledged write there, once, unchanged, in order, readable by stable; nothing else there.

Terms. A *write* is an operation of a kind that the kit says writes. It was *attempted* when it has a row, or
when its row of the schedule was due and the load died before it could say what came of it. Its outcome:
*acknowledged* (ok), *failed* (surely without effect) or *unknown* (anything else, and every attempted write
without a row). Two reads at the end look for it: the *service* read, through stable, and the *store* scan.

    vanished         acknowledged, and not in the store
    unreadable       acknowledged, in the store, and stable does not give it: a break between two versions
    mutated          there, with another payload, key, kind or sequence number than was sent
    duplicated       there more than once in one read
    phantom          there, and no write of this trial
    aborted_visible  there, and failed
    order            two writes of one key, the first acknowledged before the second was sent, stored the other
                     way round
    recovered        unknown, and there         dropped   unknown, and not there        (both legal)
    invariants       what the kit says must hold of the whole store, whoever wrote it, and does not
    unverified       acknowledged, and a read ended early or began before the acknowledgement. Never a witness:
                     what was not read is not lost

*Lost* is vanished + unreadable + mutated; the experiment may allow some. *Vacuous* is a trial without an
acknowledged write of the canary, or in which a kind of write was never acknowledged. *Power* is the loss
rate that a zero among the canary's acknowledged writes would have shown with 95 %; writes whose version
nobody named are not the canary's here, which is the choice that proves less.

Measured: `attempted_count`, `acked_count`, `failed_count`, `unknown_count`, `acked_canary_count`,
`acked_nobody_count` (no version named), `unverified_count`; for each of the terms above `<term>_count` and,
for what can be a witness, `<term>_op_ids`, at most ten; `loss_rate_detectable`; where the kit has invariants
`invariants_count` and `invariants_op_ids`, at most ten.

A kit that reaches no store (`kit.has_store` of the manifest) reads through a second instance of stable in its
place. That shows a write that only one of them gives, and not one that the store keeps and neither of them does.
Read one by one, a write that is there twice, or was never attempted, does not show, and nothing has an order.

Not covered: reads during the trial (stale and regressed ones), lost updates of conditional writes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa

from harness.clock import NS_PER_S
from harness.evidence.finding import Finding, Rule, Verdict
from harness.evidence.format import Kind
from harness.evidence.run import ReadBack
from harness.judge.facts import CANARY, NOBODY, Array, Facts, index_in, is_among
from harness.judge.saying import LISTED_MAX, finding, inference, percent, unless, witness
from harness.judge.statistics import rate_detectable

ID: Final = "data_loss"
_UNCHANGED: Final = ("payload_hash", "key", "kind", "seq")
# A load that was killed may have sent rows due just after the stop was asked for; those are no phantoms.
_STOP_GRACE_NS: Final = NS_PER_S


@dataclass(frozen=True, slots=True)
class Ledger:
    """Every attempted write, rows of operations first, then writes that were due and have no row. Shapes (n,)."""

    op_id: Array
    recorded: Array  # bool: has a row
    acked: Array
    failed: Array
    unknown: Array
    canary: Array
    nobody: Array
    sent_ns: Array
    done_ns: Array
    fields: dict[str, Array]  # _UNCHANGED, "" and 0 where there is no row


@dataclass(frozen=True, slots=True)
class Found:
    """One read against the ledger. `place` has one entry a row of the read, `count` one a write."""

    read: ReadBack
    place: Array  # int64: the write's place in the ledger, -1 for a phantom
    count: Array  # how many rows it has
    verified: Array  # bool: the read began after the write was acknowledged, and came to its end


def check(facts: Facts) -> Finding:
    """Ten rules: seven witnesses, three on whether a zero means anything; one more where the kit has invariants."""
    ledger = ledger_of(facts)
    service, store = found_in((facts.evidence.service, facts.evidence.store), ledger)
    seen = offenders(ledger, service, store, _scheduled_writes(facts, _STOP_GRACE_NS))
    canary_count = int((ledger.acked & ledger.canary).sum())
    rules = (
        *_lost_rules(seen, int(ledger.acked.sum()), int(facts.expect["write_lost_count_max"]), facts.has_store),
        *_wrong_rules(seen, int(ledger.op_id.size), service.place.size + store.place.size),
        *_invariants(facts.evidence.invariants),
        _verified(facts, ledger, service, store),
        _vacuous(facts, ledger, canary_count),
        _power(canary_count, float(facts.expect["loss_rate_detectable_max"])),
    )
    measured = {
        **_counts(ledger, service, store),
        **_listed(seen),
        "loss_rate_detectable": rate_detectable(canary_count),
        **_broken(facts.evidence.invariants),
    }
    how = "there, once, unchanged and in order" if facts.has_store else "given by two instances of stable, unchanged"
    well = f"All {int(ledger.acked.sum())} acknowledged writes are {how}"
    return finding(ID, rules, measured, well)


# -- the ledger and the reads against it ----------------------------------------------------------------------------


def ledger_of(facts: Facts) -> Ledger:
    """Every attempted write."""
    operations = facts.evidence.operations
    mine = is_among(operations["kind"], write_kinds(facts))
    scheduled = _scheduled_writes(facts, 0)
    silent = scheduled[index_in(scheduled, operations["op_id"]) < 0]
    outcome, tracks = operations["outcome"][mine], facts.tracks[mine]

    def column(values: Array, fill: Any) -> Array:
        return np.concatenate([values, np.full(silent.size, fill, dtype=values.dtype)])

    return Ledger(
        op_id=np.concatenate([operations["op_id"][mine], silent]),
        recorded=column(np.ones(outcome.size, dtype=bool), False),
        acked=column(outcome == "ok", False),
        failed=column(outcome == "failed", False),
        unknown=column(outcome == "unknown", True),
        canary=column(tracks == CANARY, False),
        nobody=column(tracks == NOBODY, False),
        sent_ns=column(operations["sent_ns"][mine], 0),
        done_ns=column(operations["done_ns"][mine], 0),
        fields={name: column(operations[name][mine], 0 if name == "seq" else "") for name in _UNCHANGED},
    )


def _scheduled_writes(facts: Facts, grace_ns: int) -> Array:
    """op_ids of writes that were due before the load was asked to stop, or `grace_ns` after it. Shape (m,)."""
    schedule = facts.evidence.schedule
    within = schedule["offset_ns"] < facts.stop_ns + grace_ns - facts.start_ns
    return np.asarray(schedule["op_id"][within & (facts.start_ns > 0) & is_among(schedule["kind"], write_kinds(facts))])


def write_kinds(facts: Facts) -> tuple[str, ...]:
    """Names of the kinds that write, of those that the load sends."""
    kinds = facts.evidence.manifest["load"]["kinds"]
    return tuple(str(kind["name"]) for kind in kinds if kind["writes"] and kind["share"] > 0)


def found_in(reads: tuple[ReadBack, ReadBack], ledger: Ledger) -> tuple[Found, Found]:
    """Which writes each read found, how often, and which it could have found. One look-up for both reads."""
    service, store = reads
    op_ids = np.concatenate([service.rows["op_id"], store.rows["op_id"]])
    places = np.split(index_in(op_ids, ledger.op_id), [service.rows["op_id"].size])
    return _found(service, places[0], ledger), _found(store, places[1], ledger)


def _found(read: ReadBack, place: Array, ledger: Ledger) -> Found:
    count = np.bincount(place[place >= 0], minlength=ledger.op_id.size)
    started_ns = int(read.meta.get("started_ns", 0))
    return Found(read, place, count, read.complete & ledger.acked & (ledger.done_ns < started_ns))


# -- what refutes -----------------------------------------------------------------------------------------------------


def offenders(ledger: Ledger, service: Found, store: Found, late: Array) -> dict[str, Array]:
    """op_ids by the term that names them, each once, sorted. `late`: op_ids that are no phantoms though never due."""
    vanished = store.verified & (store.count == 0)
    unreadable = service.verified & (service.count == 0) & ~vanished
    there = (service.count > 0) | (store.count > 0)
    both = (service, store)
    places = {
        "vanished": vanished,
        "unreadable": unreadable,
        "mutated": _marked(ledger, [mutated_places(ledger, found) for found in both]),
        "duplicated": (service.count > 1) | (store.count > 1),
        "aborted_visible": ledger.failed & there,
        "order": _marked(ledger, [disordered_places(ledger, found) for found in both]),
    }
    found = {name: np.unique(ledger.op_id[chosen].astype(str)) for name, chosen in places.items()}
    strangers = np.concatenate([one.read.rows["op_id"][one.place < 0] for one in both])
    return {**found, "phantom": np.unique(strangers[index_in(strangers, late) < 0].astype(str))}


def _marked(ledger: Ledger, places: list[Array]) -> Array:
    marked = np.zeros(ledger.op_id.size, dtype=bool)
    marked[np.concatenate(places)] = True
    return marked


def mutated_places(ledger: Ledger, found: Found) -> Array:
    """Places of recorded writes that a row of the read gives with other content. Shape (m,)."""
    known = np.flatnonzero(found.place >= 0)
    known = known[ledger.recorded[found.place[known]]]
    place = found.place[known]
    differs = np.zeros(known.size, dtype=bool)
    for name, sent in ledger.fields.items():
        differs |= np.asarray(found.read.rows[name][known] != sent[place], dtype=bool)
    return np.asarray(place[differs])


def disordered_places(ledger: Ledger, found: Found) -> Array:
    """Places of acknowledged writes that stand behind one that was sent after their acknowledgement. Shape (m,).

    Of each write its first row counts, so that a duplicate is not out of order as well. Rows are sorted by
    key and position; the latest send at lower positions of a key is a running maximum. Keys are parted by
    adding a step larger than the whole trial for each of them, in whole microseconds, so that it fits 64 bits.
    """
    rows = _first_rows(ledger, found)
    if rows.size == 0:
        return rows
    place, position = found.place[rows], found.read.rows["position"][rows]
    keys = pa.array(found.read.rows["key"][rows], pa.string()).dictionary_encode().indices.to_numpy()
    order = np.lexsort((position, keys))
    place, position, keys = place[order], position[order], keys[order].astype(np.int64)
    zero_ns = int(ledger.sent_ns[place].min())
    sent_us, done_us = (ledger.sent_ns[place] - zero_ns) // 1_000, (ledger.done_ns[place] - zero_ns) // 1_000
    base_us = keys * (int(max(sent_us.max(), done_us.max())) + 3)
    latest_us = np.maximum.accumulate(base_us + sent_us)
    # Rows that share a position have no order among them: each looks at what stands before the first of them.
    starts = np.flatnonzero(np.concatenate(([True], (np.diff(keys) != 0) | (np.diff(position) != 0))))
    first = np.repeat(starts, np.diff(np.append(starts, rows.size)))
    before_us = np.where(first > 0, latest_us[first - 1], -2)
    behind = before_us > base_us + np.maximum(done_us, -1)
    return np.asarray(place[behind & ledger.acked[place]])


def _first_rows(ledger: Ledger, found: Found) -> Array:
    """For each recorded, sent write that the read found: its row of the lowest position. Shape (m,)."""
    known = np.flatnonzero((found.place >= 0) & (found.read.rows["position"] >= 0))
    known = known[ledger.sent_ns[found.place[known]] > 0]
    if found.count.max(initial=0) <= 1:
        return known
    known = known[np.lexsort((found.read.rows["position"][known], found.place[known]))]
    _, first = np.unique(found.place[known], return_index=True)
    return np.asarray(known[first])


# -- the rules --------------------------------------------------------------------------------------------------------


def _lost_rules(seen: dict[str, Array], acked_count: int, allowed: int, has_store: bool) -> tuple[Rule, ...]:
    lost = sum(seen[name].size for name in ("vanished", "unreadable", "mutated"))

    def verdict(name: str) -> Verdict:
        return unless(seen[name].size > 0 and lost > allowed, Verdict.FAIL)

    of = f"of {acked_count} acknowledged writes (allowed: {allowed})"
    place = "in the store" if has_store else "given by a second instance of stable (the store was out of reach)"
    zero = f", a rate of {percent(rate_detectable(acked_count))} would have shown"
    return (
        witness("vanished", verdict("vanished"), _says(seen["vanished"], f"are not {place}, {of}", zero)),
        witness(
            "unreadable", verdict("unreadable"), _says(seen["unreadable"], f"cannot be read through stable, {of}", zero)
        ),
        witness("mutated", verdict("mutated"), _says(seen["mutated"], f"are not what was sent, {of}", zero)),
    )


def _wrong_rules(seen: dict[str, Array], attempted_count: int, rows_count: int) -> tuple[Rule, ...]:
    def verdict(name: str) -> Verdict:
        return unless(seen[name].size > 0, Verdict.FAIL)

    of = f"of {attempted_count} attempted writes and {rows_count} rows read back"
    return (
        witness("duplicated", verdict("duplicated"), _says(seen["duplicated"], f"are there more than once, {of}")),
        witness("phantom", verdict("phantom"), _says(seen["phantom"], f"are there and were never attempted, {of}")),
        witness(
            "aborted_visible",
            verdict("aborted_visible"),
            _says(seen["aborted_visible"], f"had failed and are there, {of}"),
        ),
        witness("order", verdict("order"), _says(seen["order"], f"stand behind a later write of their key, {of}")),
    )


def _invariants(broken: Sequence[Mapping[str, Any]] | None) -> tuple[Rule, ...]:
    """One rule where the kit was asked, none else."""
    if broken is None:
        return ()
    first = f", the first: {broken[0]['name']}: {broken[0]['detail']}" if broken else ""
    says = f"{len(broken)} invariants of the kit do not hold{first}"
    return (witness("invariants", unless(bool(broken), Verdict.FAIL), says),)


def _broken(broken: Sequence[Mapping[str, Any]] | None) -> dict[str, Any]:
    if broken is None:
        return {}
    op_ids = sorted({str(op_id) for one in broken for op_id in one["op_ids"]})
    return {"invariants_count": len(broken), "invariants_op_ids": op_ids[:LISTED_MAX]}


def _says(op_ids: Array, what: str, zero: str = "") -> str:
    named = f", among them {op_ids[0]}" if op_ids.size else zero
    return f"{op_ids.size} writes {what}{named}"


def _verified(facts: Facts, ledger: Ledger, service: Found, store: Found) -> Rule:
    for name, found in (("service", service), ("store", store)):
        if not found.read.complete:
            why = found.read.meta.get("error") or "it was never made"
            says = f"The read of the {name} did not come to its end: {why}"
            return inference("verified", Verdict.INCONCLUSIVE, says)
    if not facts.has_store and service.read.meta.get("instance") == store.read.meta.get("instance"):
        says = f"Both reads went through {service.read.meta.get('instance')}: what only it knows, it may have lost"
        return inference("verified", Verdict.INCONCLUSIVE, says)
    began_ns = min(int(found.read.meta["started_ns"]) for found in (service, store))
    looks = facts.evidence.of(Kind.QUIESCED)
    if not any(look.data["quiescent"] and look.t_ns <= began_ns for look in looks):
        says = "The service was never seen to stand still before the reads, so they may have missed what came after"
        return inference("verified", Verdict.INCONCLUSIVE, says)
    count = int((ledger.acked & service.verified & store.verified).sum())
    acked_count = int(ledger.acked.sum())
    says = f"{count} of {acked_count} acknowledged writes were looked for by both reads after they were answered"
    return inference("verified", unless(count < acked_count or count == 0), says)


def _vacuous(facts: Facts, ledger: Ledger, canary_count: int) -> Rule:
    acked_kinds = set(ledger.fields["kind"][ledger.acked].tolist())
    kinds = write_kinds(facts)
    without = [kind for kind in kinds if kind not in acked_kinds]
    never = (
        f", and no {', '.join(without)} was ever acknowledged" if without else f", and every kind of {len(kinds)} was"
    )
    says = f"{canary_count} writes of the canary were acknowledged{never}"
    return inference("vacuous", unless(canary_count == 0 or bool(without) or not kinds), says)


def _power(canary_count: int, limit: float) -> Rule:
    rate = rate_detectable(canary_count)
    says = (
        f"{canary_count} acknowledged writes of the canary would have shown a loss rate of {percent(rate)} with 95 %; "
        f"{percent(limit)} is asked for"
    )
    return inference("power", unless(rate > limit), says)


def _counts(ledger: Ledger, service: Found, store: Found) -> dict[str, int]:
    there = (service.count > 0) | (store.count > 0)
    read = service.read.complete and store.read.complete
    return {
        "attempted_count": int(ledger.op_id.size),
        "acked_count": int(ledger.acked.sum()),
        "failed_count": int(ledger.failed.sum()),
        "unknown_count": int(ledger.unknown.sum()),
        "acked_canary_count": int((ledger.acked & ledger.canary).sum()),
        "acked_nobody_count": int((ledger.acked & ledger.nobody).sum()),
        "unverified_count": int((ledger.acked & ~(service.verified & store.verified)).sum()),
        "recovered_count": int((ledger.unknown & there).sum()),
        "dropped_count": int((ledger.unknown & ~there).sum()) if read else 0,
    }


def _listed(seen: dict[str, Array]) -> dict[str, Any]:
    counts = {f"{name}_count": int(op_ids.size) for name, op_ids in seen.items()}
    return {**counts, **{f"{name}_op_ids": op_ids[:LISTED_MAX].tolist() for name, op_ids in seen.items()}}
