"""Port-call timestamps in the shape of DCSA's Just-in-Time Port Call standard 2.0, and its rules. Pure.

A timestamp is negotiated (EST, REQ, PLN) and then happens (ACT). Only a consumer requests, only a provider
estimates, plans and reports; some services are never negotiated; each service has its own events. MOVES has
no timestamps at all. Source of codes and rules: dcsaorg/DCSA-OpenAPI, jit/v2 (Apache-2.0).

Not covered: OMIT, CANCEL, DECLINE, and the links between a reply and what it replies to.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

from porttrack.decode import invalid
from porttrack.releases.v1_0 import Instant, Seq

NEGOTIABLE_SERVICES: Final = (
    "BERTH",
    "CARGO_OPERATIONS",
    "PILOTAGE",
    "TOWAGE",
    "MOORING",
    "BUNKERING",
    "PILOT_BOARDING_PLACE",
    "ANCHORAGE",
    "SLUDGE",
)
ACTUAL_ONLY_SERVICES: Final = (
    "SEA_PASSAGE",
    "ALL_FAST",
    "GANGWAY_DOWN_AND_SECURE",
    "VESSEL_READY_FOR_CARGO_OPERATIONS",
    "VESSEL_READY_TO_SAIL",
    "DISCHARGE_CARGO_OPERATIONS",
    "LOADING_CARGO_OPERATIONS",
    "LASHING",
    "SAFETY",
    "ANCHORAGE_OPERATIONS",
    "SHORE_POWER",
)
_EVENTS: Final = {
    "BERTH": ("ARRI", "DEPA"),
    "PILOT_BOARDING_PLACE": ("ARRI",),
    "ALL_FAST": ("ARRI",),
    "SAFETY": ("DEPA",),
}
_OTHER_EVENTS: Final = ("STRT", "CMPL")


class Timestamp(msgspec.Struct, frozen=True, rename="camel"):
    """What a client puts. `seq` is the client's own count of its timestamps of this port call."""

    port_call: UUID
    classifier_code: Literal["ACT", "EST", "PLN", "REQ"]
    event_type: Literal["STRT", "CMPL", "ARRI", "DEPA"]
    phase: Literal["INBD", "ALGS", "SHIF", "OUTB"]
    facility: Literal["PBPL", "BRTH", "ANCH"]
    service: Annotated[str, Meta(max_length=50)]
    date_time: Instant
    seq: Seq = 0
    sender: Literal["provider", "consumer"] = "provider"
    remark: Annotated[str, Meta(max_length=500)] = ""


def events_of(service: str) -> tuple[str, ...]:
    """The event types that a service may have."""
    return _EVENTS.get(service, _OTHER_EVENTS)


def check(stamp: Timestamp) -> None:
    """Raise the 422 of the first rule that the timestamp breaks."""
    if stamp.service == "MOVES":
        raise invalid("service", stamp.service, "MOVES has no timestamps")
    if stamp.service not in NEGOTIABLE_SERVICES and stamp.service not in ACTUAL_ONLY_SERVICES:
        known = ", ".join(NEGOTIABLE_SERVICES + ACTUAL_ONLY_SERVICES)
        raise invalid("service", stamp.service, f"is no port call service; known: {known}")
    if stamp.event_type not in events_of(stamp.service):
        allowed = " or ".join(events_of(stamp.service))
        raise invalid("eventType", stamp.event_type, f"{stamp.service} has only {allowed}")
    if stamp.service in ACTUAL_ONLY_SERVICES and stamp.classifier_code != "ACT":
        raise invalid("classifierCode", stamp.classifier_code, f"{stamp.service} is not negotiated, only ACT")
    if (stamp.classifier_code == "REQ") != (stamp.sender == "consumer"):
        raise invalid("sender", stamp.sender, "REQ comes from a consumer; EST, PLN and ACT come from a provider")
