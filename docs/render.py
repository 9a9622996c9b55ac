"""Writes what the reference pages say of the code from the code itself: `python docs/render.py`.

A page holds `<!-- made: NAME -->` and `<!-- end -->`; what stands between them is made, the rest is written by hand.
A test compares the pages with what this would write, so a setting, a command, a kind of event or a method of a port
that the pages do not tell of fails it.

Not covered: what no docstring or comment says of a key of an experiment or a target; those tables are written by
hand and held by a test.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import click
from click.testing import CliRunner

from harness import settings
from harness.cli import main as cli
from harness.drive.alerts.port import AlertParts, Metrics, Receivers
from harness.drive.faults.port import Fault, Interval
from harness.drive.guard.undo import UndoRequest
from harness.drive.rollout.port import Controller, ControllerRead
from harness.drive.stack.spec import Endpoints
from harness.drive.target.port import LoadKit, TargetKit
from harness.drive.traffic.port import Router, WeightRead
from harness.evidence import format as run_format

REFERENCE = Path(__file__).parent / "reference"
MADE = re.compile(r"(<!-- made: (\S+) -->\n).*?(\n<!-- end -->)", re.DOTALL)
HELP_COLUMNS = 100


def rendered(page: str) -> str:
    """The page with every made part made anew. KeyError for a part that nobody makes."""
    return MADE.sub(lambda match: f"{match[1]}{PARTS[match[2]]()}{match[3]}", page)


def pages() -> list[Path]:
    """The pages that have made parts."""
    return [path for path in sorted(REFERENCE.glob("*.md")) if MADE.search(path.read_text())]


def commands(group: click.Group = cli.group, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The names of every command, those of groups before their own."""
    for name in group.list_commands(click.Context(group)):
        command = group.get_command(click.Context(group), name)
        yield (*path, name)
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))


def command_help(path: tuple[str, ...]) -> str:
    """What `harness PATH --help` prints, at HELP_COLUMNS columns."""
    said = CliRunner().invoke(
        cli.group, [*path, "--help"], prog_name="harness", terminal_width=HELP_COLUMNS, max_content_width=HELP_COLUMNS
    )
    assert said.exit_code == 0, said.output
    return said.output.rstrip()


def _settings() -> str:
    rows = ["| setting | variable | option of `run` | default | what it is |", "|---|---|---|---|---|"]
    for name, (default, what) in settings.KNOWN.items():
        shown = f"`{default}`" if default else ""
        variable = f"{settings.PREFIX}{name.upper()}"
        rows.append(f"| `{name}` | `{variable}` | {_option(name)} | {shown} | {what} |")
    return "\n".join(rows)


def _option(setting: str) -> str:
    """The option of `harness run` that gives the setting, "" where it has none."""
    option = f"--{setting.replace('_', '-')}"
    return f"`{option}`" if option in command_help(("run",)).split() else ""


def _commands() -> str:
    parts = [f"    {line}".rstrip() for line in command_help(()).splitlines()]
    for path in commands():
        parts += ["", f"## {' '.join(path)}", ""]
        parts += [f"    {line}".rstrip() for line in command_help(path).splitlines()]
    return "\n".join(parts)


def _files() -> str:
    lines = (inspect.getdoc(run_format) or "").splitlines()
    return "\n".join(line for line in lines if line.startswith("    ") or not line).strip("\n")


def _kinds() -> str:
    """One table a writer of events, from the comments of `Kind`."""
    rows: list[str] = []
    for line in inspect.getsource(run_format.Kind).splitlines():
        writer = re.fullmatch(r"    # (\w+)(.*) \(source \"(\w+)\"\)", line)
        if writer:
            rows += [
                "",
                f"### {writer[3]}",
                "",
                f"Written by the {writer[1]}{writer[2]}.",
                "",
                "| kind | with |",
                "|---|---|",
            ]
        kind = re.fullmatch(r"    [A-Z_]+ = \"(\w+)\"(?:  # (.*))?", line)
        if kind:
            rows.append(f"| `{kind[1]}` | {_cell(kind[2] or '')} |")
    return "\n".join(rows).strip()


def _columns() -> str:
    """One table a kind of rows, from the comments of its schema."""
    source, parts = inspect.getsource(run_format), []
    for name, schema in vars(run_format).items():
        if not isinstance(schema, run_format.pa.Schema):
            continue
        found = re.search(rf"((?:^#[^\n]*\n)+)^{name}: Final = pa\.schema\((.*?)^\)", source, re.MULTILINE | re.DOTALL)
        assert found is not None, name
        about = " ".join(line.removeprefix("# ") for line in found[1].splitlines())
        said = dict(re.findall(r"\"(\w+)\",\s+pa\.\w+\(\),?\s*\),?(?:  # ([^\n]*))?", found[2]))
        rows = [f"| `{field.name}` | {field.type} | {_cell(said[field.name])} |" for field in schema]
        parts += [f"### {name.lower()}", "", about, "", "| column | type | |", "|---|---|---|", *rows, ""]
    return "\n".join(parts).strip()


def _cell(text: str) -> str:
    return re.sub(r"([|<]|__)", r"\\\1", text)


def _sources(*classes: type) -> Callable[[], str]:
    """What makes a fence with the classes as they are written."""
    return lambda: "\n".join(["```python", "\n\n\n".join(inspect.getsource(one).rstrip() for one in classes), "```"])


PARTS: dict[str, Callable[[], str]] = {
    "settings": _settings,
    "commands": _commands,
    "files": _files,
    "kinds": _kinds,
    "columns": _columns,
    "fault": _sources(Fault, Interval, UndoRequest),
    "router": _sources(Router, WeightRead),
    "controller": _sources(Controller, ControllerRead),
    "alerts": _sources(AlertParts, Metrics, Receivers),
    "kit": _sources(TargetKit, LoadKit),
    "endpoints": _sources(Endpoints),
}


if __name__ == "__main__":
    for each in pages():
        each.write_text(rendered(each.read_text()))
