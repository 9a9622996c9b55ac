"""One fault a file behind `port.Fault`; foreign ones by entry point `harness.faults`."""

from __future__ import annotations

from typing import Final, cast

from harness.drive.faults.port import Fault, Interval, UndoRequest
from harness.drive.registry import Registry

__all__ = ["Fault", "Interval", "UndoRequest", "build", "known"]

_REGISTRY: Final = Registry(
    "fault",
    "harness.faults",
    {
        "http_5xx": "harness.drive.faults.http_5xx:Http5xx",
        "latency": "harness.drive.faults.latency:Latency",
        "metrics_gone": "harness.drive.faults.metrics_gone:MetricsGone",
        "ack_not_stored": "harness.drive.faults.ack_not_stored:AckNotStored",
        "stored_twice": "harness.drive.faults.stored_twice:StoredTwice",
        "stale_read": "harness.drive.faults.stale_read:StaleRead",
        "wrong_unit": "harness.drive.faults.wrong_unit:WrongUnit",
        "unreadable_row": "harness.drive.faults.unreadable_row:UnreadableRow",
    },
)


def known() -> tuple[str, ...]:
    """The kinds of fault there are."""
    return _REGISTRY.known()


def build(kind: str) -> Fault:
    """The fault `kind`. UsageError for an unknown kind."""
    return cast(Fault, _REGISTRY.factory(kind)())
