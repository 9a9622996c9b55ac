"""What a verdict does not say: the numbers are the judge's, and what is missing is named."""

from dataclasses import replace

import pytest

from harness.evidence.finding import SelfCheckCount, Verdict
from harness.judge import judge, statistics
from harness.report import unsaid
from harness.testing import histories


def said(evidence, findings):
    """{topic: sentences as one text}."""
    return {topic: " ".join(sentences) for topic, sentences in unsaid.unsaid(evidence, findings)}


@pytest.mark.parametrize("count", [0, 1, 98, 10_000])
def test_rate_is_the_judges(count):
    """The rate that a zero of n excludes is what the judge computes."""
    assert pytest.approx(statistics.rate_detectable(count)) == unsaid.rate_detectable(count)


def test_numbers_are_those_of_the_findings():
    """Loss rate, shares of each step and requests watched after weight 0 stand there as the checks measured them."""
    evidence = histories.passing()
    findings = judge(evidence)
    measured = {check.id: check.measured for check in findings.checks}
    text = said(evidence, findings)
    losses = text["The smallest loss that it could have seen"]
    assert f"{100 * measured['data_loss']['loss_rate_detectable']:.2f} % of the canary's" in losses
    assert f"{measured['data_loss']['acked_canary_count']} acknowledged writes" in losses
    shares = text["The smallest share that it could have seen"]
    assert f"less than {measured['split']['shift_detectable_points'][0]:.2f} points" in shares
    assert f"None of {measured['rollback']['watched_count']} requests" in shares


def test_what_was_found_is_no_bound():
    """Where writes were lost, or requests went astray, no sentence says that none would have shown."""
    lost = histories.dropped(histories.passing(), "store", lambda row: row["op_id"] == histories.op_id(0))
    losses = said(lost, judge(lost))["The smallest loss that it could have seen"]
    assert "Lost writes were found: 1." in losses
    assert "a larger one shows" not in losses
    astray = histories.updated(
        histories.passing(), "routing", lambda row: row["op_id"] == histories.op_id(590), cluster="canary"
    )
    shares = said(astray, judge(astray))["The smallest share that it could have seen"]
    assert "after the last weight" not in shares


def test_drill_timing_proves_nothing_of_production():
    """Drill timing says so; another timing does not."""
    evidence = histories.passing()
    findings = judge(evidence)
    assert "In production timing" in said(evidence, findings)["Timing"]
    timing = {**evidence.manifest["timing"], "name": "production"}
    assert "In production timing" not in said(histories.with_manifest(evidence, timing=timing), findings)["Timing"]


def test_other_red_checks_are_causes_not_excluded(trials):
    """A FAIL names the red checks beside its headline, and a ground that is not PASS."""
    evidence, findings = trials.interrupted()
    causes = said(evidence, findings)["Causes"]
    assert "fault, split, alert, rollback, requests, data_loss, recovery may follow" in causes
    assert "not excluded as the cause, because evidence, fault are not PASS" in causes
    assert "may follow" not in said(*trials.rolled_back())["Causes"]


def test_what_the_load_left_out_is_named(trials):
    """Kinds that the load declares as left out stand there."""
    evidence, findings = trials.rolled_back()
    assert "staff rosters, customs messages" in said(evidence, findings)["What the load left out"]


def test_nothing_broken_proves_no_rollback(trials):
    """A promoted release's PASS says that alert and rollback were not tried."""
    assert "whether an alert would fire and a rollback would work is not proven" in said(*trials.promoted())["Causes"]


def test_mutations_that_were_skipped_are_named(trials):
    """What the self-check could not try is said."""
    evidence, findings = trials.rolled_back()
    count = SelfCheckCount(86, 86, (), ("canary_not_removed",))
    assert "could not try canary_not_removed" in said(evidence, replace(findings, self_check=count))["Causes"]


def test_bare_manifest_has_a_text(trials):
    """Nothing on record still gives every topic that needs none of it."""
    evidence, findings = trials.empty()
    topics = said(replace(evidence, manifest={"format": "harness/run/1"}), findings)
    assert "Nothing is known of lost writes" in topics["The smallest loss that it could have seen"]


def test_a_store_that_was_out_of_reach_is_named():
    """With a kit from a file the second read is another instance's, and the page and the check say so."""
    evidence = histories.passing()
    topic = "The smallest loss that it could have seen"
    assert "The store itself was not read" not in said(evidence, judge(evidence))[topic]
    kit = {"name": "notes", "has_store": False, "data_goes_with_trial": True}
    manifest = {**evidence.manifest, "kit": kit}
    outside = replace(evidence, manifest=manifest)
    findings = judge(outside)
    assert "The store itself was not read" in said(outside, findings)[topic]
    (check,) = (one for one in findings.checks if one.id == "data_loss")
    assert "given by two instances of stable" in check.summary
    assert findings.verdict is Verdict.PASS
