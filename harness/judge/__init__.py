"""The judge: what the evidence of one trial means. Pure; the same evidence gives the same findings, bit for bit.

    gather     chain.py, facts.py, weights.py   what several checks need, worked out once
    checks     evidence_check.py generator.py baseline.py fault.py split.py alert.py (detection.py)
               rollback.py (promotion.py, holding.py, cause.py, traffic.py, team.py) requests.py
               data_loss.py recovery.py cleanup.py      one question each, from those facts to a Finding
    merge      here                             one verdict, and the headline: the earliest cause
    self_check/                                 could a PASS have been anything else; whoever judges calls it after

Terms. The *ground* of a trial is evidence, generator, baseline and fault, as far as they are asked: where one of
them is not PASS, nothing can be inferred, so a FAIL by inference becomes INCONCLUSIVE. A FAIL by a witness stays:
a lost write is lost however the load was. A *blind* Prometheus is ground for alert and rollback alone: what nobody
could see nobody could act on. The *headline* names, among the checks with the trial's verdict, the first in ORDER
that a witness refutes, else the first, and in it the rule that stands for that verdict: what a concrete row shows is
a better cause than what is missing. A check is *not asked* where the target says so, and `fault` where the
experiment has none.

The statistical rules of one trial share one budget (statistics.py), so their p-values are gathered before any check.

Why one check that breaks does not end the judgement: a trial cannot be had again, and what the other checks
say of it may be all that is needed. A broken check is INCONCLUSIVE, so it rules out PASS.

Nothing here reads a clock, a random number, the environment or a socket.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import PurePath
from typing import Final, TypeVar

from harness.clock import NS_PER_S
from harness.evidence.finding import CHAIN, Finding, Findings, Headline, Instant, Rule, RuleKind, Verdict, merge
from harness.evidence.run import Evidence
from harness.judge import (
    alert,
    baseline,
    chain,
    cleanup,
    data_loss,
    detection,
    evidence_check,
    fault,
    generator,
    recovery,
    requests,
    rollback,
    split,
    statistics,
)
from harness.judge.facts import Facts
from harness.judge.saying import finding, inference, leading

__all__ = ["CHECKS", "ORDER", "Check", "asked", "attempted", "gathered", "judge", "softened"]

Check = Callable[[Facts], Finding]
_Made = TypeVar("_Made")

CHECKS: Final[dict[str, Check]] = {
    evidence_check.ID: evidence_check.check,
    generator.ID: generator.check,
    baseline.ID: baseline.check,
    fault.ID: fault.check,
    split.ID: split.check,
    alert.ID: alert.check,
    rollback.ID: rollback.check,
    requests.ID: requests.check,
    data_loss.ID: data_loss.check,
    recovery.ID: recovery.check,
    cleanup.ID: cleanup.check,
}
ORDER: Final = tuple(CHECKS)
GROUND: Final = (evidence_check.ID, generator.ID, baseline.ID, fault.ID)
ALL: Final = frozenset(ORDER)
SEEN: Final = frozenset({alert.ID, rollback.ID})  # what follows from an alert that somebody could see
TESTS: Final = (generator.p_values, fault.p_values, split.p_values)


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
        bounds_s=_bounds_s(facts) if facts else {},
    )


def _bounds_s(facts: Facts) -> dict[str, tuple[float, float]]:
    """The bounds of each duration that has some: of `detect`, where they are known of the alert that fired first."""
    bounds, _ = attempted(lambda: detection.bounds_s(facts))
    first, edges = facts.chain["alert_firing"], alert.edges(facts)
    known = [interval for name, interval in (bounds or {}).items() if edges[name] == first and first.known]
    return {"detect": known[0]} if known else {}


def not_asked_of(evidence: Evidence) -> tuple[str, ...]:
    """What the target declares not applicable, and `fault` without one. The evidence itself is always asked about."""
    declared = [str(name) for name in evidence.manifest["not_asked"] if name != evidence_check.ID]
    if evidence.manifest["fault"] is None and fault.ID not in declared:
        declared.append(fault.ID)
    return tuple(declared)


def softened(checks: Iterable[Finding]) -> tuple[Finding, ...]:
    """Every FAIL by inference as INCONCLUSIVE where the ground is not PASS; witnesses stay."""
    found = tuple(checks)
    shaky = [(check.id, ALL) for check in found if check.id in GROUND and check.verdict is not Verdict.PASS]
    if any(check.id == alert.ID and _is_blind(check) for check in found):
        shaky.append((f"{alert.ID}/blind", SEEN))
    return tuple(_soften(check, [what for what, checks in shaky if check.id in checks]) for check in found)


def _is_blind(check: Finding) -> bool:
    return any(rule.id == "blind" and rule.verdict is not Verdict.PASS for rule in check.rules)


def _soften(check: Finding, shaky: Sequence[str]) -> Finding:
    if not shaky or not any(_is_inferred_fail(rule) for rule in check.rules):
        return check
    because = f" (would be FAIL, but nothing can be inferred: {', '.join(shaky)} not PASS)"
    rules = [
        replace(rule, verdict=Verdict.INCONCLUSIVE, says=rule.says + because) if _is_inferred_fail(rule) else rule
        for rule in check.rules
    ]
    return finding(check.id, rules, check.measured, check.summary)


def _is_inferred_fail(rule: Rule) -> bool:
    return rule.verdict is Verdict.FAIL and rule.kind is RuleKind.INFERENCE


def _is_refuted(rule: Rule) -> bool:
    return rule.verdict is Verdict.FAIL and rule.kind is RuleKind.WITNESS


def headline_of(checks: Sequence[Finding], verdict: Verdict) -> Headline:
    """The earliest cause of the verdict; empty for a PASS."""
    if verdict is Verdict.PASS:
        return Headline("", "", "")
    with_it = [check for check in checks if check.verdict is verdict]
    refuted = [check for check in with_it if verdict is Verdict.FAIL and any(_is_refuted(rule) for rule in check.rules)]
    check = (refuted or with_it)[0]
    rule = leading(check.rules, verdict)
    return Headline(check.id, rule.id, rule.says)


def gathered(evidence: Evidence) -> tuple[Facts | None, str]:
    """The shared facts, or None and where gathering them broke. A test that breaks has no p; its check says why."""
    facts, why = attempted(lambda: chain.gather(evidence))
    if facts is None:
        return None, why
    p_values: dict[str, float] = {}
    for test in TESTS:
        p_values |= _p_values(test, facts)
    return replace(facts, p_values=p_values, refuted=statistics.refuted(p_values)), ""


def _p_values(test: Callable[[Facts], Mapping[str, float]], facts: Facts) -> Mapping[str, float]:
    found, _ = attempted(lambda: test(facts))
    return found or {}


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
