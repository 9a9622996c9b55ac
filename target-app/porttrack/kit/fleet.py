"""The port's vessels and what they report.

Shares are those measured on a real coastal feed (dma-ais/AisLib, stream_example.txt, 4,051 messages): 43 % of
reports below half a knot, the speeds and states of the rest, and how often a field says "not available". Only
not-available codes are dirty here, nothing that the service would refuse. Which vessel belongs to which
station follows from the profile alone, so a reader needs no seed to know where to look.

Not covered: class A and B apart (a report does not say which), MMSIs that are nonsense or shared, reports that
two stations heard, reports out of order.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeVar

from porttrack.kit.profiles import PORTS

T = TypeVar("T")

# The approaches and basins of a Rotterdam-sized port, degrees.
LON_MIN, LAT_MIN, LON_MAX, LAT_MAX = 3.9, 51.85, 4.6, 52.05
STATIONARY_REPORT_SHARE: Final = 0.43
POSITION_MISSING_SHARE: Final = 0.008
SPEED_MISSING_SHARE: Final = 0.01
COURSE_MISSING_SHARE: Final = 0.01

_FLAGS: Final = (244, 245, 246, 205, 211, 219, 232, 255, 538, 563, 636)  # the leading digits of real flag states
_SPEED_BANDS_KN: Final = {(0.5, 3.0): 4.3, (3.0, 14.0): 33.5, (14.0, 23.0): 15.4, (23.0, 30.0): 3.0}
# AIS navigational status -> share. Over both groups: 0 under way 71 %, 15 undefined 9 %, 7 fishing 7 %, 5 moored
# 5 %, 3 restricted 3 %; half of the stationary ones still say under way, as on the real feed.
_STATUS_UNDER_WAY: Final = {0: 86, 7: 7, 15: 4, 3: 3}
_STATUS_STATIONARY: Final = {0: 52, 15: 16, 5: 12, 1: 10, 7: 7, 3: 3}
_HEADING_MISSING: Final = {True: 15, False: 85}
_TURN_MISSING: Final = {True: 18, False: 82}


@dataclass(slots=True)
class Vessel:
    """One vessel as it was when it last reported."""

    mmsi: int
    lat: float
    lon: float
    course: float
    speed_kn: float  # 0 for a stationary one
    nav_status: int
    has_heading: bool
    has_turn: bool
    reported_s: float = 0.0
    seq: int = -1


def mmsis(profile: str, station: int) -> list[int]:
    """The vessels that a station hears, in every trial of the profile."""
    port = PORTS[profile]
    return [
        _FLAGS[index % len(_FLAGS)] * 1_000_000 + port.mmsi_block + index
        for index in range(station, port.vessels, port.stations)
    ]


def source(profile: str, station: int) -> str:
    """The name under which a station sends, which is also the key of its batches."""
    return f"station/{profile}/{station:02d}"


def mmsis_of_source(name: str) -> list[int]:
    """The vessels behind a source name; ValueError for a name that `source` does not make."""
    _, profile, station = name.split("/")
    if profile not in PORTS or not 0 <= int(station) < PORTS[profile].stations:
        raise ValueError(f"source {name!r} is none of this kit's; profiles: {', '.join(PORTS)}")
    return mmsis(profile, int(station))


def deal(draw: random.Random, count: int, shares: Mapping[T, float]) -> list[T]:
    """`count` values in as exact a proportion as whole numbers allow, shuffled."""
    whole = sum(shares.values())
    dealt: list[T] = []
    reached = 0.0
    for value, share in shares.items():
        reached += share
        dealt += [value] * (round(count * reached / whole) - len(dealt))
    draw.shuffle(dealt)
    return dealt


def build(profile: str, draw: random.Random) -> list[list[Vessel]]:
    """The fleet by station; within a station those under way come first."""
    port = PORTS[profile]
    stationary = port.vessels - port.under_way
    bands = [*deal(draw, port.under_way, _SPEED_BANDS_KN), *([(0.0, 0.0)] * stationary)]
    statuses = [*deal(draw, port.under_way, _STATUS_UNDER_WAY), *deal(draw, stationary, _STATUS_STATIONARY)]
    no_heading = deal(draw, port.vessels, _HEADING_MISSING)
    no_turn = deal(draw, port.vessels, _TURN_MISSING)
    fleet: list[list[Vessel]] = []
    for station in range(port.stations):
        indices = range(station, port.vessels, port.stations)
        fleet.append(
            [
                Vessel(
                    mmsi=mmsi,
                    lat=draw.uniform(LAT_MIN, LAT_MAX),
                    lon=draw.uniform(LON_MIN, LON_MAX),
                    course=draw.uniform(0, 359.9),
                    speed_kn=draw.uniform(*bands[index]),
                    nav_status=statuses[index],
                    has_heading=not no_heading[index],
                    has_turn=not no_turn[index],
                )
                for index, mmsi in zip(indices, mmsis(profile, station), strict=True)
            ]
        )
    return fleet


def report(vessel: Vessel, seq: int, at_s: float, ts: datetime, draw: random.Random) -> dict[str, Any]:
    """Move the vessel to `at_s` (seconds after the load's zero) and let it report, in the fields of release 1.0."""
    _move(vessel, at_s)
    vessel.seq = seq
    drift = draw.uniform(-0.00005, 0.00005)  # 5 m: a moored vessel never stands quite still
    has_position = draw.random() >= POSITION_MISSING_SHARE
    under_way = vessel.speed_kn > 0
    sog = vessel.speed_kn if under_way else draw.uniform(0, 0.4)
    turn = draw.randint(-20, 20) if under_way else 0
    return {
        "mmsi": vessel.mmsi,
        "seq": seq,
        "ts": ts,
        "lat": round(vessel.lat + drift, 6) if has_position else 91.0,
        "lon": round(vessel.lon + drift, 6) if has_position else 181.0,
        "sog": round(sog, 1) if draw.random() >= SPEED_MISSING_SHARE else 102.3,
        "cog": round(vessel.course, 1) % 360 if draw.random() >= COURSE_MISSING_SHARE else 360.0,
        "heading": int(vessel.course) if vessel.has_heading else 511,
        "rot": turn if vessel.has_turn else -128,
        "nav_status": vessel.nav_status,
    }


def _move(vessel: Vessel, at_s: float) -> None:
    """Along the course; a vessel that would leave the port turns round."""
    miles = vessel.speed_kn * (at_s - vessel.reported_s) / 3600
    vessel.reported_s = at_s
    if miles <= 0:
        return
    bearing = math.radians(vessel.course)
    lat = vessel.lat + miles / 60 * math.cos(bearing)
    lon = vessel.lon + miles / 60 * math.sin(bearing) / math.cos(math.radians(vessel.lat))
    if LAT_MIN <= lat <= LAT_MAX and LON_MIN <= lon <= LON_MAX:
        vessel.lat, vessel.lon = lat, lon
    else:
        vessel.course = (vessel.course + 180) % 360
