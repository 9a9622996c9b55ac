"""The undo log: on disk before the change, taken back from the last to the first, and never silently not."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest

from harness.drive.guard.identity import Identity
from harness.drive.guard.undo import UndoLog, UndoRequest


def lines(run_dir: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run_dir / "logs" / "undo.ndjson").read_text().splitlines()]


@pytest.fixture
def refused_port() -> int:
    """A port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_every_kind_of_line_is_as_specified(tmp_path: Path) -> None:
    """What a healer reads: requests and their end, processes and theirs, and the scratch folder."""
    log = UndoLog(tmp_path)
    entry = log.add(UndoRequest("DELETE", "http://127.0.0.1:1/faults", {"authorization": "Bearer t"}, "http_5xx"))
    log.process(Identity("envoy", 7, 100, "boot", "/bin/envoy", 7))
    log.scratch(Path("/tmp/scratch"))
    log.ended(7)
    log.done(entry)
    request = {
        "method": "DELETE",
        "url": "http://127.0.0.1:1/faults",
        "headers": {"authorization": "Bearer t"},
        "fault": "http_5xx",
    }
    process = {"name": "envoy", "pid": 7, "start_ticks": 100, "boot_id": "boot", "exe": "/bin/envoy", "pgid": 7}
    assert [
        {"add": 1, "request": request},
        {"process": process},
        {"scratch": "/tmp/scratch"},
        {"ended": 7},
        {"done": 1},
    ] == lines(tmp_path)


def test_only_its_owner_may_read_it(tmp_path: Path) -> None:
    """Requests carry the token of a control port."""
    UndoLog(tmp_path)
    assert 0o600 == (tmp_path / "logs" / "undo.ndjson").stat().st_mode & 0o777


def test_open_changes_are_taken_back_from_the_last_to_the_first(tmp_path: Path, refused_port: int) -> None:
    """A process that is gone took its fault along, so a refused connection counts; what is done is not tried again."""
    log = UndoLog(tmp_path)
    requests = [UndoRequest("DELETE", f"http://127.0.0.1:{refused_port}/{number}") for number in (1, 2, 3)]
    entries = [log.add(request) for request in requests]
    log.done(entries[1])
    assert [requests[2], requests[0]] == [one.request for one in log.heal()]
    assert [] == log.heal()
    assert [{"done": 2}, {"done": 3}, {"done": 1}] == [line for line in lines(tmp_path) if "done" in line]


def test_change_that_there_was_no_time_for_stays_open(tmp_path: Path, refused_port: int) -> None:
    """Past the limit nothing is begun; the log says that it is still to be taken back, and the caller why."""
    log = UndoLog(tmp_path)
    log.add(UndoRequest("DELETE", f"http://127.0.0.1:{refused_port}/1"))
    (late,) = log.heal(limit_s=0.0)
    assert f"DELETE http://127.0.0.1:{refused_port}/1: not tried, the 0 s for healing were over" == late.problem
    assert [] == [line for line in lines(tmp_path) if "done" in line]
    assert [""] == [one.problem for one in log.heal()]
