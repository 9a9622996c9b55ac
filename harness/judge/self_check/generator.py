"""Mutations of the load: not there, cut, silent, late, refused, starved of CPU, dead."""

from __future__ import annotations

from typing import Final

import numpy as np

from harness.clock import NS_PER_S
from harness.evidence.format import Kind
from harness.evidence.run import Evidence
from harness.evidence.timeline import Event
from harness.judge import generator
from harness.judge.facts import Facts, index_in
from harness.judge.self_check import edit
from harness.judge.self_check.mutation import Mutation

SHORTER_NS: Final = 5 * NS_PER_S  # more than the schedule may end before the stop, at 3 requests/s and above


def _no_operations(facts: Facts) -> Evidence:
    return edit.emptied(facts.evidence, "operations")


def _no_schedule(facts: Facts) -> Evidence:
    return edit.emptied(facts.evidence, "schedule")


def _schedule_shortened(facts: Facts) -> Evidence | str:
    """The load planned nothing for the last five seconds, and sent all that it had planned."""
    ends_ns = facts.stop_ns - facts.start_ns - SHORTER_NS
    if ends_ns <= 0 or not facts.due.any():
        return "the load ran no longer than that"
    evidence = facts.evidence
    changed = edit.taken(evidence, "schedule", evidence.schedule["offset_ns"] < ends_ns)
    return edit.taken(changed, "operations", evidence.operations["intended_ns"] < facts.start_ns + ends_ns)


def _schedule_thinned(facts: Facts) -> Evidence | str:
    """The load planned every second request, and sent all that it had planned."""
    if not facts.due.any():
        return "no row of the schedule was due"
    evidence = facts.evidence
    changed = edit.taken(evidence, "schedule", np.arange(evidence.schedule["op_id"].size) % 2 == 0)
    kept = index_in(evidence.operations["op_id"], changed.schedule["op_id"]) >= 0
    return edit.taken(changed, "operations", kept)


def _stops_in_the_middle(facts: Facts) -> Evidence:
    """Nothing is sent in the second half of the load, and nobody says so."""
    middle_ns = (facts.start_ns + facts.stop_ns) // 2
    evidence = facts.evidence
    changed = edit.taken(evidence, "operations", evidence.operations["sent_ns"] < middle_ns)
    return edit.taken(changed, "routing", evidence.routing["start_ns"] < middle_ns)


def _silent_second(facts: Facts) -> Evidence | str:
    """One whole second in the middle in which rows were due has no operation."""
    due_s = np.unique(facts.evidence.schedule["offset_ns"][facts.due] // NS_PER_S)
    if due_s.size == 0:
        return "no row of the schedule was due"
    second = due_s[due_s.size // 2]
    operations = facts.evidence.operations
    gone = (operations["sent_ns"] - facts.start_ns) // NS_PER_S == second
    gone |= (operations["intended_ns"] - facts.start_ns) // NS_PER_S == second
    return edit.taken(facts.evidence, "operations", ~gone)


def _late_sends(facts: Facts) -> Evidence:
    """Every request leaves, and is answered, two thirds of a scrape interval later: more than twice the bound."""
    operations = facts.evidence.operations
    sent = operations["sent_ns"] > 0
    by_ns = round(float(facts.evidence.manifest["timing"]["scrape_s"]) * NS_PER_S * 2 / 3)
    return edit.put(
        facts.evidence,
        "operations",
        sent,
        sent_ns=operations["sent_ns"][sent] + by_ns,
        done_ns=operations["done_ns"][sent] + by_ns,
    )


def _refused_send(facts: Facts) -> Evidence | str:
    """One request was turned away by the in-flight cap."""
    count = facts.evidence.operations["sent_ns"].size
    if count == 0:
        return "no operation is on record"
    return edit.put(facts.evidence, "operations", count // 2, sent_ns=0, done_ns=0, status=0, outcome="failed")


def _cpu_saturated(facts: Facts) -> Evidence | str:
    """The load process used a whole core in every look at it."""
    if not facts.evidence.of(Kind.HOST_SAMPLE):
        return "the host was never sampled"

    def saturate(event: Event) -> Event:
        return edit.saying(event, cpu_percent={**event.data["cpu_percent"], generator.LOAD: 100.0})

    return edit.events_changed(facts.evidence, saturate, Kind.HOST_SAMPLE)


def _never_stopped(facts: Facts) -> Evidence:
    return edit.events_dropped(facts.evidence, Kind.LOAD_STOPPED)


MUTATIONS: Final = (
    Mutation("no_operations", generator.ID, "traffic", _no_operations),
    Mutation("schedule_shortened", generator.ID, "planned", _schedule_shortened),
    Mutation("schedule_thinned", generator.ID, "planned", _schedule_thinned),
    Mutation("no_schedule", generator.ID, "offered", _no_schedule),
    Mutation("load_stops_in_the_middle", generator.ID, "offered", _stops_in_the_middle),
    Mutation("silent_second", generator.ID, "no_gap", _silent_second),
    Mutation("late_sends", generator.ID, "lag", _late_sends),
    Mutation("refused_send", generator.ID, "not_sent", _refused_send),
    Mutation("load_cpu_saturated", generator.ID, "cpu", _cpu_saturated),
    Mutation("load_never_stopped", generator.ID, "process", _never_stopped),
)
