"""The fault port: one way of breaking an instance, and of mending it again.

A fault is put into one instance by its control port and expires there by itself at `deadline_s`, whatever happens to
the harness. That it was accepted is not that it landed: landing is measured, at the client from answers with its mark
where the fault `marks` them, else from what the service stored and counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from harness.drive.guard.undo import UndoRequest
from harness.drive.target.port import Instance

__all__ = ["Fault", "Interval", "UndoRequest"]


@dataclass(frozen=True, slots=True)
class Interval:
    """The change took effect between `lo_ns` and `hi_ns` (CLOCK_MONOTONIC), read before and after the call."""

    lo_ns: int
    hi_ns: int


class Fault(Protocol):
    """One kind of fault. `token` opens the control port; every call is bounded, DriveError past its bound."""

    kind: str
    caption: str  # what the report writes over the time in which it is on: two or three words, such as "slow answers"
    marks: bool  # whether every answer that it hit carries its mark; a fault that lies marks nothing

    def check(self, arguments: Mapping[str, Any]) -> None:
        """UsageError that lists every argument of its own that it does not know, lacks or cannot use. Calls nobody."""
        ...

    def inject(
        self, instance: Instance, token: str, share: float, deadline_s: float, arguments: Mapping[str, Any]
    ) -> Interval:
        """Hit `share` (0 to 1) of what the fault can hit in the instance for at most `deadline_s`.

        `arguments` are the fault's own; UsageError as in `check`, before any call.
        """
        ...

    def heal(self, instance: Instance, token: str) -> Interval:
        """Take it out; harmless any number of times."""
        ...

    def active(self, instance: Instance, token: str) -> bool:
        """Whether the instance says that it is in."""
        ...

    def undo_request(self, instance: Instance, token: str) -> UndoRequest:
        """The request that `heal` sends, as data for the guard's undo log, recorded before `inject`."""
        ...
