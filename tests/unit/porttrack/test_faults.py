"""Faults: how many are hit, when they end, what is counted, and who may switch them."""

from __future__ import annotations

import json
import random

import pytest

from porttrack.app import build
from porttrack.config import Config
from porttrack.errors import ApiError
from porttrack.faults import KINDS, Faults

FIVE_XX = {"share": 0.3, "deadline_s": 60, "status": 503, "seed": 7}


def put(faults, **changes):
    return faults.put("http_5xx", json.dumps({**FIVE_XX, **changes}).encode())


def hits(faults, count):
    return [faults.before_handler() is not None for _ in range(count)]


class Stopped:
    """A clock that shows what it is told to."""

    now_s = 0.0

    def __call__(self):
        return self.now_s


def test_the_share_is_drawn_from_the_seed():
    """With seed 7 and share 0.3 exactly those requests are hit whose draw lies below 0.3, run after run."""
    draw = random.Random(7)
    expected = [draw.random() < 0.3 for _ in range(10_000)]
    for _ in range(2):
        faults = Faults(Stopped())
        put(faults)
        assert expected == hits(faults, 10_000)
    assert 2_863 <= sum(expected) <= 3_137  # 0.3 of 10,000 within three standard deviations


@pytest.mark.parametrize(("share", "count"), [(0, 0), (1, 1000)])
def test_share_0_hits_nothing_and_share_1_everything(share, count):
    """The ends of the share are exact."""
    faults = Faults(Stopped())
    put(faults, share=share)
    assert count == sum(hits(faults, 1000))


def test_a_fault_ends_by_itself():
    """Just before its deadline it hits, at its deadline it does not and is listed no more."""
    clock = Stopped()
    faults = Faults(clock)
    put(faults, share=1, deadline_s=60)
    clock.now_s = 59.999
    assert ([True], ["http_5xx"]) == (hits(faults, 1), list(faults.active()))
    assert pytest.approx(0.001) == faults.active()["http_5xx"]
    clock.now_s = 60.0
    assert ([False], []) == (hits(faults, 1), list(faults.active()))


def test_a_new_put_replaces_the_old_one():
    """A second put of the kind sets its own share and its own deadline."""
    clock = Stopped()
    faults = Faults(clock)
    put(faults, share=1, deadline_s=10)
    clock.now_s = 5.0
    put(faults, share=0, deadline_s=10)
    assert (0, {"http_5xx": 10.0}) == (sum(hits(faults, 100)), faults.active())


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"share": 1.1}, "share"),
        ({"share": -0.1}, "share"),
        ({"deadline_s": 0}, "deadline_s"),
        ({"deadline_s": 3601}, "deadline_s"),
        ({"status": 200}, "status"),
        ({"status": 418}, "status"),
        ({"seed": "x"}, "seed"),
    ],
)
def test_arguments_out_of_range_are_refused(changes, field):
    """A fault that cannot be what was asked for is not switched on, and the refusal names the argument."""
    faults = Faults(Stopped())
    with pytest.raises(ApiError) as caught:
        put(faults, **changes)
    assert (422, field) == (caught.value.status, caught.value.field)
    assert {} == faults.active()


@pytest.mark.parametrize("body", [b'{"share": 0.3}', b'{"share": 0.3, "deadline_s": 60, "shaer": 1}'])
def test_a_missing_or_unknown_argument_is_refused(body):
    """A fault without a deadline, or with a misspelt argument, is a 422."""
    with pytest.raises(ApiError) as caught:
        Faults(Stopped()).put("http_5xx", body)
    assert 422 == caught.value.status


def test_an_unknown_fault_names_the_known_ones(service):
    """A fault that does not exist is a 404 that lists those that do, on put and on delete."""
    for method in ("PUT", "DELETE"):
        answer = service.call(method, "/faults/http_4xx", control=True, json=FIVE_XX)
        expected = f"no fault 'http_4xx'; known: {', '.join(KINDS)}"
        assert (404, expected) == (answer.status_code, answer.json()["error"]["message"])


def test_a_faulted_request_is_marked_counted_and_without_effect(service, report):
    """The answer carries the injector's mark, both counters go up, and the store never sees the request."""
    service.call("PUT", "/faults/http_5xx", control=True, json={**FIVE_XX, "share": 1})
    answer = service.call("POST", "/api/v1/positions", json={"source": "a", "reports": [report]})
    assert (503, "http_5xx", "1.0") == (
        answer.status_code,
        answer.headers["x-fault-injected"],
        answer.headers["x-porttrack-version"],
    )
    assert [] == service.store.batches
    series = 'http_requests_total{code="503",method="POST",route="/api/v1/positions",version="1.0"}'
    assert (1.0, 1.0) == (service.sample(series), service.sample('fault_injected_total{fault="http_5xx"}'))


def test_health_and_metrics_stay_green_and_uncounted(service):
    """With every request faulted, /health and /metrics are 200, and neither appears in the counters."""
    service.call("PUT", "/faults/http_5xx", control=True, json={**FIVE_XX, "share": 1})
    assert [200, 200] == [service.call("GET", path).status_code for path in ("/health", "/metrics")]
    text = service.call("GET", "/metrics").text
    assert 'route="/health"' not in text
    assert 'route="/metrics"' not in text


def test_delete_heals_any_number_of_times(service):
    """The first delete says that the fault was on, the second that it was not; both are 200."""
    service.call("PUT", "/faults/http_5xx", control=True, json={**FIVE_XX, "share": 1})
    answers = [service.call("DELETE", "/faults/http_5xx", control=True) for _ in range(2)]
    assert [(200, True), (200, False)] == [(one.status_code, one.json()["was_active"]) for one in answers]
    assert 200 == service.call("GET", "/api/v1/vessels").status_code


def test_the_listing_shows_the_seconds_left(service):
    """GET /faults counts down with the clock and is empty after the deadline."""
    service.call("PUT", "/faults/http_5xx", control=True, json=FIVE_XX)
    service.clock.now_s += 20
    assert {"active": [{"fault": "http_5xx", "remaining_s": 40.0}]} == service.call(
        "GET", "/faults", control=True
    ).json()
    service.clock.now_s += 40
    assert {"active": []} == service.call("GET", "/faults", control=True).json()


@pytest.mark.parametrize("headers", [{}, {"authorization": "Bearer wrong"}, {"authorization": "secret"}])
def test_the_control_port_needs_its_token(service, headers):
    """Without the token every control request is a 401 and changes nothing."""
    for method, path in (("GET", "/faults"), ("PUT", "/faults/http_5xx"), ("GET", "/in-flight")):
        answer = service.call(method, path, control=True, headers=headers, json=FIVE_XX)
        assert (401, "Bearer") == (answer.status_code, answer.headers["www-authenticate"])
    assert {} == service.app.faults.active()


@pytest.mark.parametrize(("port", "token"), [(0, ""), (0, "secret"), (1, "")])
def test_no_control_port_unless_port_and_token_are_given(service, port, token):
    """One of the two is not enough."""
    config = Config("1.0", "test-1", 0, "", control_port=port, control_token=token)
    assert build(config, store=service.store).control is None
