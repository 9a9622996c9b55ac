"""Who was hurt: requests and distinct users, by who gave the bad answer."""

import numpy as np

from harness.evidence.format import Outcome
from harness.judge import judge
from harness.report import impact, ledger
from harness.report.impact import Count
from harness.testing import histories


def counted(evidence):
    """The impact of a trial with its own ledger's losses."""
    return impact.impact(evidence, ledger.build(evidence, judge(evidence), 0).gone)


def test_counts_are_those_of_the_operations():
    """Of the passing history the canary's bad answers and their users are counted, and stable has none."""
    evidence = histories.passing()
    bad = [row for row in histories.rows_of(evidence, "operations") if row["outcome"] != "ok"]
    found = counted(evidence)
    assert Count(len(bad), len({row["user"] for row in bad})) == found.by_canary
    assert Count(0, 0) == found.by_stable
    assert 0 < found.by_canary.users


def test_users_are_the_judges():
    """All users with a bad answer are as many as the check `requests` measures."""
    evidence = histories.passing()
    measured = next(check for check in judge(evidence).checks if check.id == "requests").measured
    found = counted(evidence)
    assert (measured["users_impacted_count"], measured["users_count"]) == (found.by_canary.users, found.everybody.users)


def test_two_requests_of_one_user_are_one_user():
    """A user is counted once, a request each time."""
    changes = {"outcome": str(Outcome.UNKNOWN), "user": 3}
    evidence = histories.updated(
        histories.promoted(),
        "operations",
        lambda row: row["op_id"] in {histories.op_id(0), histories.op_id(1)},
        **changes,
    )
    assert Count(2, 1) == counted(evidence).by_stable


def test_late_answers_are_spoilt():
    """An ok answer with the fault's mark is no bad one, and is told apart."""
    evidence = histories.updated(
        histories.passing(), "operations", lambda row: row["fault_mark"] != "", outcome="ok", status=200
    )
    found = counted(evidence)
    assert 0 == found.by_canary.requests < found.spoilt_by_canary.requests
    assert "late or otherwise spoilt" in found.sentence


def test_lost_writes_are_told():
    """An acknowledged write that a whole final read lacks is gone; a read that was cut proves nothing."""
    lost = histories.dropped(histories.passing(), "store", lambda row: row["op_id"] == histories.op_id(0))
    assert "1 acknowledged write of 1 user is gone." in counted(lost).sentence
    assert "gone" not in counted(histories.with_read_meta(lost, "store", complete=False)).sentence


def test_nothing_recorded_is_said(trials):
    """Without a request nobody knows who was hurt."""
    evidence, findings = trials.empty()
    book = ledger.build(evidence, findings, 0)
    assert "nobody knows who was hurt" in impact.impact(evidence, book.gone).sentence


def test_sentence_starts_with_the_canary(trials):
    """The first sentence has requests, users and both wholes."""
    evidence, findings = trials.rolled_back()
    tracks, bad = evidence.operations["version"] == "1.1", evidence.operations["outcome"] != "ok"
    users = np.unique(evidence.operations["user"][tracks & bad]).size
    start = f"{int((tracks & bad).sum())} requests of {users} distinct users got a bad answer from the canary, of "
    book = ledger.build(evidence, findings, 0)
    assert impact.impact(evidence, book.gone).sentence.startswith(start)
