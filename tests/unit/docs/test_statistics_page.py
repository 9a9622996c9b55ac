"""The numbers of docs/explanation/statistics.md are what the judge's own functions give."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from harness.drive.stack.rules import DRILL, SHARE_RULES
from harness.evidence.bounds import PLAYS, AlarmRule, Step, first_alarms_s, quantiles_s
from harness.judge import statistics

PAGE = (Path(__file__).parents[3] / "docs" / "explanation" / "statistics.md").read_text()


def rows(head: str) -> list[list[str]]:
    """The rows of the table with this head."""
    table = PAGE.partition(f"| {head} |\n")[2].partition("\n\n")[0]
    assert table, head
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[1:]]


def number(text: str) -> float:
    """A number of the page; percents as parts of 1."""
    value = float(re.sub(r"[^\d.]", "", text))
    return value / 100 if "%" in text else value


def same(told: str, value: float) -> bool:
    """Whether the page's number is the value, rounded to the digits that it has."""
    digits = len(re.sub(r"[^\d.]", "", told).partition(".")[2]) + (2 if "%" in told else 0)
    return abs(number(told) - value) <= 0.5000001 * 10**-digits


def alarm_rule() -> AlarmRule:
    """CanaryErrorRatioHigh in drill timing."""
    words = SHARE_RULES["CanaryErrorRatioHigh"]
    return AlarmRule(
        window_s=DRILL.window_s,
        threshold=words.share_over,
        count_min=words.count_min,
        for_s=DRILL.for_s,
        scrape_s=DRILL.scrape_s,
        evaluation_s=DRILL.evaluation_s,
        times_stable=words.times_stable,
        was_nought=words.was_nought,
    )


def test_budget():
    """The budget, its nights and its shares."""
    assert f"budget = {statistics.BUDGET:.0e}".replace("e-04", "e-4") in PAGE
    assert "once in 27 years" in PAGE
    assert 27 == int(1 / statistics.BUDGET / 365)
    for count, least in rows("tests in the trial | the smallest p must be below"):
        below = {str(place): 1.0 for place in range(int(count) - 1)}
        assert {"a"} == statistics.refuted({**below, "a": number(least) * 0.999})
        assert set() == statistics.refuted({**below, "a": number(least) * 1.001})


def test_strength():
    """The p of each count of 57, and the interval of 22."""
    told = rows("marked of 57 | p")
    assert len(told) == 4
    assert [] == [row for row in told if not same(row[1], statistics.two_sided_p(int(row[0]), 57, 0.3))]
    low, high = statistics.clopper_pearson(22, 57)
    assert f"{100 * low:.1f} % to {100 * high:.1f} %" in PAGE


def test_shift():
    """What so many requests show at a weight."""
    told = rows("weight | requests | shift that shows, points")
    assert len(told) == 4
    shifts = [100 * statistics.shift_detectable(int(n), number(weight)) for weight, n, _ in told]
    assert [True] * 4 == [same(row[2], shift) for row, shift in zip(told, shifts, strict=True)]


def test_zero():
    """What a zero of n can exclude, exactly and by the rule of three."""
    told = rows("n | r, exact | 3 / n")
    assert len(told) == 5
    assert [] == [row for row in told if not same(row[1], statistics.rate_detectable(int(row[0])))]
    assert [] == [row for row in told if not same(row[2], 3 / int(row[0]))]
    assert f"{100 * statistics.clopper_pearson(0, 98)[1]:.2f} %" in PAGE
    assert f"(1 - 0.001)^98 = {0.999**98:.2f}" in PAGE


@pytest.mark.slow
def test_detection():
    """The bounds and the median of the rule as it is played."""
    assert f"{PLAYS:,} times" in PAGE
    told = rows("requests/s of the canary | soonest | median | latest")
    assert len(told) == 3
    for rate, *figures in told:
        best_s, worst_s = quantiles_s(alarm_rule(), float(rate), 0.3)
        median_s = float(np.median(first_alarms_s(alarm_rule(), float(rate), 0.3, 0.0, "first_faulted_response")))
        assert [True] * 3 == [same(*pair) for pair in zip(figures, (best_s, median_s, worst_s), strict=True)], rate
    best_s, _ = quantiles_s(alarm_rule(), 30.0, 0.3, step=Step(6.0, 1.3))
    assert f"{best_s:.2f} in place of {quantiles_s(alarm_rule(), 30.0, 0.3)[0]:.2f}" in PAGE
