"""The stepper's only clock, and the only place in it that waits; tests hand in another one."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """Reads CLOCK_MONOTONIC and waits on it."""

    def now_ns(self) -> int:
        """Nanoseconds, comparable between all processes of this host."""
        ...

    async def wait(self, event: asyncio.Event | None, wait_s: float) -> bool:
        """Wait `wait_s` seconds, or less when the event is set; whether it is set."""
        ...


class MonotonicClock:
    """The real one."""

    def now_ns(self) -> int:
        """CLOCK_MONOTONIC in nanoseconds."""
        return time.monotonic_ns()

    async def wait(self, event: asyncio.Event | None, wait_s: float) -> bool:
        """Wait `wait_s` seconds, or less when the event is set; whether it is set."""
        if event is None:
            await asyncio.sleep(wait_s)
            return False
        try:
            await asyncio.wait_for(event.wait(), wait_s)
        except TimeoutError:
            return event.is_set()
        return True
