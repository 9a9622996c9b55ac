"""What the service needs from its store.

A Protocol, so that a planted defect or a fake is a class with the same methods and nothing to patch. Every
write takes the operation's id and keeps it, with the release that wrote, in every row it stores.
No write returns before its rows are committed: the answer 2xx is a promise.

Rows are plain dictionaries from column to value, as they go into the JSON answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Any, Protocol
from uuid import UUID

from porttrack.cargo import Move
from porttrack.logs import Log
from porttrack.movements import Movement
from porttrack.port_calls import PortCall
from porttrack.readings import Reading
from porttrack.sea_routes import SeaRoute
from porttrack.staff import Assignment
from porttrack.timestamps import Timestamp

Row = dict[str, Any]
Box = tuple[float, float, float, float]  # lon1, lat1, lon2, lat2 in degrees; the first corner is the smaller one


class Put(Enum):
    """What a put did. REPEATED: the same request again, nothing new stored."""

    CREATED = "created"
    UPDATED = "updated"
    REPEATED = "repeated"


class Store(Protocol):
    """The store of one instance. Every method has its own bound and raises StoreUnavailableError past it."""

    async def open(self) -> None:
        """Connect; called once, before anything else."""
        ...

    async def close(self) -> None:
        """Give the connections back; called once, after the last request."""
        ...

    async def append_positions(self, op_id: str, source: str, reports: Sequence[Any]) -> None:
        """Append all reports to the log and move the vessels' latest positions, in one transaction."""
        ...

    async def vessels_in(self, box: Box, limit: int) -> list[Row]:
        """Latest positions in the box, at most `limit`, by rising mmsi."""
        ...

    async def vessel(self, mmsi: int) -> Row | None:
        """The latest position of one vessel."""
        ...

    async def track(self, mmsi: int, after_seq: int, limit: int) -> list[Row]:
        """The vessel's log by rising seq, from the first seq above `after_seq`, at least `limit` rows if there are.

        Rows of one seq are never split between two pages, else a row stored twice would vanish between them.
        """
        ...

    async def put_port_call(self, op_id: str, call_id: UUID, call: PortCall) -> Put:
        """Create or advance a call and append to its history. ApiError 409 if it would go back."""
        ...

    async def port_calls(self, limit: int) -> list[Row]:
        """The calls that were put last, newest first."""
        ...

    async def port_call_history(self, call_id: UUID) -> list[Row]:
        """Every accepted put of the call in the store's own order; empty for an unknown call."""
        ...

    async def put_timestamp(self, op_id: str, stamp_id: UUID, stamp: Timestamp) -> Put:
        """Store a timestamp once. ApiError 409 if the id is taken by another body."""
        ...

    async def timestamps_of(self, call_id: UUID) -> list[Row]:
        """The timestamps of a call in the store's own order; empty for an unknown call."""
        ...

    async def put_route(self, op_id: str, route_id: UUID, route: SeaRoute) -> Put:
        """Store a route once. ApiError 409 if the id is taken by another body."""
        ...

    async def route(self, route_id: UUID) -> Row | None:
        """One route."""
        ...

    async def routes_of(self, call_id: UUID) -> list[Row]:
        """The routes of a call in the store's own order; empty for an unknown call."""
        ...

    async def append_reading(self, op_id: str, reading: Reading) -> Put:
        """Append a reading once. ApiError 409, here and below, if the source has another entry of that number."""
        ...

    async def latest_readings(self, area: str) -> list[Row]:
        """The latest reading of each kind in an area."""
        ...

    async def append_cargo_move(self, op_id: str, move: Move) -> Put:
        """Append a move once and carry it into the inventory. ApiError 409 for a container that is there already."""
        ...

    async def cargo_inventory(self, call_id: UUID, limit: int) -> list[Row]:
        """Every container of a call with its place and balance, by number."""
        ...

    async def append_assignment(self, op_id: str, assignment: Assignment) -> Put:
        """Append a shift once. ApiError 409 for a double booking, 422 for too little rest."""
        ...

    async def shifts(self, member: str, role: str, limit: int) -> list[Row]:
        """The shifts that begin last, of one member and one role where these are not empty."""
        ...

    async def append_movement(self, op_id: str, movement: Movement) -> Put:
        """Append an entry or exit once and carry it into the stays. ApiError 409 for what cannot be, see movements."""
        ...

    async def berths(self, limit: int) -> list[Row]:
        """The berths that ships inside hold, by name."""
        ...

    async def log(self, log: Log, source: str, after_seq: int, limit: int) -> list[Row]:
        """The entries of one source by rising seq; `id` is the store's own order."""
        ...
