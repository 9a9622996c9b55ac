"""The history: what a row says of a judged trial, and that nothing is dropped without a word."""

from __future__ import annotations

import json

import pytest

from harness.errors import EvidenceError, UsageError
from harness.evidence import suite_file
from harness.study import history


def test_row_is_what_the_judge_said(reports, findings_of):
    """Verdict, durations, lost requests and lost writes of a row are those of the findings."""
    name = reports.add("passing")
    (row,) = history.read(reports.path).rows
    findings = findings_of("passing")
    assert (name, "canary-5xx", "local", "S", 7, "", "") == (
        row.run, row.experiment, row.target, row.profile, row.seed, row.plant, row.control_of,
    )  # fmt: skip
    assert ("PASS", "", "", ()) == (row.verdict, row.check, row.rule, row.red)
    assert row.detect_s == pytest.approx(findings.durations_s["detect"])
    assert row.rollback_s == pytest.approx(findings.durations_s["shift"])
    assert (0, 0) == (row.requests_lost, row.writes_lost)
    measured = {check.id: check.measured for check in findings.checks}
    assert row.users_impacted == measured["requests"]["users_impacted_count"] > 0


def test_red_row_names_its_cause(reports, findings_of):
    """A lost write is counted, and the row has headline and red checks of the findings."""
    reports.add("lost", plant="canary_loses_writes", control_of="../reports/one")
    (row,) = history.read(reports.path).rows
    assert ("FAIL", "data_loss", "vanished") == (row.verdict, row.check, row.rule)
    assert (1, ("data_loss",)) == (row.writes_lost, row.red)
    assert ("canary_loses_writes", "one") == (row.plant, row.control_of)
    assert row.says == findings_of("lost").headline.says


def test_share_error_is_of_the_last_step_below_all(reports, findings_of):
    """Measured minus configured share in points with Wilson's interval; 100 % has nothing to be wrong about."""
    reports.add("promoted")
    (row,) = history.read(reports.path).rows
    split = next(check for check in findings_of("promoted").checks if check.id == "split").measured
    assert ["50 %", "100 %"] == [label[:5].strip() for label in split["steps"]]
    n, k = split["requests_count"][0], split["canary_count"][0]
    assert row.share_error.points == pytest.approx(100 * k / n - 50)
    # Wilson's interval, from its formula for z = 1.96.
    z = 1.959964
    middle, half = k / n + z * z / (2 * n), z * (k / n * (1 - k / n) / n + z * z / (4 * n * n)) ** 0.5
    ends = [100 * (middle + sign * half) / (1 + z * z / n) - 50 for sign in (-1, 1)]
    assert [row.share_error.lo, row.share_error.hi] == pytest.approx(ends, abs=0.01)


def test_rows_stand_in_the_order_of_time(reports):
    """The oldest first, whatever the directories are called."""
    names = [reports.add(kind) for kind in ("passing", "lost", "held")]
    (reports.path / names[0]).rename(reports.path / "zzz")
    assert ["zzz", *names[1:]] == [row.run for row in history.read(reports.path).rows]


def test_older_findings_have_gaps(reports):
    """Findings without split and requests give None, and no error."""
    name = reports.add("passing")
    path = reports.path / name / "findings.json"
    document = json.loads(path.read_text())
    document["checks"] = [check for check in document["checks"] if check["id"] not in ("split", "requests")]
    path.write_text(json.dumps(document))
    (row,) = history.read(reports.path).rows
    assert (None, None, None, None) == (row.share_error, row.requests_lost, row.users_impacted, row.mutations_count)


def test_what_is_no_row_is_left_out_with_its_reason(reports):
    """Every directory is a row or is named with the reason: no manifest, a broken one, not judged, a copy."""
    good, unjudged, broken, other = (reports.add(findings=index != 1) for index in range(4))
    (reports.path / broken / "manifest.json").write_text("{")
    (reports.path / other / "findings.json").write_text('{"format": "harness/findings/9"}')
    (reports.path / "empty").mkdir()
    (reports.path / "listed").mkdir()
    (reports.path / "listed" / "manifest.json").write_text("[]")
    copy = reports.path / "zz-copy"
    copy.mkdir()
    for name in ("manifest.json", "findings.json"):
        (copy / name).write_bytes((reports.path / good / name).read_bytes())
    found = history.read(reports.path)
    assert [good] == [row.run for row in found.rows]
    said = {one.run: one.why for one in found.left_out}
    assert {unjudged, broken, other, "empty", "listed", "zz-copy"} == set(said)
    assert "harness judge" in said[unjudged]
    assert "manifest cannot be read" in said[broken]
    assert "harness/findings/9" in said[other]
    assert "no manifest.json" in said["empty"]
    assert "format is None" in said["listed"]
    assert f"same trial as {good}" in said["zz-copy"]


def test_manifest_without_a_part_is_left_out(reports):
    """A manifest that lacks its experiment's title is named with what is missing."""
    name = reports.add(experiment={"slug": "x"})
    with pytest.raises(EvidenceError, match=r"'title'"):
        history.row_of(reports.path / name)


def test_links_files_and_suites_are_no_runs(reports):
    """`latest`, index.html and a suite's folder are neither rows nor left out; the suite gives what its trials took."""
    name = reports.add()
    (reports.path / "latest").symlink_to(name)
    (reports.path / "index.html").write_text("")
    for index, trials in enumerate(
        (
            [{"key": "a", "took_s": 50.0, "verdict": "PASS"}, {"key": "a", "took_s": 80.0, "verdict": "FAIL"}],
            [{"key": "a", "took_s": 2.0, "verdict": ""}, {"key": "b", "took_s": 9.0, "verdict": "PASS"}],
        )
    ):
        folder = reports.path / f"suite-2026010{index}T000000Z-nightly"
        folder.mkdir()
        base = {"outcome": "PASS", "run": "", "control_of": ""}
        document = {"opened_utc": folder.name[6:22], "interrupted": False, "trials": [base | one for one in trials]}
        suite_file.write(folder / "suite.json", document)
    found = history.read(reports.path)
    assert ([name], ()) == ([row.run for row in found.rows], found.left_out)
    took_s = {key: [one.took_s for one in entries] for key, entries in found.entries.items()}
    assert {"a": [50.0, 80.0, None], "b": [9.0]} == took_s


def test_broken_suite_is_named(reports):
    """A suite whose file cannot be read is listed; a suite of another format too."""
    for name, text in (("suite-1", "{"), ("suite-2", '{"format": "harness/suite/9", "trials": []}')):
        (reports.path / name).mkdir()
        (reports.path / name / "suite.json").write_text(text)
    said = {one.run: one.why for one in history.read(reports.path).left_out}
    assert {"suite-1", "suite-2"} == set(said)
    assert "harness/suite/9" in said["suite-2"]


def test_suite_without_its_file_is_named(reports):
    """A suite that runs, or was killed, is neither a run nor forgotten."""
    (reports.path / "suite-20260101T000000Z-nightly").mkdir()
    (left,) = history.read(reports.path).left_out
    assert "still running, or it did not come to its end" in left.why


def test_missing_folder_is_refused(tmp_path):
    """A folder that is not there is the user's to mend."""
    with pytest.raises(UsageError, match="no such folder"):
        history.read(tmp_path / "nothing")
