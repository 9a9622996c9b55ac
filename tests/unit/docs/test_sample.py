"""The run directory in docs/sample is a real one, and what lies there is what today's judge and report make of it.

Where a rule or the page changes, this fails until both are made anew: `harness judge docs/sample`.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness import report
from harness.evidence import findings_file, run
from harness.judge import judge
from harness.judge.self_check import self_checked

SAMPLE = Path(__file__).parents[3] / "docs" / "sample"


@pytest.mark.slow
def test_sample_is_judged_and_drawn_as_it_lies_there(tmp_path):
    """Its evidence is whole, it is a PASS whose self-check went red every time, and the files are the same bytes."""
    evidence = run.load(SAMPLE)
    findings_file.write(tmp_path / "findings.json", self_checked(evidence, judge(evidence)))
    assert (tmp_path / "findings.json").read_bytes() == (SAMPLE / "findings.json").read_bytes()
    document = json.loads((SAMPLE / "findings.json").read_text())
    assert "PASS" == document["verdict"]
    assert document["self_check"]["mutations"] == document["self_check"]["caught"] > 50
    for name, content in report.render(evidence, findings_file.read(SAMPLE / "findings.json")).items():
        assert (SAMPLE / name).read_bytes() == content, name
