"""The latency fault: how long, how it grows, and that the answer is the handler's own."""

from __future__ import annotations

import asyncio
import json
import random

import pytest
from starlette.requests import Request
from starlette.responses import Response

from porttrack.edge import guarded
from porttrack.errors import ApiError
from porttrack.faults import FaultAnswer, Faults
from porttrack.metrics import Metrics

LATENCY = {"share": 1, "delay_ms": 400, "deadline_s": 60}


class Clock:
    """A clock that shows what it is told to."""

    now_s = 100.0

    def __call__(self):
        return self.now_s


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def faults(clock):
    return Faults(clock)


def put(faults, **changes):
    faults.put("latency", json.dumps({**LATENCY, **changes}).encode())


@pytest.mark.parametrize(
    ("ramp_s", "elapsed_s", "delay_s"),
    [
        (0, 0, 0.4),
        (0, 59, 0.4),
        (10, 0, 0.0),
        (10, 2.5, 0.1),
        (10, 5, 0.2),
        (10, 9.999, 0.39996),
        (10, 10, 0.4),
        (10, 11, 0.4),
    ],
)
def test_the_delay_grows_along_its_ramp(faults, clock, ramp_s, elapsed_s, delay_s):
    """Without a ramp the delay is whole at once; with one it grows linearly from 0 and then stays."""
    put(faults, ramp_s=ramp_s)
    clock.now_s += elapsed_s
    assert FaultAnswer("latency", None, pytest.approx(delay_s)) == faults.before_handler()


def test_a_new_put_begins_the_ramp_again(faults, clock):
    """The ramp counts from the latest put, not from the first."""
    put(faults, ramp_s=10)
    clock.now_s += 10
    put(faults, ramp_s=10)
    clock.now_s += 5
    assert pytest.approx(0.2) == faults.before_handler().delay_s


def test_the_share_is_drawn_from_the_seed(faults):
    """With share 0.6 and seed 7 exactly those requests are delayed whose draw lies below 0.6."""
    put(faults, share=0.6, seed=7)
    draw = random.Random(7)
    expected = [draw.random() < 0.6 for _ in range(1000)]
    assert expected == [faults.before_handler() is not None for _ in range(1000)]
    assert 550 <= sum(expected) <= 650


def test_it_ends_by_itself(faults, clock):
    """Just before its deadline it delays, at its deadline it does not."""
    put(faults)
    clock.now_s += 59.999
    assert 0.4 == faults.before_handler().delay_s
    clock.now_s = 160.0
    assert faults.before_handler() is None


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"delay_ms": 0}, "delay_ms"),
        ({"delay_ms": 5001}, "delay_ms"),
        ({"ramp_s": -1}, "ramp_s"),
        ({"ramp_s": 3601}, "ramp_s"),
    ],
)
def test_arguments_out_of_range_are_refused(faults, changes, field):
    """A delay that is none, or that a stopping instance would cut, and an impossible ramp are refused by name."""
    with pytest.raises(ApiError) as caught:
        put(faults, **changes)
    assert (422, field, {}) == (caught.value.status, caught.value.field, faults.active())


def test_of_two_faults_the_one_put_first_has_the_request(faults):
    """A request that both would hit is delayed and not failed, and failed once the delay is healed."""
    put(faults)
    faults.put("http_5xx", b'{"share": 1, "deadline_s": 60}')
    assert FaultAnswer("latency", None, 0.4) == faults.before_handler()
    faults.remove("latency")
    assert FaultAnswer("http_5xx", 503) == faults.before_handler()


def through_guard(faults, metrics):
    """(what happened in order, the answer) of one request through the guarded handler."""
    happened = []

    async def sleep(delay_s):
        happened.append(delay_s)

    async def handler(_request):
        happened.append("handled")
        return Response("own answer", 201)

    endpoint = guarded("/x", handler, faults, metrics, sleep)
    return happened, asyncio.run(endpoint(Request({"type": "http", "method": "GET", "path": "/x", "headers": []})))


def test_the_request_waits_and_then_the_handler_answers(faults):
    """The wait comes before the handler, whose own answer goes out, and the fault is counted once."""
    metrics = Metrics("1.1", [], ["latency"])
    put(faults)
    happened, answer = through_guard(faults, metrics)
    assert ([0.4, "handled"], 201, b"own answer") == (happened, answer.status_code, answer.body)
    assert b'fault_injected_total{fault="latency"} 1.0' in metrics.render()


def test_at_the_foot_of_the_ramp_nobody_waits_but_the_hit_counts(faults):
    """A delay of 0 does not give way to other tasks, and is counted, so that the share is the declared one."""
    metrics = Metrics("1.1", [], ["latency"])
    put(faults, ramp_s=10)
    assert ["handled"] == through_guard(faults, metrics)[0]
    assert b'fault_injected_total{fault="latency"} 1.0' in metrics.render()


def test_every_delayed_answer_is_marked_refusals_too(service, report):
    """A write is stored and marked, and so is a 404 that the handler raised; unhit routes are not."""
    service.call("PUT", "/faults/latency", control=True, json={**LATENCY, "delay_ms": 1})
    written = service.call("POST", "/api/v1/positions", json={"source": "a", "reports": [report]})
    refused = service.call("GET", "/api/v1/vessels/123456789")
    health = service.call("GET", "/health")
    assert [(201, "latency"), (404, "latency"), (200, None)] == [
        (one.status_code, one.headers.get("x-fault-injected")) for one in (written, refused, health)
    ]
    assert 1 == len(service.store.batches)
    assert 2.0 == service.sample('fault_injected_total{fault="latency"}')


def test_the_service_s_own_histogram_sees_the_delay(service):
    """A request that was held for 30 ms is not among those below 25 ms: the wait lies inside the measured time."""
    service.call("PUT", "/faults/latency", control=True, json={**LATENCY, "delay_ms": 30})
    service.call("GET", "/api/v1/vessels")
    labels = '{{le="{}",route="/api/v1/vessels",version="1.0"}}'
    bucket = "http_request_duration_seconds_bucket" + labels
    assert (0.0, 1.0) == (service.sample(bucket.format("0.025")), service.sample(bucket.format("+Inf")))
