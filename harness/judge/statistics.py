"""Exact binomial statistics with numpy alone.

scipy has all of this, but importing it takes seconds, and `harness judge` should answer at once; tests
compare these functions with scipy's. Exact sums over the whole distribution rather than a normal
approximation: a trial has tens of canary answers, not thousands.

Not covered: sequential tests; nothing here is looked at while it grows.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

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
