"""The instants of a trial: where each comes from and how wide it is."""

import pytest

from harness.clock import NS_PER_S
from harness.evidence.finding import CHAIN, Verdict
from harness.evidence.format import Kind
from harness.judge import chain, judge, saying
from harness.testing import histories as h

SLACK_S = 0.001_002  # the histories' clock samples are 2 us wide, and a stamp resolves 1 ms


def seconds(instant):
    return ((instant.lo_ns - h.ZERO_NS) / NS_PER_S, (instant.hi_ns - h.ZERO_NS) / NS_PER_S)


def edge(evidence, name):
    return chain.gather(evidence).chain[name]


@pytest.mark.parametrize(
    ("name", "interval"),
    [
        ("fault_on", (10.0, 10.02)),
        ("first_faulted_response", (10.106, 10.106)),
        ("alert_pending", (12.3 - SLACK_S, 13.3)),
        ("alert_firing", (13.3 - SLACK_S, 13.4)),
        ("notified", (13.4, 13.4)),
        ("decided", (13.42, 13.42)),
        ("weight_zero_status", (13.42, 13.602)),
        ("weight_zero_route", (13.42, 13.602)),
        ("shifted", (13.402 - SLACK_S, 13.402 + SLACK_S)),
        ("drained", (13.405 - SLACK_S - 0.001, 13.405 + SLACK_S + 0.001)),
        ("team_notified", (13.47, 13.47)),
        ("clean", (13.406, 13.456)),
    ],
)
def test_edges(name, interval):
    """Every edge of the passing history lies where its rows put it, as wide as its source is coarse."""
    assert interval == pytest.approx(seconds(edge(h.passing(), name)), abs=1e-9)


def test_order():
    """The chain has every edge in the chain's order, known or not."""
    assert list(CHAIN) == list(judge(h.passing()).chain)
    assert list(CHAIN) == list(judge(h.promoted()).chain)


def test_promoted_is_unknown():
    """Without a fault no edge is known, and each says why."""
    edges = judge(h.promoted()).chain
    assert not [name for name, one in edges.items() if one.known]
    assert all(one.unknown for one in edges.values())


@pytest.mark.parametrize(
    ("name", "interval"),
    [
        ("fault_on", (10.0, 10.02)),
        ("first_faulted_response", (10.106, 10.106)),
        ("alert_firing", (13.3 - SLACK_S, 13.4)),
        ("notified", (13.4, 13.4)),
        ("decided", (13.42, 13.42)),
        ("team_notified", (13.47, 13.47)),
        ("clean", (15.756, 15.806)),
    ],
)
def test_edges_of_a_hold(name, interval):
    """A hold has the edges up to its decision, by the service's alert, and what the team was told of it."""
    assert interval == pytest.approx(seconds(edge(h.held(), name)), abs=1e-9)


@pytest.mark.parametrize(
    ("history", "why"),
    [
        (h.promoted, "the experiment expects no rollback"),
        (lambda: h.with_team_messages(h.passing()), "the team was not told"),
        (lambda: h.with_team_messages(h.passing(), h.team_message(13.4)), "the team was not told"),
        (lambda: h.with_manifest(h.passing(), team=None), "nobody kept what the controller told its team"),
    ],
)
def test_team_unknown(history, why):
    """Where the team heard nothing of the decision, or nobody kept it, the edge says which."""
    assert why == edge(history(), "team_notified").unknown


def test_alert_of_another_track():
    """An alert that speaks of stable, and does not ask to hold, is no edge of a rollback."""
    silent = h.dropped(h.passing(), "samples", lambda row: row["name"] == "ALERTS")
    other = h.added(silent, "samples", h.alert_sample(13.3, "firing", version="1.0", track="stable"))
    assert not edge(other, "alert_firing").known
    unlabelled = h.added(silent, "samples", h.sample(13.3, "ALERTS", alertname=h.ALERT, alertstate="firing"))
    assert edge(unlabelled, "alert_firing").known


def test_durations():
    """A duration is an interval: the latest start to the earliest end, and the other way round."""
    took = judge(h.passing()).durations_s
    assert {"detect", "react", "shift", "drain", "recover"} == set(took)
    assert took["detect"] == pytest.approx((13.3 - SLACK_S - 10.106, 13.4 - 10.106))
    assert took["react"] == pytest.approx((13.42 - 13.4, 13.42 - 13.3 + SLACK_S))
    assert took["drain"] == pytest.approx((0.0, 0.003 + 2 * SLACK_S + 0.001))


def test_firing_without_notification():
    """Without a notification an alert may have fired as late as the next evaluation."""
    assert pytest.approx((13.3 - SLACK_S, 14.3)) == seconds(edge(h.with_notifications(h.passing()), "alert_firing"))


def test_weight_zero_without_a_read_before():
    """Where no read above 0 came before it, weight 0 cannot be older than the decision."""
    blind = h.without_events(h.passing(), Kind.WEIGHT_READ, lambda one: one.data["hi_ns"] < h.at_ns(20.0))
    assert pytest.approx((13.42, 20.002)) == seconds(edge(blind, "weight_zero_route"))


def test_weight_zero_between_two_reads():
    """Weight 0 lies between the start of the last other read and the end of the first read of 0."""
    late = h.with_event_data(
        h.passing(),
        Kind.WEIGHT_READ,
        lambda one: h.at_ns(13.5) < one.data["lo_ns"] < h.at_ns(20.0),
        weight=5,
    )
    assert pytest.approx((19.8, 20.002)) == seconds(edge(late, "weight_zero_route"))


def with_bad_answer(index):
    return h.updated(
        h.passing(), "operations", lambda row: row["op_id"] == h.op_id(index), status=500, outcome="unknown"
    )


@pytest.mark.parametrize(
    ("index", "interval"),
    [
        (391, (19.556, 19.606)),  # 6.1 s after the last one: the count starts again
        (469, (13.406, 13.456)),  # 10.0 s after the first good answer: ten seconds were good
    ],
)
def test_clean(index, interval):
    """Recovery begins after the last bad answer that ten good seconds follow."""
    assert pytest.approx(interval) == seconds(edge(with_bad_answer(index), "clean"))


def test_never_clean():
    """Where ten good seconds no longer fit in, recovery is unknown."""
    assert not edge(with_bad_answer(447), "clean").known


def test_silence_is_not_clean():
    """A second without an answer is not a good one."""
    silent = h.dropped(
        h.passing(), "operations", lambda row: h.at_ns(15.0) < row["done_ns"] < h.at_ns(28.0) and row["seq"] < 0
    )
    quiet = h.dropped(silent, "operations", lambda row: h.at_ns(15.0) < row["done_ns"] < h.at_ns(17.0))
    assert edge(silent, "clean").known
    assert not edge(quiet, "clean").known


@pytest.mark.parametrize(
    ("interval", "verdict"),
    [
        ((0, 2 * NS_PER_S), Verdict.PASS),
        ((0, 2 * NS_PER_S + 1), Verdict.INCONCLUSIVE),
        ((2 * NS_PER_S, 3 * NS_PER_S), Verdict.INCONCLUSIVE),
        ((2 * NS_PER_S + 1, 3 * NS_PER_S), Verdict.FAIL),
    ],
)
def test_bounded(interval, verdict):
    """A bound is met or broken only by the whole interval."""
    assert verdict == saying.bounded(interval, 2.0)
