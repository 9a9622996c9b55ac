"""Actions of a canary drill, for the method of an experiment. Each works on the open trial and refuses without one."""

from __future__ import annotations

from typing import Any

from harness.chaos.guarded import on_record
from harness.drive import trial as trials

__all__ = ["heal", "inject", "start_canary", "wait_clean", "wait_outcome", "wait_step"]


@on_record
def start_canary() -> bool:
    """Tell the rollout controller to begin its steps."""
    trials.current().start_canary()
    return True


@on_record
def wait_step(weight: int) -> bool:
    """Wait until the controller holds the step of `weight` percent and the router shows it."""
    trials.current().wait_step(weight)
    return True


@on_record
def inject(
    fault: str,
    share: float,
    deadline_s: float,
    tracks: list[str] | None = None,
    **arguments: Any,
) -> bool:
    """Break the canary: `share` of its answers, expiring by itself after `deadline_s` seconds."""
    trials.current().inject(share, deadline_s, arguments)
    return True


@on_record
def wait_outcome() -> str:
    """Wait until the controller has rolled back or promoted; "none" when it did neither in time."""
    return trials.current().wait_outcome()


@on_record
def heal() -> bool:
    """Take the fault back. Harmless without one, and any number of times."""
    trials.current().heal()
    return True


@on_record
def wait_clean() -> bool:
    """Stay for the hold time, until ten good seconds in a row; whether they came."""
    return trials.current().wait_clean()
