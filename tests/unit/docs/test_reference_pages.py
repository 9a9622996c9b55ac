"""The reference pages against the code: what is made from it is fresh, what is written by hand is complete."""

from __future__ import annotations

import re
import runpy
import types
import typing
from importlib.metadata import distribution
from pathlib import Path

import msgspec
import pytest

from harness import errors, settings
from harness.drive import alerts, faults, rollout, target, traffic
from harness.drive.prepare import PLANTS_GROUP
from harness.evidence.finding import EXIT_CODES, Verdict
from harness.evidence.format import Kind
from harness.plan import experiment, validate
from harness.plan import target as targets

DOCS = Path(__file__).parents[3] / "docs"
RENDER = runpy.run_path(str(DOCS / "render.py"))
PAGES = {path.name: path for path in RENDER["pages"]()}


def page(name: str) -> str:
    return (DOCS / "reference" / name).read_text()


def tables(text: str) -> dict[str, list[list[str]]]:
    """Heading -> the rows of the tables below it, without their head; of several tables one after the other."""
    found: dict[str, list[list[str]]] = {}
    heading, at_head = "", True
    for line in text.splitlines():
        if line.startswith("#"):
            heading = line.lstrip("# ")
        if not line.startswith("|"):
            at_head = True
            continue
        if not at_head and not set(line) <= set("|-"):
            found.setdefault(heading, []).append([cell.strip() for cell in line.strip("|").split("|")])
        at_head = False
    return found


@pytest.mark.parametrize("name", ["adapters.md", "commands.md", "run-directory.md", "settings.md"])
def test_made_parts_are_fresh(name):
    """The page says what the code says today; `python docs/render.py` writes it."""
    assert RENDER["rendered"](page(name)) == page(name)
    assert name in PAGES


def test_a_stale_part_is_seen():
    """A part that somebody changed by hand is made anew; one that nobody makes is an error."""
    stale = "<!-- made: settings -->\nold\n<!-- end -->"
    assert "HARNESS_SEED" in RENDER["rendered"](stale)
    empty = "<!-- made: settings -->\n<!-- end -->\nwritten by hand\n<!-- end -->"
    assert RENDER["rendered"](empty).endswith("\n<!-- end -->\nwritten by hand\n<!-- end -->")
    with pytest.raises(KeyError):
        RENDER["rendered"](stale.replace("settings", "nothing"))


def test_every_setting_command_and_kind_is_there():
    """What is made from the code has all of it: no setting, no command and no kind of event is left out."""
    rows = [row[0].strip("`") for row in tables(page("settings.md"))["Settings"]]
    assert list(settings.KNOWN) == rows
    headings = re.findall(r"^## (.*)$", page("commands.md"), re.MULTILINE)
    assert [" ".join(path) for path in RENDER["commands"]()] == headings
    kinds = re.findall(r"^\| `(\w+)` \|", page("run-directory.md").partition("## Columns")[0], re.MULTILINE)
    assert [str(kind) for kind in Kind] == kinds


def test_internal_names_are_told():
    """The variables that are no settings stand on the page."""
    missing = [name for name in settings._INTERNAL if f"HARNESS_{name.upper()}" not in page("settings.md")]
    assert [] == missing


# -- exit codes --------------------------------------------------------------------------------------------------------


def test_every_exit_code_has_a_row():
    """The table has the codes of verdicts and errors, each once, in rising order; a verdict's row names it."""
    rows = {int(code): meaning for code, meaning, _ in tables(page("exit-codes.md"))["Exit codes"]}
    codes = {value for name, value in vars(errors).items() if name.startswith("EXIT_")} | {*EXIT_CODES.values()}
    assert sorted(codes) == list(rows)
    assert dict.fromkeys(Verdict, True) == {
        verdict: rows[code].startswith(f"{verdict}:") for verdict, code in EXIT_CODES.items()
    }


def test_every_error_has_its_code():
    """The tree has each class of errors.py below its parent, with its exit code."""
    drawn = re.findall(r"^    ( *)([A-Z]\w+Error|HarnessError) +(\d+)", page("exit-codes.md"), re.MULTILINE)
    parents: dict[int, str] = {}
    told = {}
    for indent, name, code in drawn:
        parents[len(indent)] = name
        told[name] = (parents.get(len(indent) - 2, "Exception"), int(code))
    classes = [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, errors.HarnessError)]
    interrupted = errors.TrialInterruptedError("by a test").exit_code
    codes = {one.__name__: one.exit_code for one in classes} | {"TrialInterruptedError": interrupted}
    assert {one.__name__: (one.__bases__[0].__name__, codes[one.__name__]) for one in classes} == told


# -- keys of files -----------------------------------------------------------------------------------------------------

STRUCTS = [
    ("experiment.md", "The extension", experiment.Extension),
    ("experiment.md", "expect", experiment.Expect),
    ("experiment.md", "load", experiment.Load),
    ("experiment.md", "rollout", experiment.Rollout),
    ("target.md", "The target file", targets.Target),
    ("target.md", "stack", targets.Stack),
    ("target.md", "part", targets.Part),
    ("target.md", "versions", targets.Versions),
    ("target.md", "headers", targets.Headers),
]


def type_in_words(kind: object, numbers: str = "") -> str:
    """What the page calls a type: with bounds, and a link for a struct."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return f"[{kind.__name__.lower()}](#{kind.__name__.lower()})"
    if origin is typing.Annotated:
        metas = [one for one in arguments[1:] if isinstance(one, msgspec.Meta)]  # a description is one, too
        bounds = {
            name: next((getattr(one, name) for one in metas if getattr(one, name) is not None), None)
            for name in ("gt", "ge", "le")
        }
        if set(bounds.values()) == {None}:
            return type_in_words(arguments[0])
        over = "over " if bounds["gt"] is not None else ""
        low = bounds["gt"] if over else bounds["ge"]
        upto = f" to {bounds['le']:g}" if bounds["le"] is not None else ""
        return f"{type_in_words(arguments[0])}, {over}{low:g}{upto}" if upto else f"whole number, at least {low:g}"
    if origin is typing.Literal:
        *first, last = (f"`{value}`" for value in arguments)
        return f"{', '.join(first)} or {last}" if first else last
    if origin is tuple:
        return f"list of {type_in_words(arguments[0])}"
    if origin in (typing.Union, types.UnionType):
        return type_in_words(arguments[0])
    return {str: "text", int: "whole number", float: "number"}[kind]  # type: ignore[index]


def default_in_words(item: msgspec.structs.FieldInfo) -> str:
    if item.required:
        return "required"
    value = item.default
    if isinstance(value, msgspec.Struct):
        return "all defaults"
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or "none"
    if isinstance(value, str):
        return f"`{value}`" if value else "empty"
    return "none" if value is None else f"{value:g}"


@pytest.mark.parametrize(("name", "heading", "struct"), STRUCTS, ids=[struct.__name__ for *_, struct in STRUCTS])
def test_every_key_has_its_type_and_default(name, heading, struct):
    """The table has the struct's keys in their order, with type, bounds and default, and says of each what it means."""
    hints = validate._field_types(struct)
    expected = [
        [f"`{item.encode_name}`", type_in_words(hints[item.name]), default_in_words(item)]
        for item in msgspec.structs.fields(struct)
    ]
    rows = tables(page(name))[heading]
    assert expected == [row[:3] for row in rows]
    assert [] == [row[0] for row in rows if not row[3]]


def test_every_struct_of_the_files_has_a_table():
    """No struct of the two modules is missing from the list above."""
    there = {
        one
        for module in (experiment, targets)
        for one in vars(module).values()
        if isinstance(one, type) and issubclass(one, msgspec.Struct) and one.__module__ == module.__name__
    }
    assert there == {struct for *_, struct in STRUCTS}


def test_actions_and_probes_are_told():
    """The page has every function that an experiment may call, and no other."""
    import harness.chaos.actions
    import harness.chaos.probes

    rows = [row[0].strip("`") for row in tables(page("experiment.md"))["The method"]]
    functions = [name for name, one in vars(harness.chaos.actions).items() if is_own(one, harness.chaos.actions)]
    arguments = ["fault", "share", "deadline_s", "tracks", "its own"]
    assert [*functions, *arguments] == rows
    probes = [name for name, one in vars(harness.chaos.probes).items() if is_own(one, harness.chaos.probes)]
    assert [] == [name for name in probes if f"`{name}`" not in page("experiment.md")]


def is_own(one: object, module: types.ModuleType) -> bool:
    return (
        isinstance(one, types.FunctionType) and one.__module__ == module.__name__ and not one.__name__.startswith("_")
    )


# -- adapters ----------------------------------------------------------------------------------------------------------


def test_every_entry_point_group_has_a_row():
    """The table has the groups that the code looks for and those that the package itself fills."""
    rows = [row[0].strip("`") for row in tables(page("adapters.md"))["Adapters and entry points"]]
    registries = [one._REGISTRY.group for one in (faults, traffic, rollout, alerts)]
    assert [*registries, target.GROUP, PLANTS_GROUP] == rows
    ours = {point.group for point in distribution("harness").entry_points}
    assert ours - {"console_scripts", "pytest11"} <= {*rows}


def test_every_protocol_is_where_the_page_says():
    """The file of each row exists and has the group's Protocol."""
    for group, *_, path in tables(page("adapters.md"))["Adapters and entry points"]:
        text = (DOCS.parent / path.strip("`")).read_text()
        assert "(Protocol)" in text or group == "`harness.plants`", path
