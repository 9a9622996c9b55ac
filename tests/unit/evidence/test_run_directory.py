"""The run directory: what is written is what is read, and what is cut or changed is named."""

from __future__ import annotations

import fcntl
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from harness.errors import EvidenceError
from harness.evidence import run, seal, tables, timeline
from harness.evidence.format import METRICS, OPERATIONS, READBACK, ROUTING, Kind

ROW = {
    "op_id": "r-0", "user": 1, "kind": "positions", "key": "k", "seq": 1, "payload_hash": "h",
    "intended_ns": 1, "sent_ns": 2, "done_ns": 3, "outcome": "ok", "status": 201, "version": "1.0",
    "version_source": "header", "instance": "stable-1", "attempt": 1, "fault_mark": "", "error": "",
}  # fmt: skip


@pytest.fixture
def run_dir(tmp_path):
    """A run directory with a manifest, two clock samples and one operation, not sealed."""
    (tmp_path / "manifest.json").write_text(json.dumps({"format": "harness/run/1", "run_id": "r"}))
    writer = timeline.TimelineWriter(tmp_path, "control")
    writer.event(Kind.CLOCK, t_ns=1_000, wall_ns=1_700_000_000_000_001_000, width_ns=10)
    writer.event(Kind.CLOCK, t_ns=2_001_000, wall_ns=1_700_000_000_002_001_400, width_ns=10)
    writer.close()
    (tmp_path / "operations").mkdir()
    with pa.ipc.new_stream(tmp_path / "operations" / "load-0.arrows", OPERATIONS) as stream:
        stream.write_batch(pa.RecordBatch.from_pylist([ROW], schema=OPERATIONS))
    return tmp_path


def test_unsealed_directory_reads_and_says_so(run_dir):
    """Without SEAL the evidence reads, is not complete and the reason stands in the problems."""
    evidence = run.load(run_dir)
    assert not evidence.complete
    assert ["r-0"] == list(evidence.operations["op_id"])
    assert ("SEAL: missing: the trial was interrupted before it was closed",) == evidence.problems


def test_sealed_directory_is_whole(run_dir):
    """Sealing turns streams into Parquet; the same rows are read and nothing is wrong."""
    seal.seal(run_dir, complete=True)
    evidence = run.load(run_dir)
    assert (True, ()) == (evidence.complete, evidence.problems)
    assert ["load-0.parquet"] == [path.name for path in (run_dir / "operations").iterdir()]
    assert ["r-0"] == list(evidence.operations["op_id"])


def test_changed_added_and_missing_files_are_named(run_dir):
    """Each kind of tampering after the seal is a problem of its own."""
    (run_dir / "config").mkdir()
    (run_dir / "config" / "a").write_text("1")
    (run_dir / "config" / "b").write_text("1")
    seal.seal(run_dir, complete=True)
    (run_dir / "config" / "a").write_text("2")
    (run_dir / "config" / "b").unlink()
    (run_dir / "config" / "c").write_text("1")
    (run_dir / "findings.json").write_text("{}")
    assert (
        "config/b: in the seal but not in the directory",
        "config/c: in the directory but not in the seal",
        "config/a: changed since it was sealed",
    ) == run.load(run_dir).problems


def test_cut_stream_reads_to_its_last_whole_batch(run_dir):
    """A stream cut in its second batch gives the first one, and the cut is named."""
    path = run_dir / "operations" / "load-0.arrows"
    with path.open("wb") as file, pa.ipc.new_stream(file, OPERATIONS) as stream:
        stream.write_batch(pa.RecordBatch.from_pylist([ROW], schema=OPERATIONS))
        whole = file.tell()
        stream.write_batch(pa.RecordBatch.from_pylist([ROW] * 50, schema=OPERATIONS))
    path.write_bytes(path.read_bytes()[: whole + 40])
    evidence = run.load(run_dir)
    assert 1 == len(evidence.operations["op_id"])
    assert "operations/load-0.arrows: cut after 1 rows" in evidence.problems


def test_unknown_kind_and_cut_line_are_named(run_dir):
    """A timeline line that is none is a problem with its place; the others are read."""
    with (run_dir / "timeline" / "control.ndjson").open("a") as file:
        file.write('{"t_ns": 5, "source": "control", "kind": "nonsense"}\n{"t_ns": 6, "sou')
    evidence = run.load(run_dir)
    assert 2 == len(evidence.events)
    assert ["timeline/control.ndjson:3", "timeline/control.ndjson:4"] == [
        line.split(": ")[0] for line in evidence.problems[1:]
    ]


def test_wall_time_is_placed_between_the_clock_samples(run_dir):
    """A wall instant between two samples gets the offset in between: 200 ns of the 400 that the clocks drifted."""
    clock = run.load(run_dir).clock
    placed = clock.to_mono_ns(np.array([1_700_000_000_001_001_200], dtype=np.int64))
    assert [1_001_000] == list(placed)
    assert 0.0004 == pytest.approx(clock.drift_ms)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no manifest.json"),
        ("{", "cannot be read"),
        ('{"format": "harness/run/9"}', "this version reads 'harness/run/1'"),
    ],
)
def test_what_is_no_run_directory_is_refused(tmp_path, content, message):
    """A directory without a readable manifest of this format is an error with the next step."""
    if content is not None:
        (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(EvidenceError, match=message):
        run.load(tmp_path)


def test_live_trial_is_refused(run_dir):
    """While a trial holds its lock nobody judges it."""
    with (run_dir / "LOCK").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(EvidenceError, match="still running"):
            run.load(run_dir)
    assert not run.load(run_dir).complete


def test_router_log_lines():
    """The router's dashes become empty values, and a line that is cut is counted, not lost silently."""
    lines = [
        '{"op_id":"r-0","start_wall_ns":"17","duration_ms":3,"cluster":"canary","upstream":"127.0.0.1:1","status":200,'
        '"flags":"-","attempts":1,"method":"GET","path":"/"}',
        '{"op_id":"r-1","start_wall_ns":"18","duration_ms":null,"cluster":"-","upstream":null,"status":0,"flags":"UH",'
        '"attempts":0,"method":"GET","path":"/"}',
        '{"op_id":"r-',
    ]
    table, bad_count = tables.routing_rows(lines, ROUTING)
    assert 1 == bad_count
    assert [("canary", 17, 3.0, ""), ("", 18, 0.0, "UH")] == [
        (row["cluster"], row["start_wall_ns"], row["duration_ms"], row["flags"]) for row in table.to_pylist()
    ]


def test_repeated_samples_are_dropped(run_dir):
    """Two fetches that overlap give each sample once, in order of time."""
    (run_dir / "metrics").mkdir()
    rows = [{"name": "up", "labels": "{}", "wall_ms": wall_ms, "value": 1.0} for wall_ms in (2, 1, 2)]
    with pa.ipc.new_stream(run_dir / "metrics" / "samples.arrows", METRICS) as stream:
        stream.write_batch(pa.RecordBatch.from_pylist(rows, schema=METRICS))
    assert [1, 2] == list(run.load(run_dir).samples["wall_ms"])


def test_final_read_that_was_cut_proves_nothing(run_dir):
    """Rows that cannot be read are a problem, and the read counts as one that did not come to its end."""
    folder = run_dir / "readback" / "store"
    folder.mkdir(parents=True)
    (folder / "meta.json").write_text('{"complete": true}')
    (folder / "rows.parquet").write_bytes(b"PAR1 cut")
    evidence = run.load(run_dir)
    assert (False, 0) == (evidence.store.complete, evidence.store.rows["op_id"].size)
    assert 1 == sum("readback/store/rows.parquet: cannot be read" in problem for problem in evidence.problems)


ODD_COLUMNS = [pa.array(["soon"]), pa.array([[1]]), pa.array([2**63], pa.uint64())]


@pytest.mark.parametrize("column", ODD_COLUMNS, ids=["text", "list", "too great"])
def test_rows_of_other_types_are_a_problem(run_dir, column):
    """A file whose values cannot be those of the format gives no rows and is named; the others are read."""
    odd = pa.Table.from_pylist([ROW], schema=OPERATIONS)
    odd = odd.set_column(OPERATIONS.get_field_index("sent_ns"), "sent_ns", column)
    pq.write_table(odd, run_dir / "operations" / "load-1.parquet")
    evidence = run.load(run_dir)
    assert ["r-0"] == list(evidence.operations["op_id"])
    assert 1 == sum("operations/load-1.parquet: has values that are not of" in one for one in evidence.problems)


def test_final_read_of_other_types_proves_nothing(run_dir):
    """Rows of a final read that cannot be those of the format count as one that did not come to its end."""
    folder = run_dir / "readback" / "store"
    folder.mkdir(parents=True)
    (folder / "meta.json").write_text('{"complete": true}')
    names = READBACK.names
    pq.write_table(pa.table([pa.array([[1]])] * len(names), names=names), folder / "rows.parquet")
    evidence = run.load(run_dir)
    assert (False, 0) == (evidence.store.complete, evidence.store.rows["op_id"].size)
    assert 1 == sum("readback/store/rows.parquet: has values that are not of" in one for one in evidence.problems)


def test_files_are_the_evidence(run_dir):
    """The list of files has what is evidence, and neither logs nor what is drawn from it."""
    (run_dir / "logs").mkdir()
    for name in ("logs/load.log", "report.html", "findings.json", "journal.json"):
        (run_dir / name).write_text("")
    assert "timeline/control.ndjson" in run.load(run_dir).files
    assert {"journal.json", "manifest.json"} == {name for name in run.load(run_dir).files if "/" not in name}
