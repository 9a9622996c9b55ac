"""Change points: known series, an independent reference, and silence on noise."""

from __future__ import annotations

import math

import numpy as np
import pytest

from harness.study import change_points
from harness.study.change_points import SEGMENT_MIN, find, pettitt, ranks

# Annual flow of the Nile at Aswan, 1871 to 1970, in 1e8 m³ (Cobb 1978): the textbook series, one change, after 1898.
NILE = (
    1120, 1160, 963, 1210, 1160, 1160, 813, 1230, 1370, 1140, 995, 935, 1110, 994, 1020, 960, 1180, 799, 958, 1140,
    1100, 1210, 1150, 1250, 1260, 1220, 1030, 1100, 774, 840, 874, 694, 940, 833, 701, 916, 692, 1020, 1050, 969,
    831, 726, 456, 824, 702, 1120, 1100, 832, 764, 821, 768, 845, 864, 862, 698, 845, 744, 796, 1040, 759,
    781, 865, 845, 944, 984, 897, 822, 1010, 771, 676, 649, 846, 812, 742, 801, 1040, 860, 874, 848, 890,
    744, 749, 838, 1050, 918, 986, 797, 923, 975, 815, 1020, 906, 901, 1170, 912, 746, 919, 718, 714, 740,
)  # fmt: skip


def by_definition(values):
    """(index after the change, K) by Pettitt's double sum of signs, over every t."""
    n = len(values)
    u = [sum(np.sign(values[i] - values[j]) for i in range(t) for j in range(t, n)) for t in range(1, n)]
    at = max(range(n - 1), key=lambda index: abs(u[index]))
    return at + 1, abs(u[at])


def test_nile_changes_in_1899():
    """The textbook series has one change: 1899 is the first year of the lower level."""
    (found,) = find(NILE)
    assert 1899 == 1871 + found.index
    assert (1110, 845) == pytest.approx((found.before, found.after), abs=30)
    assert found.p < 1e-6


def test_statistic_is_pettitts():
    """Index and p are those of the definition, ties included."""
    at, k = by_definition(NILE)
    n = len(NILE)
    assert (at, pytest.approx(2 * math.exp(-6 * k**2 / (n**3 + n**2)))) == pettitt(np.array(NILE, dtype=float))


def test_ties_share_the_middle_rank():
    """Equal values have equal ranks, and the sum stays n (n + 1) / 2."""
    assert [1.0, 3.0, 3.0, 3.0, 5.0] == ranks(np.array([1.0, 2.0, 2.0, 2.0, 9.0])).tolist()


@pytest.mark.parametrize("count", [40])
def test_noise_has_no_mark(count):
    """Of 1,000 seeded series of 40 values without a change, at least 95 in 100 have no mark; 99 are meant to."""
    marked = sum(bool(find(np.random.default_rng(seed).lognormal(size=count))) for seed in range(1000))
    assert marked <= 0.02 * 1000


def test_new_level_is_seen_after_eight_runs():
    """After 30 runs on one level, seven on another are not told from chance, eight are, from the first of them on."""
    assert () == find([2.0] * 30 + [3.0] * 7)
    (found,) = find([2.0] * 30 + [3.0] * 8)
    assert (30, 2.0, 3.0) == (found.index, found.before, found.after)


def test_each_side_is_tested_again():
    """Up and down again are two marks, with the medians of the levels beside each."""
    found = find([1.0] * 20 + [9.0] * 20 + [2.0] * 20)
    assert [(20, 1.0, 9.0), (40, 9.0, 2.0)] == [(one.index, one.before, one.after) for one in found]


def test_one_wild_value_makes_no_mark():
    """A test of ranks is moved by how many values are high, not by how high one is."""
    values = np.random.default_rng(3).normal(2, 0.1, 40)
    values[20] = 1e9
    assert () == find(values.tolist())


def test_only_the_order_counts():
    """A monotone change of the scale moves no mark."""
    values = np.concatenate([np.random.default_rng(5).normal(2, 0.3, 25), np.random.default_rng(6).normal(3, 0.3, 25)])
    assert [one.index for one in find(values.tolist())] == [one.index for one in find(np.exp(values).tolist())] != []


@pytest.mark.parametrize("values", [[], [1.0], [0.0] * 200, [1.0] * (SEGMENT_MIN - 1) + [9.0] * SEGMENT_MIN])
def test_too_short_or_constant_has_no_mark(values):
    """Nothing is found where there is nothing to compare."""
    assert () == find(values)


def test_no_part_is_shorter_than_the_least():
    """A change that is clear but too near an end is marked where the least part allows it."""
    found = find([0.0] * 60 + [9.0] * 60 + [0.0] * (SEGMENT_MIN - 1))
    edges = [0, *(one.index for one in found), 120 + SEGMENT_MIN - 1]
    assert min(np.diff(edges)) >= SEGMENT_MIN


def test_gap_is_a_mistake_of_the_caller():
    """What was not measured must be left out before."""
    with pytest.raises(AssertionError, match="no gaps"):
        find([1.0, float("nan")])


def test_strictness_is_what_the_page_says():
    """The page tells its readers 1 %."""
    assert 0.01 == change_points.ALPHA


def test_equal_medians_give_way_to_means():
    """A count that was 0 and is now 0 in most runs only has a level: its mean."""
    (found,) = find([0.0] * 60 + [2.0, 0.0, 4.0, 0.0, 0.0] * 12)
    assert (60, 0.0, 1.2) == (found.index, found.before, found.after)
