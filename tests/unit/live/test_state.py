"""What a watcher knows after each event: the fold alone, without files and without a clock."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from harness.drive.live.state import RECENT_COUNT_MAX, Second, State, Track, says
from harness.evidence.format import Kind
from harness.testing import histories as h


def after(*events):
    state = State(versions={"stable": "1.0", "canary": "1.1"})
    for event in events:
        state = state.after(event)
    return state


def tick(seconds, sent=0, **versions):
    counts = {"ok": 0, "failed": 0, "unknown": 0, "marked": 0, "refused": 0, "p95_ms": 0.0}
    found = {version.replace("v", "1."): {**counts, **given} for version, given in versions.items()}
    return h.event(seconds, "load", Kind.LOAD_TICK, second=0, sent=sent, in_flight=0, versions=found)


def test_state_in_the_middle_of_the_fault(steps):
    """14.1 s after the load's zero the alert fires, weight and share are 0, and the fault is still on."""
    state, event = steps(14.1)[-1]
    assert "rollback" == state.phase
    assert 0.0 == state.weight_percent
    expected = {"stable": Track("1.0", 15, 0.0, 6.0), "canary": Track("1.1", 5, 40.0, 6.0)}
    assert Second(rate_rps=20, share_percent=25.0, tracks=expected) == state.second
    assert {h.ALERT: "firing"} == state.alerts
    assert {"http_5xx": ["canary-1"]} == state.faults
    assert 20.1 == pytest.approx(state.since_opened_s(event.t_ns), abs=0.2)


def test_state_at_the_end_of_the_trial(steps):
    """At the end nothing is wrong any more: no alert, no fault, weight 0, and every phase has its seconds."""
    state, _ = steps()[-1]
    assert ("close", {}, {}, 0.0) == (state.phase, state.alerts, state.faults, state.weight_percent)
    took_s = state.phases_s(h.at_ns(33.2))
    assert {"open": 5.3, "baseline": 5.5, "canary": 4.1, "fault": 1.1, "detect": 3.51} == {
        name: round(took_s[name], 6) for name in ("open", "baseline", "canary", "fault", "detect")
    }
    assert 2.0 == pytest.approx(took_s["close"])


def test_faults_of_two_instances_are_healed_one_by_one(held_steps):
    """A heal that names its instance leaves the fault of the other one on."""
    at = {at_s: held_steps(at_s)[-1][0].faults for at_s in (10.04, 11.0, 16.04, 17.0)}
    both = {"http_5xx": ["canary-1", "stable-1"]}
    assert {10.04: {"http_5xx": ["canary-1"]}, 11.0: both, 16.04: {"http_5xx": ["stable-1"]}, 17.0: {}} == at


def test_heal_without_instances_heals_every_one():
    """Older records name no instance: the fault is gone everywhere, and only this fault."""
    on = [
        h.event(at_s, "control", Kind.FAULT_ON, fault=fault, instances=["a", "b"], arguments={})
        for at_s, fault in ((1, "latency"), (2, "http_5xx"))
    ]
    healed = h.event(3, "control", Kind.FAULT_HEALED, fault="http_5xx")
    assert {"latency": ["a", "b"]} == after(*on, healed).faults


def test_errors_are_what_failed_and_what_stayed_unknown():
    """Two failed and one unknown of ten are 30 %, and a track that did not answer has no row."""
    second = after(tick(1, sent=12, v1={"ok": 7, "failed": 2, "unknown": 1, "p95_ms": 9.5})).second
    assert second == Second(rate_rps=12, share_percent=100.0, tracks={"canary": Track("1.1", 10, 30.0, 9.5)})


def test_second_without_answers_has_no_share_and_no_latency():
    """Nobody answered: the share is not known, and neither is a p95 that was never timed."""
    assert None is after(tick(1, sent=4)).second.share_percent
    assert None is after(tick(1, sent=4, v0={"ok": 4, "p95_ms": 0.0})).second.tracks["stable"].p95_ms


def test_share_counts_answers_that_name_no_version():
    """One answer in four from the canary is 25 %, also where another one did not say who gave it."""
    counts = {"1.0": {"ok": 2}, "": {"ok": 1}, "1.1": {"ok": 1}}
    zero = {"failed": 0, "unknown": 0, "p95_ms": 1.0}
    event = replace(tick(1), data={"sent": 4, "versions": {name: {**zero, **one} for name, one in counts.items()}})
    assert 25.0 == after(event).second.share_percent


def test_alert_that_comes_back_keeps_its_place():
    """Alerts stand in the order in which they were first seen, whatever they did in between."""
    seen = [("A", "firing"), ("B", "pending"), ("A", "inactive"), ("A", "pending")]
    events = [
        h.event(at, "observer", Kind.ALERT_SEEN, name=name, state=state) for at, (name, state) in enumerate(seen, 1)
    ]
    assert [("A", "pending"), ("B", "pending")] == list(after(*events).alerts.items())
    assert {"B": "pending"} == after(*events[:3]).alerts


def test_only_the_last_things_that_stood_out_are_kept(steps):
    """Eight entries, the newest last, each with its second since the trial was opened."""
    state, _ = steps(14.0)[-1]
    assert RECENT_COUNT_MAX == len(state.recent)
    assert [(18.3, f"alert {h.ALERT} pending"), (19.3, f"alert {h.ALERT} firing")] == list(state.recent[3:5])
    assert "phase rollback" == state.recent[-1][1]


def test_message_of_a_foreign_program_stays_one_line():
    """Line ends and terminal codes in a message do not reach a panel."""
    state = after(h.event(1, "control", Kind.ERROR, where="open", message="first\n\x1b[2Jsecond\r"))
    assert [(0.0, "error in open: first [2Jsecond")] == list(state.recent)


def test_events_that_change_nothing_give_the_same_state(steps):
    """Polls that read the same again, ten a second, cost no new state, so nothing is drawn for them."""
    pairs = steps()
    kinds = {Kind.WEIGHT_READ, Kind.CONTROLLER_READ, Kind.HOST_SAMPLE, Kind.CLOCK, Kind.PROCESS_STARTED}
    changed = [
        event.data["weight"]
        for (before, _), (now, event) in pairwise(pairs)
        if event.kind in kinds and now is not before
    ]
    assert [50, 0] == changed


@pytest.mark.parametrize(
    ("kind", "data", "said"),
    [
        (Kind.HYPOTHESIS, {"when": "after", "met": False}, "the steady-state probes are not met after the method"),
        (Kind.HYPOTHESIS, {"when": "after", "met": True}, ""),
        (Kind.PROCESS_EXITED, {"name": "load", "code": -9, "expected": False}, "load ended unasked with code -9"),
        (Kind.PROCESS_EXITED, {"name": "load", "code": 0, "expected": True}, ""),
        (Kind.GUARD_FINISHING, {"why": "the control is gone"}, "the guard closes the trial: the control is gone"),
        (Kind.WEIGHT_REFUSED, {"weight": 0, "attempt": 2, "message": "503"}, "weight 0 %, attempt 2: 503"),
        (Kind.REMOVE_REFUSED, {"instance": "canary-1", "attempt": 1, "message": "gone"}, "the end of canary-1"),
        (Kind.INTERRUPTED, {"why": "SIGINT"}, "interrupted: SIGINT"),
        (Kind.WEIGHT_SET, {"weight": 5}, ""),
    ],
)
def test_what_stands_out_has_words(kind, data, said):
    """What went wrong is told with its reason; what went as it should is not."""
    text = says(h.event(1, "control", kind, **data))
    assert said in text
    assert bool(said) == bool(text)
