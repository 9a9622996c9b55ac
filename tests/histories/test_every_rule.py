"""The rules that exist, read from the judge's source, against the cases that test them, read from these files."""

import ast
from pathlib import Path

import harness.judge
from harness.judge import ORDER

JUDGE = Path(harness.judge.__file__).parent
HISTORIES = Path(__file__).parent
# Files whose rules belong to a check of another name.
OF_ROLLBACK = ("holding", "promotion", "removal", "team")
CHECK_OF = {"evidence_check": "evidence", **dict.fromkeys(OF_ROLLBACK, "rollback")}
# `crashed` belongs to whichever check broke; tests/unit/judge/test_judge.py breaks each of them.
ANY_CHECK = {"crashed"}


def calls(path, *names):
    """Leading text arguments of every call of these functions."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names:
            yield tuple(arg.value if isinstance(arg, ast.Constant) else None for arg in node.args)


def existing_rules():
    found = set()
    for path in JUDGE.glob("*.py"):
        rules = {arguments[0] for arguments in calls(path, "witness", "inference")}
        found |= {(CHECK_OF.get(path.stem, path.stem), rule) for rule in rules - ANY_CHECK}
    return found


def rules_of_cases(how):
    return {arguments[:2] for path in HISTORIES.glob("test_*.py") for arguments in calls(path, how)}


def test_ids_are_literal():
    """Every rule's id stands in the source as text, so that this file can find it."""
    assert not [rule for rule in existing_rules() if rule[1] is None]


def test_rules_belong_to_checks():
    """Every rule belongs to a check of the judge, and every check has rules."""
    assert set(ORDER) == {check for check, _ in existing_rules()}


def test_every_rule_fires():
    """Every rule has a history that fires it, and no history fires a rule that is not there."""
    assert existing_rules() == rules_of_cases("fires")


def test_every_rule_has_a_near_miss():
    """Every rule has a history that just does not fire it."""
    assert existing_rules() == rules_of_cases("near")
