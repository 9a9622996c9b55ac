"""The history as text and as data: a row a trial, the oldest first, with the changes of level marked.

A mark stands before the value with which the new level begins, ▲ where it is higher and ▼ where it is lower; the lines
under the table say from what to what. Planted trials are listed and named, and are in no series.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

from harness.report import words
from harness.study import series
from harness.study.history import History, Row
from harness.study.index import cause, change_text, count_cell, seconds_cell, share_cell, when
from harness.study.order import Promises
from harness.study.outcome import judged
from harness.study.series import Change

HEADS: Final = (
    "opened (UTC)",
    "experiment",
    "seed",
    "verdict",
    "cause",
    "rollback s",
    "detect s",
    "share error",
    "lost req.",
    "lost wr.",
)
_NUMBERS_FROM: Final = 5  # these columns stand right
_KEYS: Final = ("rollback_s", "detect_s", "share_error", "requests_lost")
_EXPERIMENT_MAX: Final = 80


def chosen(history: History, experiment: str) -> History:
    """Only the trials of one experiment; all for ""."""
    rows = tuple(row for row in history.rows if not experiment or row.experiment == experiment)
    return History(rows, history.left_out, history.entries)


def table(history: History, promises: Promises) -> str:
    """Aligned plain text, ending in a newline."""
    marks = series.changes(series.groups(history.rows))
    lines = [HEADS, *(_cells(row, marks.get(row.run, ()), promises) for row in history.rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADS))]
    text = ["  ".join(_aligned(line, widths)).rstrip() for line in lines]
    notes = [*_change_lines(history.rows, marks), *(f"left out: {one.run}: {one.why}" for one in history.left_out)]
    return "\n".join([*text, *([""] if notes else []), *notes]) + "\n"


def document(history: History, promises: Promises) -> dict[str, Any]:
    """The same as data for JSON: `trials`, `changes`, `left_out`."""
    marks = series.changes(series.groups(history.rows))
    return {
        "trials": [{**asdict(row), "as_expected": str(judged(row, promises)[0])} for row in history.rows],
        "changes": [
            {
                "run": run,
                "experiment": change.row.experiment,
                "measure": change.measure.key,
                "before": change.point.before,
                "after": change.point.after,
                "p": change.point.p,
                "is_worse": change.is_worse,
            }
            for run, found in marks.items()
            for change in found
        ],
        "left_out": [asdict(one) for one in history.left_out],
    }


def _cells(row: Row, changes: Sequence[Change], promises: Promises) -> tuple[str, ...]:
    marked = {one.measure.key: "▲ " if one.point.after > one.point.before else "▼ " for one in changes}
    values = (
        seconds_cell(row.rollback_s),
        seconds_cell(row.detect_s),
        share_cell(row.share_error),
        count_cell(row.requests_lost),
    )
    return (
        when(row.opened_utc),
        words.plain(f"{row.experiment}{', control' * bool(row.control_of)}{_planted(row, promises)}", _EXPERIMENT_MAX),
        "" if row.seed is None else str(row.seed),
        f"{words.SYMBOLS[row.verdict]} {row.verdict}",
        cause(row),
        *(f"{marked.get(key, '')}{value}" for key, value in zip(_KEYS, values, strict=True)),
        count_cell(row.writes_lost),
    )


def _planted(row: Row, promises: Promises) -> str:
    if not row.plant:
        return ""
    word = {"PASS": "found", "FAIL": "NOT FOUND", "INCONCLUSIVE": "open"}[judged(row, promises)[0]]
    return f" + {row.plant} ({word})"


def _aligned(line: Sequence[str], widths: Sequence[int]) -> Iterator[str]:
    for column, (text, width) in enumerate(zip(line, widths, strict=True)):
        yield text.rjust(width) if column >= _NUMBERS_FROM else text.ljust(width)


def _change_lines(rows: Sequence[Row], marks: Mapping[str, tuple[Change, ...]]) -> Iterator[str]:
    for row in rows:
        for change in marks.get(row.run, ()):
            yield f"change: {row.experiment}, {change.measure.label.lower()}: {change_text(change)}"
