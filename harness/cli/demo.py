"""`harness demo`: the first drill, from nothing but an installed package."""

from __future__ import annotations

from pathlib import Path

import click

from harness import shipped
from harness.cli import run

_FETCHED = ("prometheus", "alertmanager")


@click.command(help="Fetch Prometheus and Alertmanager if they are missing, then run canary-5xx and judge it.")
@click.option("--reports-dir", help="Where the run directory is made.  [default: reports]")
@click.pass_context
def command(ctx: click.Context, reports_dir: str | None) -> int:
    """The verdict's exit code, as `harness run`."""
    from harness import settings as settings_module
    from harness.drive.prepare import given_binaries
    from harness.drive.stack import binaries

    settings = settings_module.load({"reports_dir": reports_dir})
    cache, path = settings_module.cache_dir(settings), settings.environment.get("PATH")
    found = binaries.locate(given_binaries(settings), cache, path)
    if not all(found[part] for part in _FETCHED):
        click.echo(f"harness: fetching Prometheus and Alertmanager into {cache}; nothing is installed")
        binaries.fetch(cache, path=path)
    code: int = ctx.invoke(run.command, experiment=Path(shipped.DEMO), reports_dir=reports_dir)
    return code
