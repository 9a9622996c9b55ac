"""POST /positions: what is taken, what is refused and how."""

from __future__ import annotations

import pytest

PATH = "/api/v1/positions"


def post(service, *reports, **headers):
    return service.call("POST", PATH, json={"source": "station/a", "reports": list(reports)}, headers=headers)


def test_a_batch_is_kept_with_its_request_id(service, report):
    """The store gets the whole batch under the client's request id, and the answer repeats the id."""
    answer = post(service, report, {**report, "seq": 2}, **{"x-request-id": "run-7"})
    assert (201, {"accepted": 2, "request_id": "run-7"}) == (answer.status_code, answer.json())
    [(op_id, source, reports)] = service.store.batches
    assert ("run-7", "station/a", [1, 2]) == (op_id, source, [one.seq for one in reports])


def test_a_request_without_id_gets_one_of_its_own(service, report):
    """Two requests without x-request-id are stored under two different UUIDs."""
    ids = {post(service, report).json()["request_id"] for _ in range(2)}
    assert (2, {36}) == (len(ids), {len(one) for one in ids})


@pytest.mark.parametrize(
    "changes",
    [
        {"heading": 511, "rot": -128, "sog": 102.3, "cog": 360, "lat": 91, "lon": 181, "nav_status": 15},
        {"heading": 0, "rot": 127, "sog": 0, "cog": 0, "lat": -90, "lon": -180, "nav_status": 0},
        {"heading": 359, "lat": 90, "lon": 180, "sog": 102.2},
        {"a_field_of_a_newer_release": True},
    ],
)
def test_not_available_codes_edges_and_unknown_fields_are_taken(service, report, changes):
    """Every AIS not-available code, both ends of each range, and fields of newer releases are accepted."""
    assert 201 == post(service, {**report, **changes}).status_code


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("mmsi", 0),
        ("mmsi", 1_000_000_000),
        ("seq", -1),
        ("seq", 2**53),
        ("ts", "2026-01-01T00:00:00"),
        ("ts", "yesterday"),
        ("lat", -90.1),
        ("lat", 90.5),
        ("lat", 91.5),
        ("lon", -180.1),
        ("lon", 180.5),
        ("lon", 181.1),
        ("sog", -0.1),
        ("sog", 102.4),
        ("cog", 360.1),
        ("heading", 360),
        ("heading", 512),
        ("rot", -129),
        ("rot", 128),
        ("nav_status", 16),
        ("nav_status", "moored"),
        ("lat", None),
    ],
)
def test_out_of_range_is_refused_by_name_and_value(service, report, field, value):
    """A bad value in the second report gives a 422 that names field and value, and nothing is stored."""
    answer = post(service, report, {**report, field: value})
    error = answer.json()["error"]
    assert (422, f"reports[1].{field}", value) == (answer.status_code, error["field"], error["value"])
    assert [] == service.store.batches


@pytest.mark.parametrize(("count", "status"), [(0, 422), (1, 201), (20, 201), (21, 422)])
def test_a_batch_has_1_to_20_reports(service, report, count, status):
    """No report and 21 reports are refused, 1 and 20 are not."""
    assert status == post(service, *([report] * count)).status_code


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 400, "malformed_json"),
        (b'{"source": "\xff"}', 400, "malformed_json"),
        (b"[]", 422, "invalid_value"),
        (b'{"source": "a"}', 422, "invalid_value"),
        (b" " * 65_537, 413, "body_too_large"),
        (b" " * 65_536, 400, "malformed_json"),
    ],
)
def test_bodies_that_are_no_batch(service, body, status, code):
    """Broken JSON is a 400, another shape a 422, 65,537 bytes a 413; all in the one error shape."""
    answer = service.call("POST", PATH, content=body)
    assert (status, code) == (answer.status_code, answer.json()["error"]["code"])


def test_a_body_of_unsaid_length_is_bounded_too(service):
    """A chunked body is cut off with a 413 once it is over the bound."""

    async def chunks():
        for _ in range(70):
            yield b" " * 1000

    assert 413 == service.call("POST", PATH, content=chunks()).status_code


@pytest.mark.parametrize("given", ["", "with space", "x" * 129])
def test_a_request_id_that_cannot_be_kept_is_refused(service, report, given):
    """An empty, spaced or over-long x-request-id is a 422: rows under it could not be found again."""
    answer = post(service, report, **{"x-request-id": given})
    assert (422, "x-request-id") == (answer.status_code, answer.json()["error"]["field"])


def test_a_lost_store_is_a_503_without_a_fault_mark(service, report):
    """When the store does not answer, the effect is unknown: a 503 that no injector marked."""
    service.store.broken = True
    answer = post(service, report)
    assert (503, "store_unavailable") == (answer.status_code, answer.json()["error"]["code"])
    assert "x-fault-injected" not in answer.headers


def test_the_newer_release_keeps_its_own_field(newer, report):
    """1.1 hands position_accuracy to its store, null where a client of 1.0 did not send it."""
    post(newer, {**report, "position_accuracy": True}, report)
    assert [True, None] == [one.position_accuracy for one in newer.store.batches[0][2]]
