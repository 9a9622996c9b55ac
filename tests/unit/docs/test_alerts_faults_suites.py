"""The pages on alerts, faults and suites against the code: every name, every key, and what is made is fresh."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import msgspec
import pytest
import yaml

from harness.drive import faults
from harness.drive.faults.arguments import SEED
from harness.evidence.suite_file import NotRun, Ran
from harness.plan.suite import Entry, SuiteFile
from harness.study import outcome
from harness.study.outcome import SuiteOutcome

ROOT = Path(__file__).parents[3]
REFERENCE = ROOT / "docs" / "reference"
RENDER = runpy.run_path(str(ROOT / "docs" / "render.py"))


def page(name: str) -> str:
    return (REFERENCE / name).read_text()


def rows(text: str, head: str) -> dict[str, list[str]]:
    """First cell without its backquotes -> the other cells, of the table that begins with this head."""
    table = text.partition(f"\n{head}")[2].partition("\n\n")[0]
    lines = [line for line in table.splitlines()[1:] if line.startswith("|") and not set(line) <= set("|-")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {first.strip("`"): rest for first, *rest in cells}


@pytest.mark.parametrize("name", ["alerts.md", "faults.md"])
def test_made_parts_are_fresh(name):
    """The page says what the code says today; `python docs/render.py` writes it."""
    assert "<!-- made: " in page(name)
    assert RENDER["rendered"](page(name)) == page(name)


def test_every_alert_has_a_row_with_its_action():
    """The table has the alerts of the shipped rules in their order, each with what follows from it."""
    (group,) = yaml.safe_load((ROOT / "charts" / "porttrack" / "rules" / "drill.yaml").read_text())["groups"]
    shipped = {rule["alert"]: f"`{rule['labels']['action']}`" for rule in group["rules"] if "alert" in rule}
    told = rows(page("alerts.md"), "| alert |")
    assert list(shipped.items()) == [(name, cells[1]) for name, cells in told.items()]


def test_every_alert_has_its_expression():
    """Below the table each alert has a heading of its own, in the same order."""
    told = rows(page("alerts.md"), "| alert |")
    assert list(told) == re.findall(r"^### (\w+)$", page("alerts.md"), re.MULTILINE)


def test_every_fault_has_a_row():
    """The page has the faults of the registry, no other, and says which of them mark answers."""
    told = rows(page("faults.md"), "| fault |")
    assert {*faults.known()} == {*told}
    marking = [name for name, cells in told.items() if cells[1] == "yes"]
    assert [name for name in told if faults.build(name).marks] == marking
    assert f"Only {' and '.join(f'`{name}`' for name in marking)} mark answers." in page("faults.md")
    assert f"0 to {SEED.high} |" in page("faults.md")


@pytest.mark.parametrize(("head", "struct"), [("| key | type |", SuiteFile), ("trial\n\n| key | type |", Entry)])
def test_every_key_of_a_suite_file_has_a_row(head, struct):
    """The table has the struct's keys in their order, and says which of them are required."""
    told = rows(page("suite-file.md").replace("### trial", "trial"), head)
    fields = [(one.encode_name, one.required) for one in msgspec.structs.fields(struct)]
    assert fields == [(name, cells[1] == "required") for name, cells in told.items()]


def test_every_key_of_suite_json_has_a_row():
    """The tables name each key that a suite writes, those of a trial and of what was not run among them."""
    ran = Ran("key", "label", "", "", "", 70, 1.0, "logs/01-x.log", "")
    suite = SuiteOutcome(
        "x", "X", "x.yaml", "20260102T030405Z", 60.0, False, outcome.outcomes([ran], outcome.History((), (), {}), {}),
        (NotRun("key", "label", "why"),),
    )  # fmt: skip
    written = outcome.document(suite, "0")
    text = page("suite-file.md").partition("## suite.json")[2]
    told = [name for cell in rows(text, "| key |") for name in re.findall(r"\w+", cell)]
    assert {"format", *written} == {*told}
    assert {*written["trials"][0]} == {*rows(text.partition("Of each of `trials`:")[2], "| key |")}
    assert [] == [key for key in written["not_run"][0] if f"`{key}`" not in text]


def test_shipped_suites_are_as_large_as_is_said():
    """Trials and budget of each shipped suite are those of its file."""
    found = {}
    for path in sorted((ROOT / "experiments" / "suites").glob("*.yaml")):
        suite = yaml.safe_load(path.read_text())
        minutes = suite["budget_s"] // 60
        budget = f"{minutes // 60} hours" if minutes % 60 == 0 else f"{minutes} minutes"
        found[path.stem] = [str(len(suite["trials"])), budget]
    told = rows(page("suite-file.md"), "| shipped suite |")
    assert found == {name: cells[:2] for name, cells in told.items()}
