"""Our own binomial statistics against scipy's."""

import itertools

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


@pytest.mark.parametrize(("n", "rate"), [(1, 0.95), (59, 0.0495), (298, 0.0100), (100_000, 2.9957e-5)])
def test_rate_detectable(n, rate):
    """At the rate that n can show, all n would be fine with a probability of 5 %."""
    assert rate == pytest.approx(statistics.rate_detectable(n), rel=5e-3)
    assert stats.binom.pmf(0, n, statistics.rate_detectable(n)) == pytest.approx(0.05)
