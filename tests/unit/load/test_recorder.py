"""Rows and ticks on disk, and what a row costs."""

import json
import time

import pyarrow as pa
import pytest

from harness.drive.load.recorder import Operation, RunRecorder, Second, quantile_ms
from harness.evidence import tables
from harness.evidence.format import OPERATIONS

MS = 1_000_000
ROW = Operation(
    op_id="r-0",
    user=3,
    kind="write",
    key="k",
    seq=7,
    payload_hash="h",
    intended_ns=1_000 * MS,
    sent_ns=1_001 * MS,
    done_ns=1_011 * MS,
    outcome="ok",
    status=200,
    version="1.1",
    version_source="header",
    instance="c1",
    attempt=1,
    fault_mark="",
    error="",
)


def events_of(run_dir):
    return [json.loads(line) for line in (run_dir / "timeline" / "load.ndjson").read_text().splitlines()]


def test_rows_come_back_as_they_were_recorded(tmp_path):
    """Every column of a closed stream, in the schema of the format."""
    recorder = RunRecorder(tmp_path)
    rows = [ROW, ROW._replace(op_id="r-1", seq=-1, outcome="unknown", status=0, version="", error="time-out")]
    for row in rows:
        recorder.done(row)
    recorder.stopped(2, 2, 0, 9)
    table, whole = tables.read_stream(tmp_path / "operations" / "load-0.arrows")
    assert whole
    assert OPERATIONS == table.schema
    assert [row._asdict() for row in rows] == table.to_pylist()


def test_a_beat_makes_rows_readable_while_the_file_is_open(tmp_path):
    """After a beat the rows so far can be read from another descriptor, as after a kill."""
    recorder = RunRecorder(tmp_path)
    recorder.done(ROW)
    recorder.beat(None, 0)
    recorder.done(ROW)
    table, _ = tables.read_stream(tmp_path / "operations" / "load-0.arrows")
    recorder.stopped(2, 2, 0, 9)
    assert 1 == table.num_rows


def test_a_stream_cut_in_a_batch_reads_to_the_batch_before(tmp_path):
    """A kill in the middle of a write costs that batch alone."""
    recorder = RunRecorder(tmp_path)
    path = tmp_path / "operations" / "load-0.arrows"
    recorder.done(ROW)
    recorder.beat(None, 0)
    whole_bytes = path.stat().st_size
    recorder.done(ROW)
    recorder.stopped(2, 2, 0, 9)
    cut = tmp_path / "cut.arrows"
    cut.write_bytes(path.read_bytes()[: whole_bytes + 100])
    table, whole = tables.read_stream(cut)
    assert (1, False) == (table.num_rows, whole)


def test_the_timeline_of_a_load(tmp_path):
    """Ready, started, a tick and the stop, with exactly their fields."""
    recorder = RunRecorder(tmp_path)
    recorder.ready()
    recorder.started(5)
    recorder.sent(1_000 * MS, 1_001 * MS)
    recorder.done(ROW)
    recorder.done(ROW._replace(outcome="failed", status=503, fault_mark="http_5xx"))
    recorder.done(ROW._replace(sent_ns=0, outcome="failed", status=0, version=""))
    recorder.beat(None, 4)
    recorder.beat(0, 4)
    recorder.beat(1, 0)
    recorder.failed("load dispatcher", "ValueError: x")
    recorder.stopped(dispatched=2, completed=2, in_flight=0, stopped_ns=77)
    events = [{key: value for key, value in event.items() if key != "t_ns"} for event in events_of(tmp_path)]
    counts = {"ok": 1, "failed": 1, "unknown": 0, "marked": 1, "refused": 0, "p95_ms": 11.0}
    tick = {"source": "load", "kind": "load_tick"}
    assert [
        {"source": "load", "kind": "load_ready"},
        {"source": "load", "kind": "load_started", "start_ns": 5},
        {**tick, "second": 0, "sent": 1, "capped": 1, "lag_ms_p99": 1.0, "in_flight": 4, "versions": {"1.1": counts}},
        {**tick, "second": 1, "sent": 0, "capped": 0, "lag_ms_p99": 0.0, "in_flight": 0, "versions": {}},
        {"source": "load", "kind": "error", "where": "load dispatcher", "message": "ValueError: x"},
        {
            **{"source": "load", "kind": "load_stopped", "dispatched": 2, "completed": 2, "recorded": 3},
            **{"in_flight": 0, "stopped_ns": 77},
        },
    ] == events


def test_an_earlier_loads_rows_are_not_written_over(tmp_path):
    """A run directory takes the rows of one load."""
    RunRecorder(tmp_path).stopped(0, 0, 0, 0)
    with pytest.raises(FileExistsError):
        RunRecorder(tmp_path)


def test_a_row_costs_less_than_20_us(tmp_path):
    """Counting, keeping and writing a row, at 250 rows a batch (500 requests/s), amortised CPU."""
    recorder = RunRecorder(tmp_path)
    before = time.process_time()
    for number in range(20_000):
        recorder.sent(ROW.intended_ns, ROW.sent_ns)
        recorder.done(ROW)
        if number % 250 == 249:
            recorder.beat(number // 500 if number % 500 == 499 else None, 1)
    cost_us = (time.process_time() - before) / 20_000 * 1e6
    recorder.stopped(20_000, 20_000, 0, 0)
    assert cost_us < 20  # measured 2; 4.5 at 60 rows a batch


def test_a_refusal_is_counted_apart():
    """A 4xx counts as failed and as refused, a 5xx as failed alone."""
    second = Second()
    second.add_done(ROW._replace(outcome="failed", status=409))
    second.add_done(ROW._replace(outcome="failed", status=503, fault_mark="http_5xx"))
    (counts,) = second.fields(0, 0)["versions"].values()
    assert (2, 1, 1) == (counts["failed"], counts["refused"], counts["marked"])


def test_a_row_of_a_wrong_type_is_an_error_not_a_hole(tmp_path):
    """Rows that do not fit the schema raise when they are written."""
    recorder = RunRecorder(tmp_path)
    recorder.done(ROW._replace(user="nobody"))
    with pytest.raises((pa.ArrowInvalid, pa.ArrowTypeError)):
        recorder.beat(None, 0)


@pytest.mark.parametrize(
    ("values_ns", "share", "expected"),
    [
        ([], 0.99, 0.0),
        ([5 * MS], 0.5, 5.0),
        ([n * MS for n in range(100)], 0.99, 99.0),
        ([n * MS for n in range(100)], 0.5, 50.0),
        ([3 * MS, MS, 2 * MS], 0.99, 3.0),
    ],
)
def test_quantiles_are_measured_values(values_ns, share, expected):
    """Nearest rank, never a value between two; 0 for none."""
    assert expected == quantile_ms(values_ns, share)


def test_a_kind_that_waits_is_counted_and_is_in_no_latency():
    """Its answers are answers; how long somebody outside took is not the service's latency."""
    second = Second(frozenset({"confirmed"}))
    second.add_done(ROW._replace(intended_ns=0, sent_ns=1, done_ns=3 * MS))
    second.add_done(ROW._replace(kind="confirmed", intended_ns=0, sent_ns=1, done_ns=3_000 * MS))
    (counts,) = second.fields(0, 0)["versions"].values()
    assert (2, 3.0) == (counts["ok"], counts["p95_ms"])


def test_a_second_counts_latency_from_the_intended_start():
    """p95 of a version is done minus intended, so a late send is inside it."""
    second = Second()
    second.add_done(ROW._replace(intended_ns=1_000 * MS, sent_ns=1_900 * MS, done_ns=2_000 * MS))
    assert 1000.0 == second.fields(0, 0)["versions"]["1.1"]["p95_ms"]
