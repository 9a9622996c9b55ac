"""Did the canary get no request: counted from raw samples of counters, over a window that ends now.

A zero is proof only where requests were counted. So the total must have risen by `min_requests`, its samples must reach
back to the window's start, and the canary's own counter must be there to the end: one that stands still is a zero, one
that is gone is not. It is there as long as its last sample is no older than GAPS_MAX of its usual gaps between two
samples, and in the window's second half. A canary that was removed takes its metrics with it; count by the router's
metrics then.

Terms. A counter's *rise* is the sum of the steps between its samples; after a reset its whole value. A series that
begins in the window rises from 0 where it may be the canary's, and from its first value where it is the total's:
each is the reading that makes a green harder.

Not covered: a request that was counted after the last scrape.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Mapping
from itertools import pairwise
from statistics import median
from typing import Final

from chaoslib.exceptions import ActivityFailed

from harness.chaos.plain import asking
from harness.chaos.plain.asking import Series
from harness.judge.saying import percent
from harness.judge.statistics import rate_detectable

logger = logging.getLogger("chaostoolkit")

GAPS_MAX: Final = 3.0  # two scrapes may fail in a row


def share_is_zero(
    prometheus_url: str,
    query_canary: str,
    query_total: str,
    for_s: float,
    min_requests: float,
    headers: Mapping[str, str] | None = None,
) -> bool:
    """Whether the canary got none of the requests of the last `for_s` seconds, of which there must be `min_requests`.

    `query_canary` and `query_total` are selectors of counters of requests, such as
    `http_requests_total{track="canary"}`: no function, no sum. ActivityFailed where a zero would prove nothing.
    """
    window_s = asking.checked("for_s", for_s, 2, asking.WINDOW_S_MAX / 2)
    least = asking.checked("min_requests", min_requests, 1, 1e12)
    with asking.connected(prometheus_url, headers) as server:
        # Twice the window: a sample before its start is what a rise is counted from.
        total = server.samples(query_total, 2 * window_s)
        canary = server.samples(query_canary, 2 * window_s)
        start_s = server.now_s - window_s
        _require_reach(query_total, total, start_s, window_s)
    total_count = sum(rise(series, start_s, new_from_zero=False) for series in total)
    canary_count = sum(rise(series, start_s, new_from_zero=True) for series in canary)
    _require_finite("query_total", query_total, total_count)
    _require_finite("query_canary", query_canary, canary_count)
    if canary_count > 0:
        logger.error("the canary got %g requests in the last %g s, of %g in all", canary_count, window_s, total_count)
        return False
    _require_alive(query_canary, canary, start_s, server.now_s)
    if total_count < least:
        raise ActivityFailed(
            f"no traffic, no proof: {total_count:g} requests in the last {window_s:g} s, min_requests is {least:g}"
        )
    visible = percent(rate_detectable(int(total_count)))
    logger.info("the canary got none of %g requests; a share of %s would have shown with 95 %%", total_count, visible)
    return True


def rise(series: Series, start_s: float, new_from_zero: bool) -> float:
    """By how much a counter rose from `start_s` on. A series without a sample before is new: see the module's terms."""
    before = [value for at_s, value in series.samples if at_s <= start_s][-1:]
    values = [value for at_s, value in series.samples if at_s > start_s]
    if not before and new_from_zero:
        before = [0.0]
    return sum(after if after < first else after - first for first, after in pairwise([*before, *values]))


def _require_reach(query: str, found: Iterable[Series], start_s: float, window_s: float) -> None:
    """Samples reach back to the window's start."""
    first_s = min((series.samples[0][0] for series in found), default=None)
    if first_s is None:
        raise ActivityFailed(f"query_total: {query} has no sample in the last {2 * window_s:g} s")
    if first_s > start_s:
        known_s = window_s - (first_s - start_s)
        raise ActivityFailed(f"query_total: {query} has samples only of the last {known_s:.1f} s of {window_s:g}")


def _require_finite(name: str, query: str, count: float) -> None:
    """Every sample that was counted is a number: against one that is none, each comparison is false."""
    if not math.isfinite(count):
        raise ActivityFailed(f"{name}: {query} rose by {count:g}: a sample of it is no finite number")


def _require_alive(query: str, found: Iterable[Series], start_s: float, now_s: float) -> None:
    """Some series of the canary has samples in the window, and none of those has stopped."""
    counted = [series for series in found if series.samples[-1][0] > start_s]
    if not counted:
        raise ActivityFailed(
            f"query_canary: {query} has no sample in the last {now_s - start_s:g} s: a zero of it would prove nothing; "
            "is it spelt right, or are its metrics gone?"
        )
    for series in counted:
        gaps_s = [after - first for (first, _), (after, _) in pairwise(series.samples)]
        if not gaps_s:
            raise ActivityFailed(f"query_canary: a series of {query} has one sample only: is it still counted?")
        age_s = now_s - series.samples[-1][0]
        if age_s > min(GAPS_MAX * median(gaps_s), (now_s - start_s) / 2):
            raise ActivityFailed(f"query_canary: a series of {query} stopped {age_s:.1f} s ago")
