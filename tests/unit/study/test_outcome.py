"""How a suite came out: expected or not, since when, and the three files."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest

from harness.evidence.finding import EXIT_CODES, Verdict
from harness.evidence.suite_file import NotRun, Ran
from harness.plan.suite import SuiteTrial
from harness.study import history, order, outcome
from harness.study.expected import Expected

PLANT = "canary_loses_writes"
PROMISES = {PLANT: Expected(Verdict.FAIL, "data_loss", "vanished", ("data_loss",))}


def ran(run, **changes):
    """A trial that ended with its verdict's exit code, unless `changes` say another."""
    base = Ran("k", "canary-5xx", run, "", "", None, 61.0, "logs/01-canary-5xx.log", "verdict: PASS x")
    return replace(base, **changes)


def suite(reports, *done, **changes):
    found = history.read(reports.path)
    codes = {row.run: EXIT_CODES[row.verdict] for row in found.rows}
    ended = [replace(one, exit_code=codes.get(one.run, 70)) if one.exit_code is None else one for one in done]
    outcomes = outcome.outcomes(ended, found, PROMISES)
    base = outcome.SuiteOutcome("nightly", "A title", "s.yaml", "20260101T000000Z", 600.0, False, outcomes, ())
    return replace(base, **changes)


@pytest.mark.parametrize(
    ("kind", "plant", "verdict"),
    [
        ("passing", "", "PASS"),
        ("lost", "", "FAIL"),
        ("cut", "", "INCONCLUSIVE"),
        ("lost", PLANT, "PASS"),
        ("passing", PLANT, "FAIL"),
        ("late", PLANT, "FAIL"),  # red, by another rule than promised
        ("cut", PLANT, "INCONCLUSIVE"),  # the evidence proves it neither way
        ("lost", "unknown_plant", "INCONCLUSIVE"),
    ],
)
def test_what_is_as_expected(reports, kind, plant, verdict):
    """A trial by its verdict, a planted one by its promise: verdict, headline and red checks."""
    name = reports.add(kind, plant=plant)
    found = suite(reports, ran(name, plant=plant))
    assert (verdict, verdict) == (found.outcomes[0].verdict, found.verdict)


def test_promise_is_kept_only_to_the_letter(reports):
    """One red check more than promised is not as promised."""
    name = reports.add("lost", plant=PLANT)
    (row,) = history.read(reports.path).rows
    assert name == row.run
    assert Verdict.PASS == outcome.judged(row, PROMISES)[0]
    more = replace(row, red=("data_loss", "recovery"))
    verdict, why = outcome.judged(more, PROMISES)
    assert ("FAIL", True) == (verdict, "red: data_loss, recovery" in why)


def test_trial_without_a_verdict_is_inconclusive(reports):
    """An exit code without a run directory is told with the last line of the output."""
    found = suite(reports, ran("", exit_code=64, said="x.yaml:3: load.profile is 'XXL'"))
    assert "INCONCLUSIVE" == found.verdict
    assert "exit code 64 and no verdict: x.yaml:3: load.profile is 'XXL'" in found.outcomes[0].why


@pytest.mark.parametrize(
    ("kind", "changes", "verdict", "said"),
    [
        ("passing", {"exit_code": 70, "said": "disk full"}, "INCONCLUSIVE", "exit code 70: disk full"),
        ("passing", {"exit_code": 143}, "INCONCLUSIVE", "exit code 143"),
        ("lost", {"exit_code": 143}, "FAIL", ""),  # what was found stays found
    ],
)
def test_exit_code_that_is_not_the_verdicts_is_no_pass(reports, kind, changes, verdict, said):
    """The findings alone make no PASS of a trial whose command ended otherwise."""
    (found,) = suite(reports, ran(reports.add(kind), **changes)).outcomes
    assert (verdict, True) == (found.verdict, said in found.why)


@pytest.mark.parametrize(("asked", "planted"), [("", PLANT), ("load_stops", PLANT)])
def test_other_plant_than_was_asked_for_is_no_pass(reports, asked, planted):
    """A defect found as promised proves nothing of a trial that was to have another, or none."""
    (found,) = suite(reports, ran(reports.add("lost", plant=planted), plant=asked)).outcomes
    assert "INCONCLUSIVE" == found.verdict
    assert f"Planted was {asked or 'nothing'}, but its run directory says {planted}" == found.why


def test_other_target_or_profile_has_a_streak_of_its_own(reports):
    """Red on another target or with another profile is no reason to say that this has been red."""
    reports.add("lost", load={"profile": "M", "seed": 7})
    found = suite(reports, ran(reports.add("lost")))
    assert "for the first time" == found.outcomes[0].since


def test_nothing_run_and_a_signal_are_inconclusive(reports):
    """A suite that ran nothing proves nothing, and one that was cut is not PASS; a FAIL stays one."""
    name, red = reports.add(), reports.add("lost")
    assert "INCONCLUSIVE" == suite(reports).verdict
    assert "INCONCLUSIVE" == suite(reports, ran(name), interrupted=True).verdict
    assert "FAIL" == suite(reports, ran(red), interrupted=True).verdict


def test_what_the_budget_left_out_costs_nothing(reports):
    """Not run is listed, in all three files, and is no red."""
    found = suite(reports, ran(reports.add()), not_run=(NotRun("k", "slow-leak", "takes about 120 s"),))
    assert "PASS" == found.verdict
    assert "Not run: slow-leak: takes about 120 s" in outcome.summary(found)
    assert [{"label": "slow-leak", "why": "takes about 120 s", "was_red": False}] == outcome.document(found, "1")[
        "not_run"
    ]
    (skipped,) = ET.fromstring(outcome.junit(found)).iter("skipped")
    assert "takes about 120 s" == skipped.get("message")


def test_left_out_though_red_the_last_time_is_no_pass(reports):
    """What was red and was not run again leaves the suite open; what was green does not."""
    name = reports.add()
    reports.add("lost", slug="stuck")
    trials = [
        SuiteTrial(place, "x.yaml", slug, 60.0, target="local", profile="S")
        for place, slug in enumerate(("stuck", "never"))
    ]
    ordered = order.placed(trials, history.read(reports.path), PROMISES, 600.0)
    left = outcome.not_run([NotRun(trial.key, trial.slug, "no time") for trial in trials], ordered)
    assert [True, False] == [one.was_red for one in left]
    found = suite(reports, ran(name), not_run=left)
    assert "INCONCLUSIVE" == found.verdict
    assert "- Not run, though red the last time: stuck: no time." in outcome.summary(found)
    assert "PASS" == suite(reports, ran(name), not_run=left[1:]).verdict


def test_red_is_told_with_since_when(reports):
    """A streak goes back to its first trial; green in between begins it anew; other experiments do not count."""
    kinds = ("lost", "passing", "lost", "lost", "lost")
    names = [reports.add(kind) for kind in kinds]
    reports.add("passing", slug="other")
    found = suite(reports, ran(names[-1]))
    assert f"since {names[2][:16]}, 3 times in a row" == found.outcomes[0].since
    assert "for the first time since it was green" == suite(reports, ran(names[2])).outcomes[0].since


def test_controls_have_a_streak_of_their_own(reports):
    """A red control is told since when controls have been red, whatever the same experiment did by itself."""
    first = reports.add("lost", slug="healthy-release", control_of="a")
    reports.add("passing", slug="healthy-release")
    second = reports.add("lost", slug="healthy-release", control_of="b")
    found = suite(reports, ran(second, control_of="b"))
    assert f"since {first[:16]}, 2 times in a row" == found.outcomes[0].since


def test_summary_leads_with_the_worst(reports):
    """FAIL before INCONCLUSIVE, whatever ran first, each with its cause and a link to its report."""
    open_, red, good = reports.add("cut"), reports.add("lost"), reports.add()
    found = suite(reports, ran(open_), ran(red, label="canary-5xx, seed 7"), ran(good))
    lines = outcome.summary(found).splitlines()
    assert "## ✗ FAIL: 1 of 3 trials as expected" == lines[0]
    (first,) = [line for line in lines if "Look at this first" in line]
    assert "canary-5xx, seed 7, FAIL: " in first
    assert f"Report: [{red}](../{red}/report.html)." in first
    assert [red, open_] == [one.ran.run for one in found.red]
    assert 3 == sum(line.startswith("| ") and "61 s" in line for line in lines)


def test_summary_links_to_where_its_reader_can_go(reports):
    """A published folder has one address a run, a CI run one for all; for somebody who reaches neither there is the
    name alone, and never a link that leads nowhere."""
    red = reports.add("lost")
    found = suite(reports, ran(red), ran("", said="no such file"))
    for link, told in {
        "https://example.org/reports/{run}/": f"[{red}](https://example.org/reports/{red}/)",
        "https://ci.example.org/7": f"[{red}](https://ci.example.org/7)",
        "": red,
    }.items():
        text = outcome.summary(found, link)
        assert 2 == text.count(told)
        assert f"Report: {told}." in text
        assert text.count("](") == (2 if link else 0)
        assert "| none |" in text


def test_summary_escapes_what_a_trial_said(reports):
    """Text of a child's output opens no table cell, no link and no tag."""
    text = outcome.summary(suite(reports, ran("", said="a|b <img> [x](y)")))
    assert "a\\|b &lt;img&gt; \\[x\\](y)" in text


def test_junit_has_one_case_a_trial(reports):
    """FAIL is a failure, INCONCLUSIVE an error, with the rule as its type; the counts are theirs."""
    found = suite(reports, ran(reports.add()), ran(reports.add("lost")), ran("", exit_code=70, said="bad \x00 byte"))
    root = ET.fromstring(outcome.junit(found))
    (element,) = root.iter("testsuite")
    assert ("3", "1", "1", "0") == tuple(element.get(name) for name in ("tests", "failures", "errors", "skipped"))
    assert [[], ["failure"], ["error"]] == [[one.tag for one in case] for case in root.iter("testcase")]
    assert ["vanished", "no_verdict"] == [one.get("type") for case in root.iter("testcase") for one in case]


def test_document_has_what_the_next_suite_reads(reports):
    """Each trial with key, time, verdict of its own and outcome."""
    name = reports.add("lost", plant=PLANT)
    document = outcome.document(suite(reports, ran(name, plant=PLANT)), "0.1.0")
    (one,) = document["trials"]
    assert ("k", 61.0, "FAIL", "PASS", "data_loss/vanished", ["data_loss"]) == (
        one["key"], one["took_s"], one["verdict"], one["outcome"], one["headline"], one["red"],
    )  # fmt: skip
    assert ("PASS", "nightly") == (document["verdict"], document["name"])
