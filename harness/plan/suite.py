"""A suite: which trials run together, within how many seconds. Every problem of the file is listed at once.

    title: ...
    budget_s: 2700
    trials:
      - {experiment: canary-5xx, seconds: 90}                        one trial
      - {experiment: canary-latency, seconds: 170, control: true}    two: healthy-release with the same seed and profile
      - {experiment: canary-5xx-one-step, seconds: 60, plants: [router_unchanged, load_stops]}    one of them a night

An experiment is named by its file's name, in the folder above the suite's, or by a path from the suite's folder.
`seconds` is what the entry takes, its control included; it counts until the history of the reports folder knows
better. With `plants`, each day plants the next of the list, by the date alone: whoever runs the suite on that day
plants the same.

Not covered: trials side by side; they would disturb each other's measurement.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import msgspec

from harness.plan.experiment import slug_of
from harness.plan.validate import Problems, convert, nearest

BUDGET_S_MAX: Final = 86_400.0
CONTROL: Final = "healthy-release"  # the experiment in which nothing is broken
_SUFFIXES: Final = (".yaml", ".yml", ".json")

Seconds = Annotated[float, msgspec.Meta(gt=0, le=BUDGET_S_MAX)]


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One line of `trials`."""

    experiment: str
    seconds: Seconds
    seed: Annotated[int, msgspec.Meta(ge=0, le=2**31)] | None = None  # None: the experiment's own
    control: bool = False
    plants: tuple[str, ...] = ()


class SuiteFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file."""

    title: str
    budget_s: Seconds
    trials: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class SuiteTrial:
    """One trial of a suite, as it is to be run today. `place`: its line in the file, from 0.

    `target` and `profile` are those under which it will stand in the history; "" until its experiment is read.
    """

    place: int
    experiment: str  # the file's path
    slug: str
    seconds: float
    seed: int | None = None
    plant: str = ""
    control: str = ""  # path of the control's experiment, "" without one
    target: str = ""
    profile: str = ""

    @property
    def key(self) -> str:
        """The entry's name in suite.json, by which the next suite finds what it took."""
        seed = "" if self.seed is None else str(self.seed)
        control = "control" if self.control else ""
        return "|".join((self.slug, self.target, self.profile, seed, self.plant, control))

    @property
    def label(self) -> str:
        """The trial for a reader: `canary-5xx, seed 7, plant router_unchanged`."""
        seed = f", seed {self.seed}" if self.seed is not None else ""
        return (
            f"{self.slug}{seed}{f', plant {self.plant}' if self.plant else ''}{', with control' * bool(self.control)}"
        )


@dataclass(frozen=True, slots=True)
class Suite:
    """One suite, checked, as it is to be run on one day."""

    path: str
    name: str
    title: str
    budget_s: float
    trials: tuple[SuiteTrial, ...]


def parse(
    document: object, path: str, lines: Mapping[str, int], known_plants: Collection[str], day: int
) -> tuple[Suite | None, Problems]:
    """Check a loaded suite file; `day` counts days, and picks the plants. None when `problems.found` is not empty."""
    problems = Problems(path, lines)
    file = convert(SuiteFile, document, "", problems)
    if file is None:
        return None, problems
    if not file.trials and not problems.found:
        problems.add("trials", "is empty: name at least one experiment")
    is_whole = isinstance(document, Mapping) and len(file.trials) == len(document["trials"])
    for place, entry in enumerate(file.trials if is_whole else ()):  # else the places would be others' than the file's
        _check(entry, f"trials.{place}", file.budget_s, known_plants, problems)
    if problems.found:
        return None, problems
    trials = tuple(_trial(place, entry, Path(path), day) for place, entry in enumerate(file.trials))
    return Suite(path, slug_of(path, file.title), file.title, file.budget_s, trials), problems


def _check(entry: Entry, where: str, budget_s: float, known_plants: Collection[str], problems: Problems) -> None:
    if not entry.experiment:
        problems.add(f"{where}.experiment", "is empty: name an experiment")
    if entry.seconds > budget_s:
        problems.add(f"{where}.seconds", f"is {entry.seconds:g}, more than budget_s {budget_s:g}: it could never run")
    for plant in entry.plants:
        if plant not in known_plants:
            what = f"{plant!r} is no plant that says what it is found by; {nearest(plant, known_plants)}"
            problems.add(f"{where}.plants", what)
    if entry.control and entry.plants:
        problems.add(f"{where}.control", "is true beside plants: a planted defect has no fault-free pair; drop one")
    if entry.control and slug_of(entry.experiment, "") == CONTROL:
        problems.add(f"{where}.control", f"is true for {CONTROL}: it is the control itself")


def _trial(place: int, entry: Entry, suite: Path, day: int) -> SuiteTrial:
    experiment = experiment_path(entry.experiment, suite)
    return SuiteTrial(
        place=place,
        experiment=str(experiment),
        slug=slug_of(str(experiment), ""),
        seconds=entry.seconds,
        seed=entry.seed,
        plant=entry.plants[day % len(entry.plants)] if entry.plants else "",
        control=str(experiment.parent / f"{CONTROL}.yaml") if entry.control else "",
    )


def experiment_path(named: str, suite: Path) -> Path:
    """A name in the folder above the suite's; a path from the suite's folder."""
    is_path = "/" in named or named.endswith(_SUFFIXES)
    return suite.parent / named if is_path else suite.parent.parent / f"{named}.yaml"
