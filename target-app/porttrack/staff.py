"""Port staff and their shifts. Pure; the rules on rest are in `porttrack.rest`.

Nobody is in two places: two shifts of one member never overlap. Every shift leaves the rest that the rules ask for,
among all shifts of the member, whoever planned them.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from porttrack.decode import invalid
from porttrack.errors import ApiError
from porttrack.logs import Source, log_of
from porttrack.releases.v1_0 import Instant, Seq
from porttrack.rest import Shift, broken_rule

YEARS: Final = (1970, 2200)  # far from the ends of the calendar, where the week around a shift would not exist
SHIFT_H_MAX: Final = 14  # no more than 14 h may lie between two periods of rest


class Role(StrEnum):
    """What a member of staff does."""

    PILOT = "pilot"
    TUG_MASTER = "tug_master"
    LINESMAN = "linesman"
    CRANE_OPERATOR = "crane_operator"
    TRAFFIC_OFFICER = "traffic_officer"


class Assignment(msgspec.Struct, frozen=True):
    """One shift of one member. `source` is the planner."""

    source: Source
    seq: Seq
    staff: Annotated[str, Meta(min_length=1, max_length=32)]
    role: Role
    starts: Instant
    ends: Instant
    post: Annotated[str, Meta(max_length=40)] = ""

    @property
    def shift(self) -> Shift:
        """Its time."""
        return self.starts, self.ends


LOG: Final = log_of("staff_assignments", Assignment)


def check(assignment: Assignment) -> None:
    """Raise the 422 of a shift that is none."""
    for name, instant in (("starts", assignment.starts), ("ends", assignment.ends)):
        if not YEARS[0] <= instant.year <= YEARS[1]:
            raise invalid(name, instant, f"must be in the years {YEARS[0]} to {YEARS[1]}")
    length = assignment.ends - assignment.starts
    if length <= timedelta(0):
        raise invalid("ends", assignment.ends, "must be after starts")
    if length > timedelta(hours=SHIFT_H_MAX):
        raise invalid("ends", assignment.ends, f"must be at most {SHIFT_H_MAX} h after starts (rest_gap)")


def check_among(assignment: Assignment, others: Sequence[Shift]) -> None:
    """Raise the 409 or 422 of the rule that the shift breaks among the member's other shifts of a week around it."""
    starts, ends = assignment.shift
    for begins, until in others:
        if begins < ends and until > starts:
            message = (
                f"{assignment.staff} is booked from {begins.isoformat()} to {until.isoformat()}: no double booking"
            )
            raise ApiError(409, "double_booking", message, "starts", starts)
    broken = broken_rule(others, assignment.shift)
    if broken is not None:
        rule, why = broken
        raise ApiError(422, rule, f"{assignment.staff} from {starts.isoformat()}: {why}", "starts", starts)
