"""Where a trial is shown, for `run` and `watch`: a panel on a terminal, plain lines elsewhere, objects with --json.

With --json stdout has objects alone, and every word for people goes to stderr.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.errors import UsageError

if TYPE_CHECKING:
    from harness.drive.live.views import View
    from harness.evidence.finding import Findings


def options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options --plain and --json, as `plain` and `as_json`."""
    command = click.option("--plain", is_flag=True, help="Plain lines, on a terminal too.")(command)
    says = "One JSON object a line on stdout; words for people go to stderr."
    return click.option("--json", "as_json", is_flag=True, help=says)(command)


def takes_panel(is_terminal: bool, encoding: str, environment: Mapping[str, str]) -> bool:
    """Whether a panel can be drawn there: a terminal that moves its cursor and has its characters, and nobody's log."""
    is_ci = environment.get("CI", "").lower() not in {"", "0", "false"}
    is_dumb = environment.get("TERM", "") in {"", "dumb", "unknown"}
    return is_terminal and not is_dumb and not is_ci and encoding.lower().replace("-", "") == "utf8"


@dataclass(frozen=True, slots=True)
class Output:
    """The way in which one command shows its trial."""

    as_json: bool
    has_panel: bool

    @classmethod
    def choose(cls, as_json: bool, plain: bool, environment: Mapping[str, str]) -> Output:
        """UsageError where both are asked for."""
        if as_json and plain:
            raise UsageError("--json and --plain: give one of them; plain lines and objects do not share stdout")
        fits = takes_panel(sys.stdout.isatty(), sys.stdout.encoding, environment)
        return cls(as_json=as_json, has_panel=fits and not as_json and not plain)

    def say(self, text: str) -> None:
        """A word for people."""
        click.echo(text, err=self.as_json)

    def view(
        self, run_dir: Path, hint: str, has_ended: bool = False, write: Callable[[str], None] = click.echo
    ) -> View:
        """What shows this trial; of one that has ended plain output has what stood out and no seconds."""
        from harness.drive.live import views

        if self.as_json:
            return views.Objects(write, tell)
        if not self.has_panel or has_ended:
            return views.Lines(write, tell, seconds=not has_ended)
        from rich.console import Console

        from harness.drive.live.panel import Panel

        return Panel(Console(), run_dir.name, hint, write, tell)

    def verdict(self, findings: Findings, run_dir: Path, exit_code: int) -> None:
        """The last object, where there are objects."""
        if self.as_json:
            from harness.drive.live.views import verdict_object

            click.echo(json.dumps(verdict_object(findings, str(run_dir), exit_code)))


def tell(text: str) -> None:
    """A word beside the output; nobody's to hear where stderr is gone."""
    with contextlib.suppress(OSError):
        click.echo(f"harness: {text}", err=True)


def shown(run_dir: Path) -> Path:
    """A run directory as a person would name it from here."""
    return run_dir.relative_to(Path.cwd()) if run_dir.is_relative_to(Path.cwd()) else run_dir


def write_while_read(line: str) -> None:
    """To stdout until its reader has gone (a pipe, a terminal, room on a disk), and from then on to nobody: that must
    end no trial."""
    try:
        click.echo(line)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
