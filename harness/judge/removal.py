"""rollback, with the strategy `remove`: is the canary gone, and not only without traffic.

Terms. *Gone*: the guard saw every process of the canary's instances end after the decision to roll back and before
the trial closed; that end is the guard's own record, not the controller's word. The controller has REMOVE_S_MAX
for it: it drains first.

Not asked where the manifest does not say which instances are the canary's.
"""

from __future__ import annotations

from typing import Final

from harness.clock import NS_PER_S
from harness.evidence.finding import Rule, Verdict
from harness.evidence.format import Kind
from harness.evidence.timeline import Event
from harness.judge.facts import CANARY_TRACK, Facts
from harness.judge.saying import inference

REMOVE: Final = "remove"
REMOVE_S_MAX: Final = 32.0  # drained within 16 s, then three attempts to stop of at most 5 s


def removes(facts: Facts) -> bool:
    """Whether the controller was to take the canary away."""
    return bool(facts.evidence.manifest["rollout"].get("strategy") == REMOVE)


def canaries(facts: Facts) -> frozenset[str]:
    """The canary's instances, by name; empty where the manifest does not say."""
    instances = facts.evidence.manifest.get("instances", {})
    return frozenset(name for name, track in instances.items() if track == CANARY_TRACK)


def rules(facts: Facts, decision: Event | None) -> tuple[Rule, ...]:
    """`removed` where it can be asked: FAIL by inference where an instance outlived its time."""
    names = canaries(facts)
    if not removes(facts) or not names:
        return ()
    if decision is None:
        return (inference("removed", Verdict.INCONCLUSIVE, "No rollback was decided that would remove the canary"),)
    closed_ns = _closed_ns(facts)
    ended_ns = {
        str(event.data["name"]): event.t_ns
        for event in facts.evidence.of(Kind.PROCESS_EXITED)
        if event.data["name"] in names and decision.t_ns < event.t_ns < closed_ns
    }
    left = sorted(names - ended_ns.keys())
    if left:
        watched_s = (closed_ns - decision.t_ns) / NS_PER_S
        says = f"{', '.join(left)} still ran when the trial closed, {watched_s:.1f} s after the decision"
        return (inference("removed", Verdict.FAIL if watched_s >= REMOVE_S_MAX else Verdict.INCONCLUSIVE, says),)
    after_s = (max(ended_ns.values()) - decision.t_ns) / NS_PER_S
    return (inference("removed", Verdict.PASS, f"The canary was gone {after_s:.2f} s after the decision"),)


def _closed_ns(facts: Facts) -> int:
    """When the trial began to close, else its last event."""
    closing = [one.t_ns for one in facts.evidence.of(Kind.PHASE) if one.data["phase"] == "close"]
    return min(closing, default=max(event.t_ns for event in facts.evidence.events))
