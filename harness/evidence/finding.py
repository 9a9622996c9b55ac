"""Verdicts, rules, findings: what a judge says, and how sayings merge.

PASS < INCONCLUSIVE < FAIL; merging takes the worst, PASS is neutral. A rule is a *witness* (a concrete
row refutes it) or an *inference* (a bound, a share, a rate). Where the ground of inference is not PASS
(generator, baseline, fault, evidence), a FAIL by inference becomes INCONCLUSIVE; a witness stays FAIL.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final


class Verdict(StrEnum):
    """A closed enumeration with a merge order."""

    PASS = "PASS"
    INCONCLUSIVE = "INCONCLUSIVE"
    FAIL = "FAIL"

    @property
    def rank(self) -> int:
        """0, 1, 2 from good to bad."""
        return _ORDER.index(self)


_ORDER: Final = (Verdict.PASS, Verdict.INCONCLUSIVE, Verdict.FAIL)

EXIT_CODES: Final = {Verdict.PASS: 0, Verdict.FAIL: 1, Verdict.INCONCLUSIVE: 2}


def merge(verdicts: Iterable[Verdict]) -> Verdict:
    """The worst of them; PASS for none."""
    return max(verdicts, key=lambda verdict: verdict.rank, default=Verdict.PASS)


class RuleKind(StrEnum):
    """Whether a concrete row refutes the rule, or a number computed from many."""

    WITNESS = "witness"
    INFERENCE = "inference"


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule's saying. `says` is one plain sentence with the numbers in it."""

    id: str
    kind: RuleKind
    verdict: Verdict
    says: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One check's answer. `measured` is flat: name with its unit last -> number, string or list of them."""

    id: str
    verdict: Verdict
    summary: str
    rules: tuple[Rule, ...]
    measured: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Instant:
    """An edge of the chain as an interval of CLOCK_MONOTONIC nanoseconds, or why it is unknown."""

    lo_ns: int = 0
    hi_ns: int = 0
    source: str = ""
    unknown: str = ""

    @property
    def known(self) -> bool:
        """Whether there is an interval at all."""
        return not self.unknown


CHAIN: Final = (
    "fault_on",
    "first_faulted_response",
    "alert_pending",
    "alert_firing",
    "notified",
    "decided",
    "weight_zero_status",
    "weight_zero_route",
    "shifted",
    "drained",
    "team_notified",
    "clean",
)


@dataclass(frozen=True, slots=True)
class Headline:
    """The earliest cause along the chain; empty strings for a PASS."""

    check: str
    rule: str
    says: str


@dataclass(frozen=True, slots=True)
class SelfCheckCount:
    """On how many mutated copies of a PASS's evidence its judge was tried, and how many it saw. Names of the others."""

    mutations_count: int
    caught_count: int
    missed: tuple[str, ...]
    skipped: tuple[str, ...]  # their check is not asked, or the trial has nothing that they could change


@dataclass(frozen=True, slots=True)
class Findings:
    """The judgement of one trial: the content of findings.json. `self_check` is None where a check was red anyway."""

    run_id: str
    experiment: str
    target: str
    verdict: Verdict
    headline: Headline
    not_asked: tuple[str, ...]
    checks: tuple[Finding, ...]
    chain: Mapping[str, Instant]
    durations_s: Mapping[str, tuple[float, float]]
    bounds_s: Mapping[str, tuple[float, float]]
    self_check: SelfCheckCount | None = None
