"""A history written as a run directory and read again is the same history."""

from dataclasses import replace

import pytest

from harness.evidence import findings_file, run
from harness.evidence.finding import Verdict
from harness.judge import judge
from harness.testing import histories as h

TABLES = ("operations", "schedule", "routing", "samples", "service", "store")


def in_order(items):
    return sorted(repr(item) for item in items)


@pytest.mark.parametrize("make", [h.passing, h.promoted, h.held])
def test_round_trip(make, tmp_path):
    """What `load` gives is what was written: rows, instants, events, notifications and reads."""
    written = make()
    h.write(written, tmp_path / "run")
    read = run.load(tmp_path / "run")
    assert () == read.problems
    assert written.complete == read.complete
    assert written.manifest == read.manifest
    assert in_order(written.events) == in_order(read.events)
    assert written.notifications == read.notifications
    assert (written.service.meta, written.store.meta) == (read.service.meta, read.store.meta)
    for name in TABLES:
        assert in_order(h.rows_of(written, name)) == in_order(h.rows_of(read, name))
    assert sorted(written.routing["start_ns"]) == sorted(read.routing["start_ns"])
    assert sorted(written.samples["t_ns"]) == sorted(read.samples["t_ns"])


@pytest.mark.parametrize("make", [h.passing, h.promoted, h.held])
def test_judged_from_disk(make, tmp_path):
    """The directory and the object it was written from are judged alike, byte for byte, and pass."""
    h.write(make(), tmp_path / "run")
    findings = judge(run.load(tmp_path / "run"))
    assert Verdict.PASS == findings.verdict
    assert findings_file.encode(judge(make())) == findings_file.encode(findings)


@pytest.mark.parametrize("broken", [(), ({"name": "sum", "detail": "is 3, not 2", "op_ids": ["a"]},)])
def test_invariants(broken, tmp_path):
    """What the kit found broken comes back, also when it is nothing; without the file it was not asked."""
    h.write(replace(h.passing(), invariants=broken), tmp_path / "run")
    assert broken == run.load(tmp_path / "run").invariants
    h.write(h.passing(), tmp_path / "unasked")
    assert run.load(tmp_path / "unasked").invariants is None


@pytest.mark.parametrize("content", ["{", '{"name": 1}', '[{"name": "sum"}]'])
def test_invariants_that_cannot_be_read(content, tmp_path):
    """A file of invariants that is none is a problem of the directory, not a kit without broken ones."""
    h.write(replace(h.passing(), invariants=()), tmp_path / "run")
    (tmp_path / "run" / "readback" / "invariants.json").write_text(content)
    found = run.load(tmp_path / "run")
    assert found.invariants is None
    assert [problem for problem in found.problems if problem.startswith("readback/invariants.json: ")]


def test_changed_file(tmp_path):
    """A byte changed after the seal is seen by rule `intact`, whatever else it does."""
    h.write(h.passing(), tmp_path / "run")
    with (tmp_path / "run" / "timeline" / "load.ndjson").open("a") as file:
        file.write("\n")
    findings = judge(run.load(tmp_path / "run"))
    assert ("INCONCLUSIVE", "evidence", "intact") == (
        findings.verdict,
        findings.headline.check,
        findings.headline.rule,
    )


def test_missing_seal(tmp_path):
    """A directory without a seal is an interrupted trial."""
    h.write(h.passing(), tmp_path / "run")
    (tmp_path / "run" / "SEAL").unlink()
    findings = judge(run.load(tmp_path / "run"))
    assert ("INCONCLUSIVE", "evidence", "sealed_complete") == (
        findings.verdict,
        findings.headline.check,
        findings.headline.rule,
    )
