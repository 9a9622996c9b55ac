"""Configuration of Prometheus and Alertmanager for the local stack, rendered for one timing.

Prometheus scrapes every instance with the label `track`; its own `instance` label stays the default
host:port. It also scrapes itself for the one counter that says whether a rule evaluation was skipped: a
bound on the alert's delay holds only while that counter stays 0. And it scrapes the router for what went
to each track: a canary that is down counts nothing itself, and whether anybody misses it is the router's
to say. The router's own name for that becomes `router_requests_total{track}` here, which is what the rules
read; another router needs other three lines here and no other rules.

Alertmanager has ONE receiver with two webhooks for what has to be acted on, the controller's and the
harness's recorder, because two receivers would need two routes and a route decides who is told. A receiver's
name lists its webhooks in their order, joined by `+`: `stepper+harness-recorder`. So a name says who is told
also where newer Alertmanagers hide the URLs; `harness.drive.alerts.alertmanager` takes the name apart again.
The alert that always fires, Watchdog, goes to the recorder alone and is repeated: the controller has nothing
to do about it.

Not covered: production's own receivers (the team is told by the controller), silences, inhibition, high
availability.
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
WATCHDOG: Final = "Watchdog"
# Every request that was sent to a cluster, also one whose connection was refused; upstream_rq_total leaves those out
# (measured). It is there at 0 before the first request, so no `usedonly`: a counter born at 5 hides its first five.
ENVOY_REQUESTS: Final = "envoy_cluster_upstream_rq_completed"
ENVOY_FILTER: Final = "^cluster\\.(stable|canary)\\.upstream_rq_completed$"
ROUTER_REQUESTS: Final = "router_requests_total"


def render_prometheus(
    timing: Timing,
    *,
    rules_file: str,
    tracks: Mapping[str, Sequence[int]],
    router_admin_port: int,
    alertmanager_port: int,
    own_port: int,
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
                "job_name": "service",
                "static_configs": [_targets(ports, {"track": track}) for track, ports in tracks.items()],
            },
            _router_job(router_admin_port),
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


def _router_job(admin_port: int) -> dict[str, Any]:
    """Envoy's count of requests by cluster, in the words of the rules. The answer has two lines and takes 1 ms."""
    return {
        "job_name": "router",
        "metrics_path": "/stats/prometheus",
        "params": {"filter": [ENVOY_FILTER]},
        "static_configs": [_targets([admin_port])],
        "metric_relabel_configs": [
            {"source_labels": ["envoy_cluster_name"], "target_label": "track"},
            {"regex": "envoy_cluster_name", "action": "labeldrop"},
            {
                "source_labels": ["__name__"],
                "regex": ENVOY_REQUESTS,
                "target_label": "__name__",
                "replacement": ROUTER_REQUESTS,
            },
        ],
    }


def _targets(ports: Sequence[int], labels: Mapping[str, str] | None = None) -> dict[str, Any]:
    targets: dict[str, Any] = {"targets": [f"127.0.0.1:{port}" for port in ports]}
    return {**targets, "labels": dict(labels)} if labels else targets


def render_alertmanager(timing: Timing, webhooks: Mapping[str, str], *, watchdog_to: str) -> str:
    """The configuration as YAML. `webhooks` maps who is told to the URL it is told at, in order.

    `watchdog_to` is the one of them that hears of the Watchdog.
    """
    name = RECEIVER_JOIN.join(webhooks)
    configuration = {
        "route": {
            "receiver": name,
            "group_by": list(GROUP_BY),
            "group_wait": f"{timing.group_wait_s}s",
            "group_interval": f"{timing.group_interval_s}s",
            # A notification repeated within a trial would look like a second firing.
            "repeat_interval": "1h",
            "routes": [
                {
                    "receiver": watchdog_to,
                    "matchers": [f'alertname="{WATCHDOG}"'],
                    "repeat_interval": f"{timing.watchdog_repeat_s}s",
                }
            ],
        },
        "receivers": [_receiver(name, webhooks), _receiver(watchdog_to, {watchdog_to: webhooks[watchdog_to]})],
    }
    return yaml.safe_dump(configuration, sort_keys=False, width=110)


def _receiver(name: str, webhooks: Mapping[str, str]) -> dict[str, Any]:
    return {
        "name": name,
        "webhook_configs": [{"url": url, "send_resolved": True, "max_alerts": 0} for url in webhooks.values()],
    }


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
