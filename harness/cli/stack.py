"""`harness stack up`: the local stack by itself, in the foreground, until Ctrl-C. Nothing is kept."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness import shipped

if TYPE_CHECKING:
    from harness.drive.stack.spec import Endpoints


@click.group(help="Bring the local stack up by itself.")
def command() -> None:
    """The stack without a trial."""


@command.command("up")
@click.option(
    "--target",
    default="local",
    show_default=True,
    type=click.Path(path_type=Path),
    help="Target file, or the name of a shipped one.",
)
@click.option("--port", type=click.IntRange(1024, 65535), help="Port of the service.  [default: a free one]")
@click.option(
    "--weight", type=click.IntRange(0, 100), default=0, show_default=True, help="The canary's weight, percent."
)
def up(target: Path, port: int | None, weight: int) -> int:
    """Start the stack, print where it is, stop it on Ctrl-C."""
    from harness import settings as settings_module
    from harness.drive.end_signals import EndSignals
    from harness.drive.prepare import prepare_target
    from harness.drive.stack import alone

    settings = settings_module.load()
    ready = prepare_target(settings, shipped.target(target))
    end = EndSignals()
    folders = alone.Folders.of(settings_module.cache_dir(settings))
    alone.serve(ready, folders, port, weight, end, lambda endpoints: _print(endpoints, weight, ready.target.kit))
    click.echo("stack: stopped")
    return 0


def _print(endpoints: Endpoints, weight: int, kit: str) -> None:
    """Where it is and how to use it."""
    click.echo(f"service       {endpoints.service_url}  (canary weight {weight} %)")
    click.echo(f"prometheus    {endpoints.prometheus_url}")
    click.echo(f"alertmanager  {endpoints.alertmanager_url}")
    click.echo(f"router admin  {endpoints.router_admin_url}")
    locustfile = shipped.folder(shipped.LOCUSTFILES) / f"{kit}.py"
    if locustfile.is_file():
        click.echo(f"\nlocust -f {locustfile} --headless -u 20 -t 20s -H {endpoints.service_url}")
    click.echo("Ctrl-C ends it; nothing is kept.")
