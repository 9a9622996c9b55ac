"""The panels of the chart, one under the other over one time axis.

From the top: what part of the traffic the canary was meant to get and got; requests a second by track; requests that
were not ok by track; latency of stable and of canary, each with p50, p95 and p99 on one log scale; writes a second by
what came of them; the states of the alerts.

Nothing is told by colour alone: the canary's line has dots, percentiles differ in their dashes, outcomes and states of
alerts in their patterns, and the table of seconds says all of it in numbers.

A panel has two parts: what stays when a reader zooms (title, legend, scale of values) and what moves (the data).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
from markupsafe import Markup

from harness.evidence.format import Outcome
from harness.report import series, words
from harness.report.alerts import Alert, State
from harness.report.drawing import (
    DOTS_MAX,
    LEFT_PX,
    LETTER_PX,
    TITLE_LETTER_PX,
    Frame,
    Panel,
    at,
    n,
    nice_ceiling,
    points,
    rect,
    runs,
    text,
)
from harness.report.series import Bools, Floats, Ints, Series, WeightStep

GAP_PX: Final = 34.0  # between two panels: the title and the legend
SHARE_PX, LOW_PX = 140.0, 84.0  # heights
ALERT_PX: Final = 30.0  # a row: the label, and under it the strip
STRIP_PX: Final = 10.0
LATENCY_MS_LEAST: Final = 1.0
OUTCOMES: Final = (str(Outcome.OK), str(Outcome.FAILED), str(Outcome.UNKNOWN))
_PERCENTILE_KINDS: Final = ("p50", "p95", "p99")


@dataclass(frozen=True, slots=True)
class Drawn:
    """A panel's two parts, and from where to where it reaches."""

    still: Markup
    moving: Markup
    top: float
    bottom: float


def draw(
    counts: Series, weights: Sequence[WeightStep], alerts: Sequence[Alert], frame: Frame, top: float
) -> list[Drawn]:
    """All panels from `top` downwards. Without requests only weight and alerts are drawn."""
    drawn = [_share(counts, weights, frame, top)]
    if counts.count:
        makers: tuple[Callable[[Series, Frame, float], Drawn], ...] = (
            _rates,
            _bad,
            *(partial(_latency, track) for track in series.ANSWERING),
            _writes,
        )
        for make in makers:
            drawn.append(make(counts, frame, drawn[-1].bottom + GAP_PX))
    if alerts:
        drawn.append(_alerts(alerts, frame, drawn[-1].bottom + GAP_PX))
    return drawn


def _peak(columns: Iterable[Floats]) -> float:
    return max((float(column[~np.isnan(column)].max(initial=0.0)) for column in columns), default=0.0)


def _made(still: Iterable[Markup], moving: Iterable[Markup], panel: Panel) -> Drawn:
    return Drawn(Markup("").join(still), Markup("").join(moving), panel.top, panel.bottom)


def _legend(panel: Panel, title: str, keys: Sequence[tuple[str, str]]) -> Iterator[Markup]:
    """Title and legend. `keys` are (class, text) of the lines in the panel."""
    yield text(0, panel.top - 9, title, "panel")
    x, y = len(title) * TITLE_LETTER_PX + 14, panel.top - 13
    for kind, said in keys:
        if kind.startswith("box"):
            yield rect(kind.removeprefix("box "), x + 4, y - 5, 14, 10)
        else:
            yield Markup('<line class="line {}" x1="{}" x2="{}" y1="{y}" y2="{y}"/>').format(
                kind, n(x), n(x + 18), y=n(y)
            )
        if kind == "canary":
            yield Markup('<circle class="dot canary" cx="{}" cy="{}" r="2.5"/>').format(n(x + 9), n(y))
        yield text(x + 22, panel.top - 9, said, "key")
        x += 34 + len(said) * LETTER_PX


def _values(frame: Frame, panel: Panel, values: Sequence[float], unit: str) -> Iterator[Markup]:
    """The scale of values: a line and a label each, the lowest as the base."""
    for value in values:
        y = panel.y(value)
        yield Markup('<line class="{}" x1="{}" x2="{}" y1="{y}" y2="{y}"/>').format(
            "base" if value == values[0] else "grid", n(LEFT_PX), n(frame.right), y=n(y)
        )
        yield text(LEFT_PX - 5, y + 4, f"{value:g}{unit}", "tick", "end")


def _halves(frame: Frame, panel: Panel, unit: str = "") -> Iterator[Markup]:
    yield from _values(frame, panel, [part * panel.full for part in (0.0, 0.5, 1.0)], unit)


def _share(counts: Series, weights: Sequence[WeightStep], frame: Frame, top: float) -> Drawn:
    share, low, high = counts.share_percent()
    told = [np.where(counts.filled, column, np.nan) for column in (share, high)]
    panel = Panel(
        top, top + SHARE_PX, nice_ceiling(min(100.0, max(_peak(told), *(step.weight for step in weights), 10.0)))
    )
    keys = (
        ("weight", "configured"),
        ("canary", "measured" if frame.narrow else "measured, with its 95 % interval"),
    )
    title = "Canary's share" if frame.narrow else "Share of the traffic that the canary gets"
    still = (*_legend(panel, title, keys), *_halves(frame, panel, " %"))
    moving = (
        *_band(counts, low, high, share, frame, panel),
        *_weight_line(weights, frame, panel),
        *_line(counts, share, frame, panel, "canary"),
    )
    return _made(still, moving, panel)


def _band(counts: Series, low: Floats, high: Floats, share: Floats, frame: Frame, panel: Panel) -> Iterator[Markup]:
    for run in runs(share):
        upper = [(frame.x(middle(counts, row)), panel.y(float(high[row]))) for row in run]
        lower = [(frame.x(middle(counts, row)), panel.y(float(low[row]))) for row in reversed(run)]
        if len(run) > 1:
            yield Markup('<polygon class="band" points="{}"/>').format(points([*upper, *lower]))


def _weight_line(steps: Sequence[WeightStep], frame: Frame, panel: Panel) -> Iterator[Markup]:
    """Steps that follow each other are joined; a gap in the readings is a gap in the line."""
    lines: list[list[tuple[float, float]]] = []
    last_s = -math.inf
    for step in steps:
        ends = [(frame.x(at_s), panel.y(step.weight)) for at_s in (step.from_s, step.to_s)]
        if step.from_s > last_s:
            lines.append([])
        lines[-1] += ends
        last_s = step.to_s
    for line in lines:
        yield Markup('<polyline class="line weight" points="{}"/>').format(points(line))


def _rates(counts: Series, frame: Frame, top: float) -> Drawn:
    shown = tuple(track for track in series.TRACKS if track != "unknown" or counts.total[track].sum())
    panel = Panel(top, top + LOW_PX, nice_ceiling(_peak(counts.rate_rps(track) for track in series.TRACKS)))
    still = (*_legend(panel, "Requests per second", [(track, track) for track in shown]), *_halves(frame, panel))
    moving = (mark for track in shown for mark in _line(counts, counts.rate_rps(track), frame, panel, track))
    return _made(still, moving, panel)


def _bad(counts: Series, frame: Frame, top: float) -> Drawn:
    bad = {track: counts.bad_percent(track) for track in series.ANSWERING}
    panel = Panel(top, top + LOW_PX, min(nice_ceiling(max(5.0, _peak(bad.values()))), 100.0))
    title = "Not ok" if frame.narrow else "Requests that were not ok"
    still = (*_legend(panel, title, [(track, track) for track in bad]), *_halves(frame, panel, " %"))
    moving = (mark for track in bad for mark in _line(counts, bad[track], frame, panel, track))
    return _made(still, moving, panel)


def _latency(track: str, counts: Series, frame: Frame, top: float) -> Drawn:
    """p50, p95 and p99 of one track; both tracks have one scale, so that they can be compared."""
    peak_ms = max(10.0, _peak(counts.latency_ms.values()))
    panel = Panel(top, top + LOW_PX, 10.0 ** math.ceil(math.log10(peak_ms)), LATENCY_MS_LEAST)
    title = f"Latency of {track}, ms" if frame.narrow else f"Latency of {track}, ms (log scale)"
    keys = [(f"{track} {kind}", kind) for kind in _PERCENTILE_KINDS]
    powers = [10.0**power for power in range(round(math.log10(panel.full)) + 1)]
    still = (*_legend(panel, title, keys), *_values(frame, panel, powers, ""))
    moving = (
        mark
        for place, kind in enumerate(_PERCENTILE_KINDS)
        for mark in _line(counts, counts.latency_ms[track][:, place], frame, panel, f"{track} {kind}")
    )
    return _made(still, moving, panel)


def _writes(counts: Series, frame: Frame, top: float) -> Drawn:
    """Areas on top of each other, so that the top is all writes."""
    rates = np.array([counts.writes_rps(outcome) for outcome in OUTCOMES])
    stacked = np.cumsum(rates, axis=0)
    panel = Panel(top, top + LOW_PX, nice_ceiling(_peak([stacked[-1]])))
    title = "Writes/s" if frame.narrow else "Writes per second by outcome"
    still = (
        *_legend(panel, title, [(f"box write-{outcome}", outcome) for outcome in OUTCOMES]),
        *_halves(frame, panel),
    )
    moving: list[Markup] = []
    for place, outcome in enumerate(OUTCOMES):
        below = stacked[place - 1] if place else np.zeros_like(stacked[0])
        shown = np.where(_near(counts.writes[outcome]), stacked[place], np.nan) if place else stacked[place]
        for run in runs(shown):
            upper = [(frame.x(middle(counts, row)), panel.y(float(stacked[place][row]))) for row in run]
            lower = [(frame.x(middle(counts, row)), panel.y(float(below[row]))) for row in reversed(run)]
            moving.append(Markup('<polygon class="write-{}" points="{}"/>').format(outcome, points([*upper, *lower])))
    return _made(still, moving, panel)


def _near(column: Ints) -> Bools:
    """Where there is something, or in a neighbour: an area of nothing would be drawn as a line."""
    some = np.pad(column > 0, 1)
    return np.asarray(some[1:-1] | some[:-2] | some[2:])


def _alerts(alerts: Sequence[Alert], frame: Frame, top: float) -> Drawn:
    panel = Panel(top, top + ALERT_PX * len(alerts), 1.0)
    keys = (("box alert-pending", "pending"), ("box alert-firing", "firing"), ("box alert-resolved", "resolved"))
    still = [*_legend(panel, "Alerts", keys)]
    moving: list[Markup] = []
    for number, alert in enumerate(alerts):
        y = panel.top + (number + 1) * ALERT_PX
        still += [rect("strip-base", LEFT_PX, y - STRIP_PX, frame.right - LEFT_PX, STRIP_PX)]
        still += [text(LEFT_PX, y - STRIP_PX - 4, _alert_label(alert), "key")]
        moving += [mark for state in alert.states for mark in _alert_state(alert, state, frame, y - STRIP_PX)]
    return _made(still, moving, panel)


def _alert_label(alert: Alert) -> str:
    said = alert.wanted or "not named by the experiment"
    return f"{words.plain(alert.name, 60)} ({said}{'' if alert.states else ', never pending'})"


def _alert_state(alert: Alert, state: State, frame: Frame, y: float) -> Iterator[Markup]:
    low, high = frame.x(state.from_s), frame.x(state.to_s)
    yield Markup("<g><title>{}: {} from {} to {} s{}</title>{}{}</g>").format(
        words.plain(alert.name),
        state.state,
        at(state.from_s),
        at(state.to_s),
        ", then resolved" if state.resolved else "",
        rect(f"alert-{state.state}{'' if alert.wanted else ' other'}", low, y, max(high - low, 1.5), STRIP_PX),
        rect("alert-resolved", high, y - 3, 3, STRIP_PX + 6) if state.resolved else "",
    )


def middle(counts: Series, row: int) -> float:
    """The middle of a bin, in seconds after zero."""
    return float(counts.start_s[row]) + counts.bin_s / 2


def _line(counts: Series, values: Floats, frame: Frame, panel: Panel, kind: str) -> Iterator[Markup]:
    """A line through the middles of the bins, broken where there is no value; the canary's has dots."""
    dots = kind == "canary" and values.size <= DOTS_MAX and not frame.narrow
    for run in runs(values):
        places = [(frame.x(middle(counts, row)), panel.y(float(values[row]))) for row in run]
        if len(run) > 1:
            yield Markup('<polyline class="line {}" points="{}"/>').format(kind, points(places))
        for x, y in places if dots or len(run) == 1 else ():
            yield Markup('<circle class="dot {}" cx="{}" cy="{}" r="2"/>').format(kind, n(x), n(y))
