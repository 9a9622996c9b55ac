"""Where a series of numbers changes its level: Pettitt's test, applied again to either side of what it found.

Source: A. N. Pettitt, "A Non-Parametric Approach to the Change-Point Problem", Journal of the Royal Statistical
Society, Series C (Applied Statistics), 28 (2), 1979, pages 126 to 135. With r_i the rank of value i among n (ties
share their middle rank), U_t = 2 (r_1 + ... + r_t) - t (n + 1); the series most likely changes after the t with the
greatest |U_t| = K, and p is about 2 exp(-6 K² / (n³ + n²)), which is somewhat above the true p: the test errs
towards silence. Binary segmentation: where p is below ALPHA, both parts are tested by themselves.

It knows nothing of the values' distribution, only of their order; so one wild value cannot make a mark, and a new
level needs several runs to be told from chance: after 30 runs on one level the eighth on another. A part has
SEGMENT_MIN values at least. Deterministic; nothing is drawn.

Not covered: a slow drift (it is marked near its middle), a change of the spread alone.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

ALPHA: Final = 0.01  # a page shows dozens of series: at 5 % one in twenty would carry a mark for nothing
SEGMENT_MIN: Final = 5


@dataclass(frozen=True, slots=True)
class ChangePoint:
    """`index`: the first value of the new level. `before`, `after`: medians up to the neighbouring marks, or where
    those are equal the means: of a count that is 0 in most runs, two medians say nothing of a change."""

    index: int
    p: float
    before: float
    after: float


def find(values: Sequence[float]) -> tuple[ChangePoint, ...]:
    """Every change of level, in order; none in fewer than 2 SEGMENT_MIN values. `values` are finite."""
    assert all(map(math.isfinite, values)), "a series has no gaps: leave out what was not measured"
    found = sorted(_split(np.asarray(values, dtype=np.float64), 0))
    edges = [0, *(index for index, _ in found), len(values)]
    parts = [values[first:last] for first, last in itertools.pairwise(edges)]
    return tuple(ChangePoint(index, p, *_levels(*parts[place : place + 2])) for place, (index, p) in enumerate(found))


def _levels(before: Sequence[float], after: Sequence[float]) -> tuple[float, float]:
    medians = float(np.median(before)), float(np.median(after))
    return medians if medians[0] != medians[1] else (float(np.mean(before)), float(np.mean(after)))


def pettitt(values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> tuple[int, float]:
    """(index of the first value after the likeliest change, p). n is 2 SEGMENT_MIN at least."""
    n = values.size
    assert n >= 2 * SEGMENT_MIN, n
    t = np.arange(1, n + 1)
    u = np.abs(2 * np.cumsum(ranks(values)) - t * (n + 1))[SEGMENT_MIN - 1 : n - SEGMENT_MIN]
    at = int(np.argmax(u))
    p = 2 * math.exp(-6 * float(u[at]) ** 2 / (n**3 + n**2))
    return at + SEGMENT_MIN, min(1.0, p)


def ranks(values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Ranks from 1; equal values share the middle of theirs. Shape (n,)."""
    _, group, count = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(count)
    return np.asarray(last[group] - (count[group] - 1) / 2, dtype=np.float64)


def _split(values: np.ndarray[tuple[int], np.dtype[np.float64]], offset: int) -> list[tuple[int, float]]:
    """(index in the whole series, p) of every change inside; each call splits, so it ends after n / SEGMENT_MIN."""
    if values.size < 2 * SEGMENT_MIN:
        return []
    at, p = pettitt(values)
    if p >= ALPHA:
        return []
    return [*_split(values[:at], offset), (offset + at, p), *_split(values[at:], offset + at)]
