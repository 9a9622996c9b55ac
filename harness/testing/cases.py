"""A history, the rule it is about, and everything that the judge must find wrong with it.

A rule is tested by a case that `fires` it and one that comes `near` and does not. Both name check and rule
as literal text in their first two arguments, so that a house rule can compare the rules that exist with the
cases that test them. `red` names every rule of the trial that is not PASS, as "check/rule", so a case also
says what else follows, and that nothing more does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from harness.evidence.finding import Findings, Rule, Verdict
from harness.evidence.run import Evidence
from harness.judge import judge


@dataclass(frozen=True, slots=True)
class Case:
    """One history with what must come of it. `says` is the rule's sentence, "" where only its verdict counts."""

    check: str
    rule: str
    history: Callable[[], Evidence]
    verdict: Verdict
    red: Mapping[str, Verdict]
    headline: str  # "check/rule", "" for a PASS
    says: str

    def __str__(self) -> str:
        return f"{self.check}-{self.rule}-{self.verdict}".lower()


def fires(
    check: str,
    rule: str,
    history: Callable[[], Evidence],
    verdict: Verdict,
    says: str,
    red: Mapping[str, Verdict] | None = None,
    headline: str = "",
) -> Case:
    """A history that fires the rule: by default alone, and so it is the headline."""
    mine = f"{check}/{rule}"
    return Case(check, rule, history, verdict, red if red is not None else {mine: verdict}, headline or mine, says)


def near(
    check: str,
    rule: str,
    history: Callable[[], Evidence],
    red: Mapping[str, Verdict] | None = None,
    headline: str = "",
) -> Case:
    """A history that just does not fire the rule; by default nothing else is wrong with it either."""
    return Case(check, rule, history, Verdict.PASS, red or {}, headline, "")


def red_rules(findings: Findings) -> dict[str, Verdict]:
    """Every rule that is not PASS, as "check/rule"."""
    return {
        f"{check.id}/{rule.id}": rule.verdict
        for check in findings.checks
        for rule in check.rules
        if rule.verdict is not Verdict.PASS
    }


def rule_of(findings: Findings, check: str, rule: str) -> Rule:
    """One rule of the findings; LookupError where the judge did not ask it."""
    for found in findings.checks:
        for one in found.rules:
            if (found.id, one.id) == (check, rule):
                return one
    raise LookupError(f"{check}/{rule}: the judge did not ask this rule; it asked {sorted(red_rules(findings))}")


def verify(case: Case) -> None:
    """Judge the history and compare everything. AssertionError says what differs."""
    findings = judge(case.history())
    rule = rule_of(findings, case.check, case.rule)
    assert case.verdict == rule.verdict, rule.says
    assert dict(case.red) == red_rules(findings)
    assert case.headline == "/".join(filter(None, (findings.headline.check, findings.headline.rule)))
    assert not case.says or case.says == rule.says
