"""The ledger: counts, reads, offenders."""

from dataclasses import replace

from harness.evidence.format import READBACK
from harness.evidence.run import ReadBack
from harness.report import ledger


def test_rows_add_up(trials):
    """Attempted is ok, failed and unknown; the total is the sum of the rows; all acknowledged ones are found."""
    evidence, findings = trials.rolled_back()
    found = ledger.build(evidence, findings, 0)
    writes = int((evidence.operations["seq"] >= 0).sum())
    assert writes == sum(row.attempted for row in found.rows) == found.total.attempted
    assert found.total.attempted == found.total.ok + found.total.failed + found.total.unknown
    assert (found.total.ok, found.total.ok) == (found.total.ok_in_service, found.total.ok_in_store)
    assert ["stable", "stable", "canary", "canary"] == [row.track for row in found.rows]
    assert 0 == found.offenders_count


def test_lost_writes_are_named_by_the_judge_first(trials):
    """The three lost writes are the offenders, with the check that names them."""
    evidence, findings = trials.lost_writes()
    found = ledger.build(evidence, findings, trials.at(26.41))
    lost = next(check for check in findings.checks if check.id == "data_loss").measured["lost_op_ids"]
    assert list(lost) == [item.op_id for item in found.offenders]
    assert {"data_loss: lost"} == {item.why for item in found.offenders}
    assert found.total.ok - 3 == found.total.ok_in_store


def test_missing_write_is_an_offender_without_a_judge(trials):
    """What a whole read lacks is named though no check names it, and at most ten are shown."""
    evidence, _ = trials.rolled_back()
    none = replace(evidence.store, rows=trials.table(READBACK, []))
    found = ledger.build(replace(evidence, store=none), trials.findings(), 0)
    assert found.total.ok == found.offenders_count
    assert 10 == len(found.offenders)
    assert "acknowledged, but not found in the store" == found.offenders[0].why


def test_read_that_was_cut_proves_nothing(trials):
    """A read without its end makes no offender and says why."""
    evidence, findings = trials.rolled_back()
    cut = ReadBack(meta={"complete": False, "error": "connection reset"}, rows=trials.table(READBACK, []))
    found = ledger.build(replace(evidence, store=cut), findings, 0)
    assert 0 == found.offenders_count
    assert "did not come to its end after 0 rows: connection reset" in found.store


def test_read_that_was_never_made_says_so(trials):
    """An interrupted trial's ledger says that nothing was read."""
    found = ledger.build(*trials.interrupted(), 0)
    assert "The final read of the store was never made, so nothing is known from it." == found.store


def test_effects_of_failed_and_unknown_writes_are_counted(trials):
    """A failed write in the store and an unknown one in the store stand in their own columns."""
    rows = trials.operations()
    failed = next(row for row in rows if row["seq"] >= 0 and row["outcome"] == "failed")
    unknown = next(row for row in rows if row["seq"] >= 0 and row["outcome"] == "unknown")
    store = trials.read_back([*rows, failed | {"outcome": "ok"}, unknown | {"outcome": "ok"}])
    found = ledger.build(trials.evidence(rows, trials.events(), store=store), trials.findings(), 0)
    assert (1, 1) == (found.total.failed_in_store, found.total.unknown_in_store)
