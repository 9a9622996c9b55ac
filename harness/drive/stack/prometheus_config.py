"""Configuration of Prometheus and Alertmanager for the local stack, rendered for one timing.

Prometheus scrapes every instance with the label `track`; its own `instance` label stays the default
host:port. It also scrapes itself for the one counter that says whether a rule evaluation was skipped: a
bound on the alert's delay holds only while that counter stays 0.

Alertmanager has ONE receiver with two webhooks, the controller's and the harness's recorder, because two
receivers would need two routes and a route decides who is told. A receiver's name lists its webhooks in
their order, joined by `+`: `stepper+harness-recorder`. So a name says who is told also where newer
Alertmanagers hide the URLs; `harness.drive.alerts.alertmanager` takes the name apart again.

Not covered: production timing's own receivers, silences, inhibition, high availability.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import yaml

from harness.drive.stack.rules import Timing

RECEIVER_JOIN: Final = "+"
GROUP_BY: Final = ("alertname", "track", "version")
RETENTION: Final = "2h"  # a trial's samples are fetched while it runs; longer would only fill the disk
MISSED_EVALUATIONS: Final = "prometheus_rule_group_iterations_missed_total"


def render_prometheus(
    timing: Timing, *, rules_file: str, tracks: Mapping[str, Sequence[int]], alertmanager_port: int, own_port: int
) -> str:
    """The configuration as YAML. `tracks` maps a track to the loopback ports that serve /metrics."""
    configuration = {
        "global": {
            "scrape_interval": f"{timing.scrape_s}s",
            "scrape_timeout": f"{timing.scrape_s}s",  # Prometheus refuses one above the interval
            "evaluation_interval": f"{timing.evaluation_s}s",
        },
        "rule_files": [rules_file],
        "alerting": {
            "alertmanagers": [{"api_version": "v2", "timeout": "2s", "static_configs": [_targets([alertmanager_port])]}]
        },
        "scrape_configs": [
            {
                "job_name": "porttrack",
                "static_configs": [_targets(ports, {"track": track}) for track, ports in tracks.items()],
            },
            {
                "job_name": "prometheus",
                "static_configs": [_targets([own_port])],
                "metric_relabel_configs": [
                    {"source_labels": ["__name__"], "regex": MISSED_EVALUATIONS, "action": "keep"}
                ],
            },
        ],
    }
    return yaml.safe_dump(configuration, sort_keys=False, width=110)


def _targets(ports: Sequence[int], labels: Mapping[str, str] | None = None) -> dict[str, Any]:
    targets: dict[str, Any] = {"targets": [f"127.0.0.1:{port}" for port in ports]}
    return {**targets, "labels": dict(labels)} if labels else targets


def render_alertmanager(timing: Timing, webhooks: Mapping[str, str]) -> str:
    """The configuration as YAML. `webhooks` maps who is told to the URL it is told at, in order."""
    name = RECEIVER_JOIN.join(webhooks)
    configuration = {
        "route": {
            "receiver": name,
            "group_by": list(GROUP_BY),
            "group_wait": f"{timing.group_wait_s}s",
            "group_interval": f"{timing.group_interval_s}s",
            # A notification repeated within a trial would look like a second firing.
            "repeat_interval": "1h",
        },
        "receivers": [
            {
                "name": name,
                "webhook_configs": [{"url": url, "send_resolved": True, "max_alerts": 0} for url in webhooks.values()],
            }
        ],
    }
    return yaml.safe_dump(configuration, sort_keys=False, width=110)


def prometheus_argv(prometheus: str, *, config: str, data_dir: str, port: int) -> tuple[str, ...]:
    """The command line; every listening address is loopback."""
    return (
        prometheus,
        f"--config.file={config}",
        f"--storage.tsdb.path={data_dir}",
        f"--storage.tsdb.retention.time={RETENTION}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--log.format=json",
    )


def alertmanager_argv(alertmanager: str, *, config: str, data_dir: str, port: int) -> tuple[str, ...]:
    """The command line. The empty cluster address keeps the gossip port, which would listen on all addresses, shut."""
    return (
        alertmanager,
        f"--config.file={config}",
        f"--storage.path={data_dir}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
        "--log.format=json",
    )
