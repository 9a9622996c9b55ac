"""What must hold over the stored rows of a run, whatever was lost on the way. Pure.

A write that was lost is a loss and no broken invariant: the service's sums are made from the rows that it keeps. An
invariant breaks where the service kept two rows that cannot both be, or sums that are not those of its rows.

    containers_conserved    of every container of a call: loads minus discharges = its balance in the inventory; its
                            moves go to and fro
    one_berth_one_ship      no two stays at one berth overlap
    inside                  entries minus exits that were seen to have entered = ships inside, ship by ship
    call_goes_back          no port call is put into an earlier state than one that it was in
    double_booking          no two shifts of one member overlap
    rest                    every 24 h have 10 h of rest in at most two periods, one of them 6 h; every 7 days have 77 h

Rest is tried at every half hour, which finds every breach among shifts that begin and end on the hour, as this kit's
do. The functions share no code with the service: an oracle that shares code with what it judges shares its mistakes.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, Final, TypeVar

from porttrack.kit.stored import AssignmentRow, CallRow, MovementRow, MoveRow

T = TypeVar("T")
K = TypeVar("K")
Span = tuple[datetime, datetime, Any]

STATES: Final = ("EXPECTED", "ARRIVED", "BERTHED", "DEPARTED")
HALF_HOUR: Final = timedelta(minutes=30)
DAY: Final = timedelta(days=1)
WEEK: Final = timedelta(days=7)
HOUR: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Broken:
    """One broken invariant. `op_ids`: the operations of the rows that contradict each other, where rows do."""

    name: str
    detail: str
    op_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Held:
    """A container in a call's inventory."""

    port_call: str
    container: str
    op_id: str
    balance: int


@dataclass(frozen=True, slots=True)
class Inside:
    """A ship that the service counts as inside."""

    mmsi: int
    op_id: str


@dataclass(frozen=True, slots=True)
class Rows:
    """The run's rows. Calls by id, oldest put first; everything else in the store's own order."""

    moves: Sequence[MoveRow] = ()
    inventory: Sequence[Held] = ()
    movements: Sequence[MovementRow] = ()
    inside: Sequence[Inside] = ()
    calls: Sequence[tuple[str, Sequence[CallRow]]] = ()
    assignments: Sequence[AssignmentRow] = ()


def broken(rows: Rows) -> Iterator[Broken]:
    """Every broken invariant of the rows, invariant by invariant."""
    yield from containers_conserved(rows.moves, rows.inventory)
    yield from one_berth_one_ship(rows.movements)
    yield from inside(rows.movements, rows.inside)
    for call_id, history in rows.calls:
        yield from call_goes_back(call_id, history)
    yield from double_booking(rows.assignments)
    yield from rest(rows.assignments)


def containers_conserved(moves: Iterable[MoveRow], inventory: Iterable[Held]) -> Iterator[Broken]:
    """Moves against the inventory, container by container, and each container's moves to and fro."""
    held = {(one.port_call, one.container): one for one in inventory}
    by_container = _grouped(moves, lambda row: (row.port_call, row.container))
    for place, of_one in by_container.items():
        call_id, container = place
        wanted = sum(1 if row.kind == "load" else -1 for row in of_one)
        found = held.pop(place, None)
        if found is None or found.balance != wanted:
            says = "is not in the inventory" if found is None else f"has balance {found.balance} in the inventory"
            detail = f"container {container} of call {call_id}: its moves add up to {wanted}, and it {says}"
            yield Broken("containers_conserved", detail, tuple(row.request_id for row in of_one))
        for earlier, later in pairwise(of_one):
            if earlier.kind == later.kind:
                detail = f"container {container} of call {call_id}: {later.kind} twice, one after the other"
                yield Broken("containers_conserved", detail, (earlier.request_id, later.request_id))
    for one in held.values():
        detail = f"container {one.container} of call {one.port_call} is in the inventory and was never moved"
        yield Broken("containers_conserved", detail, (one.op_id,))


def one_berth_one_ship(movements: Sequence[MovementRow]) -> Iterator[Broken]:
    """Stays by berth, from an entry to the ship's exit or to the end of its window."""
    stays: dict[str, list[tuple[datetime, datetime, MovementRow]]] = defaultdict(list)
    exits = _grouped((row for row in movements if row.kind == "exit"), lambda row: row.mmsi)
    for entry in movements:
        if entry.kind == "entry" and entry.berth and entry.until is not None:
            ends = [row.ts for row in exits.get(entry.mmsi, ()) if row.id > entry.id]
            stays[entry.berth].append((entry.ts, min([*ends[:1], entry.until]), entry))
    for berth, of_one in stays.items():
        yield from _overlaps(of_one, "one_berth_one_ship", lambda row: f"ship {row.mmsi}", berth)


def inside(movements: Sequence[MovementRow], ships: Iterable[Inside]) -> Iterator[Broken]:
    """Entries minus exits against the ships that are counted as inside."""
    wanted: Counter[int] = Counter()
    for row in movements:
        wanted[row.mmsi] += {"entry": 1, "exit": -1 if row.entry_seen else 0}[row.kind]
    found = Counter(ship.mmsi for ship in ships)
    op_ids = _grouped(movements, lambda row: row.mmsi)
    for mmsi in sorted(wanted.keys() | found.keys()):
        if wanted[mmsi] != found[mmsi] or wanted[mmsi] not in (0, 1):
            detail = f"ship {mmsi}: entries minus exits are {wanted[mmsi]}, and {found[mmsi]} are counted as inside"
            yield Broken("inside", detail, tuple(row.request_id for row in op_ids.get(mmsi, ())))


def call_goes_back(call_id: str, history: Sequence[CallRow]) -> Iterator[Broken]:
    """The states of one call in the order in which they were stored."""
    for earlier, later in pairwise(history):
        if STATES.index(later.state) < STATES.index(earlier.state):
            detail = f"port call {call_id} went from {earlier.state} back to {later.state}"
            yield Broken("call_goes_back", detail, (earlier.request_id, later.request_id))


def double_booking(assignments: Iterable[AssignmentRow]) -> Iterator[Broken]:
    """The shifts of each member against each other."""
    for member, shifts in _grouped(assignments, lambda row: row.staff).items():
        spans = [(row.starts, row.ends, row) for row in shifts]
        yield from _overlaps(spans, "double_booking", lambda row: f"a shift from {row.source}", member)


def rest(assignments: Iterable[AssignmentRow]) -> Iterator[Broken]:
    """The rest of each member, in windows that begin on the half hour."""
    for member, shifts in _grouped(assignments, lambda row: row.staff).items():
        ordered = sorted(shifts, key=lambda row: row.starts)
        work = sum((row.ends - row.starts for row in ordered), timedelta(0))
        for window, why in ((DAY, _day_breach), (WEEK, _week_breach)):
            # Whoever works no more than 91 h in all has 77 h of rest in every week.
            breach = _first_breach(ordered, window, why) if window == DAY or work > 91 * HOUR else None
            if breach is not None:
                start, says, op_ids = breach
                yield Broken("rest", f"{member} in the {window} from {start.isoformat()}: {says}", op_ids)


def _first_breach(
    shifts: Sequence[AssignmentRow], window: timedelta, why: Callable[[Sequence[timedelta]], str]
) -> tuple[datetime, str, tuple[str, ...]] | None:
    """(start of the window, what it says, op ids) or None."""
    start, last = shifts[0].starts - window, shifts[-1].ends
    while start <= last:
        within = [row for row in shifts if row.starts < start + window and row.ends > start]
        says = why(_rests(within, start, start + window)) if within else ""
        if says:
            return start, says, tuple(row.request_id for row in within)
        start += HALF_HOUR
    return None


def _rests(shifts: Iterable[AssignmentRow], start: datetime, end: datetime) -> list[timedelta]:
    """The periods of rest of a window, the longest first."""
    edges = [start]
    for row in shifts:
        edges += [max(row.starts, start), min(row.ends, end)]
    edges.append(end)
    rests = [max(later - earlier, timedelta(0)) for earlier, later in zip(edges[::2], edges[1::2], strict=True)]
    return sorted(rests, reverse=True)


def _day_breach(rests: Sequence[timedelta]) -> str:
    if sum(rests[:2], timedelta(0)) < 10 * HOUR:
        return f"the two longest of its periods of rest are {sum(rests[:2], timedelta(0))}, below 10 h"
    return f"its longest period of rest is {rests[0]}, below 6 h" if rests[0] < 6 * HOUR else ""


def _week_breach(rests: Sequence[timedelta]) -> str:
    whole = sum(rests, timedelta(0))
    return f"its rest is {whole}, below 77 h" if whole < 77 * HOUR else ""


def _overlaps(spans: Iterable[Span], name: str, who: Callable[[Any], str], where: str) -> Iterator[Broken]:
    """Neighbours in time that overlap: of several at once, each with the one that ends last before it."""
    last: tuple[datetime, Any] | None = None
    for begins, ends, row in sorted(spans, key=lambda span: span[:2]):
        if last is not None and begins < last[0]:
            detail = f"{where}: {who(row)} from {begins.isoformat()}, before {who(last[1])} ends {last[0].isoformat()}"
            yield Broken(name, detail, (last[1].request_id, row.request_id))
        if last is None or ends > last[0]:
            last = (ends, row)


def _grouped(rows: Iterable[T], key: Callable[[T], K]) -> dict[K, list[T]]:
    groups: dict[K, list[T]] = defaultdict(list)
    for row in rows:
        groups[key(row)].append(row)
    return groups
