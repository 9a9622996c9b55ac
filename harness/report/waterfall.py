"""The chain as a waterfall: each duration as a bar from where it began, and what chance allows it on the same scale.

A duration is an interval [lo, hi]: the bar is full up to lo, which surely passed, and hatched from there to hi. Under
it the bracket goes from the best to the worst case that chance allows (`bounds_s`), measured from where the bar begins;
a dashed line is the limit. Zero is the chart's; the numbered flags are the chain's edges.

Not covered: durations whose first edge is unknown; the table under the drawing says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Final

from markupsafe import Markup

from harness.clock import NS_PER_S
from harness.evidence.finding import Findings
from harness.report import words
from harness.report.chart import LEADER_PX, MARK_PX, Mark
from harness.report.drawing import LEFT_PX, Frame, n, points, rect, spread, text, ticks

ROW_PX: Final = 46.0
BAR_PX: Final = 14.0
LABEL_PX: Final = 16.0  # a narrow drawing's second line
AXIS_PX: Final = 40.0
BAR_MIN_PX: Final = 2.0
FAR: Final = 3.0  # a limit beyond so many times everything else would leave no room for what was measured


@dataclass(frozen=True, slots=True)
class Bar:
    """One duration in seconds after zero: it began at `from_s` and ended between `lo_s` and `hi_s`."""

    label: str
    said: str
    from_s: float
    lo_s: float
    hi_s: float
    best_s: float | None
    worst_s: float | None
    limit_s: float | None
    limit_said: str


def bars(findings: Findings, expect: Mapping[str, Any], zero_ns: int) -> list[Bar]:
    """Each duration that has a beginning, in the order of DURATIONS."""
    found = []
    for name, said in words.DURATIONS.items():
        first, took = findings.chain.get(said.first), findings.durations_s.get(name)
        if first is None or not first.known or took is None:
            continue
        from_s = (first.hi_ns - zero_ns) / NS_PER_S
        bounds = findings.bounds_s.get(name)
        limit_s = words.limit_s(name, expect)
        found.append(
            Bar(
                label=said.label,
                said=words.seconds(*took),
                from_s=from_s,
                lo_s=from_s + max(took[0], 0.0),
                hi_s=from_s + max(took[1], 0.0),
                best_s=from_s + bounds[0] if bounds else None,
                worst_s=from_s + bounds[1] if bounds else None,
                limit_s=from_s + limit_s if limit_s is not None else None,
                limit_said=f"limit {words.number(limit_s)} s" if limit_s is not None else "",
            )
        )
    return found


def draw(rows: Sequence[Bar], marks: Sequence[Mark], width: int, prefix: str) -> Markup:
    """The drawing; "" without a duration."""
    if not rows:
        return Markup("")
    frame = _frame(rows, marks, width, prefix)
    top = MARK_PX + LEADER_PX
    tops = [top, *(top + end for end in accumulate(_height(row, frame) for row in rows))]
    bottom = tops[-1]
    body = (
        *_scale(frame, top, bottom),
        *_flags(marks, frame, bottom),
        *(mark for row, y in zip(rows, tops, strict=False) for mark in _row(row, frame, y)),
    )
    return Markup(
        '<svg class="chart waterfall" id="{p}" viewBox="0 0 {w} {h}" role="img" aria-labelledby="{p}-name {p}-text">'
        '<title id="{p}-name">How long each part of the chain took</title><desc id="{p}-text">{said}</desc>'
        '<defs><pattern id="{p}-unsure" width="5" height="5" patternUnits="userSpaceOnUse" '
        'patternTransform="rotate(45)"><line class="unsure" x1="0" y1="0" x2="0" y2="5"/></pattern></defs>{body}</svg>'
    ).format(p=prefix, w=width, h=n(bottom + AXIS_PX), said=describe(rows), body=Markup("").join(body))


def describe(rows: Sequence[Bar]) -> str:
    """The drawing in words."""
    return " ".join(f"{', '.join(_said(row))}." for row in rows)


def _said(row: Bar) -> tuple[str, ...]:
    """What was measured with its limit, and what chance allows where that is known."""
    limit = f", {row.limit_said}" if row.limit_said else ""
    measured = f"{row.label} {row.said}{limit}"
    if row.best_s is None or row.worst_s is None:
        return (measured,)
    return measured, f"chance allows {words.seconds(row.best_s - row.from_s, row.worst_s - row.from_s)}"


def _labels(row: Bar, frame: Frame) -> tuple[str, ...]:
    """One line where there is room, else two."""
    return _said(row) if frame.narrow else (", ".join(_said(row)),)


def _height(row: Bar, frame: Frame) -> float:
    return ROW_PX + (len(_labels(row, frame)) - 1) * LABEL_PX


def _frame(rows: Sequence[Bar], marks: Sequence[Mark], width: int, prefix: str) -> Frame:
    ends = [end for row in rows for end in (row.from_s, row.hi_s, row.worst_s or 0.0)]
    ends += [end for mark in marks for end in (mark.from_s, mark.to_s)]
    from_s, to_s = min(0.0, *ends), max(ends)
    limits = [row.limit_s for row in rows if row.limit_s is not None and row.limit_s <= FAR * max(to_s, 1.0)]
    to_s = max(to_s, *limits, from_s + 1.0) if limits else max(to_s, from_s + 1.0)
    room_s = 0.02 * (to_s - from_s)  # so that no end stands on the edge
    return Frame(width, from_s - room_s, to_s + room_s, prefix)


def _scale(frame: Frame, top: float, bottom: float) -> Iterator[Markup]:
    for second in ticks(frame):
        yield Markup('<line class="{}" x1="{x}" x2="{x}" y1="{}" y2="{}"/>').format(
            "grid" if second else "zero", n(top), n(bottom), x=n(frame.x(second))
        )
        yield text(frame.x(second), bottom + 16, f"{second:g}", "tick", "middle")
    yield text((LEFT_PX + frame.right) / 2, bottom + 34, "seconds after zero", "axis", "middle")


def _row(row: Bar, frame: Frame, y: float) -> Iterator[Markup]:
    start, low, high = (frame.x(value) for value in (row.from_s, row.lo_s, row.hi_s))
    labels = _labels(row, frame)
    for number, said in enumerate(labels):
        yield text(LEFT_PX, y + 12 + number * LABEL_PX, said, "fall")
    bar_y = y + 18 + (len(labels) - 1) * LABEL_PX
    yield rect("took", start, bar_y, max(low - start, BAR_MIN_PX), BAR_PX)
    if high - low > 1:
        yield rect("maybe", low, bar_y, high - low, BAR_PX, f"url(#{frame.prefix}-unsure)")
    if row.best_s is not None and row.worst_s is not None:
        best, worst, y = frame.x(row.best_s), frame.x(row.worst_s), bar_y + BAR_PX + 6
        ends = [(best, y - 4), (best, y + 4), (best, y), (worst, y), (worst, y - 4), (worst, y + 4)]
        yield Markup('<polyline class="chance" points="{}"/>').format(points(ends))
    if row.limit_s is not None and row.limit_s <= frame.to_s:
        yield Markup('<line class="limit" x1="{x}" x2="{x}" y1="{}" y2="{}"/>').format(
            n(bar_y - 3), n(bar_y + BAR_PX + 3), x=n(frame.x(row.limit_s))
        )


def _flags(marks: Sequence[Mark], frame: Frame, bottom: float) -> Iterator[Markup]:
    placed = sorted(marks, key=lambda each: (each.from_s + each.to_s, each.place))
    middles = [frame.x((mark.from_s + mark.to_s) / 2) for mark in placed]
    flags = spread(middles, MARK_PX, MARK_PX / 2, frame.width - MARK_PX / 2)
    for mark, x, flag in zip(placed, middles, flags, strict=True):
        yield Markup(
            '<g class="mark"><title>{} {}</title><polyline points="{}"/><circle cx="{flag}" cy="{}" r="8"/>'
            '<text x="{flag}" y="{}" text-anchor="middle">{}</text></g>'
        ).format(
            mark.place,
            mark.label,
            points([(flag, MARK_PX), (x, MARK_PX + LEADER_PX), (x, bottom)]),
            n(MARK_PX / 2),
            n(MARK_PX / 2 + 4),
            mark.place,
            flag=n(flag),
        )
