"""The controller port: who decides about the rollout. The harness starts it and watches; it never decides for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class ControllerRead:
    """What the controller said of itself at some instant between `lo_ns` and `hi_ns` (CLOCK_MONOTONIC): a claim,
    to be checked against the router and the traffic. `weight` is the canary's in percent; `state` is one of
    idle, progressing, rolled_back, promoted, held."""

    lo_ns: int
    hi_ns: int
    weight: float
    state: str


class Controller(Protocol):
    """One rollout controller. Every call is bounded and raises DriveError past its bound."""

    def start(self) -> None:
        """Begin the rollout; returns once the controller has accepted it. DriveError when it had begun already."""
        ...

    def read(self) -> ControllerRead:
        """The controller's own status."""
        ...

    def close(self) -> None:
        """Give connections back."""
        ...
