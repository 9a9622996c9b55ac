"""Release 1.0: positions, port calls, timestamps.

Ranges are those of the AIS fields with their not-available codes: heading 511, rate of turn -128, speed
102.3, course 360, latitude 91, longitude 181. A field that this release does not know is ignored, so that a
client of a newer release can be answered by an older one.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from porttrack.releases import Release

SEQ_MAX: Final = 2**53 - 1  # the largest whole number that every JSON reader keeps exact
LAT_NOT_AVAILABLE: Final = 91.0
LON_NOT_AVAILABLE: Final = 181.0
HEADING_NOT_AVAILABLE: Final = 511

Mmsi = Annotated[int, Meta(ge=1, le=999_999_999)]
Seq = Annotated[int, Meta(ge=0, le=SEQ_MAX)]
Instant = Annotated[datetime, Meta(tz=True)]


class Report(msgspec.Struct, frozen=True):
    """One AIS position report. `sog` in knots, angles in degrees, `rot` in the AIS rate-of-turn code."""

    mmsi: Mmsi
    seq: Seq
    ts: Instant
    lat: Annotated[float, Meta(ge=-90, le=LAT_NOT_AVAILABLE)]
    lon: Annotated[float, Meta(ge=-180, le=LON_NOT_AVAILABLE)]
    sog: Annotated[float, Meta(ge=0, le=102.3)]
    cog: Annotated[float, Meta(ge=0, le=360)]
    heading: Annotated[int, Meta(ge=0, le=HEADING_NOT_AVAILABLE)]
    rot: Annotated[int, Meta(ge=-128, le=127)]
    nav_status: Annotated[int, Meta(ge=0, le=15)]


class Batch(msgspec.Struct, frozen=True):
    """What a station sends: 1 to 20 reports that are stored all or none."""

    source: Annotated[str, Meta(min_length=1, max_length=64)]
    reports: Annotated[list[Report], Meta(min_length=1, max_length=20)]


POSITION_COLUMNS: Final = {
    "mmsi": "bigint",
    "seq": "bigint",
    "ts": "timestamptz",
    "lat": "double precision",
    "lon": "double precision",
    "sog": "double precision",
    "cog": "double precision",
    "heading": "smallint",
    "rot": "smallint",
    "nav_status": "smallint",
}

PORT_CALL_COLUMNS: Final = {
    "seq": "bigint",
    "state": "text",
    "mmsi": "bigint",
    "vessel_name": "text",
    "port": "text",
    "berth": "text",
    "eta": "timestamptz",
    "draught_m": "double precision",
    "purpose": "text",
}

TIMESTAMP_COLUMNS: Final = {
    "port_call": "uuid",
    "seq": "bigint",
    "classifier_code": "text",
    "event_type": "text",
    "phase": "text",
    "facility": "text",
    "service": "text",
    "date_time": "timestamptz",
    "sender": "text",
    "remark": "text",
}


def gap_problem(report: Any) -> tuple[str, Any, str] | None:
    """(field, value, why) for a value between the last real one and its not-available code; ranges let it through."""
    if 90 < report.lat < LAT_NOT_AVAILABLE:
        return "lat", report.lat, "must be -90 to 90, or 91 for not available"
    if 180 < report.lon < LON_NOT_AVAILABLE:
        return "lon", report.lon, "must be -180 to 180, or 181 for not available"
    if 359 < report.heading < HEADING_NOT_AVAILABLE:
        return "heading", report.heading, "must be 0 to 359, or 511 for not available"
    return None


RELEASE: Final = Release(
    name="1.0",
    batch_type=Batch,
    position_columns=POSITION_COLUMNS,
    port_call_columns=PORT_CALL_COLUMNS,
    timestamp_columns=TIMESTAMP_COLUMNS,
    vessel_columns=POSITION_COLUMNS,
)
