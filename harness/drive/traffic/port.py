"""The router port: who splits the traffic between stable and canary, read and, to heal, set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class WeightRead:
    """The canary's weight in percent, true at some instant between `lo_ns` and `hi_ns` (CLOCK_MONOTONIC)."""

    lo_ns: int
    hi_ns: int
    weight: float


class Router(Protocol):
    """One router's live configuration. Every call is bounded and raises DriveError past its bound."""

    def read_weight(self) -> WeightRead:
        """The weight that the router routes by now, asked of the router itself."""
        ...

    def set_weight(self, weight: float) -> None:
        """Give the canary `weight` percent and stable the rest; returns once the router took it.

        The rollout controller does this in a trial, never the harness; healing and tests do.
        """
        ...

    def close(self) -> None:
        """Give connections back."""
        ...
