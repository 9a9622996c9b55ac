"""A suite's trials in the order of what they can tell, and how many of them fit a budget.

First what was red the last time: whether it still is decides the day. Then what never ran here, then what ran longest
ago; of equals the file's order. A planted trial was red when it was not found as promised; a control's red counts for
its entry.

How long an entry takes is the median of what earlier suites took for it, the newest TOOK_COUNT of them; before that the
file's word. What does not fit is left out and shorter ones after it may still run; next time it has waited longer.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from harness.evidence.finding import Verdict
from harness.plan.suite import SuiteTrial
from harness.study.expected import Expected
from harness.study.history import History, Row

TOOK_COUNT: Final = 5
Promises = Mapping[str, Expected]


@dataclass(frozen=True, slots=True)
class Placed:
    """One trial with its place in the order: why it stands there and how long it will take."""

    trial: SuiteTrial
    why: str
    estimate_s: float


@dataclass(frozen=True, slots=True)
class Plan:
    """What fits the budget, in order, and what does not."""

    fits: tuple[Placed, ...]
    left_out: tuple[Placed, ...]


def placed(trials: Sequence[SuiteTrial], history: History, promises: Promises) -> tuple[Placed, ...]:
    """The most informative first."""

    def sort_key(trial: SuiteTrial) -> tuple[int, str, int]:
        earlier = rows_of(trial, history)
        if not earlier:
            return 1, "", trial.place
        is_red = not is_as_expected(earlier[-1], promises, history)
        return (0, "", trial.place) if is_red else (2, earlier[-1].opened_utc, trial.place)

    def why(trial: SuiteTrial) -> str:
        earlier = rows_of(trial, history)
        if not earlier:
            return "never ran here"
        is_red = not is_as_expected(earlier[-1], promises, history)
        return f"{'was red' if is_red else 'last ran'} {earlier[-1].opened_utc}"

    ordered = sorted(trials, key=sort_key)
    return tuple(Placed(trial, why(trial), estimate_s(trial, history)) for trial in ordered)


def within(ordered: Sequence[Placed], budget_s: float) -> Plan:
    """What fits, by the estimates."""
    fits: list[Placed] = []
    left_out: list[Placed] = []
    used_s = 0.0
    for one in ordered:
        if used_s + one.estimate_s <= budget_s:
            fits.append(one)
            used_s += one.estimate_s
        else:
            left_out.append(one)
    return Plan(tuple(fits), tuple(left_out))


def estimate_s(trial: SuiteTrial, history: History) -> float:
    """What the entry will take, its control included."""
    took_s = history.took_s.get(trial.key, ())[-TOOK_COUNT:]
    return statistics.median(took_s) if took_s else trial.seconds


def rows_of(trial: SuiteTrial, history: History) -> list[Row]:
    """The trial's earlier runs, the oldest first; controls of others are none."""
    return [
        row
        for row in history.rows
        if (row.experiment, row.plant) == (trial.slug, trial.plant)
        and (trial.seed is None or row.seed == trial.seed)
        and not row.control_of
    ]


def is_as_expected(row: Row, promises: Promises, history: History) -> bool:
    """Whether its plant was found as promised, or it and its control are PASS."""
    if row.plant:
        return is_found(row, promises)
    controls = [one.verdict for one in history.rows if one.control_of == row.run]
    return all(verdict is Verdict.PASS for verdict in (row.verdict, *controls))


def is_found(row: Row, promises: Promises) -> bool:
    """Whether a planted trial came out exactly as its plant promises; never, where it promises nothing."""
    return promises.get(row.plant) == Expected(row.verdict, row.check, row.rule, row.red)
