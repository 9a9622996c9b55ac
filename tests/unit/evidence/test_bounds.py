"""The first alarm by chance, against flips that were measured and against cases that a pencil can do."""

from __future__ import annotations

import math
from dataclasses import replace

import msgspec
import numpy as np
import pytest

from harness.drive.stack import rules
from harness.evidence import bounds
from harness.evidence.bounds import AlarmRule, Step

DRILL = AlarmRule(window_s=5, threshold=0.05, count_min=3, for_s=1, scrape_s=1, evaluation_s=1)
FLIPS = 32
# Measured once: seconds from fault to webhook over 32 flips of a 30 % fault, with 0.1 % background errors, by window,
# least count and `for`, at so many canary requests/s: (p50, p95, max). The guard of those days, `increase > 2.5`, read
# 2 errors as enough whenever a scrape was a little late; where it decides, at 6 requests/s, both counts are tried.
MEASURED = (
    (4, 1, 1, 30, (2.57, 3.32, 3.41)),
    (4, 1, 1, 6, (2.44, 3.63, 4.28)),
    (5, 1, 1, 30, (2.72, 3.63, 4.12)),
    (5, 1, 1, 6, (2.67, 3.94, 4.70)),
    (5, 3, 1, 30, (2.73, 3.63, 4.13)),
    (5, 2, 1, 6, (3.07, 4.66, 5.07)),
    (5, 3, 1, 6, (3.07, 4.66, 5.07)),
    (5, 3, 0, 30, (1.72, 2.63, 3.13)),
    (5, 2, 0, 6, (2.06, 3.67, 4.07)),
    (5, 3, 0, 6, (2.06, 3.67, 4.07)),
    (10, 3, 1, 30, (3.70, 4.51, 5.11)),
    (10, 3, 1, 6, (3.31, 5.11, 5.64)),
)


def with_background(window_s, count_min, for_s):
    """The measured rule; its counter of errors was not 0, since it had run for long."""
    return AlarmRule(
        window_s=window_s,
        threshold=0.05,
        count_min=count_min,
        for_s=for_s,
        scrape_s=1,
        evaluation_s=1,
        times_stable=3,
        stable_share=0.001,
        was_nought=False,
    )


@pytest.mark.parametrize(("window_s", "count_min", "for_s", "rate_rps", "measured"), MEASURED)
def test_measured_flips_are_such_as_chance_makes_them(window_s, count_min, for_s, rate_rps, measured):
    """Median, p95 and maximum of 32 flips each lie within what 99.9 % of 32 plays have."""
    rule = with_background(window_s, count_min, for_s)
    times_s = bounds.first_alarms_s(rule, float(rate_rps), 0.3, 0.001, "fault_on")
    draws = np.random.default_rng(5).choice(times_s, (4000, FLIPS))
    for value, part in zip(measured, (50, 95, 100), strict=True):
        low, high = np.percentile(np.percentile(draws, part, axis=1), [0.05, 99.95])
        assert low < value < high


@pytest.mark.parametrize(("window_s", "count_min", "for_s", "rate_rps", "measured"), MEASURED)
def test_no_measured_flip_was_later_than_the_worst(window_s, count_min, for_s, rate_rps, measured):
    """The slowest of 32 flips is inside, and the worst is no more than six seconds above it."""
    rule = with_background(window_s, count_min, for_s)
    _, worst = bounds.quantiles_s(rule, float(rate_rps), 0.3, 0.001, "fault_on")
    assert measured[2] < worst < measured[2] + 6


def test_of_a_flood_only_the_phases_are_left_to_chance():
    """All of 5,000 answers a second bad, 5 % of the window is passed 0.2 to 0.25 s after the fault.

    Best: a scrape just then, an evaluation at once, and one second of `for`. Worst: a scrape just before, so that the
    next tells, the evaluation a whole second after that.
    """
    best, worst = bounds.quantiles_s(replace(DRILL, window_s=5), 5_000.0, 1.0)
    assert 1.2 < best < 1.35
    assert 3.1 < worst < 3.26


def test_the_drills_bounds_stay_what_they_are():
    """Pinned: with the same seed and a generator that never changes, the same figures everywhere."""
    quantiles = [bounds.quantiles_s(DRILL, rate_rps, 0.3) for rate_rps in (30.0, 6.0)]
    assert [(1.43, 4.28), (1.26, 9.82)] == [(round(best, 2), round(worst, 2)) for best, worst in quantiles]


def test_words_one_by_one_and_a_rule_ask_the_same():
    """Both ways into the module give the same quantiles."""
    spelt = bounds.first_alarm_quantiles_s(
        rate_rps=30.0,
        share=0.3,
        window_s=5,
        threshold=0.05,
        count_min=3,
        for_s=1,
        scrape_s=1,
        evaluation_s=1,
    )
    assert bounds.quantiles_s(DRILL, 30.0, 0.3) == spelt


def test_group_wait_comes_on_top():
    """Ten seconds of waiting make both quantiles ten seconds later."""
    best, worst = bounds.quantiles_s(DRILL, 30.0, 0.3)
    waited = bounds.quantiles_s(replace(DRILL, group_wait_s=10.0), 30.0, 0.3)
    assert pytest.approx((best + 10.0, worst + 10.0)) == waited


def test_from_the_fault_on_takes_longer_than_from_its_first_answer():
    """At 2 faulted answers a second the first comes after half a second in the mean."""
    since_fault = bounds.first_alarms_s(DRILL, 6.0, 1 / 3, 0.0, "fault_on")
    since_answer = bounds.first_alarms_s(DRILL, 6.0, 1 / 3, 0.0, "first_faulted_response")
    assert pytest.approx(0.5, abs=0.02) == float(np.mean(since_fault) - np.mean(since_answer))


@pytest.mark.parametrize(("share", "relied_upon"), [(0.04, False), (0.06, False), (0.3, True)])
def test_a_fault_that_the_rule_may_miss_has_no_worst(share, relied_upon):
    """Under the limit, and so little above it that five windows may pass, the worst is infinite."""
    _, worst = bounds.quantiles_s(DRILL, 30.0, share)
    assert relied_upon == math.isfinite(worst)


def test_stables_errors_raise_what_the_canary_must_exceed():
    """With 12 % on stable the limit is 36 %, and a share of 30 % is not relied upon; with 1 % nothing changes."""
    lenient = replace(DRILL, times_stable=3.0, stable_share=0.01)
    strict = replace(DRILL, times_stable=3.0, stable_share=0.12)
    assert bounds.quantiles_s(DRILL, 30.0, 0.3) == bounds.quantiles_s(lenient, 30.0, 0.3)
    assert math.inf == bounds.quantiles_s(strict, 30.0, 0.3)[1]


def test_alarms_are_in_order_and_read_only():
    """One for each play; whoever asked before cannot have changed them."""
    times_s = bounds.first_alarms_s(DRILL, 30.0, 0.3, 0.0, "first_faulted_response")
    assert (bounds.PLAYS,) == times_s.shape
    assert bool(np.all(times_s[1:] >= times_s[:-1]))
    with pytest.raises(ValueError, match="read-only"):
        times_s[0] = 0.0


@pytest.mark.parametrize(
    ("alert", "threshold", "count_min"), [("CanaryErrorRatioHigh", 0.05, 3), ("CanaryLatencyHigh", 0.25, 5)]
)
def test_a_manifests_timing_says_the_rule(alert, threshold, count_min):
    """What the rules render is what the bounds play."""
    rule = bounds.alarm_rule(msgspec.to_builtins(rules.DRILL), alert)
    assert rule == AlarmRule(
        window_s=5,
        threshold=threshold,
        count_min=count_min,
        for_s=1,
        scrape_s=1,
        evaluation_s=1,
        times_stable=3,
        was_nought=alert == "CanaryErrorRatioHigh",
    )


@pytest.mark.parametrize(
    ("timing", "alert"),
    [(msgspec.to_builtins(rules.DRILL), "CanaryDown"), ({"name": "drill", "scrape_s": 1}, "CanaryErrorRatioHigh")],
)
def test_a_rule_that_counts_no_share_has_no_bounds(timing, alert):
    """An alert of another kind, and a manifest that says nothing of rules."""
    assert bounds.alarm_rule(timing, alert) is None


def test_a_step_just_before_the_fault_makes_the_best_sooner():
    """The younger the step and the less there was before it, the fewer good answers stand beside the bad ones."""
    young, middle, low = (Step(15.0, 0.5), Step(15.0, 3.0), Step(6.0, 0.5))
    best_s = [bounds.quantiles_s(DRILL, 30.0, 0.3, step=step)[0] for step in (low, young, middle, None)]
    assert sorted(best_s) == best_s
    assert [1.14, 1.21, 1.36, 1.43] == [round(one, 2) for one in best_s]


def test_a_step_leaves_the_worst_alone():
    """A window that is full of good answers takes the longest."""
    _, worst = bounds.quantiles_s(DRILL, 30.0, 0.3)
    assert worst == bounds.quantiles_s(DRILL, 30.0, 0.3, step=Step(6.0, 0.5))[1]


@pytest.mark.parametrize("age_s", [6.0, math.inf])
def test_a_step_that_no_window_sees_changes_nothing(age_s):
    """One window and one scrape before the fault it is out of reach."""
    assert bounds.quantiles_s(DRILL, 30.0, 0.3) == bounds.quantiles_s(DRILL, 30.0, 0.3, step=Step(6.0, age_s))


def test_where_the_canary_had_no_traffic_only_the_count_holds_the_alarm_back():
    """Its good answers have no series yet: three bad ones, a scrape, an evaluation and the second of `for` are left.

    In a flood the three are there at once.
    """
    best, _ = bounds.quantiles_s(DRILL, 5_000.0, 1.0, step=Step(0.0, 1.0))
    assert 1.0 < best < 1.05


def test_a_rate_that_fell_is_a_programmers_mistake():
    """The worst would be later than what is played."""
    with pytest.raises(AssertionError, match="goes down"):
        bounds.first_alarms_s(DRILL, 30.0, 0.3, 0.0, "fault_on", Step(60.0, 1.0))


@pytest.mark.parametrize(("rate_rps", "share"), [(0.0, 0.3), (30.0, 0.0), (30.0, 1.5)])
def test_no_traffic_and_no_fault_are_programmers_mistakes(rate_rps, share):
    """There is nothing to wait for; whoever asks must have looked before."""
    with pytest.raises(AssertionError):
        bounds.first_alarms_s(DRILL, rate_rps, share, 0.0, "fault_on")


def test_a_window_needs_two_scrapes():
    """Fewer give no rate."""
    with pytest.raises(AssertionError, match="no two scrapes"):
        bounds.first_alarms_s(replace(DRILL, window_s=1.5), 30.0, 0.3, 0.0, "fault_on")
