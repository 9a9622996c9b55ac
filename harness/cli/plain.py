"""`harness run` of a plain Chaos Toolkit experiment: it is run as `chaos run` would, and nothing is judged.

Nobody recorded evidence, so there is no PASS: exit code 1 where the experiment itself says failed or deviated, else 2.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import Any, Final

import click

from harness.errors import EXIT_SIGINT, EXIT_SIGTERM, UsageError
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


class Interrupt:
    """Takes SIGINT and SIGTERM; the first ends the experiment with its rollbacks, the next one at once.

    There is no guard behind a plain experiment: nothing but its rollbacks takes back what it did.
    """

    def __init__(self, child: subprocess.Popen[bytes]) -> None:
        self._child = child
        self.exit_code = 0
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._take)

    def _take(self, number: int, frame: FrameType | None) -> None:
        if self.exit_code:
            self._child.kill()
            return
        self.exit_code = EXIT_SIGINT if number == signal.SIGINT else EXIT_SIGTERM
        self._child.send_signal(signal.SIGUSR1)  # a shell's background jobs ignore SIGINT
        click.echo("interrupted: Chaos Toolkit plays the rollbacks; once more ends it without them", err=True)


def strategy_options(document: object) -> list[str]:
    """Rollbacks always, also after an interruption, unless the experiment has a word of its own on that: Chaos
    Toolkit's default skips them then, and what was broken stays broken."""
    runtime = document.get("runtime") if isinstance(document, Mapping) else None
    rollbacks = runtime.get("rollbacks") if isinstance(runtime, Mapping) else None
    chosen = isinstance(rollbacks, Mapping) and rollbacks.get("strategy")
    return [] if chosen else ["--rollback-strategy", "always"]


def run(experiment: Path, document: object, journal: Path) -> int:
    """Run it with Chaos Toolkit's own output; then what it said and what nobody judged."""
    from harness.drive.guard.processes import die_with_parent

    if journal.exists():
        raise UsageError(f"{journal}: exists already, and its journal would go there: move it away")
    click.echo(f"harness: {experiment} is a plain Chaos Toolkit experiment: it is run, and no trial is opened for it")
    sys.stdout.flush()  # the child writes to the same place
    argv = [sys.executable, "-m", "chaostoolkit", "--no-version-check", "--no-log-file", "run"]
    child = subprocess.Popen(
        [*argv, *strategy_options(document), "--journal-path", str(journal), str(experiment)],
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
