"""The record: one JSON object a line, on disk before the stepper acts on it.

A decision that is acted upon but written later can be lost with the process, and then nobody can say why the weight
changed. So every line is one write, followed by fsync (it takes well under a millisecond on the disks we saw), and
whoever appends waits for it. A record that cannot be written raises OSError: the stepper then does not act.

Not covered: rotation (a rollout writes some dozen lines).
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

SOURCE: Final = "stepper"


class Record:
    """Appends events to one file. `now_ns` stamps them with CLOCK_MONOTONIC nanoseconds."""

    def __init__(self, path: Path, now_ns: Callable[[], int]) -> None:
        """Open for appending; OSError when the folder is not there or not writable."""
        self._now_ns = now_ns
        self._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

    def append(self, kind: str, t_ns: int | None = None, **data: Any) -> int:
        """Write and sync one event, by default of this instant; its t_ns."""
        at_ns = self._now_ns() if t_ns is None else t_ns
        line = json.dumps({"t_ns": at_ns, "source": SOURCE, "kind": kind, **data}, separators=(",", ":"))
        os.write(self._descriptor, line.encode() + b"\n")
        os.fsync(self._descriptor)
        return at_ns

    def close(self) -> None:
        """Close the file; every line is synced already."""
        os.close(self._descriptor)
