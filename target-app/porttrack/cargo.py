"""Cargo moves of a port call: containers that are loaded and discharged. Pure.

A container is on board or ashore. Loading one that is on board, or discharging one that is ashore, is refused; one
that was never seen may be either. The inventory of a call keeps, for every container, where it is and its balance,
loads minus discharges, so that the sum of the balances is the sum over the moves: containers are conserved.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final
from uuid import UUID

import msgspec
from msgspec import Meta

from porttrack.decode import invalid
from porttrack.logs import Source, log_of
from porttrack.releases.v1_0 import Instant, Seq


class MoveKind(StrEnum):
    """Which way a container goes."""

    LOAD = "load"
    DISCHARGE = "discharge"


class Place(StrEnum):
    """Where a container is after its last move."""

    ON_BOARD = "on_board"
    ASHORE = "ashore"


class Move(msgspec.Struct, frozen=True):
    """One container over the ship's rail. `source` is the crane; `container` is an ISO 6346 number."""

    source: Source
    seq: Seq
    port_call: UUID
    kind: MoveKind
    container: Annotated[str, Meta(pattern="^[A-Z]{3}[UJZ][0-9]{7}$")]
    ts: Instant
    weight_kg: Annotated[int, Meta(ge=0, le=50_000)] = 0  # 0: not weighed; the heaviest container is below 40 t


LOG: Final = log_of("cargo_moves", Move)
# ISO 6346: letters count from 10 on and leave out the multiples of 11.
_LETTERS: Final = dict(zip("ABCDEFGHIJKLMNOPQRSTUVWXYZ", (n for n in range(10, 39) if n % 11), strict=True))


def check_digit(number: str) -> int:
    """The ISO 6346 check digit of the first ten characters of a container number."""
    values = (_LETTERS.get(character) or int(character) for character in number[:10])
    return sum(value << place for place, value in enumerate(values)) % 11 % 10


def place_after(kind: MoveKind) -> Place:
    """Where a move leaves its container."""
    return Place.ON_BOARD if kind is MoveKind.LOAD else Place.ASHORE


def balance_of(kind: MoveKind) -> int:
    """What a move adds to the balance of its container."""
    return 1 if kind is MoveKind.LOAD else -1


def check(move: Move) -> None:
    """Raise the 422 of a container number that cannot be one."""
    wanted = check_digit(move.container)
    if int(move.container[-1]) != wanted:
        raise invalid("container", move.container, f"its ISO 6346 check digit must be {wanted}")
