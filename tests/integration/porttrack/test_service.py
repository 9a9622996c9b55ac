"""PortTrack as processes on a real PostgreSQL: two releases on one schema, commits, drains, faults."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from concurrent.futures import ThreadPoolExecutor

import httpx
import psycopg
import pytest

from harness.drive.target.port import DriveError
from porttrack.kit import PortTrackKit
from porttrack.migrate import migrate

pytestmark = pytest.mark.integration

KIT = PortTrackKit("test-token")
CALL = {
    "seq": 0,
    "state": "EXPECTED",
    "mmsi": 244_000_001,
    "vessel_name": "MERWEDE",
    "port": "NLRTM",
    "eta": "2026-01-02T06:00:00Z",
}
STAMP = {
    "classifierCode": "EST",
    "eventType": "ARRI",
    "phase": "INBD",
    "facility": "BRTH",
    "service": "BERTH",
    "dateTime": "2026-01-02T06:00:00+01:00",
}


def report(mmsi, seq=1, **changes):
    good = {
        "mmsi": mmsi,
        "seq": seq,
        "ts": "2026-01-01T00:00:01.5Z",
        "lat": 51.95,
        "lon": 4.05,
        "sog": 7.3,
        "cog": 181.5,
    }
    return {**good, "heading": 511, "rot": -128, "nav_status": 0, **changes}


def post(client, op_id, *reports):
    body = {"source": "station/test", "reports": list(reports)}
    return client.post("/api/v1/positions", json=body, headers={"x-request-id": op_id})


def put(client, path, body, op_id):
    return client.put(f"/api/v1/{path}", json=body, headers={"x-request-id": op_id})


def track(client, mmsi, query=""):
    return client.get(f"/api/v1/vessels/{mmsi}/track{query}").json()["rows"]


def test_each_release_reads_what_the_other_wrote(stable, canary):
    """1.0 gives back what 1.1 acknowledged, without the new field; 1.1 gives back what 1.0 wrote, with it empty."""
    with stable.client() as old, canary.client() as new:
        answers = [
            post(new, "x-1", report(1, position_accuracy=True)),
            post(old, "x-2", report(1, 2, position_accuracy=True)),
        ]
        assert [201, 201] == [answer.status_code for answer in answers]
        rows_old, rows_new = track(old, 1), track(new, 1)
    assert [("x-1", "1.1"), ("x-2", "1.0")] == [(row["request_id"], row["release"]) for row in rows_old]
    assert [True, None] == [row.pop("position_accuracy") for row in rows_new]
    assert rows_old == rows_new


def test_latest_position_moves_forward_only(stable, canary):
    """A late batch with a lower seq is in the log and leaves the latest position alone; so is one inside a batch."""
    with stable.client() as old, canary.client() as new:
        post(old, "late-1", report(2, 7, sog=7.0), report(2, 9, sog=9.0), report(2, 8, sog=8.0))
        post(new, "late-2", report(2, 3, sog=3.0))
        latest = new.get("/api/v1/vessels/2").json()
        features = old.get("/api/v1/vessels?bbox=4,51.9,4.1,52&limit=1000").json()["features"]
        assert [7, 9, 8, 3] == [
            row["seq"] for row in sorted(track(old, 2), key=lambda row: (row["batch"], row["ordinal"]))
        ]
    assert (9, 9.0, "late-1") == (latest["seq"], latest["sog"], latest["request_id"])
    assert 9 == next(feature["properties"]["seq"] for feature in features if feature["id"] == 2)


def test_track_pages_never_split_a_seq(stable):
    """Paged two at a time, rows that share a seq stay together and none is lost or given twice."""
    with stable.client() as client:
        for op_id in ("page-1", "page-2", "page-3"):
            post(client, op_id, report(3, 1), report(3, 2), report(3, 3))
        pages, after_seq = [], -1
        for _ in range(4):
            pages.append(track(client, 3, f"?after_seq={after_seq}&limit=2"))
            after_seq = pages[-1][-1]["seq"] if pages[-1] else after_seq
    assert [[1, 1, 1], [2, 2, 2], [3, 3, 3], []] == [[row["seq"] for row in page] for page in pages]


def test_a_batch_is_stored_all_or_none(stable, database):
    """When the store refuses one row of a batch, no row of it is there, in the log or among the latest."""
    with psycopg.connect(database.admin_dsn, autocommit=True) as admin, stable.client() as client:
        admin.execute("ALTER TABLE vessels ADD CONSTRAINT refused CHECK (mmsi <> 299999999)")
        try:
            answer = post(client, "atomic-1", report(4), report(299_999_999))
        finally:
            admin.execute("ALTER TABLE vessels DROP CONSTRAINT refused")
    assert (500, "internal_error") == (answer.status_code, answer.json()["error"]["code"])
    assert 0 == KIT.count_rows(database.reader_dsn, "atomic")


def test_port_call_never_goes_back(stable, canary):
    """Forward, skipping and staying are accepted by either release and appended; a step back is a 409 and is not."""
    call_id = str(uuid.uuid4())
    steps = [("EXPECTED", 201), ("EXPECTED", 200), ("BERTHED", 200), ("ARRIVED", 409), ("DEPARTED", 200)]
    with stable.client() as old, canary.client() as new:
        for seq, (state, status) in enumerate(steps):
            client = (old, new)[seq % 2]
            answer = put(client, f"port-calls/{call_id}", {**CALL, "seq": seq, "state": state}, f"call-{seq}")
            assert (state, status) == (state, answer.status_code)
        found = old.get(f"/api/v1/port-calls/{call_id}").json()
        listed = new.get("/api/v1/port-calls?limit=1").json()["port_calls"]
    assert "DEPARTED" == found["state"]
    assert [
        ("call-0", 0, "EXPECTED", "1.0"),
        ("call-1", 1, "EXPECTED", "1.1"),
        ("call-2", 2, "BERTHED", "1.0"),
        ("call-4", 4, "DEPARTED", "1.0"),
    ] == [(row["request_id"], row["seq"], row["state"], row["release"]) for row in found["history"]]
    assert [(call_id, "DEPARTED")] == [(row["id"], row["state"]) for row in listed]


def test_the_same_port_call_request_twice_is_one_entry(stable):
    """A repeated request id is answered 200 and leaves one entry, even after the call has moved on."""
    call_id = str(uuid.uuid4())
    with stable.client() as client:
        statuses = [
            put(client, f"port-calls/{call_id}", {**CALL, "state": state}, op_id).status_code
            for state, op_id in (("EXPECTED", "same-1"), ("BERTHED", "same-2"), ("EXPECTED", "same-1"))
        ]
        history = client.get(f"/api/v1/port-calls/{call_id}").json()["history"]
    assert [201, 200, 200] == statuses
    assert ["same-1", "same-2"] == [row["request_id"] for row in history]


def test_concurrent_puts_of_one_call_come_one_after_another(stable, canary):
    """Twenty puts at once through both releases leave twenty entries and end at the furthest state."""
    call_id = str(uuid.uuid4())
    with stable.client() as old, canary.client() as new, ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(
                lambda seq: put((old, new)[seq % 2], f"port-calls/{call_id}", {**CALL, "seq": seq}, f"many-{seq}"),
                range(20),
            )
        )
        history = old.get(f"/api/v1/port-calls/{call_id}").json()["history"]
    assert [200] * 19 + [201] == sorted(answer.status_code for answer in answers)
    assert list(range(20)) == sorted(row["seq"] for row in history)


def test_timestamp_is_stored_once(stable, canary):
    """First 201, the same body 200 from either release, another body 409; one row, of a call nobody has put."""
    call_id, stamp_id = str(uuid.uuid4()), str(uuid.uuid4())
    body = {**STAMP, "portCall": call_id}
    with stable.client() as old, canary.client() as new:
        answers = [
            put(new, f"timestamps/{stamp_id}", body, "stamp-1"),
            put(old, f"timestamps/{stamp_id}", {**body, "dateTime": "2026-01-02T05:00:00Z"}, "stamp-2"),
            put(old, f"timestamps/{stamp_id}", {**body, "remark": "later"}, "stamp-3"),
        ]
        rows = old.get(f"/api/v1/port-calls/{call_id}/timestamps").json()["timestamps"]
    assert [201, 200, 409] == [answer.status_code for answer in answers]
    assert [(stamp_id, "stamp-1", "1.1", "2026-01-02T05:00:00Z")] == [
        (row["id"], row["request_id"], row["release"], row["dateTime"]) for row in rows
    ]


def test_fault_is_marked_and_counted_by_the_service_itself(canary):
    """With a share of a half, the marked answers are exactly those that both counters of /metrics show."""
    with canary.client() as client, canary.control() as control:
        arguments = {"share": 0.5, "status": 503, "deadline_s": 60, "seed": 3}
        assert 200 == control.put("/faults/http_5xx", json=arguments).status_code
        answers = [client.get("/api/v1/port-calls?limit=7") for _ in range(100)]
        assert ["http_5xx"] == [fault["fault"] for fault in control.get("/faults").json()["active"]]
        assert [True, False] == [control.delete("/faults/http_5xx").json()["was_active"] for _ in range(2)]
        healed = client.get("/api/v1/port-calls?limit=7")
        metrics = client.get("/metrics").text
    marked = [answer for answer in answers if answer.headers.get("x-fault-injected") == "http_5xx"]
    assert [503] * len(marked) == [answer.status_code for answer in marked]
    assert len(answers) - len(marked) == sum(answer.status_code == 200 for answer in answers)
    assert 35 <= len(marked) <= 65  # a half of 100 within three standard deviations
    assert 200 == healed.status_code
    assert f'fault_injected_total{{fault="http_5xx"}} {len(marked)}.0' in metrics
    series = 'http_requests_total{code="503",method="GET",route="/api/v1/port-calls",version="1.1"}'
    assert f"{series} {len(marked)}.0" in metrics


def blocked(database, running, pool, op_id, mmsi):
    """A write about a vessel of its own that waits for a lock: the lock's connection, and the answer to come."""
    admin = psycopg.connect(database.admin_dsn)
    admin.execute("LOCK TABLE vessels IN EXCLUSIVE MODE")
    with running.client() as client:
        url = str(client.base_url)
    body = {"source": "station/test", "reports": [report(mmsi)]}
    answer = pool.submit(httpx.post, f"{url}/api/v1/positions", json=body, headers={"x-request-id": op_id}, timeout=10)
    for _ in range(2000):  # a look takes some 10 ms
        look = KIT.quiesce([running.instance], database.reader_dsn)
        if (1, {running.instance.name: 1}) == (look.open_transactions, look.in_flight):
            return admin, answer
    raise AssertionError(f"the write never waited: {look}")


def test_quiesce_sees_what_is_in_flight(stable, canary, database):
    """A write that waits for a lock is in flight on its instance and an open transaction; afterwards all is quiet."""
    instances = [stable.instance, canary.instance]
    with ThreadPoolExecutor(1) as pool:
        lock, answer = blocked(database, stable, pool, "quiet-1", 11)
        with lock:
            look = KIT.quiesce(instances, database.reader_dsn)
            assert (False, 1, {"stable-1": 1, "canary-1": 0}) == (look.quiet, look.open_transactions, look.in_flight)
        assert 201 == answer.result(timeout=10).status_code
    look = KIT.quiesce(instances, database.reader_dsn)
    assert (True, 0, {"stable-1": 0, "canary-1": 0}) == (look.quiet, look.open_transactions, look.in_flight)


def test_quiesce_refuses_what_it_cannot_see(stable, database):
    """A wrong token, and a store user who may not see the service's sessions, are errors and not a quiet service."""
    with pytest.raises(DriveError, match="401"):
        PortTrackKit("wrong").quiesce([stable.instance], database.reader_dsn)
    with psycopg.connect(database.admin_dsn, autocommit=True) as admin:
        admin.execute("CREATE ROLE blind LOGIN")
    with pytest.raises(DriveError, match="grant it pg_read_all_stats"):
        KIT.quiesce([stable.instance], database.dsn.replace("porttrack@", "blind@"))


def test_sigterm_finishes_what_is_in_flight(start, database):
    """A write in flight at SIGTERM is committed and acknowledged, then the process exits 0; nobody new gets in."""
    running = start("1.0", "drained-1")
    with ThreadPoolExecutor(1) as pool:
        lock, answer = blocked(database, running, pool, "drained-1", 12)
        with lock:
            running.process.send_signal(signal.SIGTERM)
            for _ in range(2000):
                try:
                    httpx.get(f"{running.instance.url}/health", timeout=5)
                except httpx.TransportError:  # refused, or reset where it was still waiting to be accepted
                    break
            else:
                raise AssertionError("still accepting connections after SIGTERM")
            assert running.process.poll() is None
        assert 201 == answer.result(timeout=10).status_code
    assert 0 == running.stop()
    assert 2 == KIT.count_rows(database.reader_dsn, "drained")


def test_a_draining_instance_serves_on_unready(start, database):
    """From SIGTERM on /readyz is a 503 while reads and writes are still answered; what is held is finished; exit 0."""
    running = start("1.0", "draining-1", options=["--drain-s", "0.5"])
    call, stamp = str(uuid.uuid4()), str(uuid.uuid4())
    held = f"{running.instance.url}/api/v1/timestamps/{stamp}?hold_ms=1500"
    headers = {"x-request-id": "draining-1"}
    with running.client() as client, running.control() as control, ThreadPoolExecutor(1) as pool:
        ready = client.get("/readyz").status_code
        answer = pool.submit(httpx.put, held, json={**STAMP, "portCall": call}, headers=headers, timeout=10)
        for _ in range(2000):
            if control.get("/in-flight").json() == {"in_flight": 1}:
                break
        running.process.send_signal(signal.SIGTERM)
        for _ in range(2000):
            if client.get("/readyz").status_code == 503:
                break
        statuses = [client.get(path).status_code for path in ("/readyz", "/livez", "/startupz", "/api/v1/berths")]
        written = post(client, "draining-2", report(21))
        assert (200, [503, 200, 200, 200]) == (ready, statuses)
        assert 201 == written.status_code
        assert 201 == answer.result(timeout=10).status_code
    assert 0 == running.stop()
    assert 1 + 2 == KIT.count_rows(database.reader_dsn, "draining")


@pytest.mark.slow
def test_a_statement_that_waits_too_long_is_a_503(stable, database):
    """A write that cannot get its lock within the statement bound is answered 503, and is not there afterwards."""
    with ThreadPoolExecutor(1) as pool:
        lock, answer = blocked(database, stable, pool, "stuck-1", 13)
        with lock:
            got = answer.result(timeout=10)
    assert (503, "store_unavailable") == (got.status_code, got.json()["error"]["code"])
    assert 0 == KIT.count_rows(database.reader_dsn, "stuck")


def test_schema_expands_under_a_running_release(start, database):
    """1.0 on the schema of 1.0 keeps writing and reading while the schema moves to that of 1.1."""
    with psycopg.connect(database.admin_dsn, autocommit=True) as admin:
        admin.execute("CREATE DATABASE expand OWNER porttrack")
    dsn = f"{database.dsn.removesuffix('porttrack')}expand"
    migrate(dsn, "0001")
    running = start("1.0", "expand-1", dsn=dsn)
    with running.client() as client:
        before = post(client, "expand-1", report(6))
        migrate(dsn, "head")
        migrate(dsn, "head")
        after = post(client, "expand-2", report(6, 2))
        assert [201, 201] == [before.status_code, after.status_code]
        assert [1, 2] == [row["seq"] for row in track(client, 6)]
    assert 0 == running.stop()


def serve(*arguments, **environment):
    argv = [sys.executable, "-m", "porttrack.serve", *arguments]
    base = {"PATH": os.environ["PATH"], **environment}
    return subprocess.run(argv, env=base, capture_output=True, text=True, timeout=30, check=False)


def test_no_control_port_without_a_token(start):
    """An instance that was not given control port and token has none to answer."""
    running = start("1.0", "closed-1", with_control=False)
    with pytest.raises(httpx.ConnectError):
        running.control().get("/faults")
    assert 0 == running.stop()


def test_a_start_that_cannot_work_says_why(stable, database):
    """A taken port and an unreachable store end with 1 and their reason; a missing DSN and a wrong release with 2."""
    port = stable.instance.url.rpartition(":")[2]
    taken = serve("--release", "1.0", "--instance", "b", "--port", port, PORTTRACK_DSN=database.dsn)
    assert (1, True) == (taken.returncode, f"port 127.0.0.1:{port} cannot be had" in taken.stderr)
    lost = serve("--release", "1.0", "--instance", "b", "--port", "0", PORTTRACK_DSN="postgresql://x@127.0.0.1:1/x")
    assert (1, True) == (lost.returncode, "cannot connect to the store" in lost.stderr)
    unset = serve("--release", "1.0", "--instance", "b", "--port", "0")
    assert (2, True) == (unset.returncode, "PORTTRACK_DSN is not set" in unset.stderr)
    wrong = serve("--release", "1.2", "--instance", "b", "--port", "0", PORTTRACK_DSN=database.dsn)
    assert (2, True) == (wrong.returncode, "1.2" in wrong.stderr)
