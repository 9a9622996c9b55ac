"""Running a suite: each trial a child `harness run`, one after another, and what became of it.

A trial is started only if what it will take still fits the budget. One signal (SIGINT, SIGTERM) goes to the running
trial, which heals, stops and judges as always, and ends the suite after it. Should the suite be killed, the kernel
ends `harness run`, and what that means is what its own end means: the trial's guard finishes.

Not covered: whether a trial came out as expected; the study compares.
"""

from __future__ import annotations

import secrets
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import Final

from harness import clock
from harness import settings as settings_module
from harness.drive import faults
from harness.drive.guard.processes import die_with_parent
from harness.drive.prepare import read_document, read_target, target_path
from harness.errors import EXIT_SIGINT, EXIT_SIGTERM, InvalidFileError, UsageError
from harness.evidence.finding import EXIT_CODES
from harness.evidence.suite_file import NotRun, Ran
from harness.plan import experiment as experiments
from harness.plan import suite as suites
from harness.plan.experiment import Experiment
from harness.plan.suite import Suite, SuiteTrial
from harness.plan.validate import yaml_lines
from harness.settings import Settings

# Beyond trial_s_max, by which the guard ends a trial: preparing, closing and judging (120 s at most), with slack.
_OVERTIME_S_MAX: Final = 240.0
_TERMINATED_S_MAX: Final = 60.0  # what a child may take that was told to end; longer than its guard's 30 s
_WORDS: Final = {code: str(verdict) for verdict, code in EXIT_CODES.items()}
HARNESS: Final = (sys.executable, "-m", "harness.cli.main")
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class SuiteRun:
    """What was run, in that order, and what was not. `signal_code`: 130 or 143 where a signal ended it, else 0."""

    ran: tuple[Ran, ...]
    not_run: tuple[NotRun, ...]
    signal_code: int


def read(path: Path, plants: Sequence[str], day: int, settings: Settings) -> Suite:
    """A suite file with every experiment that it names, and the targets and profiles that `settings` or they choose.

    InvalidFileError with every problem of suite and experiments, then with those of a target.
    """
    document, text = read_document(path)
    suite, problems = suites.parse(document, str(path), yaml_lines(text), plants, day)
    found = list(problems.found)
    trials = suite.trials if suite is not None else ()
    roles = {trial.experiment: "" for trial in trials}
    roles = {trial.control: f", the control of {trial.slug}" for trial in trials if trial.control} | roles
    for named, role in roles.items():
        try:
            found += _planted(read_experiment(Path(named)))
        except InvalidFileError as error:
            found += error.problems
        except UsageError as error:
            found.append(f"{path}: {error}{role}")
    if suite is None or found:
        raise InvalidFileError(str(path), found)
    return replace(suite, trials=tuple(_placed(trial, settings) for trial in suite.trials))


def _placed(trial: SuiteTrial, settings: Settings) -> SuiteTrial:
    """With its target and profile. UsageError for a control that would run elsewhere, and so control nothing."""
    experiment = read_experiment(Path(trial.experiment))
    target = _target_of(trial.experiment, settings)
    if trial.control and (elsewhere := _target_of(trial.control, settings)) != target:
        raise UsageError(
            f"{trial.control}: runs on target {elsewhere!r}, and {trial.slug}, whose control it is, on {target!r}: give"
            " both the same `configuration.target`"
        )
    return replace(trial, target=target, profile=settings["profile"] or experiment.load.profile)


def _target_of(experiment: str, settings: Settings) -> str:
    return read_target(target_path(settings, Path(experiment), read_experiment(Path(experiment)))).name


def _planted(experiment: Experiment) -> list[str]:
    """A plant in the experiment's own file would make every row of it a planted one, unasked."""
    if not experiment.plant:
        return []
    return [
        f"{experiment.path}: plants {experiment.plant} by itself: take it out there and name it in the suite's plants"
    ]


def read_experiment(path: Path) -> Experiment:
    """An experiment file by itself; UsageError or InvalidFileError with its problems."""
    document, text = read_document(path)
    experiment, problems = experiments.parse(document, str(path), yaml_lines(text), faults.known())
    if experiment is None:
        raise InvalidFileError(str(path), problems.found)
    return experiment


def run(
    trials: Sequence[tuple[SuiteTrial, float]],
    budget_s: float,
    settings: Settings,
    folder: Path,
    say: Say,
    program: Sequence[str] = HARNESS,
) -> SuiteRun:
    """Run them, each with its estimate in seconds, as far as the budget goes. `folder` is made, and takes
    their output; UsageError before that where a setting is wrong.

    `program` is what `run EXPERIMENT ...` is appended to.
    """
    trial_s_max = settings.number("trial_s_max", 10, 3600)
    (folder / "logs").mkdir(parents=True)
    started_ns = clock.monotonic_ns()
    ran: list[Ran] = []
    not_run: list[NotRun] = []
    with _signals() as end:
        children = _Children(settings, folder, end, program, trial_s_max)
        for place, (trial, estimate_s) in enumerate(trials, 1):
            # The first one's estimate may be the whole budget, which the way to here has begun to use.
            used_s = (clock.monotonic_ns() - started_ns) / clock.NS_PER_S if ran else 0.0
            why = _why_not(end, estimate_s, budget_s - used_s)
            if why:
                not_run.append(NotRun(trial.key, trial.label, why))
                continue
            say(f"[{place}/{len(trials)}] {trial.label}: about {estimate_s:.0f} s")
            for one in children.entry(trial):
                if isinstance(one, NotRun):
                    not_run.append(one)
                else:
                    ran.append(one)
                say(f"  {_told(one)}")
    return SuiteRun(tuple(ran), tuple(not_run), end.code)


def _why_not(end: _End, estimate_s: float, left_s: float) -> str:
    if end.code:
        return "a signal ended the suite"
    if estimate_s > left_s:
        return f"takes about {estimate_s:.0f} s, and {max(0.0, left_s):.0f} s of the budget were left"
    return ""


def _told(one: Ran | NotRun) -> str:
    if isinstance(one, NotRun):
        return f"{one.label}: not run: {one.why}"
    if one.exit_code not in _WORDS:
        return f"exit code {one.exit_code} after {one.took_s:.0f} s: {one.said}"
    word = _WORDS[one.exit_code]
    return f"{'control: ' if one.control_of else ''}{word} after {one.took_s:.0f} s{f', {one.run}' if one.run else ''}"


class _End:
    """Whether a signal has come, and the running child that the first one goes to."""

    def __init__(self) -> None:
        self.code = 0
        self.child: subprocess.Popen[bytes] | None = None

    def take(self, number: int, frame: FrameType | None) -> None:
        """The handler."""
        if self.code == 0:
            self.code = EXIT_SIGINT if number == signal.SIGINT else EXIT_SIGTERM
            if self.child is not None:
                self.child.terminate()


@contextmanager
def _signals() -> Iterator[_End]:
    end = _End()
    before = {number: signal.signal(number, end.take) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield end
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Children:
    """Starts `harness run` for one trial after another."""

    def __init__(self, settings: Settings, folder: Path, end: _End, program: Sequence[str], trial_s_max: float) -> None:
        self._settings = settings
        self._folder = folder
        self._end = end
        self._program = program
        self._count = 0
        self._trial_s_max = trial_s_max

    def entry(self, trial: SuiteTrial) -> Iterator[Ran | NotRun]:
        """The trial, then its control with the same seed and profile."""
        experiment = read_experiment(Path(trial.experiment))
        options = ["--seed", str(trial.seed)] if trial.seed is not None else []
        options += ["--plant", trial.plant] if trial.plant else []
        first = self._one(trial, trial.experiment, trial.slug, options)
        yield first
        if not trial.control:
            return
        label = f"{suites.CONTROL}, control of {trial.slug}"
        if not first.run or self._end.code:
            why = "a signal ended the suite" if self._end.code else "its trial made no run directory"
            yield NotRun(trial.key, label, why)
            return
        seed = trial.seed if trial.seed is not None else self._settings["seed"] or experiment.load.seed
        profile = self._settings["profile"] or experiment.load.profile
        options = ["--seed", str(seed), "--profile", profile]
        yield self._one(trial, trial.control, suites.CONTROL, options, label, first.run)

    def _one(
        self, trial: SuiteTrial, experiment: str, slug: str, options: list[str], label: str = "", control_of: str = ""
    ) -> Ran:
        self._count += 1
        reports_dir = Path(self._settings["reports_dir"]).resolve()
        run_dir = reports_dir / f"{clock.utc_stamp()}-{slug}-{secrets.token_hex(3)}"
        # By the environment: the command that the report says to repeat must not name a directory that exists.
        environment = {**settings_module.child_environment(self._settings), "HARNESS_RUN_DIR": str(run_dir)}
        environment["HARNESS_CONTROL_OF"] = control_of
        environment.pop("HARNESS_NOTIFY", None)  # a secret that no trial needs, and any action of it could read
        log = self._folder / "logs" / f"{self._count:02d}-{slug}.log"
        started_ns = clock.monotonic_ns()
        code = self._wait([*self._program, "run", experiment, *options], environment, log)
        lines = log.read_text(errors="replace").strip().splitlines()
        return Ran(
            key=trial.key,
            label=label or trial.label,
            run=run_dir.name if run_dir.is_dir() else "",
            control_of=control_of,
            plant=trial.plant,
            exit_code=code,
            took_s=round((clock.monotonic_ns() - started_ns) / clock.NS_PER_S, 1),
            log=log.relative_to(self._folder).as_posix(),
            said=lines[-1].strip() if lines else "",
        )

    def _wait(self, command: list[str], environment: Mapping[str, str], log: Path) -> int:
        """Its exit code, within the trial's own bound and what closing takes."""
        with log.open("wb") as output:
            child = subprocess.Popen(
                command,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # a terminal's signal reaches it through us, once
                preexec_fn=die_with_parent,  # noqa: PLW1509 - this process has one thread here
            )
        self._end.child = child
        if self._end.code:  # it came between the last look and the child's start
            child.terminate()
        try:
            return child.wait(self._trial_s_max + _OVERTIME_S_MAX)
        except subprocess.TimeoutExpired:
            child.terminate()
        try:
            return child.wait(_TERMINATED_S_MAX)
        except subprocess.TimeoutExpired:
            child.kill()  # the kernel ends Chaos Toolkit with it, and the guard finishes the trial
            return child.wait(_TERMINATED_S_MAX)
        finally:
            self._end.child = None
