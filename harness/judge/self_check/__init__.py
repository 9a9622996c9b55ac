"""The self-check: could this PASS have been anything else? The judge, tried on mutated copies of its evidence.

    edit.py, mutation.py      a changed copy of an Evidence; a mutation: a change, and the rule that must see it
    <check>.py                the mutations that this check must see, one function and one entry in MUTATIONS each;
                              those of baseline, requests and recovery in service.py
    here                      all of them tried, and what it means for the verdict

Terms. A mutation is *caught* when the rule that it names, and with it the check, is not PASS. A rule that is
not there, or a check that breaks over the copy, has caught nothing. It is *skipped* where its check is not
asked, or where the trial has nothing that it could change; the reason is kept.

A PASS with a mutation that was not caught is INCONCLUSIVE: on this evidence the judge would have said PASS
whatever had happened. A verdict other than PASS is not self-checked; it claims nothing.

Why only the named check judges a copy, and before the ground is asked: softening turns FAIL into INCONCLUSIVE
and never into PASS, and the verdict is the worst of all checks, so a check that is red by itself is red in the
whole judgement. A whole judgement each would take three times as long.

Not covered: two defects at once; defects that leave no trace in the evidence, for which there are plants.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from harness.evidence.finding import Findings, Headline, SelfCheckCount, Verdict, merge
from harness.evidence.run import Evidence
from harness.judge import CHECKS, Check, asked, attempted, gathered
from harness.judge.facts import Facts
from harness.judge.saying import finding, inference
from harness.judge.self_check import alert, cleanup, data_loss, evidence, fault, generator, rollback, service, split
from harness.judge.self_check.mutation import Mutation

__all__ = ["ID", "MUTATIONS", "Mutation", "SelfCheck", "Skipped", "Tried", "self_check", "self_checked"]

ID: Final = "self_check"

MUTATIONS: Final = (
    *evidence.MUTATIONS,
    *generator.MUTATIONS,
    *fault.MUTATIONS,
    *alert.MUTATIONS,
    *rollback.MUTATIONS,
    *split.MUTATIONS,
    *service.MUTATIONS,
    *data_loss.MUTATIONS,
    *cleanup.MUTATIONS,
)


@dataclass(frozen=True, slots=True)
class Tried:
    """One mutation that was judged. `got`: the named rule's verdict, PASS where there is no such rule. `says`: why."""

    name: str
    check: str
    rule: str
    caught: bool
    got: Verdict
    says: str


@dataclass(frozen=True, slots=True)
class Skipped:
    """One mutation that this trial has nothing for."""

    name: str
    check: str
    why: str


@dataclass(frozen=True, slots=True)
class SelfCheck:
    """Every mutation, in the order of MUTATIONS."""

    mutations: tuple[Tried, ...]
    skipped: tuple[Skipped, ...]

    @property
    def missed(self) -> tuple[Tried, ...]:
        """Those that were not caught."""
        return tuple(one for one in self.mutations if not one.caught)

    def count(self) -> SelfCheckCount:
        """What of it stands in findings.json."""
        return SelfCheckCount(
            mutations_count=len(self.mutations),
            caught_count=sum(one.caught for one in self.mutations),
            missed=tuple(one.name for one in self.missed),
            skipped=tuple(one.name for one in self.skipped),
        )


def self_checked(
    evidence: Evidence,
    findings: Findings,
    checks: Mapping[str, Check] = CHECKS,
    mutations: Sequence[Mutation] = MUTATIONS,
) -> Findings:
    """A PASS with its self-check in it, INCONCLUSIVE where a mutation was missed; any other findings as they are."""
    if findings.verdict is not Verdict.PASS:
        return findings
    result = self_check(evidence, findings, checks, mutations)
    counted = replace(findings, self_check=result.count())
    if not result.missed:
        return counted
    rules = [inference(one.name, Verdict.INCONCLUSIVE, one.says) for one in result.missed]
    missed = finding(ID, rules, {"mutations_count": len(result.mutations), "missed_count": len(rules)}, "")
    all_checks = (*findings.checks, missed)
    return replace(
        counted,
        verdict=merge(check.verdict for check in all_checks),
        headline=Headline(ID, rules[0].id, rules[0].says),
        checks=all_checks,
    )


def self_check(
    evidence: Evidence,
    findings: Findings,
    checks: Mapping[str, Check] = CHECKS,
    mutations: Sequence[Mutation] = MUTATIONS,
) -> SelfCheck:
    """Every mutation of a PASS, judged by the check that it names. Pure; never raises for what the evidence says."""
    facts, why = gathered(evidence)
    assert facts is not None, f"these findings are no PASS of this evidence: {why}"
    found = [_tried(mutation, facts, findings.not_asked, checks) for mutation in mutations]
    return SelfCheck(
        mutations=tuple(one for one in found if isinstance(one, Tried)),
        skipped=tuple(one for one in found if isinstance(one, Skipped)),
    )


def _tried(mutation: Mutation, facts: Facts, not_asked: Sequence[str], checks: Mapping[str, Check]) -> Tried | Skipped:
    if mutation.check in not_asked:
        return Skipped(mutation.name, mutation.check, f"{mutation.check} is not asked")
    changed, why = attempted(lambda: mutation.change(facts))
    if isinstance(changed, str):
        return Skipped(mutation.name, mutation.check, changed)
    if changed is None:
        return _result(mutation, Verdict.PASS, f"the mutation itself broke: {why}")
    return _judged(mutation, changed, checks)


def _judged(mutation: Mutation, changed: Evidence, checks: Mapping[str, Check]) -> Tried:
    facts, why = gathered(changed)
    check = checks.get(mutation.check)
    if facts is None or check is None:
        return _result(mutation, Verdict.PASS, why or f"there is no check {mutation.check}")
    answer = asked(check, mutation.check, facts)
    rule = next((rule for rule in answer.rules if rule.id == mutation.rule), None)
    if rule is None:
        return _result(mutation, Verdict.PASS, f"the check has no such rule: {answer.summary}")
    return _result(mutation, min(rule.verdict, answer.verdict, key=lambda verdict: verdict.rank), rule.says)


def _result(mutation: Mutation, got: Verdict, says: str) -> Tried:
    """`says` is what the rule says of the copy, or why it says nothing."""
    caught = got is not Verdict.PASS
    missed = f"{mutation.check}/{mutation.rule} did not see the mutation {mutation.name}, so its PASS proves nothing"
    return Tried(mutation.name, mutation.check, mutation.rule, caught, got, says if caught else f"{missed} ({says})")
