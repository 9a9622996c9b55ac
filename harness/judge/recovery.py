"""recovery: was the service well again, by stable's own series, and did it stay so to the end of the load.

Terms. The *survivor* is the track that has the traffic in the end: stable, and the canary where a promotion is
expected. A second of it is *good* when it has answers and none of them is bad: no answer at all, a status of 500 or
more, or the injector's mark. Seconds are counted backwards from the load's end, so that the last one is whole. The
*last part* is the row of good seconds that ends there. The *hypothesis* is what the steady-state probes answered after
the method; a no is *explained* where the probes could not have said yes, whatever the service did: a watched alert was
firing just before, or Prometheus had no samples. The check alert judges why.

Measured: `good_seconds_count` of the last part; `answers_count` and `p95_ms` in it.

Why not the share of canary and stable together: at 5 % a canary that is broken and one that is gone look much alike.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from harness.clock import NS_PER_S
from harness.evidence.finding import Finding, Rule, Verdict
from harness.evidence.format import Kind
from harness.judge.alert import BLIND_EVALUATIONS
from harness.judge.baseline import P95_MS_MAX, latencies_ms
from harness.judge.chain import GOOD_SECONDS, spoiled
from harness.judge.facts import CANARY, STABLE, Array, Facts
from harness.judge.saying import finding, inference, unless

ID: Final = "recovery"


def check(facts: Facts) -> Finding:
    """Three rules, all FAIL by inference where they do not hold."""
    track, name = (CANARY, "the canary") if facts.expect["outcome"] == "promoted" else (STABLE, "stable")
    count = good_seconds(facts, track)
    done_ns = facts.evidence.operations["done_ns"]
    last = (facts.tracks == track) & (done_ns >= facts.stop_ns - count * NS_PER_S)
    latency_ms = latencies_ms(facts, last)
    rules = (_good_seconds(facts, count, name), _latency(latency_ms, name), _hypothesis(facts))
    measured: dict[str, Any] = {"good_seconds_count": count, "answers_count": int(last.sum())}
    if latency_ms.size:
        measured["p95_ms"] = float(np.percentile(latency_ms, 95))
    return finding(ID, rules, measured, f"{name.capitalize()} answered well in each of the last {count} s of the load")


def good_seconds(facts: Facts, track: int) -> int:
    """How many seconds in a row, up to the load's end, were good."""
    if facts.start_ns == 0:
        return 0
    mine = facts.tracks == track
    bad, done_ns = spoiled(facts.evidence), facts.evidence.operations["done_ns"]
    spent = np.maximum((facts.stop_ns - done_ns) // NS_PER_S, 0)  # an answer after the end belongs to the last second
    seconds = max(0, (facts.stop_ns - facts.start_ns) // NS_PER_S)
    good, wrong = _seconds(spent[mine & ~bad], seconds), _seconds(spent[mine & bad], seconds)
    ends = np.flatnonzero((good == 0) | (wrong > 0))
    return int(ends[0]) if ends.size else seconds


def _seconds(spent: Array, seconds: int) -> Array:
    """How many fall into each second before the end. Shape (seconds,)."""
    return np.bincount(spent[spent < seconds], minlength=seconds)


def _good_seconds(facts: Facts, count: int, name: str) -> Rule:
    if facts.start_ns == 0:
        return inference("good_seconds", Verdict.INCONCLUSIVE, "The load never started, so nothing shows recovery")
    says = f"The last {count} s of the load were good on {name}; {GOOD_SECONDS} in a row must be"
    return inference("good_seconds", unless(count < GOOD_SECONDS, Verdict.FAIL), says)


def _latency(latency_ms: Array, name: str) -> Rule:
    if latency_ms.size == 0:
        return inference("latency", Verdict.INCONCLUSIVE, f"No good second of {name} shows how fast it was in the end")
    p95_ms = float(np.percentile(latency_ms, 95))
    says = f"95 % of {latency_ms.size} answers of {name} in the end took {p95_ms:.1f} ms; {P95_MS_MAX:g} are allowed"
    return inference("latency", unless(p95_ms > P95_MS_MAX, Verdict.FAIL), says)


def _hypothesis(facts: Facts) -> Rule:
    said = [event for event in facts.evidence.of(Kind.HYPOTHESIS) if event.data["when"] == "after"]
    if not said:
        return inference("hypothesis", Verdict.INCONCLUSIVE, "The steady-state probes were not asked in the end")
    if said[-1].data["met"]:
        return inference("hypothesis", Verdict.PASS, "The steady-state probes said that the service was well again")
    why = explained(facts, said[-1].t_ns)
    says = "The steady-state probes said that the service was not well"
    return inference("hypothesis", unless(not why, Verdict.FAIL), f"{says}{why}")


def explained(facts: Facts, at_ns: int) -> str:
    """Why the probes could not have said yes at this instant, whatever the service did; "" for no such reason."""
    reach_ns = BLIND_EVALUATIONS * facts.evaluation_ns + facts.slack_ns
    times_ns = facts.evidence.samples["t_ns"]
    if not ((times_ns > at_ns - reach_ns) & (times_ns <= at_ns + facts.slack_ns)).any():
        return "; Prometheus had no samples then, which the check alert judges"
    for alert in (*facts.required, *facts.expect["alerts_forbidden"]):
        firing_ns = facts.alerts.firing(alert)
        if ((firing_ns > at_ns - reach_ns) & (firing_ns <= at_ns + facts.slack_ns)).any():
            return f"; {alert} was firing then, which the check alert judges"
    return ""
