"""`harness run` of a plain Chaos Toolkit experiment: it is run as `chaos run` would, and nothing is judged.

Nobody recorded evidence, so there is no PASS: exit code 1 where the experiment itself says failed or deviated, else 2.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import click

from harness.errors import UsageError
from harness.evidence.finding import EXIT_CODES, Verdict

_OURS: Final = "harness.chaos.control"
_BAD: Final = frozenset({"failed", "aborted", "interrupted"})
_CHECKS: Final = "generator, baseline, fault, split, alert, rollback, requests, data_loss, recovery, cleanup"


def is_plain(document: object) -> bool:
    """Whether it is an experiment that does not ask for the harness: neither our control nor our extension."""
    if not isinstance(document, Mapping) or "method" not in document:
        return False
    listed = document.get("extensions")
    extensions = [one for one in listed if isinstance(one, Mapping)] if isinstance(listed, list) else []
    return not any(str(one.get("name", "")).startswith("harn") for one in extensions) and _OURS not in json.dumps(
        document.get("controls") or [], default=str
    )


def run(experiment: Path, journal: Path) -> int:
    """Run it with Chaos Toolkit's own output; then what it said and what nobody judged."""
    from harness.cli.run import Interrupt
    from harness.drive.guard.processes import die_with_parent

    if journal.exists():
        raise UsageError(f"{journal}: exists already, and its journal would go there: move it away")
    click.echo(f"harness: {experiment} is a plain Chaos Toolkit experiment: it is run, and no trial is opened for it")
    sys.stdout.flush()  # the child writes to the same place
    argv = [sys.executable, "-m", "chaostoolkit", "--no-version-check", "--no-log-file", "run"]
    child = subprocess.Popen(
        [*argv, "--journal-path", str(journal), str(experiment)],
        stdin=subprocess.DEVNULL,
        start_new_session=True,  # a terminal's Ctrl-C comes by way of this process, once
        preexec_fn=die_with_parent,  # noqa: PLW1509 - this process has one thread here
    )
    interrupt = Interrupt(child)
    code = child.wait()
    told: dict[str, Any] = json.loads(journal.read_text()) if journal.exists() else {}
    status, deviated = str(told.get("status", "")), bool(told.get("deviated"))
    unmet = [
        when for when, one in (told.get("steady_states") or {}).items() if one and one["steady_state_met"] is False
    ]
    bad = code != 0 or deviated or status in _BAD or bool(unmet)
    verdict = Verdict.FAIL if bad else Verdict.INCONCLUSIVE
    click.echo(
        f"\nChaos Toolkit says: {status or f'exit code {code}'}{', deviated' if deviated else ''}"
        f"{', hypothesis not met ' + ' and '.join(unmet) if unmet else ''} ({journal})"
    )
    click.echo(f"Not judged, since nobody recorded evidence: {_CHECKS}.")
    click.echo(
        f"To have it judged, add the control {_OURS} and an `extensions` entry, as in experiments/canary-5xx.yaml."
    )
    click.echo(f"verdict: {verdict} {journal}")
    return interrupt.exit_code or EXIT_CODES[verdict]
