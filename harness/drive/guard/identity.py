"""Which process a pid means: whoever signals one later compares all of it first, since pids are given out again.

A pid and the kernel's start tick name one process within one boot; the boot id tells boots apart, and the
executable is what a person can check. Ticks, not psutil's create_time, which moves when the wall clock is set.

Not covered: other hosts, pid namespaces other than ours.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from harness.drive import census


@dataclass(frozen=True, slots=True)
class Identity:
    """One process of a trial as it was just after its start. `start_ticks` counts kernel ticks since boot."""

    name: str
    pid: int
    start_ticks: int
    boot_id: str
    exe: str  # "" where it had ended before it was looked at
    pgid: int


def of(name: str, pid: int) -> Identity:
    """The identity of a process that we started as the leader of a session, so of a group of its own."""
    return Identity(
        name=name, pid=pid, start_ticks=census.start_time_of(pid), boot_id=boot_id(), exe=executable(pid), pgid=pid
    )


def boot_id() -> str:
    """The kernel's name for this boot."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def executable(pid: int) -> str:
    """The path of what the process runs, "" when it has ended or may not be looked at."""
    try:
        return os.readlink(f"/proc/{pid}/exe")
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return ""
