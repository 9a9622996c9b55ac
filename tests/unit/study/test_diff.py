"""Two runs side by side."""

from __future__ import annotations

import json

import pytest

from harness.errors import EvidenceError
from harness.study import diff


def compared(reports, a, b):
    return diff.compare(reports.path / a, reports.path / b)


def test_equal_trials_differ_in_nothing(reports):
    """What any two runs differ in, name, times and command, is left out; equal durations overlap."""
    found = compared(reports, reports.add(), reports.add(command="harness run x --run-dir y"))
    assert ((), ()) == (found.setup, found.answers)
    assert {"overlap"} == {one.standing for one in found.durations}
    text = diff.text(found)
    assert "the same: versions, settings, components and all the rest" in text
    assert "the same in every check and rule" in text


def test_what_was_run_differently_is_named(reports):
    """Version, seed, setting and component, each by its place with both values; what one side lacks is said."""
    changes = {
        "versions": {"stable": "1.0", "canary": "1.2"},
        "load": {"profile": "M", "seed": 8},
        "settings": {"seed": {"value": "8", "origin": "--seed"}, "run_dir": {"value": "x", "origin": "--run-dir"}},
        "components": {"python": "3.12.1"},
    }
    found = {one.place: (one.a, one.b) for one in compared(reports, reports.add(), reports.add(**changes)).setup}
    assert ("1.1", "1.2") == found["versions.canary"]
    assert ("7", "8") == found["load.seed"]
    assert ("S", "M") == found["load.profile"]
    assert ("not there", "8") == found["settings.seed.value"]
    assert ("3.11.7", "3.12.1") == found["components.python"]
    assert not [place for place in found if "run_dir" in place]


def test_changed_answers_are_named(reports):
    """Verdict, headline, check and rule, a red rule with its sentence; nothing that is the same."""
    found = compared(reports, reports.add(), reports.add("lost"))
    assert ("PASS", "FAIL") == found.verdicts
    said = {one.place: (one.a, one.b) for one in found.answers}
    assert {"verdict", "headline", "data_loss", "data_loss/vanished"} == set(said)
    assert ("none", "data_loss/vanished") == said["headline"]
    assert said["data_loss/vanished"][1].startswith("FAIL: 1 write")


def test_durations_are_compared_by_their_intervals(reports):
    """Intervals that share a value overlap, else they are apart; what one side lacks has no standing."""
    a, b = reports.add(), reports.add()
    path = reports.path / b / "findings.json"
    document = json.loads(path.read_text())
    high = document["durations_s"]["detect"][1]
    document["durations_s"]["detect"] = [high, high + 1]  # they touch
    high = document["durations_s"]["shift"][1]
    document["durations_s"]["shift"] = [high + 0.001, high + 1]
    del document["durations_s"]["drain"]
    path.write_text(json.dumps(document))
    found = {one.name: one.standing for one in compared(reports, a, b).durations}
    assert ("overlap", "apart", "") == (found["detect"], found["shift"], found["drain"])
    assert found == {one.name: one.standing for one in compared(reports, b, a).durations}
    assert "not measured" in diff.text(compared(reports, a, b))


def test_json_has_the_same(reports):
    """The document goes through JSON as it is."""
    found = diff.document(compared(reports, reports.add(), reports.add("lost")))
    again = json.loads(json.dumps(found))
    assert ["PASS", "FAIL"] == again["verdicts"]
    assert 4 == len(again["answers"])


def test_unjudged_run_is_refused(reports):
    """A run without findings is named with what to do."""
    with pytest.raises(EvidenceError, match="harness judge"):
        compared(reports, reports.add(), reports.add(findings=False))
