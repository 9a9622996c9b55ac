"""Runs a program until a fault is on record, then kills it and lives on as if nothing had happened.

`python -m harness.testing.dying_prometheus TIMELINE PROGRAM ARGUMENTS...`; SIGTERM ends both.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from harness.drive.end_signals import EndSignals

_LOOK_S = 0.1


def main(timeline: Path, program: list[str]) -> int:
    """Run the program, kill it at the fault, wait for SIGTERM."""
    end = EndSignals()
    with subprocess.Popen(program) as child:
        while not end.wait(_LOOK_S):
            if '"fault_on"' in timeline.read_text():
                child.kill()
                break
        child.terminate()
    end.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
