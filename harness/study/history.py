"""A reports folder as rows, one a judged trial, from manifest.json and findings.json alone.

Terms. A *row* is one trial as its judge left it. *Planted*: a defect was put in on purpose, so its verdict speaks of
the harness. A *control* is the fault-free trial that a suite ran beside another, with the same seed. An interval is
(lo, hi).

    detect_s        first faulted answer to the alert firing
    rollback_s      first faulted answer to the last request sent to the canary
    share_error     measured share of the canary minus its weight, in points of percent, at the last step at which both
                    versions had a weight: the estimate and Wilson's 95 % interval
    requests_lost   requests that failed or stayed unknown without the fault's own mark, on either version
    users_impacted  users who got a bad answer, the fault's own included
    writes_lost     acknowledged writes that are not there, cannot be read or are not what was sent

None stands for what the findings do not have: an older judge, a check not asked, an event that never came. What is
no row is in `left_out`, with the reason. Links (`latest`), files and the folders of suites are no run directories.

Not covered: the evidence itself; whoever doubts a row opens its report.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from harness.errors import EvidenceError, UsageError
from harness.evidence import findings_file, suite_file
from harness.evidence.finding import Findings, Verdict
from harness.evidence.run import read_manifest
from harness.evidence.suite_file import SUITE_FILE, SUITE_FOLDER, Entry
from harness.report.series import wilson

Interval = tuple[float, float]
_WRITES_LOST: Final = ("vanished_count", "unreadable_count", "mutated_count")
_REQUESTS_LOST: Final = ("lost_on_stable_count", "lost_on_canary_count", "unattributed_count")
_STEP: Final = re.compile(r"^([0-9.]+) %")


@dataclass(frozen=True, slots=True)
class ShareError:
    """Measured minus configured share, in points of percent, with its interval."""

    points: float
    lo: float
    hi: float


@dataclass(frozen=True, slots=True)
class Row:
    """One judged trial; see the top of the file. `run`: its directory. `red`: checks that are not PASS, sorted."""

    run: str
    run_id: str
    opened_utc: str
    experiment: str
    title: str
    target: str
    profile: str
    seed: int | None
    plant: str
    control_of: str
    verdict: Verdict
    check: str
    rule: str
    says: str
    red: tuple[str, ...]
    detect_s: Interval | None
    rollback_s: Interval | None
    share_error: ShareError | None
    requests_lost: int | None
    users_impacted: int | None
    writes_lost: int | None
    mutations_caught: int | None  # of the self-check, which there is only after a PASS
    mutations_count: int | None
    has_report: bool


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A directory that gives no row, and why."""

    run: str
    why: str


@dataclass(frozen=True, slots=True)
class History:
    """Rows, the oldest first; what is left out; `entries`: those of earlier suites by their key, the oldest first."""

    rows: tuple[Row, ...]
    left_out: tuple[LeftOut, ...]
    entries: Mapping[str, tuple[Entry, ...]]


def read(reports_dir: Path) -> History:
    """The history of a reports folder. UsageError when there is no such folder."""
    if not reports_dir.is_dir():
        raise UsageError(f"{reports_dir}: no such folder; run a trial first, or name the folder with run directories")
    rows: list[Row] = []
    left_out: list[LeftOut] = []
    suites: list[Path] = []
    by_id: dict[str, str] = {}
    for path in sorted(entry for entry in reports_dir.iterdir() if entry.is_dir() and not entry.is_symlink()):
        if (path / SUITE_FILE).is_file():
            suites.append(path / SUITE_FILE)
            continue
        if path.name.startswith(SUITE_FOLDER):
            left_out.append(
                LeftOut(path.name, f"a suite without {SUITE_FILE}: still running, or it did not come to its end")
            )
            continue
        try:
            row = row_of(path)
        except EvidenceError as error:
            left_out.append(LeftOut(path.name, str(error)))
            continue
        if row.run_id in by_id:
            left_out.append(LeftOut(path.name, f"is the same trial as {by_id[row.run_id]}: {row.run_id}"))
            continue
        by_id[row.run_id] = path.name
        rows.append(row)
    rows.sort(key=lambda row: (row.opened_utc, row.run))
    entries, broken = _entries(suites)
    return History(tuple(rows), (*left_out, *broken), entries)


def row_of(run_dir: Path) -> Row:
    """One run directory. EvidenceError where it cannot be read, or is not judged."""
    manifest = read_manifest(run_dir)
    path = run_dir / "findings.json"
    if not path.exists():
        raise EvidenceError(f"{run_dir}: no findings.json: still running, or `harness judge {run_dir}` was never run")
    findings = findings_file.read(path)
    try:
        return _row(run_dir.name, manifest, findings, (run_dir / "report.html").is_file())
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise EvidenceError(
            f"{run_dir}: {type(error).__name__}: {error}: its manifest or findings miss a part"
        ) from error


def _row(run: str, manifest: Mapping[str, Any], findings: Findings, has_report: bool) -> Row:
    experiment, load = manifest["experiment"], manifest.get("load", {})
    measured = {check.id: check.measured for check in findings.checks}
    count = findings.self_check
    return Row(
        run=run,
        run_id=findings.run_id,
        opened_utc=str(manifest["opened_utc"]),
        experiment=str(experiment["slug"]),
        title=str(experiment["title"]),
        target=findings.target,
        profile=str(load.get("profile", "")),
        seed=int(load["seed"]) if load.get("seed") is not None else None,
        plant=str(manifest.get("plant", "")),
        control_of=Path(str(manifest.get("control_of", ""))).name,
        verdict=findings.verdict,
        check=findings.headline.check,
        rule=findings.headline.rule,
        says=findings.headline.says,
        red=tuple(sorted(check.id for check in findings.checks if check.verdict is not Verdict.PASS)),
        detect_s=findings.durations_s.get("detect"),
        rollback_s=findings.durations_s.get("shift"),
        share_error=_share_error(measured.get("split", {})),
        requests_lost=_sum(measured.get("requests", {}), _REQUESTS_LOST),
        users_impacted=_sum(measured.get("requests", {}), ("users_impacted_count",)),
        writes_lost=_sum(measured.get("data_loss", {}), _WRITES_LOST),
        mutations_caught=count.caught_count if count else None,
        mutations_count=count.mutations_count if count else None,
        has_report=has_report,
    )


def _sum(measured: Mapping[str, Any], names: Sequence[str]) -> int | None:
    found = [measured[name] for name in names if name in measured]
    return sum(int(value) for value in found) if len(found) == len(names) else None


def _share_error(split: Mapping[str, Any]) -> ShareError | None:
    """Of the last step below 100 % that has requests: at 100 % a share has nothing to be wrong about."""
    steps, counts = split.get("steps", []), split.get("requests_count", [])
    for label, n, k in reversed(list(zip(steps, counts, split.get("canary_count", []), strict=True))):
        found = _STEP.match(label)
        weight = float(found.group(1)) if found else 100.0
        if n > 0 and weight < 100:
            lo, hi = (100 * float(end[0]) - weight for end in wilson(np.array([k]), np.array([n])))
            return ShareError(points=100 * k / n - weight, lo=lo, hi=hi)
    return None


def _entries(suites: Sequence[Path]) -> tuple[dict[str, tuple[Entry, ...]], list[LeftOut]]:
    """The entries of earlier suites by their key, the oldest first, and the suites that cannot be read."""
    found: list[Entry] = []
    broken: list[LeftOut] = []
    for path in suites:
        try:
            found += suite_file.entries(path)
        except EvidenceError as error:
            broken.append(LeftOut(path.parent.name, str(error)))
    found.sort(key=lambda entry: entry.opened_utc)
    by_key: dict[str, list[Entry]] = {}
    for entry in found:
        by_key.setdefault(entry.key, []).append(entry)
    return {key: tuple(entries) for key, entries in by_key.items()}, broken
