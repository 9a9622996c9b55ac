"""The dispatcher in simulated time: exact instants, the cap, the stop and the failures."""

import numpy as np
import pytest

from harness.drive.load.engine import NEVER_SENT_CAP, UNANSWERED, Engine
from harness.drive.load.schedule import Schedule
from harness.evidence.format import OPERATIONS

MS = 1_000_000
LEAD_NS = 500 * MS


def schedule_at(*offsets_ms, seconds=10.0):
    """Arrivals at these milliseconds, dealt to users 0, 1, 2 in turn, of kinds a and b in turn."""
    numbers = np.arange(len(offsets_ms))
    offsets_ns = np.array([round(offset * MS) for offset in offsets_ms], dtype=np.int64)
    users, kinds = (numbers % 3).astype(np.int32), (numbers % 2).astype(np.int32)
    return Schedule("r", seconds, 1.0, ("a", "b"), offsets_ns, users, kinds)


@pytest.fixture
def engine_of(kit, sink, service, time):
    """Builds an engine over the fakes; `failures` collects what it reports."""

    def build(schedule, in_flight_max=10):
        engine = Engine(
            schedule,
            kit,
            service.send,
            sink,
            lambda request, operation, answer: engine.heard.append(operation.op_id),
            in_flight_max,
            lambda where, error: engine.failures.append((where, str(error))),
            now_ns=time.now_ns,
            sleep=time.sleep,
        )
        engine.heard, engine.failures = [], []
        return engine

    return build


def test_arrivals_are_sent_at_their_instants_in_order(engine_of, kit, sink, service, time):
    """Each arrival is asked of the kit in schedule order and sent at its own instant by its own user."""
    engine = engine_of(schedule_at(0, 1, 1, 7.5))
    zero = engine.start()
    time.run_until(zero + 8 * MS)
    engine.stop()
    engine.drain(0)
    assert 1_000 * MS + LEAD_NS == zero
    assert [(0, "a", "r-0"), (1, "b", "r-1"), (2, "a", "r-2"), (3, "b", "r-3")] == kit.asked
    assert [(0, "/0", "r-0"), (1, "/1", "r-1"), (2, "/2", "r-2"), (0, "/3", "r-3")] == service.sends
    assert [0, MS, MS, 7_500_000] == [operation.sent_ns - zero for operation in sink.operations]
    assert ["r-0", "r-1", "r-2", "r-3"] == engine.heard
    assert [] == engine.failures


def test_a_row_has_what_the_kit_the_schedule_and_the_answer_say(engine_of, sink, time):
    """The whole row of one operation, in the columns of the format."""
    engine = engine_of(schedule_at(2))
    zero = engine.start()
    time.run_until(zero + 3 * MS)
    engine.drain(0)
    row = sink.operations[0]
    at = zero + 2 * MS
    expected = ("r-0", 0, "a", "k0", 0, "h0", at, at, at, "ok", 200, "1.0", "header", "a", 1, "", "")
    assert expected == tuple(row)
    assert tuple(OPERATIONS.names) == row._fields


def test_a_stalled_service_delays_no_arrival(engine_of, sink, service, time):
    """Answers that do not come hold nothing back; their latency counts from the intended start."""
    service.hold_from = 0
    engine = engine_of(schedule_at(0, 10, 20))
    zero = engine.start()
    time.run_until(zero + 1500 * MS)
    assert [("r-0"), ("r-1"), ("r-2")] == [op_id for _, _, op_id in service.sends]
    service.release()
    time.settle()
    engine.drain(0)
    assert [1500, 1490, 1480] == [(row.done_ns - row.intended_ns) / MS for row in sink.operations]
    assert [0, 10, 20] == [(row.sent_ns - zero) / MS for row in sink.operations]


def test_an_arrival_over_the_cap_is_recorded_as_never_sent(engine_of, kit, sink, service, time):
    """With the cap reached an arrival has a failed row with sent_ns 0, and the kit is asked for it all the same."""
    service.hold_from = 0
    engine = engine_of(schedule_at(0, 1, 2), in_flight_max=2)
    zero = engine.start()
    time.run_until(zero + 3 * MS)
    capped = sink.operations[0]
    assert [0, 1, 2] == [index for index, _, _ in kit.asked]
    assert 2 == len(service.sends)
    assert ("r-2", 0, "failed", 0, NEVER_SENT_CAP) == (
        capped.op_id,
        capped.sent_ns,
        capped.outcome,
        capped.status,
        capped.error,
    )
    service.release()
    time.settle()
    engine.drain(0)
    assert ("stopped", 2, 2, 0, zero + 3 * MS) == sink.told[-1]


def test_the_stop_is_a_definite_instant(engine_of, sink, service, time):
    """An arrival due before stopped_ns is sent even when the dispatcher still slept; one due at it is not."""
    engine = engine_of(schedule_at(0, 5, 6, 7))
    zero = engine.start()
    time.run_until(zero)
    time.ns = zero + 6 * MS  # the dispatcher has not been woken for 5 yet
    stopped_ns = engine.stop()
    time.settle()
    time.run_until(zero + 20 * MS)
    engine.drain(0)
    assert zero + 6 * MS == stopped_ns
    assert ["r-0", "r-1"] == [op_id for _, _, op_id in service.sends]
    assert ("stopped", 2, 2, 0, stopped_ns) == sink.told[-1]
    assert stopped_ns == engine.stop()


def test_a_schedule_that_ended_stops_at_its_end(engine_of, sink, time):
    """After the last arrival stopped_ns is the schedule's end, not the later signal."""
    engine = engine_of(schedule_at(0, seconds=0.02))
    zero = engine.start()
    time.run_until(zero + 500 * MS)
    engine.drain(0)
    assert ("stopped", 1, 1, 0, zero + 20 * MS) == sink.told[-1]


def test_what_is_unanswered_after_the_drain_is_unknown(engine_of, sink, service, time):
    """An operation still in flight at the end has a row: sent, unknown, without status."""
    service.hold_from = 1
    engine = engine_of(schedule_at(0, 1))
    zero = engine.start()
    time.run_until(zero + 2 * MS)
    engine.drain(0)
    last = sink.operations[-1]
    assert ("r-1", "unknown", 0, UNANSWERED) == (last.op_id, last.outcome, last.status, last.error)
    assert zero + MS == last.sent_ns
    assert ("stopped", 2, 1, 1, zero + 2 * MS) == sink.told[-1]


def test_beats_come_every_half_second_and_tick_whole_seconds(engine_of, sink, time):
    """Beats lie on the grid of the zero; every second one ends a second."""
    engine = engine_of(schedule_at(0))
    zero = engine.start()
    time.run_until(zero + 2100 * MS)
    beats = [told for told in sink.told if told[0] == "beat"]
    engine.drain(0)
    assert [("beat", None, 0), ("beat", 0, 0), ("beat", None, 0), ("beat", 1, 0)] == beats


def test_a_frozen_process_shows_as_a_missing_second(engine_of, sink, time):
    """A second that passed without the process running has no tick: here second 1, frozen from 0.6 to 2.7 s."""
    engine = engine_of(schedule_at(0))
    zero = engine.start()
    time.run_until(zero + 600 * MS)
    time.ns = zero + 2700 * MS
    time.run_until(zero + 3100 * MS)
    seconds = [told[1] for told in sink.told if told[0] == "beat" and told[1] is not None]
    engine.drain(0)
    assert [0, 2] == seconds


def test_a_late_dispatcher_catches_up_and_its_lag_is_recorded(engine_of, sink, time):
    """Arrivals that fell due during a freeze are all sent after it, with their true lag."""
    engine = engine_of(schedule_at(*range(200)), in_flight_max=500)
    zero = engine.start()
    time.run_until(zero)
    time.ns = zero + 300 * MS
    time.run_until(zero + 301 * MS)
    engine.drain(0)
    lags_ms = [(row.sent_ns - row.intended_ns) / MS for row in sink.operations]
    assert [0, *(300 - offset for offset in range(1, 200))] == lags_ms


def test_a_failing_kit_is_reported_once(engine_of, kit, service, time):
    """An exception of the kit reaches on_failure with where it happened, and nothing more is dispatched."""
    kit.fails_at = 1
    engine = engine_of(schedule_at(0, 1, 2))
    zero = engine.start()
    time.run_until(zero + 3 * MS)
    engine.abandon()
    engine.drain(0)
    assert [("dispatcher", "no request 1")] == engine.failures
    assert ["r-0"] == [op_id for _, _, op_id in service.sends]
