"""JSON Schemas of the files that people write and read: experiment, target, findings.json.

    python -m harness.schemas --write docs/schemas

They are made of the structs that the files are decoded into, so that a key cannot be in one and not in the other;
keys that other programs own (Chaos Toolkit's method and controls) are described as far as a trial needs them. An
editor with the YAML language server takes the first line of a file:

    # yaml-language-server: $schema=../docs/schemas/experiment.json

A schema sees one key at a time. What holds between keys (a step that the method waits for is one of the rollout's) and
what depends on installed adapters (kinds of faults, kits, routers) is `harness run --dry-run`'s to say.

Not covered: the run directory's other files; `harness/evidence/format.py` specifies them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import click
import msgspec

from harness.evidence.finding import Findings
from harness.evidence.format import FINDINGS_FORMAT
from harness.plan.experiment import ACTIONS_MODULE, CONTROL_MODULE, STEP_S_MAX, Extension
from harness.plan.target import CHECKS, Target

Schema = dict[str, Any]
DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


# What a reader of findings.json finds under its keys; struct -> key -> words.
FINDINGS_SAY: Final[Mapping[str, Mapping[str, str]]] = {
    "Findings": {
        "run_id": "Which trial; also the leading part of its operations' ids.",
        "experiment": "The experiment's file.",
        "target": "The target's name.",
        "verdict": "The worst of the checks: PASS, then INCONCLUSIVE, then FAIL.",
        "headline": "The earliest cause of the verdict; its texts are empty for a PASS.",
        "not_asked": "Checks that target or experiment declare not applicable.",
        "checks": "Every check that was asked, in the order of their questions.",
        "chain": "Edge from the fault to the recovery -> when it was; only those that the experiment has.",
        "durations_s": "Duration between two edges -> the least and the most that it can have been, in seconds.",
        "bounds_s": "Rule -> how soon and how late chance lets it fire, in seconds.",
    },
    "Finding": {
        "id": "The check's name.",
        "summary": "One sentence.",
        "rules": "Every rule of the check.",
        "measured": "Name with its unit last -> number, text or list of them.",
    },
    "Headline": {
        "check": "The check that it is about.",
        "rule": "The check's rule that it is about.",
        "says": "One sentence with the numbers in it.",
    },
    "Rule": {"id": "The rule's name.", "says": "One sentence with the numbers in it."},
    "Instant": {
        "lo_ns": "The earliest that it can have been, CLOCK_MONOTONIC of the harness's host.",
        "hi_ns": "The latest that it can have been.",
        "source": "What of the evidence says so.",
        "unknown": "Why it is not known.",
    },
    "SelfCheckCount": {
        "mutations_count": "On how many spoilt copies of the evidence the judge was tried.",
        "caught_count": "How many of them it saw.",
        "missed": "Those that it did not see.",
        "skipped": "Those for which the trial has nothing to spoil.",
    },
}


def experiment() -> Schema:
    """A whole experiment file: Chaos Toolkit's, with our control and our `extensions` entry."""
    definitions = _definitions(Extension)
    definitions |= {"Activity": _activity(), "Inject": _inject(), "WaitStep": _wait_step()}
    activities = {"type": "array", "items": {"$ref": "#/$defs/Activity"}}
    ours = {"type": "object", "properties": {"name": {"const": "harness"}}, "required": ["name"]}
    control = _object({"provider": _object({"module": {"const": CONTROL_MODULE}}, ["module"])}, ["provider"])
    properties = {
        "title": _text("What the trial shows, in a few words."),
        "description": _text("What is done, and what must be seen."),
        "configuration": _object({"target": _text("A target file, or its name beside the experiment.")}),
        "controls": {
            "type": "array",
            "contains": control,
            "description": f"With {CONTROL_MODULE}: it opens the trial.",
        },
        "method": {**activities, "description": "The script: actions in order, run by Chaos Toolkit."},
        "rollbacks": activities,
        "extensions": {
            "type": "array",
            "contains": ours,
            "items": {"if": ours, "then": {"$ref": "#/$defs/Extension"}},
            "description": "The entry named harness says what to expect.",
        },
    }
    required = ["title", "description", "method", "controls", "extensions"]
    head = {"$schema": DIALECT, "title": "Experiment", "description": _first_line(experiment)}
    return {**head, **_object(properties, required), "$defs": definitions}


def target() -> Schema:
    """A target file: where a trial runs, and what judges, routes, warns and rolls back there."""
    definitions = _definitions(Target)
    root = definitions.pop("Target")
    root["properties"]["not_asked"]["items"] = {"enum": list(CHECKS)}
    return {"$schema": DIALECT, **root, "description": _first_line(target), "$defs": definitions}


def findings() -> Schema:
    """findings.json: one trial's judgement."""
    definitions = _definitions(Findings)
    for name, one in definitions.items():
        if "properties" in one:  # every key is always written, and no other
            one |= {"required": sorted(one["properties"]), "additionalProperties": False}
            for key, description in FINDINGS_SAY.get(name, {}).items():
                one["properties"][key] |= {"description": description}
    root = definitions.pop("Findings")
    definitions["Instant"] = _instant(definitions["Instant"])
    definitions["SelfCheckCount"] = _self_check(definitions["SelfCheckCount"])
    root["properties"] |= {
        "format": {"const": FINDINGS_FORMAT, "description": "Which format this is."},
        "self_check": {"$ref": "#/$defs/SelfCheckCount"},
    }
    root["required"] = sorted(root["properties"].keys() - {"self_check"})
    return {"$schema": DIALECT, **root, "description": _first_line(findings), "$defs": definitions}


SCHEMAS: Final[Mapping[str, Callable[[], Schema]]] = {
    "experiment": experiment,
    "target": target,
    "findings": findings,
}


def render(name: str) -> str:
    """The text of one schema's file."""
    return json.dumps(SCHEMAS[name](), indent=2, ensure_ascii=False) + "\n"


def _definitions(kind: type) -> dict[str, Schema]:
    """Name -> schema of a struct and of all that it is made of."""
    definitions: dict[str, Schema] = msgspec.json.schema(kind)["$defs"]
    return definitions


def _object(properties: Schema, required: list[str] | None = None) -> Schema:
    return {"type": "object", "properties": properties, "required": required or []}


def _text(description: str) -> Schema:
    return {"type": "string", "description": description}


def _first_line(function: Callable[[], Schema]) -> str:
    return str(function.__doc__).splitlines()[0]


def _activity() -> Schema:
    """One action or probe; the arguments of ours that a trial reads before it starts are held to their bounds."""

    def when(func: str, arguments: str) -> Schema:
        ours = {"module": {"const": ACTIONS_MODULE}, "func": {"const": func}}
        then = _object({"arguments": {"$ref": f"#/$defs/{arguments}"}}, ["arguments"])
        return {
            "if": _object({"provider": _object(ours, ["module", "func"])}, ["provider"]),
            "then": _object({"provider": then}),
        }

    properties = {"type": {"enum": ["action", "probe"]}, "name": {"type": "string"}, "provider": {"type": "object"}}
    return {
        "type": "object",
        "properties": properties,
        "allOf": [when("inject", "Inject"), when("wait_step", "WaitStep")],
    }


def _inject() -> Schema:
    """The arguments of `inject`; a fault's own stand beside these."""
    tracks = {"type": "array", "items": {"enum": ["canary", "stable"]}, "minItems": 1, "default": ["canary"]}
    properties = {
        "fault": _text("The kind of fault, such as http_5xx or latency."),
        "share": {"type": "number", "minimum": 0, "maximum": 1, "description": "The part of the answers that it hits."},
        "deadline_s": {
            "type": "number",
            "minimum": 1,
            "maximum": STEP_S_MAX,
            "description": "The fault ends by itself after so many seconds.",
        },
        "tracks": {**tracks, "description": "Whom it is injected into."},
    }
    return _object(properties, ["fault", "share", "deadline_s"])


def _wait_step() -> Schema:
    weight = {"type": "integer", "minimum": 0, "maximum": 100, "description": "One of the rollout's steps, in percent."}
    return _object({"weight": weight}, ["weight"])


def _instant(known: Schema) -> Schema:
    """An interval with its source, or why there is none."""
    properties = dict(known["properties"])
    unknown = {"unknown": properties.pop("unknown")}
    shared = {"additionalProperties": False}
    interval = {**_object(properties, sorted(properties)), **shared}
    return {
        **{key: known[key] for key in ("title", "description")},
        "oneOf": [interval, {**_object(unknown, ["unknown"]), **shared}],
    }


def _self_check(count: Schema) -> Schema:
    """The file's own, shorter names: `mutations` for `mutations_count`."""
    properties = {name.removesuffix("_count"): value for name, value in count["properties"].items()}
    return {**count, "properties": properties, "required": sorted(properties)}


@click.command(help="Print one schema, or write every one into a folder.")
@click.option("--schema", "name", type=click.Choice(sorted(SCHEMAS)), default="experiment", show_default=True)
@click.option("--write", "folder", type=click.Path(path_type=Path, file_okay=False))
def _main(name: str, folder: Path | None) -> None:
    if folder is None:
        click.echo(render(name), nl=False)
        return
    folder.mkdir(parents=True, exist_ok=True)
    for each in SCHEMAS:
        (folder / f"{each}.json").write_text(render(each), encoding="utf-8")


if __name__ == "__main__":
    _main()
