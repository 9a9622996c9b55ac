"""What holds of every judgement, whatever the trial: drawn histories instead of written ones."""

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.evidence import findings_file
from harness.evidence.finding import Verdict, merge
from harness.judge import data_loss, judge, softened
from harness.judge.chain import gather
from harness.testing import histories as h
from harness.testing.cases import rule_of

VERDICTS = st.sampled_from(Verdict)
PASSING = h.passing()
ACKED = [row["op_id"] for row in h.rows_of(PASSING, "operations") if row["seq"] >= 0 and row["outcome"] == "ok"]
TABLES = ("operations", "schedule", "routing", "samples", "service", "store")
KINDS = sorted({event.kind for event in PASSING.events})


@given(st.lists(VERDICTS), st.lists(VERDICTS))
def test_merge_is_associative(first, second):
    """Merging parts and then the parts' verdicts is merging all of it."""
    assert merge([*first, *second]) == merge([merge(first), merge(second)])


@given(st.lists(VERDICTS), st.randoms(use_true_random=False))
def test_merge_is_commutative(verdicts, shuffler):
    """The order of the parts does not matter."""
    shuffled = list(verdicts)
    shuffler.shuffle(shuffled)
    assert merge(verdicts) == merge(shuffled)


@given(st.lists(VERDICTS))
def test_pass_is_neutral(verdicts):
    """One more PASS changes nothing, and nothing at all is PASS."""
    assert merge(verdicts) == merge([*verdicts, Verdict.PASS])
    assert Verdict.PASS == merge([])


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(ACKED), st.sampled_from([("store",), ("service",), ("service", "store")]))
def test_any_lost_write_is_red(op_id, names):
    """Any one acknowledged write that any read lacks fails the trial, by a witness that names it."""
    evidence = PASSING
    for name in names:
        evidence = h.dropped(evidence, name, lambda row: row["op_id"] == op_id)
    findings = judge(evidence)
    assert Verdict.FAIL == findings.verdict
    assert "data_loss" == findings.headline.check
    assert op_id in findings.headline.says


@settings(deadline=None, max_examples=20)
@given(st.sampled_from(TABLES), st.integers(0, 2**32))
def test_order_of_rows_changes_nothing(name, seed):
    """Rows may come in any order: the findings are the same, byte for byte."""
    rows = h.rows_of(PASSING, name)
    random.Random(seed).shuffle(rows)
    assert findings_file.encode(judge(PASSING)) == findings_file.encode(judge(h.with_rows(PASSING, name, rows)))


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**32))
def test_order_of_red_rows_changes_nothing(seed):
    """Nor do they where much is wrong: what is named first does not depend on where it stood."""
    broken = h.updated(PASSING, "store", lambda row: row["seq"] % 8 == 0, payload_hash="other", position=999)
    rows = h.rows_of(broken, "store")
    random.Random(seed).shuffle(rows)
    assert findings_file.encode(judge(broken)) == findings_file.encode(judge(h.with_rows(broken, "store", rows)))


def test_twice():
    """Judging twice gives the same bytes."""
    assert findings_file.encode(judge(h.passing())) == findings_file.encode(judge(h.passing()))


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_less_evidence_is_never_better(data):
    """Rows and events that are missing never turn a red trial green, nor do they break a check."""
    evidence = h.with_expect(h.dropped(PASSING, "store", lambda row: row["op_id"] == ACKED[0]), detect_s_max=1.0)
    for name in data.draw(st.lists(st.sampled_from(TABLES), max_size=2)):
        seed, share = data.draw(st.integers(0, 99)), data.draw(st.sampled_from([0.02, 0.5, 1.0]))
        draw = random.Random(seed)
        kept = [row for row in h.rows_of(evidence, name) if draw.random() > share]
        evidence = h.with_rows(evidence, name, kept)
    for kind in data.draw(st.lists(st.sampled_from(KINDS), max_size=2)):
        evidence = h.without_events(evidence, kind)
    findings = judge(evidence)
    assert Verdict.PASS != findings.verdict
    assert not [rule for check in findings.checks for rule in check.rules if rule.id == "crashed"]


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.integers(0, 3_000), min_size=20, max_size=20), st.lists(st.integers(-1, 8), min_size=20, max_size=20)
)
def test_order_rule_against_its_definition(done_ms, positions):
    """The vectorised order rule finds what comparing every pair of stored writes finds."""
    done_ns = {op_id: h.at_ns(after / 1_000) for op_id, after in zip(ACKED, done_ms, strict=False)}
    place = dict(zip(ACKED, positions, strict=False))
    evidence = h.changed(
        PASSING, "operations", lambda row: {**row, "done_ns": done_ns.get(row["op_id"], row["done_ns"])}
    )
    evidence = h.changed(
        evidence, "store", lambda row: {**row, "position": place[row["op_id"]]} if row["op_id"] in place else None
    )
    ledger = data_loss.ledger_of(gather(evidence))
    _, store = data_loss.found_in((evidence.service, evidence.store), ledger)
    places = data_loss.disordered_places(ledger, store)
    assert _disordered(evidence) == sorted(ledger.op_id[places].tolist())


def _disordered(evidence):
    """op_ids of acknowledged writes of a key that stand behind a write that was sent after their acknowledgement."""
    sent = {row["op_id"]: row for row in h.rows_of(evidence, "operations")}
    rows = [row for row in h.rows_of(evidence, "store") if row["position"] >= 0]
    return sorted(
        {
            late["op_id"]
            for late in rows
            for other in rows
            if late["key"] == other["key"]
            and other["position"] < late["position"]
            and sent[other["op_id"]]["sent_ns"] // 1_000 > sent[late["op_id"]]["done_ns"] // 1_000
        }
    )


@settings(deadline=None, max_examples=30)
@given(
    st.lists(st.sampled_from(sorted({rule.id for check in judge(PASSING).checks for rule in check.rules})), max_size=5)
)
def test_softening_never_hides(rule_ids):
    """On shaky ground no rule gets better than INCONCLUSIVE, and a FAIL by a witness stays."""
    checks = [
        replace(
            check,
            rules=tuple(
                replace(rule, verdict=Verdict.FAIL if rule.id in rule_ids else rule.verdict) for rule in check.rules
            ),
            verdict=Verdict.INCONCLUSIVE if check.id == "generator" else check.verdict,
        )
        for check in judge(PASSING).checks
    ]
    for before, after in zip(checks, softened(checks), strict=True):
        for was, now in zip(before.rules, after.rules, strict=True):
            stays = was.verdict is not Verdict.FAIL or was.kind == "witness"
            assert (was.verdict if stays else Verdict.INCONCLUSIVE) == now.verdict


def test_rule_of_names_what_was_asked():
    """Asking for a rule that was not asked is an error, not a PASS."""
    with pytest.raises(LookupError, match="alert/fierd"):
        rule_of(judge(PASSING), "alert", "fierd")
