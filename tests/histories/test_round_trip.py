"""A history written as a run directory and read again is the same history."""

import pytest

from harness.evidence import findings_file, run
from harness.evidence.finding import Verdict
from harness.judge import judge
from harness.testing import histories as h

TABLES = ("operations", "schedule", "routing", "samples", "service", "store")


def in_order(items):
    return sorted(repr(item) for item in items)


@pytest.mark.parametrize("make", [h.passing, h.promoted])
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


@pytest.mark.parametrize("make", [h.passing, h.promoted])
def test_judged_from_disk(make, tmp_path):
    """The directory and the object it was written from are judged alike, byte for byte, and pass."""
    h.write(make(), tmp_path / "run")
    findings = judge(run.load(tmp_path / "run"))
    assert Verdict.PASS == findings.verdict
    assert findings_file.encode(judge(make())) == findings_file.encode(findings)


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
