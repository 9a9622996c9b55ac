"""Invariants over stored rows: for each a history that breaks it and one that just does not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from porttrack.kit.invariants import Broken, Held, Inside, Rows, broken
from porttrack.kit.stored import AssignmentRow, CallRow, MovementRow, MoveRow

START = datetime(2026, 1, 1, tzinfo=UTC)


def at(hours):
    return START + timedelta(hours=hours)


def move(number, kind, container="CSQU3054383"):
    return MoveRow(number, f"op-{number}", "crane/1", number, "1.0", "call", kind, container, at(number), 20_000)


def entry(number, mmsi, since, until, berth="b-1"):
    return MovementRow(
        *(number, f"op-{number}", "vts/1", number, "1.0", "entry", mmsi),
        *(at(since), berth, None if until is None else at(until), True),
    )


def leave(number, mmsi, when, entry_seen=True):
    return MovementRow(number, f"op-{number}", "vts/1", number, "1.0", "exit", mmsi, at(when), "", None, entry_seen)


def shift(number, starts, ends, staff="m-1"):
    return AssignmentRow(number, f"op-{number}", "p", number, "1.0", staff, "pilot", at(starts), at(ends), "")


def put(number, state):
    return CallRow(f"op-{number}", number, state, 1, "MERWEDE", "NLRTM", "", START, 0.0, "", "1.0")


def held(balance, container="CSQU3054383"):
    return Held("call", container, "op-9", balance)


def ops(*numbers):
    return tuple(f"op-{number}" for number in numbers)


@pytest.mark.parametrize(
    "rows",
    [
        Rows(),
        Rows(moves=[move(0, "discharge"), move(1, "load")], inventory=[held(0)]),
        Rows(moves=[move(0, "load")], inventory=[held(1)]),
        # The next ship comes at the very end of the window, and at the very exit.
        Rows(movements=[entry(0, 1, 0, 4), entry(1, 2, 4, 8)], inside=[Inside(1, "op-0"), Inside(2, "op-1")]),
        Rows(movements=[entry(0, 1, 0, 4), leave(1, 1, 2), entry(2, 2, 2, 6)], inside=[Inside(2, "op-2")]),
        # At anchor two ships lie in one place, which is none.
        Rows(movements=[entry(0, 1, 0, None, ""), entry(1, 2, 0, None, "")], inside=[Inside(1, ""), Inside(2, "")]),
        Rows(movements=[leave(0, 1, 2, entry_seen=False), entry(1, 1, 3, 5)], inside=[Inside(1, "op-1")]),
        Rows(calls=[("c", [put(0, "EXPECTED"), put(1, "BERTHED"), put(2, "BERTHED"), put(3, "DEPARTED")])]),
        Rows(assignments=[shift(0, 0, 12), shift(1, 24, 36), shift(2, 0, 12, "m-2")]),
        Rows(assignments=[shift(0, 0, 4), shift(1, 10, 14)]),
    ],
)
def test_what_can_be_breaks_nothing(rows):
    """Rows that only just agree break no invariant."""
    assert [] == list(broken(rows))


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (
            Rows(moves=[move(0, "load")], inventory=[held(0)]),
            [
                Broken(
                    "containers_conserved",
                    "container CSQU3054383 of call call: its moves add up to 1, and it has balance 0 in the inventory",
                    ops(0),
                )
            ],
        ),
        (
            Rows(moves=[move(0, "load")]),
            [
                Broken(
                    "containers_conserved",
                    "container CSQU3054383 of call call: its moves add up to 1, and it is not in the inventory",
                    ops(0),
                )
            ],
        ),
        (
            Rows(inventory=[held(1)]),
            [
                Broken(
                    "containers_conserved",
                    "container CSQU3054383 of call call is in the inventory and was never moved",
                    ops(9),
                )
            ],
        ),
        (
            Rows(moves=[move(0, "load"), move(1, "load")], inventory=[held(2)]),
            [
                Broken(
                    "containers_conserved",
                    "container CSQU3054383 of call call: load twice, one after the other",
                    ops(0, 1),
                )
            ],
        ),
        (
            Rows(movements=[entry(0, 1, 0, 4), entry(1, 2, 3, 8)], inside=[Inside(1, ""), Inside(2, "")]),
            [
                Broken(
                    "one_berth_one_ship",
                    "b-1: ship 2 from 2026-01-01T03:00:00+00:00, before ship 1 ends 2026-01-01T04:00:00+00:00",
                    ops(0, 1),
                )
            ],
        ),
        (
            Rows(movements=[entry(0, 1, 0, 4), leave(1, 1, 2)], inside=[Inside(1, "op-0")]),
            [Broken("inside", "ship 1: entries minus exits are 0, and 1 are counted as inside", ops(0, 1))],
        ),
        (
            Rows(movements=[entry(0, 1, 0, 4)]),
            [Broken("inside", "ship 1: entries minus exits are 1, and 0 are counted as inside", ops(0))],
        ),
        (
            Rows(movements=[entry(0, 1, 0, 1), entry(1, 1, 2, 3)], inside=[Inside(1, "op-0"), Inside(1, "op-1")]),
            [Broken("inside", "ship 1: entries minus exits are 2, and 2 are counted as inside", ops(0, 1))],
        ),
        (
            Rows(calls=[("c", [put(0, "BERTHED"), put(1, "ARRIVED")])]),
            [Broken("call_goes_back", "port call c went from BERTHED back to ARRIVED", ops(0, 1))],
        ),
        (
            Rows(assignments=[shift(0, 0, 4), shift(1, 3, 5)]),
            [
                Broken(
                    "double_booking",
                    "m-1: a shift from p from 2026-01-01T03:00:00+00:00, before a shift from p ends"
                    " 2026-01-01T04:00:00+00:00",
                    ops(0, 1),
                )
            ],
        ),
        (
            Rows(assignments=[shift(0, 0, 12), shift(1, 21, 33)]),
            [
                Broken(
                    "rest",
                    "m-1 in the 1 day, 0:00:00 from 2025-12-31T23:30:00+00:00: "
                    "the two longest of its periods of rest are 9:30:00, below 10 h",
                    ops(0, 1),
                )
            ],
        ),
        (
            Rows(assignments=[shift(0, 0, 13)]),
            [
                Broken(
                    "rest",
                    "m-1 in the 1 day, 0:00:00 from 2025-12-31T18:30:00+00:00: "
                    "its longest period of rest is 5:30:00, below 6 h",
                    ops(0),
                )
            ],
        ),
        (
            Rows(assignments=[shift(number, 22 * number, 22 * number + 12) for number in range(8)]),
            [
                Broken(
                    "rest",
                    "m-1 in the 7 days, 0:00:00 from 2025-12-31T17:30:00+00:00: its rest is 3 days, 4:30:00,"
                    " below 77 h",
                    ops(*range(8)),
                )
            ],
        ),
    ],
)
def test_what_cannot_be_is_named(rows, expected):
    """Each contradiction is found once, with what contradicts what and the operations of those rows."""
    assert expected == list(broken(rows))
