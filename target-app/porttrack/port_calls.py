"""Port calls: their payload and their states. Pure.

    EXPECTED > ARRIVED > BERTHED > DEPARTED

A call never goes back. It may skip forward (a state that was never reported) and may stay (a new estimate).
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from porttrack.releases.v1_0 import Instant, Mmsi, Seq


class State(StrEnum):
    """Where a call stands, in the only order there is."""

    EXPECTED = "EXPECTED"
    ARRIVED = "ARRIVED"
    BERTHED = "BERTHED"
    DEPARTED = "DEPARTED"


_ORDER: Final = tuple(State)


class PortCall(msgspec.Struct, frozen=True):
    """What a client puts. `seq` is the client's own count of its updates of this call; `port` is a UN/LOCODE."""

    seq: Seq
    state: State
    mmsi: Mmsi
    vessel_name: Annotated[str, Meta(min_length=1, max_length=20)]  # 20: the length of the AIS name field
    port: Annotated[str, Meta(pattern="^[A-Z]{2}[A-Z2-9]{3}$")]
    eta: Instant
    berth: Annotated[str, Meta(max_length=40)] = ""
    draught_m: Annotated[float, Meta(ge=0, le=25.5)] = 0.0  # 25.5: the end of the AIS draught field; 0: not available
    purpose: Annotated[str, Meta(max_length=40)] = ""


def may_follow(now: State, wanted: State) -> bool:
    """Whether a call in state `now` may be put into `wanted`: forward or unchanged."""
    return _ORDER.index(wanted) >= _ORDER.index(now)
