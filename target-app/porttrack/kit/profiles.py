"""How much load, and of what: the sizes of port that the kit can play.

The mix is that of a platform with cargo, staff and movements as well; what PortTrack does not have is left
out by name and the rest renormalised, so the shares keep their proportions. Rates, fleet sizes and shares are
this project's load model: M is one Rotterdam-sized port, S fits a CI machine.
"""

from __future__ import annotations

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

# name -> (percent of the whole platform's requests, writes)
_MIX: Final = {
    POSITIONS: (34, True),
    VESSELS_BBOX: (20, False),
    VESSEL: (14, False),
    TRACK: (4, False),
    TIMESTAMP: (8, True),
    PORT_CALL: (2, True),
    PORT_CALL_LIST: (5, False),
}
_LEFT_OUT: Final = ("cargo_move", "cargo_inventory", "staff_assignment", "staff_shifts", "movement")


@dataclass(frozen=True, slots=True)
class Port:
    """The port behind a profile. `mmsi_block` keeps the fleets of two profiles apart."""

    vessels: int
    under_way: int
    stations: int
    calls_open: int  # a call is put every calls_open / (put rate) seconds: 14 s in S, 9 s in M, far above any latency
    mmsi_block: int


PORTS: Final = MappingProxyType(
    {
        "S": Port(vessels=60, under_way=11, stations=3, calls_open=8, mmsi_block=970_000),
        "M": Port(vessels=570, under_way=120, stations=12, calls_open=24, mmsi_block=980_000),
    }
)


def _profile(name: str, rate_rps: float, users: int) -> Profile:
    whole = sum(percent for percent, _ in _MIX.values())
    kinds = tuple(OperationKind(kind, percent / whole, writes) for kind, (percent, writes) in _MIX.items())
    return Profile(name, rate_rps, users, kinds, _LEFT_OUT)


PROFILES: Final = MappingProxyType({"S": _profile("S", 24.0, 20), "M": _profile("M", 120.0, 150)})
