"""Trials as pytest items: `pytest experiments/canary-5xx.yaml` runs `harness run` on it and reports its verdict.

A trial breaks things on purpose and takes a minute, so none is ever collected by accident: a file is an item only if
it is named on the command line, or if it matches the ini option and pytest comes by it:

    [tool.pytest.ini_options]
    harness_experiments = ["experiments/*.yaml"]      # then: pytest experiments

PASS passes, FAIL fails, and INCONCLUSIVE fails under its own word: it is no known defect that one may expect (xfail),
and no skip. A failure shows the verdict's sentence, its cause, the red checks and the report, and no traceback.
`--harness-dry-run` checks the files and starts nothing.

The trial is a process of its own, `harness run`, which heals and cleans up whatever happens to pytest. Another command
can stand in its place (`--harness-command`): it is called as `COMMAND run FILE --reports-dir DIR`, has to end with the
line `verdict: VERDICT RUN_DIR` and the exit code of that verdict, and what is reported is RUN_DIR's findings.json. So
a recorded run can be shown again, and a wrapper can put the trial elsewhere.

Every pytest session of an environment loads this module: it imports nothing of the harness before an item runs.

Not covered: trials side by side (pytest-xdist); two of them on one machine slow each other and may say INCONCLUSIVE.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from os import PathLike

    from harness.evidence.finding import Findings
    from harness.frames import Run

SUFFIXES: Final = frozenset({".yaml", ".yml", ".json"})
# A trial ends itself after an hour at most (setting trial_s_max); five minutes more for its close and its judgement.
TRIAL_S_MAX: Final = 3900.0
# An interrupted trial heals and stops within 10 s, then it is judged; a busy machine was seen to take three times that.
CLOSE_S_MAX: Final = 60.0
_VERDICT_LINE: Final = re.compile(r"^verdict: (?:PASS|FAIL|INCONCLUSIVE) (.+)$", re.MULTILINE)
_VERDICT: Final = "harness_verdict"  # user properties of the report, and so of pytest's junit.xml
_RUN_DIR: Final = "harness_run_dir"
_CHECKED: Final = "CHECKED"  # in the verdict's place after a dry run


def pytest_addoption(parser: pytest.Parser) -> None:
    """The group `harness` of `pytest --help`, and the ini option."""
    group = parser.getgroup("harness", "harness")
    group.addoption(
        "--harness-dry-run", action="store_true", help="check experiments and their targets, and start no trial"
    )
    group.addoption(
        "--harness-reports", metavar="DIR", help="where run directories are made (default: pytest's temporary folder)"
    )
    group.addoption(
        "--harness-command", metavar="COMMAND", help="what runs a trial in the place of this environment's `harness`"
    )
    parser.addini(
        "harness_experiments",
        type="linelist",
        help="experiment files, as globs from the root, that are trials wherever pytest comes by them (default: none)",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Find the files of the ini option. UsageError for a glob without any: a typo would be a trial that never runs."""
    for pattern in config.getini("harness_experiments"):
        if not _matching(config, pattern):
            raise pytest.UsageError(f"harness_experiments: {pattern!r} matches no file below {config.rootpath}")


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> ExperimentFile | None:
    """An experiment of ours that was named, as a collector."""
    if file_path.suffix not in SUFFIXES:
        return None
    named = parent.session.isinitpath(file_path) or any(
        file_path in _matching(parent.config, pattern) for pattern in parent.config.getini("harness_experiments")
    )
    if not named or not _is_ours(file_path.read_text(errors="replace")):
        return None
    file: ExperimentFile = ExperimentFile.from_parent(parent, path=file_path)
    return file


def pytest_report_teststatus(report: pytest.CollectReport | pytest.TestReport) -> tuple[str, str, str] | None:
    """A trial's own word; how it counts is left as it is."""
    word = dict(getattr(report, "user_properties", ())).get(_VERDICT)
    if word is None or getattr(report, "when", "") != "call":
        return None
    if report.failed:
        return "failed", str(word)[0], str(word)
    return ("passed", "c", _CHECKED) if word == _CHECKED else None


@pytest.fixture(scope="session")
def harness_run() -> Callable[[str | PathLike[str]], Run]:
    """Open a run directory: `harness_run("reports/latest").operations`. See `harness.open_run`."""
    import harness

    return harness.open_run


class TrialError(Exception):
    """A trial that is not a PASS, or that came to no verdict; the message is all that a reader needs."""


class ExperimentFile(pytest.File):
    """One experiment file."""

    def collect(self) -> Iterator[TrialItem]:
        """Its one trial."""
        trial: TrialItem = TrialItem.from_parent(self, name="trial")
        yield trial


class TrialItem(pytest.Item):
    """One trial of one experiment."""

    def runtest(self) -> None:
        """Run it. TrialError unless it is a PASS."""
        if self.config.getoption("--harness-dry-run"):
            self._check()
        else:
            self._try()

    def _check(self) -> None:
        code, output = self._run("--dry-run")
        if code != 0:
            raise TrialError(_no_verdict(self.path, code, output))
        self.user_properties.append((_VERDICT, _CHECKED))

    def _try(self) -> None:
        from harness.evidence.finding import EXIT_CODES, Verdict

        code, output = self._run("--reports-dir", str(self._reports_dir()))
        told = _VERDICT_LINE.findall(output)
        if not told or code not in EXIT_CODES.values():
            raise TrialError(_no_verdict(self.path, code, output))
        run_dir = self.config.invocation_params.dir / told[-1]
        findings = _findings(run_dir)
        if EXIT_CODES[findings.verdict] != code:
            raise TrialError(f"{run_dir}: findings.json says {findings.verdict}, but the trial's exit code is {code}")
        self.user_properties += [(_VERDICT, str(findings.verdict)), (_RUN_DIR, str(run_dir))]
        if findings.verdict is not Verdict.PASS:
            raise TrialError(failure(findings, run_dir))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """The message alone for a trial, a traceback for everything else."""
        return str(excinfo.value) if isinstance(excinfo.value, TrialError) else super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, None, str]:
        """Where it is, and what stands above its failure."""
        return self.path, None, f"trial of {self.path.name}"

    def _reports_dir(self) -> Path:
        named = self.config.getoption("--harness-reports")
        if named:
            return self.config.invocation_params.dir / str(named)
        # pytest has no public way from an item to its temporary folder; fixtures have, and this is what they take.
        folder: Path = self.config._tmp_path_factory.mktemp(self.path.stem)  # type: ignore[attr-defined]
        return folder

    def _run(self, *options: str) -> tuple[int, str]:
        """Exit code and output of the trial's command, which also become a section of the report."""
        given = self.config.getoption("--harness-command")
        command = shlex.split(given) if given else [sys.executable, "-m", "harness.cli.main"]
        code, output = run_trial([*command, "run", str(self.path), *options], self.config.invocation_params.dir)
        self.add_report_section("call", "harness", output)
        return code, output


def run_trial(argv: list[str], folder: Path, s_max: float = TRIAL_S_MAX) -> tuple[int, str]:
    """Exit code and output of one trial's process. TrialError where it cannot be started or passes `s_max`.

    Whatever else ends the wait (Ctrl-C, a time limit of pytest) ends the trial too, and it is let heal before.
    """
    try:
        process = subprocess.Popen(
            argv, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
    except OSError as error:
        raise TrialError(f"{argv[0]}: cannot be started: {error}; see --harness-command") from error
    with process:
        try:
            output, _ = process.communicate(timeout=s_max)
        except subprocess.TimeoutExpired as error:
            _end(process)
            raise TrialError(f"{shlex.join(argv)}: did not end within {s_max:g} s and was ended") from error
        except BaseException:
            _end(process)
            raise
    return process.returncode, output


def failure(findings: Findings, run_dir: Path) -> str:
    """What is shown of a trial that is no PASS: sentence, cause, what was not asked, red checks, report."""
    from harness.evidence.finding import Verdict
    from harness.report import words

    lines = [words.verdict_sentence(findings)]
    headline = findings.headline
    if headline.says:
        lines.append(words.plain(f"cause: {headline.check} / {headline.rule}: {headline.says}"))
    lines.append(words.not_asked(findings))
    red = [check for check in findings.checks if check.verdict is not Verdict.PASS]
    lines += [words.plain(f"{check.verdict} {check.id}: {check.summary}") for check in red]
    report = run_dir / "report.html"
    lines.append(f"report: {report}" if report.exists() else f"report: harness report {run_dir}")
    return "\n".join(lines)


def _findings(run_dir: Path) -> Findings:
    from harness import frames
    from harness.errors import HarnessError

    try:
        return frames.open_run(run_dir).findings
    except HarnessError as error:
        raise TrialError(str(error)) from error


def _no_verdict(path: Path, code: int, output: str) -> str:
    return f"{path}: no verdict, `harness run` ended with exit code {code}:\n{output.strip()[-4000:]}"


def _end(process: subprocess.Popen[str]) -> None:
    """End the trial as a signal does, which heals; kill it only where that hangs, and then its guard heals."""
    process.terminate()
    try:
        process.communicate(timeout=CLOSE_S_MAX)
    except subprocess.TimeoutExpired:
        process.kill()


def _matching(config: pytest.Config, pattern: str) -> frozenset[Path]:
    try:
        return frozenset(config.rootpath.glob(pattern))
    except (NotImplementedError, ValueError) as error:
        raise pytest.UsageError(f"harness_experiments: {pattern!r}: {error}; give a glob from the root") from error


def _is_ours(text: str) -> bool:
    """Whether a file has our `extensions` entry, or cannot be parsed and names our control: `harness run` says why."""
    if "harness" not in text:
        return False
    import yaml

    try:
        document = yaml.safe_load(text)  # JSON too, which YAML contains
    # What PyYAML raises besides for a value such as the date 2020-13-01, and for what is nested too deep.
    except (yaml.YAMLError, ValueError, LookupError, AttributeError, RecursionError):
        return "harness.chaos.control" in text
    extensions = document.get("extensions") if isinstance(document, dict) else None
    return isinstance(extensions, list) and any(
        isinstance(entry, dict) and entry.get("name") == "harness" for entry in extensions
    )
