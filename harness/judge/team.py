"""rollback, where a team is on record: was it told what the controller did, why, and how it ended.

Terms. *Told*: after the decision the team's receiver got a message that names the version, the decision, the outcome
that the experiment expects, and a reason. A message that says something else is no such message. The controller has
TELL_S_MAX to say it, and with the strategy `remove` REMOVE_S_MAX more: it then speaks after the canary was stopped.

Not asked where the manifest does not say that a team's messages were kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from harness.clock import NS_PER_S
from harness.evidence.finding import Rule, Verdict
from harness.evidence.timeline import Event
from harness.judge.chain import told_team
from harness.judge.facts import Facts
from harness.judge.removal import REMOVE_S_MAX, removes
from harness.judge.saying import inference

TELL_S_MAX: Final = 8.0  # three attempts of at most 2 s, and the pauses between them


def rules(facts: Facts, decision: Event | None) -> tuple[Rule, ...]:
    """`team_told` where it can be asked: FAIL by inference where a decision was made and the team never heard of it."""
    if not facts.has_team:
        return ()
    if decision is None:
        return (inference("team_told", Verdict.INCONCLUSIVE, "Nothing was decided that the team could be told"),)
    told = told_team(facts, decision.t_ns)
    right = [one for one in told if _is_about(one.body, facts, str(decision.data["decision"]))]
    if right:
        after_s = (right[0].t_ns - decision.t_ns) / NS_PER_S
        body = right[0].body
        says = f"The team was told {body['outcome']} of {body['version']} {after_s:.2f} s after it: {body['reason']}"
        return (inference("team_told", Verdict.PASS, says),)
    limit_s = TELL_S_MAX + (REMOVE_S_MAX if removes(facts) else 0.0)
    watched_s = (max(event.t_ns for event in facts.evidence.events) - decision.t_ns) / NS_PER_S
    wrong = f"; {len(told)} messages came that say something else" if told else ""
    says = f"The team was not told within the {watched_s:.1f} s after the decision{wrong}"
    return (inference("team_told", Verdict.FAIL if watched_s >= limit_s else Verdict.INCONCLUSIVE, says),)


def _is_about(body: Mapping[str, Any], facts: Facts, decision: str) -> bool:
    """Whether a message says what the experiment expects to be said."""
    return (
        body.get("version") == facts.versions[1]
        and body.get("decision") == decision
        and body.get("outcome") == facts.expect["outcome"]
        and bool(body.get("reason"))
    )
