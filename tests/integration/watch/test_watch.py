"""`harness watch` as a process of its own, over directories that are finished, dead, none, or growing."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import queue
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.evidence import findings_file, seal
from harness.evidence.finding import Verdict
from harness.evidence.format import Kind
from harness.evidence.timeline import TimelineWriter
from harness.judge import judge
from harness.testing import histories as h

pytestmark = pytest.mark.integration
LINE_S_MAX = 30.0  # for one line of a process that is there; it takes some 0.2 s
COUNTS = {"failed": 0, "unknown": 0, "marked": 0, "refused": 0, "p95_ms": 4.5}
ANSWERED = {"1.0": {"ok": 15, **COUNTS}, "1.1": {"ok": 5, **COUNTS}}
TICK = {"second": 0, "sent": 20, "lag_ms_p99": 0.1, "in_flight": 0}


def watch(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "harness.cli.main", "watch", *arguments],
        cwd=cwd,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def finished(run_dir: Path, verdict: Verdict = Verdict.PASS) -> Path:
    """A sealed and judged run directory, with one second of load."""
    tick = h.event(1.0, "load", Kind.LOAD_TICK, **TICK, versions=ANSWERED)
    h.write(h.with_events(h.passing(), tick), run_dir)
    findings_file.write(run_dir / "findings.json", replace(judge(h.passing()), verdict=verdict))
    return run_dir


class Growing:
    """A trial that runs: its lock is held here, and its timelines are written a word at a time."""

    def __init__(self, run_dir: Path) -> None:
        self.run_dir = run_dir
        run_dir.mkdir(parents=True)
        self.lock_fd = os.open(run_dir / "LOCK", os.O_RDWR | os.O_CREAT, 0o644)
        fcntl.flock(self.lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        (run_dir / "manifest.json").write_text(json.dumps(h.passing().manifest))
        self.writers = {source: TimelineWriter(run_dir, source) for source in ("control", "load", "observer")}

    def says(self, source: str, kind: Kind, **data: Any) -> None:
        self.writers[source].event(kind, **data)

    def ticks(self) -> None:
        self.says("load", Kind.LOAD_TICK, **TICK, versions=ANSWERED)

    def seals(self) -> None:
        seal.seal(self.run_dir, complete=True)
        self.dies()

    def dies(self) -> None:
        os.close(self.lock_fd)

    def is_judged(self, verdict: Verdict) -> None:
        findings_file.write(self.run_dir / "findings.json", replace(judge(h.passing()), verdict=verdict))


class Watching:
    """`harness watch` on a growing trial; its lines come in a queue, so that every wait has an end."""

    def __init__(self, arguments: list[str], stdout: int | None = None) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "harness.cli.main", "watch", *arguments],
            env={**os.environ, "TERM": "xterm-256color", "CI": "", "COLUMNS": "100", "LINES": "40"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if stdout is None else stdout,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.lines: queue.Queue[str] = queue.Queue()
        if stdout is None:
            threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.put(line.rstrip("\n"))

    def line(self) -> str:
        return self.lines.get(timeout=LINE_S_MAX)

    def code(self) -> int:
        return self.process.wait(timeout=LINE_S_MAX)

    def told(self) -> str:
        """What it wrote on stderr, once it has ended."""
        assert self.process.stderr is not None
        return self.process.stderr.read()

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(timeout=10)
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()


@pytest.fixture
def trial(tmp_path) -> Growing:
    return Growing(tmp_path / "reports" / "trial")


@pytest.fixture
def start(trial) -> Iterator[Callable[..., Watching]]:
    """start(*options): `harness watch` on the growing trial."""
    started: list[Watching] = []

    def start_one(*options: str, stdout: int | None = None) -> Watching:
        started.append(Watching([str(trial.run_dir), *options], stdout))
        return started[-1]

    yield start_one
    for one in started:
        one.end()


# -- trials that have ended --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("verdict", "code"), [("PASS", 0), ("FAIL", 1), ("INCONCLUSIVE", 2)])
def test_finished_trial_is_replayed_with_its_verdict(tmp_path, verdict, code):
    """What stood out without the seconds, then the verdict's line and its code; nothing in the directory changes."""
    run_dir = finished(tmp_path / "reports" / "trial", Verdict(verdict))
    before = seal.hashes(run_dir)
    done = watch(str(run_dir), cwd=tmp_path)
    assert (code, "") == (done.returncode, done.stderr)
    lines = done.stdout.splitlines()
    assert ["00:00 -- open", f"verdict: {verdict} reports/trial"] == [lines[0], lines[-1]]
    assert "00:19    decided: roll_back to 0 %: CanaryErrorRatioHigh fires for the canary" in lines
    assert "req/s" not in done.stdout
    assert before == seal.hashes(run_dir)


def test_finished_trial_in_objects(tmp_path):
    """With --json stdout has objects alone, the last is the verdict, and the words for people are on stderr."""
    run_dir = finished(tmp_path / "trial", Verdict.FAIL)
    done = watch(str(run_dir), "--json", cwd=tmp_path)
    objects = [json.loads(line) for line in done.stdout.splitlines()]
    assert ("phase", "verdict") == (objects[0]["kind"], objects[-1]["kind"])
    assert [7.0] == [one["t_s"] for one in objects if one["kind"] == "second"]
    assert ("FAIL", 1, str(run_dir)) == tuple(objects[-1][name] for name in ("verdict", "exit_code", "run_dir"))
    assert (1, "verdict: FAIL trial\n") == (done.returncode, done.stderr)


def test_newest_trial_is_watched_when_none_is_named(tmp_path):
    """Without a directory it is the one that `latest` in the reports directory leads to, wherever that is set."""
    finished(tmp_path / "elsewhere" / "one")
    (tmp_path / "elsewhere" / "latest").symlink_to("one")
    for done in (
        watch("--reports-dir", "elsewhere", cwd=tmp_path),
        watch(cwd=tmp_path, HARNESS_REPORTS_DIR="elsewhere"),
    ):
        assert (0, "verdict: PASS elsewhere/one") == (done.returncode, done.stdout.splitlines()[-1])


def test_dead_trial_says_what_to_do(tmp_path):
    """Not sealed and locked by nobody: what stood out, that it is dead, and the commands; the code is 2."""
    run_dir = finished(tmp_path / "trial")
    (run_dir / "findings.json").unlink()
    (run_dir / "SEAL").unlink()
    (run_dir / "LOCK").write_text("")
    done = watch(str(run_dir), cwd=tmp_path)
    assert (2, "00:00 -- open") == (done.returncode, done.stdout.splitlines()[0])
    assert [] == [words for words in ("is dead", "`harness heal`", "`harness judge trial`") if words not in done.stderr]


def test_trial_that_nobody_has_judged_says_so(tmp_path):
    """A seal older than any judge needs is not waited for: the command that judges is named, the code is 2."""
    run_dir = finished(tmp_path / "trial")
    (run_dir / "findings.json").unlink()
    os.utime(run_dir / "SEAL", (1_767_323_045, 1_767_323_045))
    done = watch(str(run_dir), cwd=tmp_path)
    assert (2, True) == (done.returncode, "sealed and not judged; judge it with `harness judge trial`" in done.stderr)


def test_what_is_no_run_directory_is_refused(tmp_path):
    """A folder without a manifest, one that is not there, and reports without a run: 64, with value and next step."""
    (tmp_path / "folder").mkdir()
    for arguments, said in (
        (["folder"], "folder: no manifest.json: not a run directory; give one of reports/"),
        (["nowhere"], "nowhere: no manifest.json"),
        ([], "reports/latest: no trial has run there; start one with `harness run`"),
        (["folder", "--json", "--plain"], "--json and --plain: give one of them"),
    ):
        done = watch(*arguments, cwd=tmp_path)
        assert (64, "") == (done.returncode, done.stdout)
        assert said in done.stderr


# -- trials that run ---------------------------------------------------------------------------------------------------


def test_running_trial_is_followed_to_its_verdict(trial, start):
    """From its beginning, then each word as it is written, over the seal, until there is a judgement."""
    trial.says("control", Kind.TRIAL_OPENED, run_id="r")
    trial.says("control", Kind.PHASE, phase="baseline")
    trial.says("observer", Kind.WEIGHT_READ, lo_ns=1, hi_ns=2, weight=25.0)
    watching = start()
    assert "00:00 -- baseline" == watching.line()
    trial.ticks()
    expected = "baseline  weight  25.0 %  share  25.0 %    20 req/s  stable  0.0 % errors  canary  0.0 % errors"
    assert expected == watching.line()[6:]
    trial.says("control", Kind.PHASE, phase="close")
    assert "-- close" == watching.line()[6:]
    trial.seals()
    assert watching.process.poll() is None
    trial.is_judged(Verdict.FAIL)
    assert f"verdict: FAIL {trial.run_dir}" == watching.line()
    assert (1, "") == (watching.code(), watching.told())


def test_running_trial_is_followed_in_objects(trial, start):
    """A second has phase, weight, share and the versions' rates; the last object is the verdict."""
    watching = start("--json")
    trial.says("control", Kind.PHASE, phase="canary")
    phase = json.loads(watching.line())
    assert ("phase", "canary") == (phase["kind"], phase["phase"])
    trial.ticks()
    second = json.loads(watching.line())
    assert ("second", "canary", 25.0, 20) == tuple(
        second[name] for name in ("kind", "phase", "share_percent", "rate_rps")
    )
    assert {"version": "1.1", "rate_rps": 5, "errors_percent": 0.0, "p95_ms": 4.5} == second["versions"]["canary"]
    trial.seals()
    trial.is_judged(Verdict.PASS)
    assert {"kind": "verdict", "verdict": "PASS", "exit_code": 0}.items() <= json.loads(watching.line()).items()
    assert 0 == watching.code()


def test_trial_that_dies_while_it_is_watched(trial, start):
    """When its lock is let go without a seal the watching ends with 2 and says that the trial is dead."""
    trial.says("control", Kind.PHASE, phase="baseline")
    watching = start()
    assert "00:00 -- baseline" == watching.line()
    trial.dies()
    assert (2, True) == (watching.code(), "this trial is dead" in watching.told())


def test_trial_that_could_not_be_opened(trial, start):
    """A trial that takes its directory away again is told, not taken for a dead one."""
    trial.says("control", Kind.PHASE, phase="open")
    watching = start()
    assert "00:00 -- open" == watching.line()
    shutil.rmtree(trial.run_dir)
    assert (2, True) == (watching.code(), "could not be opened" in watching.told())


def test_interrupt_ends_the_watching_and_not_the_trial(trial, start):
    """Ctrl-C is 130, and the trial still has its lock and its directory."""
    trial.says("control", Kind.PHASE, phase="baseline")
    watching = start()
    assert "00:00 -- baseline" == watching.line()
    watching.process.send_signal(signal.SIGINT)
    assert (130, True) == (watching.code(), "the trial is left alone" in watching.told())
    assert not (trial.run_dir / "SEAL").exists()
    with (trial.run_dir / "LOCK").open() as lock, pytest.raises(BlockingIOError):
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)


def test_reader_that_goes_away_ends_the_watching(trial, start):
    """`harness watch | head -1`: no traceback, the watching is over, and 141 tells it from Ctrl-C."""
    trial.says("control", Kind.PHASE, phase="baseline")
    reads, writes = os.pipe()
    watching = start(stdout=writes)
    os.close(writes)
    with open(reads, "rb") as reader:
        assert b"00:00 -- baseline\n" == reader.readline()
    trial.ticks()
    assert (141, "") == (watching.code(), watching.told())


@pytest.mark.parametrize(("ends", "code"), [("judged", 0), ("SIGINT", 130), ("SIGTERM", 143)])
def test_panel_on_a_terminal(trial, start, ends, code):
    """On a terminal there is a panel while the trial runs; at whatever end the cursor comes back and the lines stay."""
    ours, theirs = pty.openpty()
    trial.says("control", Kind.PHASE, phase="baseline")
    watching = start(stdout=theirs)
    os.close(theirs)
    with open(ours, "rb", buffering=0) as terminal:
        shown = terminal.read(4096)
        while b"Ctrl-C ends the watching" not in shown:
            shown += terminal.read(4096)
        assert ">baseline" in shown.decode(errors="replace")
        if ends == "judged":
            trial.seals()
            trial.is_judged(Verdict.PASS)
        else:
            watching.process.send_signal(getattr(signal, ends))
        rest = rest_of(terminal)
    assert code == watching.code()
    shows_cursor, _, after = rest.rpartition("\x1b[?25h")
    assert shows_cursor
    assert "00:00 -- baseline" in after
    assert (ends == "judged") == (f"verdict: PASS {trial.run_dir}" in after)


def rest_of(terminal: Any) -> str:
    """What comes until the other side has closed it, which Linux gives as EIO."""
    found = b""
    try:
        while part := terminal.read(4096):
            found += part
    except OSError:
        pass
    return found.decode(errors="replace")
