"""A suite's trials in the order of what they can tell, and how many of them fit a budget.

First what was red the last time: whether it still is decides the day. Then what never ran here, then what ran longest
ago; of equals the file's order. A planted trial was red when it was not found as promised; a control's red counts for
its entry. So does what an earlier suite said of the entry, where nothing ran after it: a trial that came to no verdict
leaves no row. Only trials on the same target with the same load profile are earlier runs of a trial.

How long an entry takes is the median of what earlier suites took for it, the newest TOOK_COUNT of them; before that the
file's word. It counts no more than the budget, or the file's word where that is more: an entry that once took longer
must come to run again, or nothing could correct its estimate. What does not fit is left out and shorter ones after it
may still run; next time it has waited longer.
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
    was_red: bool
    estimate_s: float


@dataclass(frozen=True, slots=True)
class Plan:
    """What fits the budget, in order, and what does not."""

    fits: tuple[Placed, ...]
    left_out: tuple[Placed, ...]


def placed(trials: Sequence[SuiteTrial], history: History, promises: Promises, budget_s: float) -> tuple[Placed, ...]:
    """The most informative first."""
    found = [(trial, *_last_time(trial, history, promises)) for trial in trials]
    found.sort(key=lambda one: _sort_key(*one))
    return tuple(
        Placed(trial, _why(opened_utc, was_red), was_red, estimate_s(trial, history, budget_s))
        for trial, opened_utc, was_red in found
    )


def _last_time(trial: SuiteTrial, history: History, promises: Promises) -> tuple[str, bool]:
    """(when it last ran, "" for never; whether it was red then)."""
    earlier = rows_of(trial, history)
    row = earlier[-1] if earlier else None
    opened_utc = row.opened_utc if row else ""
    was_red = row is not None and not is_as_expected(row, promises, history)
    entries = history.entries.get(trial.key, ())
    newest = [one for one in entries if one.opened_utc == entries[-1].opened_utc]  # an entry may be there twice
    runs = {run for one in newest for run in one.runs}
    if not newest or (row is not None and row.opened_utc > newest[-1].opened_utc and row.run not in runs):
        return opened_utc, was_red
    return max(opened_utc, newest[-1].opened_utc), was_red or any(one.was_red for one in newest)


def _sort_key(trial: SuiteTrial, opened_utc: str, was_red: bool) -> tuple[int, str, int]:
    if was_red:
        return 0, "", trial.place
    return 2 if opened_utc else 1, opened_utc, trial.place


def _why(opened_utc: str, was_red: bool) -> str:
    if not opened_utc:
        return "never ran here"
    return f"{'was red' if was_red else 'last ran'} {opened_utc}"


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


def estimate_s(trial: SuiteTrial, history: History, budget_s: float) -> float:
    """What the entry will take, its control included; see the top of the file."""
    took_s = [one.took_s for one in history.entries.get(trial.key, ()) if one.took_s is not None][-TOOK_COUNT:]
    return min(statistics.median(took_s), max(trial.seconds, budget_s)) if took_s else trial.seconds


def rows_of(trial: SuiteTrial, history: History) -> list[Row]:
    """The trial's earlier runs, the oldest first; controls of others are none."""
    return [
        row
        for row in history.rows
        if (row.experiment, row.plant) == (trial.slug, trial.plant)
        and (row.target, row.profile) == (trial.target, trial.profile)
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
