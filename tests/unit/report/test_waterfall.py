"""The waterfall: each duration and what chance allows it on one scale."""

import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from harness.report import chart, waterfall
from harness.report.drawing import NARROW_PX, WIDE_PX


def made(trials, **changes):
    """(bars, marks) of the drill that passes."""
    evidence, findings = trials.rolled_back()
    findings = replace(findings, **changes)
    drawing = chart.build(evidence, findings)
    return waterfall.bars(findings, evidence.manifest["expect"], drawing.zero.t_ns), drawing.marks


def test_bars_are_the_durations_of_the_findings(trials):
    """Each bar is as long as its duration and begins where its part of the chain began."""
    found, _ = made(trials)
    durations = trials.findings().durations_s
    assert list(durations.values()) == [
        (pytest.approx(bar.lo_s - bar.from_s), pytest.approx(bar.hi_s - bar.from_s)) for bar in found
    ]
    assert [0.0, 3.49, 0.0, 3.67, 0.0] == [pytest.approx(bar.from_s, abs=1e-6) for bar in found]


@pytest.mark.parametrize("width", [WIDE_PX, NARROW_PX])
def test_bracket_has_the_bars_scale(trials, width):
    """Where the alert fired at best and at worst is drawn on the scale of the bar above it."""
    found, marks = made(trials)
    root = ElementTree.fromstring(waterfall.draw(found, marks, width, "f"))
    took = next(each for each in root.iter("rect") if each.get("class") == "took")
    maybe = next(each for each in root.iter("rect") if each.get("class") == "maybe")
    chance = next(each for each in root.iter("polyline") if each.get("class") == "chance")
    places = [float(pair.split(",")[0]) for pair in chance.get("points").split()]
    start, per_s = float(took.get("x")), float(took.get("width")) / 2.49
    assert pytest.approx(1.0 * per_s, rel=0.02) == float(maybe.get("width"))
    assert [pytest.approx(start + bound * per_s, abs=0.7) for bound in (1.3, 6.4)] == [min(places), max(places)]


def test_duration_without_bounds_has_no_bracket(trials):
    """Chance is drawn only where the judge computed it."""
    found, marks = made(trials, bounds_s={})
    drawn = waterfall.draw(found, marks, WIDE_PX, "f")
    assert 'class="chance"' not in drawn
    assert "chance allows" not in drawn


def test_limit_that_is_far_away_does_not_squeeze_the_bars(trials):
    """A limit of ten minutes is only written, and the scale stays that of what was measured."""
    evidence, findings = trials.rolled_back()
    expect = {**evidence.manifest["expect"], "detect_s_max": 600.0}
    drawing = chart.build(evidence, findings)
    drawn = waterfall.draw(waterfall.bars(findings, expect, drawing.zero.t_ns), drawing.marks, WIDE_PX, "f")
    assert "limit 600 s" in drawn
    assert drawn.count('class="limit"') == waterfall.draw(*made(trials), WIDE_PX, "f").count('class="limit"') - 1
    ticks = [float(text) for text in re.findall(r'class="tick"[^>]*>([-\d.]+)<', drawn)]
    assert 30 > max(ticks)


def test_nothing_measured_is_not_drawn(trials):
    """A trial whose durations are unknown has no waterfall."""
    found, marks = made(trials, durations_s={})
    assert "" == waterfall.draw(found, marks, WIDE_PX, "f")
