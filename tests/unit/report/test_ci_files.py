"""summary.md and junit.xml: what a CI system reads."""

import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.evidence.finding import Finding, Findings, Headline, Rule, RuleKind, Verdict
from harness.report import junit, summary

LINES_MAX = 60


@pytest.mark.parametrize("trial", ["rolled_back", "lost_writes", "interrupted", "promoted", "empty"])
def test_summary_is_short(trials, trial):
    """At most 60 lines."""
    assert LINES_MAX >= len(summary.markdown(*trials.ALL[trial]()).splitlines())


def test_summary_with_many_checks_is_short(trials):
    """However many checks there are, and with every optional line, it stays at 60."""
    evidence, findings = trials.lost_writes()
    many = tuple(replace(findings.checks[0], id=f"c{number}") for number in range(50))
    evidence = replace(evidence, complete=False, manifest=trials.manifest(plant="x"))
    text = summary.markdown(evidence, replace(findings, checks=many))
    assert LINES_MAX >= len(text.splitlines())
    assert "34 more in findings.json" in text


def test_junit_counts(trials):
    """FAIL is a failure, INCONCLUSIVE an error, not asked is skipped, and the totals agree."""
    evidence, findings = trials.interrupted()
    failed = replace(trials.lost_writes()[1].checks[8], id="other")
    findings = replace(findings, checks=(*findings.checks, failed), not_asked=("split", "notice"))
    suite = ElementTree.fromstring(junit.xml(evidence, findings)).find("testsuite")
    found = {tag: len(suite.findall(f"testcase/{tag}")) for tag in ("failure", "error", "skipped")}
    assert {"failure": 1, "error": 8, "skipped": 1} == found
    totals = {name: int(suite.get(name)) for name in ("tests", "failures", "errors", "skipped")}
    assert {"tests": 13, "failures": 1, "errors": 8, "skipped": 1} == totals
    assert 13 == len(suite.findall("testcase"))


def test_junit_says_what_is_wrong(trials):
    """A failure has its rule as type, the summary as message and the rule's sentence as text."""
    root = ElementTree.fromstring(junit.xml(*trials.lost_writes()))
    failure = root.find(".//testcase[@name='data_loss']/failure")
    assert "vanished" == failure.get("type")
    assert failure.get("message").startswith("3 of 1,571 acknowledged writes are gone")
    assert "FAIL vanished (witness): 3 acknowledged writes" in failure.text


def test_junit_has_properties_and_measured_values(trials):
    """Run id and verdict are properties; measured values are the case's output."""
    root = ElementTree.fromstring(junit.xml(*trials.rolled_back()))
    properties = {each.get("name"): each.get("value") for each in root.iter("property")}
    assert (trials.RUN_ID, "PASS") == (properties["run_id"], properties["verdict"])
    assert "lag_p99_ms: 2 ms" in root.find(".//testcase[@name='generator']/system-out").text


@given(text=st.text(max_size=60))
def test_any_text_gives_a_junit_file_that_parses(trials, text):
    """Whatever stands in a summary, the file parses and keeps the printable part."""
    findings = Findings(
        run_id=text,
        experiment=text,
        target=text,
        verdict=Verdict.FAIL,
        headline=Headline("", "", ""),
        not_asked=(text,),
        checks=(
            Finding(f"a{text}", Verdict.FAIL, text, (Rule("r", RuleKind.WITNESS, Verdict.FAIL, text),), {text: text}),
        ),
        chain={},
        durations_s={},
        bounds_s={},
    )
    root = ElementTree.fromstring(junit.xml(trials.empty()[0], findings))
    assert len(root.findall(".//failure")) == 1


@given(text=st.text(max_size=60))
def test_any_text_is_one_line_of_markdown(text):
    """No text breaks its line, opens a tag or ends a table cell."""
    line = summary.escaped(text)
    assert len(line.splitlines()) <= 1
    assert re.findall(r"[<>]|(?<!\\)(?:\\\\)*\|", line) == []
