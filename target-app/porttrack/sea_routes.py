"""Planned routes of a vessel for a port call: waypoints in order. Pure.

Waypoints are (longitude, latitude) as in GeoJSON. A route is stored once; a new plan is a new route.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Final
from uuid import UUID

import msgspec
from msgspec import Meta

from porttrack.decode import invalid
from porttrack.releases.v1_0 import Mmsi, Seq

Lon = Annotated[float, Meta(ge=-180, le=180)]
Lat = Annotated[float, Meta(ge=-90, le=90)]


class SeaRoute(msgspec.Struct, frozen=True):
    """What a client puts. `seq` is the client's own count of its routes of this port call."""

    port_call: UUID
    seq: Seq
    mmsi: Mmsi
    waypoints: Annotated[list[tuple[Lon, Lat]], Meta(min_length=2, max_length=100)]
    remark: Annotated[str, Meta(max_length=200)] = ""


COLUMNS: Final = tuple(field.name for field in msgspec.structs.fields(SeaRoute))


def check(route: SeaRoute) -> None:
    """Raise the 422 of a leg that leads nowhere."""
    for place, (here, there) in enumerate(pairwise(route.waypoints), start=1):
        if here == there:
            raise invalid(f"waypoints[{place}]", there, "is the place of the waypoint before it")
