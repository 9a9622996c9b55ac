"""Prometheus over its HTTP interface: raw samples, active alerts, loaded rules.

Samples come from an INSTANT query of a range selector (`metric[12s]` at now), which returns what was
stored with the stamps it was stored with. `query_range` is never used: it resamples onto its own grid and
fills gaps from up to five minutes back, so an edge read from it is an edge that Prometheus drew.

Not covered: remote storage, authentication, native histograms.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import httpx

from harness import clock
from harness.drive.alerts.http import Api
from harness.drive.alerts.port import ActiveAlert, LoadedRule, Sample
from harness.errors import DriveError


class Prometheus:
    """One Prometheus. `base_url` without a trailing slash; `transport` is for tests."""

    def __init__(self, base_url: str, transport: httpx.BaseTransport | None = None) -> None:
        self._api = Api(base_url, transport)

    def ready(self) -> bool:
        """Whether it serves queries."""
        return self._api.ready("/-/ready")

    def fetch_samples(self, selector: str, window_s: float, now_wall_ns: int | None = None) -> list[Sample]:
        """Raw samples of `selector` (no brackets) in the `window_s` before now, by series and then by time.

        DriveError when Prometheus does not answer, refuses the query or warns that the answer is partial.
        """
        now_ms = (clock.wall_ns() if now_wall_ns is None else now_wall_ns) // clock.NS_PER_MS
        # The window in whole milliseconds: PromQL durations have no fractions.
        query = f"{selector}[{round(window_s * 1000)}ms]"
        data = self._data("/api/v1/query", {"query": query, "time": f"{now_ms / 1000:.3f}"})
        if data.get("resultType") != "matrix":
            raise DriveError(f"{query}: Prometheus answers a {data.get('resultType')}, a range selector gives a matrix")
        return [sample for series in data["result"] for sample in _samples_of(series)]

    def active_alerts(self) -> list[ActiveAlert]:
        """Pending and firing alerts now, by Prometheus' own list."""
        found = self._data("/api/v1/alerts", None)["alerts"]
        return [
            ActiveAlert(name=alert["labels"].get("alertname", ""), state=alert["state"], labels=alert["labels"])
            for alert in found
        ]

    def rules_loaded(self) -> list[LoadedRule]:
        """Every rule of the running configuration, in evaluation order."""
        groups = self._data("/api/v1/rules", None)["groups"]
        return [_rule_of(group, rule) for group in groups for rule in group["rules"]]

    def close(self) -> None:
        """Give connections back."""
        self._api.close()

    def _data(self, path: str, query: Mapping[str, str] | None) -> Any:
        body = self._api.get(path, query)
        if body.get("warnings"):
            raise DriveError(f"GET {self._api.base_url}{path}: the answer may be partial: {body['warnings']}")
        return body["data"]


def _samples_of(series: Mapping[str, Any]) -> list[Sample]:
    labels = dict(series["metric"])
    name = labels.pop("__name__", "")
    labels_json = json.dumps(labels, sort_keys=True, separators=(",", ":"))
    return [
        # Stamps are JSON seconds with three decimals; float() also reads Prometheus' "NaN" and "+Inf".
        Sample(name=name, labels_json=labels_json, wall_ms=round(at_s * 1000), value=float(value))
        for at_s, value in series.get("values", [])
    ]


def _rule_of(group: Mapping[str, Any], rule: Mapping[str, Any]) -> LoadedRule:
    return LoadedRule(
        name=rule["name"],
        kind=rule["type"],
        group=group["name"],
        evaluation_s=float(group["interval"]),
        for_s=float(rule.get("duration", 0.0)),
        labels=rule.get("labels") or {},
        health=rule["health"],
        error=rule.get("lastError", ""),
    )
