"""Whether a trial still runs, is closed, is judged, or is dead, as its run directory shows it."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

from harness.drive import heal


class Standing(StrEnum):
    """RUNS: somebody holds its lock. SEALED: closed and not judged yet. DEAD: not sealed, and nobody will do it."""

    RUNS = "runs"
    SEALED = "sealed"
    JUDGED = "judged"
    DEAD = "dead"


def of(run_dir: Path) -> Standing:
    """One look. The lock first: who closes a trial seals it before the lock is released, and judges after."""
    if heal.is_live(run_dir):
        return Standing.RUNS
    if (run_dir / "findings.json").exists():
        return Standing.JUDGED
    return Standing.SEALED if (run_dir / "SEAL").exists() else Standing.DEAD
