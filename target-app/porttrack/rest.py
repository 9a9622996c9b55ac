"""Rest of those who work on ships and in ports, by the rules of the STCW convention. Pure.

    rest_day        at least 10 h of rest in any 24 h, in no more than two periods; breaks beside them do not count
    rest_period     one of them at least 6 h
    rest_week       at least 77 h in any 7 days

`Any` is meant strictly: a window that starts at any instant, not a calendar day, and counts what lies inside it. So
nobody works more than 12 h in a row, though the convention's own limit on that is 14 h.

Rest changes only where a window's edge passes a shift's edge, so the least rest of a week lies at such an instant. The
two longest periods of a day are a maximum over such pieces; their least value can also lie where two periods change
places, so those instants are tried too.

Only windows that touch the new shift are looked at: the others were right before.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

Shift = tuple[datetime, datetime]  # begins, ends

_SECOND: Final = 1_000_000  # everything below is in whole microseconds, so that nothing is rounded
_HOUR: Final = 3600 * _SECOND
DAY: Final = 24 * _HOUR
WEEK: Final = 7 * DAY
DAY_REST_H: Final = 10
PERIOD_REST_H: Final = 6
WEEK_REST_H: Final = 77
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_Span = tuple[int, int]


def broken_rule(others: Iterable[Shift], new: Shift) -> tuple[str, str] | None:
    """(rule, what it says) for the first rule that `new` breaks among the member's `others`; None where all hold.

    No shift may overlap another; shifts more than a week away need not be given.
    """
    added = _span(new)
    work = sorted([*(_span(shift) for shift in others), added])
    day = [span for span in work if span[1] > added[0] - DAY and span[0] < added[1] + DAY]
    for start in _touching(_day_starts(day), DAY, added):
        rests = sorted(_rests(day, start, start + DAY), reverse=True)
        if sum(rests[:2]) < DAY_REST_H * _HOUR:
            return "rest_day", f"must leave {DAY_REST_H} h of rest in any 24 h, in no more than two periods"
        if rests[0] < PERIOD_REST_H * _HOUR:
            return "rest_period", f"must leave one period of {PERIOD_REST_H} h of rest in any 24 h"
    for start in _touching(_edges(work, WEEK), WEEK, added):
        if sum(_rests(work, start, start + WEEK)) < WEEK_REST_H * _HOUR:
            return "rest_week", f"must leave {WEEK_REST_H} h of rest in any 7 days"
    return None


def _span(shift: Shift) -> _Span:
    begins, ends = ((edge - _EPOCH) // timedelta(microseconds=1) for edge in shift)
    return begins, ends


def _touching(starts: Iterable[int], length: int, span: _Span) -> Iterator[int]:
    return (start for start in starts if start < span[1] and start + length > span[0])


def _edges(work: Sequence[_Span], length: int) -> set[int]:
    """Starts of windows of which one edge lies on the edge of a shift."""
    edges = {edge for span in work for edge in span}
    return edges | {edge - length for edge in edges}


def _day_starts(work: Sequence[_Span]) -> set[int]:
    """Edges, and where the period cut by one edge of the window is as long as a whole one, or as the one cut by the
    other edge."""
    begins, ends = [span[0] for span in work], [span[1] for span in work]
    whole = [later - earlier for earlier, later in zip(ends, begins[1:], strict=False)]
    starts = _edges(work, DAY)
    starts |= {begin - length for begin in begins for length in whole}
    starts |= {end + length - DAY for end in ends for length in whole}
    starts |= {(begin + end - DAY) // 2 for begin in begins for end in ends}
    return starts


def _rests(work: Sequence[_Span], low: int, high: int) -> list[int]:
    """The lengths of the periods of rest between `low` and `high`; `work` sorted, without overlap."""
    rests = []
    free_from = low
    for begins, ends in work:
        if ends <= low or begins >= high:
            continue
        rests.append(max(0, begins - free_from))
        free_from = ends
    rests.append(max(0, high - free_from))
    return rests
