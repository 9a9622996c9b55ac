"""The probes on Prometheus, against a real one: each green, red, and where it can say nothing."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest
import yaml
from chaoslib.configuration import load_configuration
from chaoslib.exceptions import ActivityFailed
from chaoslib.hypothesis import run_steady_state_hypothesis
from chaoslib.run import EventHandlerRegistry

from harness.chaos.plain import alert_fired, alert_not_fired, share_is_zero
from harness.drive.guard.client import await_condition

pytestmark = pytest.mark.integration

EXPERIMENT = Path(__file__).parents[3] / "experiments" / "plain" / "alert-and-writes.yaml"
ALERT = "CanaryErrorRatioHigh"
CANARY = 'http_requests_total{track="canary"}'
TOTAL = "http_requests_total"
WAIT_S_MAX = 30.0
FOR_S = 4


def says(message, probe, *arguments, **options):
    """Whether the probe refuses with this in its message; anything but a refusal is no refusal."""
    try:
        probe(*arguments, **options)
    except ActivityFailed as error:
        return message in str(error)
    return False


def until(condition):
    """Wait for it, within a bound."""
    assert await_condition(condition, WAIT_S_MAX)


# -- alerts -----------------------------------------------------------------------------------------------------------


def test_alert_that_fires_is_seen_and_remembered(prometheus, exported):
    """Quiet before, seen by its labels while it fires, and afterwards within the window and not outside of it."""
    until(lambda: alert_not_fired(prometheus, ALERT, 2))
    assert not alert_fired(prometheus, ALERT, 2)
    exported.errors = 1
    until(lambda: alert_fired(prometheus, ALERT, 2))
    assert not alert_not_fired(prometheus, ALERT, 2)
    assert alert_fired(prometheus, ALERT, 2, labels={"track": "canary"})
    assert not alert_fired(prometheus, ALERT, 2, labels={"track": "stable"})
    exported.errors = 0
    until(lambda: not alert_fired(prometheus, ALERT, 2))
    assert alert_not_fired(prometheus, ALERT, 2)
    assert alert_fired(prometheus, ALERT, 60)


def test_unknown_alert_is_refused_with_the_nearest(prometheus):
    """A rule that is not loaded did not fire, and that means nothing."""
    for probe in (alert_fired, alert_not_fired):
        with pytest.raises(
            ActivityFailed, match=r"no alert rule 'CanaryErrorRatioHihg'; .*did you mean 'CanaryErrorRa"
        ):
            probe(prometheus, "CanaryErrorRatioHihg", 2)


def test_rule_with_an_error_is_refused(prometheus):
    """A rule that Prometheus cannot evaluate never fires; its error is told."""
    with pytest.raises(ActivityFailed, match=r"the rule of Broken is err: .*same labelset"):
        alert_not_fired(prometheus, "Broken", 2)


def test_silence_before_the_start_is_no_silence(prometheus):
    """A Prometheus that was started within the window cannot say that nothing fired in it."""
    with pytest.raises(ActivityFailed, match=r"was started \d+ s ago: it cannot say of 3600 s what fired"):
        alert_not_fired(prometheus, ALERT, 3600)


@pytest.mark.parametrize("labels", [{"alertname": "A"}, {"alertstate": "pending"}, {"a-b": "c"}])
def test_labels_that_cannot_be_asked_are_refused(prometheus, labels):
    """The probe's own labels and a name that Prometheus has not are refused by name."""
    with pytest.raises(ActivityFailed, match=rf"labels: '{next(iter(labels))}'"):
        alert_fired(prometheus, ALERT, 2, labels=labels)


def test_prometheus_that_is_down_is_named():
    """Nobody listens: each probe says whom it asked."""
    with pytest.raises(ActivityFailed, match=r"http://127\.0\.0\.1:1: time\(\): .*[Cc]onnection refused"):
        alert_fired("http://127.0.0.1:1", ALERT, 2)


# -- share ------------------------------------------------------------------------------------------------------------


def test_share_is_zero_only_with_traffic_and_without_the_canarys(prometheus, exported):
    """Green while stable alone is asked, red with one request of the canary in the window, refused without traffic."""
    arguments = (prometheus, CANARY, TOTAL, FOR_S, 20)
    until(lambda: share_is_zero(*arguments))
    exported.counters["canary"] += 1
    until(lambda: not share_is_zero(*arguments))
    until(lambda: share_is_zero(*arguments))
    exported.per_scrape["stable"] = 0
    until(lambda: says(f"no traffic, no proof: 0 requests in the last {FOR_S} s", share_is_zero, *arguments))
    exported.per_scrape["stable"] = 10
    until(lambda: not says("no traffic", share_is_zero, *arguments))
    assert share_is_zero(*arguments)


def test_canary_whose_metrics_go_is_no_zero(prometheus, exported):
    """A counter that is gone counts nothing: first it stopped, then it has no sample; back again, it is a zero."""
    arguments = (prometheus, CANARY, TOTAL, FOR_S, 1)
    exported.silent.add("canary")
    until(lambda: says("query_canary: a series of", share_is_zero, *arguments))
    until(lambda: says("are its metrics gone?", share_is_zero, *arguments))
    exported.silent.clear()


def test_new_counter_of_the_canary_counts_from_zero(prometheus, exported):
    """A canary that comes up in the window with requests on its counter had them in the window."""
    until(
        lambda: says(
            "are its metrics gone?", share_is_zero, prometheus, 'http_requests_total{track="new"}', TOTAL, 5, 1
        )
    )
    exported.counters["new"] = 3
    arguments = (prometheus, 'http_requests_total{track="new"}', TOTAL, 5, 1)
    until(lambda: not says("metrics gone", share_is_zero, *arguments))
    assert not share_is_zero(*arguments)
    del exported.counters["new"]


@pytest.mark.parametrize(
    ("canary", "total", "for_s", "message"),
    [
        (
            'http_requests_total{track="canry"}',
            TOTAL,
            FOR_S,
            'query_canary: http_requests_total{track="canry"} has no sample',
        ),
        (CANARY, "http_request_total", FOR_S, "query_total: http_request_total has no sample in the last 8 s"),
        (CANARY, TOTAL, 3600, "query_total: http_requests_total has samples only of the last"),
        (f"sum({CANARY})", TOTAL, FOR_S, "ranges only allowed for vector selectors"),
    ],
)
def test_query_that_would_prove_nothing_is_refused(prometheus, canary, total, for_s, message):
    """A misspelt canary, a misspelt total, a window longer than Prometheus has run, a function for a selector."""
    assert says(message, share_is_zero, prometheus, canary, total, for_s, 1)


# -- Chaos Toolkit's own word -----------------------------------------------------------------------------------------


@pytest.fixture(name="hypothesis")
def _hypothesis(prometheus, items, tmp_path, monkeypatch):
    """Runs the shipped hypothesis as Chaos Toolkit does, in a shorter window: met, and what each probe did."""
    ledger = tmp_path / "acked.jsonl"
    ledger.write_text("".join(json.dumps({"id": index}) + "\n" for index in range(100)))
    for name, value in {"PROMETHEUS_URL": prometheus, "SERVICE_URL": items.url, "LEDGER": str(ledger)}.items():
        monkeypatch.setenv(name, value)
    document = yaml.safe_load(EXPERIMENT.read_text())
    probes = {probe["name"]: probe for probe in document["steady-state-hypothesis"]["probes"]}
    probes["canary-is-out-of-the-traffic"]["provider"]["arguments"] |= {"for_s": FOR_S, "min_requests": 20}
    configuration = load_configuration(document["configuration"])

    def run():
        state = run_steady_state_hypothesis(copy.deepcopy(document), configuration, {}, None, EventHandlerRegistry())
        return state["steady_state_met"], [
            (one["activity"]["name"], one.get("tolerance_met")) for one in state["probes"]
        ]

    return run


def test_shipped_hypothesis_is_met_and_each_probe_can_break_it(hypothesis, prometheus, exported, items):
    """All three hold after a good rollback; without the alert, with the canary's traffic or with a loss they do not."""
    exported.errors = 1
    until(lambda: alert_fired(prometheus, ALERT, 60))
    exported.errors = 0
    until(lambda: share_is_zero(prometheus, CANARY, TOTAL, FOR_S, 20))
    names = ["alert-fired", "canary-is-out-of-the-traffic", "no-acknowledged-write-is-lost"]
    assert (True, [(name, True) for name in names]) == hypothesis()
    items.stored.remove("42")
    assert (False, [(names[0], True), (names[1], True), (names[2], False)]) == hypothesis()
    exported.per_scrape["canary"] = 1
    until(lambda: not share_is_zero(prometheus, CANARY, TOTAL, FOR_S, 20))
    assert (False, [(names[0], True), (names[1], False)]) == hypothesis()
    exported.per_scrape["canary"] = 0
