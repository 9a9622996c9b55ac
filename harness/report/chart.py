"""The chart: panels over one time axis, as inline SVG.

Above the panels (panels.py) stand the phases, the fault, the rollback, and one numbered mark per edge of the chain (the
numbers are those of the chain's table). Colours come from the page's style sheet by class, so that the same drawing
serves light, dark and print; nothing differs by colour alone.

`draw` is called twice, for a wide and for a narrow page: scaling one drawing to a phone would make its text 5 px. The
page's script finds the scale in the `data-` attributes, moves what stands in the group `moves` when a reader zooms, and
reads the cursor's values from the table of seconds.

Not covered: zooming below a bin; a trial's raw rows are in its Parquet files.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

from harness.clock import NS_PER_S
from harness.evidence.finding import Findings
from harness.evidence.format import Kind
from harness.evidence.run import Evidence
from harness.report import alerts, panels, series, words
from harness.report.alerts import Alert
from harness.report.drawing import (
    LEFT_PX,
    LETTER_PX,
    Frame,
    at,
    n,
    points,
    rect,
    spread,
    text,
    ticks,
)
from harness.report.series import Series, WeightStep, Zero

MARK_PX: Final = 18.0  # a mark's flag and its distance to the next
LEADER_PX: Final = 16.0  # height in which the lines lead from the flags to their instants
STRIP_PX: Final = 18.0
TITLE_PX: Final = 26.0  # the first panel's title and legend
AXIS_PX: Final = 44.0
BAR_PX: Final = 240.0
BAR_MIN_PX: Final = 4.0  # an instant must still be seen
WHAT_LETTERS_MAX: Final = 30  # a longer word for zero does not fit under a narrow drawing


@dataclass(frozen=True, slots=True)
class Span:
    """Something that lasted: a phase, the fault or the rollback."""

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
    alerts: tuple[Alert, ...]
    phases: tuple[Span, ...]
    fault: tuple[Span, ...]
    rollback: tuple[Span, ...]
    marks: tuple[Mark, ...]
    from_s: float
    to_s: float
    why_empty: str


def build(evidence: Evidence, findings: Findings) -> Chart:
    """What there is to draw of a trial."""
    zero = series.zero(evidence, findings)
    counts = series.count(evidence, zero.t_ns)
    marks = tuple(_marks(findings, zero.t_ns))
    weights = series.weights(evidence, zero.t_ns)
    from_s, to_s = _ends_s(evidence, zero.t_ns, marks, weights)
    return Chart(
        zero=zero,
        series=counts,
        weights=weights,
        alerts=alerts.alerts(evidence, zero.t_ns),
        phases=tuple(_phases(evidence, zero.t_ns, from_s, to_s)),
        fault=_merged(_fault(evidence, zero.t_ns, to_s)),
        rollback=tuple(_rollback(evidence, findings, zero.t_ns, to_s)),
        marks=marks,
        from_s=from_s,
        to_s=to_s,
        why_empty="" if counts.count or weights else _why_empty(evidence),
    )


def _ends_s(
    evidence: Evidence, zero_ns: int, marks: tuple[Mark, ...], weights: tuple[WeightStep, ...]
) -> tuple[float, float]:
    """From where to where the time axis goes: the load and every mark; at least a second."""
    span_ns = series.load_span_ns(evidence)
    ends_s = [(instant - zero_ns) / NS_PER_S for instant in span_ns] if span_ns else []
    ends_s += [end for mark in marks for end in (mark.from_s, mark.to_s)]
    if not span_ns:  # without load the readings of the weight are all there is
        ends_s += [end for step in weights for end in (step.from_s, step.to_s)]
    from_s, to_s = (min(ends_s), max(ends_s)) if ends_s else (0.0, 0.0)
    return from_s, max(to_s, from_s + 1.0)


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


def _merged(spans: Iterator[Span]) -> tuple[Span, ...]:
    """Overlapping spans of one name as one: a fault on several instances has an event each."""
    found: list[Span] = []
    for span in sorted(spans, key=lambda each: (each.name, each.from_s)):
        if found and found[-1].name == span.name and span.from_s <= found[-1].to_s:
            found[-1] = Span(span.name, found[-1].from_s, max(found[-1].to_s, span.to_s))
        else:
            found.append(span)
    return tuple(sorted(found, key=lambda each: each.from_s))


def _rollback(evidence: Evidence, findings: Findings, zero_ns: int, to_s: float) -> Iterator[Span]:
    """From the decision to the canary's last answer, else to the last known edge on the way, else to the end."""
    decided = findings.chain.get("decided")
    if decided is None or not decided.known or evidence.manifest.get("expect", {}).get("outcome") != "rolled_back":
        return
    ends = [findings.chain[name] for name in ("drained", "shifted", "weight_zero_route") if name in findings.chain]
    end_s = next(((each.hi_ns - zero_ns) / NS_PER_S for each in ends if each.known), to_s)
    from_s = (decided.lo_ns - zero_ns) / NS_PER_S
    yield Span("decided to last answer" if end_s < to_s else "decided, no end seen", from_s, max(end_s, from_s))


def draw(chart: Chart, width: int, prefix: str) -> Markup:
    """One drawing. `prefix` keeps its element ids apart from the other's."""
    frame = Frame(width=width, from_s=chart.from_s, to_s=chart.to_s, prefix=prefix)
    rows = 1 + bool(chart.fault) + bool(chart.rollback)
    strips_top = MARK_PX + LEADER_PX if chart.marks else 0.0
    top = strips_top + STRIP_PX * rows + 6
    drawn = panels.draw(chart.series, chart.weights, chart.alerts, frame, top + TITLE_PX)
    bottom = drawn[-1].bottom
    moving = (
        *_shades(chart, frame, top, bottom),
        *(panel.moving for panel in drawn),
        *_drawn_marks(chart, frame, top, bottom),
        *_strips(chart, frame, strips_top),
    )
    return Markup(
        '<svg class="chart" id="{p}" viewBox="0 0 {w} {h}" role="img" aria-labelledby="{p}-name {p}-text"'
        ' data-left="{left}" data-right="{right}" data-from="{from_s}" data-to="{to_s}" data-bottom="{bottom}"'
        ' data-panels="{extents}">'
        '<title id="{p}-name">The trial over time</title><desc id="{p}-text">{said}</desc>'
        "<defs>{patterns}"
        '<clipPath id="{p}-clip"><rect x="{left}" y="0" width="{inside}" height="{h}"/></clipPath></defs>'
        '<g class="still">{still}</g><g class="times">{times}</g>{axis}'
        '<g clip-path="url(#{p}-clip)"><g class="moves">{moving}</g></g><g class="flags">{flags}</g>'
        '<rect class="chosen" x="0" y="{ctop}" width="0" height="{cheight}" visibility="hidden"/>'
        '<line class="cursor" x1="0" x2="0" y1="{ctop}" y2="{bottom}" visibility="hidden"/></svg>'
    ).format(
        p=prefix,
        w=width,
        h=n(bottom + AXIS_PX),
        left=n(LEFT_PX),
        right=n(frame.right),
        inside=n(frame.right - LEFT_PX),
        from_s=n(chart.from_s, 3),
        to_s=n(chart.to_s, 3),
        bottom=n(bottom),
        extents=";".join(f"{n(panel.top)},{n(panel.bottom)}" for panel in drawn),
        said=describe(chart),
        patterns=_patterns(prefix),
        still=Markup("").join(panel.still for panel in drawn),
        times=Markup("").join(_times(frame, drawn)),
        axis=_axis_label(frame, bottom, chart.zero.what),
        moving=Markup("").join(moving),
        flags=Markup("").join(_flags(chart, frame, top)),
        ctop=n(drawn[0].top),
        cheight=n(bottom - drawn[0].top),
    )


def _patterns(prefix: str) -> Markup:
    """The fault's hatch and the rollback's, which runs the other way."""
    return Markup("").join(
        Markup(
            '<pattern id="{}-{}" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate({})">'
            '<line class="{}" x1="0" y1="0" x2="0" y2="6"/></pattern>'
        ).format(prefix, name, turn, name)
        for name, turn in (("hatch", 45), ("back", -45))
    )


def bar(mark: Mark, first_s: float, last_s: float) -> Markup:
    """Where an edge lies between the first and the last one: a bar for a cell of the chain's table, not read aloud."""
    per_s = (BAR_PX - BAR_MIN_PX) / max(last_s - first_s, 1e-9)
    return Markup(
        '<svg class="bar" viewBox="0 0 {width} 12" width="{width}" height="12" aria-hidden="true">'
        '<line class="base" x1="0" x2="{width}" y1="6" y2="6"/>'
        '<rect x="{}" y="1" width="{}" height="10" rx="1.5"/></svg>'
    ).format(
        n((mark.from_s - first_s) * per_s),
        n(max((mark.to_s - mark.from_s) * per_s, BAR_MIN_PX)),
        width=n(BAR_PX),
    )


def describe(chart: Chart) -> str:
    """The chart in words, for who cannot see it."""
    counts = chart.series
    parts = [f"From {at(chart.from_s)} to {at(chart.to_s)} s. Zero is {chart.zero.what or 'not known'}."]
    peak = max((step.weight for step in chart.weights), default=None)
    if peak is not None:
        last = chart.weights[-1].weight
        parts.append(f"The configured canary weight rose to {peak:g} % and was {last:g} % at the end.")
    for track in ("stable", "canary"):
        total, bad = int(counts.total[track].sum()), int(counts.bad[track].sum())
        parts.append(f"{track.capitalize()} got {total:,} requests; {bad:,} were not ok.")
    if chart.marks:
        parts.append("Marks: " + ", ".join(f"{mark.label} at {at(mark.from_s)} s" for mark in chart.marks) + ".")
    parts += [
        f"{alert.name} fired from {at(state.from_s)} to {at(state.to_s)} s."
        for alert in chart.alerts
        if alert.wanted
        for state in alert.states
        if state.state == "firing"
    ]
    return " ".join(words.plain(part, 2000) for part in parts)


def _placed(chart: Chart, frame: Frame) -> Iterator[tuple[Mark, float, float]]:
    """Each mark in order of time with its place, and the place of its flag, which gives way to its neighbours."""
    marks = sorted(chart.marks, key=lambda each: (each.from_s + each.to_s, each.place))
    middles = [frame.x((mark.from_s + mark.to_s) / 2) for mark in marks]
    flags = spread(middles, MARK_PX, MARK_PX / 2, frame.width - MARK_PX / 2)
    yield from zip(marks, middles, flags, strict=True)


def _drawn_marks(chart: Chart, frame: Frame, top: float, bottom: float) -> Iterator[Markup]:
    for mark, x, _ in _placed(chart, frame):
        low, high = frame.x(mark.from_s), frame.x(mark.to_s)
        if high - low > 3:  # an interval that shows is drawn as one
            yield rect("mark-band", low, top, high - low, bottom - top)
        yield Markup('<line class="mark-line" x1="{x}" x2="{x}" y1="{}" y2="{}"/>').format(
            n(MARK_PX + LEADER_PX), n(bottom), x=n(x)
        )


def _flags(chart: Chart, frame: Frame, top: float) -> Iterator[Markup]:
    for mark, x, flag in _placed(chart, frame):
        yield Markup(
            '<g class="mark" data-x="{}"><title>{}: {} s</title><polyline points="{}"/>'
            '<circle cx="{flag}" cy="{}" r="8"/><text x="{flag}" y="{}" text-anchor="middle">{}</text></g>'
        ).format(
            n(x, 2),
            f"{mark.place} {mark.label}",
            at(mark.from_s),
            points([(flag, MARK_PX), (x, MARK_PX + LEADER_PX)]),
            n(MARK_PX / 2),
            n(MARK_PX / 2 + 4),
            mark.place,
            flag=n(flag),
        )


def _shades(chart: Chart, frame: Frame, top: float, bottom: float) -> Iterator[Markup]:
    for kind, spans in (("fault-shade", chart.fault), ("back-shade", chart.rollback)):
        for span in spans:
            low, high = frame.x(span.from_s), frame.x(span.to_s)
            yield rect(kind, low, top, high - low, bottom - top)


def _strips(chart: Chart, frame: Frame, top: float) -> Iterator[Markup]:
    """The strips of phases, fault and rollback; drawn last, so that the marks' lines pass behind them."""
    y = top
    for number, phase in enumerate(chart.phases):
        yield _strip(phase, frame, y, f"phase phase-{number % 2}", phase.name)
    for name, pattern, spans in (("fault", "hatch", chart.fault), ("rollback", "back", chart.rollback)):
        y += STRIP_PX if spans else 0.0
        for span in spans:
            yield _strip(span, frame, y, name, f"{name}: {span.name}", f"url(#{frame.prefix}-{pattern})")


def _strip(span: Span, frame: Frame, y: float, kind: str, label: str, fill: str = "") -> Markup:
    """A labelled bar; a label that does not fit inside stands beside it, or is left to the tooltip."""
    low, high = frame.x(span.from_s), frame.x(span.to_s)
    needed = len(label) * LETTER_PX + 6
    said = Markup("")
    if high - low >= needed:
        said = text(low + 4, y + 12, label, "strip")
    elif fill and low - LEFT_PX >= needed:
        said = text(low - 5, y + 12, label, "strip", "end")
    elif fill and frame.right - high >= needed:
        said = text(high + 5, y + 12, label, "strip")
    return Markup('<g class="{} spans"><title>{}: {} to {} s</title>{}{}</g>').format(
        kind,
        label,
        at(span.from_s),
        at(span.to_s),
        rect("span", low, y, max(high - low - 1, 1), STRIP_PX - 2, fill),
        said,
    )


def _times(frame: Frame, drawn: list[panels.Drawn]) -> Iterator[Markup]:
    """A line through every panel and a label under the last one for each round second."""
    for second in ticks(frame):
        x = frame.x(second)
        for panel in drawn:
            yield Markup('<line class="{}" x1="{x}" x2="{x}" y1="{}" y2="{}"/>').format(
                "grid" if second else "zero", n(panel.top), n(panel.bottom), x=n(x)
            )
        yield text(x, drawn[-1].bottom + 16, f"{second:g}", "tick", "middle")


def _axis_label(frame: Frame, bottom: float, what: str) -> Markup:
    short = frame.narrow and len(what) >= WHAT_LETTERS_MAX
    label = "seconds, 0 = first bad answer" if short else f"seconds, 0 = {what}"
    return text((LEFT_PX + frame.right) / 2, bottom + 36, label, "axis", "middle")
