"""A mutation: one thing wrong with a copy of the evidence, and the rule that must see it.

A mutation changes one thing, as a defect would; what else turns red with it does not matter. Where a trial
has nothing that it could change, its `change` says why not instead of making something up.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from harness.evidence.run import Evidence
from harness.judge.facts import Facts

# The changed copy, or why this trial has nothing to change.
Change = Callable[[Facts], Evidence | str]


@dataclass(frozen=True, slots=True)
class Mutation:
    """`change` must turn `rule` of `check` red. `name` is unique and says what is wrong."""

    name: str
    check: str
    rule: str
    change: Change
