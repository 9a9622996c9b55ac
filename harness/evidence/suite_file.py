"""suite.json: what a suite has run, and how each trial came out. Deterministic; written whole, then renamed.

    {"format": "harness/suite/1", "name", "title", "path", "opened_utc", "budget_s", "harness_version",
     "interrupted": bool, "verdict": PASS | FAIL | INCONCLUSIVE,
     "trials": [{"key", "label", "run", "control_of", "plant", "exit_code", "took_s", "log",
                 "verdict": the trial's own, "" where it has none, "headline": "check/rule", "red": [check],
                 "outcome": PASS (as expected) | FAIL | INCONCLUSIVE, "why", "since"}],
     "not_run": [{"label", "why", "was_red": bool}]}

`run` is the run directory's name beside the suite's folder, "" where none was made; `log` is relative to that
folder. `key` names the entry of the suite, for the next suite's order and estimates: the same experiment, target,
profile, seed, plant and with or without a control. A control is named by the run of `control_of`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from harness.errors import EvidenceError
from harness.evidence.finding import Verdict
from harness.evidence.format import SUITE_FORMAT

SUITE_FILE: Final = "suite.json"
SUITE_FOLDER: Final = "suite-"  # what its name begins with, beside the run directories


@dataclass(frozen=True, slots=True)
class Ran:
    """One trial that a suite has run; the names are those of suite.json. `said`: the last line of its output."""

    key: str
    label: str
    run: str
    control_of: str
    plant: str
    exit_code: int
    took_s: float
    log: str
    said: str


@dataclass(frozen=True, slots=True)
class NotRun:
    """One trial that a suite has not run, and why. `was_red`: when it ran the last time."""

    key: str
    label: str
    why: str
    was_red: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of an earlier suite: a trial with its control.

    `runs`: the run directories of both, as far as they were made. `was_red`: one of them was not as expected.
    `took_s`: of both together; None where one came to no verdict or the suite was interrupted, and with it the last.
    """

    key: str
    opened_utc: str
    runs: tuple[str, ...]
    was_red: bool
    took_s: float | None


def write(path: Path, document: Mapping[str, Any]) -> None:
    """Write it whole or not at all; OSError where the folder cannot be written."""
    partial = path.with_suffix(".partial")
    with partial.open("w") as file:
        json.dump({"format": SUITE_FORMAT, **document}, file, indent=1, sort_keys=True, ensure_ascii=False)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def entries(path: Path) -> tuple[Entry, ...]:
    """What has become of each entry, in the order in which they ran. EvidenceError where it cannot be read."""
    try:
        return tuple(_entries(json.loads(path.read_bytes())))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EvidenceError(f"{path}: {type(error).__name__}: {error}: what its trials took is not known") from error


def _entries(document: Mapping[str, Any]) -> Iterator[Entry]:
    if document["format"] != SUITE_FORMAT:
        raise ValueError(f"format is {document['format']!r}; this version reads {SUITE_FORMAT!r}")
    controls = [trial for trial in document["trials"] if trial["control_of"]]
    for trial in document["trials"]:
        if trial["control_of"]:
            continue
        mine = [trial, *(control for control in controls if control["control_of"] == trial["run"])]
        is_whole = not document["interrupted"] and all(one["verdict"] for one in mine)
        yield Entry(
            key=str(trial["key"]),
            opened_utc=str(document["opened_utc"]),
            runs=tuple(str(one["run"]) for one in mine if one["run"]),
            was_red=any(one["outcome"] != str(Verdict.PASS) for one in mine),
            took_s=sum(float(one["took_s"]) for one in mine) if is_whole else None,
        )
