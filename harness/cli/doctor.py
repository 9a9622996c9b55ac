"""`harness doctor`: what is there, which version, what to do."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness import shipped
from harness.drive.stack.binaries import FOR_TESTS
from harness.errors import EXIT_HARNESS
from harness.settings import Settings

if TYPE_CHECKING:
    from harness.drive.stack.spec import Endpoints

# Parts that only tests or the set-up need; a trial runs without them.
OPTIONAL = frozenset({"uv", "chromium", *FOR_TESTS})


@click.command(help="Say what is there, in which version, and what to do; with --target, try the target's parts, too.")
@click.option("--target", type=click.Path(path_type=Path), help="Target file, or the name of a shipped one.")
def command(target: Path | None) -> int:
    """One line a part; 70 when a part that a trial needs is missing, too old or does not work."""
    from harness import settings as settings_module

    settings = settings_module.load()
    wrong = _machine(settings)
    if target is not None and not wrong:
        wrong = _target(settings, shipped.target(target))
    click.echo(f"doctor: mend {', '.join(wrong)}" if wrong else "doctor: everything that a trial needs is there")
    return EXIT_HARNESS if wrong else 0


def _machine(settings: Settings) -> list[str]:
    """Names of what is wrong with this machine."""
    from harness import settings as settings_module
    from harness.drive import doctor
    from harness.drive.prepare import given_binaries

    cache = settings_module.cache_dir(settings)
    rows = doctor.examine(given_binaries(settings), cache, settings.environment.get("PATH"))
    for row in rows:
        click.echo(f"{row.status:<8} {row.name:<16} {row.version:<12} {row.says}")
    return [row.name for row in rows if row.status != "ok" and row.name not in OPTIONAL]


def _target(settings: Settings, path: Path) -> list[str]:
    """Names of the target's parts that do not work, each tried on its own stack, which is gone afterwards."""
    from harness import settings as settings_module
    from harness.drive import doctor_target
    from harness.drive.end_signals import EndSignals
    from harness.drive.prepare import prepare_target
    from harness.drive.stack import alone

    ready, end, wrong = prepare_target(settings, path), EndSignals(), list[str]()
    click.echo(f"\n{path}: bringing it up; nothing is kept")

    def ask(endpoints: Endpoints) -> None:
        for row in doctor_target.examine(ready, endpoints):
            click.echo(f"{'ok' if row.well else 'wrong':<8} {row.what:<16} {row.says}")
            wrong.extend([] if row.well else [row.what])
        end.ask()

    alone.serve(ready, alone.Folders.of(settings_module.cache_dir(settings)), None, 0, end, ask)
    return wrong
