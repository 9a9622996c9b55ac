"""Writes what the reference pages say of the code from the code itself: `python docs/render.py`.

A page holds `<!-- made: NAME -->` and `<!-- end -->`; what stands between them is made, the rest is written by hand.
A test compares the pages with what this would write, so a setting, a command, a kind of event or a method of a port
that the pages do not tell of fails it.

Not covered: what no docstring or comment says of a key of an experiment, a target or a suite; those tables are written
by hand and held by a test.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import yaml
from click.testing import CliRunner

from harness import settings
from harness.cli import main as cli
from harness.drive import faults
from harness.drive.alerts.port import AlertParts, Metrics, Receivers
from harness.drive.faults.arguments import SEED, Argument
from harness.drive.faults.port import Fault, Interval
from harness.drive.guard.undo import UndoRequest
from harness.drive.rollout.port import Controller, ControllerRead
from harness.drive.stack import rules
from harness.drive.stack.spec import Endpoints
from harness.drive.target.port import LoadKit, TargetKit
from harness.drive.traffic.port import Router, WeightRead
from harness.evidence import format as run_format
from sidecar.service import FAULTS as SIDECAR_FAULTS

REFERENCE = Path(__file__).parent / "reference"
# Nothing between the two is a part that was never made yet.
MADE = re.compile(r"(<!-- made: (\S+) -->\n)(?:.*?\n)??(<!-- end -->)", re.DOTALL)
HELP_COLUMNS = 100


def rendered(page: str) -> str:
    """The page with every made part made anew. KeyError for a part that nobody makes."""
    return MADE.sub(lambda match: f"{match[1]}{PARTS[match[2]]()}\n{match[3]}", page)


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


def _faults() -> str:
    """One row a fault of the registry: what it is by the first sentence of its module, and what is asked of it."""
    rows = [
        "| fault | what the instance then does | marks answers | by a sidecar | its own arguments |",
        "|---|---|---|---|---|",
    ]
    for kind in faults.known():
        fault = faults.build(kind)
        if not type(fault).__module__.startswith(f"{faults.__name__}."):
            continue  # of another package that is installed here
        module = inspect.getdoc(sys.modules[type(fault).__module__]) or ""
        does = re.match(r"`\w+`: (.*?)\.(?:\s|$)", module, re.DOTALL)
        assert does is not None, kind
        said = ", ".join(_argument(one) for one in fault.arguments if one is not SEED) or "none"
        there = ("yes" if one else "no" for one in (fault.marks, kind in SIDECAR_FAULTS))
        rows.append(f"| `{kind}` | {' '.join(does[1].split())} | {' | '.join(there)} | {said} |")
    return "\n".join(rows)


def _argument(one: Argument) -> str:
    bounds = " or ".join(map(str, one.choices)) if one.choices else f"{one.low:g} to {one.high:g}"
    return f"`{one.name}` {bounds}, {'required' if one.default is None else f'default {one.default:g}'}"


# What each number of a timing is, in the words of the page.
TIMING_SAYS = {
    "scrape_s": "every target is scraped",
    "evaluation_s": "the rules are evaluated",
    "window_s": "the window of rates and counts",
    "for_s": "how long a condition must hold (`for`)",
    "down_for_s": "the same for CanaryDown",
    "group_wait_s": "Alertmanager waits before it tells a new group",
    "group_interval_s": "and between two words about one group",
    "watchdog_repeat_s": "the Watchdog is told again",
}


def _timings() -> str:
    rows = ["| | drill | production |", "|---|---|---|"]
    for field in dataclasses.fields(rules.Timing):
        if field.name not in ("name", "share_rules"):
            values = (getattr(one, field.name) for one in (rules.DRILL, rules.PRODUCTION))
            rows.append(f"| {TIMING_SAYS[field.name]} | {' | '.join(f'{value} s' for value in values)} |")
    return "\n".join(rows)


def _alert_rules() -> str:
    """Each alert of the rules as it is written, in drill timing; `for` in both."""
    drill, production = (
        {rule["alert"]: rule for rule in yaml.safe_load(rules.render(one))["groups"][0]["rules"] if "alert" in rule}
        for one in (rules.DRILL, rules.PRODUCTION)
    )
    parts = []
    for name, rule in drill.items():
        lasts = f"`for` {rule['for']}, in production {production[name]['for']}"
        labels = ", ".join(f"`{label}: {value}`" for label, value in rule["labels"].items())
        parts += [f"### {name}", "", f"{labels}; {lasts}.", "", "```text", rule["expr"].strip(), "```", ""]
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
    "faults": _faults,
    "timings": _timings,
    "alert_rules": _alert_rules,
}


if __name__ == "__main__":
    for each in pages():
        each.write_text(rendered(each.read_text()))
