"""findings.json: the same findings give the same bytes, and come back as they were."""

import json
from dataclasses import replace

import pytest

from harness.errors import EvidenceError
from harness.evidence import findings_file
from harness.evidence.finding import Finding, Findings, Headline, Instant, Rule, RuleKind, Verdict
from harness.judge import judge
from harness.testing import histories as h

LITERAL = Findings(
    run_id="r-1",
    experiment="experiments/x.yaml",
    target="local",
    verdict=Verdict.FAIL,
    headline=Headline("alert", "fired", "It never fired"),
    not_asked=("data_loss",),
    checks=(
        Finding(
            "alert",
            Verdict.FAIL,
            "It never fired",
            (Rule("fired", RuleKind.INFERENCE, Verdict.FAIL, "It never fired"),),
            {"share": 0.25, "op_ids": ["a", "b"], "count": 3},
        ),
    ),
    chain={"fault_on": Instant(1, 2, "timeline"), "decided": Instant(unknown="never")},
    durations_s={"detect": (1.5, 2.0)},
    bounds_s={"detect": (0.0, 10.0)},
)
TEXT = {
    "format": "harness/findings/1",
    "run_id": "r-1",
    "experiment": "experiments/x.yaml",
    "target": "local",
    "verdict": "FAIL",
    "headline": {"check": "alert", "rule": "fired", "says": "It never fired"},
    "not_asked": ["data_loss"],
    "checks": [
        {
            "id": "alert",
            "verdict": "FAIL",
            "summary": "It never fired",
            "rules": [{"id": "fired", "kind": "inference", "verdict": "FAIL", "says": "It never fired"}],
            "measured": {"share": 0.25, "op_ids": ["a", "b"], "count": 3},
        }
    ],
    "chain": {"fault_on": {"lo_ns": 1, "hi_ns": 2, "source": "timeline"}, "decided": {"unknown": "never"}},
    "durations_s": {"detect": [1.5, 2.0]},
    "bounds_s": {"detect": [0.0, 10.0]},
}


def test_document():
    """The file has the keys of the format and no others."""
    assert TEXT == json.loads(findings_file.encode(LITERAL))


def test_bytes():
    """Keys are sorted and the file ends with a line end, whatever order the findings were made in."""
    content = findings_file.encode(LITERAL)
    assert content == findings_file.encode(replace(LITERAL, chain=dict(reversed(list(LITERAL.chain.items())))))
    assert content.endswith(b"}\n")
    assert json.dumps(TEXT, indent=1, sort_keys=True).encode() + b"\n" == content


def test_literal_round_trip(tmp_path):
    """What was written comes back as it was."""
    findings_file.write(tmp_path / "findings.json", LITERAL)
    assert LITERAL == findings_file.read(tmp_path / "findings.json")
    assert ["findings.json"] == [path.name for path in tmp_path.iterdir()]


@pytest.mark.parametrize("make", [h.passing, h.promoted, h.held])
def test_round_trip(make, tmp_path):
    """A judgement read back and written again is the same file, its checks and chain in the judge's order."""
    path = tmp_path / "findings.json"
    findings = judge(make())
    findings_file.write(path, findings)
    first = path.read_bytes()
    read = findings_file.read(path)
    findings_file.write(path, read)
    assert first == path.read_bytes()
    assert [check.id for check in findings.checks] == [check.id for check in read.checks]
    assert list(findings.chain) == list(read.chain)


def test_floats_are_cut():
    """The last digits of an arithmetic are no finding: nine that matter stay."""
    noisy = replace(LITERAL, durations_s={"detect": (0.1 + 0.2, 1 / 3)})
    assert {"detect": [0.3, 0.333333333]} == json.loads(findings_file.encode(noisy))["durations_s"]


def test_not_a_number_is_refused():
    """A NaN is no JSON, and no finding."""
    with pytest.raises(ValueError, match="not JSON compliant"):
        findings_file.encode(replace(LITERAL, durations_s={"detect": (0.0, float("nan"))}))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "run `harness judge"),
        ("{", "run `harness judge"),
        ("[]", "format is None"),
        ('{"format": "harness/findings/2"}', "format is 'harness/findings/2'"),
        ('{"format": "harness/findings/1"}', "KeyError: 'headline'"),
        (json.dumps({**TEXT, "verdict": "GREEN"}), "'GREEN' is not a valid Verdict"),
        (json.dumps({**TEXT, "chain": {"decided": {"when": 1}}}), "unexpected keyword argument 'when'"),
    ],
)
def test_refused(content, says, tmp_path):
    """A file that is none names itself, what is wrong and what to do."""
    path = tmp_path / "findings.json"
    path.write_text(content)
    with pytest.raises(EvidenceError, match="judge") as caught:
        findings_file.read(path)
    assert str(path) in str(caught.value)
    assert says in str(caught.value)


def test_missing(tmp_path):
    """A run that was not judged says how to judge it."""
    with pytest.raises(EvidenceError, match="run `harness judge"):
        findings_file.read(tmp_path / "findings.json")
