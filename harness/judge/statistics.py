"""Binomial and Poisson statistics with numpy alone, one sequential test, and what is shared by all of a trial's tests.

scipy has most of this, but importing it takes seconds, and `harness judge` should answer at once; tests
compare these functions with scipy's. Exact sums over the whole distribution rather than a normal
approximation: a trial has tens of canary answers, not thousands.

Terms. The *budget* is the chance that the statistics of one honest trial, all of them together, turn anything
red. Holm's rule shares it among them: the smallest p must be below budget / m, the next below budget / (m - 1),
and so on to the first that is not. A p is *anytime-valid* when it may be looked at after every request and
ended at whichever moment: an alert ends a step, and it ends it sooner where the canary got more.

Not covered: effects between the tests; Holm's rule needs no assumption about them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

import numpy as np

# At 5 % one honest trial in twenty would be thrown away; a nightly drill meets this once in 27 years.
BUDGET: Final = 1e-4
# Weight of the prior of the sequential test, as so many requests seen in advance; with 100 it sees 10 % for 5 % after
# some 500 requests, a shift of 8 points at 25 % after 1,800.
_PRIOR_COUNT: Final = 100.0
# Two-sided 1 % and a power of 95 %: what the number of requests of a step is planned with.
_Z_ALPHA: Final = 2.5758293
_Z_BETA: Final = 1.6448536
# Beyond so many standard deviations a Poisson count has a probability below 1e-300 on either side.
_POISSON_SDS: Final = 40

# What scipy's binomtest uses: terms that are equal on paper must not be parted by rounding.
_SAME_WITHIN = 1 + 1e-7
# Each halves the interval: 60 halvings of [0, 1] end at a double's resolution.
_HALVINGS = 60


def _probabilities(n: int, p: float) -> np.ndarray[Any, Any]:
    """P(X = i) for i in 0..n of a binomial X. Shape (n + 1,)."""
    i = np.arange(n + 1)
    if p <= 0.0 or p >= 1.0:
        return np.asarray(i == (n if p >= 1.0 else 0), dtype=np.float64)
    log_factorial = np.concatenate(([0.0], np.cumsum(np.log(np.arange(1, n + 1)))))
    log_choose = log_factorial[n] - log_factorial - log_factorial[::-1]
    return np.asarray(np.exp(log_choose + i * math.log(p) + (n - i) * math.log1p(-p)))


def tail_low(k: int, n: int, p: float) -> float:
    """P(X <= k)."""
    return min(1.0, float(_probabilities(n, p)[: k + 1].sum()))


def tail_high(k: int, n: int, p: float) -> float:
    """P(X >= k)."""
    return min(1.0, float(_probabilities(n, p)[k:].sum()))


def two_sided_p(k: int, n: int, p: float) -> float:
    """The probability of a count as unlikely as k or more so, on either side. 1 for n = 0: nothing speaks against p."""
    probabilities = _probabilities(n, p)
    return min(1.0, float(probabilities[probabilities <= probabilities[k] * _SAME_WITHIN].sum()))


def clopper_pearson(k: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """The exact interval of a share after k of n; (0, 1) for n = 0."""
    if n == 0:
        return 0.0, 1.0
    alpha = (1 - confidence) / 2
    low = 0.0 if k == 0 else _root(lambda p: tail_high(k, n, p) < alpha)
    high = 1.0 if k == n else _root(lambda p: tail_low(k, n, p) > alpha)
    return low, high


def _root(is_below: Any) -> float:
    """The p in [0, 1] at which `is_below` turns from True to False."""
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if is_below(middle) else (low, middle)
    return (low + high) / 2


def rate_detectable(n: int) -> float:
    """The rate that would have shown at least once in n with 95 %: what a zero of n can exclude. 1 for n = 0."""
    return 1.0 if n == 0 else -math.expm1(math.log(0.05) / n)


def poisson_two_sided_p(k: int, mean: float) -> float:
    """The probability of a Poisson count as unlikely as k or more so, on either side. `mean` must be above 0."""
    reach = math.ceil(_POISSON_SDS * (math.sqrt(mean) + 1))
    low, high = max(0, math.floor(mean) - reach), math.ceil(mean) + reach
    if not low <= k <= high:
        return 0.0
    i = np.arange(low, high + 1)
    steps = np.concatenate(([0.0], math.log(mean) - np.log(i[1:])))
    probabilities = np.exp(low * math.log(mean) - mean - math.lgamma(low + 1) + np.cumsum(steps))
    return min(1.0, float(probabilities[probabilities <= probabilities[k - low] * _SAME_WITHIN].sum()))


def anytime_p(hits: np.ndarray[Any, Any], share: float) -> float:
    """The anytime-valid p of independent trials, in their order, each a hit with probability `share`.

    A mixture of all shares, weighted by a beta distribution around `share`, bets against it; the best that the bet
    ever stood at is, by Ville's inequality, 1 / p at most. `hits`: bool, shape (n,). 1 for n = 0.
    """
    n = hits.size
    if n == 0:
        return 1.0
    if share <= 0.0 or share >= 1.0:  # a certainty is refuted by one trial, and by nothing less
        return 1.0 if bool((hits == (share >= 1.0)).all()) else 0.0
    before = np.concatenate(([0], np.cumsum(hits)[:-1]))
    predicted = (_PRIOR_COUNT * share + before) / (_PRIOR_COUNT + np.arange(n))
    gains = np.where(hits, np.log(predicted / share), np.log((1 - predicted) / (1 - share)))
    return float(math.exp(-max(0.0, float(np.cumsum(gains).max()))))


def shift_detectable(n: int, share: float) -> float:
    """The shift of `share`, towards one half, that n trials show at a two-sided 1 % with a power of 95 %. 1 for n = 0.

    It is how much n is worth and no test: the normal approximation by which such numbers are planned (1,398 requests
    for 5 points at 25 %).
    """
    if n == 0:
        return 1.0
    towards = 1.0 if share <= 0.5 else -1.0

    def is_enough(shift: float) -> bool:
        shifted = share + towards * shift
        spread = _Z_ALPHA * math.sqrt(share * (1 - share)) + _Z_BETA * math.sqrt(max(0.0, shifted * (1 - shifted)))
        return shift < spread / math.sqrt(n)

    return _root(is_enough)


def refuted(p_values: Mapping[str, float], budget: float = BUDGET) -> frozenset[str]:
    """Names of the hypotheses that these p-values refute, the budget shared by Holm's rule."""
    found: set[str] = set()
    ordered = sorted(p_values.items(), key=lambda item: (item[1], item[0]))
    for place, (name, p) in enumerate(ordered):
        if p >= budget / (len(ordered) - place):
            break
        found.add(name)
    return frozenset(found)
