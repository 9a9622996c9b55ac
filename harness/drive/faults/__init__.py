"""One fault a file behind `port.Fault`; foreign ones by entry point `harness.faults`."""

from __future__ import annotations

from typing import Final, cast

from harness.drive.faults.port import Fault, Interval, UndoRequest
from harness.drive.registry import Registry

__all__ = ["Fault", "Interval", "UndoRequest", "build", "known"]

_REGISTRY: Final = Registry("fault", "harness.faults", {"http_5xx": "harness.drive.faults.http_5xx:Http5xx"})


def known() -> tuple[str, ...]:
    """The kinds of fault there are."""
    return _REGISTRY.known()


def build(kind: str) -> Fault:
    """The fault `kind`. UsageError for an unknown kind."""
    return cast(Fault, _REGISTRY.factory(kind)())
