"""How much load, and of what: the sizes of port that the kit can play.

Shares, rates and sizes are this project's load model: M is one Rotterdam-sized port, S fits a CI machine, L is a port
of Singapore's size at its peak. Reports of positions come about thirteen times as often as the vessels' nominal
intervals would give (M: 230 a second for 570 vessels instead of 18), because the mix asks for that many batches; how
often a vessel reports in proportion to the others is nominal. Calls, cargo, staff and movements run `speed_up` times
as fast as the world, since in real time there would be hardly any within a trial.

Slow writes: a timestamp waits for its confirmation (`?hold_ms=`), so that writes are in flight when traffic shifts.
How many is rate x share x time x weight: in M 22 a second wait 3 s, that is 66 in flight in all, of which 16 on a
canary at 25 %, or 12 where three answers in ten are an error at once; at 50 % twice as many. So the model's 8 of a
hundred requests are 22 here. In S, for machines on which a trial must be short, the waits are. No wait is longer than
3.5 s: clients bear 5 s, and drills that add up to 0.8 s of latency must not cut them. The kind is marked as one that
waits, so no latency has it in it; the service takes the wait out of its own metrics.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from harness.drive.target.port import OperationKind, Profile

POSITIONS: Final = "positions"
VESSELS_BBOX: Final = "vessels_bbox"
VESSEL: Final = "vessel"
TRACK: Final = "track"
TIMESTAMP: Final = "timestamp"
PORT_CALL: Final = "port_call"
PORT_CALL_LIST: Final = "port_call_list"
CARGO_MOVE: Final = "cargo_move"
CARGO_INVENTORY: Final = "cargo_inventory"
STAFF_ASSIGNMENT: Final = "staff_assignment"
STAFF_SHIFTS: Final = "staff_shifts"
MOVEMENT: Final = "movement"
READING: Final = "reading"
READINGS: Final = "readings"
ROUTE: Final = "route"
ROUTES: Final = "routes"

# name -> (share in percent, writes). Fourteen of the timestamps and the last four are not in the model's table: they
# come on top of its hundred, so that the proportions of the others stay.
_MIX: Final = {
    POSITIONS: (34, True),
    VESSELS_BBOX: (20, False),
    VESSEL: (14, False),
    TRACK: (4, False),
    TIMESTAMP: (22, True),
    PORT_CALL: (2, True),
    PORT_CALL_LIST: (5, False),
    CARGO_MOVE: (4, True),
    CARGO_INVENTORY: (3, False),
    STAFF_ASSIGNMENT: (2, True),
    STAFF_SHIFTS: (2, False),
    MOVEMENT: (2, True),
    READING: (2, True),
    READINGS: (2, False),
    ROUTE: (1, True),
    ROUTES: (1, False),
}


@dataclass(frozen=True, slots=True)
class Port:
    """The port behind a profile. `mmsi_block` keeps the fleets of two profiles apart."""

    class_a: int
    class_b: int
    class_a_under_way: int
    class_b_under_way: int
    stations: int
    calls_open: int  # a call is put every calls_open / (put rate) seconds: 10 s or more, far above any latency
    areas: int  # with a sensor of each kind
    cranes: int
    planners: int
    desks: int
    berths: int
    staff: int
    ships_inside: int  # a ship is inside for 2 x ships_inside / (movement rate) seconds: 16 s or more
    speed_up: int
    mmsi_block: int
    hold_ms: tuple[int, int] = (2500, 3500)  # somebody reads a question and presses a key

    @property
    def vessels(self) -> int:
        """All of them."""
        return self.class_a + self.class_b


PORTS: Final[Mapping[str, Port]] = MappingProxyType(
    {
        "S": Port(
            class_a=45,
            class_b=15,
            class_a_under_way=8,
            class_b_under_way=3,
            stations=3,
            calls_open=8,
            areas=4,
            cranes=2,
            planners=1,
            desks=1,
            berths=8,
            staff=20,
            ships_inside=4,
            speed_up=600,
            mmsi_block=970_000,
            hold_ms=(250, 400),
        ),
        "M": Port(
            class_a=410,
            class_b=160,
            class_a_under_way=80,
            class_b_under_way=40,
            stations=12,
            calls_open=24,
            areas=8,
            cranes=6,
            planners=2,
            desks=2,
            berths=90,
            staff=240,
            ships_inside=20,
            speed_up=300,
            mmsi_block=980_000,
        ),
        "L": Port(
            class_a=1440,
            class_b=560,
            class_a_under_way=250,
            class_b_under_way=120,
            stations=40,
            calls_open=80,
            areas=12,
            cranes=16,
            planners=4,
            desks=4,
            berths=300,
            staff=800,
            ships_inside=60,
            speed_up=100,
            mmsi_block=990_000,
        ),
    }
)


def _profile(name: str, rate_rps: float, users: int) -> Profile:
    whole = sum(percent for percent, _ in _MIX.values())
    kinds = tuple(
        OperationKind(kind, percent / whole, writes, waits=kind == TIMESTAMP)
        for kind, (percent, writes) in _MIX.items()
    )
    return Profile(name, rate_rps, users, kinds)


PROFILES: Final = MappingProxyType(
    {
        "S": _profile("S", 24.0, 20),
        "M": _profile("M", 120.0, 150),
        "L": _profile("L", 400.0, 400),
    }
)
