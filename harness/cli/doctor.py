"""`harness doctor`: what is there, which version, what to do."""

from __future__ import annotations

import click

from harness.errors import EXIT_HARNESS

# Parts that only tests or the set-up need; a trial runs without them.
OPTIONAL = frozenset({"uv", "chromium", "amtool", "promtool"})


@click.command(help="Say what is there, in which version, and what to do.")
def command() -> int:
    """One line a part; 70 when a part that a trial needs is missing or too old."""
    from harness import settings as settings_module
    from harness.drive import doctor
    from harness.drive.prepare import given_binaries

    settings = settings_module.load()
    cache = settings_module.cache_dir(settings)
    rows = doctor.examine(given_binaries(settings), cache, settings.environment.get("PATH"))
    for row in rows:
        click.echo(f"{row.status:<8} {row.name:<16} {row.version:<12} {row.says}")
    wrong = [row.name for row in rows if row.status != "ok" and row.name not in OPTIONAL]
    click.echo(f"doctor: mend {', '.join(wrong)}" if wrong else "doctor: everything that a trial needs is there")
    return EXIT_HARNESS if wrong else 0
