"""`harness report DIR`: findings and evidence in, report.html, summary.md and junit.xml out; always the same bytes."""

from __future__ import annotations

from pathlib import Path

import click

from harness.errors import UsageError
from harness.evidence.finding import EXIT_CODES


@click.command(help="Draw a judged run directory again, offline.")
@click.argument("run_dir", type=click.Path(path_type=Path))
def command(run_dir: Path) -> int:
    """Write the three files and say where."""
    from harness.evidence import findings_file, run
    from harness.report import render

    evidence = run.load(run_dir)
    path = run_dir / "findings.json"
    if not path.exists():
        raise UsageError(f"{path}: no such file; run `harness judge {run_dir}` first")
    findings = findings_file.read(path)
    run_id = evidence.manifest.get("run_id")
    if findings.run_id != run_id:
        raise UsageError(
            f"{path}: these are the findings of run {findings.run_id!r}, and the evidence is that of {run_id!r}: "
            f"run `harness judge {run_dir}`"
        )
    for name, content in render(evidence, findings).items():
        (run_dir / name).write_bytes(content)
        click.echo(str(run_dir / name))
    return EXIT_CODES[findings.verdict]
