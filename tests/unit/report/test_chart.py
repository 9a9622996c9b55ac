"""The drawing: scales, marks, words for who cannot see it."""

import math
import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from harness.evidence.finding import Instant
from harness.evidence.format import Kind
from harness.report import chart, drawing


@pytest.mark.parametrize(
    ("value", "ceiling"), [(0, 1), (0.9, 1), (1.0, 1), (1.1, 2), (47, 60), (60, 60), (61, 80), (810, 1000)]
)
def test_nice_ceiling(value, ceiling):
    """The scale's end is round, its half too, and no value is over it."""
    assert pytest.approx(ceiling) == drawing.nice_ceiling(value)


@pytest.mark.parametrize(
    ("wanted", "places"),
    [
        ([], []),
        ([50.0], [50.0]),
        ([10.0, 40.0, 90.0], [10.0, 40.0, 90.0]),
        ([50.0, 50.0, 50.0], [40.0, 50.0, 60.0]),
        ([0.0, 0.0], [5.0, 15.0]),
        ([99.0, 99.0], [85.0, 95.0]),
    ],
)
def test_spread(wanted, places):
    """Flags keep 10 apart, stay inside 5 to 95 and as near to their instants as that allows."""
    assert places == drawing.spread(wanted, 10.0, 5.0, 95.0)


@pytest.mark.parametrize("width", [drawing.WIDE_PX, drawing.NARROW_PX])
@pytest.mark.parametrize("trial", ["rolled_back", "lost_writes", "interrupted", "promoted", "empty"])
def test_drawing_is_well_formed_and_inside_its_box(trials, trial, width):
    """Each drawing parses as XML and no point of a line is outside."""
    drawing = chart.draw(chart.build(*trials.ALL[trial]()), width, "p")
    root = ElementTree.fromstring(drawing)
    _, _, box_width, box_height = (float(part) for part in root.get("viewBox").split())
    points = [
        tuple(float(part) for part in pair.split(","))
        for each in re.findall(r'points="([^"]+)"', drawing)
        for pair in each.split()
    ]
    assert [] == [(x, y) for x, y in points if not (0 <= x <= box_width and 0 <= y <= box_height)]
    assert "nan" not in drawing


def test_marks_carry_the_numbers_of_the_chain(trials):
    """Every known edge is marked by its place in the chain; unknown ones are not drawn."""
    whole = chart.build(*trials.rolled_back())
    assert list(range(1, 12)) == [mark.place for mark in whole.marks]
    assert [1, 2] == [mark.place for mark in chart.build(*trials.interrupted()).marks]


def test_gap_in_the_values_is_a_gap_in_the_line(trials):
    """While nothing reached the canary its error line is broken, not drawn at 0."""
    drawn = chart.build(*trials.rolled_back())
    after = drawn.series.start_s > 5
    assert True is all(math.isnan(value) for value in drawn.series.bad_percent("canary")[after])
    assert 1 < str(chart.draw(drawn, drawing.WIDE_PX, "p")).count('class="line canary" points')


def test_fault_without_an_end_lasts_to_the_end(trials):
    """An interrupted trial's fault is drawn up to the last instant."""
    drawn = chart.build(*trials.interrupted())
    assert [drawn.to_s] == [fault.to_s for fault in drawn.fault]


def test_chart_has_a_name_and_a_text(trials):
    """The drawing is an image with a name, and its text has the numbers."""
    drawn = chart.build(*trials.rolled_back())
    svg = ElementTree.fromstring(chart.draw(drawn, drawing.WIDE_PX, "p"))
    assert ("img", "p-name p-text") == (svg.get("role"), svg.get("aria-labelledby"))
    text = chart.describe(drawn)
    assert "The configured canary weight rose to 25 % and was 0 % at the end." in text
    assert "alert fires at 2.5 s" in text


def test_fault_on_several_instances_is_one_band(trials):
    """Two instances that are broken at once are one band, from the first switching on to the last healing."""
    evidence, findings = trials.rolled_back()
    second = trials.event(26.4, Kind.FAULT_ON, lo_ns=trials.at(26.3), hi_ns=trials.at(26.4), fault="http_5xx")
    healed = trials.event(52.0, Kind.FAULT_HEALED, lo_ns=trials.at(51.9), hi_ns=trials.at(52.0), fault="http_5xx")
    events = tuple(sorted((*evidence.events, second, healed), key=lambda each: each.t_ns))
    (one,) = chart.build(evidence, findings).fault
    (both,) = chart.build(replace(evidence, events=events), findings).fault
    assert (one.from_s, one.to_s) == (both.from_s, both.to_s)


def test_rollback_lasts_from_the_decision_to_the_last_answer(trials):
    """The band of the rollback begins at the decision and ends with the drained edge; a promoted trial has none."""
    evidence, findings = trials.rolled_back()
    (band,) = chart.build(evidence, findings).rollback
    assert (pytest.approx(30.02 - 26.41), pytest.approx(30.09 - 26.41)) == (band.from_s, band.to_s)
    assert () == chart.build(*trials.promoted()).rollback


def test_rollback_without_an_end_lasts_to_the_end(trials):
    """Where the canary was never seen to get its last request the band goes on, and says so."""
    evidence, findings = trials.rolled_back()
    chain = {
        name: Instant(unknown="never") if name in {"drained", "shifted", "weight_zero_route"} else edge
        for name, edge in findings.chain.items()
    }
    drawn = chart.build(evidence, replace(findings, chain=chain))
    assert [(drawn.to_s, "decided, no end seen")] == [(band.to_s, band.name) for band in drawn.rollback]
