"""When an alert can fire first: how soon, and how late, chance allows.

A rule that counts few requests sees a fault at a random moment, so a bound on detection is a quantile and no
formula: the fluid one, window x threshold / share, was outside in 17 of 32 measured flips at 6 requests/s. Here the
rule is played through on made-up Poisson traffic, as Prometheus reads it, and the time of its first alarm is
kept. The judge compares a measured detection with what comes out; the rule's own words are in a manifest under
`timing` (see harness.drive.stack.rules.Timing).

What is played: answers of the canary as a Poisson process, bad ones with `share` from the fault on; scrapes and
evaluations at two independent random phases; `increase` and `rate` as Prometheus stretches them to the window's
edges, with its guard for a counter that was 0; the ratio, the least count, stable's share; `for`, counted in
evaluations; group_wait; and, for the sooner bound, a step of the canary's weight shortly before the fault. The seed
is fixed and the generator is the one that NumPy promises never to change, so the same question has the same answer
everywhere.

Not covered: lost or late scrapes and skipped evaluations (the evidence tells of those), a rate that changes after
the fault while the rule is still counting (ask for the lowest and the highest), one that fell before it, the way of
a notification (milliseconds), and stable's share as chance has it (its mean is used).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Since = Literal["first_faulted_response", "fault_on"]

BEST_QUANTILE: Final = 0.0005
WORST_QUANTILE: Final = 0.9995
# 25 of 50,000 lie beyond either quantile; from seed to seed the worst one moves by 0.04 s at 30 requests/s and by 0.2 s
# at 6 (standard deviations). A question takes 0.2 to 0.5 s.
PLAYS: Final = 50_000
SEED: Final = 20_261
HORIZON_WINDOWS: Final = 5
# Prometheus stretches to the window's edge when the gap is below 1.1 mean distances of samples, else by half of one.
STRETCH_GAPS_MAX: Final = 1.1


@dataclass(frozen=True, slots=True)
class AlarmRule:
    """One share rule and how often it is looked at. Seconds; `threshold` and the shares are parts of 1.

    `was_nought`: the counter of bad answers was 0 before the fault, as that of 5xx is; a difference of two counters
    that were not, as slow answers are, is False. `stable_share`: the part of stable's answers that is bad.
    """

    window_s: float
    threshold: float
    count_min: int
    for_s: float
    scrape_s: float
    evaluation_s: float
    group_wait_s: float = 0.0
    times_stable: float = 0.0
    stable_share: float = 0.0
    was_nought: bool = True

    @property
    def over(self) -> float:
        """What the share must be over, stable's share minded."""
        return max(self.threshold, self.times_stable * self.stable_share)

    @property
    def horizon_s(self) -> float:
        """How long is played; an alarm after that counts as none."""
        return HORIZON_WINDOWS * self.window_s + self.for_s


@dataclass(frozen=True, slots=True)
class Step:
    """The canary's rate rose to what it is `age_s` before the fault; up to there it was `earlier_rps`."""

    earlier_rps: float
    age_s: float

    def is_within(self, rule: AlarmRule) -> bool:
        """Whether a window that sees the fault can still see what was before the step."""
        return self.age_s < reach_s(rule)


def reach_s(rule: AlarmRule) -> float:
    """How long before the fault an answer can lie that the rule still counts beside a faulted one."""
    return rule.window_s + rule.scrape_s


def first_alarm_quantiles_s(
    *,
    rate_rps: float,
    share: float,
    window_s: float,
    threshold: float,
    count_min: int,
    for_s: float,
    scrape_s: float,
    evaluation_s: float,
    group_wait_s: float = 0.0,
    times_stable: float = 0.0,
    stable_share: float = 0.0,
    background_share: float = 0.0,
    was_nought: bool = True,
    since: Since = "first_faulted_response",
) -> tuple[float, float]:
    """(best, worst) of `quantiles_s`, for a rule given word by word; see AlarmRule for the words."""
    rule = AlarmRule(
        window_s=window_s,
        threshold=threshold,
        count_min=count_min,
        for_s=for_s,
        scrape_s=scrape_s,
        evaluation_s=evaluation_s,
        group_wait_s=group_wait_s,
        times_stable=times_stable,
        stable_share=stable_share,
        was_nought=was_nought,
    )
    return quantiles_s(rule, rate_rps, share, background_share, since)


def alarm_rule(timing: Mapping[str, Any], alert: str) -> AlarmRule | None:
    """The share rule behind `alert` in a manifest's `timing`; None where it says of no such rule.

    Without group_wait: it ends with the evaluation that fires. `dataclasses.replace` adds one, or stable's share.
    """
    words = timing.get("share_rules", {}).get(alert)
    if words is None:
        return None
    return AlarmRule(
        window_s=float(timing["window_s"]),
        threshold=float(words["share_over"]),
        count_min=int(words["count_min"]),
        for_s=float(timing["for_s"]),
        scrape_s=float(timing["scrape_s"]),
        evaluation_s=float(timing["evaluation_s"]),
        times_stable=float(words["times_stable"]),
        was_nought=bool(words["was_nought"]),
    )


def quantiles_s(
    rule: AlarmRule,
    rate_rps: float,
    share: float,
    background_share: float = 0.0,
    since: Since = "first_faulted_response",
    step: Step | None = None,
) -> tuple[float, float]:
    """(best, worst): the 0.05 % and 99.95 % quantiles, in seconds from `since` to the first alarm and its group_wait.

    `rate_rps` is the canary's own rate, `share` the part of its answers that the fault makes bad and
    `background_share` the part that is bad anyway. Infinity where so many plays had no alarm within five windows: then
    the rule cannot be relied upon to see this fault. A `step` makes the best sooner; the worst is played
    without, since fewer good answers in the window never make an alarm later.
    """
    worst_s = first_alarms_s(rule, rate_rps, share, background_share, since)
    young = step is not None and step.is_within(rule)
    best_s = first_alarms_s(rule, rate_rps, share, background_share, since, step) if young else worst_s
    return float(best_s[round(BEST_QUANTILE * (PLAYS - 1))]), float(worst_s[round(WORST_QUANTILE * (PLAYS - 1))])


@lru_cache(maxsize=64)  # a judge asks again for each mutated copy of one evidence
def first_alarms_s(
    rule: AlarmRule, rate_rps: float, share: float, background_share: float, since: Since, step: Step | None = None
) -> Floats:
    """The first alarms of PLAYS plays, in rising order, infinity for none. Shape (PLAYS,), seconds; read-only."""
    assert rate_rps > 0, f"a canary with {rate_rps} requests/s answers nothing"
    assert step is None or 0 <= step.earlier_rps <= rate_rps, f"{step} goes down to {rate_rps} requests/s"
    assert 0 < share <= 1, f"a share of {share} is no fault"
    assert rule.window_s >= 2 * rule.scrape_s, f"a window of {rule.window_s} s has no two scrapes in it"
    plays = _Plays(rule, rate_rps, share, background_share, step)
    fired_s = _fired_s(rule, plays) + rule.group_wait_s
    times_s = np.sort(fired_s - plays.first_bad_s if since == "first_faulted_response" else fired_s)
    times_s.setflags(write=False)
    return times_s


class _Plays:
    """What the scrapes of every play read, drawn only as far as somebody looks.

    Time 0 is the fault. Scrape k of a play is at `phase_s` + (k + first) x scrape_s, with `first` below 0; `bad` and
    `good` are the counters there, shape (scrapes, plays). The fault's first bad answer is drawn by itself; up to it
    there is none of its kind, and from it on they are Poisson.
    """

    def __init__(
        self, rule: AlarmRule, rate_rps: float, share: float, background_share: float, step: Step | None
    ) -> None:
        self.stepped_s = -step.age_s if step else -math.inf
        self.earlier_part = step.earlier_rps / rate_rps if step else 1.0
        self.chance = np.random.RandomState(SEED)
        self.scrape_s = rule.scrape_s
        self.bad_anyway_rps = rate_rps * background_share
        self.well_rps = rate_rps - self.bad_anyway_rps
        self.share = share
        self.first_bad_s: Floats = self.chance.exponential(1 / (rate_rps * share), PLAYS)
        self.phase_s: Floats = self.chance.uniform(0, rule.scrape_s, PLAYS)
        self.evaluation_phase_s: Floats = self.chance.uniform(0, rule.evaluation_s, PLAYS)
        self.first = -math.ceil(rule.window_s / rule.scrape_s) - 1
        count = math.ceil((rule.horizon_s + rule.evaluation_s) / rule.scrape_s) + 1 - self.first
        self.bad = np.zeros((count, PLAYS))
        self.good = np.zeros((count, PLAYS))
        self.drawn = 1  # the first scrape only sets the zero

    def draw_until(self, at_s: float) -> None:
        """Make every scrape that lies before `at_s`."""
        while (self.drawn + self.first) * self.scrape_s <= at_s:
            self._draw(self.drawn)
            self.drawn += 1

    def _draw(self, scrape: int) -> None:
        """The answers since the scrape before: bad ones anyway, the fault's share of the others, and what is left."""
        until_s = self.phase_s + (scrape + self.first) * self.scrape_s
        since_s = until_s - self.scrape_s
        faulted_s = np.clip(until_s, 0, None) - np.clip(since_s, 0, None)
        hit_s = np.clip(until_s - self.first_bad_s, 0, None) - np.clip(since_s - self.first_bad_s, 0, None)
        earlier_s = np.clip(self.stepped_s - since_s, 0, self.scrape_s)
        full_s = self.scrape_s - (1 - self.earlier_part) * earlier_s  # so long at the full rate gives as many answers
        bad_mean = self.bad_anyway_rps * full_s + self.well_rps * self.share * hit_s
        good_mean = self.well_rps * (full_s - self.share * faulted_s)
        first_bad = (since_s < self.first_bad_s) & (self.first_bad_s <= until_s)
        self.bad[scrape] = self.bad[scrape - 1] + self.chance.poisson(bad_mean) + first_bad
        # At a share of 1 what is left of the others is 0 give or take a rounding.
        self.good[scrape] = self.good[scrape - 1] + self.chance.poisson(np.maximum(good_mean, 0.0))


def _fired_s(rule: AlarmRule, plays: _Plays) -> Floats:
    """When each play's alert fires first, infinity where it does not. Shape (PLAYS,), seconds after the fault."""
    needed = math.ceil(rule.for_s / rule.evaluation_s) + 1  # true at the first of them and still true at the last
    fired_s = np.full(PLAYS, np.inf)
    run = np.zeros(PLAYS, dtype=np.int64)
    for number in range(math.ceil(rule.horizon_s / rule.evaluation_s)):
        at_s = plays.evaluation_phase_s + number * rule.evaluation_s
        plays.draw_until((number + 1) * rule.evaluation_s)
        run = np.where(_is_true(rule, plays, at_s), run + 1, 0)
        fired_s = np.where((run >= needed) & np.isinf(fired_s), at_s, fired_s)
        if not np.isinf(fired_s).any():
            break
    return fired_s


def _is_true(rule: AlarmRule, plays: _Plays, at_s: Floats) -> Any:
    """Whether the rule's expression holds at these instants. Shape (PLAYS,) bool."""
    last = np.floor((at_s - plays.phase_s) / rule.scrape_s).astype(np.int64)
    start = np.ceil((at_s - rule.window_s - plays.phase_s) / rule.scrape_s).astype(np.int64)
    columns = np.arange(PLAYS)

    def read(counter: Floats, number: npt.NDArray[np.int64]) -> Floats:
        found: Floats = counter[number - plays.first, columns]
        return found

    bad_before = read(plays.bad, start)
    bad, good = read(plays.bad, last) - bad_before, read(plays.good, last) - read(plays.good, start)
    mean_s = rule.scrape_s
    span_s = (last - start) * mean_s
    start_s = start * mean_s + plays.phase_s - (at_s - rule.window_s)
    end_s = _stretch_s(at_s - (last * mean_s + plays.phase_s), mean_s)
    nought_s = span_s * bad_before / np.maximum(bad, 1.0) if rule.was_nought else start_s
    bad_read = bad * (span_s + _stretch_s(np.minimum(start_s, nought_s), mean_s) + end_s)
    good_read = good * (span_s + _stretch_s(start_s, mean_s) + end_s)
    if plays.earlier_part == 0:
        # A series that its first answer makes shows no increase yet; how much that hides is not known, so all of it.
        good_read = np.where(at_s - rule.window_s < plays.stepped_s, 0.0, good_read)
    return (bad >= rule.count_min) & (bad_read > rule.over * (bad_read + good_read))


def _stretch_s(gap_s: Floats, mean_s: float) -> Floats:
    return np.where(gap_s < STRETCH_GAPS_MAX * mean_s, gap_s, mean_s / 2)
