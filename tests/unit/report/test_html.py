"""The page: its order, its numbers, its banners."""

import re
from dataclasses import replace

import pytest

from harness.evidence.format import Kind
from harness.judge import judge
from harness.report import html, words
from harness.testing import histories


def text_of(page):
    """The page without its style, script and tags, white space folded."""
    body = re.sub(r"(?s)<(style|script).*?</\1>", " ", page)
    return " ".join(re.sub(r"<[^>]+>", " ", body).split())


def test_sections_stand_in_the_readers_order(trials):
    """Verdict first, then checks, what they do not say, chart, chain, writes, run."""
    page = html.page(*trials.rolled_back())
    marks = (
        "<h1",
        "Users impacted",
        'id="checks"',
        'id="unsaid"',
        'id="time"',
        'id="chain"',
        'id="writes"',
        'id="run"',
    )
    places = [page.index(mark) for mark in marks]
    assert sorted(places) == places


def test_durations_on_the_page_are_those_of_the_findings(trials):
    """Every duration's cell holds the rounded ends of its interval."""
    evidence, findings = trials.rolled_back()
    page = html.page(evidence, findings)
    found = {
        name: tuple(float(number) for number in re.findall(r"-?\d+\.\d+", cell))
        for name, cell in re.findall(r'data-duration="(\w+)">.*?data-label="measured">([^<]*)<', page, re.S)
    }
    wanted = {
        name: tuple(dict.fromkeys(round(end, 2) for end in interval)) for name, interval in findings.durations_s.items()
    }
    assert wanted == found


def test_chain_on_the_page_is_relative_to_the_first_bad_answer(trials):
    """Every edge's cell holds its interval in seconds after the first faulted answer."""
    evidence, findings = trials.rolled_back()
    cells = re.findall(r'<td class="when">([^<]*)<br>', html.page(evidence, findings).partition('id="chain"')[2])
    zero_ns = findings.chain["first_faulted_response"].lo_ns
    wanted = [words.relative(edge, zero_ns) for edge in findings.chain.values()]
    assert wanted == cells[: len(wanted)]


def test_every_verdict_and_rule_is_on_the_page(trials):
    """Each check's summary and each rule's sentence is shown."""
    evidence, findings = trials.lost_writes()
    text = text_of(html.page(evidence, findings)).replace("&#39;", "'")
    missing = [
        said
        for check in findings.checks
        for said in (check.summary, *(rule.says for rule in check.rules))
        if said not in text
    ]
    assert [] == missing


@pytest.mark.parametrize("trial", ["interrupted", "empty"])
def test_cut_trial_says_so(trials, trial):
    """A trial without its end carries a banner above the verdict."""
    page = html.page(*trials.ALL[trial]())
    assert page.index("The trial was cut short") < page.index("<h1")


def test_planted_defect_has_a_banner(trials):
    """A planted defect is named above the verdict."""
    evidence, findings = trials.rolled_back()
    page = html.page(replace(evidence, manifest=trials.manifest(plant="lost_write")), findings)
    assert page.index("Planted defect: lost_write") < page.index("<h1")
    assert "Planted defect" not in html.page(evidence, findings)


def test_failed_part_of_the_harness_has_a_banner(trials):
    """An error event is named with its place."""
    evidence, findings = trials.rolled_back()
    error = trials.event(30, Kind.ERROR, where="observer", message="no answer")
    page = html.page(replace(evidence, events=(*evidence.events, error)), findings)
    assert "1 recorded; the first: observer: no answer" in page


def test_empty_evidence_says_why_nothing_is_drawn(trials):
    """The chart's place says what is missing and names the first problem of the evidence."""
    page = html.page(*trials.empty())
    assert "No request and no reading of the router&#39;s weight was recorded" in page
    assert "SEAL: missing" in page
    assert "<svg" not in page.partition('id="time"')[2].partition("</section>")[0]


def test_bare_manifest_renders(trials):
    """A manifest of format 1 with nothing in it still gives a page."""
    evidence, findings = trials.empty()
    page = html.page(replace(evidence, manifest={"format": "harness/run/1"}), findings)
    assert "not recorded" in page


def test_run_section_has_what_is_needed_to_repeat(trials):
    """Command, seed, what the load left out, host, settings with origin and rendered files are there."""
    evidence, findings = trials.rolled_back()
    text = text_of(html.page(evidence, findings)).partition("What was run")[2]
    wanted = (
        "harness run experiments/canary-5xx.yaml --target local",
        "seed 7",
        "staff rosters, customs messages",
        "8000000000",
        "reports/20261124 default",
        "rules/canary.yml",
    )
    assert [] == [each for each in wanted if each not in text]


def test_fault_on_both_is_told_of_both():
    """Where both versions were broken and the rollout was held, nothing speaks of the canary alone or of a rollback."""
    evidence = histories.held()
    assert {"canary", "stable"} == set(evidence.manifest["fault"]["tracks"])
    text = text_of(html.page(evidence, judge(evidence)))
    assert "switched on in the canary and stable." in text
    assert "% of the answers of the canary and stable, at the" in text
    assert "alert fires → rollout controller decides" in text
    assert re.search(r"Detect.{,60}first bad answer → alert fires [\d.]+ (to [\d.]+ )?s 10 s within the limit", text)
    assert re.search(r"Detect [\d.]+ (to [\d.]+ )?s, limit 10 s", text)  # in the drawing
    assert "none was lost without the fault's mark" in text.replace("&#39;", "'")


def test_bars_of_the_chain_share_one_scale(trials):
    """The first known edge's bar begins at the left end, and the last one's ends at the right end."""
    page = html.page(*trials.rolled_back())
    bars = [(float(x), float(width)) for x, width in re.findall(r'<rect x="([\d.]+)" y="1" width="([\d.]+)"', page)]
    assert 11 == len(bars)
    assert 0.0 == bars[0][0]
    assert pytest.approx(240.0, abs=0.2) == bars[-1][0] + bars[-1][1]


def test_trial_without_a_fault_shows_no_empty_tables(trials):
    """One sentence says why no event is known, and no duration without limit and measurement is listed."""
    page = html.page(*trials.promoted())
    assert "No event of the chain is known: nothing was broken in this trial." in page
    assert "How long it took" not in page
