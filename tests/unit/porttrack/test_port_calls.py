"""Port calls and their timestamps: the state machine and the rules."""

from __future__ import annotations

import pytest

from porttrack.port_calls import State, may_follow
from porttrack.timestamps import ACTUAL_ONLY_SERVICES, NEGOTIABLE_SERVICES, events_of

CALL = "11111111-1111-4111-8111-111111111111"
STAMP = "22222222-2222-4222-8222-222222222222"


def test_a_call_goes_forward_or_stays():
    """Of the sixteen steps between states exactly those to the same or a later state are allowed."""
    names = ["EXPECTED", "ARRIVED", "BERTHED", "DEPARTED"]
    allowed = {(now, wanted) for now in State for wanted in State if may_follow(now, wanted)}
    assert {(now, wanted) for place, now in enumerate(names) for wanted in names[place:]} == allowed


@pytest.fixture
def call() -> dict:
    """A good port call."""
    return {
        "seq": 0,
        "state": "EXPECTED",
        "mmsi": 244000001,
        "vessel_name": "MERWEDE",
        "port": "NLRTM",
        "eta": "2026-01-02T06:00:00Z",
    }


def test_a_put_creates_and_then_updates(service, call):
    """The first put is a 201, the next a 200, both under the client's id."""
    statuses = [service.call("PUT", f"/api/v1/port-calls/{CALL}", json=call).status_code for _ in range(2)]
    assert [201, 200] == statuses
    assert {"id": CALL, "state": "EXPECTED", "history": [{"state": "EXPECTED"}] * 2} == service.call(
        "GET", f"/api/v1/port-calls/{CALL}"
    ).json()


def test_an_unknown_call_has_no_history_but_may_have_timestamps(service):
    """A call that was never put is a 404; its timestamps are an empty list, since they may come first."""
    assert 404 == service.call("GET", f"/api/v1/port-calls/{CALL}").status_code
    stamps = service.call("GET", f"/api/v1/port-calls/{CALL}/timestamps")
    assert (200, []) == (stamps.status_code, stamps.json()["timestamps"])


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("state", "SUNK"),
        ("port", "Rotterdam"),
        ("port", "NLR0M"),
        ("draught_m", 25.6),
        ("eta", "2026-01-02"),
        ("vessel_name", "x" * 21),
    ],
)
def test_a_bad_call_is_refused_by_name_and_value(service, call, field, value):
    """A field out of its range is a 422 that names it."""
    answer = service.call("PUT", f"/api/v1/port-calls/{CALL}", json={**call, field: value})
    error = answer.json()["error"]
    assert (422, field, value) == (answer.status_code, error["field"], error["value"])


def stamp(**changes):
    good = {
        "portCall": CALL,
        "classifierCode": "EST",
        "eventType": "ARRI",
        "phase": "INBD",
        "facility": "BRTH",
        "service": "BERTH",
        "dateTime": "2026-01-02T06:00:00+01:00",
    }
    return {**good, **changes}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"service": "BERTH", "eventType": "STRT"}, "eventType"),
        ({"service": "PILOT_BOARDING_PLACE", "eventType": "DEPA"}, "eventType"),
        ({"service": "ALL_FAST", "classifierCode": "ACT", "eventType": "DEPA"}, "eventType"),
        ({"service": "SAFETY", "classifierCode": "ACT", "eventType": "ARRI"}, "eventType"),
        ({"service": "TOWAGE", "eventType": "ARRI"}, "eventType"),
        ({"service": "LASHING", "eventType": "STRT", "classifierCode": "PLN"}, "classifierCode"),
        ({"service": "MOVES", "eventType": "ARRI", "classifierCode": "ACT"}, "service"),
        ({"service": "TEA"}, "service"),
        ({"classifierCode": "REQ"}, "sender"),
        ({"classifierCode": "PLN", "sender": "consumer"}, "sender"),
        ({"phase": "BERTH"}, "phase"),
        ({"facility": "PORT"}, "facility"),
        ({"portCall": "7"}, "portCall"),
        ({"dateTime": "2026-01-02T06:00:00"}, "dateTime"),
    ],
)
def test_a_timestamp_against_the_rules_is_refused(service, changes, field):
    """Each rule of the standard refuses by the name of the field that breaks it, and nothing is stored."""
    answer = service.call("PUT", f"/api/v1/timestamps/{STAMP}", json=stamp(**changes))
    error = answer.json()["error"]
    value = changes.get(field, "provider")
    assert (422, field, value) == (answer.status_code, error["field"], error["value"])
    assert [] == service.store.stamps


@pytest.mark.parametrize("service_code", [*NEGOTIABLE_SERVICES, *ACTUAL_ONLY_SERVICES])
def test_every_service_takes_its_own_events(service, service_code):
    """Each service is accepted with an actual timestamp of each of its events."""
    for event in events_of(service_code):
        body = stamp(service=service_code, eventType=event, classifierCode="ACT")
        assert 201 == service.call("PUT", f"/api/v1/timestamps/{STAMP}", json=body).status_code


def test_timestamps_are_spoken_in_camel_case(service):
    """What is read back has the standard's field names."""
    service.call("PUT", f"/api/v1/timestamps/{STAMP}", json=stamp())
    answer = service.call("GET", f"/api/v1/port-calls/{CALL}/timestamps").json()
    assert {"port_call": CALL, "timestamps": [{"id": STAMP, "eventType": "ARRI"}]} == answer
