"""docs/reference/checks.md against the judge's source and against what histories make the judge say."""

import ast
import re
from pathlib import Path

import harness.judge
from harness.evidence.finding import Verdict
from harness.judge import ORDER, judge
from harness.testing import histories as h

JUDGE = Path(harness.judge.__file__).parent
PAGE = (Path(__file__).parents[3] / "docs" / "reference" / "checks.md").read_text()
CHECK_OF = {
    "evidence_check": "evidence",
    "promotion": "rollback",
    "holding": "rollback",
    "removal": "rollback",
    "team": "rollback",
}
MAKERS = ("witness", "inference")


def rows():
    """{(check, rule): (kinds, worst verdict)} of the page, in its order."""
    found, check = {}, ""
    for line in PAGE.splitlines():
        if line.startswith("## "):
            check = line[3:].partition(":")[0]
        match = re.fullmatch(r"\| `(\w+)` \| ([\w, ]+) \| (\w+) \| .+ \|", line)
        if match:
            found[check, match[1]] = (tuple(match[2].split(", ")), match[3])
    return found


def source():
    """{(check, rule): kinds} of the judge."""
    found = {}
    for path in JUDGE.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in MAKERS:
                key = (CHECK_OF.get(path.stem, path.stem), node.args[0].value)
                found.setdefault(key, set()).add(node.func.id)
    return {key: tuple(sorted(kinds)) for key, kinds in found.items() if key[1] != "crashed"}


def test_every_rule_is_on_the_page():
    """The page has every rule of the judge, with its kind, and no other."""
    assert source() == {key: kinds for key, (kinds, _) in rows().items()}


def test_checks_in_order():
    """The page has the checks in the judge's order."""
    assert list(ORDER) == list(dict.fromkeys(check for check, _ in rows()))


def test_rules_in_order():
    """Within a check the page has the rules in the order in which they are asked, for each outcome."""
    order = list(rows())
    for make in (h.passing, h.promoted, h.held):
        for check in judge(make()).checks:
            places = [order.index((check.id, rule.id)) for rule in check.rules]
            assert sorted(places) == places, check.id


def test_red_is_a_verdict():
    """What the page says a rule can come to is a verdict that is not PASS."""
    assert {red for _, red in rows().values()} == {str(Verdict.FAIL), str(Verdict.INCONCLUSIVE)}
