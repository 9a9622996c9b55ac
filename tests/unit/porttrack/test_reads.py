"""The reading routes, and what every answer carries."""

from __future__ import annotations

import pytest

from porttrack.releases import by_name

CALL = "11111111-1111-4111-8111-111111111111"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/health", 200),
        ("GET", "/metrics", 200),
        ("GET", "/api/v1/vessels", 200),
        ("GET", "/api/v1/vessels/244000001", 404),
        ("GET", "/nowhere", 404),
        ("DELETE", "/api/v1/positions", 405),
        ("POST", "/api/v1/positions", 400),
    ],
)
def test_every_answer_says_who_gave_it(service, method, path, status):
    """Version and instance are on every answer, errors included."""
    answer = service.call(method, path)
    wanted = (status, "1.0", "test-1")
    assert wanted == (answer.status_code, answer.headers["x-porttrack-version"], answer.headers["x-porttrack-instance"])


def test_a_crash_is_an_answered_500(service, report):
    """A programmer's mistake in the store is a 500 in the error shape, with headers, and counted."""
    service.store.batches = None
    answer = service.call("POST", "/api/v1/positions", json={"source": "a", "reports": [report]})
    assert (500, "internal_error") == (answer.status_code, answer.json()["error"]["code"])
    assert "1.0" == answer.headers["x-porttrack-version"]
    series = 'http_requests_total{code="500",method="POST",route="/api/v1/positions",version="1.0"}'
    assert 1.0 == service.sample(series)


def test_health_says_version_and_instance(service):
    """/health names the release and the instance."""
    assert {"status": "ok", "version": "1.0", "instance": "test-1"} == service.call("GET", "/health").json()


def test_vessels_are_geojson(service, report):
    """A vessel is a feature whose coordinates are longitude, then latitude."""
    service.call("POST", "/api/v1/positions", json={"source": "a", "reports": [report]})
    answer = service.call("GET", "/api/v1/vessels?bbox=4,51,5,52&limit=10")
    assert "application/geo+json" == answer.headers["content-type"]
    feature = {
        "type": "Feature",
        "id": 244000001,
        "geometry": {"type": "Point", "coordinates": [4.05, 51.95]},
        "properties": {"mmsi": 244000001, "seq": 1},
    }
    assert {"type": "FeatureCollection", "features": [feature]} == answer.json()


def test_track_paging_reaches_the_store(service):
    """after_seq and limit are handed on; without them the track starts at its beginning, a hundred rows long."""
    asked = [
        service.call("GET", f"/api/v1/vessels/244000001/track{query}").json()["rows"][0]["asked"]
        for query in ("", "?after_seq=7&limit=1000")
    ]
    assert [[244000001, -1, 100], [244000001, 7, 1000]] == asked


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/api/v1/vessels?bbox=1,2,3", "bbox"),
        ("/api/v1/vessels?bbox=5,51,4,52", "bbox"),
        ("/api/v1/vessels?bbox=nan,51,4,52", "bbox"),
        ("/api/v1/vessels?limit=0", "limit"),
        ("/api/v1/vessels?limit=1001", "limit"),
        ("/api/v1/vessels?limit=all", "limit"),
        ("/api/v1/vessels/abc", "mmsi"),
        ("/api/v1/vessels/²", "mmsi"),
        ("/api/v1/vessels/1/track?after_seq=-2", "after_seq"),
        ("/api/v1/port-calls/7", "id"),
    ],
)
def test_bad_questions_are_refused_by_name(service, path, field):
    """A query or path value that cannot be used is a 422 that names it."""
    answer = service.call("GET", path)
    assert (422, field) == (answer.status_code, answer.json()["error"]["field"])


def test_releases_list_their_columns():
    """1.1 reads and writes what 1.0 does, in the same order, and one column more; the latest position is shared."""
    old, new = by_name("1.0"), by_name("1.1")
    assert [*old.position_columns, "position_accuracy"] == list(new.position_columns)
    assert old.vessel_columns == new.vessel_columns
    with pytest.raises(ValueError, match=r"'1\.2' is not known; known: 1\.0, 1\.1"):
        by_name("1.2")
