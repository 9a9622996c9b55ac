"""The only place that reads a clock.

Durations and every recorded instant are CLOCK_MONOTONIC nanoseconds, which all processes of one host
share; wall time is a label and the bridge to Prometheus, Alertmanager and Envoy, which stamp wall time.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime

NS_PER_S = 1_000_000_000
NS_PER_MS = 1_000_000


@dataclass(frozen=True, slots=True)
class ClockSample:
    """One pairing of the two clocks. `wall_ns - t_ns` is the offset, known to within `width_ns`."""

    t_ns: int
    wall_ns: int
    width_ns: int


def monotonic_ns() -> int:
    """CLOCK_MONOTONIC of this host in nanoseconds."""
    return time.monotonic_ns()


def wall_ns() -> int:
    """CLOCK_REALTIME in nanoseconds since the epoch."""
    return time.time_ns()


def sample() -> ClockSample:
    """Read wall time between two monotonic reads; the tightest of five wins.

    Five: a preempted read is wide, and the odds that all five are preempted are negligible.
    """
    best: ClockSample | None = None
    for _ in range(5):
        before = time.monotonic_ns()
        wall = time.time_ns()
        after = time.monotonic_ns()
        if best is None or after - before < best.width_ns:
            best = ClockSample(t_ns=(before + after) // 2, wall_ns=wall, width_ns=after - before)
    assert best is not None
    return best


def utc_stamp() -> str:
    """`20261124T234501Z`: the leading part of a run directory's name."""
    return datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")


def sleep(seconds: float) -> None:
    """Sleep; here so that every wait of the product can be found and replaced in one place."""
    time.sleep(seconds)
