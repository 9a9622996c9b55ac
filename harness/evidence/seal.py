"""Closing a run directory: streams become Parquet, every evidence file gets its hash into SEAL.

Whoever closes the trial calls this once, after the last writer has ended: the control after a whole trial,
the guard (with complete=False) after a cut one. A directory without SEAL is an interrupted trial as well.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from harness.evidence import tables
from harness.evidence.format import METRICS, OPERATIONS, ROUTING

JUDGEMENT = ("findings.json", "report.html", "summary.md", "junit.xml")
_UNSEALED = {"SEAL", "LOCK", *JUDGEMENT}


def seal(run_dir: Path, complete: bool) -> None:
    """Convert what is still a stream, then write SEAL. Raises nothing for cut streams: the reader names them."""
    for name, schema in (("operations", OPERATIONS), ("metrics", METRICS)):
        for stream in sorted((run_dir / name).glob("*.arrows")):
            table, whole = tables.read_stream(stream)
            if table is not None and whole and table.schema.names == schema.names:
                tables.write_parquet(stream.with_suffix(".parquet"), table)
                stream.unlink()
    for log in sorted((run_dir / "routing").glob("*.ndjson")):
        with log.open(errors="replace") as lines:
            table, bad_count = tables.routing_rows(lines, ROUTING)
        if bad_count == 0:
            tables.write_parquet(log.with_suffix(".parquet"), table)
            log.unlink()
    document = {"complete": complete, "sha256": hashes(run_dir)}
    _write_synced(run_dir / "SEAL", json.dumps(document, indent=1, sort_keys=True) + "\n")


def hashes(run_dir: Path) -> dict[str, str]:
    """sha256 of every evidence file by its relative path; logs, the lock and the judgement are not evidence."""
    found: dict[str, str] = {}
    for path in sorted(run_dir.rglob("*")):
        relative = path.relative_to(run_dir)
        if not path.is_file() or relative.parts[0] == "logs" or str(relative) in _UNSEALED:
            continue
        with path.open("rb") as file:
            found[relative.as_posix()] = hashlib.file_digest(file, "sha256").hexdigest()
    return found


def read_seal(run_dir: Path) -> tuple[bool, tuple[str, ...]]:
    """(complete, problems): problems name each file that is missing, changed or not in the seal."""
    path = run_dir / "SEAL"
    if not path.exists():
        return False, ("SEAL: missing: the trial was interrupted before it was closed",)
    document: dict[str, Any] = json.loads(path.read_text())
    wanted: dict[str, str] = document["sha256"]
    present = hashes(run_dir)
    problems = [f"{name}: in the seal but not in the directory" for name in sorted(wanted.keys() - present.keys())]
    problems += [f"{name}: in the directory but not in the seal" for name in sorted(present.keys() - wanted.keys())]
    problems += [
        f"{name}: changed since it was sealed"
        for name in sorted(wanted)
        if present.get(name, wanted[name]) != wanted[name]
    ]
    return bool(document["complete"]), tuple(problems)


def _write_synced(path: Path, text: str) -> None:
    partial = path.with_suffix(".partial")
    with partial.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    partial.rename(path)
