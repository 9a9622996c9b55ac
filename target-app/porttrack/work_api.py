"""The public API of the work of the port: requests -> store calls -> answers.

    PUT  /api/v1/routes/{id}                     store a route once; its id is the client's
    GET  /api/v1/routes/{id}                     one of them
    GET  /api/v1/routes?port_call=               those of a call, oldest first
    POST /api/v1/readings                        one reading of wind, visibility or tide
    GET  /api/v1/readings?area=                  the latest of each kind in an area
    POST /api/v1/cargo/moves                     one container loaded or discharged
    GET  /api/v1/cargo/inventory?port_call=      where a call's containers are, and their balance
    POST /api/v1/staff/assignments               one shift, under the rules on double booking and rest
    GET  /api/v1/staff/shifts?staff=&role=&limit=    the shifts that begin last
    POST /api/v1/movements                       one entry or exit
    GET  /api/v1/berths                          who lies where

Each POST is an entry of a log: 201 for a new one, 200 for the same again, 409 for another one under its number. The
log of a source is at GET /api/v1/{readings,cargo/moves,staff/assignments,movements}/log, paged by
?source=&after_seq=&limit=.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from porttrack import cargo, movements, readings, sea_routes, staff
from porttrack.answers import json_answer
from porttrack.asked import BODY_BYTES_MAX, request_id, text, uuid_in_path, uuid_in_query, whole
from porttrack.decode import decode, invalid, read_body
from porttrack.edge import Handler
from porttrack.errors import ApiError
from porttrack.logs import Log
from porttrack.releases.v1_0 import SEQ_MAX
from porttrack.store import Put, Store

LOG_ROWS_MAX: Final = 1000
SHIFTS_MAX: Final = 500
BERTHS_MAX: Final = 1000
CONTAINERS_MAX: Final = 10_000  # the largest ships exchange about as many in one call

_route_decoder = msgspec.json.Decoder(sea_routes.SeaRoute)
_reading_decoder = msgspec.json.Decoder(readings.Reading)
_move_decoder = msgspec.json.Decoder(cargo.Move)
_assignment_decoder = msgspec.json.Decoder(staff.Assignment)
_movement_decoder = msgspec.json.Decoder(movements.Movement)


class WorkApi:
    """The handlers of one instance."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def routes(self) -> tuple[tuple[str, str, Handler], ...]:
        """(method, route template, handler), the most frequent first: routes are tried in order."""
        return (
            ("POST", "/api/v1/cargo/moves", self.post_move),
            ("GET", "/api/v1/cargo/inventory", self.get_inventory),
            ("POST", "/api/v1/staff/assignments", self.post_assignment),
            ("GET", "/api/v1/staff/shifts", self.get_shifts),
            ("POST", "/api/v1/movements", self.post_movement),
            ("POST", "/api/v1/readings", self.post_reading),
            ("GET", "/api/v1/readings", self.get_readings),
            ("PUT", "/api/v1/routes/{id}", self.put_route),
            ("GET", "/api/v1/routes", self.get_routes),
            ("GET", "/api/v1/routes/{id}", self.get_route),
            ("GET", "/api/v1/berths", self.get_berths),
            *((("GET", f"/api/v1/{path}/log", self._log(log))) for path, log in LOGS.items()),
        )

    async def put_route(self, request: Request) -> Response:
        """201 for a new route, 200 for the same body again, 409 for another body."""
        op_id, route_id = request_id(request), uuid_in_path(request)
        route = decode(_route_decoder, await read_body(request, BODY_BYTES_MAX))
        sea_routes.check(route)
        put = await self._store.put_route(op_id, route_id, route)
        return _stored(put, {"id": route_id, "request_id": op_id, "result": put.value})

    async def get_route(self, request: Request) -> Response:
        """One route, or 404."""
        route_id = uuid_in_path(request)
        row = await self._store.route(route_id)
        if row is None:
            raise ApiError(404, "unknown_route", f"route {route_id} was never put", "id", str(route_id))
        return json_answer(row)

    async def get_routes(self, request: Request) -> Response:
        """The routes of a call, oldest first; empty for a call without any."""
        call_id = uuid_in_query(request, "port_call")
        return json_answer({"port_call": call_id, "routes": await self._store.routes_of(call_id)})

    async def post_reading(self, request: Request) -> Response:
        """One reading."""

        async def append(op_id: str, body: bytes) -> tuple[Put, Any]:
            reading = decode(_reading_decoder, body).named()
            readings.check(reading)
            return await self._store.append_reading(op_id, reading), reading

        return await _append(request, append)

    async def get_readings(self, request: Request) -> Response:
        """The latest reading of each kind; empty for an area without any."""
        area = text(request, "area", 40)
        return json_answer({"area": area, "readings": await self._store.latest_readings(area)})

    async def post_move(self, request: Request) -> Response:
        """One container over the rail; 409 for one that is on that side already."""

        async def append(op_id: str, body: bytes) -> tuple[Put, Any]:
            move = decode(_move_decoder, body)
            cargo.check(move)
            return await self._store.append_cargo_move(op_id, move), move

        return await _append(request, append)

    async def get_inventory(self, request: Request) -> Response:
        """The containers of a call and the sum of their balances: loads minus discharges."""
        call_id = uuid_in_query(request, "port_call")
        containers = await self._store.cargo_inventory(call_id, CONTAINERS_MAX)
        net_count = sum(row["balance"] for row in containers)
        return json_answer({"port_call": call_id, "net_count": net_count, "containers": containers})

    async def post_assignment(self, request: Request) -> Response:
        """One shift; 409 for a double booking, 422 for too little rest."""

        async def append(op_id: str, body: bytes) -> tuple[Put, Any]:
            assignment = decode(_assignment_decoder, body)
            staff.check(assignment)
            return await self._store.append_assignment(op_id, assignment), assignment

        return await _append(request, append)

    async def get_shifts(self, request: Request) -> Response:
        """The shifts that begin last, of one member or one role where asked."""
        member, role = text(request, "staff", 32, ""), text(request, "role", 20, "")
        if role and role not in set(staff.Role):
            raise invalid("role", role, f"must be one of {', '.join(staff.Role)}")
        return json_answer(
            {"shifts": await self._store.shifts(member, role, whole(request, "limit", 20, 1, SHIFTS_MAX))}
        )

    async def post_movement(self, request: Request) -> Response:
        """One entry or exit; 409 for a ship that is inside, a berth that is another's, an exit out of its window."""

        async def append(op_id: str, body: bytes) -> tuple[Put, Any]:
            movement = decode(_movement_decoder, body)
            movements.check(movement)
            return await self._store.append_movement(op_id, movement), movement

        return await _append(request, append)

    async def get_berths(self, request: Request) -> Response:
        """The berths that ships inside hold, by name."""
        return json_answer({"berths": await self._store.berths(whole(request, "limit", 100, 1, BERTHS_MAX))})

    def _log(self, log: Log) -> Handler:
        async def get_log(request: Request) -> Response:
            source = text(request, "source", 64)
            after_seq = whole(request, "after_seq", -1, -1, SEQ_MAX)
            limit = whole(request, "limit", 100, 1, LOG_ROWS_MAX)
            return json_answer({"source": source, "rows": await self._store.log(log, source, after_seq, limit)})

        return get_log


# Path below /api/v1 -> the log that its entries go to.
LOGS: Final = {
    "readings": readings.LOG,
    "cargo/moves": cargo.LOG,
    "staff/assignments": staff.LOG,
    "movements": movements.LOG,
}


async def _append(request: Request, append: Callable[[str, bytes], Awaitable[tuple[Put, Any]]]) -> Response:
    op_id = request_id(request)
    put, entry = await append(op_id, await read_body(request, BODY_BYTES_MAX))
    return _stored(put, {"source": entry.source, "seq": entry.seq, "request_id": op_id, "result": put.value})


def _stored(put: Put, body: dict[str, Any]) -> Response:
    return json_answer(body, 201 if put is Put.CREATED else 200)
