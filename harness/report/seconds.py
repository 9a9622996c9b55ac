"""The chart in numbers: one row a bin, every cell as text. The page's cursor reads its values from this table.

Not covered: the numbers themselves; see series.py and alerts.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from harness.evidence.format import Outcome
from harness.report import words
from harness.report.chart import Chart, Span
from harness.report.series import Floats

HEADS: Final = (
    "from, s",
    "phase",
    "configured weight, %",
    "measured share, % (95 % interval)",
    "stable, requests/s",
    "canary, requests/s",
    "unknown version, requests/s",
    "stable not ok, % (count)",
    "canary not ok, % (count)",
    "stable p50 / p95 / p99, ms",
    "canary p50 / p95 / p99, ms",
    "writes ok / failed / unknown",
    "alerts",
)


def rows(drawing: Chart) -> Iterator[tuple[str, ...]]:
    """One row a bin, with a cell for each of HEADS."""
    counts = drawing.series
    share, low, high = counts.share_percent()
    bad = {track: counts.bad_percent(track) for track in ("stable", "canary")}
    for row in range(counts.start_s.size):
        from_s = float(counts.start_s[row])
        to_s = from_s + counts.bin_s
        band = "none sent" if np.isnan(share[row]) else f"{share[row]:.1f} ({low[row]:.1f} to {high[row]:.1f})"
        yield (
            f"{from_s:.0f}",
            _what_in(drawing, from_s, to_s),
            _weight_in(drawing, from_s, to_s),
            band,
            *(_rate(counts.rate_rps(track), counts.total[track], row) for track in ("stable", "canary", "unknown")),
            *(_percent_of(bad[track], counts.bad[track], row) for track in ("stable", "canary")),
            *(_percentiles(counts.latency_ms[track][row]) for track in ("stable", "canary")),
            " / ".join(f"{counts.writes[str(outcome)][row]:,}" for outcome in Outcome),
            _alerts_in(drawing, from_s, to_s),
        )


def _what_in(drawing: Chart, from_s: float, to_s: float) -> str:
    """Phases, and whether fault or rollback was on."""
    parts = [" → ".join(span.name for span in _in(drawing.phases, from_s, to_s))]
    parts += ["fault on"] if _in(drawing.fault, from_s, to_s) else []
    parts += ["rolling back"] if _in(drawing.rollback, from_s, to_s) else []
    return ", ".join(part for part in parts if part) or "not recorded"


def _in(spans: tuple[Span, ...], from_s: float, to_s: float) -> list[Span]:
    return [span for span in spans if span.from_s < to_s and span.to_s > from_s]


def _weight_in(drawing: Chart, from_s: float, to_s: float) -> str:
    """Every weight that was configured in these seconds, in order."""
    found = [step.weight for step in drawing.weights if step.from_s < to_s and step.to_s >= from_s]
    return " → ".join(f"{weight:g}" for weight in found) or "not read"


def _alerts_in(drawing: Chart, from_s: float, to_s: float) -> str:
    said = [(words.plain(alert.name, 60), alert.at(from_s, to_s)) for alert in drawing.alerts]
    return "; ".join(f"{name} {state}" for name, state in said if state != "inactive") or "none"


def _rate(rates: Floats, totals: np.ndarray[Any, Any], row: int) -> str:
    return f"{totals[row]:,} in part of it" if np.isnan(rates[row]) else words.number(float(rates[row]))


def _percent_of(percents: Floats, bad: np.ndarray[Any, Any], row: int) -> str:
    return "none sent" if np.isnan(percents[row]) else f"{percents[row]:.1f} ({bad[row]:,})"


def _percentiles(values_ms: Floats) -> str:
    return "no answer" if np.isnan(values_ms[0]) else " / ".join(f"{value:.1f}" for value in values_ms)
