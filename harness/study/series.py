"""Numbers over time: one series a measure, of the trials that can be compared.

Compared are trials of one experiment on one target with one load profile. Planted trials are no part of any series:
what they measure is the defect.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from harness.study.change_points import ChangePoint, find
from harness.study.history import Interval, Row


@dataclass(frozen=True, slots=True)
class Measure:
    """What is drawn. `of`: (middle, lo, hi) of a row, None where it was not measured."""

    key: str
    label: str
    unit: str
    meaning: str
    of: Callable[[Row], tuple[float, float, float] | None]


@dataclass(frozen=True, slots=True)
class Change:
    """A change of level: at which row it begins."""

    row: Row
    measure: Measure
    point: ChangePoint

    @property
    def is_worse(self) -> bool:
        """Whether the new level is farther from 0, which is where each of these measures should be."""
        return abs(self.point.after) > abs(self.point.before)


@dataclass(frozen=True, slots=True)
class Group:
    """Trials that can be compared, the oldest first."""

    experiment: str
    target: str
    profile: str
    rows: tuple[Row, ...]

    def changes(self, measure: Measure) -> tuple[Change, ...]:
        """Every change of one measure's level, in order."""
        measured = [(row, value) for row in self.rows if (value := measure.of(row)) is not None]
        return tuple(
            Change(measured[point.index][0], measure, point) for point in find([value[0] for _, value in measured])
        )


def _middle(interval: Interval | None) -> tuple[float, float, float] | None:
    return None if interval is None else (sum(interval) / 2, *interval)


def _count(value: int | None) -> tuple[float, float, float] | None:
    return None if value is None else (float(value), float(value), float(value))


def _share(row: Row) -> tuple[float, float, float] | None:
    error = row.share_error
    return None if error is None else (error.points, error.lo, error.hi)


MEASURES: Final = (
    Measure("rollback_s", "Rollback time", "s", "first bad answer → last request sent to the canary",
            lambda row: _middle(row.rollback_s)),
    Measure("detect_s", "Detection time", "s", "first bad answer → alert fires", lambda row: _middle(row.detect_s)),
    Measure("share_error", "Share error", "points",
            "the canary's measured share minus its weight, at the last step below 100 %", _share),
    Measure("requests_lost", "Lost requests", "", "failed or unknown, and not by the fault's own doing",
            lambda row: _count(row.requests_lost)),
)  # fmt: skip


def groups(rows: Iterable[Row]) -> tuple[Group, ...]:
    """The unplanted rows by experiment, target and profile; the one with the newest trial first."""
    found: dict[tuple[str, str, str], list[Row]] = {}
    for row in rows:
        if not row.plant:
            found.setdefault((row.experiment, row.target, row.profile), []).append(row)
    made = [Group(*key, tuple(members)) for key, members in found.items()]
    return tuple(sorted(made, key=lambda group: (group.rows[-1].opened_utc, group.experiment), reverse=True))


def changes(made: Sequence[Group]) -> Mapping[str, tuple[Change, ...]]:
    """Run -> the changes that begin with it, over all groups and measures."""
    found: dict[str, list[Change]] = {}
    for group in made:
        for measure in MEASURES:
            for change in group.changes(measure):
                found.setdefault(change.row.run, []).append(change)
    return {run: tuple(items) for run, items in found.items()}
