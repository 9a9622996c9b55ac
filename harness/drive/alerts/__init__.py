"""Who warns. Adapters behind `port`; foreign ones by entry point `harness.alerts`.

The kind `prometheus` is Prometheus with its Alertmanager.
"""

from __future__ import annotations

from typing import Final, cast

from harness.drive.alerts.alertmanager import Alertmanager, not_allowed
from harness.drive.alerts.port import ActiveAlert, AlertParts, LoadedRule, Metrics, Receivers, Sample
from harness.drive.alerts.prometheus import Prometheus
from harness.drive.registry import Registry
from harness.drive.stack.spec import Endpoints

__all__ = [
    "ActiveAlert",
    "AlertParts",
    "Alertmanager",
    "LoadedRule",
    "Metrics",
    "Prometheus",
    "Receivers",
    "Sample",
    "build",
    "known",
    "not_allowed",
]

_REGISTRY: Final = Registry("alerts", "harness.alerts", {"prometheus": "harness.drive.alerts:of_prometheus"})


def known() -> tuple[str, ...]:
    """The kinds of alert source there are."""
    return _REGISTRY.known()


def build(kind: str, endpoints: Endpoints) -> AlertParts:
    """The adapters of `kind` for a running stack. UsageError for an unknown kind."""
    return cast(AlertParts, _REGISTRY.factory(kind)(endpoints))


def of_prometheus(endpoints: Endpoints) -> AlertParts:
    """Prometheus and Alertmanager of a running stack."""
    return AlertParts(metrics=Prometheus(endpoints.prometheus_url), receivers=Alertmanager(endpoints.alertmanager_url))
