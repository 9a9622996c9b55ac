"""Settings: command line > HARNESS_* > target > experiment > defaults. The only reader of the environment.

Every effective value keeps its origin, and both stand in the manifest. An unknown HARNESS_* name is an
error with the nearest known one: a setting that is misspelt must not be silently without effect.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from harness import shipped
from harness.errors import UsageError
from harness.plan.validate import nearest

PREFIX: Final = "HARNESS_"
# name -> (default, what it is)
KNOWN: Final[Mapping[str, tuple[str, str]]] = {
    "run_dir": ("", "the run directory; must not exist yet"),
    "reports_dir": ("reports", "where run directories are made"),
    "cache_dir": ("", "binaries and port locks; .cache of the project, else the user's cache folder"),
    "target": ("", "target file or its name; overrides the experiment's"),
    "profile": ("", "load profile; overrides the experiment's"),
    "seed": ("", "seed of the load and of the fault's phase; overrides the experiment's"),
    "plant": ("", "a planted defect by its name; overrides the experiment's"),
    "control_of": ("", "run directory of the trial that this one, without a fault, is the control of; recorded only"),
    "trial_s_max": ("600", "the guard ends a trial after this many seconds"),
    "reports_url": ("", "where others read a suite's reports: an http address, with {run} where a run's name belongs"),
    "notify": ("", "who is told after a suite: apprise URLs, separated by spaces; secret, so never shown"),
    "envoy": ("", "path of the Envoy binary"),
    "postgres_bin": ("", "folder of PostgreSQL's binaries"),
    "prometheus": ("", "path of the Prometheus binary"),
    "promtool": ("", "path of promtool"),
    "alertmanager": ("", "path of the Alertmanager binary"),
    "amtool": ("", "path of amtool"),
}
HIDDEN: Final = "***"
_SECRET: Final = frozenset({"notify"})
# Names with the prefix that are not settings but the parts' own way of speaking with each other.
_INTERNAL: Final = frozenset({"load_plan", "word_file", "command"})


@dataclass(frozen=True, slots=True)
class Settings:
    """Effective values and where each came from: default, HARNESS_<NAME> or the option's name."""

    values: Mapping[str, str]
    origins: Mapping[str, str]
    environment: Mapping[str, str] = field(repr=False, default_factory=dict)

    def __getitem__(self, name: str) -> str:
        return self.values[name]

    def number(self, name: str, low: float, high: float) -> float:
        """The value as a number within bounds; UsageError otherwise."""
        text = self.values[name]
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not low <= value <= high:
            raise UsageError(f"{self.origins[name]}: {name} is {text!r}, must be a number from {low:g} to {high:g}")
        return value

    def documented(self) -> dict[str, dict[str, str]]:
        """For the manifest: {name: {"value", "origin"}} of everything that is set."""
        return {
            name: {"value": HIDDEN if name in _SECRET else value, "origin": self.origins[name]}
            for name, value in sorted(self.values.items())
            if value
        }


def load(given: Mapping[str, str | None] | None = None, environment: Mapping[str, str] | None = None) -> Settings:
    """Settings from options (`given`, None = not given) over the environment over the defaults."""
    source = dict(os.environ) if environment is None else dict(environment)
    values = {name: default for name, (default, _) in KNOWN.items()}
    origins = dict.fromkeys(KNOWN, "default")
    for variable in sorted(source):
        name = variable[len(PREFIX) :].lower()
        if not variable.startswith(PREFIX) or name in _INTERNAL:
            continue
        if name not in KNOWN:
            raise UsageError(f"{variable}: no such setting; {nearest(name, KNOWN)}")
        values[name], origins[name] = source[variable], variable
    for name, value in (given or {}).items():
        assert name in KNOWN, name
        if value is not None:
            values[name], origins[name] = value, f"--{name.replace('_', '-')}"
    return Settings(values=values, origins=origins, environment=source)


def internal(name: str) -> str:
    """A value that one part of the harness hands to another in the environment; "" where it was not."""
    assert name in _INTERNAL, name
    return os.environ.get(f"{PREFIX}{name.upper()}", "")


def child_environment(settings: Settings, **internal_values: str) -> dict[str, str]:
    """The environment for a child that loads settings itself: what options gave goes on as HARNESS_*."""
    given = {
        f"{PREFIX}{name.upper()}": settings.values[name]
        for name, origin in settings.origins.items()
        if origin.startswith("--")
    }
    handed = {f"{PREFIX}{name.upper()}": value for name, value in internal_values.items()}
    assert set(internal_values) <= _INTERNAL, internal_values
    return {**settings.environment, **given, **handed}


def cache_dir(settings: Settings) -> Path:
    """Where binaries and port locks live: the setting, else `.cache` of a checkout, else the user's cache folder."""
    if settings["cache_dir"]:
        return Path(settings["cache_dir"]).resolve()
    top = shipped.checkout()
    if top is not None:
        return top / ".cache"
    base = settings.environment.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "harness"
