"""Faults that are on from the start, and the one that takes the metrics away."""

from __future__ import annotations

import pytest

from porttrack.app import build
from porttrack.config import Config
from porttrack.errors import ApiError
from porttrack.faults import Faults
from porttrack.serve import main

STARTED = ["--release", "1.1", "--instance", "canary-1", "--port", "20080"]


@pytest.fixture
def configured(monkeypatch):
    """What `main` would serve for these further arguments."""
    monkeypatch.setenv("PORTTRACK_DSN", "postgresql://nobody@127.0.0.1:1/none")

    def configured(*arguments):
        configs = []

        def run(config):
            configs.append(config)
            return 0

        assert 0 == main([*STARTED, *arguments], run)
        return configs[0]

    return configured


def test_each_fault_option_is_on_from_the_start(configured):
    """Two options are two faults, on as soon as the instance is built, their deadlines counted from then."""
    lost, late = '{"share": 0.05, "deadline_s": 3600}', '{"share": 1, "delay_ms": 400, "deadline_s": 60}'
    config = configured("--fault", f"ack_not_stored={lost}", "--fault", f"latency={late}")
    assert (("ack_not_stored", lost.encode()), ("latency", late.encode())) == config.faults
    faults = Faults(lambda: 100.0)
    build(config, faults=faults)
    assert {"ack_not_stored": 3600.0, "latency": 60.0} == faults.active()


def test_no_option_is_no_fault(configured):
    """An ordinary instance starts unbroken."""
    assert () == configured().faults


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("ack_not_storde={}", "no fault 'ack_not_storde'; known: http_5xx, latency"),
        ("latency", "the body is not JSON"),
        ("latency={share: 1}", "the body is not JSON"),
        ('latency={"share": 1, "deadline_s": 60}', "delay_ms"),
        ('http_5xx={"share": 2, "deadline_s": 60}', "share"),
    ],
)
def test_a_fault_option_that_is_none_is_refused(configured, capsys, fault, says):
    """A misspelt kind, a body that is no JSON, and an argument that is missing or impossible end the start with 2."""
    with pytest.raises(SystemExit) as caught:
        configured("--fault", fault)
    assert 2 == caught.value.code
    assert says in capsys.readouterr().err


def test_a_configuration_with_an_impossible_fault_is_not_built():
    """Whoever composes an instance without the command line is refused as well."""
    with pytest.raises(ApiError, match="no fault 'nothing'"):
        build(Config("1.0", "test-1", 0, "", faults=(("nothing", b"{}"),)))


def test_metrics_go_away_and_come_back(service):
    """While it is on scrapes are 404 and users see nothing; healed they are there and tell how many were refused."""
    service.call("PUT", "/faults/metrics_gone", control=True, json={"deadline_s": 60})
    assert [404, 404] == [service.call("GET", "/metrics").status_code for _ in range(2)]
    assert [200, 200] == [service.call("GET", path).status_code for path in ("/health", "/api/v1/vessels")]
    service.call("DELETE", "/faults/metrics_gone", control=True)
    assert 2.0 == service.sample('fault_injected_total{fault="metrics_gone"}')


def test_metrics_come_back_at_the_deadline(service):
    """Nobody has to heal it."""
    service.call("PUT", "/faults/metrics_gone", control=True, json={"share": 1, "deadline_s": 60})
    service.clock.now_s += 59.999
    assert 404 == service.call("GET", "/metrics").status_code
    service.clock.now_s += 0.001
    assert 200 == service.call("GET", "/metrics").status_code


def test_lying_faults_mark_nothing(service, report):
    """An acknowledged write that was not stored is answered as any other, and only the fault's own counter tells."""
    service.call("PUT", "/faults/ack_not_stored", control=True, json={"share": 1, "deadline_s": 60})
    answer = service.call("POST", "/api/v1/positions", json={"source": "a", "reports": [report]})
    assert (201, None, []) == (answer.status_code, answer.headers.get("x-fault-injected"), service.store.batches)
    assert 1.0 == service.sample('fault_injected_total{fault="ack_not_stored"}')
