"""The OpenAPI 3.1 document of the public API, at /openapi.json.

Bodies and answers come from the very structs that requests are decoded into, so ranges and patterns are those that
the service enforces. What a struct cannot say (a check digit, the gap before a not-available code, rest) is answered
422 and said in words. A test asks the service with requests made from the document and holds the answers against it.

Not covered: the control port, which is no interface for others.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final, Literal, get_args
from uuid import UUID

import msgspec
from msgspec import Meta

from porttrack import api, cargo, movements, readings, sea_routes, staff, work_api
from porttrack.port_calls import PortCall, State
from porttrack.releases import Release
from porttrack.releases.v1_0 import SEQ_MAX, Seq
from porttrack.timestamps import Timestamp

VERSION: Final = "3.1.0"
_REF: Final = "#/components/schemas/{name}"
_WRITER: Final = (("request_id", str), ("release", str))
_Result = Literal["created", "updated", "repeated"]


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation. `answers` goes from status to the type of its body."""

    method: str
    path: str
    summary: str
    answers: Mapping[int, Any]
    body: Any = None
    query: tuple[dict[str, Any], ...] = ()
    media_type: str = "application/json"


class Problem(msgspec.Struct, omit_defaults=True):
    """What was wrong; `field` and `value` where one thing was."""

    code: str
    message: str
    field: str = ""
    value: Any = None


class ErrorAnswer(msgspec.Struct):
    """Every refusal and failure."""

    error: Problem


class Accepted(msgspec.Struct):
    """A batch is stored."""

    accepted: int
    request_id: str


class PutAnswer(msgspec.Struct):
    """A timestamp or route is stored under its id."""

    id: UUID
    request_id: str
    result: _Result


class PortCallPut(PutAnswer):
    """A port call is stored, and stands there."""

    state: State


class Entered(msgspec.Struct):
    """An entry of a log is stored under its source's number."""

    source: str
    seq: Seq
    request_id: str
    result: _Result


class Point(msgspec.Struct):
    """GeoJSON: longitude, latitude."""

    type: Literal["Point"]
    coordinates: tuple[float, float]


class Feature(msgspec.Struct):
    """GeoJSON: a vessel at its latest position."""

    type: Literal["Feature"]
    id: int
    geometry: Point
    properties: dict[str, Any]


class FeatureCollection(msgspec.Struct):
    """GeoJSON: vessels."""

    type: Literal["FeatureCollection"]
    features: list[Feature]


class Held(msgspec.Struct):
    """A container of a call: where it is, and loads minus discharges."""

    container: str
    place: cargo.Place
    balance: int
    request_id: str
    release: str


class Inventory(msgspec.Struct):
    """The containers of a call; `net_count` is the sum of their balances."""

    port_call: UUID
    net_count: int
    containers: list[Held]


class BerthHeld(msgspec.Struct):
    """A berth and the ship that holds it."""

    berth: str
    mmsi: int
    since: datetime
    until: datetime
    request_id: str
    release: str


def document(release: Release) -> dict[str, Any]:
    """The document of one release."""
    operations = _operations(release)
    types = {id(one): one for operation in operations for one in (operation.body, *operation.answers.values()) if one}
    refs, components = msgspec.json.schema_components([*types.values(), ErrorAnswer], ref_template=_REF)
    schemas = dict(zip([*types, id(ErrorAnswer)], refs, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _described(operation, schemas)
    return {
        "openapi": VERSION,
        "info": {"title": "PortTrack", "version": release.name, "description": "A small port-navigation platform."},
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"writeToken": {"type": "http", "scheme": "bearer"}},
        },
    }


def _described(operation: Operation, schemas: Mapping[int, Any]) -> dict[str, Any]:
    def content(schema: Any, media_type: str = "application/json") -> dict[str, Any]:
        return {media_type: {"schema": schema}}

    refusals = {
        **({404: "There is no such thing."} if 404 in operation.answers else {}),
        **(_OF_BODIES if operation.body else {}),
        **({401: "Writes need the token."} if operation.method != "GET" else {}),
        422: "A value is out of its range, or against a rule; the answer names it.",
        500: "The service failed.",
        503: "The store did not answer; whether a write took effect is unknown.",
    }
    described: dict[str, Any] = {
        "summary": operation.summary,
        "parameters": [*_path_parameters(operation.path), *operation.query],
        "responses": {
            **{
                str(status): {"description": says, "content": content(schemas[id(ErrorAnswer)])}
                for status, says in refusals.items()
            },
            **{
                str(status): {"description": "Done.", "content": content(schemas[id(body)], operation.media_type)}
                for status, body in operation.answers.items()
                if body is not None
            },
        },
    }
    if operation.body:
        described["requestBody"] = {"required": True, "content": content(schemas[id(operation.body)])}
    if operation.method != "GET":
        described["parameters"].append(_REQUEST_ID)
        described["security"] = [{}, {"writeToken": []}]
    return described


_OF_BODIES: Final = {400: "No JSON.", 409: "What is there contradicts it.", 413: "The body is too large."}
_REQUEST_ID: Final = {
    "name": "x-request-id",
    "in": "header",
    "description": "Kept with every row that the request stores; one is made where none is given.",
    "schema": {"type": "string", "pattern": "^[!-~]{1,128}$"},
}


def _path_parameters(path: str) -> Iterable[dict[str, Any]]:
    if "{id}" in path:
        yield {"name": "id", "in": "path", "required": True, "schema": {"type": "string", "format": "uuid"}}
    if "{mmsi}" in path:
        schema = {"type": "integer", "minimum": 0, "maximum": 999_999_999}
        yield {"name": "mmsi", "in": "path", "required": True, "schema": schema}


def _whole(name: str, default: int, low: int, high: int) -> dict[str, Any]:
    schema = {"type": "integer", "minimum": low, "maximum": high, "default": default}
    return {"name": name, "in": "query", "schema": schema}


def _word(name: str, chars_max: int, required: bool = True) -> dict[str, Any]:
    schema = {"type": "string", "minLength": 1, "maxLength": chars_max}
    return {"name": name, "in": "query", "required": required, "schema": schema}


_OF_CALL: Final = {"name": "port_call", "in": "query", "required": True, "schema": {"type": "string", "format": "uuid"}}
_LOG_PAGE: Final = (_word("source", 64), _whole("after_seq", -1, -1, SEQ_MAX), _whole("limit", 100, 1, 1000))


def _row(name: str, payload: type[Any], *more: tuple[str, Any]) -> type[msgspec.Struct]:
    """A stored row: every field of the payload under its name in JSON, and who wrote it."""
    fields = [(field.encode_name, field.type) for field in msgspec.structs.fields(payload)]
    return msgspec.defstruct(name, [*more, *fields, *_WRITER])


def _list(name: str, **fields: Any) -> type[msgspec.Struct]:
    return msgspec.defstruct(name, list(fields.items()))


def _operations(release: Release) -> tuple[Operation, ...]:
    return (*_vessels(release), *_port_calls(), *_routes_and_readings(), *_cargo_and_staff(), *_movements(), *_logs())


def _vessels(release: Release) -> tuple[Operation, ...]:
    batched = next(field.type for field in msgspec.structs.fields(release.batch_type) if field.name == "reports")
    [report] = get_args(get_args(batched)[0])  # of Annotated[list[Report], ...]
    of_track = _row("StoredReport", report, ("batch", int), ("ordinal", int), ("source", str))
    known = set(release.vessel_columns)
    latest = msgspec.defstruct(
        "LatestReport",
        [("source", str), *((f.name, f.type) for f in msgspec.structs.fields(report) if f.name in known), *_WRITER],
    )
    bbox = {"name": "bbox", "in": "query", "description": "lon1,lat1,lon2,lat2", "schema": {"type": "string"}}
    return (
        _post("positions", "A batch of reports, stored all or none", release.batch_type, {201: Accepted}),
        Operation(
            "GET",
            "/api/v1/vessels",
            "Latest positions as GeoJSON",
            {200: FeatureCollection},
            query=(bbox, _whole("limit", 100, 1, api.VESSELS_MAX)),
            media_type="application/geo+json",
        ),
        Operation("GET", "/api/v1/vessels/{mmsi}", "One vessel's latest position", {200: latest, 404: None}),
        Operation(
            "GET",
            "/api/v1/vessels/{mmsi}/track",
            "One vessel's log",
            {200: _list("Track", mmsi=int, rows=list[of_track])},  # type: ignore[valid-type]
            query=(_whole("after_seq", -1, -1, SEQ_MAX), _whole("limit", 100, 1, api.TRACK_ROWS_MAX)),
        ),
    )


def _port_calls() -> tuple[Operation, ...]:
    put = _row("StoredPortCallPut", PortCall)
    stored = _row("StoredPortCall", PortCall, ("id", UUID))
    stamp = _row("StoredTimestamp", Timestamp, ("id", UUID))
    path = "/api/v1/port-calls/{id}"
    return (
        Operation("PUT", path, "Create or advance a call", {200: PortCallPut, 201: PortCallPut}, PortCall),
        Operation(
            "GET",
            "/api/v1/port-calls",
            "The calls that were put last",
            {200: _list("PortCalls", port_calls=list[stored])},  # type: ignore[valid-type]
            query=(_whole("limit", 50, 1, api.PORT_CALLS_MAX),),
        ),
        Operation(
            "GET",
            path,
            "A call with its history",
            {200: _list("PortCallHistory", id=UUID, state=State, history=list[put]), 404: None},  # type: ignore[valid-type]
        ),
        Operation(
            "GET",
            f"{path}/timestamps",
            "A call's timestamps",
            {200: _list("Timestamps", port_call=UUID, timestamps=list[stamp])},  # type: ignore[valid-type]
        ),
        Operation(
            "PUT",
            "/api/v1/timestamps/{id}",
            "Store a timestamp once; hold_ms is how long its confirmation takes",
            {200: PutAnswer, 201: PutAnswer},
            Timestamp,
            query=(_whole("hold_ms", 0, 0, api.HOLD_MS_MAX),),
        ),
    )


def _routes_and_readings() -> tuple[Operation, ...]:
    route = _row("StoredRoute", sea_routes.SeaRoute, ("id", UUID))
    reading = _row("LatestReading", readings.Reading)
    return (
        Operation(
            "PUT",
            "/api/v1/routes/{id}",
            "Store a route once",
            {200: PutAnswer, 201: PutAnswer},
            sea_routes.SeaRoute,
        ),
        Operation("GET", "/api/v1/routes/{id}", "One route", {200: route, 404: None}),
        Operation(
            "GET",
            "/api/v1/routes",
            "A call's routes",
            {200: _list("Routes", port_call=UUID, routes=list[route])},  # type: ignore[valid-type]
            query=(_OF_CALL,),
        ),
        _post("readings", "One reading of a sensor", readings.Reading),
        Operation(
            "GET",
            "/api/v1/readings",
            "The latest reading of each kind in an area",
            {200: _list("Readings", area=str, readings=list[reading])},  # type: ignore[valid-type]
            query=(_word("area", 40),),
        ),
    )


def _cargo_and_staff() -> tuple[Operation, ...]:
    shift = _row("Shift", staff.Assignment)
    role = {"name": "role", "in": "query", "schema": {"enum": [role.value for role in staff.Role]}}
    return (
        _post("cargo/moves", "One container loaded or discharged", cargo.Move),
        Operation(
            "GET",
            "/api/v1/cargo/inventory",
            "Where a call's containers are",
            {200: Inventory},
            query=(_OF_CALL,),
        ),
        _post("staff/assignments", "One shift, under the rules on double booking and rest", staff.Assignment),
        Operation(
            "GET",
            "/api/v1/staff/shifts",
            "The shifts that begin last",
            {200: _list("Shifts", shifts=list[shift])},  # type: ignore[valid-type]
            query=(_word("staff", 32, required=False), role, _whole("limit", 20, 1, work_api.SHIFTS_MAX)),
        ),
    )


def _movements() -> tuple[Operation, ...]:
    return (
        _post("movements", "One entry or exit", movements.Movement),
        Operation(
            "GET",
            "/api/v1/berths",
            "Who lies where",
            {200: _list("Berths", berths=list[BerthHeld])},
            query=(_whole("limit", 100, 1, work_api.BERTHS_MAX),),
        ),
    )


def _logs() -> Iterable[Operation]:
    rows: Mapping[str, tuple[str, type[Any], tuple[tuple[str, Any], ...]]] = {
        "readings": ("LoggedReading", readings.Reading, ()),
        "cargo/moves": ("LoggedMove", cargo.Move, ()),
        "staff/assignments": ("LoggedAssignment", staff.Assignment, ()),
        "movements": ("LoggedMovement", movements.Movement, (("entry_seen", bool),)),
    }
    for path, (name, payload, more) in rows.items():
        row = _row(name, payload, ("id", Annotated[int, Meta(ge=1)]), *more)
        page = _list(f"{name}Page", source=str, rows=list[row])  # type: ignore[valid-type]
        yield Operation("GET", f"/api/v1/{path}/log", "The entries of one source", {200: page}, query=_LOG_PAGE)


def _post(path: str, summary: str, payload: type[Any], answers: Mapping[int, Any] | None = None) -> Operation:
    return Operation("POST", f"/api/v1/{path}", summary, answers or {200: Entered, 201: Entered}, payload)
