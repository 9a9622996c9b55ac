"""What a planted defect promises: verdict, headline and red checks of the trial that it is planted in.

The promise is the attribute `expected` of the plant's function, found through its entry point, so that neither the
suite nor the page must import what plants. A plant without one can be run by `harness run`, and by no suite: nobody
could say whether it was found.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint

from harness.errors import UsageError
from harness.evidence.finding import Verdict


@dataclass(frozen=True, slots=True)
class Expected:
    """The verdict, the headline's check and rule, and every check that is not PASS, sorted."""

    verdict: Verdict
    check: str
    rule: str
    red: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.verdict} by {self.check}/{self.rule}, red: {', '.join(self.red)}"


def read(points: Mapping[str, EntryPoint]) -> dict[str, Expected]:
    """Plant -> promise, of those that make one. Imports what the entry points name; UsageError where one cannot be."""
    promises = {name: getattr(_plant(point), "expected", None) for name, point in sorted(points.items())}
    return {name: promise for name, promise in promises.items() if isinstance(promise, Expected)}


def _plant(point: EntryPoint) -> object:
    try:
        return point.load()
    except (ImportError, AttributeError) as error:
        raise UsageError(
            f"plant {point.name}: {point.value} cannot be imported: {error}; mend or uninstall it"
        ) from error
