"""Prometheus' HTTP interface, against answers as Prometheus 2.42 writes them."""

from __future__ import annotations

import httpx
import pytest

from harness.drive.alerts import ActiveAlert, LoadedRule, Prometheus, Sample
from harness.errors import DriveError

NOW_WALL_NS = 1_795_564_844_307_811_000


class Canned:
    """Answers each path with one body and keeps what was asked."""

    def __init__(self, status=200, **bodies):
        self.status = status
        self.bodies = bodies
        self.asked = []

    def __call__(self, request):
        self.asked.append((request.url.path, dict(request.url.params)))
        body = self.bodies[request.url.path.rpartition("/")[2]]
        return httpx.Response(self.status, **({"text": body} if isinstance(body, str) else {"json": body}))


@pytest.fixture(name="prometheus_of")
def _prometheus_of():
    opened = []

    def build(server):
        opened.append(Prometheus("http://p", httpx.MockTransport(server)))
        return opened[-1]

    yield build
    for prometheus in opened:
        prometheus.close()


def matrix(*series):
    return {"status": "success", "data": {"resultType": "matrix", "result": list(series)}}


def test_samples_come_from_an_instant_query_of_a_range_selector(prometheus_of):
    """The exact query and time; never query_range."""
    server = Canned(query=matrix())
    assert prometheus_of(server).fetch_samples('up{job="a"}', 12.5, NOW_WALL_NS) == []
    assert server.asked == [("/api/v1/query", {"query": 'up{job="a"}[12500ms]', "time": "1795564844.307"})]


def test_samples_keep_their_stamps_labels_and_values(prometheus_of):
    """Stamps to the millisecond, labels sorted without the name, values also where they are no numbers."""
    series = {
        "metric": {"track": "canary", "__name__": "ratio", "code": "503"},
        "values": [[1795564843.001, "0.25"], [1795564844, "+Inf"]],
    }
    assert prometheus_of(Canned(query=matrix(series))).fetch_samples("ratio", 5, NOW_WALL_NS) == [
        Sample("ratio", '{"code":"503","track":"canary"}', 1_795_564_843_001, 0.25),
        Sample("ratio", '{"code":"503","track":"canary"}', 1_795_564_844_000, float("inf")),
    ]


def test_a_sample_that_is_not_a_number_stays_one(prometheus_of):
    """0/0 of a recording rule arrives as NaN, not as 0 and not as an error."""
    series = {"metric": {"__name__": "ratio"}, "values": [[1795564843, "NaN"]]}
    (sample,) = prometheus_of(Canned(query=matrix(series))).fetch_samples("ratio", 5, NOW_WALL_NS)
    assert sample.value != sample.value


def test_a_partial_answer_is_refused(prometheus_of):
    """Samples with a warning beside them are no evidence."""
    with pytest.raises(DriveError, match="may be partial"):
        prometheus_of(Canned(query={**matrix(), "warnings": ["half"]})).fetch_samples("up", 5, NOW_WALL_NS)


def test_a_selector_that_is_no_selector_is_refused(prometheus_of):
    """An answer that is no matrix says what it is."""
    body = {"status": "success", "data": {"resultType": "scalar", "result": [1, "1"]}}
    with pytest.raises(DriveError, match="answers a scalar"):
        prometheus_of(Canned(query=body)).fetch_samples("1", 5, NOW_WALL_NS)


def test_an_error_of_prometheus_is_told_with_its_words(prometheus_of):
    """A query that does not parse: the status and Prometheus' own message."""
    with pytest.raises(DriveError, match="400 parse error"):
        prometheus_of(Canned(status=400, query="parse error")).fetch_samples("up{", 5, NOW_WALL_NS)


def test_no_answer_is_a_drive_error_and_not_ready(prometheus_of):
    """A refused connection: not ready, and a query names the place."""

    def refuses(request):
        raise httpx.ConnectError("refused")

    prometheus = prometheus_of(refuses)
    assert not prometheus.ready()
    with pytest.raises(DriveError, match="GET http://p/api/v1/alerts: ConnectError: refused"):
        prometheus.active_alerts()


def test_ready_is_an_answer_of_200(prometheus_of):
    """503 while it loads is not ready."""
    assert prometheus_of(Canned(ready="Prometheus is Ready.")).ready()
    assert not prometheus_of(Canned(status=503, ready="")).ready()


def test_active_alerts_have_name_state_and_labels(prometheus_of):
    """As Prometheus lists them."""
    alert = {"labels": {"alertname": "A", "track": "canary"}, "state": "pending", "value": "1e+00"}
    body = {"status": "success", "data": {"alerts": [alert]}}
    assert prometheus_of(Canned(alerts=body)).active_alerts() == [
        ActiveAlert("A", "pending", {"alertname": "A", "track": "canary"})
    ]


def test_loaded_rules_keep_their_order_and_errors(prometheus_of):
    """A recording rule without labels and an alert whose last evaluation failed."""
    recording = {"name": "r", "type": "recording", "health": "ok", "query": "1"}
    alerting = {
        "name": "A",
        "type": "alerting",
        "duration": 1,
        "labels": {"action": "hold"},
        "health": "err",
        "lastError": "many-to-many",
    }
    body = {"status": "success", "data": {"groups": [{"name": "g", "interval": 1, "rules": [recording, alerting]}]}}
    assert prometheus_of(Canned(rules=body)).rules_loaded() == [
        LoadedRule("r", "recording", "g", 1.0, 0.0, {}, "ok", ""),
        LoadedRule("A", "alerting", "g", 1.0, 1.0, {"action": "hold"}, "err", "many-to-many"),
    ]
