"""The faults around the store: which calls they take, what they do to them, and what they leave alone."""

from __future__ import annotations

import asyncio
import json
import random
from dataclasses import dataclass, field
from uuid import UUID

import pytest

from porttrack.faults import Faults
from porttrack.faults.faulty_store import READS, WRITES, with_faults
from porttrack.faults.rows import COPIES
from porttrack.faults.stale_read import SEEN_COUNT_MAX, Recent, StaleRead
from porttrack.releases import v1_1
from porttrack.store import Put, Store

CALL_ID = UUID(int=7)
WRITE_FAULTS = ("ack_not_stored", "stored_twice", "wrong_unit", "unreadable_row")


class Clock:
    """A clock that shows what it is told to."""

    now_s = 100.0

    def __call__(self):
        return self.now_s


@dataclass
class Kept:
    """A store that keeps what reaches it, and Rows that keep what they were asked; `put` is what a put gives."""

    batches: list = field(default_factory=list)
    calls: list = field(default_factory=list)
    copies: list = field(default_factory=list)
    closed: list = field(default_factory=list)
    put: Put = Put.CREATED

    async def open(self):
        self.closed.append("opened")

    async def close(self):
        self.closed.append("closed")

    async def append_positions(self, op_id, source, reports):
        self.batches.append((op_id, source, reports))

    async def put_port_call(self, op_id, call_id, call):
        self.calls.append({"request_id": op_id, "state": call})
        return self.put

    async def port_call_history(self, call_id):
        return list(self.calls)

    async def vessel(self, mmsi):
        if not self.batches:
            return None
        op_id, _, reports = self.batches[-1]
        return {"mmsi": mmsi, "seq": reports[-1].seq, "request_id": op_id}

    async def copy(self, method, op_id):
        self.copies.append((method, op_id))


@dataclass
class Broken:
    """A store behind its faults, and everything that can be seen of it."""

    kept: Kept
    clock: Clock
    faults: Faults
    injected: list
    store: Store

    def on(self, name, **arguments):
        self.faults.put(name, json.dumps({"share": 1, "deadline_s": 60, **arguments}).encode())

    def append(self, op_id="a", sog=10.0, seq=1, count=1):
        reports = [a_report(sog=sog, seq=seq + place) for place in range(count)]
        return asyncio.run(self.store.append_positions(op_id, "station-1", reports))

    def put(self, op_id="a", state="EXPECTED"):
        return asyncio.run(self.store.put_port_call(op_id, CALL_ID, state))

    def history(self):
        return [row["request_id"] for row in asyncio.run(self.store.port_call_history(CALL_ID))]

    def vessel(self):
        return asyncio.run(self.store.vessel(244_000_001))


@pytest.fixture
def broken():
    kept, clock, injected = Kept(), Clock(), []
    faults = Faults(clock)
    return Broken(kept, clock, faults, injected, with_faults(kept, faults, kept, injected.append))


def a_report(sog=10.0, seq=1):
    return v1_1.Report(
        mmsi=244_000_001, seq=seq, ts=None, lat=51.9, lon=4.0, sog=sog, cog=0.0, heading=0, rot=0, nav_status=0
    )


def test_every_method_of_the_store_is_a_write_a_read_or_its_life():
    """What takes an operation's id writes, the rest reads; nothing that the Store has is passed over."""
    methods = {name for name in vars(Store) if not name.startswith("_")}
    assert methods == {*WRITES, *READS, "open", "close"}
    assert {"append_positions", "put_port_call", "put_timestamp"} <= WRITES.keys()
    assert {"vessel", "vessels_in", "track", "port_calls", "port_call_history", "timestamps_of"} <= READS
    assert COPIES.keys() <= WRITES.keys()
    assert (None, Put.CREATED) == (WRITES["append_positions"], WRITES["put_port_call"])


def test_without_a_fault_everything_goes_through(broken):
    """Calls, answers and the store's life are the store's own, and nothing is counted."""
    asyncio.run(broken.store.open())
    assert (None, Put.CREATED) == (broken.append(op_id="a"), broken.put(op_id="b"))
    asyncio.run(broken.store.close())
    assert ([("a", "station-1", [a_report()])], ["b"], []) == (broken.kept.batches, broken.history(), broken.injected)
    assert ["opened", "closed", "closed"] == broken.kept.closed  # once the rows' connection, once the store


def test_what_the_store_has_besides_is_its_own(broken):
    """An attribute that is no method of the Store is the inner store's, and one that nobody has is an error."""
    assert broken.kept.calls is broken.store.calls
    with pytest.raises(AttributeError, match="'Kept' object has no attribute 'cals'"):
        _ = broken.store.cals


@pytest.mark.parametrize("name", WRITE_FAULTS)
def test_a_write_fault_ends_by_itself(broken, name):
    """Just before its deadline it takes the write, at its deadline it does not."""
    broken.on(name, deadline_s=60)
    broken.clock.now_s += 59.999
    broken.append()
    broken.clock.now_s = 160.0
    broken.append(op_id="late")
    assert [name] == broken.injected
    assert ("late", "station-1", [a_report()]) == broken.kept.batches[-1]


@pytest.mark.parametrize("name", WRITE_FAULTS)
def test_the_share_of_the_writes_is_drawn_from_the_seed(broken, name):
    """With seed 7 exactly those writes are spoiled whose draw lies below the share, and each is counted."""
    broken.on(name, share=0.2, seed=7)
    hit = []
    for index in range(500):
        before = len(broken.injected)
        broken.append(op_id=str(index))
        hit.append(len(broken.injected) > before)
    draw = random.Random(7)
    expected = [draw.random() < 0.2 for _ in range(500)]
    assert expected == hit
    assert 70 <= sum(expected) <= 130


def test_ack_not_stored_acknowledges_and_stores_nothing(broken):
    """A batch and a put are answered as new ones, and the store never sees them."""
    broken.on("ack_not_stored")
    assert (None, Put.CREATED) == (broken.append(), broken.put())
    assert ([], []) == (broken.kept.batches, broken.kept.calls)
    assert ["ack_not_stored"] * 2 == broken.injected


def test_stored_twice_copies_after_the_write(broken):
    """Each write is stored by the store and its rows copied once, under its own op_id; the answer is the store's."""
    broken.kept.put = Put.UPDATED
    broken.on("stored_twice")
    assert (None, Put.UPDATED) == (broken.append(op_id="a"), broken.put(op_id="b"))
    assert (1, ["b"]) == (len(broken.kept.batches), broken.history())
    assert [("append_positions", "a"), ("put_port_call", "b")] == broken.kept.copies


def test_stored_twice_leaves_a_repeated_request_alone(broken):
    """A request that the service already had stores nothing, so there is nothing to copy or to count."""
    broken.kept.put = Put.REPEATED
    broken.on("stored_twice")
    assert Put.REPEATED == broken.put()
    assert ([], []) == (broken.kept.copies, broken.injected)


def test_a_write_whose_copy_fails_fails(broken):
    """When the rows cannot be copied the write is not acknowledged, and not counted as spoiled."""

    async def fails(method, op_id):
        raise ConnectionError(op_id)

    broken.kept.copy = fails
    broken.on("stored_twice")
    with pytest.raises(ConnectionError, match="a"):
        broken.append(op_id="a")
    assert [] == broken.injected


def test_wrong_unit_converts_speeds_and_nothing_else(broken):
    """10 kn are stored as 18.52; a ship at rest and a speed not available stay, and such batches do not count."""
    broken.on("wrong_unit")
    for op_id, sog in (("moves", 10.0), ("rests", 0.0), ("unknown", 102.3)):
        broken.append(op_id=op_id, sog=sog)
    broken.put(op_id="call")
    stored = [(op_id, reports[0].sog) for op_id, _, reports in broken.kept.batches]
    assert [("moves", pytest.approx(18.52)), ("rests", 0.0), ("unknown", 102.3)] == stored
    assert ["wrong_unit"] == broken.injected
    changed = broken.kept.batches[0][2][0]
    assert a_report(sog=changed.sog) == changed


def test_unreadable_row_stores_the_whole_batch_below_zero(broken):
    """Every seq n of the batch becomes -1 - n, so that order is turned and nothing collides; a put is left alone."""
    broken.on("unreadable_row")
    broken.append(seq=0, count=3)
    broken.put()
    assert [-1, -2, -3] == [report.seq for report in broken.kept.batches[0][2]]
    assert ["unreadable_row"] == broken.injected


def test_of_two_write_faults_the_first_that_hits_has_the_write(broken):
    """A lost write is not stored twice; once the first is healed, the second has it."""
    broken.on("ack_not_stored")
    broken.on("stored_twice")
    broken.append(op_id="a")
    broken.faults.remove("ack_not_stored")
    broken.append(op_id="b")
    assert ([("append_positions", "b")], ["ack_not_stored", "stored_twice"]) == (broken.kept.copies, broken.injected)


def test_stale_read_misses_the_newest_write_for_its_age(broken):
    """What was written within age_s is not in a list, what is older is; at the very age it is there again."""
    broken.put(op_id="before")
    broken.on("stale_read", age_s=5)
    broken.put(op_id="new")
    seen = []
    for elapsed_s in (0, 4.999, 0.001):
        broken.clock.now_s += elapsed_s
        seen.append(broken.history())
    assert [["before"], ["before"], ["before", "new"]] == seen
    assert ["before", "new"] == [row["request_id"] for row in broken.kept.calls]
    assert ["stale_read"] * 2 == broken.injected


def test_stale_read_gives_a_single_row_as_it_was(broken):
    """The older answer comes again while the newer one is hidden; what was never seen is unknown."""
    broken.on("stale_read", age_s=5)
    broken.append(op_id="first", seq=1)
    assert broken.vessel() is None
    broken.clock.now_s += 5
    older = broken.vessel()  # whoever gets a row may change it: that must not be what the next one gets
    assert 1 == older.pop("seq")
    broken.append(op_id="second", seq=2)
    stale = broken.vessel()
    assert (1, 1) == (stale.pop("seq"), broken.vessel()["seq"])
    broken.clock.now_s += 5
    assert 2 == broken.vessel()["seq"]


def test_stale_read_forgets_once_it_is_off(broken):
    """Healed, everything is seen at once, and a new fault does not hide what was written before it."""
    broken.on("stale_read", age_s=5)
    broken.put(op_id="a")
    assert [] == broken.history()
    broken.faults.remove("stale_read")
    assert ["a"] == broken.history()
    broken.on("stale_read", age_s=5)
    assert ["a"] == broken.history()


def test_the_share_of_the_reads_is_drawn_from_the_seed(broken):
    """With seed 7 exactly those reads are stale whose draw lies below the share."""
    broken.on("stale_read", share=0.3, age_s=600, seed=7)
    broken.put(op_id="a")
    draw = random.Random(7)
    expected = [[] if draw.random() < 0.3 else ["a"] for _ in range(200)]
    assert expected == [broken.history() for _ in range(200)]


def test_the_memory_of_single_rows_is_bounded():
    """The oldest remembered row makes room, so an instance that is asked about everything does not grow."""
    recent = Recent(Clock())
    for mmsi in range(SEEN_COUNT_MAX + 1):
        recent.saw(mmsi, {"mmsi": mmsi, "request_id": "old"})
    recent.wrote("new")
    fault = StaleRead(share=1, deadline_s=60)
    answers = [recent.stale(mmsi, {"mmsi": mmsi, "request_id": "new"}, fault) for mmsi in (0, 1, SEEN_COUNT_MAX)]
    assert [None, 1, SEEN_COUNT_MAX] == [answer and answer["mmsi"] for answer in answers]


def test_an_answer_without_operations_is_fresh():
    """A sum, a number or None has no row that could be hidden."""
    recent = Recent(Clock())
    recent.wrote("a")
    fault = StaleRead(share=1, deadline_s=60)
    for answer in ({"inside": 3}, [1, 2], 7, None):
        assert recent.stale("call", answer, fault) is answer
