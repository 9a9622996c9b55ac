"""How a check says what it found: rules with their numbers, and the finding that they make.

Every rule goes through `witness` or `inference`, with its id written out as the first argument, so that
the rules that exist can be read from the source and compared with the histories that fire them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from harness.clock import NS_PER_S
from harness.evidence.finding import Finding, Rule, RuleKind, Verdict, merge
from harness.judge.facts import Facts
from harness.judge.statistics import BUDGET

LISTED_MAX: Final = 10  # offenders named in a finding; the evidence has them all

Interval = tuple[int, int]  # [lo, hi] in nanoseconds


def witness(rule_id: str, verdict: Verdict, says: str) -> Rule:
    """A rule that a concrete row refutes."""
    return Rule(rule_id, RuleKind.WITNESS, verdict, says)


def inference(rule_id: str, verdict: Verdict, says: str) -> Rule:
    """A rule about a bound, a share, a rate, or about something that never came."""
    return Rule(rule_id, RuleKind.INFERENCE, verdict, says)


def finding(check_id: str, rules: Sequence[Rule], measured: Mapping[str, Any], well: str) -> Finding:
    """The check's answer: the worst of its rules. `well` is the summary of a PASS."""
    verdict = merge(rule.verdict for rule in rules)
    summary = well if verdict is Verdict.PASS else leading(rules, verdict).says
    return Finding(check_id, verdict, summary, tuple(rules), dict(measured))


def leading(rules: Sequence[Rule], verdict: Verdict) -> Rule:
    """The rule that stands for `verdict`: the first witness with it where it is FAIL, else the first with it."""
    with_it = [rule for rule in rules if rule.verdict is verdict]
    assert with_it, f"no rule has the verdict {verdict}"
    witnesses = [rule for rule in with_it if rule.kind is RuleKind.WITNESS]
    return witnesses[0] if witnesses and verdict is Verdict.FAIL else with_it[0]


def unless(wrong: bool, otherwise: Verdict = Verdict.INCONCLUSIVE) -> Verdict:
    """PASS unless something is wrong."""
    return otherwise if wrong else Verdict.PASS


def bounded(interval: Interval, limit_s: float) -> Verdict:
    """PASS when all of the interval is within the limit, FAIL when all of it is beyond, else INCONCLUSIVE."""
    limit_ns = limit_s * NS_PER_S
    if interval[1] <= limit_ns:
        return Verdict.PASS
    return Verdict.FAIL if interval[0] > limit_ns else Verdict.INCONCLUSIVE


def budgeted(facts: Facts) -> str:
    """What a p has to be below: the budget of all tests of the trial together."""
    count = len(facts.p_values)
    return f"{count} test{'' if count == 1 else 's'} of the trial share {BUDGET:g}"


def seconds(interval: Interval) -> str:
    """`3.210 to 3.340 s`."""
    return f"{interval[0] / NS_PER_S:.3f} to {interval[1] / NS_PER_S:.3f} s"


def percent(share: float) -> str:
    """`12.3 %`, with three digits that matter below one percent."""
    value = 100 * share
    return f"{value:.1f} %" if value >= 1 or value == 0 else f"{value:.3g} %"
