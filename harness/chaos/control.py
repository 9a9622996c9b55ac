"""The control that opens a trial before the experiment and closes, judges and draws it after.

Chaos Toolkit's ways that this module is built around (measured on chaostoolkit 1.19, lib 1.44):

- an ordinary error of a control is swallowed and the method runs all the same: every hook turns it into
  `InterruptExecution`;
- SIGTERM during a Python action is swallowed and the run goes on, SIGUSR1 is not: a handler set before the
  experiment takes both as SIGUSR1;
- a second signal can come between its hooks, where what it raises becomes an exit code of 20: that handler raises
  once;
- a signal during the close cuts it and only `cleanup_control` still runs: the close takes signals itself, the
  first ends its verification, none cuts its stopping, sealing and judging; `cleanup_control` closes what is
  still open;
- a completed run exits 0 whatever its actions did: the journal is marked failed first and cleared only by PASS.
"""

from __future__ import annotations

import json
import logging
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from types import FrameType
from typing import Any

from chaoslib.exceptions import InterruptExecution
from chaoslib.types import Experiment, Journal

from harness import settings as settings_module
from harness.drive import trial as trials
from harness.drive.prepare import prepare
from harness.drive.trial import Trial
from harness.errors import EXIT_HARNESS, HarnessError
from harness.evidence.finding import EXIT_CODES, Verdict

JUDGE_S_MAX = 120.0
_CHAOS_EXIT_USR1 = 20  # what Chaos Toolkit's own handler raises, and runs the rollbacks for
logger = logging.getLogger("chaostoolkit")


def before_experiment_control(context: Experiment) -> None:
    """Open the trial; `InterruptExecution` with the reason when it cannot be."""
    end = _End()
    try:
        settings = settings_module.load()
        prepared = prepare(settings, _experiment_path(), context)
        trial = trials.open_trial(
            prepared,
            settings_module.internal("command") or _command(),
            end.part_died,
            lambda path: _leave_word(run_dir=str(path)),
        )
    except HarnessError as error:
        _leave_word(exit_code=error.exit_code, message=str(error))
        if trials.is_open():
            trials.current().note_error("open", str(error))
        raise InterruptExecution(str(error)) from error
    except (KeyboardInterrupt, SystemExit) as error:
        if trials.is_open():
            trials.current().note_cut(f"{type(error).__name__} during open")
        raise
    logger.info("Trial %s in %s", trial.run_id, trial.run_dir)


def after_experiment_control(context: Experiment, state: Journal) -> None:
    """Verify, close and judge the trial, and make the journal say failed unless the verdict is PASS."""
    journal: dict[str, Any] = dict(state)
    was_interrupted = state.get("status") in {"interrupted", "aborted"}
    status, state["status"] = state.get("status"), "failed"
    verdict = _finish(journal, "the experiment was interrupted" if was_interrupted else "")
    if verdict is Verdict.PASS and status == "completed" and not state.get("deviated"):
        state["status"] = status


def after_hypothesis_control(context: dict[str, Any], state: dict[str, Any]) -> None:
    """Put on record what the steady-state probes answered."""
    if trials.is_open() and isinstance(state, dict):
        trials.current().note_hypothesis(bool(state.get("steady_state_met")))


def cleanup_control() -> None:
    """Close what a signal kept `after_experiment_control` from closing."""
    if trials.is_open():
        _finish({}, "the close was cut by a signal")


def _finish(journal: dict[str, Any], cut_why: str) -> Verdict | None:
    """Close the open trial and judge it; its verdict, None where there is none."""
    if not trials.is_open():
        return None
    trial = trials.current()
    signals = _CloseSignals(trial)
    if cut_why:
        trial.note_cut(cut_why)
    try:
        if not trial.cut_why:
            signals.verify()
        trial.close(journal)
    except (HarnessError, OSError) as error:
        logger.error("the trial could not be closed by its control, the guard finishes it: %s", error)
        os._exit(EXIT_HARNESS)  # the guard sees the end of file and closes; nothing may run in between
    trials.forget()
    return judge(trial.run_dir)


class _End:
    """From its making on, the first SIGTERM or SIGUSR1 ends the experiment with its rollbacks, and no other raises."""

    def __init__(self) -> None:
        self._has_begun = False
        for number in (signal.SIGTERM, signal.SIGUSR1):
            signal.signal(number, self._take)

    def _take(self, number: int, frame: FrameType | None) -> None:
        if not self._has_begun:
            self._has_begun = True
            raise SystemExit(_CHAOS_EXIT_USR1)

    def part_died(self, part: str) -> None:
        """End the experiment as a signal would, from any thread."""
        logger.error("%s has died: the trial ends", part)
        os.kill(os.getpid(), signal.SIGUSR1)


class _CloseSignals:
    """From its making on, signals no longer raise, except that the first during `verify` ends the verification."""

    def __init__(self, trial: Trial) -> None:
        self._trial = trial
        self._verifying = False
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2):
            signal.signal(number, self._take)

    def _take(self, number: int, frame: FrameType | None) -> None:
        if self._verifying:
            self._verifying = False
            raise _CutError(signal.Signals(number).name)

    def verify(self) -> None:
        """Run the trial's verification; a signal or an error cuts it and is on record."""
        try:
            self._verifying = True
            self._trial.verify()
        except _CutError as cut:
            self._trial.note_cut(f"{cut} during verify")
        except (HarnessError, OSError) as error:
            self._trial.note_error("verify", str(error))
        finally:
            self._verifying = False


class _CutError(BaseException):
    """A signal during the verification. Not an Exception, so that no adapter takes it for an error of its own."""


def judge(run_dir: Path) -> Verdict | None:
    """Judge and draw the sealed trial in processes of their own; the verdict they wrote, None where they could not."""
    said = _harness("judge", run_dir)
    if said is None or _harness("report", run_dir) is None:
        return None
    *table, _, last = said.splitlines()  # without the line that says how to draw it: it is drawn
    for line in (*table, f"report: {run_dir / 'report.html'}", last):
        logger.info(line)
    return Verdict(json.loads((run_dir / "findings.json").read_text())["verdict"])


def _harness(command: str, run_dir: Path) -> str | None:
    """What `harness COMMAND RUN_DIR` printed; None when it gave no verdict, which is logged."""
    argv = [sys.executable, "-m", "harness.cli.main", command, str(run_dir)]
    try:
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=JUDGE_S_MAX,
            check=False,
            text=True,
        )
    except subprocess.TimeoutExpired:
        logger.error("harness %s %s did not end within %g s", command, run_dir, JUDGE_S_MAX)
        return None
    if done.returncode not in EXIT_CODES.values():
        logger.error("harness %s %s ended with %s: %s", command, run_dir, done.returncode, done.stdout)
        return None
    return done.stdout


def _experiment_path() -> Path:
    """The file on the command line of `chaos run`, read as that command reads it; controls are not told."""
    from chaostoolkit.cli import cli

    after_run = sys.argv[sys.argv.index("run") + 1 :] if "run" in sys.argv else []
    context = cli.commands["run"].make_context("run", after_run, resilient_parsing=True)
    source = context.params.get("source")
    return Path(source) if source else Path("experiment.json")


def _command() -> str:
    """What was typed, with the program's name for its path."""
    return shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])


def _leave_word(**fields: object) -> None:
    """Tell `harness run`, which sees only an exit code of 1: where the run directory is, what went wrong."""
    path = settings_module.internal("word_file")
    if not path:
        return
    word = Path(path)
    told = json.loads(word.read_text()) if word.exists() else {}
    partial = word.with_suffix(".partial")
    partial.write_text(json.dumps({**told, **fields}))
    partial.rename(word)
