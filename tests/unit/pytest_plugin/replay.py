"""Shows a recorded run again in the place of a trial: what `--harness-command` is for.

    python replay.py RECORDED run FILE --reports-dir DIR

The judged directory RECORDED is copied to DIR/run; what is printed and the exit code are those of `harness judge`.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from harness.cli.judge import print_verdict
from harness.evidence import findings_file
from harness.evidence.finding import EXIT_CODES


def main(recorded: str, word: str, experiment: str, option: str, reports_dir: str) -> int:
    assert ("run", True, "--reports-dir") == (word, Path(experiment).is_file(), option)
    run_dir = shutil.copytree(recorded, Path(reports_dir) / "run")
    findings = findings_file.read(run_dir / "findings.json")
    print_verdict(findings, run_dir)
    return EXIT_CODES[findings.verdict]


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
