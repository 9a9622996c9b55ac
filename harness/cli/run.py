"""`harness run EXPERIMENT`: check everything, start `chaos run` as a child, show it, end with the verdict.

Chaos Toolkit's own output goes to logs/chaos.log of the run directory; here it is a panel, one line a second, or
objects (see harness.cli.output). A signal is forwarded to the child once, as SIGUSR1 (a shell's background jobs ignore
SIGINT); further ones do nothing, since the close must not be cut. Should this process be killed, the kernel kills the
child and the guard finishes the trial.
"""

from __future__ import annotations

import json
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import click

from harness import shipped
from harness.cli import output
from harness.cli import plain as plain_experiment
from harness.cli.heal import places_of
from harness.errors import EXIT_SIGINT, EXIT_SIGTERM, HarnessError, UsageError
from harness.evidence.finding import EXIT_CODES
from harness.settings import Settings

if TYPE_CHECKING:
    from harness.drive.live.views import View
    from harness.drive.prepare import Prepared

_POLL_S = 0.1
# 10 s to heal and stop, then judge and report; a busy machine was seen to take three times the usual 2 s for those.
GUARD_CLOSES_S_MAX = 30.0
_HINT = "Ctrl-C heals, stops and judges what there is"


@click.command(help="Run one trial of EXPERIMENT, a file or the name of a shipped one, and judge it.")
@click.argument("experiment", type=click.Path(path_type=Path))
@click.option("--target", help="Target file, or its name beside the experiment.")
@click.option("--profile", help="Load profile of the kit: S, M, L.")
@click.option("--seed", help="Seed of the load and of the fault's phase.")
@click.option("--plant", help="A planted defect by its name: the verdict then tests the harness, not the release.")
@click.option("--run-dir", help="The run directory; must not exist yet.")
@click.option("--reports-dir", help="Where run directories are made.  [default: reports]")
@click.option("--dry-run", is_flag=True, help="Print what would be changed and who would be told; start nothing.")
@output.options
def command(experiment: Path, dry_run: bool, plain: bool, as_json: bool, **given: str | None) -> int:
    """Prepare, run, show, judge."""
    from harness import settings as settings_module
    from harness.drive import heal
    from harness.drive.prepare import check_writable, prepare, read_document

    experiment = shipped.experiment(experiment)
    settings = settings_module.load(given)
    shows = output.Output.choose(as_json, plain, settings.environment)
    if dry_run and as_json:
        raise UsageError("--dry-run and --json: a plan is words for people; give one of them")
    document = read_document(experiment)[0] if experiment.is_file() else None
    if plain_experiment.is_plain(document):
        if dry_run:
            raise UsageError(
                f"{experiment}: is a plain Chaos Toolkit experiment, of which the harness knows no plan; "
                "`chaos run --dry activities` is Chaos Toolkit's own"
            )
        unheard = [f"--{name.replace('_', '-')}" for name, value in given.items() if value is not None]
        unheard += ["--json"] * as_json
        if unheard:
            raise UsageError(
                f"{', '.join(unheard)}: {experiment} is a plain Chaos Toolkit experiment: no trial is opened for it,"
                " and nothing there hears of that"
            )
        return plain_experiment.run(experiment, document, Path("journal.json"))
    prepared = prepare(settings, experiment)
    check_writable(Path(settings["run_dir"]).parent if settings["run_dir"] else Path(settings["reports_dir"]))
    if settings["run_dir"] and Path(settings["run_dir"]).exists():
        raise UsageError(f"{settings['run_dir']}: exists already; a trial never writes into another's directory")
    if dry_run:
        return _print_plan(prepared)
    made_way = heal.make_way(places_of(settings))
    if made_way:
        shows.say(f"harness: {made_way}")
    shows.say(f"harness: {prepared.experiment.title}")
    with heal.command_folder(settings_module.cache_dir(settings)) as folder:
        return _run_child(experiment, settings, folder, shows)


def _print_plan(prepared: Prepared) -> int:
    """Every change and everybody who would be told; UsageError when one of them may not be."""
    from harness.drive import dry_run, receivers

    lines, told = dry_run.describe(prepared)
    click.echo(f"harness: {prepared.experiment.title}")
    click.echo("Nothing is started. A trial would\n")
    click.echo("\n".join(lines))
    receivers.check(prepared, told)
    return 0


def _run_child(experiment: Path, settings: Settings, folder: Path, shows: output.Output) -> int:
    from harness import settings as settings_module
    from harness.drive.guard.processes import die_with_parent

    word = folder / "word.json"
    child_command = [sys.executable, "-m", "chaostoolkit", "--no-version-check", "--no-log-file"]
    child_command += ["--settings", str(folder / "settings.yaml"), "run", "--rollback-strategy", "always"]
    child_command += ["--journal-path", str(folder / "journal.json"), str(experiment)]
    (folder / "settings.yaml").write_text("{}\n")  # settings of the user's home would leak into the trial
    typed = shlex.join(["harness", *sys.argv[1:]])
    with (folder / "chaos.log").open("wb") as log:
        child = subprocess.Popen(
            child_command,
            env=settings_module.child_environment(settings, word_file=str(word), command=typed),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=die_with_parent,  # noqa: PLW1509 - this process has one thread here
        )
        interrupt = Interrupt(child)
        _follow(child, word, interrupt, shows)
    told = json.loads(word.read_text()) if word.exists() else {}
    return _ended(told, interrupt.exit_code, folder / "chaos.log", settings, shows)


class Interrupt:
    """Takes SIGINT and SIGTERM; the first goes to the child as SIGUSR1, which ends an experiment with its rollbacks."""

    def __init__(self, child: subprocess.Popen[bytes]) -> None:
        self._child = child
        self.exit_code = 0
        self.tell = output.tell  # the view's own word while there is one: a panel must not be written through
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._take)

    def _take(self, number: int, frame: FrameType | None) -> None:
        if self.exit_code == 0:
            self.exit_code = EXIT_SIGINT if number == signal.SIGINT else EXIT_SIGTERM
            self._child.send_signal(signal.SIGUSR1)  # first: a word may go to a reader that is gone
            self.tell("interrupted: healing, stopping and judging what there is")


def _follow(child: subprocess.Popen[bytes], word: Path, interrupt: Interrupt, shows: output.Output) -> None:
    """Show the trial until the child has ended."""
    from harness.drive.live import Live

    view: View | None = None
    live: Live | None = None
    try:
        while child.poll() is None:
            if live is None and word.exists() and (told := _read(word)).get("run_dir"):
                view = shows.view(Path(told["run_dir"]), _HINT, write=output.write_while_read)
                interrupt.tell = view.note
                live = Live(Path(told["run_dir"]), view)
            if live is not None:
                live.show()
            try:
                child.wait(_POLL_S)
            except subprocess.TimeoutExpired:
                continue
        if live is not None:
            live.show()
    finally:
        interrupt.tell = output.tell
        if view is not None:
            view.end()


def _read(word: Path) -> dict[str, str]:
    try:
        told: dict[str, str] = json.loads(word.read_text())
    except ValueError:
        return {}  # being written
    return told


def _ended(told: dict[str, str], interrupted_code: int, log: Path, settings: Settings, shows: output.Output) -> int:
    """The exit code, after the verdict or the reason why there is none."""
    run_dir = Path(told["run_dir"]) if told.get("run_dir") else None
    if run_dir is not None and run_dir.is_dir():
        (run_dir / "logs" / "chaos.log").write_bytes(log.read_bytes())
    if told.get("message"):
        output.tell(told["message"])
    if run_dir is not None and run_dir.is_dir() and not (run_dir / "findings.json").exists():
        _closed_by_others(run_dir, settings)
    code = int(told["exit_code"]) if told.get("message") else interrupted_code
    if run_dir is not None and (run_dir / "findings.json").exists():
        return _show_verdict(run_dir, code, shows)
    if code:
        return code
    raise HarnessError(
        f"Chaos Toolkit ended without a verdict; the end of its log:\n{log.read_text(errors='replace')[-2000:]}"
    )


def _closed_by_others(run_dir: Path, settings: Settings) -> None:
    """Chaos Toolkit was killed or could not close: its guard does, and where that was killed too, we do."""
    from harness import settings as settings_module
    from harness.chaos import control
    from harness.drive import heal
    from harness.drive.guard.client import await_condition

    output.tell("Chaos Toolkit has ended without closing the trial; its guard closes it")
    await_condition(
        lambda: (run_dir / "junit.xml").exists() or run_dir not in heal.live_guards(), GUARD_CLOSES_S_MAX, _POLL_S
    )
    if (run_dir / "junit.xml").exists() or run_dir in heal.live_guards():
        return
    output.tell("its guard is gone too; healing and judging what there is")
    heal.take_away(heal.left_by_one(run_dir, settings_module.cache_dir(settings)))
    control.judge(run_dir)


def _show_verdict(run_dir: Path, code: int, shows: output.Output) -> int:
    """Print the verdict; `code` where what went wrong has one, else the verdict's own."""
    from harness.cli.judge import print_verdict
    from harness.evidence import findings_file

    findings = findings_file.read(run_dir / "findings.json")
    code = code or EXIT_CODES[findings.verdict]
    print_verdict(findings, output.shown(run_dir), shows.say)
    shows.verdict(findings, run_dir, code)
    return code
