"""The whole judgement: merge, headline, what is not asked, what breaks, and what is not there."""

from dataclasses import replace

import numpy as np
import pytest

from harness.evidence.finding import Findings, RuleKind, Verdict
from harness.evidence.format import METRICS, OPERATIONS, READBACK, ROUTING, SCHEDULE, Kind
from harness.evidence.run import Clock, Evidence, ReadBack
from harness.evidence.tables import columns
from harness.judge import CHECKS, ORDER, judge
from harness.judge.saying import witness
from harness.testing import histories as h
from harness.testing.cases import red_rules, rule_of

OPEN = Verdict.INCONCLUSIVE
FAIL = Verdict.FAIL
TABLES = ("operations", "schedule", "routing", "samples", "service", "store")


def verdicts(findings: Findings):
    return {check.id: check.verdict for check in findings.checks}


def nothing(manifest):
    """A sealed directory with a manifest and nothing else."""
    empty = np.array([], dtype=np.int64)
    return Evidence(
        run_dir="",
        manifest=manifest,
        complete=True,
        problems=(),
        events=(),
        clock=Clock(empty, empty),
        operations=columns(OPERATIONS.empty_table()),
        schedule=columns(SCHEDULE.empty_table()),
        routing={**columns(ROUTING.empty_table()), "start_ns": empty},
        samples={**columns(METRICS.empty_table()), "t_ns": empty},
        notifications=(),
        service=ReadBack({}, columns(READBACK.empty_table())),
        store=ReadBack({}, columns(READBACK.empty_table())),
    )


@pytest.mark.parametrize("make", [h.passing, h.promoted, h.held])
def test_passes(make):
    """The two histories pass in every check and rule, and have no headline."""
    findings = judge(make())
    assert Verdict.PASS == findings.verdict
    assert {} == red_rules(findings)
    assert ("", "", "") == (findings.headline.check, findings.headline.rule, findings.headline.says)


def test_all_checks_in_order():
    """Every check is asked, in the order of the chain, under its own name."""
    assert ORDER == tuple(check.id for check in judge(h.passing()).checks)


@pytest.mark.parametrize("make", [h.passing, h.promoted, h.held])
def test_empty_evidence(make):
    """Without any evidence every check is INCONCLUSIVE: no data proves nothing, either way."""
    findings = judge(nothing(make().manifest))
    asked = [name for name in ORDER if name not in findings.not_asked]
    assert dict.fromkeys(asked, OPEN) == verdicts(findings)


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("make", [h.passing, h.promoted, h.held])
def test_empty_stream(make, table):
    """No stream can be empty without costing the PASS."""
    assert Verdict.PASS != judge(h.dropped(make(), table)).verdict


@pytest.mark.parametrize(
    "kind", sorted({event.kind for event in h.passing().events} - {"phase", "load_ready", "load_tick", "outcome"})
)
def test_missing_events(kind):
    """Kinds of events that a rule needs cannot be missing without costing the PASS; the others do not count."""
    unneeded = {"trial_opened", "rollout_started", "webhook_received", "weight_set", "rollout_finished", "team_told"}
    findings = judge(h.without_events(h.passing(), kind))
    assert (kind in unneeded) == (findings.verdict is Verdict.PASS)


def test_not_asked_by_target():
    """A check that the target declares not applicable is listed and has no finding."""
    findings = judge(h.with_manifest(h.dropped(h.passing(), "store"), not_asked=["data_loss"]))
    assert ("data_loss",) == findings.not_asked
    assert "data_loss" not in verdicts(findings)
    assert Verdict.PASS == findings.verdict


def test_no_fault_is_not_asked():
    """An experiment without a fault is not asked about it."""
    findings = judge(h.promoted())
    assert ("fault",) == findings.not_asked
    assert "fault" not in verdicts(findings)


def test_evidence_is_always_asked():
    """A target cannot declare that the evidence does not matter."""
    findings = judge(h.with_manifest(replace(h.passing(), complete=False), not_asked=["evidence"]))
    assert () == findings.not_asked
    assert OPEN == findings.verdict


@pytest.mark.parametrize(
    "shaken",
    [
        lambda evidence: replace(evidence, complete=False),
        lambda evidence: h.with_event_data(evidence, "host_sample", cpu_percent={"load": 99.0}),
        lambda evidence: h.updated(evidence, "routing", lambda row: row["op_id"] == h.op_id(42), attempts=2),
    ],
    ids=["evidence", "generator", "fault"],
)
def test_ground(shaken):
    """On shaky ground a bound that was broken is INCONCLUSIVE and says so; a lost write stays FAIL."""
    late = shaken(h.with_expect(h.passing(), detect_s_max=1.0))
    rule = rule_of(judge(late), "alert", "in_time")
    assert OPEN == rule.verdict
    assert "would be FAIL, but nothing can be inferred" in rule.says
    assert OPEN == judge(late).verdict
    lost = shaken(h.dropped(h.passing(), "store", lambda row: row["op_id"] == h.op_id(160)))
    assert FAIL == rule_of(judge(lost), "data_loss", "vanished").verdict
    assert ("data_loss", "vanished") == (judge(lost).headline.check, judge(lost).headline.rule)


def test_headline_is_earliest_cause():
    """Of two checks that fail, a witness is the headline, else the one that comes first in the chain."""
    both = h.dropped(h.with_expect(h.passing(), detect_s_max=1.0), "store", lambda row: row["op_id"] == h.op_id(160))
    assert {"alert/in_time": FAIL, "data_loss/vanished": FAIL} == red_rules(judge(both))
    assert ("data_loss", "vanished") == (judge(both).headline.check, judge(both).headline.rule)
    late = h.with_expect(h.passing(), detect_s_max=1.0, shifted_s_max=1.0)
    assert {"alert/in_time": FAIL, "rollback/late": FAIL} == red_rules(judge(late))
    assert ("alert", "in_time") == (judge(late).headline.check, judge(late).headline.rule)


def test_rollback_for_another_reason_takes_the_alert_its_time():
    """Where another alert rolled back before the required one had its time, the headline is the cause."""
    silent = h.dropped(h.passing(), "samples", lambda row: '"alertstate": "firing"' in row["labels"])
    assert silent.samples["t_ns"].size < h.passing().samples["t_ns"].size
    other = h.with_event_data(silent, Kind.DECIDED, lambda one: one.data["decision"] == "roll_back", alert="CanaryDown")
    findings = judge(other)
    assert ("FAIL", "rollback", "cause") == (findings.verdict, findings.headline.check, findings.headline.rule)
    assert OPEN == rule_of(findings, "alert", "fired").verdict
    assert FAIL == rule_of(judge(silent), "alert", "fired").verdict


def test_summary_is_leading_rule():
    """A red check's summary is what its leading rule says; a witness leads."""
    findings = judge(h.with_expect(h.passing(), detect_s_max=1.0))
    alert = next(check for check in findings.checks if check.id == "alert")
    assert rule_of(findings, "alert", "in_time").says == alert.summary == findings.headline.says


def cut_at(seconds):
    """The control was killed: the guard heals, stops and seals, and records neither heal, purge nor reads."""

    def is_late(row):
        return int(row["op_id"].rsplit("-", 1)[1]) / h.RATE_RPS > seconds

    evidence = replace(h.passing(), complete=False)
    for name in ("operations", "routing"):
        evidence = h.dropped(evidence, name, is_late)
    for name in ("service", "store"):
        evidence = replace(h.dropped(evidence, name), **{name: ReadBack({}, columns(READBACK.empty_table()))})
    evidence = h.dropped(evidence, "samples", lambda row: row["wall_ms"] * 1_000_000 > h.wall_at_ns(seconds))
    ended = {"process_exited", "census"}
    kept = [event for event in evidence.events if event.t_ns <= h.at_ns(seconds) or event.kind in ended]
    for kind in {event.kind for event in evidence.events}:
        evidence = h.without_events(evidence, kind, lambda event: event not in kept)
    return h.with_events(evidence, h.event(seconds, "guard", Kind.GUARD_FINISHING, why="the control is gone"))


@pytest.mark.parametrize("seconds", [3.0, 11.0, 13.35, 13.44, 15.0, 25.0])
def test_cut_trial(seconds):
    """A trial that was cut is INCONCLUSIVE wherever it was cut: what it never got to is no witness."""
    findings = judge(cut_at(seconds))
    assert OPEN == findings.verdict
    assert ("evidence", "no_errors") == (findings.headline.check, findings.headline.rule)
    assert "the control is gone" in findings.headline.says
    assert not [rule for rule in red_rules(findings) if rule.endswith("/crashed")]


def test_cut_trial_with_a_lost_write():
    """A trial that was cut after its reads still fails for a write that both show to be lost."""
    lost = h.dropped(replace(h.passing(), complete=False), "store", lambda row: row["op_id"] == h.op_id(160))
    assert ("FAIL", "data_loss", "vanished") == (
        judge(lost).verdict,
        judge(lost).headline.check,
        judge(lost).headline.rule,
    )


class Unspeakable:
    """What no check can print."""

    def __str__(self):
        raise ValueError("unspeakable")


def unanswered_probes(when):
    """The probes were asked, and what they answered is not on record."""
    others = h.without_events(h.passing(), Kind.HYPOTHESIS, lambda event: event.data["when"] == when)
    return h.with_events(others, h.event(4.88, "control", Kind.HYPOTHESIS, when=when))


BREAKS = {
    "evidence": lambda: replace(h.passing(), problems=(None,)),
    "generator": lambda: h.with_event_data(h.passing(), "host_sample", cpu_percent={"load": "much"}),
    "baseline": lambda: unanswered_probes("before"),
    "fault": lambda: h.with_manifest(h.passing(), fault={"kind": "http_5xx", "arguments": {}}),
    "split": lambda: h.with_expect(h.passing(), split_points_max="few"),
    "alert": lambda: without_expect("detect_s_max"),
    "requests": lambda: h.with_events(h.passing(), h.event(29.0, "control", Kind.PHASE, phase=Unspeakable())),
    "rollback": lambda: without_expect("drained_s_max"),
    "data_loss": lambda: without_expect("loss_rate_detectable_max"),
    "recovery": lambda: unanswered_probes("after"),
    "cleanup": lambda: h.with_event_data(h.passing(), "purged", rows_left="none"),
}


def without_expect(name):
    expect = {key: value for key, value in h.passing().manifest["expect"].items() if key != name}
    return h.with_manifest(h.passing(), expect=expect)


@pytest.mark.parametrize("check", sorted(CHECKS))
def test_check_that_breaks(check):
    """A check that breaks is INCONCLUSIVE with where it broke; every other check still speaks."""
    findings = judge(BREAKS[check]())
    rule = rule_of(findings, check, "crashed")
    assert (OPEN, RuleKind.INFERENCE) == (rule.verdict, rule.kind)
    assert "/" not in rule.says
    assert f"{check}.py:" in rule.says or "evidence_check.py:" in rule.says
    assert {f"{check}/crashed": OPEN} == red_rules(findings)
    assert OPEN == findings.verdict


def test_facts_that_break():
    """Where what all checks share cannot be worked out, every check is INCONCLUSIVE and says why."""
    findings = judge(h.with_event_data(h.passing(), "load_started", start_ns=None))
    assert dict.fromkeys(ORDER, OPEN) == verdicts(findings)
    assert all("TypeError" in check.summary for check in findings.checks)
    assert not [name for name, edge in findings.chain.items() if edge.known]


def test_rule_ids_are_unique_in_a_check():
    """A rule is named once in its check, so that "check/rule" names one saying."""
    for make in (h.passing, h.promoted, h.held):
        for check in judge(make()).checks:
            ids = [rule.id for rule in check.rules]
            assert sorted(set(ids)) == sorted(ids)


def test_plant_is_never_read():
    """The name of a planted defect changes nothing in the judgement."""
    assert judge(h.passing()) == judge(h.with_manifest(h.passing(), plant="five_percent"))


def test_witness_kind():
    """What a concrete row refutes is a witness."""
    assert RuleKind.WITNESS == witness("x", FAIL, "").kind
