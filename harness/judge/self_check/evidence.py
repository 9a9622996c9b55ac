"""Mutations of the record itself: cut, changed, unreadable, with an error in it, without clocks."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from harness.clock import NS_PER_MS
from harness.evidence.format import Kind
from harness.evidence.run import Clock, Evidence
from harness.evidence.timeline import Event
from harness.judge import evidence_check
from harness.judge.facts import Facts
from harness.judge.self_check import edit
from harness.judge.self_check.mutation import Mutation

DRIFT_NS: Final = 200 * NS_PER_MS  # four times what evidence_check allows


def _unsealed(facts: Facts) -> Evidence:
    return replace(facts.evidence, complete=False)


def _file_changed(facts: Facts) -> Evidence:
    return _with_problem(facts, "operations/load-0.parquet: changed since it was sealed")


def _line_cut(facts: Facts) -> Evidence:
    return _with_problem(facts, "timeline/observer.ndjson:7: Expecting value: line 1 column 1 (char 0)")


def _with_problem(facts: Facts, problem: str) -> Evidence:
    return replace(facts.evidence, problems=(*facts.evidence.problems, problem))


def _error(facts: Facts) -> Evidence:
    data = {"where": "verify", "message": "the store did not answer"}
    event = Event(t_ns=facts.stop_ns, source="control", kind=Kind.ERROR, data=data)
    return edit.with_events(facts.evidence, (*facts.evidence.events, event))


def _part_died(facts: Facts) -> Evidence | str:
    exits = facts.evidence.of(Kind.PROCESS_EXITED)
    if not exits:
        return "no process of the trial has an end on record"

    def die(event: Event) -> Event:
        return edit.saying(event, expected=False, code=-9) if event is exits[0] else event

    return edit.events_changed(facts.evidence, die, Kind.PROCESS_EXITED)


def _clock_drifts(facts: Facts) -> Evidence | str:
    """The last sample of the wall clock is off, as after a step of it."""
    samples = facts.evidence.of(Kind.CLOCK)
    if len(samples) < 2:
        return "the clocks were compared less than twice"

    def step(event: Event) -> Event:
        return edit.saying(event, wall_ns=event.data["wall_ns"] + DRIFT_NS) if event is samples[-1] else event

    offset_ns = facts.evidence.clock.offset_ns.copy()
    offset_ns[-1] += DRIFT_NS
    changed = edit.events_changed(facts.evidence, step, Kind.CLOCK)
    return edit.with_clock(changed, replace(facts.evidence.clock, offset_ns=offset_ns))


def _no_events(facts: Facts) -> Evidence:
    empty = np.array([], dtype=np.int64)
    return edit.with_clock(edit.with_events(facts.evidence, ()), Clock(empty, empty))


MUTATIONS: Final = (
    Mutation("unsealed", evidence_check.ID, "sealed_complete", _unsealed),
    Mutation("file_changed", evidence_check.ID, "intact", _file_changed),
    Mutation("line_cut", evidence_check.ID, "readable", _line_cut),
    Mutation("error", evidence_check.ID, "no_errors", _error),
    Mutation("part_died", evidence_check.ID, "no_errors", _part_died),
    Mutation("clock_drifts", evidence_check.ID, "clock", _clock_drifts),
    Mutation("no_events", evidence_check.ID, "clock", _no_events),
)
