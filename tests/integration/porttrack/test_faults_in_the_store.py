"""Each stateful fault, injected as a trial does it, seen by its effect: at the interface, at stable, in the store."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import psycopg
import pytest

from harness.drive import faults
from harness.drive.target.port import ReadBackWanted
from porttrack.kit import PortTrackKit

pytestmark = pytest.mark.integration

TOKEN = "test-token"
KIT = PortTrackKit(TOKEN)
S = KIT.profiles["S"]
TWICE = {"positions", "port_call"}  # the logs that take a write twice; the others are unique by what the client sends


@pytest.fixture(scope="module")
def broken(start):
    """The instance that is broken; a session's `canary` is left as it is."""
    return start("1.1", "canary-broken", "canary")


@contextmanager
def injected(kind, running, share=1.0, **arguments) -> Iterator[None]:
    """The fault while the block runs, put in and taken out as a trial does it."""
    fault = faults.build(kind)
    fault.inject(running.instance, TOKEN, share, 60.0, arguments)
    try:
        assert fault.active(running.instance, TOKEN)
        yield
    finally:
        fault.heal(running.instance, TOKEN)


class Run:
    """Some writes of the kit's own load, all of them acknowledged, and the two reads that look for them."""

    def __init__(self, run_id, client, count=60):
        load = KIT.build_load(S, 7)
        writing = [kind.name for kind in S.kinds if kind.writes]
        self.run_id, self.requests = run_id, {}
        for index in range(count):
            op_id, kind = f"{run_id}-{index}", writing[index % len(writing)]
            request = load.request(index, kind, index / S.rate_rps, op_id)
            headers = {**request.headers, "x-request-id": op_id}
            answer = client.request(request.method, request.path, content=request.body, headers=headers)
            assert answer.status_code in (200, 201), answer.text
            assert "x-fault-injected" not in answer.headers
            self.requests[op_id] = (kind, request)

    def hashes(self, kinds=None):
        """op_id -> payload hash, as it was sent."""
        return {
            op_id: request.payload_hash
            for op_id, (kind, request) in self.requests.items()
            if kinds is None or kind in kinds
        }

    def through(self, stable):
        """What stable gives back, one entry a stored write."""
        keys = sorted({(kind, request.key) for kind, request in self.requests.values()})
        return list(KIT.read_back(stable.instance, ReadBackWanted(self.run_id, keys)))

    def in_store(self, database):
        """What a scan of the store finds, one entry a stored write."""
        return list(KIT.store_scan(database.reader_dsn, self.run_id))


def counted(running, kind):
    """The fault's own count, from the instance's metrics."""
    with running.client() as client:
        lines = client.get("/metrics").text.splitlines()
    return next(
        float(line.rpartition(" ")[2]) for line in lines if line.startswith(f'fault_injected_total{{fault="{kind}"')
    )


def batches(run):
    """Only the batches of positions: what a fault of reports can take."""
    return run.hashes({"positions"})


def test_without_a_fault_both_reads_find_every_write_once(broken, stable, database):
    """The base of every test here: as sent, once, through stable and in the store."""
    with broken.client() as client:
        run = Run("sound", client)
    for found in (run.through(stable), run.in_store(database)):
        assert sorted(run.hashes().items()) == sorted((write.op_id, write.payload_hash) for write in found)
    assert 0 == KIT.purge(database.dsn, run.run_id)


def test_ack_not_stored_leaves_nothing(broken, stable, database):
    """Every write is acknowledged, and neither stable nor the store has one of them."""
    before = counted(broken, "ack_not_stored")
    with broken.client() as client, injected("ack_not_stored", broken):
        run = Run("lost", client)
    assert ([], [], 0) == (run.through(stable), run.in_store(database), KIT.count_rows(database.reader_dsn, "lost"))
    assert len(run.requests) == counted(broken, "ack_not_stored") - before


def test_ack_not_stored_takes_its_share(broken, stable, database):
    """What the fault counted is missing in both reads, and what it did not take is there."""
    before = counted(broken, "ack_not_stored")
    with broken.client() as client, injected("ack_not_stored", broken, share=0.3, seed=7):
        run = Run("some", client)
    lost_count = counted(broken, "ack_not_stored") - before
    assert 0 < lost_count < len(run.requests)
    for found in (run.through(stable), run.in_store(database)):
        assert len(run.requests) - lost_count == len({write.op_id for write in found})
    assert 0 == KIT.purge(database.dsn, run.run_id)


def test_stored_twice_is_there_twice(start, stable, database):
    """Both reads find a batch and a call's put two times, every other write once, all unchanged; the stop is clean."""
    twice = start("1.1", "canary-twice", "canary")
    with twice.client() as client, injected("stored_twice", twice):
        run = Run("twice", client)
    assert run.hashes(TWICE)
    expected = Counter({sent: 2 if sent[0] in run.hashes(TWICE) else 1 for sent in run.hashes().items()})
    for found in (run.through(stable), run.in_store(database)):
        assert expected == Counter((write.op_id, write.payload_hash) for write in found)
    assert len(run.hashes(TWICE)) == counted(twice, "stored_twice")
    assert 0 == KIT.purge(database.dsn, run.run_id)
    assert 0 == twice.stop()


def test_wrong_unit_changes_the_speed_alone(broken, stable, database):
    """A batch is there once and is not what was sent: its speed is 1.852 times as high, also at stable."""
    report = {"mmsi": 244_999_001, "seq": 1, "ts": "2026-01-01T00:00:01Z", "lat": 51.9, "lon": 4.0}
    report |= {"sog": 10.0, "cog": 181.5, "heading": 180, "rot": 0, "nav_status": 0}
    with broken.client() as client, injected("wrong_unit", broken):
        run = Run("unit", client)
        body = {"source": "unit-station", "reports": [report]}
        assert 201 == client.post("/api/v1/positions", json=body, headers={"x-request-id": "unit-own"}).status_code
    with stable.client() as client:
        (row,) = client.get("/api/v1/vessels/244999001/track").json()["rows"]
    assert {**report, "sog": pytest.approx(18.52)} == {name: row[name] for name in report}
    for found in (run.through(stable), run.in_store(database)):
        changed = {write.op_id for write in found if run.hashes().get(write.op_id) not in (None, write.payload_hash)}
        assert changed
        assert changed <= batches(run).keys()
        assert {*run.requests} == {write.op_id for write in found} & {*run.requests}
    assert 0 == KIT.purge(database.dsn, run.run_id)


def test_unreadable_rows_are_in_the_store_and_not_at_stable(broken, stable, database):
    """Stable gives back none of the batches and every other write; the store has each of them once."""
    with broken.client() as client, injected("unreadable_row", broken):
        run = Run("hidden", client)
    others = run.hashes().keys() - batches(run).keys()
    assert batches(run)
    assert others == {write.op_id for write in run.through(stable)}
    assert dict.fromkeys(run.requests, 1) == Counter(write.op_id for write in run.in_store(database))
    assert 0 == KIT.purge(database.dsn, run.run_id)


def test_stale_read_does_not_see_what_was_just_written(broken, stable, database):
    """The canary does not find its own write, which stable and the store have; healed, it does."""
    report = {"mmsi": 244_999_002, "seq": 1, "ts": "2026-01-01T00:00:01Z", "lat": 51.9, "lon": 4.0}
    report |= {"sog": 10.0, "cog": 181.5, "heading": 180, "rot": 0, "nav_status": 0}

    def post(client, op_id, seq):
        body = {"source": "stale-station", "reports": [{**report, "seq": seq}]}
        assert 201 == client.post("/api/v1/positions", json=body, headers={"x-request-id": op_id}).status_code

    def seen(client):
        rows = client.get("/api/v1/vessels/244999002/track").json()["rows"]
        latest = client.get("/api/v1/vessels/244999002").json().get("seq")
        return [row["request_id"] for row in rows], latest

    with broken.client() as client, stable.client() as other:
        post(client, "stale-1", 1)
        with injected("stale_read", broken, age_s=600):
            before = seen(client)
            post(client, "stale-2", 2)
            assert ((["stale-1"], 1), (["stale-1"], 1)) == (before, (seen(client)[0], before[1]))
            assert (["stale-1", "stale-2"], 2) == seen(other)
        assert (["stale-1", "stale-2"], 2) == seen(client)
    with psycopg.connect(database.reader_dsn) as connection:
        assert [("stale-1",), ("stale-2",)] == connection.execute(
            "SELECT op_id FROM positions WHERE mmsi = 244999002 ORDER BY seq"
        ).fetchall()
    assert 0 == KIT.purge(database.dsn, "stale")


def test_latency_holds_requests_up_and_leaves_them_right(broken, stable):
    """A delayed answer takes the delay longer, is marked and right, and shows in the histogram; healed it is quick."""
    with broken.client() as client, stable.client() as other:
        with injected("latency", broken, delay_ms=300):
            slow = client.get("/api/v1/vessels?limit=5")
            fast = other.get("/api/v1/vessels?limit=5")
        healed = client.get("/api/v1/vessels?limit=5")
        metrics = client.get("/metrics").text
    assert (200, "latency", fast.json()) == (slow.status_code, slow.headers["x-fault-injected"], slow.json())
    assert 0.3 <= slow.elapsed.total_seconds() < 2
    assert healed.elapsed.total_seconds() < 0.3
    assert "x-fault-injected" not in httpx.Headers([*fast.headers.items(), *healed.headers.items()])
    counts = {
        edge: next(line for line in metrics.splitlines() if f'le="{edge}",route="/api/v1/vessels",' in line).split()[-1]
        for edge in ("0.25", "+Inf")
    }
    assert 1.0 == float(counts["+Inf"]) - float(counts["0.25"])
