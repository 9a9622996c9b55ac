"""Mutations of the service itself: ill before the canary, requests lost, ill in the end, and nobody who looked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from harness.clock import NS_PER_MS, NS_PER_S
from harness.evidence.format import Kind
from harness.evidence.run import Evidence
from harness.evidence.timeline import Event
from harness.judge import baseline, recovery, requests
from harness.judge.facts import CANARY, NOBODY, STABLE, Array, Facts
from harness.judge.self_check import edit
from harness.judge.self_check.mutation import Change, Mutation

NO_SHIFT: Final = "the router's weight never was 0 after a decision"
TOO_SLOW_NS: Final = 4 * round(baseline.P95_MS_MAX * NS_PER_MS)


def _hypothesis(when: str, change: Callable[[Event], Event | None]) -> Change:
    """What the probes answered before or after the method, through `change`."""

    def mutate(facts: Facts) -> Evidence | str:
        asked = [event for event in facts.evidence.of(Kind.HYPOTHESIS) if event.data["when"] == when]
        if not asked:
            return f"the probes were not asked {when} the method"
        return edit.events_changed(
            facts.evidence, lambda event: change(event) if event in asked else event, Kind.HYPOTHESIS
        )

    return mutate


def _no_after(facts: Facts) -> Evidence | str:
    """The probes said no after the method, for a reason that only the service can have given them."""
    asked = [event for event in facts.evidence.of(Kind.HYPOTHESIS) if event.data["when"] == "after"]
    why = recovery.explained(facts, asked[-1].t_ns) if asked else ""
    return f"a no of the probes would be explained{why}" if why else _hypothesis("after", _no)(facts)


def _no(event: Event) -> Event:
    return edit.saying(event, met=False)


def _unasked(event: Event) -> None:
    return None


def _failing(facts: Facts, rows: Array | int) -> Evidence:
    """These operations got a 500 without a mark, and nobody knows whether they had an effect."""
    return edit.put(facts.evidence, "operations", rows, status=500, outcome="unknown", fault_mark="")


def _answers(facts: Facts) -> Array:
    """Rows of the baseline. Shape (m,)."""
    return np.flatnonzero(baseline.answers_of(facts))


# -- the baseline -----------------------------------------------------------------------------------------------------


def _one_failed_before(facts: Facts) -> Evidence | str:
    rows = _answers(facts)
    return _failing(facts, int(rows[rows.size // 2])) if rows.size else "nothing was answered before the canary"


def _slow_before(facts: Facts) -> Evidence | str:
    """Each answer of the baseline's first half took so long that the p95 is over the band."""
    rows = _answers(facts)
    rows = rows[: rows.size // 2]
    done_ns = facts.evidence.operations["done_ns"][rows] + TOO_SLOW_NS
    rows = rows[done_ns < facts.canary_ns]
    if rows.size == 0:
        return "no answer of the baseline is older than the canary by as much"
    return edit.put(facts.evidence, "operations", rows, done_ns=done_ns[: rows.size])


def _short_baseline(facts: Facts) -> Evidence:
    """The canary came as soon as the load began."""

    def early(event: Event) -> Event:
        is_canary = event.kind is not Kind.PHASE or event.data["phase"] == "canary"
        return Event(facts.start_ns + 1, event.source, event.kind, event.data) if is_canary else event

    return edit.events_changed(facts.evidence, early, Kind.PHASE, Kind.ROLLOUT_STARTED)


def _no_rules_before(facts: Facts) -> Evidence:
    """Prometheus has no sample from before the canary."""
    return edit.taken(facts.evidence, "samples", facts.evidence.samples["t_ns"] >= facts.canary_ns)


# -- requests ---------------------------------------------------------------------------------------------------------


def _stable_rows(facts: Facts) -> Array:
    """Rows of operations that stable answered from the canary's start on. Shape (m,)."""
    operations = facts.evidence.operations
    after = requests.after_baseline(facts) & (facts.tracks == STABLE) & (operations["status"] > 0)
    return np.flatnonzero(after & ~facts.bad)


def _one_lost(facts: Facts) -> Evidence | str:
    """One request to stable, in the middle of the trial, got a 500."""
    rows = _stable_rows(facts)
    return _failing(facts, int(rows[rows.size // 2])) if rows.size else "stable answered nothing after the baseline"


def _one_of_nobody(facts: Facts) -> Evidence | str:
    """One request was lost, and neither answer nor router's log says whose it was."""
    rows = _stable_rows(facts)
    if rows.size == 0:
        return "stable answered nothing after the baseline"
    row = int(rows[rows.size // 2])
    changed = edit.put(
        facts.evidence, "operations", row, status=0, outcome="unknown", version="", version_source="none"
    )
    kept = np.ones(facts.evidence.routing["op_id"].size, dtype=bool)
    if facts.route_of[row] >= 0:
        kept[facts.route_of[row]] = False
    return edit.taken(changed, "routing", kept)


def _one_gone(facts: Facts) -> Evidence | str:
    """The last request that was due before the router's weight was 0 has no row."""
    zero, operations = facts.chain["weight_zero_route"], facts.evidence.operations
    if not zero.known:
        return NO_SHIFT
    before = np.flatnonzero((operations["intended_ns"] <= zero.hi_ns) & (operations["intended_ns"] > 0))
    kept = np.ones(operations["intended_ns"].size, dtype=bool)
    kept[before[np.argmax(operations["intended_ns"][before])]] = False
    return edit.taken(facts.evidence, "operations", kept)


# -- recovery ---------------------------------------------------------------------------------------------------------


def _survivor_rows(facts: Facts) -> Array:
    """Rows of the track that has the traffic in the end. Shape (m,)."""
    track = CANARY if facts.expect["outcome"] == "promoted" else STABLE
    return np.flatnonzero((facts.tracks == track) & (facts.evidence.operations["status"] > 0))


def _ill_in_the_end(facts: Facts) -> Evidence | str:
    """One answer in the last second is a 503 with a mark."""
    rows = _survivor_rows(facts)
    if rows.size == 0:
        return "nobody answered in the end"
    last = int(rows[np.argmax(facts.evidence.operations["done_ns"][rows])])
    return edit.put(facts.evidence, "operations", last, status=503, outcome="failed", fault_mark="left over")


def _slow_in_the_end(facts: Facts) -> Evidence | str:
    """Every tenth answer of the survivor was sent a second earlier than it was."""
    rows = _survivor_rows(facts)[::10]
    sent_ns = facts.evidence.operations["sent_ns"]
    return edit.put(facts.evidence, "operations", rows, sent_ns=sent_ns[rows] - TOO_SLOW_NS)


def _silent_in_the_end(facts: Facts) -> Evidence:
    """The survivor gave no answer in the last three seconds."""
    operations = facts.evidence.operations
    late = operations["done_ns"] > facts.stop_ns - 3 * NS_PER_S
    return edit.taken(facts.evidence, "operations", ~(late & (facts.tracks != NOBODY)))


MUTATIONS: Final = (
    Mutation("no_baseline", baseline.ID, "measured", _short_baseline),
    Mutation("failed_before_the_canary", baseline.ID, "errors", _one_failed_before),
    Mutation("slow_before_the_canary", baseline.ID, "latency", _slow_before),
    Mutation("no_samples_before_the_canary", baseline.ID, "silent", _no_rules_before),
    Mutation("probes_said_no_before", baseline.ID, "hypothesis", _hypothesis("before", _no)),
    Mutation("probes_unasked_before", baseline.ID, "hypothesis", _hypothesis("before", _unasked)),
    Mutation("lost_on_stable", requests.ID, "lost_on_stable", _one_lost),
    Mutation("lost_by_nobody", requests.ID, "unattributed", _one_of_nobody),
    Mutation("gone_at_the_shift", requests.ID, "in_flight", _one_gone),
    Mutation("ill_in_the_end", recovery.ID, "good_seconds", _ill_in_the_end),
    Mutation("silent_in_the_end", recovery.ID, "good_seconds", _silent_in_the_end),
    Mutation("slow_in_the_end", recovery.ID, "latency", _slow_in_the_end),
    Mutation("probes_said_no_after", recovery.ID, "hypothesis", _no_after),
    Mutation("probes_unasked_after", recovery.ID, "hypothesis", _hypothesis("after", _unasked)),
)
