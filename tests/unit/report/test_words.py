"""The words: verdict sentences, numbers with units, the terminal's table."""

import re
from dataclasses import replace

import pytest

from harness.evidence.finding import CHAIN, Headline, Instant, SelfCheckCount, Verdict
from harness.report import words


@pytest.mark.parametrize(
    ("trial", "sentence"),
    [
        (
            "rolled_back",
            "PASS: the alert fired 2.49 to 3.49 s after the first bad answer, the canary got its last request "
            "3.67 s after it, and every acknowledged write is still there.",
        ),
        ("lost_writes", "FAIL: the stored data is not what the service had acknowledged."),
        (
            "interrupted",
            "INCONCLUSIVE: the trial proves neither success nor failure, because the recorded evidence is not whole.",
        ),
        (
            "promoted",
            "PASS: no canary alert fired, the rollout ended as expected, and every acknowledged write is still there.",
        ),
    ],
)
def test_verdict_sentence(trials, trial, sentence):
    """One plain sentence, with the verdict word first and its numbers in it."""
    assert sentence == words.verdict_sentence(trials.ALL[trial]()[1])


def test_pass_claims_nothing_that_was_not_asked(trials):
    """A PASS without the check data_loss does not speak of writes."""
    findings = trials.findings()
    fewer = tuple(check for check in findings.checks if check.id != "data_loss")
    assert "write" not in words.verdict_sentence(replace(findings, checks=fewer))


def test_headline_falls_back_to_the_worst_check(trials):
    """Findings without a headline still name a check."""
    findings = replace(trials.lost_writes()[1], headline=Headline("", "", ""))
    assert "data_loss" == words.headline_check(findings)


def test_every_edge_of_the_chain_has_words():
    """No edge of the chain is shown by its bare name."""
    assert set() == set(CHAIN) - set(words.EDGES)


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("lag_p99_ms", 2.0, "2 ms"),
        ("detect_s", 2.4912, "2.49 s"),
        ("sent_count", 12345, "12,345"),
        ("loss_rate_detectable", 0.0019, "0.19 %"),
        ("marked_share", 0.314, "31.40 %"),
        ("measured_share_lo", 0.17, "17 %"),
        ("drain_s_min", 0.006, "0.006 s"),
        ("strength_p", 0.5, "0.5"),
        ("at_ns", 1_500_000_000, "1.50 s"),
        ("whole", True, "yes"),
        ("edge_s", [1.0, 2.5], "1 s, 2.50 s"),
        ("op_ids", [f"op{number}" for number in range(14)], ", ".join(f"op{n}" for n in range(12)) + " and 2 more"),
        ("op_ids", [], "none"),
        ("why", "a\nb\x1b[1m", "a b\\x1b[1m"),
        ("nothing_s", None, "not known"),
        ("odd_s", float("nan"), "nan s"),
        ("odd_s", float("inf"), "inf s"),
    ],
)
def test_measured_value(name, value, shown):
    """A value carries the unit its name ends in."""
    assert shown == words.measured_value(name, value)


@pytest.mark.parametrize(
    ("interval", "word"),
    [
        ((9.0, 10.0), "within the limit"),
        ((10.001, 11.0), "over the limit"),
        ((9.9, 10.1), "not decided: the limit lies inside the interval"),
    ],
)
def test_limit_word(interval, word):
    """Only a whole interval is within or over its limit."""
    assert word == words.limit_word(interval, 10.0)


def test_seconds_never_shows_a_negative_zero():
    """Rounding leaves no -0.00 behind."""
    assert "0.00 s" == words.seconds(-0.001, 0.001)


def test_unknown_edge_says_why():
    """An unknown edge is shown by its reason."""
    assert "never polled" == words.relative(Instant(unknown="never polled"), 0)
    assert "not recorded" == words.relative(None, 0)


@pytest.mark.parametrize("trial", ["rolled_back", "lost_writes", "interrupted", "promoted", "empty"])
def test_checks_table_fits_the_terminal(trials, trial):
    """No line is wider than 110 columns, every check has its verdict, and colours add no text."""
    findings = trials.ALL[trial]()[1]
    table = words.checks_table(findings)
    assert 110 >= max(len(line) for line in table.splitlines())
    rows = re.findall(r"(?m)^(\w+) +(PASS|FAIL|INCONCLUSIVE)  ", table)
    assert [(check.id, str(check.verdict)) for check in findings.checks] == rows
    assert table == re.sub(r"\x1b\[[0-9;]*m", "", words.checks_table(findings, colour=True))


def test_checks_table_starts_with_the_headline(trials):
    """Verdict, then cause, then what was not asked."""
    findings = replace(trials.lost_writes()[1], not_asked=("split",))
    lines = words.checks_table(findings, colour=True).splitlines()
    assert "\x1b[1;31mFAIL\x1b[0m: the stored data is not what the service had acknowledged." == lines[0]
    assert lines[1].startswith("cause: data_loss / vanished: 3 acknowledged writes")
    assert lines[2].startswith("Left out by the experiment or its target: split (measured share against weight). The")


def test_tally_names_the_red_checks(trials):
    """The count of answers names every check that is not PASS."""
    assert "Of 11 checks: 10 PASS, 1 FAIL (data_loss)." == words.tally(trials.lost_writes()[1])
    assert "No check has an answer." == words.tally(replace(trials.findings(), checks=()))


def test_expected_without_a_manifest():
    """An empty manifest gives a sentence, not an error."""
    assert "not recorded." == words.expected({})


@pytest.mark.parametrize(
    ("outcome", "alerts", "limits"),
    [
        ("rolled_back", ["A"], {"detect": 10.0, "shift": 12.0, "drain": 5.0}),
        ("held", ["A"], {"detect": 10.0}),
        ("promoted", [], {}),
    ],
)
def test_limits_are_those_that_the_judge_asks(trials, outcome, alerts, limits):
    """Detection has its limit wherever an alert is required, and the sentence of what was expected names it."""
    expect = trials.manifest()["expect"] | {"outcome": outcome, "alerts_required": alerts}
    found = {name: words.limit_s(name, expect) for name in words.DURATIONS}
    assert limits == {name: limit for name, limit in found.items() if limit is not None}
    assert ("fires within 10 s of the first bad answer" in words.expected({"expect": expect})) == bool(alerts)


def test_every_verdict_has_its_sign():
    """Every verdict has a meaning and a sign of its own, so that colour is never alone."""
    assert set(Verdict) == set(words.VERDICTS)
    assert 3 == len(set(words.SYMBOLS.values()))


def test_not_asked_names_what_no_check_answers(trials):
    """A check that is neither answered nor left out on purpose is named, so that silence is never a PASS."""
    findings = trials.findings()
    fewer = tuple(check for check in findings.checks if check.id not in {"split", "fault"})
    said = words.not_asked(replace(findings, checks=fewer, not_asked=("fault",)))
    assert (
        "Left out by the experiment or its target: fault (the fault's reach). Not judged on its own here: "
        "split (measured share against weight). The verdict says nothing about them."
    ) == said


def test_nothing_left_out_needs_every_check(trials):
    """Only where every known check has an answer was nothing left out."""
    whole = tuple(trials.check(name, "PASS", "fine") for name in words.CHECKS)
    assert words.not_asked(replace(trials.findings(), checks=whole)) == "Nothing was left out: every check was asked."


def test_self_check_is_told_everywhere(trials):
    """How often a PASS went red on spoilt evidence stands in the table and the tally; without one nowhere."""
    findings = trials.findings()
    tried = replace(findings, self_check=SelfCheckCount(mutations_count=24, caught_count=24, missed=(), skipped=()))
    assert "went red 24 of 24 times" in " ".join(words.checks_table(tried).split())
    assert "went red 24 of 24 times" in words.tally(tried)
    assert "" == words.self_check(replace(findings, self_check=None))
    assert "went red" not in words.checks_table(replace(findings, self_check=None))
