"""rollback: was it rolled back for this cause, is the canary out of status, route and traffic, and in time.

Terms. *Decided*: the controller's own record says roll_back; a claim, which the other rules check. The
canary's weight is read from three places that can disagree: the controller's *status*, the router's live
*route*, and the *traffic* itself. The *cause* is right when the decision names a required alert and came
after the first faulted answer and after that alert fired. *Shifted*: the latest dispatch to the canary;
*drained*: its last completion. The *hold* is the time after weight 0 in the route in which it must stay 0; a
read above 0 in it *flaps*. The team was *told* when its receiver got version, decision, outcome and reason.

Measured: `shift_s_min`, `shift_s_max`, `drain_s_min`, `drain_s_max`; `late_count`, requests to the canary
after it was out, `late_op_ids`, and `watched_count`, requests that could have been; `hold_s` observed;
`readback_version`.

What an experiment that expects promotion or a hold asks stands in promotion.py and holding.py. Where the fault,
the alert or the decision never came, what should have followed is FAIL by inference, and says what was missing.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from harness.clock import NS_PER_S
from harness.evidence.finding import Finding, Instant, Rule, Verdict
from harness.evidence.format import Kind
from harness.judge import cause, holding, promotion, removal, team, traffic
from harness.judge.chain import durations_ns, rollback_decision
from harness.judge.facts import Facts
from harness.judge.saying import LISTED_MAX, bounded, finding, inference, seconds, unless, witness
from harness.judge.weights import held_reads, reads, watched_ns

ID: Final = "rollback"


def check(facts: Facts) -> Finding:
    """Ten rules for `rolled_back`, `removed` with the strategy remove, and `team_told` where a team is on record.

    See promotion.py and holding.py for the other outcomes.
    """
    if not facts.rolls_back:
        return holding.check(facts) if facts.holds else promotion.check(facts)
    late, decision = _late(facts), rollback_decision(facts)
    rules = (
        _decided(facts),
        _cause(facts),
        _weight(facts),
        _route(facts),
        _flapping(facts),  # before the traffic, which follows from it
        _traffic(facts, late),
        _hold(facts),
        _late_shift(facts),
        _drained(facts),
        _stable_runs(facts),
        *removal.rules(facts, decision),
        *team.rules(facts, decision),
    )
    return finding(ID, rules, _measured(facts, late), "Stable has all the traffic again, for this cause and in time")


def _late(facts: Facts) -> traffic.Late | None:
    zero = facts.chain["weight_zero_status"]
    return traffic.late_dispatches(facts, "canary", zero.hi_ns) if zero.known else None


def _measured(facts: Facts, late: traffic.Late | None) -> dict[str, Any]:
    measured: dict[str, Any] = {"readback_version": str(facts.evidence.service.meta.get("version", ""))}
    durations = durations_ns(facts.chain)
    for name in ("shift", "drain"):
        if name in durations:
            low_ns, high_ns = durations[name]
            measured[f"{name}_s_min"], measured[f"{name}_s_max"] = low_ns / NS_PER_S, high_ns / NS_PER_S
    if late is not None:
        measured["late_count"], measured["watched_count"] = late.seen, late.watched
        measured["late_op_ids"] = list(late.op_ids[:LISTED_MAX])
    zero = facts.chain["weight_zero_route"]
    if zero.known:
        measured["hold_s"] = watched_ns(facts, zero.hi_ns) / NS_PER_S
    return measured


def _decided(facts: Facts) -> Rule:
    event = rollback_decision(facts)
    if event is None:
        webhooks = len(facts.evidence.of(Kind.WEBHOOK_RECEIVED))
        says = f"The controller never decided to roll back; it had received {webhooks} webhooks"
        return inference("decided", Verdict.FAIL, says)
    return inference("decided", Verdict.PASS, f"The controller decided to roll back: {event.data['reason']}")


def _cause(facts: Facts) -> Rule:
    event = rollback_decision(facts)
    if event is None:
        return inference("cause", Verdict.FAIL, "No rollback was decided, so it has no cause")
    return witness("cause", *cause.of(facts, event, "The rollback"))


def _weight(facts: Facts) -> Rule:
    return inference("weight", *_reached(facts.chain["weight_zero_status"], "The controller's status"))


def _route(facts: Facts) -> Rule:
    return inference("route", *_reached(facts.chain["weight_zero_route"], "The router"))


def _reached(zero: Instant, who: str) -> tuple[Verdict, str]:
    if not zero.known:
        return Verdict.FAIL, f"{who} never showed weight 0 for the canary: {zero.unknown}"
    return Verdict.PASS, f"{who} shows weight 0 for the canary"


def _traffic(facts: Facts, late: traffic.Late | None) -> Rule:
    if late is None:
        says = (
            f"No instant is known from which the canary should get nothing: {facts.chain['weight_zero_status'].unknown}"
        )
        return witness("traffic", Verdict.INCONCLUSIVE, says)
    if not facts.clocks_known and not late.by_client:
        return witness("traffic", Verdict.INCONCLUSIVE, "No clock sample places the router's stamps")
    return witness("traffic", traffic.verdict_of(late), traffic.says_of(late, "canary"))


def _flapping(facts: Facts) -> Rule:
    zero = facts.chain["weight_zero_route"]
    if not zero.known:
        return witness("flapping", Verdict.INCONCLUSIVE, f"Weight 0 was never there to come back: {zero.unknown}")
    after, weight = held_reads(facts, Kind.WEIGHT_READ, zero)
    up = np.flatnonzero(after & (weight > 0))
    if up.size:
        _, hi_ns, _ = reads(facts, Kind.WEIGHT_READ)
        at_s = (int(hi_ns[up[0]]) - zero.hi_ns) / NS_PER_S
        says = f"The router showed {weight[up[0]]:g} % for the canary again {at_s:.1f} s after weight 0"
        return witness("flapping", Verdict.FAIL, says)
    return witness("flapping", Verdict.PASS, f"0 of {int(after.sum())} reads were above 0 after the first of 0")


def _hold(facts: Facts) -> Rule:
    zero, hold_s = facts.chain["weight_zero_route"], float(facts.evidence.manifest["hold_s"])
    if not zero.known:
        return inference("hold", Verdict.INCONCLUSIVE, f"Weight 0 was never there to be held: {zero.unknown}")
    watched_s = watched_ns(facts, zero.hi_ns) / NS_PER_S
    says = f"The router's weight was watched for {watched_s:.1f} s after weight 0; {hold_s:g} s must be"
    return inference("hold", unless(watched_s < hold_s), says)


def _late_shift(facts: Facts) -> Rule:
    limit_s, durations = facts.limit_s("shifted_s_max"), durations_ns(facts.chain)
    zero = facts.chain["weight_zero_route"]
    if not zero.known or "shift" not in durations:
        first, shifted = facts.chain["first_faulted_response"], facts.chain["shifted"]
        why = first.unknown or shifted.unknown or zero.unknown
        return inference("late", Verdict.FAIL, f"The traffic was not shifted within {limit_s:g} s: {why}")
    took = durations["shift"]
    says = (
        f"The last request went to the canary {seconds(took)} after the first faulted answer; {limit_s:g} s are allowed"
    )
    return inference("late", bounded(took, limit_s), says)


def _drained(facts: Facts) -> Rule:
    limit_s, durations = facts.limit_s("drained_s_max"), durations_ns(facts.chain)
    if "drain" not in durations:
        says = f"Whether the canary drained is open: {facts.chain['drained'].unknown}"
        return inference("drained", Verdict.INCONCLUSIVE, says)
    took = durations["drain"]
    says = f"The canary's last answer came {seconds(took)} after the last request to it; {limit_s:g} s are allowed"
    return inference("drained", bounded(took, limit_s), says)


def _stable_runs(facts: Facts) -> Rule:
    version, stable = facts.evidence.service.meta.get("version"), facts.versions[0]
    if not version:
        return witness(
            "stable_runs", Verdict.INCONCLUSIVE, "No instance of stable was asked for its version at the end"
        )
    says = f"The instance behind the final read says it is {version}; stable is {stable}"
    return witness("stable_runs", unless(version != stable, Verdict.FAIL), says)
