"""rollback, where the experiment expects a hold: did the rollout stay where it was, for this cause, and told so.

Terms. *Decided*: the controller's own record says hold. The *step's weight* is what the decision names and what the
router showed then. It was *kept* when no read of the router or of the controller's status shows another one from the
decision on, for hold_s and as long as the load runs. A *move* is a later decision to step, promote, roll back or
remove.

Measured: `held_weight_percent`; `hold_s`, watched after the decision; `moves_count`.

Not covered: going on after a hold, which no experiment of ours does.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from harness.clock import NS_PER_S
from harness.evidence.finding import Finding, Instant, Rule, Verdict
from harness.evidence.format import Kind
from harness.evidence.timeline import Event
from harness.judge import cause, team
from harness.judge.chain import hold_decision, rollback_decision
from harness.judge.facts import Facts
from harness.judge.saying import finding, inference, unless, witness
from harness.judge.weights import held_reads, reads, watched_ns

ID: Final = "rollback"
MOVES: Final = ("step", "promote", "roll_back", "remove")


def check(facts: Facts) -> Finding:
    """Five rules, and `team_told` where a team is on record."""
    event = hold_decision(facts)
    moves = moves_after(facts, event)
    rules = (
        _decided(facts, event),
        _cause(facts, event),
        _weight_kept(facts, event),
        _no_step(event, moves),
        _hold(facts, event),
        *team.rules(facts, event),
    )
    measured: dict[str, Any] = {"moves_count": len(moves)}
    if event is not None:
        measured["held_weight_percent"] = float(event.data["weight"])
        measured["hold_s"] = watched_ns(facts, event.t_ns) / NS_PER_S
    return finding(ID, rules, measured, "The rollout was held where it was, for this cause")


def moves_after(facts: Facts, hold: Event | None) -> list[Event]:
    """Later decisions that moved the rollout; all that were made where no hold was decided."""
    since_ns = hold.t_ns if hold is not None else 0
    return [one for one in facts.evidence.of(Kind.DECIDED) if one.data["decision"] in MOVES and one.t_ns > since_ns]


def _decided(facts: Facts, event: Event | None) -> Rule:
    back = rollback_decision(facts)
    if event is None and back is not None:
        # A witness: whatever the load was, a canary was blamed that the experiment says is not to blame.
        says = f"The controller decided to roll back where it had to hold: {back.data['reason']}"
        return witness("decided", Verdict.FAIL, says)
    if event is None:
        webhooks = len(facts.evidence.of(Kind.WEBHOOK_RECEIVED))
        says = f"The controller never decided to hold; it had received {webhooks} webhooks"
        return inference("decided", Verdict.FAIL, says)
    return inference("decided", Verdict.PASS, f"The controller decided to hold: {event.data['reason']}")


def _cause(facts: Facts, event: Event | None) -> Rule:
    if event is None:
        return inference("cause", Verdict.FAIL, "No hold was decided, so it has no cause")
    return witness("cause", *cause.of(facts, event, "The hold"))


def _weight_kept(facts: Facts, event: Event | None) -> Rule:
    if event is None:
        return witness("weight_kept", Verdict.INCONCLUSIVE, "No hold was decided, so no weight had to be kept")
    wanted, edge = float(event.data["weight"]), Instant(event.t_ns, event.t_ns, "")
    for kind, name in ((Kind.WEIGHT_READ, "router"), (Kind.CONTROLLER_READ, "controller's status")):
        after, weight = held_reads(facts, kind, edge)
        other = np.flatnonzero(after & (weight != wanted))
        if other.size:
            _, hi_ns, _ = reads(facts, kind)
            at_s = (int(hi_ns[other[0]]) - event.t_ns) / NS_PER_S
            says = f"The {name} showed {weight[other[0]]:g} % {at_s:.1f} s after {wanted:g} % was to be held"
            return witness("weight_kept", Verdict.FAIL, says)
        if not after.any():
            return witness("weight_kept", Verdict.INCONCLUSIVE, f"The {name} was never read after the hold")
    return witness("weight_kept", Verdict.PASS, f"Router and status showed {wanted:g} % in every read after the hold")


def _no_step(event: Event | None, moves: list[Event]) -> Rule:
    if event is None:
        return witness("no_step", Verdict.INCONCLUSIVE, f"No hold was decided; {len(moves)} other decisions were")
    if moves:
        at_s = (moves[0].t_ns - event.t_ns) / NS_PER_S
        says = f"The controller decided {moves[0].data['decision']} {at_s:.1f} s after it had decided to hold"
        return witness("no_step", Verdict.FAIL, says)
    return witness("no_step", Verdict.PASS, "The controller decided nothing that moves the rollout after the hold")


def _hold(facts: Facts, event: Event | None) -> Rule:
    hold_s = float(facts.evidence.manifest["hold_s"])
    if event is None:
        return inference("hold", Verdict.INCONCLUSIVE, "No hold was decided, so it could not be watched")
    watched_s = watched_ns(facts, event.t_ns) / NS_PER_S
    says = f"The router's weight was watched for {watched_s:.1f} s after the hold; {hold_s:g} s must be"
    return inference("hold", unless(watched_s < hold_s), says)
