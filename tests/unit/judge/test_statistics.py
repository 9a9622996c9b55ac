"""Our own binomial statistics against scipy's."""

import itertools

import numpy as np
import pytest
from scipy import stats

from harness.judge import statistics

COUNTS = [(0, 1), (1, 1), (0, 7), (3, 7), (7, 7), (11, 34), (34, 34), (60, 200), (500, 1_000)]
SHARES = (0.0, 0.01, 0.3, 0.5, 0.97, 1.0)
TABLE = list(itertools.product(COUNTS, SHARES))


@pytest.mark.parametrize(("counts", "p"), TABLE)
def test_tails(counts, p):
    """Both tails are the exact ones, the count itself in each."""
    k, n = counts
    assert stats.binom.cdf(k, n, p) == pytest.approx(statistics.tail_low(k, n, p), rel=1e-9, abs=1e-300)
    assert stats.binom.sf(k - 1, n, p) == pytest.approx(statistics.tail_high(k, n, p), rel=1e-9, abs=1e-300)


@pytest.mark.parametrize(("counts", "p"), TABLE)
def test_two_sided_p(counts, p):
    """The two-sided p is that of scipy's exact binomial test."""
    k, n = counts
    assert stats.binomtest(k, n, p).pvalue == pytest.approx(statistics.two_sided_p(k, n, p), rel=1e-6, abs=1e-300)


@pytest.mark.parametrize("counts", COUNTS)
@pytest.mark.parametrize("confidence", [0.95, 0.9999])
def test_clopper_pearson(counts, confidence):
    """The exact interval is scipy's."""
    k, n = counts
    wanted = stats.binomtest(k, n).proportion_ci(confidence, method="exact")
    assert (wanted.low, wanted.high) == pytest.approx(statistics.clopper_pearson(k, n, confidence), abs=1e-9)


def test_nothing_counted():
    """With n = 0 nothing speaks against any share, and nothing could have been detected."""
    assert statistics.clopper_pearson(0, 0) == (0.0, 1.0)
    assert statistics.two_sided_p(0, 0, 0.3) == 1.0
    assert statistics.rate_detectable(0) == 1.0


@pytest.mark.parametrize("mean", [0.4, 7.0, 600.0, 5_900.0])
@pytest.mark.parametrize("off_by_sds", [-4, -1, 0, 2, 5])
def test_poisson_two_sided_p(mean, off_by_sds):
    """The two-sided p of a Poisson count sums what is as unlikely as the count, on both sides."""
    k = max(0, round(mean + off_by_sds * mean**0.5))
    counts = np.arange(0, int(mean + 60 * (mean**0.5 + 1)))
    unlikely = stats.poisson.pmf(counts, mean) <= stats.poisson.pmf(k, mean) * (1 + 1e-7)
    wanted = stats.poisson.pmf(counts[unlikely], mean).sum()
    assert wanted == pytest.approx(statistics.poisson_two_sided_p(k, mean), rel=1e-6, abs=1e-12)


def test_poisson_far_away():
    """A count that is beyond all chance has no chance."""
    assert statistics.poisson_two_sided_p(0, 6_000.0) == 0.0
    assert statistics.poisson_two_sided_p(100_000, 6_000.0) == 0.0


def test_anytime_p_literal():
    """Three hits in a row at 50 %: the bet doubles by (50 + i) / (100 + i) a hit, and 1 / p is what it came to."""
    bet = (50 / 100) * (51 / 101) * (52 / 102) / 0.5**3
    assert 1 / bet == pytest.approx(statistics.anytime_p(np.array([True, True, True]), 0.5))
    assert statistics.anytime_p(np.array([], dtype=bool), 0.5) == 1.0


@pytest.mark.parametrize("share", [0.05, 0.25, 0.5, 0.9])
def test_anytime_p_holds(share):
    """Looked at after every one of 2,000 requests, an honest split is refuted at 1 % in less than 1 % of trials."""
    draw = np.random.default_rng(20_261)
    p_values = [statistics.anytime_p(draw.random(2_000) < share, share) for _ in range(1_000)]
    assert np.mean(np.array(p_values) < 0.01) <= 0.01


def test_anytime_p_sees():
    """A split of 33 % where 25 % were meant is refuted within 1,800 requests in most trials; it may be ended early."""
    draw = np.random.default_rng(20_261)
    p_values = [statistics.anytime_p(draw.random(1_800) < 0.33, 0.25) for _ in range(200)]
    assert np.mean(np.array(p_values) < 1e-4 / 4) > 0.95


@pytest.mark.parametrize(
    ("hits", "share", "p"), [([1, 1], 1.0, 1.0), ([1, 0], 1.0, 0.0), ([0, 0], 0.0, 1.0), ([0, 1], 0.0, 0.0)]
)
def test_anytime_p_of_a_certainty(hits, share, p):
    """A weight of 0 or 100 % is refuted by a single request, and by nothing less."""
    assert p == statistics.anytime_p(np.array(hits, dtype=bool), share)


@pytest.mark.parametrize(
    ("n", "share", "points"),
    [(9_064, 0.05, 1), (2_407, 0.05, 2), (446, 0.05, 5), (8_516, 0.25, 2), (1_398, 0.25, 5), (1_775, 0.5, 5)],
)
def test_shift_detectable(n, share, points):
    """The table of requests that a shift of 1, 2 or 5 points takes at two-sided 1 % and a power of 95 %."""
    assert points / 100 == pytest.approx(statistics.shift_detectable(n, share), rel=2e-3)
    assert statistics.shift_detectable(n, share) == pytest.approx(statistics.shift_detectable(n, 1 - share))


def test_shift_of_nothing():
    """Without a request no shift shows."""
    assert statistics.shift_detectable(0, 0.25) == 1.0


@pytest.mark.parametrize(
    ("p_values", "names"),
    [
        ({}, set()),
        ({"a": 0.9e-4}, {"a"}),
        ({"a": 1e-4}, set()),
        ({"a": 0.4e-4, "b": 0.9e-4}, {"a", "b"}),
        ({"a": 0.6e-4, "b": 0.6e-4}, set()),
        ({"a": 0.6e-4, "b": 0.0}, {"a", "b"}),
        ({"a": 0.2e-4, "b": 0.6e-4, "c": 0.5}, {"a"}),
    ],
)
def test_refuted(p_values, names):
    """Holm's rule: the smallest p against the budget over all tests, the next over one less, and so on."""
    assert names == statistics.refuted(p_values)


@pytest.mark.parametrize(("n", "rate"), [(1, 0.95), (59, 0.0495), (298, 0.0100), (100_000, 2.9957e-5)])
def test_rate_detectable(n, rate):
    """At the rate that n can show, all n would be fine with a probability of 5 %."""
    assert rate == pytest.approx(statistics.rate_detectable(n), rel=5e-3)
    assert stats.binom.pmf(0, n, statistics.rate_detectable(n)) == pytest.approx(0.05)
