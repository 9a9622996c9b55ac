"""`harness index [REPORTS_DIR]`: one page over all run directories of a folder."""

from __future__ import annotations

from pathlib import Path

import click


@click.command(help="Write index.html over all run directories of a folder.")
@click.argument("reports_dir", required=False, type=click.Path(path_type=Path))
def command(reports_dir: Path | None) -> int:
    """REPORTS_DIR: as the setting, `reports` by default. Prints the page's path."""
    click.echo(str(write_index(reports_folder(reports_dir))))
    return 0


def reports_folder(given: Path | None) -> Path:
    """The argument, else the setting."""
    from harness import settings

    return Path(settings.load({"reports_dir": str(given) if given else None})["reports_dir"])


def write_index(reports_dir: Path) -> Path:
    """Write the page beside the run directories, whole or not at all; its path."""
    from harness.cli.suite import known_promises
    from harness.study import history, index

    page = index.page(history.read(reports_dir), reports_dir.resolve().name, known_promises())
    path = reports_dir / "index.html"
    partial = path.with_suffix(".partial")
    partial.write_text(page)
    partial.replace(path)
    return path
