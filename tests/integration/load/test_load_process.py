"""The load process as the guard starts it, against a real service: what is on disk, whatever ended it."""

import signal
import threading

import msgspec
import numpy as np
import pyarrow.parquet as pq
import pytest

from harness.drive.load.plan import Timeouts
from harness.evidence import tables
from harness.evidence.format import OPERATIONS, SCHEDULE

pytestmark = [pytest.mark.integration, pytest.mark.slow]


@pytest.fixture
def rows(tmp_path):
    """Reads the recorded operations: columns, and whether the stream had its end."""

    def read():
        table, whole = tables.read_stream(tmp_path / "run" / "operations" / "load-0.arrows")
        assert OPERATIONS == table.schema
        return tables.columns(table), whole

    return read


def planned_indices(tmp_path, start_ns, stopped_ns):
    """Indices of the stored schedule that were due before the stop."""
    table = pq.read_table(tmp_path / "run" / "schedule" / "load-0.parquet")
    assert SCHEDULE == table.schema
    offsets_ns = table.column("offset_ns").to_numpy()
    return set(np.flatnonzero(start_ns + offsets_ns < stopped_ns).tolist())


def indices(columns):
    return sorted(int(op_id.rpartition("-")[2]) for op_id in columns["op_id"])


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_load_accounts_for_every_arrival(locust, plan, service, timeline, rows, tmp_path, stop):
    """After a signal every arrival due before stopped_ns has exactly one row, none after it, and the exit code is 0."""
    process = locust.trial(plan)
    locust.until(process, service.at_request(150))
    process.send_signal(stop)
    process.communicate(timeout=20)
    assert 0 == process.returncode
    events = timeline()
    started = next(event for event in events if event["kind"] == "load_started")
    ended = events[-1]
    columns, whole = rows()
    assert "load_stopped" == ended["kind"]
    assert whole
    assert sorted(planned_indices(tmp_path, started["start_ns"], ended["stopped_ns"])) == indices(columns)
    count = len(columns["op_id"])
    assert (count, count, count, 0) == (ended["dispatched"], ended["completed"], ended["recorded"], ended["in_flight"])
    assert count == service.seen.total()
    assert sorted(columns["op_id"]) == sorted(service.op_ids)
    assert {"ok"} == set(columns["outcome"])
    assert {"1.1"} == set(columns["version"])


def test_the_timeline_says_ready_then_started_then_ticks(locust, plan, service, timeline):
    """Events come in order, and the ticks' counts add up to what was sent in whole seconds."""
    process = locust.trial(plan)
    locust.until(process, service.at_request(250))
    process.terminate()
    process.communicate(timeout=20)
    kinds = [event["kind"] for event in timeline()]
    ticks = [event for event in timeline() if event["kind"] == "load_tick"]
    assert ["load_ready", "load_started"] == kinds[:2]
    assert list(range(len(ticks))) == [tick["second"] for tick in ticks]
    assert {"load_ready", "load_started", "load_tick", "load_stopped"} == set(kinds)
    assert all(60 <= tick["sent"] <= 150 for tick in ticks)  # Poisson of 100: five deviations and more
    assert all(tick["versions"]["1.1"]["ok"] >= 50 for tick in ticks)


def test_failures_of_the_service_are_no_failure_of_the_load(locust, plan, service, rows):
    """A service that goes away leaves refused and unknown rows, and exit code 0."""
    process = locust.trial(plan)
    locust.until(process, service.at_request(100))
    service.server.shutdown()
    service.server.server_close()
    service.behave = lambda connection, path: False
    locust.until(process, service.at_request(110))
    process.terminate()
    process.communicate(timeout=20)
    columns, _ = rows()
    assert 0 == process.returncode
    assert {"ok", "failed", "unknown"} >= set(columns["outcome"]) > {"ok"}


def test_a_kill_loses_at_most_the_last_half_second(locust, plan, service, rows, timeline):
    """After kill -9 the stream reads to its last whole batch, which is no more than a flush and its slack behind."""
    process = locust.trial(plan)
    locust.until(process, service.at_request(200))
    process.kill()
    process.communicate(timeout=20)
    columns, _ = rows()
    assert "load_stopped" not in {event["kind"] for event in timeline()}
    assert 200 - 100 * 0.75 <= len(columns["op_id"]) <= service.seen.total()


def test_a_stall_shows_and_nothing_planned_is_left_out(locust, plan, service, rows, timeline, tmp_path):
    """While the service is frozen for 1.5 s arrivals go on; the p99 from the intended start shows the freeze."""
    service.on_request = lambda total: total == 150 and service.thawed.clear()
    thaw = threading.Timer(1.5, service.thawed.set)
    process = locust.trial(plan)
    locust.until(process, service.at_request(150))
    thaw.start()
    locust.until(process, service.at_request(600))
    thaw.join(5)
    process.terminate()
    process.communicate(timeout=20)
    columns, _ = rows()
    events = timeline()
    planned = planned_indices(tmp_path, events[1]["start_ns"], events[-1]["stopped_ns"])
    latency_ms = (columns["done_ns"] - columns["intended_ns"]) / 1e6
    lag_ms = (columns["sent_ns"] - columns["intended_ns"]) / 1e6
    assert sorted(planned) == indices(columns)
    assert {"ok"} == set(columns["outcome"])
    assert 1350 <= np.percentile(latency_ms, 99) <= 1650
    assert np.percentile(lag_ms, 99) < 100


def test_a_stop_amid_a_stall_waits_for_the_time_outs(locust, plan, service, rows, timeline):
    """What a frozen service never answers ends as an unknown time-out, and nothing is left in flight."""
    bounds = Timeouts(connect_s=1.0, network_s=1.0, total_s=1.0)
    service.on_request = lambda total: total == 50 and service.thawed.clear()
    process = locust.trial(msgspec.structs.replace(plan, drain_s=2.0, timeouts=bounds))
    locust.until(process, service.at_request(80))
    process.terminate()
    process.communicate(timeout=20)
    columns, _ = rows()
    ended = timeline()[-1]
    unknown = columns["outcome"] == "unknown"
    assert len(columns["op_id"]) == ended["recorded"] == ended["dispatched"] == ended["completed"]
    assert 31 <= np.count_nonzero(unknown)
    assert {"time-out"} == set(columns["error"][unknown])
    assert 0 == ended["in_flight"]


def test_a_kit_that_fails_ends_the_load_loudly(locust, plan, timeline):
    """An exception of the kit stops the load with exit code 70 and an error event that rules out PASS."""
    process = locust.trial(msgspec.structs.replace(plan, profile="broken"))
    process.communicate(timeout=20)
    errors = [event for event in timeline() if event["kind"] == "error"]
    assert 70 == process.returncode
    assert [("load dispatcher", "RuntimeError: no request 40")] == [(e["where"], e["message"]) for e in errors]
    assert "load_stopped" == timeline()[-1]["kind"]


def test_a_second_load_does_not_write_over_the_first(locust, plan, service, tmp_path):
    """A run directory that already has a load's schedule is refused with exit code 70 and its rows are left alone."""
    stored = tmp_path / "run" / "schedule" / "load-0.parquet"
    stored.parent.mkdir(parents=True)
    stored.write_bytes(b"first")
    process = locust.trial(plan)
    _, errors = process.communicate(timeout=20)
    assert 70 == process.returncode
    assert "load-0.parquet" in errors
    assert (0, b"first") == (service.seen.total(), stored.read_bytes())
