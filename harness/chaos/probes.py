"""Probes of a canary drill, for the steady-state hypothesis."""

from __future__ import annotations

from harness.chaos.guarded import on_record
from harness.drive import trial as trials

__all__ = ["service_is_well", "trial_is_open"]


@on_record
def trial_is_open() -> bool:
    """True in an open trial; ends the experiment where the control is missing or failed."""
    trials.current()
    return True


@on_record
def service_is_well() -> bool:
    """Whether the last seconds of load were answered well and no alert fires; waits for enough seconds of load."""
    return trials.current().is_well()
