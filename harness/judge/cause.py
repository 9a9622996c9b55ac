"""Whether a decision was made for the alert it had to be made for: the rule `cause` of a rollback and of a hold.

Terms. The *cause* is right when the decision names a required alert and came after the first faulted answer and
after that alert fired. An alert's edge is at least where its sample's stamp puts it, less clock slack.
"""

from __future__ import annotations

from harness.clock import NS_PER_S
from harness.evidence.finding import Verdict
from harness.evidence.timeline import Event
from harness.judge import alert
from harness.judge.facts import Facts


def of(facts: Facts, decision: Event, what: str) -> tuple[Verdict, str]:
    """(verdict, what it says) of a decision; `what` names it at the beginning of a sentence."""
    name, first, on = str(decision.data["alert"]), facts.chain["first_faulted_response"], facts.chain["fault_on"]
    if name not in facts.required:
        says = f"It was decided for {name or 'no alert'!r}, which is not required: {decision.data['reason']}"
        return Verdict.FAIL, says
    if on.known and decision.t_ns < (first.lo_ns if first.known else on.lo_ns):
        return Verdict.FAIL, f"{what} was decided before the first faulted answer"
    edge = alert.edges(facts)[name]
    if not edge.known:
        return Verdict.INCONCLUSIVE, f"It was decided for {name}, but no sample shows why: {edge.unknown}"
    after_s = (decision.t_ns - edge.lo_ns) / NS_PER_S
    if after_s < 0:
        return Verdict.FAIL, f"It was decided for {name} {-after_s:.3f} s before that alert fired"
    return Verdict.PASS, f"It was decided for {name}, at most {after_s:.3f} s after that alert fired"
