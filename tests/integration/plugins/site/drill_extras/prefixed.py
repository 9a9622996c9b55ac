"""A Prometheus behind a path, as one behind a proxy is: the built-in adapters, elsewhere."""

from harness.drive.alerts import Alertmanager, AlertParts, Prometheus


def of_prefix(endpoints):
    """Both roles of a running stack."""
    return AlertParts(
        metrics=Prometheus(f"{endpoints.prometheus_url}/prometheus"),
        receivers=Alertmanager(f"{endpoints.alertmanager_url}/alertmanager"),
    )
