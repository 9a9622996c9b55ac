"""PortTrack as processes on a real PostgreSQL."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.integration

REPORT = {
    "mmsi": 244_000_001,
    "seq": 1,
    "ts": "2026-01-01T00:00:01.500Z",
    "lat": 51.95,
    "lon": 4.05,
    "sog": 7.3,
    "cog": 181.5,
    "heading": 511,
    "rot": -128,
    "nav_status": 0,
}


def batch(**changes):
    return {"source": "station/test", "reports": [{**REPORT, **changes}]}


def test_write_is_read_by_the_other_release(stable, canary):
    """A position that 1.1 acknowledged, with its new field, is read by 1.0 without it, and the other way round."""
    with stable.client() as old, canary.client() as new:
        sent = new.post("/api/v1/positions", json=batch(position_accuracy=True), headers={"x-request-id": "x-1"})
        back = old.post("/api/v1/positions", json=batch(seq=2), headers={"x-request-id": "x-2"})
        assert (201, 201) == (sent.status_code, back.status_code)
        rows_old = old.get("/api/v1/vessels/244000001/track").json()["rows"]
        rows_new = new.get("/api/v1/vessels/244000001/track").json()["rows"]
    assert [("x-1", "1.1"), ("x-2", "1.0")] == [(row["request_id"], row["release"]) for row in rows_old]
    assert [True, None] == [row["position_accuracy"] for row in rows_new]
    assert "position_accuracy" not in rows_old[0]
    print(rows_old)
