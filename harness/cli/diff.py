"""`harness diff A B`: two runs side by side, what was run and what came out."""

from __future__ import annotations

import json
from pathlib import Path

import click


@click.command(help="Show what differs between two runs, in what was run and in what came out.")
@click.argument("a", type=click.Path(path_type=Path))
@click.argument("b", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def command(a: Path, b: Path, as_json: bool) -> int:
    """A and B are judged run directories."""
    from harness.study import diff

    found = diff.compare(a, b)
    if as_json:
        click.echo(json.dumps(diff.document(found), indent=1, ensure_ascii=False))
    else:
        click.echo(diff.text(found), nl=False)
    return 0
