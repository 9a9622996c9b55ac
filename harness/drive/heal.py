"""What dead trials left behind on this machine, and taking it away.

A trial cleans up after itself, and its guard does where it cannot. What is left to find here is what stays when both
were killed: a process that got away, a fault that nobody took back, folders of data. Where to look: the undo log of
every run directory (`guard.undo` has its lines) and the cache folder's `scratch/`, `stacks/`, `commands/`, `ports/`.

Never touched is what may be alive or somebody else's:

- a trial is live while anybody holds the flock on its LOCK or its guard runs. Guards are found by their command lines,
  so also those whose run directory is not among the ones looked at, and whatever they are the parent of is theirs;
- a process is a leftover only if boot, pid, start tick and executable are all as recorded;
- an undo request is sent only to a port on which one of its trial's own processes, so identified, listens;
- a folder is removed only from inside the cache folder.

Taking away can be repeated any number of times: each end is appended to the same undo log.

Not covered: other hosts and pid namespaces; a process whose guard was killed in the tenth of a second in which it
handed over to another executable. That one is named as a stranger on one of our ports.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import tempfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import msgspec
import psutil

from harness import clock
from harness.drive import census
from harness.drive.guard import identity, undo
from harness.drive.guard.client import await_condition
from harness.drive.guard.identity import Identity
from harness.drive.guard.undo import UndoLog, UndoRequest
from harness.errors import UsageError

UNDO_LOG: Final = Path("logs") / "undo.ndjson"
_COMMANDS: Final = "commands"
# Of a leftover: what it is -> the folder of the cache folder in which such folders are.
_FOLDERS: Final = {"scratch": "scratch", "stack": "stacks", "command": _COMMANDS}
_GUARD_MODULE: Final = "harness.drive.guard"
_KILLED_S_MAX: Final = 2.0  # what SIGKILL may take; a process in an uninterruptible wait ends after it, or never
# A folder is there some 0.1 s before its guard or its lock: one that has neither is a leftover once it is older.
_YOUNG_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Logged:
    """What one undo log says was begun and does not say has ended. `unread`: a line each that says nothing."""

    requests: Mapping[int, UndoRequest]
    processes: Mapping[int, Identity]  # by pid
    scratch: tuple[Path, ...]
    unread: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Leftover:
    """One thing that a dead trial left: of process, request and folder the one that `what` means."""

    what: str  # process | fault | scratch | stack | command
    says: str
    run_dir: Path | None = None  # None: no undo log knows it
    process: Identity | None = None
    entry: int = 0
    request: UndoRequest | None = None
    folder: Path | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """One look. `live`: how many trials and stacks run; `notes`: what may be ours and is left alone, a line each."""

    left: tuple[Leftover, ...]
    live: int
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Places:
    """Where to look. Folders that are not there hold nothing."""

    run_dirs: tuple[Path, ...]
    cache_dir: Path

    @classmethod
    def of(cls, reports_dir: Path, cache_dir: Path, run_dir: Path | None = None) -> Places:
        """Every run directory of `reports_dir`, the named one, and the folders of stacks without a trial."""
        folders = [*_folders(reports_dir), *([run_dir] if run_dir else []), *_folders(cache_dir / "stacks")]
        logged = {folder.resolve() for folder in folders if (folder / UNDO_LOG).is_file()}
        return cls(tuple(sorted(logged)), cache_dir.resolve())


@dataclass(frozen=True, slots=True)
class _Now:
    """What runs at this moment: guards by the folders they own, and who listens where."""

    guards: Mapping[Path, int]
    listeners: Mapping[int, int]

    @classmethod
    def look(cls) -> _Now:
        return cls(live_guards(), _listeners())

    def has_guard(self, pid: int) -> bool:
        """Whether a live guard is this process's parent."""
        return _parent(pid) in self.guards.values()


# -- looking -----------------------------------------------------------------------------------------------------------


def find(places: Places) -> Found:
    """What dead trials left. Changes nothing."""
    # Folders first, guards after: a guard is there before its folder, so one that is made now is not taken for dead.
    folders = [(what, folder) for what, name in _FOLDERS.items() for folder in _folders(places.cache_dir / name)]
    now = _Now.look()
    logs = {folder: read(folder) for folder in places.run_dirs}
    live = {folder for folder in logs if folder in now.guards or is_live(folder)}
    left: list[Leftover] = []
    for folder in logs.keys() - live:
        left += _left_by(folder, logs[folder], now)
    owned = {*now.guards, *live, *(path for folder in live for path in logs[folder].scratch)}
    known = {pid for logged in logs.values() for pid in logged.processes}
    notes = [note for logged in logs.values() for note in logged.unread]
    return Found(
        left=(*sorted(left, key=lambda one: (str(one.run_dir), one.what, one.says)), *_folders_left(folders, owned)),
        live=len(live) + _live_elsewhere(places, live, now),
        notes=(*notes, *_strangers(places.cache_dir / "ports", known, now)),
    )


def left_by_one(run_dir: Path, cache_dir: Path) -> list[Leftover]:
    """What one dead trial left, for whoever has seen it die; nothing of any other."""
    scratch = read(run_dir).scratch
    found = find(Places((run_dir.resolve(),), cache_dir.resolve()))
    return [one for one in found.left if one.run_dir is not None or one.folder in scratch]


def _live_elsewhere(places: Places, live: Collection[Path], now: _Now) -> int:
    """How many guards use this cache folder for trials whose run directories were not looked at."""
    here = {now.guards.get(folder) for folder in live}
    return len({pid for path, pid in now.guards.items() if path.is_relative_to(places.cache_dir)} - here)


def read(run_dir: Path) -> Logged:
    """The open entries of one undo log. A last line that was cut while it was written says nothing yet."""
    requests: dict[int, UndoRequest] = {}
    processes: dict[int, Identity] = {}
    scratch: list[Path] = []
    unread: list[str] = []
    for number, line in _whole_lines(run_dir / UNDO_LOG, unread):
        try:
            match json.loads(line):
                case {"add": int(entry), "request": request}:
                    requests[entry] = msgspec.convert(request, UndoRequest)
                case {"done": int(entry)}:
                    requests.pop(entry, None)
                case {"process": process}:
                    started = msgspec.convert(process, Identity)
                    processes[started.pid] = started
                case {"ended": int(pid)}:
                    processes.pop(pid, None)
                case {"scratch": str(path)}:
                    scratch.append(Path(path).resolve())
                case _:
                    raise ValueError("no line of an undo log")
        except (ValueError, msgspec.ValidationError) as error:
            unread.append(f"{run_dir / UNDO_LOG}:{number}: {error}: what it names is not looked for")
    return Logged(requests, processes, tuple(scratch), tuple(unread))


def _whole_lines(path: Path, unread: list[str]) -> Iterator[tuple[int, bytes]]:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return  # its guard has only just been started: nothing was begun
    except PermissionError:
        unread.append(f"{path}: may not be read: its trial was another user's")
        return
    *whole, _ = content.split(b"\n")
    yield from enumerate(whole, 1)


@contextmanager
def command_folder(cache_dir: Path) -> Iterator[Path]:
    """A folder for a command that runs: in the cache folder and locked, so that what a killed one leaves is found."""
    (cache_dir / _COMMANDS).mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="run-", dir=cache_dir / _COMMANDS) as folder,
        (Path(folder) / "LOCK.new").open("w") as lock,
    ):
        fcntl.flock(lock, fcntl.LOCK_EX)
        (Path(folder) / "LOCK.new").rename(Path(folder) / "LOCK")  # never there and not held
        yield Path(folder)


def is_live(run_dir: Path) -> bool:
    """Whether control, guard or command hold the lock of this folder."""
    try:
        descriptor = os.open(run_dir / "LOCK", os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _left_by(run_dir: Path, logged: Logged, now: _Now) -> Iterator[Leftover]:
    """Processes and faults of one dead trial."""
    alive = [one for one in logged.processes.values() if is_same(one) and not now.has_guard(one.pid)]
    for one in alive:
        yield Leftover("process", f"{one.name}, pid {one.pid}, {one.exe}", run_dir, process=one)
    for entry, request in logged.requests.items():
        pid = now.listeners.get(urlsplit(request.url).port or 0, 0)
        if pid and (pid in {one.pid for one in alive} or _group(pid) in {one.pgid for one in alive}):
            says = f"{request.fault or request.method} at {request.url}, pid {pid}"
            yield Leftover("fault", says, run_dir, entry=entry, request=request)


def is_same(recorded: Identity) -> bool:
    """Whether this very process still runs: same boot, pid, start tick and executable."""
    return (
        recorded.exe != ""
        and recorded.boot_id == identity.boot_id()
        and census.is_same_process(recorded.pid, recorded.start_ticks)
        and identity.executable(recorded.pid) == recorded.exe
    )


def _folders_left(folders: Collection[tuple[str, Path]], owned: Collection[Path]) -> Iterator[Leftover]:
    """Those of these folders that no live guard owns and nobody has locked."""
    for what, folder in folders:
        shows_its_owner = what == "scratch" or (folder / "LOCK").exists()
        if folder not in owned and not is_live(folder) and (shows_its_owner or _age_s(folder) > _YOUNG_S):
            yield Leftover(what, str(folder), folder=folder)


def _strangers(port_locks: Path, known: Collection[int], now: _Now) -> Iterator[str]:
    """Ports that trials have used, that no live trial holds, and that somebody unknown serves."""
    for port, pid in sorted(now.listeners.items()):
        lock = port_locks / f"{port}.lock"
        if not lock.exists() or {pid, _group(pid)} & set(known) or now.has_guard(_group(pid)) or _is_locked(lock):
            continue
        yield f"port {port}: pid {pid} ({identity.executable(pid)}) listens; no undo log names it, so it is left alone"


def _is_locked(lock: Path) -> bool:
    with lock.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def live_guards() -> dict[Path, int]:
    """Folders that live guards own, their run directories and scratch folders, to the guard's pid."""
    owned: dict[Path, int] = {}
    for process in psutil.process_iter(["pid", "cmdline"]):
        argv = process.info["cmdline"] or []
        if _GUARD_MODULE not in argv:
            continue
        for option in ("--run-dir", "--scratch-dir"):
            if option in argv[:-1]:
                owned[Path(argv[argv.index(option) + 1]).resolve()] = process.info["pid"]
    return owned


def _listeners() -> dict[int, int]:
    """Port to pid of whoever listens on TCP, as far as this user may see."""
    return {
        one.laddr.port: one.pid
        for one in psutil.net_connections("tcp4")
        if one.status == psutil.CONN_LISTEN and one.laddr and one.pid
    }


def _parent(pid: int) -> int:
    try:
        return int(psutil.Process(pid).ppid())
    except psutil.NoSuchProcess:
        return 0


def _group(pid: int) -> int:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return 0


def _age_s(folder: Path) -> float:
    try:
        return (clock.wall_ns() - folder.stat().st_mtime_ns) / clock.NS_PER_S
    except FileNotFoundError:
        return 0.0


def _folders(parent: Path) -> list[Path]:
    if not parent.is_dir():
        return []
    return sorted(entry for entry in parent.iterdir() if entry.is_dir() and not entry.is_symlink())


# -- taking away -------------------------------------------------------------------------------------------------------


def take_away(left: Collection[Leftover]) -> list[tuple[Leftover, str]]:
    """Take these away, faults first and folders last; with each "" or why it is still there."""
    order = ("fault", "process", *_FOLDERS)
    return [(one, _take(one)) for one in sorted(left, key=lambda one: order.index(one.what))]


def _take(one: Leftover) -> str:
    if one.request is not None:
        return _take_back(one, one.request)
    if one.process is not None:
        return _end(one, one.process)
    assert one.folder is not None
    try:
        shutil.rmtree(one.folder)
    except FileNotFoundError:
        return ""  # somebody else removed it just now
    except OSError as error:
        return f"{error.filename}: {error.strerror}"
    return ""


def _take_back(one: Leftover, request: UndoRequest) -> str:
    problem = undo.send(request)
    if not problem and one.run_dir is not None:
        UndoLog(one.run_dir).done(one.entry)
    return problem


def _end(one: Leftover, process: Identity) -> str:
    """SIGKILL its group, right after one more look at who it is: what it served is of no use to anybody now."""
    if is_same(process):
        try:
            os.killpg(process.pgid, signal.SIGKILL)
        except ProcessLookupError:
            pass  # it ended by itself just now
        except PermissionError:
            return f"pid {process.pid} may not be signalled: it is another user's"
        if not await_condition(lambda: not is_same(process), _KILLED_S_MAX):
            return f"pid {process.pid} did not end within {_KILLED_S_MAX:g} s of SIGKILL"
    if one.run_dir is not None:
        UndoLog(one.run_dir).ended(process.pid)
    return ""


def make_way(places: Places) -> str:
    """Before a trial: remove what dead ones left in folders, and say so in one line, "" where there was nothing.

    UsageError where a process or a fault is left: ending those is a person's decision, and `harness heal` shows them.
    """
    # A trial that was killed just now may still be dying.
    await_condition(lambda: not any(one.folder is None for one in find(places).left), _KILLED_S_MAX, pause_s=0.2)
    found = find(places)
    running = [one for one in found.left if one.folder is None]
    if running:
        raise UsageError(
            f"dead trials have left {len(running)} things that still run, the first: {running[0].what} "
            f"{running[0].says}; look with `harness heal`, take them away with `harness heal --all`"
        )
    problems = [f"{one.says}: {problem}" for one, problem in take_away(found.left) if problem]
    if problems:
        return f"could not remove what a dead trial left: {'; '.join(problems)}"
    count = len(found.left)
    return f"removed {count} folder{'s' if count > 1 else ''} that dead trials left" if count else ""
