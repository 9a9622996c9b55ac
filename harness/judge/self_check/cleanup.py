"""Mutations of the end: a port, a fault, a process and rows that stay, a census that was not taken."""

from __future__ import annotations

from typing import Final

from harness.evidence.format import Kind
from harness.evidence.run import Evidence
from harness.evidence.timeline import Event
from harness.judge import cleanup
from harness.judge.facts import Facts
from harness.judge.self_check import edit
from harness.judge.self_check.mutation import Mutation

LEFT: Final = {"what": "port", "name": "127.0.0.1:65535"}  # no port of ours: the stack's are 20000 to 31999


def _port_left(facts: Facts) -> Evidence:
    """The census at close has a port that the one at open had not."""

    def leave(event: Event) -> Event:
        return edit.saying(event, items=[*event.data["items"], LEFT]) if event.data["at"] == "close" else event

    return edit.events_changed(facts.evidence, leave, Kind.CENSUS)


def _never_healed(facts: Facts) -> Evidence | str:
    if not facts.evidence.of(Kind.FAULT_ON):
        return "no fault was switched on"
    return edit.events_dropped(facts.evidence, Kind.FAULT_HEALED)


def _process_runs(facts: Facts) -> Evidence | str:
    """One process has no end on record."""
    exits = facts.evidence.of(Kind.PROCESS_EXITED)
    if not exits:
        return "no process of the trial has an end on record"

    def stay(event: Event) -> Event | None:
        return None if event is exits[-1] else event

    return edit.events_changed(facts.evidence, stay, Kind.PROCESS_EXITED)


def _rows_left(facts: Facts) -> Evidence | str:
    if not facts.has_store:
        return "the kit reaches no store, and nothing was to purge"

    def leave(event: Event) -> Event:
        return edit.saying(event, rows_left=3)

    return edit.events_changed(facts.evidence, leave, Kind.PURGED)


def _never_counted(facts: Facts) -> Evidence:
    """No census was taken at close."""

    def skip(event: Event) -> Event | None:
        return None if event.data["at"] == "close" else event

    return edit.events_changed(facts.evidence, skip, Kind.CENSUS)


MUTATIONS: Final = (
    Mutation("port_left_behind", cleanup.ID, "leftover", _port_left),
    Mutation("fault_never_healed", cleanup.ID, "healed", _never_healed),
    Mutation("process_still_runs", cleanup.ID, "processes", _process_runs),
    Mutation("test_rows_left", cleanup.ID, "test_rows", _rows_left),
    Mutation("census_at_close_missing", cleanup.ID, "counted", _never_counted),
)
