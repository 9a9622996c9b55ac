"""The only place of the service that reads a clock; everything else takes `clock_s` as an argument."""

from __future__ import annotations

import time


def monotonic_s() -> float:
    """CLOCK_MONOTONIC in seconds: durations and fault deadlines, which must not move with wall time."""
    return time.monotonic()
