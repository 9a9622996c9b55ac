"""`harness trend [REPORTS_DIR]`: every trial of a folder, one line each, and where a level has changed."""

from __future__ import annotations

import json
from pathlib import Path

import click

from harness.errors import UsageError


@click.command(help="Show the history of a folder, changes of level marked.")
@click.argument("reports_dir", required=False, type=click.Path(path_type=Path))
@click.option("--experiment", default="", help="Only this experiment's trials, by the name of its file.")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def command(reports_dir: Path | None, experiment: str, as_json: bool) -> int:
    """REPORTS_DIR: as the setting, `reports` by default."""
    from harness.cli.index import reports_folder
    from harness.cli.suite import known_promises
    from harness.plan.validate import nearest
    from harness.study import history, trend

    found = history.read(reports_folder(reports_dir))
    known = {row.experiment for row in found.rows}
    if experiment and experiment not in known:
        raise UsageError(f"--experiment: no trial of {experiment!r} is there; {nearest(experiment, known)}")
    shown, promises = trend.chosen(found, experiment), known_promises()
    if as_json:
        click.echo(json.dumps(trend.document(shown, promises), indent=1, ensure_ascii=False))
    else:
        click.echo(trend.table(shown, promises), nl=False)
    return 0
