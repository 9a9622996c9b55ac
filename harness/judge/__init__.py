"""The judge: what the evidence of one trial means. Pure; the same evidence gives the same findings, bit for bit.

    gather     chain.py, facts.py, weights.py   what several checks need, worked out once
    checks     evidence_check.py generator.py fault.py alert.py rollback.py (promotion.py, traffic.py)
               data_loss.py cleanup.py          one question each, from those facts to a Finding
    merge      here                             one verdict, and the headline: the earliest cause
    self_check/                                 could a PASS have been anything else; whoever judges calls it after

Terms. The *ground* of a trial is evidence, generator and fault, as far as they are asked: where one of them
is not PASS, nothing can be inferred, so a FAIL by inference becomes INCONCLUSIVE. A FAIL by a witness stays:
a lost write is lost however the load was. The *headline* names, among the checks with the trial's verdict,
the first in ORDER, and in it the rule that stands for that verdict. A check is *not asked* where the target
says so, and `fault` where the experiment has none.

Why one check that breaks does not end the judgement: a trial cannot be had again, and what the other checks
say of it may be all that is needed. A broken check is INCONCLUSIVE, so it rules out PASS.

Nothing here reads a clock, a random number, the environment or a socket. Not covered: baseline, split,
requests and recovery as checks of their own; expectations other than rolled_back and promoted.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import PurePath
from typing import Final, TypeVar

from harness.clock import NS_PER_S
from harness.evidence.finding import CHAIN, Finding, Findings, Headline, Instant, Rule, RuleKind, Verdict, merge
from harness.evidence.run import Evidence
from harness.judge import alert, chain, cleanup, data_loss, evidence_check, fault, generator, rollback
from harness.judge.facts import Facts
from harness.judge.saying import finding, inference, leading

__all__ = ["CHECKS", "ORDER", "Check", "asked", "attempted", "gathered", "judge", "softened"]

Check = Callable[[Facts], Finding]
_Made = TypeVar("_Made")

CHECKS: Final[dict[str, Check]] = {
    evidence_check.ID: evidence_check.check,
    generator.ID: generator.check,
    fault.ID: fault.check,
    alert.ID: alert.check,
    rollback.ID: rollback.check,
    data_loss.ID: data_loss.check,
    cleanup.ID: cleanup.check,
}
ORDER: Final = tuple(CHECKS)
GROUND: Final = (evidence_check.ID, generator.ID, fault.ID)


def judge(evidence: Evidence) -> Findings:
    """The findings of one trial. Never raises for what the evidence lacks or says."""
    not_asked = not_asked_of(evidence)
    facts, why = gathered(evidence)
    names = [name for name in ORDER if name not in not_asked]
    found = [asked(CHECKS[name], name, facts) if facts else _crashed(name, why) for name in names]
    checks = softened(found)
    verdict = merge(check.verdict for check in checks)
    edges = facts.chain if facts else {name: Instant(unknown=why) for name in CHAIN}
    took = chain.durations_ns(edges)
    return Findings(
        run_id=str(evidence.manifest["run_id"]),
        experiment=str(evidence.manifest["experiment"]["path"] or evidence.manifest["experiment"]["title"]),
        target=str(evidence.manifest["target"]["name"]),
        verdict=verdict,
        headline=headline_of(checks, verdict),
        not_asked=not_asked,
        checks=checks,
        chain=edges,
        durations_s={name: (low_ns / NS_PER_S, high_ns / NS_PER_S) for name, (low_ns, high_ns) in took.items()},
        bounds_s={},
    )


def not_asked_of(evidence: Evidence) -> tuple[str, ...]:
    """What the target declares not applicable, and `fault` without one. The evidence itself is always asked about."""
    declared = [str(name) for name in evidence.manifest["not_asked"] if name != evidence_check.ID]
    if evidence.manifest["fault"] is None and fault.ID not in declared:
        declared.append(fault.ID)
    return tuple(declared)


def softened(checks: Iterable[Finding]) -> tuple[Finding, ...]:
    """Every FAIL by inference as INCONCLUSIVE where the ground is not PASS; witnesses stay."""
    found = tuple(checks)
    shaky = [check.id for check in found if check.id in GROUND and check.verdict is not Verdict.PASS]
    return tuple(_soften(check, shaky) for check in found) if shaky else found


def _soften(check: Finding, shaky: Sequence[str]) -> Finding:
    if not any(_is_inferred_fail(rule) for rule in check.rules):
        return check
    because = f" (would be FAIL, but nothing can be inferred: {', '.join(shaky)} not PASS)"
    rules = [
        replace(rule, verdict=Verdict.INCONCLUSIVE, says=rule.says + because) if _is_inferred_fail(rule) else rule
        for rule in check.rules
    ]
    return finding(check.id, rules, check.measured, check.summary)


def _is_inferred_fail(rule: Rule) -> bool:
    return rule.verdict is Verdict.FAIL and rule.kind is RuleKind.INFERENCE


def headline_of(checks: Sequence[Finding], verdict: Verdict) -> Headline:
    """The earliest cause of the verdict; empty for a PASS."""
    if verdict is Verdict.PASS:
        return Headline("", "", "")
    check = next(check for check in checks if check.verdict is verdict)
    rule = leading(check.rules, verdict)
    return Headline(check.id, rule.id, rule.says)


def gathered(evidence: Evidence) -> tuple[Facts | None, str]:
    """The shared facts, or None and where gathering them broke."""
    return attempted(lambda: chain.gather(evidence))


def asked(check: Check, name: str, facts: Facts) -> Finding:
    """The check's finding, or INCONCLUSIVE with its traceback."""
    found, why = attempted(lambda: check(facts))
    return found or _crashed(name, why)


def attempted(work: Callable[[], _Made]) -> tuple[_Made | None, str]:
    """What `work` makes, or None and where it broke."""
    try:
        return work(), ""
    # The one sanctioned broad except of the product: whatever a check trips over, the others still speak, and
    # what broke is on record as a rule that rules out PASS.
    except Exception as error:  # noqa: BLE001
        return None, _place_of(error)


def _crashed(name: str, why: str) -> Finding:
    return finding(name, [inference("crashed", Verdict.INCONCLUSIVE, f"The check itself broke: {why}")], {}, "")


def _place_of(error: Exception) -> str:
    """The traceback in one line, the same on every machine: file names without their folders."""
    frames = traceback.extract_tb(error.__traceback__)
    path = " > ".join(f"{PurePath(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames)
    return f"{type(error).__name__}: {error} (at {path})"
