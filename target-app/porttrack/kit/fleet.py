"""The port's vessels and what they report.

A vessel reports at the nominal interval of its class, speed and state (M.1371's autonomous mode), in proportion to
the others. Speeds, states and how often a field says "not available" are those measured on a real coastal feed
(dma-ais/AisLib, stream_example.txt, 4,051 messages). They were counted over reports; a vessel that reports seldom
stands for more vessels than reports, so the shares of vessels here are the measured ones times the interval.

Only what the service must take is dirty here: not-available codes, nonsense MMSIs that several vessels share, ships
that lie still and say "under way", reports that two stations heard and that so come twice, late and out of order.
Which vessel a station hears follows from the profile alone, so a reader needs no seed to know where to look.

Not covered: static reports (names, IMO numbers), values that the service would refuse, fairways.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeVar

from porttrack.kit.profiles import PORTS, Port

T = TypeVar("T")

# The approaches and basins of a Rotterdam-sized port, degrees.
LON_MIN, LAT_MIN, LON_MAX, LAT_MAX = 3.9, 51.85, 4.6, 52.05
POSITION_MISSING_SHARE: Final = 0.008
SPEED_MISSING_SHARE: Final = 0.01
COURSE_MISSING_SHARE: Final = 0.01
TURNING_SHARE: Final = 0.05
ANCHORED, MOORED, UNDEFINED = 1, 5, 15
NOT_TURNING_MAX: Final = 5  # of the rate-of-turn code: about a degree a minute

FLAGS: Final = (244, 245, 246, 205, 211, 219, 232, 255, 538, 563, 636)  # the leading digits of real flag states
_NONSENSE: Final = (123_456_789, 111_111_111, 987_654_321, 1, 999_999_999)
_NONSENSE_EVERY: Final = 125  # 0.8 % of the MMSIs on the real feed are of nobody
_OVERHEARD_EVERY: Final = 7  # one vessel in seven is heard by the next station as well: 5 to 30 % are usual
# Speed in knots, or AIS navigational status -> share of reports x nominal interval.
_SPEEDS_A: Final = {(0.5, 3.0): 4.3 * 10, (3.0, 14.0): 33.5 * 10, (14.0, 23.0): 15.4 * 6, (23.0, 30.0): 3.0 * 2}
_SPEEDS_B: Final = {(2.0, 14.0): 80, (14.0, 23.0): 20}
_STATUS_UNDER_WAY: Final = {0: 86, 7: 7, 3: 3}
_STATUS_STATIONARY: Final = {0: 52 * 10, 7: 7 * 10, 3: 3 * 10, MOORED: 12 * 180, ANCHORED: 10 * 180}
# Of class A. Class B has neither and is 11 % of the reports: 15 and 18 % of all, as on the real feed.
_HEADING_MISSING: Final = {True: 5, False: 95}
_TURN_MISSING: Final = {True: 8, False: 92}


@dataclass(slots=True)
class Vessel:
    """One vessel as it was when it last reported."""

    index: int
    mmsi: int
    class_b: bool
    lat: float
    lon: float
    course: float
    speed_kn: float  # 0 for a stationary one
    nav_status: int
    has_heading: bool
    has_turn: bool
    reported_s: float = 0.0
    seq: int = -1

    @property
    def is_overheard(self) -> bool:
        """Whether the next station hears it as well."""
        return _is_overheard(self.index)


def interval_s(class_b: bool, speed_kn: float, nav_status: int, turning: bool) -> float:
    """The nominal reporting interval (classes A and B-CS). The service's callers compress time, not proportions."""
    if class_b:
        return 180 if speed_kn <= 2 else 30
    if nav_status in (ANCHORED, MOORED):
        return 180 if speed_kn <= 3 else 10
    if speed_kn <= 14:
        return 10 / 3 if turning else 10
    if speed_kn <= 23:
        return 2 if turning else 6
    return 2


def mmsis(profile: str, station: int) -> list[int]:
    """The MMSIs that a station hears, each once: those of its own vessels, and of some of the station before it."""
    port = PORTS[profile]
    own = range(station, port.vessels, port.stations)
    before = range((station - 1) % port.stations, port.vessels, port.stations)
    heard = [*own, *(index for index in before if _is_overheard(index))]
    return list(dict.fromkeys(_mmsi(port, index) for index in heard))


def source(profile: str, station: int) -> str:
    """The name under which a station sends, which is also the key of its batches."""
    return f"station/{profile}/{station:02d}"


def mmsis_of_source(name: str) -> list[int]:
    """The MMSIs behind a source name; ValueError for a name that `source` does not make."""
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
    """The fleet by the station that it belongs to."""
    port = PORTS[profile]
    fleet: list[list[Vessel]] = [[] for _ in range(port.stations)]
    for index, (class_b, band, nav_status, has_heading, has_turn) in enumerate(_traits(port, draw)):
        fleet[index % port.stations].append(
            Vessel(
                index=index,
                mmsi=_mmsi(port, index),
                class_b=class_b,
                lat=draw.uniform(LAT_MIN, LAT_MAX),
                lon=draw.uniform(LON_MIN, LON_MAX),
                course=draw.uniform(0, 359.9),
                speed_kn=draw.uniform(*band),
                nav_status=nav_status,
                has_heading=has_heading,
                has_turn=has_turn,
            )
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
    return {
        "mmsi": vessel.mmsi,
        "seq": seq,
        "ts": ts,
        "lat": round(vessel.lat + drift, 6) if has_position else 91.0,
        "lon": round(vessel.lon + drift, 6) if has_position else 181.0,
        "sog": round(sog, 1) if draw.random() >= SPEED_MISSING_SHARE else 102.3,
        "cog": round(vessel.course, 1) % 360 if draw.random() >= COURSE_MISSING_SHARE else 360.0,
        "heading": int(vessel.course) if vessel.has_heading else 511,
        "rot": _turn(under_way, draw) if vessel.has_turn else -128,
        "nav_status": vessel.nav_status,
    }


def next_interval_s(vessel: Vessel, rot: int) -> float:
    """Nominal seconds from a report with this rate of turn to the vessel's next one."""
    turning = rot != -128 and abs(rot) > NOT_TURNING_MAX
    return interval_s(vessel.class_b, vessel.speed_kn, vessel.nav_status, turning)


def _mmsi(port: Port, index: int) -> int:
    if index % _NONSENSE_EVERY == _NONSENSE_EVERY // 3:
        return _NONSENSE[index // _NONSENSE_EVERY % len(_NONSENSE)]
    return FLAGS[index % len(FLAGS)] * 1_000_000 + port.mmsi_block + index


def _is_overheard(index: int) -> bool:
    return index % _OVERHEARD_EVERY == 3  # any one of the seven


def _traits(port: Port, draw: random.Random) -> Iterator[tuple[bool, tuple[float, float], int, bool, bool]]:
    """(class B, band of speed, state, has a heading, has a rate of turn), those under way first."""
    still_a = port.class_a - port.class_a_under_way
    still_b = port.class_b - port.class_b_under_way
    headings = iter(deal(draw, port.class_a, _HEADING_MISSING))
    turns = iter(deal(draw, port.class_a, _TURN_MISSING))
    speeds = deal(draw, port.class_a_under_way, _SPEEDS_A)
    for band, status in zip(speeds, deal(draw, port.class_a_under_way, _STATUS_UNDER_WAY), strict=True):
        yield False, band, status, not next(headings), not next(turns)
    for band in deal(draw, port.class_b_under_way, _SPEEDS_B):
        yield True, band, UNDEFINED, False, False
    for status in deal(draw, still_a, _STATUS_STATIONARY):
        yield False, (0.0, 0.0), status, not next(headings), not next(turns)
    for _ in range(still_b):
        yield True, (0.0, 0.0), UNDEFINED, False, False


def _turn(under_way: bool, draw: random.Random) -> int:
    if not under_way:
        return 0
    if draw.random() < TURNING_SHARE:
        return draw.choice((-20, -12, 12, 20))
    return draw.randint(-NOT_TURNING_MAX, NOT_TURNING_MAX)


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
