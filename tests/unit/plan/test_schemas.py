"""The published JSON Schemas: made of the source, true of every shipped file, and red where the parser is red."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from harness import schemas
from harness.drive import alerts, faults, rollout, target, traffic
from harness.drive.prepare import STACKS
from harness.evidence import findings_file
from harness.evidence.finding import Verdict
from harness.judge import judge
from harness.judge.self_check import self_checked
from harness.plan import experiment as experiments
from harness.plan import target as targets
from harness.testing import histories

ROOT = Path(__file__).parents[3]
SHIPPED = ROOT / "docs" / "schemas"
EXPERIMENTS = sorted((ROOT / "experiments").glob("*.yaml"))
TARGETS = sorted((ROOT / "experiments" / "targets").glob("*.yaml"))


def problems(name, document):
    """What a validator that knows nothing of us says, by the published file."""
    schema = json.loads((SHIPPED / f"{name}.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    return [error.message for error in jsonschema.Draft202012Validator(schema).iter_errors(document)]


@pytest.mark.parametrize("name", schemas.SCHEMAS)
def test_published_schemas_are_what_the_source_makes(name):
    """The committed file is the rendered text, byte for byte: `python -m harness.schemas --write docs/schemas`."""
    assert schemas.render(name) == (SHIPPED / f"{name}.json").read_text()


def test_every_schema_is_published_and_nothing_else():
    """One file for each schema."""
    assert {f"{name}.json" for name in schemas.SCHEMAS} == {path.name for path in SHIPPED.iterdir()}


@pytest.mark.parametrize("path", [*EXPERIMENTS, *TARGETS], ids=lambda path: path.name)
def test_shipped_file_fits_and_says_so_to_editors(path):
    """Every shipped experiment and target fits the schema that its first line names, relative to itself."""
    first, _, text = path.read_text().partition("\n")
    named = path.parent / first.removeprefix("# yaml-language-server: $schema=")
    kind = "target" if path in TARGETS else "experiment"
    assert (SHIPPED / f"{kind}.json").samefile(named)
    assert [] == problems(kind, yaml.safe_load(text))


LOST = histories.op_id(204)  # a write of the canary
JUDGED = {
    Verdict.PASS: histories.passing(),
    Verdict.FAIL: histories.dropped(histories.passing(), "store", lambda row: row["op_id"] == LOST),
    Verdict.INCONCLUSIVE: histories.dropped(histories.passing(), "samples"),
}


@pytest.mark.slow
@pytest.mark.parametrize("verdict", JUDGED)
def test_findings_fit(verdict):
    """findings.json as the judge writes it fits, with unknown edges, red rules and the self-check's count."""
    evidence = JUDGED[verdict]
    found = self_checked(evidence, judge(evidence)) if verdict is Verdict.PASS else judge(evidence)
    document = json.loads(findings_file.encode(found))
    assert verdict is found.verdict
    assert (verdict is Verdict.PASS) == ("self_check" in document)
    assert [] == problems("findings", document)


def without(key):
    return lambda document: document.pop(key)


def ours(**values):
    return lambda document: document["extensions"][0].update(values)


def expected(**values):
    return lambda document: document["extensions"][0]["expect"].update(values)


def argued(step, **values):
    return lambda document: document["method"][step]["provider"]["arguments"].update(values)


BAD_EXPERIMENTS = [
    (without("title"), "'title' is a required property"),
    (without("method"), "'method' is a required property"),
    (without("controls"), "'controls' is a required property"),
    (without("extensions"), "'extensions' is a required property"),
    (lambda document: document["controls"].clear(), "[] does not contain items matching the given schema"),
    (ours(hold_s=1), "1 is less than the minimum of 3"),
    (ours(baseline_s=0), "0 is less than or equal to the minimum of 0"),
    (ours(hold_secs=20), "Additional properties are not allowed ('hold_secs' was unexpected)"),
    (ours(rollout={"steps": [5, 101]}), "101 is greater than the maximum of 100"),
    (ours(rollout={"strategy": "drop"}), "'drop' is not one of ['remove', 'shift']"),
    (ours(load={"seed": -1}), "-1 is less than the minimum of 0"),
    (expected(outcome="rolledback"), "'rolledback' is not one of ['held', 'promoted', 'rolled_back']"),
    (expected(loss_rate_detectable_max=5), "5 is greater than the maximum of 1"),
    (expected(split_points_max=0), "0 is not valid under any of the given schemas"),
    (argued(1, weight=25.5), "25.5 is not of type 'integer'"),
    (argued(2, share=30), "30 is greater than the maximum of 1"),
    (argued(2, deadline_s=0), "0 is less than the minimum of 1"),
    (argued(2, tracks=["green"]), "'green' is not one of ['canary', 'stable']"),
]


@pytest.mark.parametrize(("spoil", "says"), BAD_EXPERIMENTS, ids=[says for _, says in BAD_EXPERIMENTS])
def test_experiment_that_the_parser_refuses_does_not_fit(spoil, says):
    """What is wrong by itself is seen by the editor as by the parser, and is the only thing that is said."""
    document = yaml.safe_load((ROOT / "experiments" / "canary-5xx.yaml").read_text())
    spoil(document)
    assert experiments.parse(copy.deepcopy(document), "x.yaml", {}, faults.known())[0] is None
    assert [says] == problems("experiment", document)


BAD_TARGETS = [
    (without("kit"), "'kit' is a required property"),
    (lambda document: document["stack"].update(stable_instances=9), "9 is greater than the maximum of 8"),
    (lambda document: document["headers"].pop("fault"), "'fault' is a required property"),
    (lambda document: document.update(timing="fast"), "'fast' is not one of ['drill']"),
    (
        lambda document: document.update(notasked=[]),
        "Additional properties are not allowed ('notasked' was unexpected)",
    ),
    (lambda document: document["not_asked"].append("data_los"), f"'data_los' is not one of {list(targets.CHECKS)}"),
]


@pytest.mark.parametrize(("spoil", "says"), BAD_TARGETS, ids=[says for _, says in BAD_TARGETS])
def test_target_that_the_parser_refuses_does_not_fit(spoil, says):
    """The same for a target."""
    known = {
        "stack": STACKS,
        "router": traffic.known(),
        "controller": rollout.known(),
        "alerts": alerts.known(),
        "kit": target.known_kits(),
    }
    document = yaml.safe_load(TARGETS[0].read_text())
    spoil(document)
    assert targets.parse(copy.deepcopy(document), "x.yaml", {}, known)[0] is None
    assert [says] == problems("target", document)


def test_another_programs_entry_is_not_ours_to_judge():
    """Extensions of others, their actions and their controls stand beside ours."""
    document = yaml.safe_load((ROOT / "experiments" / "canary-5xx.yaml").read_text())
    document["extensions"].append({"name": "chatops", "channel": "#drills"})
    document["controls"].append({"name": "other", "provider": {"type": "python", "module": "theirs.control"}})
    document["method"].append(
        {"type": "probe", "name": "p", "provider": {"type": "http", "url": "http://127.0.0.1"}, "tolerance": 200}
    )
    assert [] == problems("experiment", document)


@pytest.mark.parametrize("name", schemas.SCHEMAS)
def test_every_key_is_described(name):
    """Each key of ours has words for the editor, its own or those of the struct that it holds."""
    schema = schemas.SCHEMAS[name]()
    named = {"type", "name", "provider", "configuration", "rollbacks"}  # Chaos Toolkit's own
    silent = [
        f"{title}.{key}"
        for title, one in {"": schema, **schema["$defs"]}.items()
        for key, value in one.get("properties", {}).items()
        if "description" not in value | schema["$defs"].get(value.get("$ref", "").removeprefix("#/$defs/"), {})
        and not (title in {"", "Activity"} and key in named)
    ]
    assert [] == silent
