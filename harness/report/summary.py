"""summary.md: the judgement in at most 60 lines, for a CI system's step summary.

GitHub-flavoured Markdown. Texts of the evidence are escaped, so that none of them opens a table cell, a link or
a tag. Not covered: the chart; CI systems do not show inline SVG.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePath
from typing import Final

from harness.evidence.finding import Finding, Findings, Verdict
from harness.evidence.run import Evidence
from harness.report import advice, html, impact, ledger, series, words

CHECKS_MAX: Final = 16  # rows shown; ten checks exist today
CELL_MAX: Final = 240


def markdown(evidence: Evidence, findings: Findings) -> str:
    """The whole file, ending in a newline."""
    book = ledger.build(evidence, findings, 0)
    return "\n".join(
        (
            *_head(evidence, findings),
            *_hurt(evidence, findings, book),
            *_checks(findings),
            *_chain(evidence, findings),
            *_numbers(evidence, findings, book),
            *_repeat(evidence),
        )
    )


def escaped(text: object) -> str:
    """Any text as one line of Markdown that means only itself."""
    line = words.plain(text, CELL_MAX).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return "".join(f"\\{char}" if char in "\\`*_[]|#~" else char for char in line)


def _head(evidence: Evidence, findings: Findings) -> Iterator[str]:
    word, _, sentence = words.verdict_sentence(findings).partition(": ")
    yield f"## {words.SYMBOLS[findings.verdict]} {word}: {escaped(sentence)}"
    yield ""
    title = evidence.manifest.get("experiment", {}).get("title", findings.experiment)
    yield f"{escaped(title)}, on target {escaped(findings.target)} (run {escaped(findings.run_id)})."
    if evidence.manifest.get("plant"):
        plant = escaped(evidence.manifest["plant"])
        yield f"**Planted defect {plant}: this verdict tests the harness, not the release.**"
    if not evidence.complete:
        yield "**The trial was cut short.**"
    if findings.headline.says:
        where = f"{escaped(findings.headline.check)} / {escaped(findings.headline.rule)}"
        yield f"**Earliest cause** ({where}): {escaped(findings.headline.says)}"
    if findings.headline.rule:
        step = advice.next_step(words.headline_check(findings), findings.headline.rule)
        yield f"**What to do next**: {escaped(step)}"


def _hurt(evidence: Evidence, findings: Findings, book: ledger.Ledger) -> Iterator[str]:
    yield f"**Users impacted**: {escaped(impact.impact(evidence, book.gone).sentence)}"
    yield escaped(words.not_asked(findings))
    if findings.self_check is not None:
        yield escaped(words.self_check(findings))
    yield ""


def _checks(findings: Findings) -> Iterator[str]:
    yield "| Answer | Check | What was found |"
    yield "|---|---|---|"
    for check in findings.checks[:CHECKS_MAX]:
        yield f"| {_answer(check)} | {escaped(check.id)} | {escaped(check.summary)} |"
    if len(findings.checks) > CHECKS_MAX:
        yield f"| | | {len(findings.checks) - CHECKS_MAX} more in findings.json |"
    yield ""


def _answer(check: Finding) -> str:
    word = check.verdict if check.verdict is Verdict.PASS else f"**{check.verdict}**"
    return f"{words.SYMBOLS[check.verdict]} {word}"


def _chain(evidence: Evidence, findings: Findings) -> Iterator[str]:
    zero = series.zero(evidence, findings)
    yield f"| Event | Seconds after {zero.what or 'nothing recorded'} | Source |"
    yield "|---|---|---|"
    for row in html.chain_rows(evidence, findings, zero.t_ns):
        when = row.when if row.known else f"unknown: {row.when}"
        yield f"| {escaped(row.label)} | {escaped(when)} | {escaped(row.source)} |"
    yield ""


def _numbers(evidence: Evidence, findings: Findings, book: ledger.Ledger) -> Iterator[str]:
    for row in html.duration_rows(evidence, findings):
        limit = f", limit {row.limit}: {row.standing}" if row.standing else ""
        yield f"- {escaped(row.label)} ({escaped(row.between)}): {row.measured}{limit}"
    total = book.total
    yield (
        f"- Writes: {total.attempted:,} sent, {total.ok:,} acknowledged; of these {total.ok_in_service:,} found "
        f"through stable and {total.ok_in_store:,} in the store"
    )
    yield f"- Requests: {evidence.operations['op_id'].size:,}"
    yield ""


def _repeat(evidence: Evidence) -> Iterator[str]:
    command = words.plain(evidence.manifest.get("command", ""), 1000).replace("`", "'")
    if command:
        yield "Run it again:"
        yield "```sh"
        yield command
        yield "```"
    if evidence.run_dir:
        yield f"Evidence: {escaped(PurePath(evidence.run_dir).name)}"
    yield ""
