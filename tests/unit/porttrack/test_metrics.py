"""What the service says about itself to Prometheus."""

from __future__ import annotations

import asyncio
import re
from itertools import pairwise

from porttrack.edge import WAITED_S, Edge
from porttrack.faults import KINDS
from porttrack.metrics import UNMATCHED, Metrics


def test_every_5xx_series_is_born_at_0(service):
    """Before the first request each route has a 500 and a 503 series at 0, and the fault counter is there."""
    lines = service.call("GET", "/metrics").text.splitlines()
    born = {line for line in lines if line.startswith("http_requests_total{")}
    assert 48 == len(born)  # twenty-four routes, two codes
    assert {"0.0"} == {line.rpartition(" ")[2] for line in born}
    assert {"500", "503"} == {re.search('code="([0-9]+)"', line)[1] for line in born}
    assert {f'fault_injected_total{{fault="{kind}"}} 0.0' for kind in KINDS} <= set(lines)
    assert "http_requests_in_flight 0.0" in lines


def test_no_other_families_and_no_instance_label(service):
    """The service's own five families and those of its process, without created series and an instance label."""
    text = service.call("GET", "/metrics").text
    families = {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")}
    own = {family for family in families if not family.startswith("process_")}
    assert {
        "http_requests_total",
        "http_request_duration_seconds",
        "fault_injected_total",
        "http_requests_in_flight",
        "porttrack_build_info",
    } == own
    assert {"process_cpu_seconds_total", "process_resident_memory_bytes"} <= families - own
    assert "_created" not in text
    assert "instance=" not in text


def test_the_process_tells_its_release_cpu_and_memory(service, newer):
    """The release is a series of its own at 1, which a rule can join; CPU and memory are those of this process."""
    assert (1.0, None) == tuple(service.sample(f'porttrack_build_info{{version="{name}"}}') for name in ("1.0", "1.1"))
    assert 1.0 == newer.sample('porttrack_build_info{version="1.1"}')
    assert service.sample("process_cpu_seconds_total") > 0
    assert service.sample("process_resident_memory_bytes") > 1e6


def test_requests_are_counted_by_route_template(service):
    """Two vessels are one route; what no route takes is counted as unmatched, and odd methods as OTHER."""
    for mmsi in (1, 2):
        service.call("GET", f"/api/v1/vessels/{mmsi}")
    service.call("GET", "/wp-login.php")
    service.call("BREW", "/api/v1/positions")
    labels = 'http_requests_total{{code="{}",method="{}",route="{}",version="1.0"}}'
    assert 2.0 == service.sample(labels.format(404, "GET", "/api/v1/vessels/{mmsi}"))
    assert 1.0 == service.sample(labels.format(404, "GET", "unmatched"))
    assert 1.0 == service.sample(labels.format(405, "OTHER", "unmatched"))
    assert 2.0 == service.sample('http_request_duration_seconds_count{route="/api/v1/vessels/{mmsi}",version="1.0"}')


def test_buckets_resolve_the_latency_rules(service):
    """Between 0.05 and 1 s each edge is at most 1.5 times the one before, and the rules' own edges are there."""
    text = service.call("GET", "/metrics").text
    assert 'le="0.25"' in text, "the latency rule counts by this very label"
    assert 'le="0.5"' in text
    edges = sorted({float(edge) for edge in re.findall('le="([0-9.]+)"', text)})
    inner = [edge for edge in edges if 0.05 <= edge <= 1]
    assert (0.05, 1.0) == (inner[0], inner[-1])
    assert all(after <= 1.5 * before for before, after in pairwise(inner))


def test_the_wait_for_somebody_outside_is_in_no_latency():
    """A request that took 3.2 s, of which a handler waited 3 s for a confirmation, is measured as 0.2 s."""
    observed, now_s = [], iter((100.0, 103.2))

    class Seen(Metrics):
        def observe(self, route, method, code, duration_s):
            observed.append((route, method, code, round(duration_s, 6)))

    async def application(scope, receive, send):
        scope[WAITED_S] = 3.0
        await send({"type": "http.response.start", "status": 201, "headers": []})

    async def send(message):
        assert message["status"] == 201

    edge = Edge(application, {}, Seen("1.0", [], []), lambda: next(now_s))
    asyncio.run(edge({"path": "/api/v1/timestamps/x", "method": "PUT"}, None, send))
    assert [(UNMATCHED, "PUT", 201, 0.2)] == observed
