"""Entries and exits: which ships are inside, and which lies at which berth until when. Pure.

An entry may name a berth and the window for which the berth is the ship's; two windows of one berth never overlap:
one berth, one ship. A ship that is inside cannot enter. An exit ends the ship's stay, and with it the window.

An exit of a ship that nobody saw enter is taken, and says so in `entry_seen`: the ship is outside now, and a record
that refused to hear of it would stay wrong. So entries - exits seen to have entered = ships inside, always.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from porttrack.decode import invalid
from porttrack.logs import Source, log_of
from porttrack.releases.v1_0 import Instant, Mmsi, Seq


class MovementKind(StrEnum):
    """Which way a ship passes the port's limit."""

    ENTRY = "entry"
    EXIT = "exit"


class Movement(msgspec.Struct, frozen=True):
    """One passage. `source` is the traffic desk. A berth belongs to an entry and comes with `until`."""

    source: Source
    seq: Seq
    kind: MovementKind
    mmsi: Mmsi
    ts: Instant
    berth: Annotated[str, Meta(max_length=40)] = ""
    until: Instant | None = None


LOG: Final = log_of("movements", Movement)


def check(movement: Movement) -> None:
    """Raise the 422 of a movement that contradicts itself."""
    if movement.kind is MovementKind.EXIT:
        if movement.berth:
            raise invalid("berth", movement.berth, "an exit takes no berth")
        if movement.until is not None:
            raise invalid("until", movement.until, "an exit has no window")
        return
    if bool(movement.berth) != (movement.until is not None):
        raise invalid("until", movement.until, "a berth is taken until an instant, and an instant needs a berth")
    if movement.until is not None and movement.until <= movement.ts:
        raise invalid("until", movement.until, "must be after ts")
