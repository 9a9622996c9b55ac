"""The alerts port: what was measured, which rules are loaded, what fires, and who would be told.

Two roles, because two programs fill them: `Metrics` evaluates rules (Prometheus), `Receivers` sends the
notifications (Alertmanager). An adapter kind of a target file builds both, as `AlertParts`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Sample:
    """One raw sample. `labels_json`: a JSON object, keys sorted, without __name__. `wall_ms`: its own stamp."""

    name: str
    labels_json: str
    wall_ms: int
    value: float


@dataclass(frozen=True, slots=True)
class ActiveAlert:
    """An alert that is pending or firing now. For the live view: evidence is the ALERTS series."""

    name: str
    state: str  # pending | firing
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class LoadedRule:
    """One rule of the running configuration. `health` is ok, err or unknown; `labels` as written in the rule."""

    name: str
    kind: str  # alerting | recording
    group: str
    evaluation_s: float
    for_s: float
    labels: Mapping[str, str]
    health: str
    error: str


class Metrics(Protocol):
    """Who evaluates the rules. Every call is bounded and raises DriveError past its bound."""

    def ready(self) -> bool:
        """Whether it serves queries; False also when nobody answers."""
        ...

    def fetch_samples(self, selector: str, window_s: float) -> list[Sample]:
        """The raw samples of the last `window_s` seconds, as they were stored."""
        ...

    def active_alerts(self) -> list[ActiveAlert]:
        """What is pending or firing now."""
        ...

    def rules_loaded(self) -> list[LoadedRule]:
        """The rules that run."""
        ...

    def close(self) -> None:
        """Give connections back."""
        ...


class Receivers(Protocol):
    """Who sends the notifications."""

    def ready(self) -> bool:
        """Whether it takes alerts; False also when nobody answers."""
        ...

    def resolve_receivers(self, labels: Mapping[str, str]) -> list[tuple[str, str]]:
        """(who, where) of everybody whom an alert with these labels would be told to, by the LIVE configuration."""
        ...

    def close(self) -> None:
        """Give connections back."""
        ...


@dataclass(frozen=True, slots=True)
class AlertParts:
    """Both roles of one running stack."""

    metrics: Metrics
    receivers: Receivers

    def close(self) -> None:
        """Give both roles' connections back."""
        self.metrics.close()
        self.receivers.close()
