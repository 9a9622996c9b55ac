"""The doctor's rows."""

from __future__ import annotations

import pytest

from harness.drive import doctor
from harness.drive.stack.binaries import Given


def program(place, text):
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(f"#!/bin/sh\n{text}\n")
    place.chmod(0o755)
    return place


def rows(tmp_path, given=None, euid=1000):
    found = doctor.examine(given or Given(), tmp_path / "cache", str(tmp_path / "bin"), euid)
    return {row.name: row for row in found}


def test_every_part_has_a_row(tmp_path):
    """The parts of a trial, in the order in which they are shown."""
    assert tuple(rows(tmp_path)) == (
        *("python", "uv", "envoy", "postgres", "prometheus", "promtool", "alertmanager", "amtool"),
        *("locust", "chaostoolkit", "user namespaces", "ports", "disk", "chromium"),
    )


def test_nothing_is_written(tmp_path):
    """A look leaves no folder behind."""
    rows(tmp_path)
    assert [] == list(tmp_path.iterdir())


def test_a_missing_part_says_the_next_step(tmp_path):
    """Prometheus is nowhere: how to get it."""
    row = rows(tmp_path)["prometheus"]
    assert (row.status, row.version) == ("missing", "")
    assert row.says.startswith("python -m harness.drive.stack.binaries fetches it")


@pytest.mark.parametrize(
    ("printed", "status"), [("2.42.0+ds", "ok"), ("3.5.0", "ok"), ("2.41.9", "old"), ("2.5.1", "old")]
)
def test_a_version_is_compared_by_its_numbers(tmp_path, printed, status):
    """2.5 is older than 2.42, however it sorts as text."""
    program(tmp_path / "bin" / "promtool", f"echo promtool, version {printed}")
    row = rows(tmp_path)["promtool"]
    assert (status, printed) == (row.status, row.version)


def test_a_program_that_does_not_run_is_missing(tmp_path):
    """A binary of another machine: its last words and the next step."""
    program(tmp_path / "bin" / "amtool", "echo Exec format error >&2; exit 126")
    row = rows(tmp_path)["amtool"]
    assert row.status == "missing"
    assert "exit code 126: Exec format error" in row.says


def test_a_wrong_setting_is_a_row_and_not_the_end(tmp_path):
    """The doctor goes on after a setting that names nothing."""
    found = rows(tmp_path, Given(envoy="/nowhere/envoy"))
    assert found["envoy"].status == "missing"
    assert "'/nowhere/envoy' is no executable file" in found["envoy"].says
    assert found["disk"].status == "ok"


@pytest.mark.parametrize(
    ("euid", "text", "status"),
    [
        (1000, "exit 1", "ok"),
        (0, "exit 0", "ok"),
        (0, "echo unshare failed: Operation not permitted >&2; exit 1", "missing"),
    ],
)
def test_user_namespaces_are_needed_by_root_only(tmp_path, euid, text, status):
    """Root without them cannot run PostgreSQL; anybody else needs none."""
    program(tmp_path / "bin" / "unshare", text)
    assert status == rows(tmp_path, euid=euid)["user namespaces"].status


def test_locust_and_chaos_toolkit_are_found_with_their_versions(tmp_path):
    """The versions that this environment has."""
    found = rows(tmp_path)
    assert ("ok", "ok") == (found["locust"].status, found["chaostoolkit"].status)
    assert doctor.number(found["chaostoolkit"].version) >= (1, 19)


def test_chromium_is_only_for_the_browser_tests(tmp_path):
    """Its absence does not keep anybody from a trial, and the row says so."""
    assert rows(tmp_path)["chromium"].says.startswith("only for the browser tests")
    assert set(doctor.OPTIONAL) <= set(rows(tmp_path))
