"""Where the rows behind each check lie: the files beside the page, and one line that shows the rows.

Links are relative, so they work wherever the run directory is copied whole. The line reads a table with pyarrow, or a
timeline with grep; it is to be run inside the run directory. Where a check names operations, the line shows the first.

Not covered: logs, which are not sealed.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from harness.evidence.finding import Finding, Verdict
from harness.evidence.run import Evidence

FILES_MAX: Final = 8
ROWS_MAX: Final = 10
OP_IDS: Final = "_op_ids"

# Folders and files with the rows of a check, and the columns or kinds of event to look at.
PLACES: Final[Mapping[str, tuple[str, ...]]] = {
    "evidence": ("SEAL", "manifest.json", "timeline/"),
    "generator": ("schedule/", "operations/", "timeline/load", "timeline/observer"),
    "baseline": ("operations/", "metrics/", "journal.json"),
    "fault": ("operations/", "timeline/control", "routing/"),
    "split": ("routing/", "timeline/observer", "operations/"),
    "alert": ("metrics/", "notifications/", "config/rules"),
    "rollback": ("routing/", "timeline/observer", "timeline/stepper", "notifications/"),
    "requests": ("operations/", "routing/"),
    "data_loss": ("readback/", "operations/"),
    "recovery": ("operations/", "journal.json"),
    "cleanup": ("timeline/control", "timeline/guard"),
}
# (table, column, value): the rows that the check is about where no operation is named.
ROWS: Final[Mapping[str, tuple[str, str, str | int]]] = {
    "generator": ("operations", "sent_ns", 0),
    "baseline": ("operations", "outcome", "failed"),
    "split": ("routing", "cluster", "canary"),
    "alert": ("metrics", "name", "ALERTS"),
    "rollback": ("routing", "cluster", "canary"),
    "requests": ("operations", "outcome", "unknown"),
    "data_loss": ("operations", "outcome", "failed"),
    "recovery": ("operations", "outcome", "failed"),
}
EVENTS: Final[Mapping[str, str]] = {"evidence": "error", "cleanup": "census"}


@dataclass(frozen=True, slots=True)
class Source:
    """The files of one check as (path, address relative to the page), and the line that shows its rows."""

    files: tuple[tuple[str, str], ...]
    more: int
    line: str


def source(check: Finding, evidence: Evidence) -> Source:
    """Where the rows of a check are; no files where the evidence does not say what it consists of."""
    places = PLACES.get(check.id, ())
    found = [name for place in places for name in evidence.files if name.startswith(place)]
    shown = tuple((name, quote(name)) for name in found[:FILES_MAX])
    return Source(shown, max(len(found) - FILES_MAX, 0), line(check, evidence) if _is_there(check, found) else "")


def _is_there(check: Finding, found: list[str]) -> bool:
    """Whether the line has something to read: a sealed table, or the timeline for what is read from there."""
    wanted = ".ndjson" if check.id in EVENTS else ".parquet"
    return any(name.endswith(wanted) for name in found)


def line(check: Finding, evidence: Evidence) -> str:
    """One line for a shell in the run directory; "" for a check without rows of its own."""
    named = next(_named(check), "")
    if named:
        return _select("operations", "op_id", named)
    if check.id == "fault":
        kind = (evidence.manifest.get("fault") or {}).get("kind", "")
        return _select("operations", "fault_mark", str(kind))
    if check.id in ROWS:
        return _select(*ROWS[check.id])
    if check.id in EVENTS:
        return f"""grep '"kind":"{EVENTS[check.id]}"' timeline/*.ndjson"""
    return ""


def _named(check: Finding) -> Iterator[str]:
    """Operations that a red check names, the first of each term."""
    if check.verdict is Verdict.PASS:
        return
    for name, value in check.measured.items():
        if name.endswith(OP_IDS) and isinstance(value, list | tuple):
            yield from (str(each) for each in value[:1])


def _select(table: str, column: str, value: str | int) -> str:
    """Quotes inside are double, so that the shell's single ones need no escape."""
    name, field, wanted = (json.dumps(each, ensure_ascii=False) for each in (table, column, value))
    rows = f'p.read_table({name}, filters=[({field}, "==", {wanted})])'
    return f"python -c {shlex.quote(f'import pyarrow.parquet as p; print({rows}.slice(0, {ROWS_MAX}).to_pylist())')}"
