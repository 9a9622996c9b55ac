"""`harness heal` over real processes: it ends what a dead trial left, and nothing that is alive or a stranger's."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from harness import settings
from harness.drive import census, heal
from harness.drive.guard import identity
from harness.drive.guard.client import await_condition, start_guard
from harness.drive.guard.undo import UndoLog, UndoRequest
from harness.drive.stack.spec import ProcessSpec
from harness.errors import UsageError

pytestmark = pytest.mark.integration
ROOT = Path(__file__).parents[3]
# A control port in the smallest form: it writes each request's line and token to a file.
SERVER = """
import http.server, sys
class Taker(http.server.BaseHTTPRequestHandler):
    def do_DELETE(self):
        open(sys.argv[1], "a").write(f"{self.command} {self.path} {self.headers['authorization']}\\n")
        self.send_response(204)
        self.end_headers()
    def log_message(self, *_): pass
server = http.server.HTTPServer(("127.0.0.1", 0), Taker)
open(sys.argv[2], "w").write(str(server.server_port))
server.serve_forever()
"""


class Place:
    """A reports folder, a cache folder, and one dead trial in the first."""

    def __init__(self, folder: Path) -> None:
        self.reports = folder / "reports"
        self.cache = folder / "cache"
        self.run_dir = self.reports / "trial"
        self.run_dir.mkdir(parents=True)
        self.log = UndoLog(self.run_dir)
        self.asked = folder / "asked"
        self.started: list[subprocess.Popen[bytes]] = []

    def heal(self, *options: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "harness.cli.main", "heal", "--reports-dir", str(self.reports), *options],
            cwd=ROOT,
            env={**os.environ, "HARNESS_CACHE_DIR": str(self.cache)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    def sleeper(self) -> int:
        """A process that does nothing, in a session of its own."""
        self.started.append(subprocess.Popen(["sleep", "60"], start_new_session=True))
        return self.started[-1].pid

    def server(self) -> tuple[int, int]:
        """(pid, port) of something that takes DELETE."""
        port_file = self.asked.with_name("port")
        argv = [sys.executable, "-c", SERVER, str(self.asked), str(port_file)]
        self.started.append(subprocess.Popen(argv, start_new_session=True))
        assert await_condition(lambda: port_file.exists() and port_file.read_text() != "", 10.0)
        return self.started[-1].pid, int(port_file.read_text())

    def add_fault(self, port: int) -> None:
        self.log.add(
            UndoRequest("DELETE", f"http://127.0.0.1:{port}/faults/http_5xx", {"authorization": "Bearer t"}, "http_5xx")
        )


@pytest.fixture
def place(tmp_path):
    """A place; whatever a test started is ended."""
    one = Place(tmp_path)
    yield one
    for process in one.started:
        process.kill()
        process.wait(timeout=5)


def test_nothing_left_exits_0(place):
    """A trial that ended its processes and undid its changes has left nothing."""
    pid = place.sleeper()
    place.log.process(identity.of("envoy", pid))
    place.log.ended(pid)
    done = place.heal()
    assert (0, "heal: dead trials have left nothing\n") == (done.returncode, done.stdout)


def test_left_process_is_listed_and_not_touched(place):
    """Without --all: name, pid and run directory, exit code 1, and the process runs on."""
    pid = place.sleeper()
    place.log.process(identity.of("envoy", pid))
    done = place.heal()
    assert 1 == done.returncode
    assert f"process  envoy, pid {pid}, " in done.stdout
    assert f"; of {place.run_dir}\n" in done.stdout
    assert census.is_alive(pid)


def test_left_process_is_ended_any_number_of_times(place):
    """--all ends it and says so; a second time there is nothing left to do."""
    pid = place.sleeper()
    place.log.process(identity.of("envoy", pid))
    first, second = place.heal("--all"), place.heal("--all")
    assert (0, 0) == (first.returncode, second.returncode)
    assert f"process  ended: envoy, pid {pid}, " in first.stdout
    assert "heal: took away 1, nothing is left\n" in first.stdout
    assert "heal: dead trials have left nothing\n" == second.stdout
    assert not census.is_alive(pid)
    assert {"ended": pid} == json.loads((place.run_dir / heal.UNDO_LOG).read_text().splitlines()[-1])


@pytest.mark.parametrize(
    "changed",
    [{"start_ticks": 1}, {"boot_id": "another"}, {"exe": "/usr/bin/envoy"}],
    ids=["started-at-another-time", "other-boot", "other-executable"],
)
def test_stranger_with_the_same_pid_is_left_alone(place, changed):
    """A pid alone means nobody: a process that differs in one part of its identity is not ours."""
    pid = place.sleeper()
    recorded = identity.of("envoy", pid)
    place.log.process(identity.Identity(**{**{f: getattr(recorded, f) for f in recorded.__slots__}, **changed}))
    assert 0 == place.heal("--all").returncode
    assert census.is_alive(pid)


def test_trial_whose_lock_is_held_is_left_alone(place):
    """While control or guard hold the lock the trial is live, and what it owns is its own."""
    pid = place.sleeper()
    place.log.process(identity.of("envoy", pid))
    with (place.run_dir / "LOCK").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = place.heal("--all")
    assert (0, "heal: dead trials have left nothing; 1 live, left alone\n") == (done.returncode, done.stdout)
    assert census.is_alive(pid)


def test_copy_of_a_live_trial_s_directory_endangers_nobody(place):
    """A copied undo log names processes of a live trial and no lock: their parent is a live guard."""
    original = place.reports.parent / "elsewhere"
    original.mkdir()
    descriptor = os.open(original / "LOCK", os.O_RDWR | os.O_CREAT)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    scratch = place.cache / "scratch" / "live"
    guard = start_guard(original, scratch, descriptor, 60.0, lambda name, code: None, stack_only=True)
    pid = guard.start(ProcessSpec("envoy", ("sleep", "60")))
    scratch.mkdir(parents=True)
    (place.run_dir / heal.UNDO_LOG).write_bytes((original / heal.UNDO_LOG).read_bytes())
    done = place.heal("--all")
    alive = census.is_alive(pid), scratch.exists()
    guard.stop_all()
    guard.release()
    os.close(descriptor)
    assert (0, "heal: dead trials have left nothing; 1 live, left alone\n") == (done.returncode, done.stdout)
    assert (True, True) == alive


def test_open_fault_is_healed_before_its_process_ends(place):
    """The recorded request is sent, with its token, to the trial's own process; then that is ended too."""
    pid, port = place.server()
    place.log.process(identity.of("canary-1", pid))
    place.add_fault(port)
    listed, done = place.heal(), place.heal("--all")
    assert f"fault    http_5xx at http://127.0.0.1:{port}/faults/http_5xx, pid {pid}" in listed.stdout
    assert "fault    healed: http_5xx at" in done.stdout
    assert "DELETE /faults/http_5xx Bearer t\n" == place.asked.read_text()
    assert not census.is_alive(pid)
    assert {"done": 1} in [json.loads(line) for line in (place.run_dir / heal.UNDO_LOG).read_text().splitlines()]


def test_nobody_else_is_sent_a_trial_s_request(place):
    """The port of a fault whose process is gone may be anybody's by now: nothing is sent there."""
    _, port = place.server()
    place.add_fault(port)
    assert 0 == place.heal("--all").returncode
    assert not place.asked.exists()


def test_unknown_server_on_a_port_of_trials_is_named(place):
    """Who listens on a port that trials have used and no undo log names is told to the user, and left alone."""
    pid, port = place.server()
    (place.cache / "ports").mkdir(parents=True)
    (place.cache / "ports" / f"{port}.lock").touch()
    done = place.heal("--all")
    assert f"note: port {port}: pid {pid} (" in done.stdout
    assert 0 == done.returncode
    assert census.is_alive(pid)


def test_scratch_folder_of_a_dead_trial_is_removed(place):
    """Data of a trial that nobody owns goes, and only from inside the cache folder."""
    ours, elsewhere = place.cache / "scratch" / "trial", place.reports.parent / "data"
    for folder in (ours / "postgres", elsewhere):
        folder.mkdir(parents=True)
        place.log.scratch(folder)
    done = place.heal("--all")
    assert f"scratch  removed: {ours}\n" in done.stdout
    assert (False, True) == (ours.exists(), elsewhere.exists())


def test_folder_of_a_killed_command_is_removed_and_a_running_one_s_is_kept(place):
    """A command holds the lock of its folder while it runs; whose lock nobody holds was killed."""
    killed = place.cache / "commands" / "run-killed"
    with heal.command_folder(place.cache) as running:
        killed.mkdir()
        (killed / "LOCK").touch()
        done = place.heal("--all")
        assert (True, False) == (running.exists(), killed.exists())
    assert f"command  removed: {killed}\n" in done.stdout
    assert "took away 1," in done.stdout
    assert not running.exists()


def test_log_that_cannot_be_read_is_named(place):
    """A line that is none is told with its number; the lines around it still count."""
    pid = place.sleeper()
    with (place.run_dir / heal.UNDO_LOG).open("a") as log:
        log.write('{"process": 7}\n')
    place.log.process(identity.of("envoy", pid))
    with (place.run_dir / heal.UNDO_LOG).open("a") as log:
        log.write('{"ended": 7')
    done = place.heal("--all")
    assert f"note: {place.run_dir / heal.UNDO_LOG}:1: " in done.stdout
    assert not census.is_alive(pid)


def test_trial_removes_left_folders_and_says_so(place):
    """Before a trial, folders of dead ones go in one line; the next trial finds nothing and says nothing."""
    (place.cache / "scratch" / "trial").mkdir(parents=True)
    places = heal.Places.of(place.reports, place.cache)
    assert "removed 1 folder that dead trials left" == heal.make_way(places)
    assert "" == heal.make_way(places)


def test_trial_refuses_to_start_beside_left_processes(place):
    """What still runs is shown with the command that ends it: that is a person's decision."""
    pid = place.sleeper()
    place.log.process(identity.of("envoy", pid))
    with pytest.raises(UsageError, match=f"envoy, pid {pid}.*harness heal --all"):
        heal.make_way(heal.Places.of(place.reports, place.cache))
    assert census.is_alive(pid)


def test_not_a_run_directory_is_refused(place, tmp_path):
    """A folder without an undo log is the user's mistake: 64."""
    done = place.heal(str(tmp_path))
    assert 64 == done.returncode
    assert "not a run directory" in done.stderr


def share_binaries(cache: Path) -> None:
    """What was downloaded into the machine's cache folder is in this one too."""
    cache.mkdir()
    shared = settings.cache_dir(settings.load())
    for entry in shared.iterdir():
        if entry.name not in {"scratch", "stacks", "ports"}:
            (cache / entry.name).symlink_to(entry)


def test_killed_stack_and_guard_are_healed(place):
    """SIGKILL of a stack and its guard at once: the kernel ends the processes, heal removes the folders."""
    share_binaries(place.cache)
    stack = subprocess.Popen(
        [sys.executable, "-m", "harness.cli.main", "stack", "up"],
        cwd=ROOT,
        env={**os.environ, "HARNESS_CACHE_DIR": str(place.cache)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    assert stack.stdout is not None
    with stack.stdout:
        assert "service" in stack.stdout.readline()
        children = psutil.Process(stack.pid).children(recursive=True)
        (guard,) = [child for child in children if "harness.drive.guard" in child.cmdline()]
        os.kill(stack.pid, signal.SIGKILL)
        guard.kill()
    stack.wait(timeout=10)
    assert await_condition(lambda: not any(census.is_alive(child.pid) for child in children), 5.0)
    listed, done, again = place.heal(), place.heal("--all"), place.heal()
    assert (1, 0, 0) == (listed.returncode, done.returncode, again.returncode)
    assert "scratch  removed: " in done.stdout
    assert "stack    removed: " in done.stdout
    assert [] == [*(place.cache / "scratch").iterdir(), *(place.cache / "stacks").iterdir()]
