"""`harness init`: the first files of a drill for your own service."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import click

from harness import shipped
from harness.errors import UsageError

# option -> (what is asked, what stands there if nothing is said)
ASKED = {
    "start": ("How is one instance started? ({port}, {version}, {data_dir} are filled in)", None),
    "ready": ("A path that answers 200 once it serves", "/health"),
    "write": ("A request that stores something", "POST /items"),
    "write_body": ("Its body, JSON; {op_id} must be in it or in the path", '{"id": "{op_id}", "text": "item {index}"}'),
    "read_back": ("The path that gives it back", "/items/{op_id}"),
    "read": ("A request that only reads", "GET /items"),
    "stable": ("The version that is stable", "1"),
    "canary": ("The version that is the canary", "2"),
}


@click.command(help="Write the files of a drill for the service NAME; asks for what is not given.")
@click.argument("name")
@click.option("--start", help=ASKED["start"][0])
@click.option("--ready", help=ASKED["ready"][0])
@click.option("--write", help=ASKED["write"][0])
@click.option("--write-body", help=ASKED["write_body"][0])
@click.option("--read-back", help=ASKED["read_back"][0])
@click.option("--read", help=ASKED["read"][0])
@click.option("--version", default="", help="Where it says its version itself: '/path field'.")
@click.option("--stable", help=ASKED["stable"][0])
@click.option("--canary", help=ASKED["canary"][0])
@click.option("--dir", "folder", default="drill", show_default=True, type=click.Path(path_type=Path))
def command(name: str, folder: Path, version: str, **given: str | None) -> int:
    """Write the files; never over one that is there."""
    from harness.plan import starter
    from harness.plan.suite import CONTROL

    said = _completed(given)
    try:
        start = tuple(shlex.split(said["start"]))
    except ValueError as error:
        raise UsageError(f"--start {said['start']!r}: {error}") from error
    service = starter.Service(**{**said, "name": name, "version": version, "start": start}).checked()  # type: ignore[arg-type]
    drill, control = (
        (shipped.folder(shipped.EXPERIMENTS) / f"{one}.yaml").read_text() for one in (shipped.DEMO, CONTROL)
    )
    found = starter.files(service, drill, control)
    there = [str(folder / path) for path in found if (folder / path).exists()]
    if there:
        raise UsageError(f"{', '.join(there)}: there already; choose another --dir, or remove what is there")
    for path, text in found.items():
        try:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text)
        except OSError as error:
            raise UsageError(f"{folder / path}: cannot be written: {error.strerror}; choose another --dir") from error
        click.echo(f"wrote {folder / path}")
    click.echo(
        f"\nnext: harness doctor --target {folder / f'targets/{name}.yaml'}    # starts it and tries every part once"
    )
    click.echo(f"then: harness run {folder / f'{name}-5xx.yaml'}")
    click.echo(f"every night: harness suite {folder / 'suites/nightly.yaml'}")
    return 0


def _completed(given: dict[str, str | None]) -> dict[str, str]:
    """With answers for what is missing; without a terminal the defaults, and UsageError for what has none."""
    if sys.stdin.isatty():
        return {
            name: value if value is not None else click.prompt(ASKED[name][0], default=ASKED[name][1])
            for name, value in given.items()
        }
    found = {name: value if value is not None else ASKED[name][1] for name, value in given.items()}
    missing = [f"--{name.replace('_', '-')}" for name, value in found.items() if value is None]
    if missing:
        raise UsageError(f"{', '.join(missing)}: not given, and there is no terminal to ask at")
    return {name: str(value) for name, value in found.items()}
