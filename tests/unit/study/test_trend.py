"""The history in the terminal and as JSON."""

from __future__ import annotations

import json
from dataclasses import replace

from harness.evidence.finding import Verdict
from harness.study import history, trend
from harness.study.expected import Expected

PLANT = "canary_loses_writes"
PROMISES = {PLANT: Expected(Verdict.FAIL, "data_loss", "vanished", ("data_loss",))}


def changed_level(reports):
    """Forty trials of one experiment whose rollback takes longer from the 26th on."""
    reports.add()
    (row,) = history.read(reports.path).rows
    rows = [
        replace(row, run=f"run-{place:02d}", rollback_s=(2.0, 2.02) if place < 25 else (5.0, 5.0), detect_s=(1.0, 1.0))
        for place in range(40)
    ]
    return history.History(tuple(rows), (), {})


def test_one_line_a_trial(reports):
    """Time, experiment, seed, verdict with its sign, cause and measures; what is planted says whether it was found."""
    name = reports.add("lost")
    reports.add("lost", plant=PLANT)
    reports.add("passing", plant=PLANT)
    reports.add("held", control_of=name)
    lines = trend.table(history.read(reports.path), PROMISES).splitlines()[1:]
    assert ["2026-01-01 00:01", "canary-5xx", "7", "✗", "FAIL", "data_loss", "/", "vanished"] == (
        [lines[0][:16], *lines[0][16:].split()[:7]]
    )
    assert f"canary-5xx + {PLANT} (found)" in lines[1]
    assert f"{PLANT} (NOT FOUND)" in lines[2]
    assert "fault-on-both, control" in lines[3]
    assert "–" == lines[3].split()[7]  # a hold has no rollback time


def test_change_of_level_is_marked(reports):
    """The mark stands at the first value of the new level, and a line under the table says from what to what."""
    lines = trend.table(changed_level(reports), {}).splitlines()
    assert ["▲ 5.00" in line for line in lines[1:41]] == [place == 25 for place in range(40)]
    (told,) = [line for line in lines if line.startswith("change:")]
    assert "canary-5xx, rollback time" in told
    assert "▲ from 2.01 to 5 s (p below 0.001), worse" in told


def test_json_has_the_same(reports):
    """Every row with its fields, each change with run, measure and levels, and what was left out."""
    document = trend.document(changed_level(reports), {})
    assert document == json.loads(json.dumps(document)) | {"trials": document["trials"]}
    assert 40 == len(document["trials"])
    (change,) = document["changes"]
    assert ("run-25", "rollback_s", True) == (change["run"], change["measure"], change["is_worse"])


def test_planted_trials_make_no_change(reports):
    """Were they in the series, fifteen slow ones would be a change of level."""
    found = changed_level(reports)
    rows = tuple(replace(row, plant=PLANT) if place >= 25 else row for place, row in enumerate(found.rows))
    assert [] == trend.document(replace(found, rows=rows), PROMISES)["changes"]


def test_one_experiment_is_chosen(reports):
    """Only its trials, and what was left out all the same."""
    reports.add()
    reports.add("held")
    (reports.path / "strange").mkdir()
    found = trend.chosen(history.read(reports.path), "fault-on-both")
    assert (["fault-on-both"], 1) == ([row.experiment for row in found.rows], len(found.left_out))
    assert "left out: strange: " in trend.table(found, {})
