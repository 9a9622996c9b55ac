"""The work of the port at the API: every rule that one request can break, by field and value."""

from __future__ import annotations

import msgspec
import pytest

from porttrack.openapi import document
from porttrack.releases import known

CALL = "11111111-1111-4111-8111-111111111111"
ROUTE = {"port_call": CALL, "seq": 0, "mmsi": 244_000_001, "waypoints": [[4.0, 51.9], [4.1, 51.95]]}
READING = {"area": "maas", "kind": "wind", "value": 7.5, "ts": "2026-01-01T00:00:00Z", "seq": 1}
MOVE = {
    "source": "crane/1",
    "seq": 0,
    "port_call": CALL,
    "kind": "load",
    "container": "CSQU3054383",
    "ts": "2026-01-01T00:00:00Z",
}
SHIFT = {
    "source": "planner/1",
    "seq": 0,
    "staff": "m-1",
    "role": "pilot",
    "starts": "2026-01-01T06:00:00Z",
    "ends": "2026-01-01T18:00:00Z",
}
ENTRY = {
    "source": "vts/1",
    "seq": 0,
    "kind": "entry",
    "mmsi": 244_000_001,
    "ts": "2026-01-01T00:00:00Z",
    "berth": "b-1",
    "until": "2026-01-01T02:00:00Z",
}
EXIT = {**ENTRY, "kind": "exit", "berth": "", "until": None}
GOOD = {"readings": READING, "cargo/moves": MOVE, "staff/assignments": SHIFT, "movements": ENTRY}


@pytest.mark.parametrize(("path", "body"), [*GOOD.items(), ("movements", EXIT)])
def test_a_good_entry_is_stored_once(service, path, body):
    """201 with its source, number and request id, and 200 for the same again."""
    answers = [
        service.call("POST", f"/api/v1/{path}", json=body, headers={"x-request-id": f"op-{number}"})
        for number in range(2)
    ]
    assert [201, 200] == [answer.status_code for answer in answers]
    source = body.get("source", "maas/wind")
    assert {"source": source, "seq": body["seq"], "request_id": "op-0", "result": "created"} == answers[0].json()
    assert "repeated" == answers[1].json()["result"]
    assert ["op-0", "op-1"] == [op_id for op_id, _ in service.store.entries]


@pytest.mark.parametrize(
    ("path", "changes", "field"),
    [
        ("readings", {"value": 100.1}, "value"),
        ("readings", {"value": -0.1}, "value"),
        ("readings", {"kind": "visibility", "value": 75_000.1}, "value"),
        ("readings", {"kind": "tide", "value": -10.1}, "value"),
        ("readings", {"kind": "rain"}, "kind"),
        ("readings", {"seq": -1}, "seq"),
        ("readings", {"area": ""}, "area"),
        ("readings", {"area": "ma\0as"}, "area"),
        ("readings", {"ts": "2026-01-01T00:00:00"}, "ts"),
        ("cargo/moves", {"container": "CSQU3054384"}, "container"),
        ("cargo/moves", {"container": "CSQA3054383"}, "container"),
        ("cargo/moves", {"container": "csqu3054383"}, "container"),
        ("cargo/moves", {"kind": "restow"}, "kind"),
        ("cargo/moves", {"weight_kg": 50_001}, "weight_kg"),
        ("cargo/moves", {"source": ""}, "source"),
        ("staff/assignments", {"ends": "2026-01-01T06:00:00Z"}, "ends"),
        ("staff/assignments", {"ends": "2026-01-01T20:00:01Z"}, "ends"),
        ("staff/assignments", {"starts": "1969-12-31T23:00:00Z"}, "starts"),
        ("staff/assignments", {"role": "cook"}, "role"),
        ("movements", {"until": None}, "until"),
        ("movements", {"berth": ""}, "until"),
        ("movements", {"until": "2026-01-01T00:00:00Z"}, "until"),
        ("movements", {"kind": "exit"}, "berth"),
        ("movements", {"kind": "exit", "berth": ""}, "until"),
        ("movements", {"mmsi": 0}, "mmsi"),
    ],
)
def test_an_entry_against_a_rule_is_refused(service, path, changes, field):
    """422 by the name of the field and its value, and nothing is stored."""
    body = {**GOOD[path], **changes}
    answer = service.call("POST", f"/api/v1/{path}", json=body)
    error = answer.json()["error"]
    assert (422, field, body[field]) == (answer.status_code, error["field"], error["value"])
    assert [] == service.store.entries


@pytest.mark.parametrize(
    ("path", "changes"),
    [
        ("readings", {"value": 100}),
        ("readings", {"kind": "visibility", "value": 0}),
        ("readings", {"kind": "tide", "value": 20}),
        ("staff/assignments", {"ends": "2026-01-01T20:00:00Z"}),
        ("movements", {"berth": "", "until": None}),
        ("movements", {"until": "2026-01-01T00:00:00.000001Z"}),
        ("cargo/moves", {"container": "MSCU1234566", "kind": "discharge", "weight_kg": 50_000}),
    ],
)
def test_an_entry_just_within_the_rules_is_taken(service, path, changes):
    """The last value that each rule allows is stored."""
    assert 201 == service.call("POST", f"/api/v1/{path}", json={**GOOD[path], **changes}).status_code


@pytest.mark.parametrize(
    ("waypoints", "field"),
    [
        ([[4.0, 51.9]], "waypoints"),
        ([[4.0, 51.9], [4.1, 90.1]], "waypoints[1][1]"),
        ([[4.0, 51.9], [181, 51.9]], "waypoints[1][0]"),
        ([[4.0, 51.9], [4.1, 52.0], [4.1, 52.0]], "waypoints[2]"),
        ([[4.0, 51.9], [4.1]], "waypoints[1]"),
    ],
)
def test_a_route_that_leads_nowhere_is_refused(service, waypoints, field):
    """Too few waypoints, one off the Earth, and a leg without a length are 422 by their place."""
    answer = service.call("PUT", f"/api/v1/routes/{CALL}", json={**ROUTE, "waypoints": waypoints})
    assert (422, field) == (answer.status_code, answer.json()["error"]["field"])
    assert [] == service.store.entries


def test_a_route_is_put_under_its_id(service):
    """201 under the client's id; an id that is no UUID in its usual spelling is a 422."""
    assert 201 == service.call("PUT", f"/api/v1/routes/{CALL}", json=ROUTE).status_code
    for bad in ("7", "{" + CALL + "}", CALL.replace("-", "")):
        answer = service.call("PUT", f"/api/v1/routes/{bad}", json=ROUTE)
        assert (422, "id", bad) == (
            answer.status_code,
            answer.json()["error"]["field"],
            answer.json()["error"]["value"],
        )


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("routes", "port_call"),
        ("routes?port_call=7", "port_call"),
        ("readings", "area"),
        ("readings?area=", "area"),
        ("readings?area=%00", "area"),
        (f"readings?area={'x' * 41}", "area"),
        ("cargo/inventory", "port_call"),
        ("staff/shifts?role=cook", "role"),
        ("staff/shifts?staff=", "staff"),
        ("staff/shifts?limit=501", "limit"),
        ("berths?limit=0", "limit"),
        ("movements/log", "source"),
        ("movements/log?source=a&after_seq=-2", "after_seq"),
        ("movements/log?source=a&limit=1001", "limit"),
    ],
)
def test_a_question_that_cannot_be_answered_is_refused(service, path, field):
    """What a query must have, and the ends of what it may ask for."""
    answer = service.call("GET", f"/api/v1/{path}")
    assert (422, field) == (answer.status_code, answer.json()["error"]["field"])


def test_reads_ask_the_store_for_what_was_asked(service):
    """Logs, shifts, inventory and readings pass on source, page and filters, and answer in their shapes."""
    page = service.call("GET", "/api/v1/cargo/moves/log?source=crane/1&after_seq=7&limit=3").json()
    assert {"source": "crane/1", "rows": [{"asked": ["cargo_moves", "crane/1", 7, 3]}]} == page
    service.call("GET", "/api/v1/staff/shifts?staff=m-1&role=pilot&limit=5")
    service.call("GET", "/api/v1/staff/shifts")
    assert [("m-1", "pilot", 5), ("", "", 20)] == service.store.asked
    assert 0 == service.call("GET", f"/api/v1/cargo/inventory?port_call={CALL}").json()["net_count"]
    assert [{"area": "maas"}] == service.call("GET", "/api/v1/readings?area=maas").json()["readings"]


def test_a_body_that_is_wrong_before_it_ceases_to_be_json_is_a_400(service):
    """Refused as malformed, like any other body that is no JSON."""
    answer = service.call("POST", "/api/v1/readings", content=b"2\x16")
    assert (400, "malformed_json") == (answer.status_code, answer.json()["error"]["code"])


def test_the_letters_of_an_escape_are_no_nul(service):
    """A backslash that stands for itself before `u0000` is text as any other."""
    body = msgspec.json.encode({**READING, "area": "a\\u0000"})
    assert 201 == service.call("POST", "/api/v1/readings", content=body).status_code


def test_writes_need_the_token_where_there_is_one(guarded):
    """Without it or with another one a write is a 401 and stores nothing; reads and health need none."""
    given = [None, "Bearer wrong", "Bearer letmein"]
    answers = [
        guarded.call("POST", "/api/v1/readings", json=READING, headers={"authorization": token} if token else {})
        for token in given
    ]
    assert [401, 401, 201] == [answer.status_code for answer in answers]
    assert "Bearer" == answers[0].headers["www-authenticate"]
    assert 401 == guarded.call("PUT", f"/api/v1/routes/{CALL}", json=ROUTE).status_code
    assert 1 == len(guarded.store.entries)
    assert {200} == {guarded.call("GET", path).status_code for path in ("/health", "/api/v1/berths")}


def test_probes_follow_the_life_of_an_instance(service):
    """Alive throughout; started and ready once it serves; draining it is started and unready."""

    def probes():
        return [service.call("GET", path).status_code for path in ("/livez", "/startupz", "/readyz")]

    seen = [probes()]
    service.app.lifecycle.started = True
    seen.append(probes())
    service.app.lifecycle.draining = True
    seen.append(probes())
    assert [[200, 503, 503], [200, 200, 200], [200, 200, 503]] == seen
    assert service.sample('http_requests_total{code="200",method="GET",route="unmatched",version="1.0"}') is None


@pytest.mark.parametrize("release", known(), ids=lambda release: release.name)
def test_the_document_has_every_route_and_no_other(release, service):
    """Method by method and path by path, with the release's own batch; it is served as it is made."""
    made = document(release)
    described = {(method.upper(), path) for path, methods in made["paths"].items() for method in methods}
    served = {
        (next(iter(route.methods - {"HEAD"})), route.path)
        for route in service.app.public._app.routes
        if route.path.startswith("/api/")
    }
    assert served == described
    assert ("position_accuracy" in made["components"]["schemas"]["Report"]["properties"]) == (release.name == "1.1")
    if release.name == "1.0":
        assert made == service.call("GET", "/openapi.json").json()


def test_a_held_timestamp_waits_before_it_is_stored(newer):
    """`hold_ms` is refused beyond four seconds, and within waits without a word to the store."""
    stamp = {
        "portCall": CALL,
        "classifierCode": "EST",
        "eventType": "ARRI",
        "phase": "INBD",
        "facility": "BRTH",
        "service": "BERTH",
        "dateTime": "2026-01-02T06:00:00Z",
    }
    long = newer.call("PUT", f"/api/v1/timestamps/{CALL}?hold_ms=4001", json=stamp)
    assert (422, "hold_ms", 4001) == (
        long.status_code,
        long.json()["error"]["field"],
        long.json()["error"]["value"],
    )
    assert [] == newer.store.stamps
    assert 201 == newer.call("PUT", f"/api/v1/timestamps/{CALL}?hold_ms=1", json=stamp).status_code
    assert 1 == len(newer.store.stamps)
