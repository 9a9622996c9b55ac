"""What to do about each red rule: complete, specific, and on the page."""

import re
from pathlib import Path

from harness.evidence.finding import Finding, Rule, RuleKind, Verdict
from harness.judge import judge
from harness.report import advice, html
from harness.testing import histories

PAGE = (Path(__file__).parents[3] / "docs" / "reference" / "checks.md").read_text()


def rules():
    """(check, rule) of every rule of the reference page."""
    found, check = set(), ""
    for line in PAGE.splitlines():
        if line.startswith("## "):
            check = line[3:].partition(":")[0]
        match = re.match(r"\| `(\w+)` \|", line)
        if match:
            found.add((check, match[1]))
    return found


def test_every_rule_has_a_next_step():
    """The rules that have a next step are those of docs/reference/checks.md, no more and no less."""
    assert 70 < len(rules())
    assert rules() == {(check, rule) for check, steps in advice.STEPS.items() for rule in steps}


def test_next_steps_are_specific():
    """No two rules share a next step, and each is a whole sentence."""
    steps = [step for steps in advice.STEPS.values() for step in steps.values()]
    assert len(steps) == len(set(steps))
    assert [] == [step for step in steps if not (step[0].isupper() and step.endswith(".") and len(step.split()) > 6)]


def test_red_rules_come_with_their_steps_worst_first():
    """A check's steps are those of its red rules, FAIL before INCONCLUSIVE; a PASS has none."""
    rules_of = [
        Rule("verified", RuleKind.INFERENCE, Verdict.INCONCLUSIVE, ""),
        Rule("order", RuleKind.WITNESS, Verdict.PASS, ""),
        Rule("vanished", RuleKind.WITNESS, Verdict.FAIL, ""),
    ]
    found = advice.of_check(Finding("data_loss", Verdict.FAIL, "", tuple(rules_of)))
    steps = advice.STEPS["data_loss"]
    assert [("vanished", steps["vanished"]), ("verified", steps["verified"])] == [
        (rule.id, step) for rule, step in found
    ]


def test_page_says_what_to_do():
    """The page of a trial whose writes vanished has the step beside the check and beside the cause; a PASS has none."""
    lost = histories.dropped(histories.passing(), "store", lambda row: row["op_id"] == histories.op_id(0))
    page = html.page(lost, judge(lost)).replace("&#39;", "'")
    assert 2 <= page.count(advice.next_step("data_loss", "vanished"))
    well = histories.passing()
    assert "What to do" not in html.page(well, judge(well))


def test_a_check_that_broke_and_a_strange_rule_have_a_step():
    """A crash asks for a report, an unknown rule for judging again."""
    assert "traceback" in advice.next_step("alert", "crashed")
    assert "judge the run again" in advice.next_step("alert", "no_such_rule")
