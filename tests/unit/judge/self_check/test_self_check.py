"""Every PASS is tried: each mutation is caught, and a judge that became blind in one rule is found out."""

from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner

from harness.cli.judge import command
from harness.evidence import findings_file
from harness.evidence.finding import Finding, Headline, RuleKind, SelfCheckCount, Verdict, merge
from harness.judge import CHECKS, judge
from harness.judge.chain import gather
from harness.judge.self_check import ID, MUTATIONS, Mutation, Skipped, self_check, self_checked
from harness.testing import histories as h
from harness.testing.cases import red_rules

OPEN = Verdict.INCONCLUSIVE
HISTORIES = {"passing": h.passing(), "promoted": h.promoted(), "held": h.held(), "removed": h.removed()}
FACTS = {name: gather(evidence) for name, evidence in HISTORIES.items()}
FINDINGS = {name: judge(evidence) for name, evidence in HISTORIES.items()}
ONLY_PROMOTED = {"promotion_decides_a_rollback", "promotion_never_finishes"}
ONLY_HELD = {"hold_erased", "held_for_no_alert", "held_at_another_weight", "step_after_the_hold", "held_unwatched"}
# What no history has: an experiment that asks what the split resolves, invariants, and parameters of the rules.
NOWHERE = {"split_of_few_requests", "invariant_broken", "alert_later_than_chance"}
ONLY_MOVED = {
    "half_the_answers_of_nobody",
    "hold_unwatched",
    "late_dispatch_by_router",
    "late_dispatch_by_version",
    "late_dispatch_contradicted",
    "no_router_log",
    "route_keeps_5_percent",
    "route_returns_to_5_percent",
}
ONLY_ROLLED_BACK = {
    "alert_fires_for_stable",
    "canary_runs_at_the_end",
    "decided_before_the_fault",
    "decided_for_no_alert",
    "decision_erased",
    "drained_too_late",
    "gone_at_the_shift",
    "shifted_too_late",
    "stable_answer_marked",
    "status_keeps_5_percent",
}
ONLY_WITH_A_FAULT = {
    "alert_before_the_fault",
    "alert_never_fires",
    "alert_never_resolves",
    "alert_too_late",
    "failed_write_is_there",
    "fault_marks_erased",
    "fault_never_healed",
    "fault_of_other_strength",
    "marked_after_the_heal",
    "marked_before_the_fault",
    "no_router_log_of_retries",
    "no_samples",
    "nobody_notified",
    "prometheus_dies",
    "router_retried",
    "team_not_told",
}
ONLY_REMOVED = {"canary_not_removed"}
SKIPPED = {
    "passing": {*ONLY_PROMOTED, *ONLY_HELD, *ONLY_REMOVED, *NOWHERE},
    "removed": {*ONLY_PROMOTED, *ONLY_HELD, *NOWHERE},
    "promoted": {*ONLY_ROLLED_BACK, *ONLY_WITH_A_FAULT, *ONLY_HELD, *ONLY_REMOVED, *NOWHERE},
    "held": {*ONLY_ROLLED_BACK, *ONLY_PROMOTED, *ONLY_MOVED, *ONLY_REMOVED, *NOWHERE},
}
TRIED = [
    pytest.param(history, mutation, id=f"{history}-{mutation.name}")
    for history in HISTORIES
    for mutation in MUTATIONS
    if mutation.name not in SKIPPED[history]
    and (history != "removed" or mutation.name in ONLY_REMOVED)  # the rest is as in "passing"
]


def named(name):
    return next(mutation for mutation in MUTATIONS if mutation.name == name)


def blind(check, rule):
    """The judge with one rule that always says PASS."""

    def lame(facts):
        answer = CHECKS[check](facts)
        rules = tuple(replace(one, verdict=Verdict.PASS) if one.id == rule else one for one in answer.rules)
        return replace(answer, rules=rules, verdict=merge(one.verdict for one in rules))

    return {**CHECKS, check: lame}


@pytest.mark.parametrize("history", HISTORIES)
def test_every_mutation_is_caught(history):
    """On a history that passes, every mutation that it has something for is caught; the others say why not."""
    result = self_check(HISTORIES[history], FINDINGS[history])
    assert () == result.missed
    assert SKIPPED[history] == {one.name for one in result.skipped}
    assert len(MUTATIONS) == len(result.mutations) + len(result.skipped)
    assert all(one.why and one.check in CHECKS for one in result.skipped)


@pytest.mark.parametrize(("history", "mutation"), TRIED)
def test_whole_judgement_is_red(history, mutation):
    """What the named check sees by itself, the whole judgement of the same copy shows too: it is no PASS."""
    findings = judge(mutation.change(FACTS[history]))
    assert f"{mutation.check}/{mutation.rule}" in red_rules(findings)
    assert Verdict.PASS != findings.verdict


@pytest.mark.parametrize(("history", "mutation"), TRIED)
def test_blind_rule_is_found_out(history, mutation):
    """A judge in which the rule that a mutation names always says PASS is INCONCLUSIVE, for that mutation."""
    checks = blind(mutation.check, mutation.rule)
    findings = self_checked(HISTORIES[history], FINDINGS[history], checks, (mutation,))
    assert OPEN == findings.verdict
    assert (ID, mutation.name) == (findings.headline.check, findings.headline.rule)
    assert SelfCheckCount(1, 0, (mutation.name,), ()) == findings.self_check


def test_every_rule_has_a_mutation():
    """Every rule that the judge asks of these histories is named by a mutation that they have, but for those named."""
    unasked = ("split", "underpowered")  # the experiments of these histories do not say what it must resolve
    nothing_there = {
        "passing": {unasked},
        "removed": {unasked},
        "promoted": {unasked, ("cleanup", "healed"), ("data_loss", "aborted_visible")},
        "held": {unasked, ("fault", "mis_aimed")},  # both tracks are meant
    }
    for history, findings in FINDINGS.items():
        rules = {(check.id, rule.id) for check in findings.checks for rule in check.rules}
        tried = {(one.check, one.rule) for one in MUTATIONS if one.name not in SKIPPED[history]}
        assert nothing_there[history] == rules - tried


def test_every_check_has_mutations():
    """No check of the judge goes untried."""
    assert set(CHECKS) == {mutation.check for mutation in MUTATIONS}


def test_blind_rule_in_the_whole_self_check():
    """Of a whole self-check exactly the mutations that name the blind rule are missed; the first is the headline."""
    checks = blind("baseline", "hypothesis")
    findings = self_checked(HISTORIES["passing"], FINDINGS["passing"], checks)
    says = (
        "baseline/hypothesis did not see the mutation probes_said_no_before, so its PASS proves nothing "
        "(The steady-state probes said no)"
    )
    assert ("probes_said_no_before", "probes_unasked_before") == findings.self_check.missed
    assert findings.self_check.mutations_count == findings.self_check.caught_count + 2
    assert Headline(ID, "probes_said_no_before", says) == findings.headline
    added = findings.checks[-1]
    assert (ID, OPEN, says) == (added.id, added.verdict, added.summary)
    assert [RuleKind.INFERENCE] * 2 == [rule.kind for rule in added.rules]
    assert FINDINGS["passing"].checks == findings.checks[:-1]


def test_pass_stays_pass():
    """Where all are caught the findings are what they were, and say so."""
    findings = self_checked(HISTORIES["passing"], FINDINGS["passing"])
    assert FINDINGS["passing"] == replace(findings, self_check=None)
    count = len(MUTATIONS) - len(SKIPPED["passing"])
    assert (count, count, ()) == (
        findings.self_check.mutations_count,
        findings.self_check.caught_count,
        findings.self_check.missed,
    )


def test_only_a_pass_is_tried():
    """A verdict that claims nothing is left as it is."""
    late = h.with_expect(h.passing(), detect_s_max=1.0)
    findings = judge(late)
    assert findings is self_checked(late, findings)
    assert findings.self_check is None


def test_mutation_that_breaks():
    """A mutation that breaks has caught nothing, and says where it broke."""
    broken = Mutation("broken", "alert", "fired", lambda facts: facts.no_such_fact)
    (tried,) = self_check(HISTORIES["passing"], FINDINGS["passing"], mutations=(broken,)).missed
    assert Verdict.PASS == tried.got
    assert "the mutation itself broke: AttributeError" in tried.says


def test_check_that_breaks():
    """A check that breaks over a mutated copy has not seen what is wrong with it."""

    def breaks(facts):
        raise ZeroDivisionError("of a float")

    checks = {**CHECKS, "alert": breaks}
    (tried,) = self_check(HISTORIES["passing"], FINDINGS["passing"], checks, (named("alert_never_fires"),)).missed
    assert "the check has no such rule: The check itself broke: ZeroDivisionError" in tried.says


def test_facts_that_break():
    """A copy of which nothing can be gathered has shown nothing about the rule."""
    unstarted = Mutation(
        "unstarted", "alert", "fired", lambda facts: h.with_event_data(facts.evidence, "load_started", start_ns=None)
    )
    (tried,) = self_check(HISTORIES["passing"], FINDINGS["passing"], mutations=(unstarted,)).missed
    assert "TypeError" in tried.says


def test_rule_that_is_gone():
    """A rule that was taken out of its check altogether is missed, not skipped."""

    def without(facts):
        answer = CHECKS["alert"](facts)
        return replace(answer, rules=tuple(rule for rule in answer.rules if rule.id != "fired"))

    checks = {**CHECKS, "alert": without}
    (tried,) = self_check(HISTORIES["passing"], FINDINGS["passing"], checks, (named("alert_never_fires"),)).missed
    assert "the check has no such rule" in tried.says


def test_check_that_is_gone():
    """A check that was taken out altogether is missed, unless the target says that it is not asked."""
    checks = {name: check for name, check in CHECKS.items() if name != "cleanup"}
    mutations = (named("port_left_behind"),)
    result = self_check(HISTORIES["passing"], FINDINGS["passing"], checks, mutations)
    assert ("port_left_behind",) == result.count().missed
    unasked = h.with_manifest(h.passing(), not_asked=["cleanup"])
    result = self_check(unasked, judge(unasked), checks, mutations)
    assert (Skipped("port_left_behind", "cleanup", "cleanup is not asked"),) == result.skipped


def test_verdict_that_hides_its_rule():
    """A check that says PASS over a red rule has not turned red."""

    def hides(facts):
        return Finding("alert", Verdict.PASS, "", CHECKS["alert"](facts).rules)

    checks = {**CHECKS, "alert": hides}
    (tried,) = self_check(HISTORIES["passing"], FINDINGS["passing"], checks, (named("alert_never_fires"),)).missed
    assert (False, Verdict.PASS) == (tried.caught, tried.got)


def test_names_are_unique():
    """A mutation's name says which one it is, and its check is one of the judge's."""
    names = [mutation.name for mutation in MUTATIONS]
    assert sorted(set(names)) == sorted(names)
    assert {mutation.check for mutation in MUTATIONS} <= set(CHECKS)


def test_original_is_untouched():
    """No mutation changes the evidence that it was given, not even a row of it."""
    evidence = h.passing()
    self_check(evidence, judge(evidence))
    untouched = h.passing()
    assert (untouched.events, untouched.notifications) == (evidence.events, evidence.notifications)
    for stream in ("operations", "schedule", "routing", "samples", "service", "store"):
        assert h.rows_of(untouched, stream) == h.rows_of(evidence, stream)
    assert np.array_equal(untouched.clock.offset_ns, evidence.clock.offset_ns)


@pytest.mark.parametrize("history", HISTORIES)
def test_same_bytes(history):
    """The same evidence gives the same file, self-check and all, and the file comes back as it was."""
    first, second = (self_checked(HISTORIES[history], judge(HISTORIES[history])) for _ in range(2))
    assert findings_file.encode(first) == findings_file.encode(second)


def test_file(tmp_path):
    """The counts stand in findings.json under their short names, and come back."""
    findings = replace(FINDINGS["passing"], self_check=SelfCheckCount(3, 2, ("b",), ("c", "d")))
    assert b'"self_check": {\n  "caught": 2,\n  "missed": [\n   "b"\n  ],\n  "mutations": 3' in findings_file.encode(
        findings
    )
    findings_file.write(tmp_path / "findings.json", findings)
    assert findings.self_check == findings_file.read(tmp_path / "findings.json").self_check
    assert b"self_check" not in findings_file.encode(FINDINGS["passing"])


def test_command(tmp_path):
    """`harness judge` writes the self-check of a PASS beside the evidence."""
    h.write(h.passing(), tmp_path / "run")
    result = CliRunner().invoke(command, [str(tmp_path / "run")], standalone_mode=False)
    assert Verdict.PASS == findings_file.read(tmp_path / "run" / "findings.json").verdict
    count = findings_file.read(tmp_path / "run" / "findings.json").self_check
    assert len(MUTATIONS) - len(SKIPPED["passing"]) == count.caught_count == count.mutations_count
    assert 0 == result.return_value
