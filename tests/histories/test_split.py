"""Literal histories of the check `split`.

Even rows go to the canary at 50 %. Of `promoted`, rows 111 to 195 are the requests of the completed step of 50 %.
"""

import pytest

from harness.evidence.finding import Verdict
from harness.evidence.format import Kind
from harness.testing import histories as h
from harness.testing.cases import fires, near, verify

OPEN = Verdict.INCONCLUSIVE
FAIL = Verdict.FAIL


def index_of(row):
    return int(row["op_id"].rsplit("-", 1)[1])


def routed_to(track, evidence, wanted):
    """The router sent these rows to a track, which answered them."""
    version = {"canary": "1.1", "stable": "1.0"}[track]
    found = h.updated(evidence, "routing", lambda row: wanted(index_of(row)), cluster=track)
    return h.updated(found, "operations", lambda row: wanted(index_of(row)), version=version, instance=f"{track}-1")


def more_for_canary(count):
    """In the completed step `count` odd rows went to the canary as well."""
    chosen = set(range(113, 196, 2)[:count])
    return routed_to("canary", h.promoted(), lambda index: index in chosen)


def sticky():
    """A router that hashes users: two of the four have all their requests on the canary, from 5 s on to the end."""
    users = {0, 1}
    to_stable = routed_to("stable", h.held(), lambda index: index >= 100 and h.user_of(index) not in users)
    return routed_to("canary", to_stable, lambda index: index >= 100 and h.user_of(index) in users)


def three_of_four_stick():
    return routed_to("canary", sticky(), lambda index: index >= 100 and h.user_of(index) == 2)


def at_s(seconds):
    return lambda event: event.data["lo_ns"] == h.at_ns(seconds)


def between_s(first_s, last_s):
    return lambda event: h.at_ns(first_s) <= event.data["lo_ns"] < h.at_ns(last_s)


CASES = [
    fires(
        "split",
        "measured",
        lambda: h.without_events(h.promoted(), Kind.WEIGHT_READ, between_s(7.0, 9.0)),
        OPEN,
        "The step of 50 % was not measured: the weight was not read throughout",
    ),
    fires(
        "split",
        "measured",
        lambda: h.dropped(h.promoted(), "routing", lambda row: 100 <= index_of(row) < 200),
        OPEN,
        "The step of 50 % was not measured: no request is on record in it",
    ),
    near("split", "measured", lambda: h.without_events(h.promoted(), Kind.WEIGHT_READ, between_s(7.0, 7.8))),
    near("split", "measured", lambda: h.with_event_data(h.promoted(), Kind.WEIGHT_READ, at_s(7.0), weight=0)),
    fires(
        "split",
        "skewed",
        lambda: more_for_canary(36),
        FAIL,
        "78 of 85 requests (91.8 %) went to the canary at a weight of 50 %: p = 2.6e-07, 3 tests of the trial share "
        "0.0001",
    ),
    fires(
        "split",
        "skewed",
        lambda: routed_to("stable", h.promoted(), lambda index: index == 300),
        FAIL,
        "384 of 385 requests (99.7 %) went to the canary at a weight of 100 %: p = 0, 3 tests of the trial share "
        "0.0001",
        {"split/skewed": FAIL, "rollback/traffic": FAIL},
        "rollback/traffic",
    ),
    fires(
        "split",
        "skewed",
        three_of_four_stick,
        OPEN,
        "364 of 485 requests (75.1 %) went to the canary at a weight of 50 %: p = 5.6e-23, 4 tests of the trial share "
        "0.0001; but users stick to a version (dispersion 161.7), so requests are not the unit",
    ),
    near("split", "skewed", lambda: more_for_canary(10)),
    near("split", "skewed", sticky),
    fires(
        "split",
        "underpowered",
        lambda: h.with_expect(h.promoted(), split_points_max=21.9),
        OPEN,
        "What the requests of completed steps resolve: 22.0 points at 50 %, 0.7 points at 100 %; 21.9 are asked for",
    ),
    fires(
        "split",
        "underpowered",
        lambda: h.with_expect(h.passing(), split_points_max=90.0),
        OPEN,
        "What the requests of completed steps resolve: none was completed; 90 are asked for",
    ),
    near("split", "underpowered", lambda: h.with_expect(h.promoted(), split_points_max=22.0)),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_case(case):
    """The rule, everything else that is red, and the headline are as the case says."""
    verify(case)
