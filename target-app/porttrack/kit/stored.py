"""What a write is once it is stored: its key, its hash, and how rows become StoredWrites.

The hash is made here and nowhere else, from the same fields for a request, for a row read through the service
and for a row read from the store. It covers what release 1.0 must give back; a newer release's field is not
in it. JSON is the canonical form: msgspec writes floats in their shortest exact form and instants in UTC.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from types import MappingProxyType
from typing import Any, Final

import msgspec

from harness.drive.target.port import StoredWrite
from porttrack.kit.profiles import (
    CARGO_MOVE,
    MOVEMENT,
    PORT_CALL,
    POSITIONS,
    READING,
    ROUTE,
    STAFF_ASSIGNMENT,
    TIMESTAMP,
)

_encode = msgspec.json.Encoder().encode

REPORT_FIELDS: Final = ("mmsi", "seq", "ts", "lat", "lon", "sog", "cog", "heading", "rot", "nav_status")
CALL_FIELDS: Final = ("seq", "state", "mmsi", "vessel_name", "port", "berth", "eta", "draught_m", "purpose")
STAMP_FIELDS: Final = (
    "port_call",
    "seq",
    "classifier_code",
    "event_type",
    "phase",
    "facility",
    "service",
    "date_time",
    "sender",
    "remark",
)


ROUTE_FIELDS: Final = ("port_call", "seq", "mmsi", "waypoints", "remark")


class PositionRow(msgspec.Struct, frozen=True):
    """A row of the position log, as the track gives it (release-1.0 fields; others are not looked at)."""

    batch: int
    request_id: str
    ordinal: int
    source: str
    mmsi: int
    seq: int
    ts: datetime
    lat: float
    lon: float
    sog: float
    cog: float
    heading: int
    rot: int
    nav_status: int
    release: str


class CallRow(msgspec.Struct, frozen=True):
    """A row of a call's history."""

    request_id: str
    seq: int
    state: str
    mmsi: int
    vessel_name: str
    port: str
    berth: str
    eta: datetime
    draught_m: float
    purpose: str
    release: str


class StampRow(msgspec.Struct, frozen=True):
    """A stored timestamp, in the camelCase of its standard."""

    id: str
    request_id: str
    port_call: str = msgspec.field(name="portCall")
    seq: int
    classifier_code: str = msgspec.field(name="classifierCode")
    event_type: str = msgspec.field(name="eventType")
    phase: str
    facility: str
    service: str
    date_time: datetime = msgspec.field(name="dateTime")
    sender: str
    remark: str
    release: str


class RouteRow(msgspec.Struct, frozen=True):
    """A stored route; waypoints are [lon, lat]."""

    id: str
    request_id: str
    port_call: str
    seq: int
    mmsi: int
    waypoints: list[list[float]]
    remark: str
    release: str


class LogRow(msgspec.Struct, frozen=True):
    """What the entries of all logs have; `id` is the store's own order."""

    id: int
    request_id: str
    source: str
    seq: int
    release: str


class ReadingRow(LogRow, frozen=True):
    """A reading of a sensor."""

    area: str
    kind: str
    value: float
    ts: datetime


class MoveRow(LogRow, frozen=True):
    """A container over the rail."""

    port_call: str
    kind: str
    container: str
    ts: datetime
    weight_kg: int


class AssignmentRow(LogRow, frozen=True):
    """A shift of a member of staff."""

    staff: str
    role: str
    starts: datetime
    ends: datetime
    post: str


class MovementRow(LogRow, frozen=True):
    """An entry or exit. `entry_seen` is the service's own finding and no part of what was sent."""

    kind: str
    mmsi: int
    ts: datetime
    berth: str
    until: datetime | None
    entry_seen: bool


@dataclass(frozen=True, slots=True)
class LogKind:
    """One log: where it is, what a row of it is, and which fields were sent."""

    table: str
    path: str  # below /api/v1, for the entries; /log below that gives them back
    row_type: type[Any]
    fields: tuple[str, ...]


# The fields in the order in which they are hashed.
LOGS: Final[Mapping[str, LogKind]] = MappingProxyType(
    {
        READING: LogKind("readings", "readings", ReadingRow, ("source", "seq", "area", "kind", "value", "ts")),
        CARGO_MOVE: LogKind(
            "cargo_moves",
            "cargo/moves",
            MoveRow,
            ("source", "seq", "port_call", "kind", "container", "ts", "weight_kg"),
        ),
        STAFF_ASSIGNMENT: LogKind(
            "staff_assignments",
            "staff/assignments",
            AssignmentRow,
            ("source", "seq", "staff", "role", "starts", "ends", "post"),
        ),
        MOVEMENT: LogKind(
            "movements", "movements", MovementRow, ("source", "seq", "kind", "mmsi", "ts", "berth", "until")
        ),
    }
)


def digest(*canonical: Any) -> str:
    """16 hex digits over the canonical JSON of the parts; 64 bits keep two payloads of a trial apart."""
    return hashlib.blake2b(_encode(canonical), digest_size=8).hexdigest()


def call_key(call_id: str) -> str:
    """The key of a call's puts."""
    return f"port-call/{call_id}"


def stamps_key(call_id: str) -> str:
    """The key of the timestamps of a call."""
    return f"timestamps/{call_id}"


def routes_key(call_id: str) -> str:
    """The key of the routes of a call."""
    return f"routes/{call_id}"


def call_id_of(key: str) -> str:
    """The call behind a key of these kinds."""
    return key.partition("/")[2]


def position_writes(rows: Iterable[PositionRow]) -> Iterator[StoredWrite]:
    """Rows of one source, by rising batch -> one write per stored batch, in the store's own order.

    The rows of one batch need not be in order; a batch that lost or changed a row keeps its op_id and gets
    another hash.
    """
    for position, (_, group) in enumerate(groupby(rows, key=lambda row: row.batch)):
        batch = sorted(group, key=lambda row: row.ordinal)
        first = batch[0]
        reports = [[getattr(row, name) for name in REPORT_FIELDS] for row in batch]
        yield StoredWrite(
            op_id=first.request_id,
            kind=POSITIONS,
            key=first.source,
            seq=first.seq,
            payload_hash=digest(first.source, reports),
            written_by=first.release,
            position=position,
        )


def call_writes(call_id: str, rows: Sequence[CallRow]) -> Iterator[StoredWrite]:
    """The history of one call, oldest first -> one write per accepted put."""
    for position, row in enumerate(rows):
        payload = [getattr(row, name) for name in CALL_FIELDS]
        yield StoredWrite(
            row.request_id, PORT_CALL, call_key(call_id), row.seq, digest(call_id, payload), row.release, position
        )


def stamp_writes(rows: Iterable[StampRow]) -> Iterator[StoredWrite]:
    """The timestamps of one call, oldest first -> one write each."""
    for position, row in enumerate(rows):
        payload = [getattr(row, name) for name in STAMP_FIELDS]
        key = stamps_key(row.port_call)
        yield StoredWrite(row.request_id, TIMESTAMP, key, row.seq, digest(row.id, payload), row.release, position)


def route_writes(rows: Iterable[RouteRow]) -> Iterator[StoredWrite]:
    """The routes of one call, oldest first -> one write each."""
    for position, row in enumerate(rows):
        payload = [getattr(row, name) for name in ROUTE_FIELDS]
        key = routes_key(row.port_call)
        yield StoredWrite(row.request_id, ROUTE, key, row.seq, digest(row.id, payload), row.release, position)


def log_writes(kind: str, rows: Iterable[LogRow]) -> Iterator[StoredWrite]:
    """The entries of one source, oldest first -> one write each."""
    fields = LOGS[kind].fields
    for position, row in enumerate(rows):
        payload = [getattr(row, name) for name in fields]
        yield StoredWrite(row.request_id, kind, row.source, row.seq, digest(payload), row.release, position)
