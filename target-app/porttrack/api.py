"""The public API: requests -> store calls -> answers.

    POST /api/v1/positions                       a batch of 1 to 20 AIS reports, all stored or none
    GET  /api/v1/vessels?bbox=&limit=            latest positions as GeoJSON
    GET  /api/v1/vessels/{mmsi}                  one of them
    GET  /api/v1/vessels/{mmsi}/track            the log of one vessel, paged by ?after_seq=&limit=
    PUT  /api/v1/port-calls/{id}                 create or advance a call; its id is the client's
    GET  /api/v1/port-calls?limit=               the calls that were put last
    GET  /api/v1/port-calls/{id}                 a call with its whole history
    GET  /api/v1/port-calls/{id}/timestamps      its timestamps
    PUT  /api/v1/timestamps/{id}?hold_ms=        store a timestamp once; its port call need not be known yet

`porttrack.work_api` has the rest: routes, readings, cargo, staff, movements. Every stored row keeps the request's id
(`x-request-id`, or one of our own) and the release that wrote it, and gives both back, so what a client was promised
can be looked up. A write is answered 2xx only after its commit.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from porttrack.answers import json_answer
from porttrack.asked import BODY_BYTES_MAX, box, mmsi_in_path, request_id, uuid_in_path, whole
from porttrack.decode import decode, invalid, read_body
from porttrack.edge import WAITED_S, Handler
from porttrack.errors import ApiError
from porttrack.port_calls import PortCall
from porttrack.releases import Release
from porttrack.releases.v1_0 import SEQ_MAX, gap_problem
from porttrack.store import Put, Row, Store
from porttrack.timestamps import Timestamp, check

VESSELS_MAX: Final = 1000
TRACK_ROWS_MAX: Final = 1000
PORT_CALLS_MAX: Final = 500
HOLD_MS_MAX: Final = 4000  # below the 5 s of silence that clients bear, and the 8 s in which an instance finishes
_port_call_decoder = msgspec.json.Decoder(PortCall)
_timestamp_decoder = msgspec.json.Decoder(Timestamp)


class Api:
    """The handlers of one instance."""

    def __init__(
        self, store: Store, release: Release, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        """`sleep` takes seconds."""
        self._store = store
        self._sleep = sleep
        self._batch_decoder = release.batch_decoder()

    def routes(self) -> tuple[tuple[str, str, Handler], ...]:
        """(method, route template, handler), the most frequent first: routes are tried in order."""
        return (
            ("POST", "/api/v1/positions", self.post_positions),
            ("GET", "/api/v1/vessels", self.get_vessels),
            ("GET", "/api/v1/vessels/{mmsi}", self.get_vessel),
            ("PUT", "/api/v1/timestamps/{id}", self.put_timestamp),
            ("GET", "/api/v1/port-calls", self.get_port_calls),
            ("GET", "/api/v1/vessels/{mmsi}/track", self.get_track),
            ("PUT", "/api/v1/port-calls/{id}", self.put_port_call),
            ("GET", "/api/v1/port-calls/{id}", self.get_port_call),
            ("GET", "/api/v1/port-calls/{id}/timestamps", self.get_timestamps),
        )

    async def post_positions(self, request: Request) -> Response:
        """201 with the number of reports, once all are committed."""
        op_id = request_id(request)
        batch = decode(self._batch_decoder, await read_body(request, BODY_BYTES_MAX))
        for place, report in enumerate(batch.reports):
            problem = gap_problem(report)
            if problem is not None:
                field, value, why = problem
                raise invalid(f"reports[{place}].{field}", value, why)
        await self._store.append_positions(op_id, batch.source, batch.reports)
        return json_answer({"accepted": len(batch.reports), "request_id": op_id}, 201)

    async def get_vessels(self, request: Request) -> Response:
        """A GeoJSON feature collection; vessels without a position are in no box."""
        rows = await self._store.vessels_in(box(request), whole(request, "limit", 100, 1, VESSELS_MAX))
        body = {"type": "FeatureCollection", "features": [_feature(row) for row in rows]}
        return json_answer(body, media_type="application/geo+json")

    async def get_vessel(self, request: Request) -> Response:
        """The latest position of one vessel, or 404 for one that never reported."""
        mmsi = mmsi_in_path(request)
        row = await self._store.vessel(mmsi)
        if row is None:
            raise ApiError(404, "unknown_vessel", f"vessel {mmsi} never reported", "mmsi", mmsi)
        return json_answer(row)

    async def get_track(self, request: Request) -> Response:
        """The vessel's log by rising seq; empty for one that never reported.

        A page may be longer than `limit` by the rows that share its last seq; a shorter page is the last.
        """
        after_seq = whole(request, "after_seq", -1, -1, SEQ_MAX)
        limit = whole(request, "limit", 100, 1, TRACK_ROWS_MAX)
        mmsi = mmsi_in_path(request)
        return json_answer({"mmsi": mmsi, "rows": await self._store.track(mmsi, after_seq, limit)})

    async def put_port_call(self, request: Request) -> Response:
        """201 for a new call, 200 for an accepted update or the same request again, 409 for a step back."""
        op_id = request_id(request)
        call_id = uuid_in_path(request)
        call = decode(_port_call_decoder, await read_body(request, BODY_BYTES_MAX))
        put = await self._store.put_port_call(op_id, call_id, call)
        body = {"id": call_id, "state": call.state, "request_id": op_id, "result": put.value}
        return json_answer(body, 201 if put is Put.CREATED else 200)

    async def get_port_calls(self, request: Request) -> Response:
        """The calls that were put last, newest first."""
        rows = await self._store.port_calls(whole(request, "limit", 50, 1, PORT_CALLS_MAX))
        return json_answer({"port_calls": rows})

    async def get_port_call(self, request: Request) -> Response:
        """A call: its state and every accepted put, oldest first."""
        call_id = uuid_in_path(request)
        history = await self._store.port_call_history(call_id)
        if not history:
            raise ApiError(404, "unknown_port_call", f"port call {call_id} was never put", "id", str(call_id))
        return json_answer({"id": call_id, "state": history[-1]["state"], "history": history})

    async def put_timestamp(self, request: Request) -> Response:
        """201 for a new timestamp, 200 for the same body again, 409 for another body.

        `?hold_ms=` stands for a service that is confirmed by someone outside, a pilot station say: the request waits so
        long for the word, holding no connection, and stores then. So a drill has writes in flight when traffic shifts.
        """
        op_id = request_id(request)
        stamp_id = uuid_in_path(request)
        stamp = decode(_timestamp_decoder, await read_body(request, BODY_BYTES_MAX))
        check(stamp)
        hold_ms = whole(request, "hold_ms", 0, 0, HOLD_MS_MAX)
        if hold_ms:
            await self._sleep(hold_ms / 1000)
            request.scope[WAITED_S] = hold_ms / 1000
        put = await self._store.put_timestamp(op_id, stamp_id, stamp)
        body = {"id": stamp_id, "request_id": op_id, "result": put.value}
        return json_answer(body, 201 if put is Put.CREATED else 200)

    async def get_timestamps(self, request: Request) -> Response:
        """The timestamps of a call, oldest first; empty for a call without any."""
        call_id = uuid_in_path(request)
        rows = await self._store.timestamps_of(call_id)
        return json_answer({"port_call": call_id, "timestamps": [_camel_row(row) for row in rows]})


def _feature(row: Row) -> dict[str, Any]:
    return {
        "type": "Feature",
        "id": row["mmsi"],
        "geometry": {"type": "Point", "coordinates": (row.pop("lon"), row.pop("lat"))},
        "properties": row,
    }


def _camel_row(row: Row) -> Row:
    """Timestamps are spoken in camelCase, as their standard does; ids of our own stay as everywhere else."""
    return {_CAMEL.get(name, name): value for name, value in row.items()}


_CAMEL: Final = {
    field.name: field.encode_name for field in msgspec.structs.fields(Timestamp) if field.name != field.encode_name
}
