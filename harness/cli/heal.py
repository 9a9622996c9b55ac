"""`harness heal`: what dead trials left on this machine; with --all, take it away. Never a live trial's."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.errors import UsageError

if TYPE_CHECKING:
    from harness.drive.heal import Found, Places
    from harness.settings import Settings

EXIT_LEFT = 1


@click.command(help="List what dead trials left on this machine, and with --all take it away.")
@click.argument("run_dir", required=False, type=click.Path(path_type=Path))
@click.option("--all", "take_all", is_flag=True, help="Take it away.")
@click.option("--reports-dir", help="Where run directories are.  [default: reports]")
def command(run_dir: Path | None, take_all: bool, reports_dir: str | None) -> int:
    """0: nothing is left; 1: something is. RUN_DIR: one more run directory, of a trial outside of reports."""
    from harness import settings as settings_module
    from harness.drive import heal

    settings = settings_module.load({"reports_dir": reports_dir})
    if run_dir is not None and not (run_dir / heal.UNDO_LOG).is_file():
        raise UsageError(f"{run_dir}: has no {heal.UNDO_LOG}: not a run directory; give one of reports/")
    found = heal.find(places_of(settings, run_dir))
    for note in found.notes:
        click.echo(f"note: {note}")
    return _take_away(found) if take_all else _list(found)


def places_of(settings: Settings, run_dir: Path | None = None) -> Places:
    """Where the settings say that trials of this machine are, and one more run directory."""
    from harness import settings as settings_module
    from harness.drive.heal import Places

    named = run_dir or (Path(settings["run_dir"]) if settings["run_dir"] else None)
    return Places.of(Path(settings["reports_dir"]), settings_module.cache_dir(settings), named)


def _list(found: Found) -> int:
    for one in found.left:
        click.echo(f"{one.what:<8} {one.says}{_whose(one.run_dir)}")
    if found.left:
        click.echo(f"heal: {len(found.left)} left by dead trials; `harness heal --all` takes them away{_live(found)}")
        return EXIT_LEFT
    click.echo(f"heal: dead trials have left nothing{_live(found)}")
    return 0


def _take_away(found: Found) -> int:
    from harness.drive import heal

    problems = 0
    for one, problem in heal.take_away(found.left):
        done = {"fault": "healed", "process": "ended"}.get(one.what, "removed")
        click.echo(f"{one.what:<8} {f'NOT {done}: {problem}' if problem else done}: {one.says}{_whose(one.run_dir)}")
        problems += bool(problem)
    if problems:
        click.echo(f"heal: {problems} of {len(found.left)} could not be taken away{_live(found)}")
        return EXIT_LEFT
    taken = f"took away {len(found.left)}, nothing is left" if found.left else "dead trials have left nothing"
    click.echo(f"heal: {taken}{_live(found)}")
    return 0


def _whose(run_dir: Path | None) -> str:
    return f"; of {run_dir}" if run_dir is not None else ""


def _live(found: Found) -> str:
    """The part of the last line that says what was not looked at."""
    return f"; {found.live} live, left alone" if found.live else ""
