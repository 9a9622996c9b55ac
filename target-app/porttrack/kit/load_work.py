"""The work of the port as load: readings, routes, cargo, staff, movements.

Arrivals are open and any write may fail, so every entry is right whichever of the earlier ones were stored and
however they overtook each other by a few seconds. A container moves twice in a call, once each way: either move may
be the first. Shifts of one member lie a day apart. A ship enters once and leaves once; a berth is given again when
the window of the ship before is over, whether its exit was heard or not. So a healthy service refuses nothing, and a
refusal in a trial is a finding.

Names carry a tag of the run: numbers of a source belong to it alone in a store that keeps other runs.
"""

from __future__ import annotations

import itertools
import math
import random
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

from harness.drive.target.port import Request
from porttrack.kit import fleet
from porttrack.kit import profiles as kinds
from porttrack.kit.ids import Ids
from porttrack.kit.profiles import Port
from porttrack.kit.stored import LOGS, ROUTE_FIELDS, digest, routes_key

EPOCH: Final = datetime(2026, 1, 1, tzinfo=UTC)
MOVES_PER_CALL: Final = 80  # per crane: about two and a half hours of a crane's work
PENDING_MIN: Final = 6  # moves of other containers between the two of one: five seconds and more
ANCHORAGE_SHARE: Final = 0.2
STAY: Final = timedelta(hours=2)
DAY: Final = timedelta(days=1)
SENSORS: Final = ("wind", "visibility", "tide")
ROLES: Final = ("pilot", "tug_master", "linesman", "crane_operator", "traffic_officer")
_OWNERS: Final = ("MSCU", "CSQU", "HLXU", "TGHU", "CMAU", "ONEU")
_VISITORS: Final = 1_000_000  # MMSIs below one flag
# ISO 6346 counts letters from 10 on and leaves out the multiples of 11.
_VALUES: Final = {
    **{str(digit): digit for digit in range(10)},
    **dict(zip("ABCDEFGHIJKLMNOPQRSTUVWXYZ", (n for n in range(10, 39) if n % 11 != 0), strict=True)),
}

_encode = msgspec.json.Encoder().encode
Maker = Callable[[float, str], Request]


@dataclass(slots=True)
class _Source:
    """Someone who counts what it sends."""

    name: str
    seq: int = 0

    def next(self) -> int:
        self.seq += 1
        return self.seq - 1


@dataclass(slots=True)
class _Crane:
    """A crane at a call: the containers that it still moves the other way, as (number, kind)."""

    source: _Source
    call_id: str = ""
    moves_left: int = 0
    pending: deque[tuple[str, str]] = field(default_factory=deque)


class Work:
    """Requests about the work of one port."""

    def __init__(self, port: Port, profile: str, seed: int, ids: Ids, headers: Mapping[str, str]) -> None:
        self._port = port
        self._profile = profile
        self._ids = ids
        self._headers = headers
        self._draw = random.Random(f"porttrack/{profile}/{seed}/work")
        self._sensors: list[tuple[_Source, str, str]] = []
        self._cranes: deque[_Crane] = deque()
        self._planners: deque[_Source] = deque()
        self._desks: deque[_Source] = deque()
        self._berths: deque[tuple[datetime, str]] = deque()  # free from, in that order
        self._inside: deque[tuple[int, datetime, datetime | None]] = deque()  # ship, since, until
        self._shifts = 0
        self._containers = _container_numbers()
        self._ships = 0

    def makers(self) -> dict[str, Maker]:
        """Kind -> maker, of the kinds that need nothing but the clock."""
        return {
            kinds.READING: self._reading,
            kinds.READINGS: self._readings,
            kinds.CARGO_INVENTORY: self._cargo_inventory,
            kinds.STAFF_ASSIGNMENT: self._staff_assignment,
            kinds.STAFF_SHIFTS: self._staff_shifts,
            kinds.MOVEMENT: self._movement,
        }

    def route(self, call_id: str, seq: int, mmsi: int) -> Request:
        """A new route of the call, from the sea to a berth."""
        draw = self._draw
        route_id = self._ids.new()
        waypoints = [
            (
                round(fleet.LON_MIN + step * 0.05 + draw.uniform(0, 0.04), 6),
                round(draw.uniform(fleet.LAT_MIN, fleet.LAT_MAX), 6),
            )
            for step in range(draw.randint(4, 12))
        ]
        payload = {"port_call": call_id, "seq": seq, "mmsi": mmsi, "waypoints": waypoints, "remark": "by the fairway"}
        payload_hash = digest(route_id, [payload[name] for name in ROUTE_FIELDS])
        path, key = f"/api/v1/routes/{route_id}", routes_key(call_id)
        return Request("PUT", path, key, seq, _encode(payload), payload_hash, self._headers)

    def cargo_move(self, offset_s: float, new_call: Callable[[], str]) -> Request:
        """The next move of the crane whose turn it is; a crane that is done goes to the call that `new_call` gives."""
        if not self._cranes:
            self._cranes.extend(_Crane(source) for source in self._sources("crane", self._port.cranes))
        self._cranes.rotate(-1)
        crane = self._cranes[0]
        if not crane.moves_left:
            crane.call_id, crane.moves_left = new_call(), MOVES_PER_CALL
            crane.pending.clear()
        crane.moves_left -= 1
        container, kind = self._next_container(crane)
        empty = self._draw.random() < 0.12  # conflowgen's share of empty containers in storage
        entry = {
            "port_call": crane.call_id,
            "kind": kind,
            "container": container,
            "ts": self._world(offset_s),
            "weight_kg": self._draw.randrange(2_300, 4_000) if empty else self._draw.randrange(5_000, 30_480),
        }
        return self._entry(kinds.CARGO_MOVE, crane.source, entry)

    def _next_container(self, crane: _Crane) -> tuple[str, str]:
        """(number, kind): of one that was moved a while ago the other way, or of a new one."""
        if len(crane.pending) >= PENDING_MIN and self._draw.random() < 0.4:
            return crane.pending.popleft()
        kind, back = ("discharge", "load") if self._draw.random() < 0.6 else ("load", "discharge")
        container = next(self._containers)
        crane.pending.append((container, back))
        return container, kind

    def _cargo_inventory(self, _offset_s: float, _op_id: str) -> Request:
        """Of a call at which a crane works; before the first move there is none, so a call without cargo is asked."""
        at_work = [crane.call_id for crane in self._cranes if crane.call_id]
        call_id = self._draw.choice(at_work) if at_work else "00000000-0000-4000-8000-000000000000"
        return Request("GET", f"/api/v1/cargo/inventory?port_call={call_id}")

    def _reading(self, offset_s: float, _op_id: str) -> Request:
        if not self._sensors:
            areas = range(self._port.areas)
            self._sensors = [
                (_Source(f"sensor/{self._profile}/{self._ids.tag}/{_area(area)}/{kind}"), _area(area), kind)
                for area in areas
                for kind in SENSORS
            ]
            self._draw.shuffle(self._sensors)
        self._sensors.append(self._sensors.pop(0))
        source, area, kind = self._sensors[-1]
        entry = {"area": area, "kind": kind, "value": self._measured(kind, offset_s), "ts": self._world(offset_s)}
        return self._entry(kinds.READING, source, entry)

    def _measured(self, kind: str, offset_s: float) -> float:
        draw = self._draw
        if kind == "wind":
            return round(draw.gammavariate(4, 2), 1)  # around 8 m/s, as on an open coast
        if kind == "visibility":
            return float(round(min(50_000, draw.lognormvariate(9.5, 0.8))))
        hours = offset_s * self._port.speed_up / 3600
        return round(1.0 + 0.9 * math.cos(2 * math.pi * hours / 12.42) + draw.gauss(0, 0.02), 2)  # a semidiurnal tide

    def _readings(self, _offset_s: float, _op_id: str) -> Request:
        return Request("GET", f"/api/v1/readings?area={_area(self._draw.randrange(self._port.areas))}")

    def _staff_assignment(self, _offset_s: float, _op_id: str) -> Request:
        """Days and nights of 12 h, or of 8 h for every third member; each member's next shift is a day later."""
        if not self._planners:
            self._planners.extend(self._sources("planner", self._port.planners))
        self._planners.rotate(-1)
        day, member = divmod(self._shifts, self._port.staff)
        self._shifts += 1
        starts = EPOCH + day * DAY + timedelta(hours=6 if member % 2 else 18)
        entry = {
            "staff": f"staff-{self._ids.tag}-{member:03d}",
            "role": ROLES[member % len(ROLES)],
            "starts": starts,
            "ends": starts + timedelta(hours=12 if member % 3 else 8),
            "post": f"berth-{self._draw.randrange(1, self._port.berths + 1):02d}",
        }
        return self._entry(kinds.STAFF_ASSIGNMENT, self._planners[0], entry)

    def _staff_shifts(self, _offset_s: float, _op_id: str) -> Request:
        return Request("GET", f"/api/v1/staff/shifts?role={self._draw.choice(ROLES)}&limit=20")

    def _movement(self, offset_s: float, _op_id: str) -> Request:
        """Entries until the port is as full as it gets, then exits and entries in turn, the ship in longest first."""
        if not self._desks:
            self._desks.extend(self._sources("vts", self._port.desks))
            names = (f"berth-{self._ids.tag}-{number:02d}" for number in range(1, self._port.berths + 1))
            self._berths.extend((EPOCH, name) for name in names)
        self._desks.rotate(-1)
        now = self._world(offset_s)
        if len(self._inside) <= self._port.ships_inside:
            return self._entry(kinds.MOVEMENT, self._desks[0], self._enter(now))
        mmsi, since, until = self._inside.popleft()
        ts = max(since + timedelta(seconds=1), now if until is None else min(now, until))
        entry = {"kind": "exit", "mmsi": mmsi, "ts": ts, "berth": "", "until": None}
        return self._entry(kinds.MOVEMENT, self._desks[0], entry)

    def _enter(self, now: datetime) -> dict[str, Any]:
        mmsi, until, berth = self._new_ship(), None, ""
        if self._berths[0][0] <= now and self._draw.random() >= ANCHORAGE_SHARE:
            until = now + STAY
            _, berth = self._berths.popleft()
            self._berths.append((until, berth))
        self._inside.append((mmsi, now, until))
        return {"kind": "entry", "mmsi": mmsi, "ts": now, "berth": berth, "until": until}

    def _new_ship(self) -> int:
        """Ships that pass through belong to the run, one after another from a place that its tag gives."""
        place = int(self._ids.tag, 16) + self._ships
        self._ships += 1
        flag = fleet.FLAGS[place // _VISITORS % len(fleet.FLAGS)]
        return flag * 1_000_000 + place % _VISITORS

    def _entry(self, kind: str, source: _Source, entry: dict[str, Any]) -> Request:
        log, seq = LOGS[kind], source.next()
        payload = {"source": source.name, "seq": seq, **entry}
        payload_hash = digest([payload[name] for name in log.fields])
        return Request("POST", f"/api/v1/{log.path}", source.name, seq, _encode(payload), payload_hash, self._headers)

    def _sources(self, what: str, count: int) -> list[_Source]:
        return [_Source(f"{what}/{self._profile}/{self._ids.tag}/{number:02d}") for number in range(count)]

    def _world(self, offset_s: float) -> datetime:
        """The instant in the port, whose clock runs `speed_up` times as fast; whole milliseconds."""
        return EPOCH + timedelta(milliseconds=round(offset_s * 1000 * self._port.speed_up))


def _container_numbers() -> Iterator[str]:
    """Numbers of which the check digit is unambiguous: a remainder of 10 is written 0, and avoided."""
    for count in itertools.count():
        serial, owner = divmod(count, len(_OWNERS))
        number = f"{_OWNERS[owner]}{100_000 + serial % 900_000:06d}"
        remainder = sum(_VALUES[character] << place for place, character in enumerate(number)) % 11
        if remainder < 10:
            yield f"{number}{remainder}"


def _area(number: int) -> str:
    return f"area-{number:02d}"
