"""The drill kit against real instances and a real store."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, replace

import psycopg
import pytest

from harness.drive.target.port import DriveError, ReadBackWanted, StoredWrite
from porttrack.kit import PortTrackKit

pytestmark = pytest.mark.integration

KIT = PortTrackKit("test-token")
S = KIT.profiles["S"]


@dataclass(frozen=True)
class Sent:
    """What a run sent: its writes as they should be found, and how every request was answered."""

    run_id: str
    writes: list[StoredWrite]
    statuses: Counter

    @property
    def wanted(self):
        return ReadBackWanted(self.run_id, sorted({(write.kind, write.key) for write in self.writes}))


def send_run(run_id, count, seed, clients, release_of):
    """`count` requests of profile S, one after another, spread over the clients as the router would."""
    load = KIT.build_load(S, seed)
    draw = random.Random(seed)
    kinds = draw.choices([kind.name for kind in S.kinds], [kind.share for kind in S.kinds], k=count)
    writing = {kind.name for kind in S.kinds if kind.writes}
    writes, statuses, places = [], Counter(), Counter()
    for index, kind in enumerate(kinds):
        op_id = f"{run_id}-{index}"
        request = load.request(index, kind, index / S.rate_rps, op_id)
        client = draw.choice(clients)
        headers = {**request.headers, "x-request-id": op_id}
        path = request.path.partition("?hold_ms=")[0]  # one after another, so nobody is worth waiting for
        answer = client.request(request.method, path, content=request.body, headers=headers)
        statuses[kind, answer.status_code] += 1
        if kind in writing:
            place = places[request.key]
            places[request.key] += 1
            release = release_of[client]
            writes.append(StoredWrite(op_id, kind, request.key, request.seq, request.payload_hash, release, place))
    return Sent(run_id, writes, statuses)


@pytest.fixture(scope="module")
def sent(stable, canary):
    """A run of 600 requests over both releases."""
    with stable.client() as old, canary.client() as new:
        yield send_run("run-one", 600, 7, [old, new], {old: "1.0", new: "1.1"})


def by_op(writes):
    return sorted(writes, key=lambda write: (write.op_id, write.position))


def test_nothing_that_the_kit_sends_is_refused(sent):
    """Every request of a healthy run is answered 200 or 201, of every kind."""
    assert {200, 201} == {status for _, status in sent.statuses}
    assert {kind.name for kind in S.kinds} == {kind for kind, _ in sent.statuses}


def test_read_back_through_stable_finds_what_was_sent(stable, sent):
    """The public interface of 1.0 gives back every write of both releases, with the hash that the request had."""
    assert by_op(sent.writes) == by_op(KIT.read_back(stable.instance, sent.wanted))


def test_store_scan_finds_what_was_sent(database, sent):
    """The store, read by a user that cannot write, holds the same writes."""
    assert by_op(sent.writes) == by_op(KIT.store_scan(database.reader_dsn, sent.run_id))


def test_writes_applied_twice_are_found_twice(stable, database):
    """A batch and a put that the service applied twice are two effects, in the service and in the store."""
    with stable.client() as client:
        twice = send_run("run-twice", 60, 9, [client], {client: "1.0"})
    with psycopg.connect(database.admin_dsn) as connection:
        connection.execute(
            "INSERT INTO positions SELECT 1000000 + batch_id, ordinal, op_id, release, source, mmsi, seq, ts, lat, lon,"
            " sog, cog, heading, rot, nav_status FROM positions WHERE op_id >= 'run-twice-' AND op_id < 'run-twice.'"
        )
    batches = [write for write in twice.writes if write.kind == "positions"]
    for found in (
        KIT.read_back(stable.instance, twice.wanted),
        KIT.store_scan(database.reader_dsn, twice.run_id),
    ):
        counts = Counter((write.op_id, write.payload_hash) for write in found if write.kind == "positions")
        assert {(write.op_id, write.payload_hash): 2 for write in batches} == counts
    assert 0 == KIT.purge(database.dsn, twice.run_id)


def test_changed_and_incomplete_batches_have_another_hash(stable, database):
    """One report of a batch gone, or one field of it changed, shows in both reads; its op_id stays."""
    with stable.client() as client:
        hurt = send_run("run-hurt", 60, 10, [client], {client: "1.0"})
    batches = [write for write in hurt.writes if write.kind == "positions"]
    gone, changed = batches[0], batches[1]
    with psycopg.connect(database.admin_dsn) as connection:
        connection.execute("UPDATE positions SET lat = lat + 1e-6 WHERE op_id = %s AND ordinal = 0", [changed.op_id])
        connection.execute(
            "INSERT INTO positions SELECT batch_id, 99, op_id, release, source, mmsi, seq, ts, lat, lon,"
            " sog, cog, heading, rot, nav_status FROM positions WHERE op_id = %s AND ordinal = 0",
            [gone.op_id],
        )
    wanted_hashes = {write.op_id: write.payload_hash for write in batches}
    for found in (KIT.read_back(stable.instance, hurt.wanted), KIT.store_scan(database.reader_dsn, hurt.run_id)):
        hashes = {write.op_id: write.payload_hash for write in found if write.kind == "positions"}
        assert wanted_hashes.keys() == hashes.keys()
        assert {gone.op_id, changed.op_id} == {op_id for op_id in hashes if hashes[op_id] != wanted_hashes[op_id]}
    assert 0 == KIT.purge(database.dsn, hurt.run_id)


def test_a_healthy_service_breaks_no_invariant(database, sent):
    """After a run over both releases the store's rows agree, and they are many."""
    assert [] == list(KIT.invariants(database.reader_dsn, sent.run_id))
    kinds = Counter(write.kind for write in sent.writes)
    assert min(kinds[kind] for kind in ("cargo_move", "movement", "staff_assignment", "port_call")) > 5


@pytest.mark.parametrize(
    ("name", "statement"),
    [
        ("containers_conserved", "UPDATE cargo_inventory SET balance = balance + 1"),
        ("containers_conserved", "DELETE FROM cargo_inventory"),
        (
            "one_berth_one_ship",
            "UPDATE movements SET berth = 'all', until = ts + interval '9 hours' WHERE kind = 'entry'",
        ),
        ("inside", "UPDATE stays SET inside = NOT inside"),
        (
            "call_goes_back",
            "UPDATE port_call_history SET call_id = '11111111-1111-4111-8111-111111111111',"
            " state = CASE WHEN id % 2 = 0 THEN 'BERTHED' ELSE 'EXPECTED' END",
        ),
        ("double_booking", "UPDATE staff_assignments SET staff = 'one'"),
        ("rest", "UPDATE staff_assignments SET ends = starts + interval '14 hours'"),
    ],
)
def test_a_store_that_contradicts_itself_is_found_out(stable, database, name, statement):
    """Each invariant, broken by hand in the rows of one run, is named with operations of that run."""
    with stable.client() as client:
        hurt = send_run(f"run-{name}", 300, 12, [client], {client: "1.0"})
    where = " AND" if "WHERE" in statement else " WHERE"
    with psycopg.connect(database.admin_dsn) as connection:
        mine = f"op_id >= '{hurt.run_id}-' AND op_id < '{hurt.run_id}.'"
        assert connection.execute(f"{statement}{where} {mine}").rowcount
    found = list(KIT.invariants(database.reader_dsn, hurt.run_id))
    assert 0 == KIT.purge(database.dsn, hurt.run_id)
    assert name in {one.name for one in found}
    op_ids = {op_id for one in found for op_id in one.op_ids}
    assert op_ids
    assert op_ids <= {write.op_id for write in hurt.writes}


def test_the_kit_brings_the_write_token(start, monkeypatch):
    """Where the service asks for a token, the kit's writes carry the one of its environment."""
    running = start("1.0", "token-1", environment={"PORTTRACK_WRITE_TOKEN": "letmein"})
    with running.client() as client:
        refused = send_run("run-bare", 60, 13, [client], {client: "1.0"})
        monkeypatch.setenv("PORTTRACK_WRITE_TOKEN", "letmein")
        taken = send_run("run-token", 60, 13, [client], {client: "1.0"})
    writes = {write.kind for write in refused.writes}
    assert {401} == {status for kind, status in refused.statuses if kind in writes}
    assert {200, 201} == {status for _, status in taken.statuses}
    assert 0 == running.stop()


def test_purge_takes_this_run_and_no_other(stable, database, sent):
    """After a purge nothing of the run is left, and the rows of a run whose id only begins alike are."""
    with stable.client() as client:
        other = send_run("run-on", 40, 11, [client], {client: "1.0"})
    before = KIT.count_rows(database.reader_dsn, sent.run_id)
    rows = KIT.count_rows(database.reader_dsn, other.run_id)
    assert rows > len(other.writes)
    assert 0 == KIT.purge(database.dsn, other.run_id)
    assert 0 == KIT.count_rows(database.reader_dsn, other.run_id)
    assert [] == list(KIT.store_scan(database.reader_dsn, other.run_id))
    assert [] == list(KIT.read_back(stable.instance, other.wanted))
    assert before == KIT.count_rows(database.reader_dsn, sent.run_id)


def test_identify_and_wrong_instance(stable, canary):
    """An instance says its release; a read that another instance answers is refused."""
    assert ("1.0", "1.1") == (KIT.identify(stable.instance), KIT.identify(canary.instance))
    posing = replace(stable.instance, name="stable-2")
    with pytest.raises(DriveError, match="answered by 'stable-1', wanted 'stable-2'"):
        list(KIT.read_back(posing, ReadBackWanted("run", [("positions", "station/S/00")])))
