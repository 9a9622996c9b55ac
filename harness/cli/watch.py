"""`harness watch [DIR]`: follow a trial that runs elsewhere, from its beginning until it is judged. Reads only.

The exit code is that of `harness run` for the same verdict. A dead trial, and one that nobody judges, is 2.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Final

import click

from harness.cli import output
from harness.errors import EXIT_INCONCLUSIVE, EXIT_SIGINT, EXIT_SIGPIPE, EXIT_SIGTERM, UsageError
from harness.evidence.finding import EXIT_CODES

if TYPE_CHECKING:
    from harness.drive.live.standing import Standing
    from harness.settings import Settings

_POLL_S: Final = 0.1
# After the seal: the control gives its judge 120 s, on a machine that may be busy with other things.
JUDGED_S_MAX: Final = 130.0
_HINT: Final = "Ctrl-C ends the watching, not the trial"


@click.command(help="Follow a trial that runs elsewhere; without RUN_DIR the newest one.")
@click.argument("run_dir", required=False, type=click.Path(path_type=Path))
@click.option("--reports-dir", help="Where run directories are.  [default: reports]")
@output.options
def command(run_dir: Path | None, reports_dir: str | None, plain: bool, as_json: bool) -> int:
    """Show it until it has been judged, or can no longer be."""
    from harness import settings as settings_module

    settings = settings_module.load({"reports_dir": reports_dir})
    shows = output.Output.choose(as_json, plain, settings.environment)
    chosen = _chosen(run_dir, settings)
    signal.signal(signal.SIGTERM, _end)
    try:
        return _ended(chosen, _follow(chosen, shows), shows)
    except KeyboardInterrupt:
        output.tell(f"no longer watching {output.shown(chosen)}; the trial is left alone")
        return EXIT_SIGINT
    except BrokenPipeError:
        return EXIT_SIGPIPE  # nobody reads any more


def _chosen(run_dir: Path | None, settings: Settings) -> Path:
    """The run directory itself, also where it was named by a link that moves. UsageError where there is none."""
    from harness.drive.live import standing

    latest = Path(settings["reports_dir"]) / "latest"
    named = run_dir or Path(settings["run_dir"] or latest)
    if named == latest and not named.exists():
        raise UsageError(f"{latest}: no trial has run there; start one with `harness run`, or name a run directory")
    chosen = named.resolve()
    # The lock is there before the manifest is.
    if not (chosen / "manifest.json").is_file() and standing.of(chosen) is not standing.Standing.RUNS:
        raise UsageError(f"{named}: no manifest.json: not a run directory; give one of {settings['reports_dir']}/")
    return chosen


def _end(number: int, frame: FrameType | None) -> None:
    sys.exit(EXIT_SIGTERM)  # through the `finally` that gives the terminal its cursor back


def _follow(run_dir: Path, shows: output.Output) -> Standing:
    """Show the trial until it is judged, or will not be any more; how it stands then."""
    from harness import clock
    from harness.drive.live import Live, standing
    from harness.drive.live.standing import Standing

    stands = standing.of(run_dir)
    view = shows.view(run_dir, _HINT, has_ended=stands is not Standing.RUNS)
    live = Live(run_dir, view)
    try:
        # Looked at before the timelines are read: what was written until then is shown.
        while stands is Standing.RUNS or (stands is Standing.SEALED and _may_be_judged(run_dir)):
            live.show()
            clock.sleep(_POLL_S)
            stands = standing.of(run_dir)
        live.show()
    finally:
        view.end()
    return stands


def _may_be_judged(run_dir: Path) -> bool:
    """Whether the seal is so young that the trial's own judge may still be at work."""
    from harness import clock

    return (clock.wall_ns() - (run_dir / "SEAL").stat().st_mtime_ns) / clock.NS_PER_S < JUDGED_S_MAX


def _ended(run_dir: Path, stands: Standing, shows: output.Output) -> int:
    """The verdict's line, or why there is none and what to do; the exit code."""
    from harness.cli.judge import verdict_line
    from harness.drive.live.standing import Standing
    from harness.evidence import findings_file

    name = output.shown(run_dir)
    if stands is Standing.JUDGED:
        findings = findings_file.read(run_dir / "findings.json")
        code = EXIT_CODES[findings.verdict]
        shows.say(verdict_line(findings, name))
        shows.verdict(findings, run_dir, code)
        return code
    if stands is Standing.SEALED:
        output.tell(f"{name}: sealed and not judged; judge it with `harness judge {name}`")
    elif run_dir.exists():
        output.tell(
            f"{name}: this trial is dead: it is not sealed, and nobody holds its LOCK; `harness heal` lists what it "
            f"has left, `harness heal --all` takes it away, `harness judge {name}` judges what there is"
        )
    else:
        output.tell(f"{name}: this trial could not be opened, and has taken its directory away")
    return EXIT_INCONCLUSIVE
