"""`harness.open_run`: what is in the evidence is in the frames, and what is missing has a clear error."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import harness
from harness.errors import EvidenceError, MissingPartError
from harness.evidence import findings_file
from harness.evidence import run as runs
from harness.evidence.finding import Verdict
from harness.evidence.format import Kind
from harness.judge import judge
from harness.testing import histories

HOW_TO = Path(__file__).parents[3] / "docs" / "how-to" / "analyse-a-run.md"


def written(run_dir, evidence=None):
    """A sealed and judged run directory."""
    histories.write(evidence or histories.passing(), run_dir)
    findings_file.write(run_dir / "findings.json", judge(runs.load(run_dir)))
    return run_dir


@pytest.fixture(name="run")
def _run(tmp_path):
    return harness.open_run(written(tmp_path / "run"))


def test_operations_have_seconds_latency_and_track(run):
    """Each row is due where the schedule says, took from dispatch to answer, and has the track that answered."""
    row = run.operations.set_index("op_id").loc[histories.op_id(250)]
    assert 12.5 == pytest.approx(row["t_s"])
    assert (row["done_ns"] - row["sent_ns"]) / 1e6 == row["latency_ms"]
    tracks = [histories.track_of(index) for index in range(len(run.operations))]
    assert tracks == run.operations["track"].tolist()
    assert {"stable", "canary"} == set(tracks)


def test_unanswered_operation_has_no_latency_and_the_track_of_its_route(tmp_path):
    """A time-out says no version: the router's log does; where that has no row either, the track is unknown."""
    routed, unrouted = histories.op_id(240), histories.op_id(241)
    evidence = histories.updated(
        histories.passing(),
        "operations",
        lambda row: row["op_id"] in {routed, unrouted},
        outcome="unknown",
        status=0,
        version="",
    )
    evidence = histories.dropped(evidence, "routing", lambda row: row["op_id"] == unrouted)
    rows = harness.open_run(written(tmp_path / "run", evidence)).operations.set_index("op_id")
    assert histories.track_of(240) == rows.loc[routed, "track"]
    assert "unknown" == rows.loc[unrouted, "track"]
    assert rows.loc[[routed, unrouted], "latency_ms"].isna().all()
    assert rows["latency_ms"].notna().sum() == len(rows) - 2


def test_strange_version_is_other(tmp_path):
    """An answer of a version that is neither of the two is neither track's."""
    strange = histories.op_id(240)
    evidence = histories.updated(histories.passing(), "operations", lambda row: row["op_id"] == strange, version="0.9")
    frame = harness.open_run(written(tmp_path / "run", evidence)).operations
    assert [strange] == frame[frame["track"] == "other"]["op_id"].tolist()


def test_other_frames_have_every_row_and_seconds(run):
    """Schedule, routing, samples and events are whole; their seconds agree with each other's."""
    evidence = runs.load(run.run_dir)
    assert [row["offset_ns"] / 1e9 for row in histories.rows_of(evidence, "schedule")] == run.schedule["t_s"].tolist()
    assert len(evidence.routing["op_id"]) == len(run.routing)
    both = run.operations.merge(run.routing, on="op_id", suffixes=("", "_routed"))
    assert (both["t_s_routed"] - both["t_s"]).abs().max() < 0.1
    assert len(evidence.samples["name"]) == len(run.metrics)
    assert [str(event.kind) for event in evidence.events] == run.events["kind"].tolist()
    fault = run.events[run.events["kind"] == "fault_on"].iloc[0]
    assert histories.FAULT_S == pytest.approx(fault["t_s"], abs=0.1)
    assert "http_5xx" == fault["data"]["fault"]


def test_metric_has_a_column_for_each_label(run):
    """Labels are expanded for one metric, and an unknown one is refused with the names that there are."""
    alerts = run.metric("ALERTS")
    firing = alerts[(alerts["alertstate"] == "firing") & (alerts["alertname"] == histories.ALERT)]
    assert histories.FIRING_S == pytest.approx(firing["t_s"].min(), abs=0.01)
    with pytest.raises(EvidenceError, match=r"no sample of 'ALERT'; there are .*ALERTS"):
        run.metric("ALERT")


def test_label_named_like_a_column_is_kept_beside_it(tmp_path):
    """A metric may have a label `t_s`; it does not take the place of the sample's seconds."""
    evidence = histories.added(histories.passing(), "samples", histories.sample(3.0, "odd", 7.0, **{"t_s": "text"}))
    (row,) = harness.open_run(written(tmp_path / "run", evidence)).metric("odd").to_dict("records")
    assert {"t_s": pytest.approx(3.0), "value": 7.0, "label_t_s": "text"} == row


def test_findings_are_those_of_the_file(run):
    """Verdict and findings are the judge's, and a run that was not judged names what to do."""
    assert run.findings == findings_file.read(run.run_dir / "findings.json")
    assert Verdict.PASS is run.verdict
    (run.run_dir / "findings.json").unlink()
    with pytest.raises(EvidenceError, match=r"was not judged yet: run `harness judge .*run`"):
        _ = harness.open_run(run.run_dir).findings


def test_changed_file_is_not_as_sealed(run):
    """A run is sealed only as long as no file of it was changed."""
    assert run.sealed
    (run.run_dir / "journal.json").write_text("{}")
    changed = harness.open_run(run.run_dir)
    assert not changed.sealed
    assert ("journal.json: in the directory but not in the seal",) == changed.problems


def test_cut_run_is_not_sealed(tmp_path):
    """A trial that was cut is no sealed one, whether its guard sealed it or nobody; its rows are there all the same."""
    run = harness.open_run(written(tmp_path / "run", replace(histories.passing(), complete=False)))
    assert not run.sealed
    assert len(run.operations) > 0
    (run.run_dir / "SEAL").unlink()
    assert not harness.open_run(run.run_dir).sealed


def test_seconds_without_a_zero_are_not_numbers(tmp_path):
    """Where the load never started there is nothing to count from, and no row pretends that there is."""
    run = harness.open_run(written(tmp_path / "run", histories.without_events(histories.passing(), Kind.LOAD_STARTED)))
    assert run.operations["t_s"].isna().all()
    assert run.events["t_s"].isna().all()
    assert run.events["t_ns"].min() > 0


def test_no_run_directory_is_refused(tmp_path):
    """A folder without a manifest is no run."""
    with pytest.raises(EvidenceError, match=r"no manifest\.json: not a run directory"):
        harness.open_run(tmp_path)


def test_missing_pandas_names_the_extra(run, monkeypatch):
    """Where pandas is not installed, frames say which extra has it; findings do without."""
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingPartError, match=r"with its extra \[data\]"):
        _ = run.operations
    assert Verdict.PASS is run.verdict


IMPORTS = "import sys; {}; print(sorted(set(sys.modules) & {{'pandas', 'numpy', 'pyarrow', 'harness.frames'}}))"


@pytest.mark.parametrize(
    ("statement", "loaded"),
    [
        ("import harness", []),
        ("import harness.judge, harness.report, harness.cli.judge", ["numpy", "pyarrow"]),
        ("import harness; harness.open_run", []),
    ],
)
@pytest.mark.slow
def test_imports_stay_cheap(statement, loaded):
    """`import harness` loads nothing, and neither judge nor report loads pandas."""
    argv = [sys.executable, "-c", IMPORTS.format(statement)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True)
    assert str(loaded) == done.stdout.strip()


@pytest.mark.slow
def test_how_to_runs(tmp_path, monkeypatch, capsys):
    """The code of the page runs on a run directory and prints what it says."""
    written(tmp_path / "reports" / "run")
    (tmp_path / "reports" / "latest").symlink_to("run")
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"^```python\n(.*?)^```$", HOW_TO.read_text(), re.MULTILINE | re.DOTALL)
    exec(compile(code, str(HOW_TO), "exec"), {})
    printed = capsys.readouterr().out
    assert printed.startswith("PASS")
    assert re.search(rf"^{histories.ALERT} +13\.3 ", printed, re.MULTILINE)
    assert re.search(r"^canary +failed +\d+$", printed, re.MULTILINE)
    assert printed.endswith("[]\n")
