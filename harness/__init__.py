"""A fire drill for canary releases.

Data flows one way: plan -> drive -> evidence -> judge -> report. Effects live in `drive` and `cli`;
everything after `evidence` is a pure function of a directory on disk, so a trial can be judged and
drawn again, offline. `docs/design.md` has the whole house.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from os import PathLike

    from harness.frames import Run

__version__ = "0.1.0"


def open_run(run_dir: str | PathLike[str]) -> Run:
    """A run directory as data frames, for a notebook; EvidenceError where it is none. See `harness.frames`."""
    from harness import frames  # lazy: `import harness` stands before every command, and must stay cheap

    return frames.open_run(run_dir)
