"""What the service says about itself to Prometheus.

    http_requests_total{version,route,method,code}        http_request_duration_seconds{version,route}
    http_requests_in_flight                               fault_injected_total{fault}
    porttrack_build_info{version} 1                       process_cpu_seconds_total, process_resident_memory_bytes, ...

The process's own series know no version; `porttrack_build_info` of the same scrape has it.
A counter's series for 500 and 503 exists at 0 from the start: a rate cannot see the first increase of a series
that is born at 1, and a canary's first errors are the ones an alert must see. `/health` and `/metrics` are not
counted. There is no `instance` label: the scrape adds that, and a second one would be renamed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
UNMATCHED: Final = "unmatched"  # the route of a request that no route takes
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"})
# Dense from 0.05 to 1 s, where the latency rules have their thresholds; a quantile is only as good as its bucket.
_BUCKETS_S: Final = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5, 5.0)


class Metrics:
    """The metrics of one instance. `routes` are (method, route template) pairs, `codes` those whose series are born
    at 0, `pid` gives the process whose CPU and memory they tell (None: this one)."""

    def __init__(
        self,
        version: str,
        routes: Iterable[tuple[str, str]],
        faults: Iterable[str],
        *,
        service: str = "porttrack",
        codes: tuple[int, ...] = (500, 503),
        pid: Callable[[], int] | None = None,
    ) -> None:
        # Process-wide in prometheus_client; `_created` series would double every scrape.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.in_flight_count = 0
        self._version = version
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "http_requests_total",
            "Requests answered, by route template.",
            ("version", "route", "method", "code"),
            registry=self._registry,
        )
        self._durations = Histogram(
            "http_request_duration_seconds",
            "From the request's first byte to the answer's last.",
            ("version", "route"),
            buckets=_BUCKETS_S,
            registry=self._registry,
        )
        self._faults = Counter(
            "fault_injected_total",
            "Requests, writes, reads and scrapes that a fault changed.",
            ("fault",),
            registry=self._registry,
        )
        in_flight = Gauge("http_requests_in_flight", "Requests being answered now.", registry=self._registry)
        in_flight.set_function(lambda: self.in_flight_count)
        build = Gauge(f"{service}_build_info", "The release that runs.", ("version",), registry=self._registry)
        build.labels(version).set(1)
        ProcessCollector(pid=pid or os.getpid, registry=self._registry)
        self._request_series: dict[tuple[str, str, int], Counter] = {}
        self._duration_series: dict[str, Histogram] = {}
        self._bear(routes, codes, faults)

    def _bear(self, routes: Iterable[tuple[str, str]], codes: Iterable[int], faults: Iterable[str]) -> None:
        for method, route in routes:
            for code in codes:
                self._request_series[route, method, code] = self._counter(route, method, code)
            self._duration_series[route] = self._durations.labels(self._version, route)
        for fault in faults:
            self._faults.labels(fault)

    def observe(self, route: str, method: str, code: int, duration_s: float) -> None:
        """Count one answered request."""
        method = method if method in _METHODS else "OTHER"
        counter = self._request_series.get((route, method, code))
        if counter is None:
            counter = self._request_series[route, method, code] = self._counter(route, method, code)
        counter.inc()
        histogram = self._duration_series.get(route)
        if histogram is None:
            histogram = self._duration_series[route] = self._durations.labels(self._version, route)
        histogram.observe(duration_s)

    def fault_injected(self, fault: str) -> None:
        """Count one thing that a fault changed."""
        self._faults.labels(fault).inc()

    def render(self) -> bytes:
        """The scrape, in Prometheus' text format."""
        return generate_latest(self._registry)

    def _counter(self, route: str, method: str, code: int) -> Counter:
        return self._requests.labels(self._version, route, method, str(code))
