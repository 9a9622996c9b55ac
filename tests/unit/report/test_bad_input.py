"""`harness report` on what cannot be drawn, or only in part: a message or a banner, never a traceback."""

import json
import re
from dataclasses import replace

import pytest

from harness.cli.main import run as harness
from harness.evidence import findings_file, run
from harness.evidence.finding import Rule, RuleKind, Verdict
from harness.judge import judge
from harness.report import html
from harness.testing import histories


@pytest.fixture
def judged(tmp_path):
    """A judged run directory of the passing history."""
    run_dir = tmp_path / "run"
    histories.write(histories.passing(), run_dir)
    findings_file.write(run_dir / "findings.json", judge(run.load(run_dir)))
    return run_dir


def said(capsys, *arguments):
    """(exit code, what stands on standard error) of one command."""
    code = harness([str(argument) for argument in arguments])
    error = capsys.readouterr().err
    assert "Traceback" not in error
    return code, error


def test_whole_directory_is_drawn(judged, capsys):
    """The near miss: nothing is wrong, so three files are written."""
    assert (0, "") == said(capsys, "report", judged)
    assert b"findings were made by another version" not in (judged / "report.html").read_bytes()


@pytest.mark.parametrize(
    ("file", "change", "words"),
    [
        ("manifest.json", lambda text: text.replace("harness/run/1", "harness/run/2"), "use the harness that wrote it"),
        ("manifest.json", lambda text: text[:100], "the manifest cannot be read"),
        ("manifest.json", lambda _: "[]", "format is None"),
        ("findings.json", lambda text: text.replace("harness/findings/1", "harness/findings/7"), "judge the run again"),
        ("findings.json", lambda text: text[:-300], "run `harness judge"),
        ("findings.json", lambda text: text.replace('"summary"', '"sumary"'), "judge the run again"),
        (
            "findings.json",
            lambda text: text.replace(histories.RUN_ID, "another-run"),
            "the findings of run 'another-run'",
        ),
    ],
)
def test_file_that_cannot_be_used_is_refused(judged, capsys, file, change, words):
    """Exit code 64 and one message with the file, what is wrong and the next step; nothing is drawn."""
    path = judged / file
    path.write_text(change(path.read_text()))
    code, error = said(capsys, "report", judged)
    assert 64 == code
    assert words in error
    assert str(path) in error
    assert not (judged / "report.html").exists()


@pytest.mark.parametrize(
    "file",
    [
        "operations/*.parquet",
        "routing/*.parquet",
        "metrics/*.parquet",
        "schedule/*.parquet",
        "readback/store/rows.parquet",
        "readback/service/meta.json",
        "readback/store/meta.json",
    ],
)
def test_truncated_evidence_is_drawn_and_named(judged, capsys, file):
    """A table or document that was cut is a problem on the page, and judged again it is no PASS."""
    path = next(judged.glob(file))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert 2 == harness(["judge", str(judged)])
    assert 2 == harness(["report", str(judged)])
    page = (judged / "report.html").read_text()
    assert "Traceback" not in capsys.readouterr().err
    name = str(path.relative_to(judged))
    problems = re.findall(r"<li>([^<]*)</li>", page.partition("Problems of the evidence")[2])
    assert 2 <= sum(name in problem for problem in problems)  # what is wrong with it, and that it is not as sealed


def test_findings_of_another_judge_have_a_banner(trials):
    """Rules that this version does not know, and checks without an answer, are said above the verdict."""
    evidence, findings = trials.rolled_back()
    strange = Rule("brand_new", RuleKind.INFERENCE, Verdict.PASS, "It holds.")
    first, *rest = findings.checks
    other = replace(findings, checks=(replace(first, rules=(*first.rules, strange)), *rest[:-1]))
    page = html.page(evidence, other)
    assert page.index("findings were made by another version of the judge") < page.index("<h1")
    assert "does not know: evidence/brand_new." in page
    assert "that this version asks: cleanup." in page
    assert "another version of the judge" not in html.page(evidence, findings)


def test_check_that_is_not_asked_is_not_missed(trials):
    """A check that target or experiment leave out is no sign of another judge."""
    evidence, findings = trials.promoted()
    assert "fault" in findings.not_asked
    assert "another version of the judge" not in html.page(evidence, findings)


def test_whatever_json_the_findings_hold(judged, capsys):
    """A findings file that is no object is refused as one of no known format."""
    (judged / "findings.json").write_text(json.dumps(["PASS"]))
    code, error = said(capsys, "report", judged)
    assert (64, True) == (code, "format is None" in error)
