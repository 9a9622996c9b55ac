"""rollback, where the experiment expects promotion: did a healthy canary get everything, and keep it.

Terms. *Finished*: the controller says promoted and its status shows weight 100. The *route* is at 100 from
the first read of 100 in the router. After it, a dispatch to stable is late (traffic.py), and a read below 100
*flaps*. The *hold*: hold_s at 100 that were watched, and in which no forbidden alert fired.

Measured: `late_count`, requests to stable after that, `late_op_ids`, `watched_count`; `hold_s` observed.
"""

from __future__ import annotations

from typing import Any, Final

from harness.clock import NS_PER_S
from harness.evidence.finding import Finding, Instant, Rule, Verdict
from harness.evidence.format import Kind
from harness.judge import traffic
from harness.judge.chain import rollback_decision
from harness.judge.facts import Facts
from harness.judge.saying import LISTED_MAX, finding, inference, unless, witness
from harness.judge.weights import held_reads, hold_until_ns, reads, watched_ns, weight_edge

ID: Final = "rollback"
FULL: Final = 100.0


def check(facts: Facts) -> Finding:
    """Six rules."""
    full = weight_edge(facts, Kind.WEIGHT_READ, facts.start_ns, FULL)
    late = traffic.late_dispatches(facts, "stable", full.hi_ns) if full.known else None
    rules = (
        _no_rollback(facts),
        _finished(facts),
        _route(full),
        _flapping(facts, full),
        _traffic(facts, full, late),
        _hold(facts, full),
    )
    measured: dict[str, Any] = {}
    if late is not None:
        measured["late_count"], measured["watched_count"] = late.seen, late.watched
        measured["late_op_ids"] = list(late.op_ids[:LISTED_MAX])
        measured["hold_s"] = watched_ns(facts, full.hi_ns) / NS_PER_S
    return finding(ID, rules, measured, "The canary was promoted and kept all the traffic")


def _no_rollback(facts: Facts) -> Rule:
    event = rollback_decision(facts)
    if event is not None:
        says = f"The controller decided to roll back a healthy canary: {event.data['reason']}"
        return witness("no_rollback", Verdict.FAIL, says)
    decisions = len(facts.evidence.of(Kind.DECIDED))
    says = f"0 of the controller's {decisions} decisions was to roll back"
    return witness("no_rollback", unless(decisions == 0), says)


def _finished(facts: Facts) -> Rule:
    outcomes = [str(event.data["outcome"]) for event in facts.evidence.of(Kind.ROLLOUT_FINISHED)]
    _, _, weight = reads(facts, Kind.CONTROLLER_READ)
    last = f"{weight[-1]:g} %" if weight.size else "never read"
    good = outcomes == ["promoted"] and weight.size > 0 and weight[-1] == FULL
    says = f"The controller finished as {', '.join(outcomes) or 'nothing'}; its status was last {last}"
    return inference("finished", unless(not good, Verdict.FAIL), says)


def _route(full: Instant) -> Rule:
    says = "The router shows weight 100 for the canary" if full.known else f"No promotion: {full.unknown}"
    return inference("route", unless(not full.known, Verdict.FAIL), says)


def _traffic(facts: Facts, full: Instant, late: traffic.Late | None) -> Rule:
    if late is None:
        says = f"No instant is known from which stable should get nothing: {full.unknown}"
        return witness("traffic", Verdict.INCONCLUSIVE, says)
    if not facts.clocks_known and not late.by_client:
        return witness("traffic", Verdict.INCONCLUSIVE, "No clock sample places the router's stamps")
    return witness("traffic", traffic.verdict_of(late), traffic.says_of(late, "stable"))


def _flapping(facts: Facts, full: Instant) -> Rule:
    if not full.known:
        return witness("flapping", Verdict.INCONCLUSIVE, f"Weight 100 was never there to come down: {full.unknown}")
    after, weight = held_reads(facts, Kind.WEIGHT_READ, full)
    down = weight[after & (weight < FULL)]
    if down.size:
        says = f"The router showed {down[0]:g} % for the canary again after it had shown 100 %"
        return witness("flapping", Verdict.FAIL, says)
    return witness("flapping", Verdict.PASS, f"0 of {int(after.sum())} reads were below 100 after the first of it")


def _hold(facts: Facts, full: Instant) -> Rule:
    hold_s = float(facts.evidence.manifest["hold_s"])
    if not full.known:
        return inference("hold", Verdict.INCONCLUSIVE, f"Weight 100 was never there to be held: {full.unknown}")
    until_ns = hold_until_ns(facts, full)
    for alert in facts.expect["alerts_forbidden"]:
        times = facts.alerts.firing(alert)
        if ((times - facts.slack_ns > full.hi_ns) & (times <= until_ns)).any() and facts.clocks_known:
            return inference(
                "hold", Verdict.FAIL, f"The forbidden alert {alert} fired while the canary had all the traffic"
            )
    watched_s = watched_ns(facts, full.hi_ns) / NS_PER_S
    says = f"Weight 100 was watched for {watched_s:.1f} s without a forbidden alert; {hold_s:g} s must be"
    return inference("hold", unless(watched_s < hold_s), says)
