"""What comes with the harness beside its code: experiments with their targets, and locustfiles.

In a checkout they lie at its top; in an installed wheel inside the package, under `shipped/`.
"""

from __future__ import annotations

from pathlib import Path

from harness.errors import UsageError
from harness.plan.validate import nearest

EXPERIMENTS = "experiments"
LOCUSTFILES = "locustfiles"
DEMO = "canary-5xx"


def checkout() -> Path | None:
    """The checkout that this code runs from, None where it is installed."""
    top = Path(__file__).resolve().parent.parent
    return top if (top / "pyproject.toml").exists() and (top / EXPERIMENTS).is_dir() else None


def folder(name: str) -> Path:
    """Where the shipped files of this kind are: EXPERIMENTS or LOCUSTFILES."""
    top = checkout() or Path(__file__).resolve().with_name("shipped")
    return top / name


def experiment(given: Path) -> Path:
    """A file as it is given; a bare name that is no file stands for the shipped experiment. UsageError for neither."""
    return _named(given, "experiment", folder(EXPERIMENTS))


def target(given: Path) -> Path:
    """The same for a target."""
    return _named(given, "target", folder(EXPERIMENTS) / "targets")


def suite(given: Path) -> Path:
    """The same for a suite."""
    return _named(given, "suite", folder(EXPERIMENTS) / "suites")


def _named(given: Path, what: str, among: Path) -> Path:
    if given.suffix or given.name != str(given) or given.is_file():
        return given
    known = {path.stem: path for path in among.glob("*.yaml")}
    if given.name not in known:
        raise UsageError(f"{given}: neither a file nor a shipped {what}; {nearest(given.name, known)}")
    return known[given.name]
