"""Literal histories of the checks on the service itself: baseline, requests and recovery.

Rows 0 to 97 are answered before the canary comes at 4.9 s, rows 264 to 268 stand around weight 0, 400 on are the end.
"""

import pytest

from harness.clock import NS_PER_MS
from harness.evidence.finding import Verdict
from harness.evidence.format import Kind
from harness.testing import histories as h
from harness.testing.cases import fires, near, verify

OPEN = Verdict.INCONCLUSIVE
FAIL = Verdict.FAIL
READ = 42  # a read of stable in the baseline
LATE_READ = 402  # one after the rollback
LAST_READ = 599


def of_rows(*indices):
    op_ids = {h.op_id(index) for index in indices}
    return lambda row: row["op_id"] in op_ids


def answered(index, evidence=None, **values):
    """Row `index` had another answer."""
    return h.updated(evidence or h.passing(), "operations", of_rows(index), **values)


def broken(index, **values):
    return answered(index, **{"status": 500, "outcome": "unknown", **values})


def slower(first, count, by_ms):
    """`count` rows from `first` on took so much longer."""
    wanted = of_rows(*range(first, first + count))

    def slow(row):
        return {**row, "done_ns": row["done_ns"] + by_ms * NS_PER_MS} if wanted(row) else row

    return h.changed(h.passing(), "operations", slow)


def waiting(history):
    """Whatever is slow in it is of a kind that waits for somebody outside."""
    kinds = [*history.manifest["load"]["kinds"], {"name": "confirmed", "share": 0.0, "writes": False, "waits": True}]
    load = {**history.manifest["load"], "kinds": kinds}
    slow = h.updated(
        history, "operations", lambda row: row["done_ns"] - row["sent_ns"] > 300 * NS_PER_MS, kind="confirmed"
    )
    return h.with_manifest(slow, load=load)


def before_s(seconds):
    return lambda row: h.wall_at_ns(-9.0) <= row["wall_ms"] * 1_000_000 < h.wall_at_ns(seconds)


def when(name):
    return lambda event: event.data["when"] == name


def met(name, value, evidence=None):
    return h.with_event_data(evidence or h.passing(), Kind.HYPOTHESIS, when(name), met=value)


def reads_of_baseline(count):
    """Only `count` answers came before the canary; the schedule knows of no others."""
    gone = of_rows(*[index for index in range(98) if not h.is_write(index)][: 98 - count])
    return h.dropped(h.dropped(h.passing(), "operations", gone), "schedule", gone)


def canary_comes_at(seconds):
    """The control let the canary come earlier; the controller and the router followed later."""
    return h.moved(h.passing(), Kind.PHASE, seconds - 4.9, lambda event: event.data["phase"] == "canary")


BASELINE = [
    fires(
        "baseline",
        "measured",
        lambda: canary_comes_at(2.9),
        OPEN,
        "58 answers came in the 2.9 s before the canary; 59 are needed",
    ),
    fires(
        "baseline",
        "measured",
        lambda: canary_comes_at(-0.5),
        OPEN,
        "There is no time between the load's zero and the canary's start",
        {"baseline/measured": OPEN, "baseline/latency": OPEN, "baseline/silent": OPEN},
    ),
    near("baseline", "measured", lambda: canary_comes_at(2.96)),
    fires(
        "baseline",
        "errors",
        lambda: broken(READ),
        OPEN,
        "1 of 98 answers before the canary failed or stayed unknown",
    ),
    fires(
        "baseline",
        "errors",
        lambda: answered(READ, status=404, outcome="failed"),
        OPEN,
        "1 of 98 answers before the canary failed or stayed unknown",
    ),
    near("baseline", "errors", lambda: broken(98), {"requests/lost_on_stable": FAIL}, "requests/lost_on_stable"),
    fires(
        "baseline",
        "latency",
        lambda: slower(10, 6, 246),
        OPEN,
        "95 % of 98 answers before the canary took 251.0 ms at most; 250 may be",
    ),
    near("baseline", "latency", lambda: slower(10, 6, 245)),
    near("baseline", "latency", lambda: slower(10, 4, 900)),
    near("baseline", "latency", lambda: waiting(slower(10, 60, 900))),
    fires(
        "baseline",
        "silent",
        lambda: h.added(h.passing(), "samples", h.alert_sample(4.0, "firing")),
        OPEN,
        "CanaryErrorRatioHigh was firing in 1 samples before the canary came",
        {"baseline/silent": OPEN, "alert/not_before": FAIL},
        "alert/not_before",
    ),
    fires(
        "baseline",
        "silent",
        lambda: h.dropped(h.passing(), "samples", lambda row: before_s(3.2)(row) and row["name"].startswith("track:")),
        OPEN,
        "No alert was seen before the canary, but no rule was evaluated for 3.3 s of it",
        {"baseline/silent": OPEN, "alert/forbidden": OPEN},
    ),
    near(
        "baseline",
        "silent",
        lambda: h.added(h.passing(), "samples", h.alert_sample(4.95, "firing")),
        {"alert/not_before": FAIL},
        "alert/not_before",
    ),
    near("baseline", "silent", lambda: h.added(h.passing(), "samples", h.alert_sample(4.0, "firing", "CanarySlow"))),
    fires("baseline", "hypothesis", lambda: met("before", False), OPEN, "The steady-state probes said no"),
    fires(
        "baseline",
        "hypothesis",
        lambda: h.without_events(h.passing(), Kind.HYPOTHESIS, when("before")),
        OPEN,
        "The steady-state probes were not asked before the canary",
    ),
    near("baseline", "hypothesis", lambda: met("after", False), {"recovery/hypothesis": FAIL}, "recovery/hypothesis"),
]

REQUESTS = [
    fires(
        "requests",
        "lost_on_stable",
        lambda: broken(LATE_READ),
        FAIL,
        f"1 of 417 requests to stable were lost without the fault's mark, among them {h.op_id(LATE_READ)}",
        {"requests/lost_on_stable": FAIL, "recovery/good_seconds": FAIL},
    ),
    fires(
        "requests",
        "lost_on_stable",
        lambda: broken(202 + 1),
        FAIL,
        f"1 of 417 requests to stable were lost without the fault's mark, among them {h.op_id(203)}",
    ),
    fires(
        "requests",
        "lost_on_stable",
        lambda: broken(203, status=200),
        FAIL,
        f"1 of 417 requests to stable were lost without the fault's mark, among them {h.op_id(203)}",
    ),
    near("requests", "lost_on_stable", lambda: answered(LATE_READ, status=404, outcome="failed")),
    near(
        "requests",
        "lost_on_stable",
        lambda: broken(223, fault_mark="http_5xx"),
        {"fault/mis_aimed": OPEN},
        "fault/mis_aimed",
    ),
    near("requests", "lost_on_stable", lambda: broken(106)),
    fires(
        "requests",
        "unattributed",
        lambda: h.dropped(broken(203, status=0, version="", version_source="none"), "routing", of_rows(203)),
        OPEN,
        "1 requests were lost of which neither answer nor router's log says whose they were, among them "
        + h.op_id(203),
    ),
    near(
        "requests",
        "unattributed",
        lambda: broken(203, status=0, version="", version_source="none"),
        {"requests/lost_on_stable": FAIL},
        "requests/lost_on_stable",
    ),
    fires(
        "requests",
        "in_flight",
        lambda: h.dropped(h.passing(), "operations", of_rows(266)),
        OPEN,
        f"1 requests that could have been in flight at the shift have no row, among them {h.op_id(266)}",
    ),
    near("requests", "in_flight", lambda: h.dropped(h.passing(), "operations", of_rows(246))),
    near("requests", "in_flight", lambda: broken(270, status=0, version="1.1")),
]

RECOVERY = [
    fires(
        "recovery",
        "good_seconds",
        lambda: answered(427, status=503, outcome="failed", fault_mark="http_5xx"),
        OPEN,
        "The last 8 s of the load were good on stable; 10 in a row must be (would be FAIL, but nothing can be "
        "inferred: fault not PASS)",
        {"fault/mis_aimed": OPEN, "fault/confined": OPEN, "recovery/good_seconds": OPEN},
        "fault/mis_aimed",
    ),
    fires(
        "recovery",
        "good_seconds",
        lambda: broken(LAST_READ),
        FAIL,
        "The last 0 s of the load were good on stable; 10 in a row must be",
        {"requests/lost_on_stable": FAIL, "recovery/good_seconds": FAIL, "recovery/latency": OPEN},
        "requests/lost_on_stable",
    ),
    near(
        "recovery",
        "good_seconds",
        lambda: broken(399),
        {"requests/lost_on_stable": FAIL},
        "requests/lost_on_stable",
    ),
    fires(
        "recovery",
        "latency",
        lambda: slower(283, 27, 246),
        FAIL,
        "95 % of 515 answers of stable in the end took 251.0 ms; 250 are allowed",
    ),
    near("recovery", "latency", lambda: slower(283, 27, 245)),
    near("recovery", "latency", lambda: waiting(slower(283, 200, 900))),
    fires(
        "recovery",
        "hypothesis",
        lambda: met("after", False),
        FAIL,
        "The steady-state probes said that the service was not well",
    ),
    fires(
        "recovery",
        "hypothesis",
        lambda: h.without_events(h.passing(), Kind.HYPOTHESIS, when("after")),
        OPEN,
        "The steady-state probes were not asked in the end",
    ),
    near(
        "recovery",
        "hypothesis",
        lambda: met("after", False, h.added(h.passing(), "samples", h.alert_sample(29.3, "firing"))),
    ),
    near(
        "recovery",
        "hypothesis",
        lambda: met(
            "after", False, h.dropped(h.passing(), "samples", lambda row: row["wall_ms"] >= h.wall_at_ns(26.9) // 10**6)
        ),
        {"alert/forbidden": OPEN},
        "alert/forbidden",
    ),
    near("recovery", "hypothesis", lambda: met("before", False), {"baseline/hypothesis": OPEN}, "baseline/hypothesis"),
]
CASES = [*BASELINE, *REQUESTS, *RECOVERY]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_case(case):
    """The rule, everything else that is red, and the headline are as the case says."""
    verify(case)
