"""The local stack with PortTrack itself, and how it ends."""

from __future__ import annotations

import json
import threading

import httpx
import pytest

from harness import clock
from harness.drive import alerts, traffic

pytestmark = pytest.mark.integration


def within(s_max, holds):
    """Whether `holds()` becomes true within `s_max`."""
    pace, give_up_ns = threading.Event(), clock.monotonic_ns() + int(s_max * clock.NS_PER_S)
    while not holds() and clock.monotonic_ns() < give_up_ns:
        pace.wait(0.05)
    return holds()


def test_prometheus_scrapes_both_versions_of_porttrack(porttrack_stack):
    """All three instances are up, and each version's 5xx series are there at 0 before anything failed."""
    prometheus = alerts.Prometheus(porttrack_stack.spec.endpoints.prometheus_url)

    def seen(selector):
        samples = prometheus.fetch_samples(selector, 3)
        return {(json.loads(sample.labels_json).get("version", ""), sample.value) for sample in samples}

    try:
        # The service may have started after the first scrape; three seconds without a failed one follow.
        assert within(15, lambda: len(prometheus.fetch_samples('up{job="service"}', 3)) >= 9)
        assert within(5, lambda: seen('up{job="service"}') == {("", 1.0)})
        assert seen('http_requests_total{track="stable",code=~"5.."}') == {("1.0", 0.0)}
        assert seen('http_requests_total{track="canary",code=~"5.."}') == {("1.1", 0.0)}
    finally:
        prometheus.close()


def test_router_leads_to_the_version_of_its_weight(porttrack_stack):
    """At 0 stable's version answers, at 100 the canary's, by PortTrack's own header."""
    router = traffic.build("envoy", porttrack_stack.spec.endpoints)
    versions = []
    for weight in (0, 100):
        router.set_weight(weight)
        answer = httpx.get(f"{porttrack_stack.spec.endpoints.service_url}/health", timeout=5)
        versions.append((answer.status_code, answer.headers["x-porttrack-version"], answer.headers["x-track"]))
    router.set_weight(0)
    router.close()
    assert versions == [(200, "1.0", "stable"), (200, "1.1", "canary")]


def test_stack_ends_by_its_own_signals_and_keeps_the_access_log(porttrack_stack):
    """Every server ends with 0 by its stop signal within its bound, and Envoy has written the last request's line."""
    httpx.get(f"{porttrack_stack.spec.endpoints.service_url}/health", headers={"x-request-id": "the last"}, timeout=5)
    codes = porttrack_stack.starter.stop()
    lines = (porttrack_stack.run_dir / "routing" / "envoy.ndjson").read_text().splitlines()
    assert dict.fromkeys(("postgres", "prometheus", "alertmanager", "envoy", "stepper"), 0) == {
        name: code
        for name, code in codes.items()
        if name in {"postgres", "prometheus", "alertmanager", "envoy", "stepper"}
    }
    assert "the last" == json.loads(lines[-1])["op_id"]
