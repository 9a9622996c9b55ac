"""Weather and tide by area: what sensors send and maps read. Pure.

Units: wind in metres a second, visibility in metres, tide in metres above chart datum.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from porttrack.decode import invalid
from porttrack.logs import log_of
from porttrack.releases.v1_0 import Instant, Seq


class ReadingKind(StrEnum):
    """What a sensor measures."""

    WIND = "wind"
    VISIBILITY = "visibility"
    TIDE = "tide"


# Above any storm, the end of what a visibility sensor can tell, and the largest tides on Earth (16 m) with surge.
_BOUNDS: Final = {
    ReadingKind.WIND: (0.0, 100.0),
    ReadingKind.VISIBILITY: (0.0, 75_000.0),
    ReadingKind.TIDE: (-10.0, 20.0),
}


class Reading(msgspec.Struct, frozen=True):
    """One reading. `seq` is the sensor's own count; a sensor without a name is the one of its kind in its area."""

    seq: Seq
    area: Annotated[str, Meta(min_length=1, max_length=40)]
    kind: ReadingKind
    value: float
    ts: Instant
    source: Annotated[str, Meta(max_length=64)] = ""

    def named(self) -> Reading:
        """The reading with its sensor's name."""
        return self if self.source else msgspec.structs.replace(self, source=f"{self.area}/{self.kind.value}")


LOG: Final = log_of("readings", Reading)


def check(reading: Reading) -> None:
    """Raise the 422 of a value that no such sensor gives."""
    low, high = _BOUNDS[reading.kind]
    if not low <= reading.value <= high:
        raise invalid("value", reading.value, f"{reading.kind.value} must be {low:g} to {high:g}")
