"""The one chart: three panels over one time axis, as inline SVG.

Panels, from the top: what part of the traffic the canary was meant to get and got; requests a second by track;
requests that were not ok by track. Above them the phases, the fault, and one numbered mark per edge of the chain
(the numbers are those of the chain's table). Colours come from the page's style sheet by class, so that the same
drawing serves light, dark and print; tracks also differ in shape (dots on the canary's line), never by colour alone.

`draw` is called twice, for a wide and for a narrow page: scaling one drawing to a phone would make its text 5 px.
The cursor of the page's script finds its scale in the `data-` attributes and its values in the table of seconds.

Not covered: zooming; a trial's raw rows are in its Parquet files.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from markupsafe import Markup

from harness.clock import NS_PER_S
from harness.evidence.finding import Findings
from harness.evidence.format import Kind
from harness.evidence.run import Evidence
from harness.report import series, words
from harness.report.series import Floats, Series, WeightStep, Zero

WIDE_PX: Final = 1040
NARROW_PX: Final = 360
DOTS_MAX: Final = 200  # more dots than this and they are a thick line
LETTER_PX: Final = 7.4  # mean width of a letter at 12 px in DejaVu Sans, the widest of the usual fonts: what fits
TITLE_LETTER_PX: Final = 8.3  # the same at 13 px bold
MARK_PX: Final = 18.0  # a mark's flag and its distance to the next
LEADER_PX: Final = 16.0  # height in which the lines lead from the flags to their instants
STRIP_PX: Final = 18.0
TICK_STEPS_S: Final = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600)
LEFT_PX, RIGHT_PX = 46.0, 12.0
BAR_PX: Final = 240.0
BAR_MIN_PX: Final = 4.0  # an instant must still be seen


@dataclass(frozen=True, slots=True)
class Span:
    """Something that lasted: a phase or the fault."""

    name: str
    from_s: float
    to_s: float


@dataclass(frozen=True, slots=True)
class Mark:
    """A known edge of the chain. `place` is its number in the chain's table."""

    place: int
    label: str
    from_s: float
    to_s: float


@dataclass(frozen=True, slots=True)
class Chart:
    """Everything drawn. `why_empty` is "" unless there is nothing to draw."""

    zero: Zero
    series: Series
    weights: tuple[WeightStep, ...]
    phases: tuple[Span, ...]
    fault: tuple[Span, ...]
    marks: tuple[Mark, ...]
    from_s: float
    to_s: float
    why_empty: str


@dataclass(frozen=True, slots=True)
class _Frame:
    """Where things stand in one drawing: seconds -> x, and the panels' tops."""

    width: float
    from_s: float
    to_s: float
    top: float
    prefix: str

    def x(self, at_s: float) -> float:
        inside = min(max(at_s, self.from_s), self.to_s)
        return LEFT_PX + (inside - self.from_s) / (self.to_s - self.from_s) * (self.right - LEFT_PX)

    @property
    def right(self) -> float:
        return self.width - RIGHT_PX


@dataclass(frozen=True, slots=True)
class _Panel:
    """One panel: y runs from `top` (value `full`) to `bottom` (0)."""

    top: float
    bottom: float
    full: float

    def y(self, value: float) -> float:
        return self.bottom - min(max(value / self.full, 0.0), 1.0) * (self.bottom - self.top)


def build(evidence: Evidence, findings: Findings) -> Chart:
    """What there is to draw of a trial."""
    zero = series.zero(evidence, findings)
    counts = series.count(evidence, zero.t_ns)
    marks = tuple(_marks(findings, zero.t_ns))
    weights = series.weights(evidence, zero.t_ns)
    span_ns = series.load_span_ns(evidence)
    ends_s = [(instant - zero.t_ns) / NS_PER_S for instant in span_ns] if span_ns else []
    ends_s += [end for mark in marks for end in (mark.from_s, mark.to_s)]
    if not span_ns:  # without load the readings of the weight are all there is
        ends_s += [end for step in weights for end in (step.from_s, step.to_s)]
    from_s, to_s = (min(ends_s), max(ends_s)) if ends_s else (0.0, 0.0)
    to_s = max(to_s, from_s + 1.0)
    return Chart(
        zero=zero,
        series=counts,
        weights=weights,
        phases=tuple(_phases(evidence, zero.t_ns, from_s, to_s)),
        fault=tuple(_fault(evidence, zero.t_ns, to_s)),
        marks=marks,
        from_s=from_s,
        to_s=to_s,
        why_empty="" if counts.count or weights else _why_empty(evidence),
    )


def _why_empty(evidence: Evidence) -> str:
    first = evidence.problems[0] if evidence.problems else ""
    said = f" The first problem of the evidence: {words.plain(first)}." if first else ""
    return f"No request and no reading of the router's weight was recorded, so there is nothing to draw.{said}"


def _marks(findings: Findings, zero_ns: int) -> Iterator[Mark]:
    for place, (name, instant) in enumerate(findings.chain.items(), 1):
        if instant.known:
            label = words.EDGES[name].label if name in words.EDGES else name
            low_s, high_s = ((at_ns - zero_ns) / NS_PER_S for at_ns in (instant.lo_ns, instant.hi_ns))
            yield Mark(place, words.plain(label), low_s, high_s)


def _phases(evidence: Evidence, zero_ns: int, from_s: float, to_s: float) -> Iterator[Span]:
    events = evidence.of(Kind.PHASE)
    starts_s = [(event.t_ns - zero_ns) / NS_PER_S for event in events]
    for event, start_s, end_s in zip(events, starts_s, [*starts_s, to_s][1:], strict=True):
        if end_s > from_s and start_s < to_s:
            yield Span(words.plain(event.data.get("phase", "")), max(start_s, from_s), min(end_s, to_s))


def _fault(evidence: Evidence, zero_ns: int, to_s: float) -> Iterator[Span]:
    """From each switching on to the next healing, or to the end where there was none; by what it does, where known."""
    planned = evidence.manifest.get("fault") or {}
    healed_s = [(int(event.data["hi_ns"]) - zero_ns) / NS_PER_S for event in evidence.of(Kind.FAULT_HEALED)]
    for event in evidence.of(Kind.FAULT_ON):
        on_s = (int(event.data["lo_ns"]) - zero_ns) / NS_PER_S
        off_s = next((at_s for at_s in healed_s if at_s > on_s), to_s)
        kind = event.data.get("fault", "")
        caption = planned.get("caption") if kind == planned.get("kind") else None
        yield Span(words.plain(caption or kind), on_s, min(off_s, to_s))


def draw(chart: Chart, width: int, prefix: str) -> Markup:
    """One drawing. `prefix` keeps its element ids apart from the other's."""
    top = (MARK_PX + LEADER_PX if chart.marks else 0) + STRIP_PX * (2 if chart.fault else 1) + 6
    frame = _Frame(width=width, from_s=chart.from_s, to_s=chart.to_s, top=top, prefix=prefix)
    panels = _panels(chart.series, chart.weights, top)
    bottom = panels[-1].bottom
    body = Markup("").join(
        (
            *_fault_shades(chart, frame, bottom),
            *_time_axis(frame, panels, chart.zero.what),
            *_share_panel(chart, frame, panels[0]),
            *_rate_panel(chart.series, frame, panels[1]),
            *_bad_panel(chart.series, frame, panels[2]),
            *_drawn_marks(chart, frame, bottom),
            *_strips(chart, frame),
        )
    )
    return Markup(
        '<svg class="chart" id="{p}" viewBox="0 0 {w} {h}" role="img" aria-labelledby="{p}-name {p}-text"'
        ' data-left="{left}" data-right="{right}" data-from="{from_s}" data-to="{to_s}">'
        '<title id="{p}-name">The trial over time</title><desc id="{p}-text">{text}</desc>'
        "<defs>"
        '<pattern id="{p}-hatch" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
        '<line class="hatch" x1="0" y1="0" x2="0" y2="6"/></pattern></defs>'
        '{body}<line class="cursor" x1="0" x2="0" y1="{ctop}" y2="{bottom}" visibility="hidden"/></svg>'
    ).format(
        p=prefix,
        w=width,
        h=_n(bottom + 44),
        left=_n(LEFT_PX),
        right=_n(frame.right),
        from_s=_n(chart.from_s, 3),
        to_s=_n(chart.to_s, 3),
        text=describe(chart),
        body=body,
        ctop=_n(panels[0].top),
        bottom=_n(bottom),
    )


def bar(mark: Mark, first_s: float, last_s: float) -> Markup:
    """Where an edge lies between the first and the last one: a bar for a cell of the chain's table, not read aloud."""
    per_s = (BAR_PX - BAR_MIN_PX) / max(last_s - first_s, 1e-9)
    return Markup(
        '<svg class="bar" viewBox="0 0 {width} 12" width="{width}" height="12" aria-hidden="true">'
        '<line class="base" x1="0" x2="{width}" y1="6" y2="6"/>'
        '<rect x="{}" y="1" width="{}" height="10" rx="1.5"/></svg>'
    ).format(
        _n((mark.from_s - first_s) * per_s),
        _n(max((mark.to_s - mark.from_s) * per_s, BAR_MIN_PX)),
        width=_n(BAR_PX),
    )


def describe(chart: Chart) -> str:
    """The chart in words, for who cannot see it."""
    counts = chart.series
    parts = [f"From {_at(chart.from_s)} to {_at(chart.to_s)} s. Zero is {chart.zero.what or 'not known'}."]
    peak = max((step.weight for step in chart.weights), default=None)
    if peak is not None:
        last = chart.weights[-1].weight
        parts.append(f"The configured canary weight rose to {peak:g} % and was {last:g} % at the end.")
    for track in ("stable", "canary"):
        total, bad = int(counts.total[track].sum()), int(counts.bad[track].sum())
        parts.append(f"{track.capitalize()} got {total:,} requests; {bad:,} were not ok.")
    if chart.marks:
        parts.append("Marks: " + ", ".join(f"{mark.label} at {_at(mark.from_s)} s" for mark in chart.marks) + ".")
    return " ".join(parts)


def _at(value_s: float) -> str:
    return f"{round(value_s, 1) + 0.0:.1f}"


def _n(value: float, digits: int = 1) -> str:
    """A coordinate: short, and never `-0`."""
    return f"{round(value, digits) + 0.0:.{digits}f}".rstrip("0").rstrip(".") if digits else str(round(value))


def nice_ceiling(value: float) -> float:
    """The least of 1, 2, 4, 6, 8, 10 times a power of ten that is not under the value: its half is round too."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 4, 6, 8, 10) if step * power >= value * (1 - 1e-9))


def _peak(columns: Iterable[Floats]) -> float:
    return max((float(column[~np.isnan(column)].max(initial=0.0)) for column in columns), default=0.0)


def _panels(counts: Series, weights: Sequence[WeightStep], top: float) -> tuple[_Panel, _Panel, _Panel]:
    share, _, high = (np.where(counts.filled, column, np.nan) for column in counts.share_percent())
    share_full = nice_ceiling(min(100.0, max(_peak([share, high]), *(step.weight for step in weights), 10.0)))
    rate_full = nice_ceiling(_peak(counts.rate_rps(track) for track in series.TRACKS))
    bad_full = nice_ceiling(max(5.0, _peak(counts.bad_percent(track) for track in ("stable", "canary"))))
    heights, gap = (150.0, 110.0, 110.0), 34.0
    tops = [top + gap - 8]
    for height in heights[:-1]:
        tops.append(tops[-1] + height + gap)
    fulls = (share_full, rate_full, min(bad_full, 100.0))
    first, second, third = (
        _Panel(at, at + height, full) for at, height, full in zip(tops, heights, fulls, strict=True)
    )
    return first, second, third


def spread(wanted: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Places at least `gap` apart, in the order of `wanted` (ascending), as near to it as that allows.

    Neighbours that collide form a block around the mean of what they want, as in isotonic regression.
    """
    blocks: list[list[float]] = []  # [sum of wanted starts, number of members]
    for number, place in enumerate(wanted):
        blocks.append([place - number * gap, 1])
        while len(blocks) > 1 and blocks[-2][0] / blocks[-2][1] > blocks[-1][0] / blocks[-1][1]:
            total, members = blocks.pop()
            blocks[-1][0] += total
            blocks[-1][1] += members
    starts = [total / members for total, members in blocks for _ in range(int(members))]
    room = high - gap * (len(wanted) - 1)
    return [max(min(start, room), low) + number * gap for number, start in enumerate(starts)]


def _drawn_marks(chart: Chart, frame: _Frame, bottom: float) -> Iterator[Markup]:
    marks = sorted(chart.marks, key=lambda each: (each.from_s + each.to_s, each.place))
    middles = [frame.x((mark.from_s + mark.to_s) / 2) for mark in marks]
    flags = spread(middles, MARK_PX, MARK_PX / 2, frame.width - MARK_PX / 2)
    for mark, x, flag in zip(marks, middles, flags, strict=True):
        low, high = frame.x(mark.from_s), frame.x(mark.to_s)
        if high - low > 3:  # an interval that shows is drawn as one
            yield Markup('<rect class="mark-band" x="{}" y="{}" width="{}" height="{}"/>').format(
                _n(low), _n(frame.top), _n(high - low), _n(bottom - frame.top)
            )
        yield Markup(
            '<g class="mark"><title>{}: {} s</title><polyline points="{}"/>'
            '<circle cx="{flag}" cy="{}" r="8"/><text x="{flag}" y="{}" text-anchor="middle">{}</text></g>'
        ).format(
            f"{mark.place} {mark.label}",
            _at(mark.from_s),
            _points([(flag, MARK_PX), (x, MARK_PX + LEADER_PX), (x, bottom)]),
            _n(MARK_PX / 2),
            _n(MARK_PX / 2 + 4),
            mark.place,
            flag=_n(flag),
        )


def _fault_shades(chart: Chart, frame: _Frame, bottom: float) -> Iterator[Markup]:
    for fault in chart.fault:
        low, high = frame.x(fault.from_s), frame.x(fault.to_s)
        yield Markup('<rect class="fault-shade" x="{}" y="{}" width="{}" height="{}"/>').format(
            _n(low), _n(frame.top), _n(high - low), _n(bottom - frame.top)
        )


def _strips(chart: Chart, frame: _Frame) -> Iterator[Markup]:
    """The strip of phases and the strip of the fault; drawn last, so that the marks' lines pass behind them."""
    fault_y = frame.top - STRIP_PX - 2
    phase_y = fault_y - STRIP_PX - 2 if chart.fault else fault_y
    for number, phase in enumerate(chart.phases):
        yield from _strip(phase, frame, phase_y, f"phase phase-{number % 2}", phase.name)
    for fault in chart.fault:
        yield from _strip(fault, frame, fault_y, "fault", f"fault: {fault.name}", f"url(#{frame.prefix}-hatch)")


def _strip(span: Span, frame: _Frame, y: float, kind: str, label: str, fill: str = "") -> Iterator[Markup]:
    """A labelled bar; a label that does not fit inside stands beside it, or is left to the tooltip."""
    low, high = frame.x(span.from_s), frame.x(span.to_s)
    yield Markup(
        '<g class="{}"><title>{}: {} to {} s</title><rect x="{}" y="{}" width="{}" height="{}"{}/></g>'
    ).format(
        kind,
        label,
        _at(span.from_s),
        _at(span.to_s),
        _n(low),
        _n(y),
        _n(max(high - low - 1, 1)),
        _n(STRIP_PX - 2),
        Markup(' fill="{}"').format(fill) if fill else "",
    )
    needed = len(label) * LETTER_PX + 6
    if high - low >= needed:
        yield _text(low + 4, y + 12, label, "strip")
    elif fill and low - LEFT_PX >= needed:
        yield _text(low - 5, y + 12, label, "strip", "end")


def _text(x: float, y: float, text: str, kind: str, anchor: str = "start") -> Markup:
    return Markup('<text class="{}" x="{}" y="{}" text-anchor="{}">{}</text>').format(kind, _n(x), _n(y), anchor, text)


def _time_axis(frame: _Frame, panels: Sequence[_Panel], what: str) -> Iterator[Markup]:
    length_s = frame.to_s - frame.from_s
    tick_count_max = frame.width / 75  # a label every 75 px leaves room between them
    step_s = next((step for step in TICK_STEPS_S if length_s / step <= tick_count_max), length_s)
    bottom = panels[-1].bottom
    for number in range(math.ceil(frame.from_s / step_s), math.floor(frame.to_s / step_s) + 1):
        x = frame.x(number * step_s)
        kind = "zero" if number == 0 else "grid"
        for panel in panels:
            yield Markup('<line class="{}" x1="{x}" x2="{x}" y1="{}" y2="{}"/>').format(
                kind, _n(panel.top), _n(panel.bottom), x=_n(x)
            )
        yield _text(x, bottom + 16, f"{number * step_s:g}", "tick", "middle")
    label = f"seconds, 0 = {what}" if frame.width >= WIDE_PX or len(what) < 30 else "seconds, 0 = first bad answer"
    yield _text((LEFT_PX + frame.right) / 2, bottom + 36, label, "axis", "middle")


def _panel_frame(
    frame: _Frame, panel: _Panel, title: str, unit: str, keys: Sequence[tuple[str, str]]
) -> Iterator[Markup]:
    """Title, legend and the value axis. `keys` are (class, text) of the lines in the panel."""
    yield _text(0, panel.top - 9, title, "panel")
    x = len(title) * TITLE_LETTER_PX + 14
    for kind, text in keys:
        yield Markup('<line class="line {}" x1="{}" x2="{}" y1="{y}" y2="{y}"/>').format(
            kind, _n(x), _n(x + 18), y=_n(panel.top - 13)
        )
        if kind == "canary":
            yield Markup('<circle class="dot canary" cx="{}" cy="{}" r="2.5"/>').format(_n(x + 9), _n(panel.top - 13))
        yield _text(x + 22, panel.top - 9, text, "key")
        x += 34 + len(text) * LETTER_PX
    for part in (0.0, 0.5, 1.0):
        y = panel.y(part * panel.full)
        yield Markup('<line class="{}" x1="{}" x2="{}" y1="{y}" y2="{y}"/>').format(
            "grid" if part else "base", _n(LEFT_PX), _n(frame.right), y=_n(y)
        )
        yield _text(LEFT_PX - 5, y + 4, f"{part * panel.full:g}{unit}", "tick", "end")


def _share_panel(chart: Chart, frame: _Frame, panel: _Panel) -> Iterator[Markup]:
    share, low, high = chart.series.share_percent()
    narrow = frame.width < WIDE_PX
    title = "Canary's share" if narrow else "Share of the traffic that the canary gets"
    keys = (("weight", "configured"), ("canary", "measured" if narrow else "measured, with its 95 % band"))
    yield from _panel_frame(frame, panel, title, " %", keys)
    for run in _runs(share):
        upper = [(frame.x(_middle(chart.series, row)), panel.y(float(high[row]))) for row in run]
        lower = [(frame.x(_middle(chart.series, row)), panel.y(float(low[row]))) for row in reversed(run)]
        if len(run) > 1:
            yield Markup('<polygon class="band" points="{}"/>').format(_points([*upper, *lower]))
    yield from _weight_line(chart.weights, frame, panel)
    yield from _line(chart.series, share, frame, panel, "canary")


def _weight_line(steps: Sequence[WeightStep], frame: _Frame, panel: _Panel) -> Iterator[Markup]:
    """Steps that follow each other are joined; a gap in the readings is a gap in the line."""
    runs: list[list[tuple[float, float]]] = []
    last_s = -math.inf
    for step in steps:
        ends = [(frame.x(at_s), panel.y(step.weight)) for at_s in (step.from_s, step.to_s)]
        if step.from_s > last_s:
            runs.append([])
        runs[-1] += ends
        last_s = step.to_s
    for points in runs:
        yield Markup('<polyline class="line weight" points="{}"/>').format(_points(points))


def _rate_panel(counts: Series, frame: _Frame, panel: _Panel) -> Iterator[Markup]:
    drawn = _drawn_tracks(counts)
    yield from _panel_frame(frame, panel, "Requests per second", "", [(track, track) for track in drawn])
    for track in drawn:
        yield from _line(counts, counts.rate_rps(track), frame, panel, track)


def _bad_panel(counts: Series, frame: _Frame, panel: _Panel) -> Iterator[Markup]:
    title = "Not ok" if frame.width < WIDE_PX else "Requests that were not ok"
    yield from _panel_frame(frame, panel, title, " %", [(track, track) for track in ("stable", "canary")])
    for track in ("stable", "canary"):
        yield from _line(counts, counts.bad_percent(track), frame, panel, track)


def _drawn_tracks(counts: Series) -> tuple[str, ...]:
    """Stable and canary always; unknown only where there is any."""
    return tuple(track for track in series.TRACKS if track != "unknown" or counts.total[track].sum())


def _middle(counts: Series, row: int) -> float:
    return float(counts.start_s[row]) + counts.bin_s / 2


def _line(counts: Series, values: Floats, frame: _Frame, panel: _Panel, kind: str) -> Iterator[Markup]:
    """A line through the middles of the bins, broken where there is no value; the canary's has dots."""
    dots = kind == "canary" and values.size <= DOTS_MAX and frame.width >= WIDE_PX
    for run in _runs(values):
        points = [(frame.x(_middle(counts, row)), panel.y(float(values[row]))) for row in run]
        if len(run) > 1:
            yield Markup('<polyline class="line {}" points="{}"/>').format(kind, _points(points))
        for x, y in points if dots or len(run) == 1 else ():
            yield Markup('<circle class="dot {}" cx="{}" cy="{}" r="2"/>').format(kind, _n(x), _n(y))


def _runs(values: Floats) -> list[list[int]]:
    """Indices of neighbouring values that are numbers."""
    runs: list[list[int]] = []
    for row, value in enumerate(values):
        if math.isnan(value):
            continue
        if not runs or runs[-1][-1] != row - 1:
            runs.append([])
        runs[-1].append(row)
    return runs


def _points(points: Iterable[tuple[float, float]]) -> str:
    return " ".join(f"{_n(x)},{_n(y)}" for x, y in points)
