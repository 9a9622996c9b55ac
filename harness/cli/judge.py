"""`harness judge DIR`: evidence in, findings.json and a table out. The same bytes every time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click

from harness.evidence.finding import EXIT_CODES, Findings


@click.command(help="Judge a run directory again, offline.")
@click.argument("run_dir", type=click.Path(path_type=Path))
def command(run_dir: Path) -> int:
    """Write findings.json beside the evidence, print the checks and the verdict."""
    from harness.evidence import findings_file, run
    from harness.judge import judge
    from harness.judge.self_check import self_checked

    evidence = run.load(run_dir)
    findings = self_checked(evidence, judge(evidence))
    findings_file.write(run_dir / "findings.json", findings)
    print_verdict(findings, run_dir)
    return EXIT_CODES[findings.verdict]


def print_verdict(findings: Findings, run_dir: Path, say: Callable[[str], None] = click.echo) -> None:
    """The table with its sentence, the report's path and the last line."""
    from harness.report import words

    say(words.checks_table(findings))
    report = run_dir / "report.html"
    say(f"report: {report}" if report.exists() else f"report: harness report {run_dir}")
    say(verdict_line(findings, run_dir))


def verdict_line(findings: Findings, run_dir: Path) -> str:
    """The last line of whatever shows a judged trial."""
    return f"verdict: {findings.verdict} {run_dir}"
