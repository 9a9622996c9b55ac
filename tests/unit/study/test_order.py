"""A suite's order: what is most informative first, and what fits the budget."""

from __future__ import annotations

import json
from dataclasses import replace

from harness.evidence import suite_file
from harness.evidence.finding import Verdict
from harness.plan.suite import SuiteTrial
from harness.study import history, order
from harness.study.expected import Expected

PROMISES = {"canary_loses_writes": Expected(Verdict.FAIL, "data_loss", "vanished", ("data_loss",))}


def trial(place, slug, **changes):
    """As the literal trials of a reports folder run it: on the target local with the profile S."""
    base = SuiteTrial(place, f"experiments/{slug}.yaml", slug, 60.0, target="local", profile="S")
    return replace(base, **changes)


def placed(reports, *trials, budget_s=600.0):
    return order.placed(trials, history.read(reports.path), PROMISES, budget_s)


def suite_trial(entry, took_s=60.0, **changes):
    base = {"key": entry.key, "took_s": took_s, "verdict": "PASS", "outcome": "PASS", "run": "", "control_of": ""}
    return {**base, **changes}


def add_suite(reports, index, *trials, interrupted=False):
    """A suite of the day `index`, with these trials in its file."""
    opened_utc = f"2026010{index}T000000Z"
    folder = reports.path / f"suite-{opened_utc}-nightly"
    folder.mkdir()
    document = {"opened_utc": opened_utc, "interrupted": interrupted, "trials": trials}
    suite_file.write(folder / "suite.json", document)
    assert "harness/suite/1" == json.loads((folder / "suite.json").read_text())["format"]


def slugs(found):
    return [one.trial.slug for one in found]


def test_red_then_never_then_longest_ago_then_the_file(reports):
    """The four reasons, one trial each, given in the opposite order."""
    reports.add(slug="old")
    reports.add("lost", slug="red")
    reports.add(slug="new")
    found = placed(
        reports, trial(0, "new"), trial(1, "old"), trial(2, "never"), trial(3, "also-never"), trial(4, "red")
    )
    assert ["red", "never", "also-never", "old", "new"] == slugs(found)
    assert ["was red", "never ran", "never ran", "last ran", "last ran"] == [
        one.why[:9].removesuffix(" 2").strip() for one in found
    ]


def test_only_the_last_time_counts(reports):
    """What was red and is green again comes by its age."""
    for kind in ("lost", "passing"):
        reports.add(kind, slug="mended")
    assert ["never", "mended"] == slugs(placed(reports, trial(0, "mended"), trial(1, "never")))


def test_planted_trial_is_red_when_it_was_not_found(reports):
    """A FAIL as promised is good news; a PASS of a planted trial is red, and so is a promise half kept."""
    planted = trial(0, "canary-5xx", plant="canary_loses_writes")
    reports.add("lost", plant="canary_loses_writes")
    assert ["never", "canary-5xx"] == slugs(placed(reports, planted, trial(1, "never")))
    reports.add("late", plant="canary_loses_writes")
    assert ["canary-5xx", "never"] == slugs(placed(reports, planted, trial(1, "never")))
    reports.add("passing", plant="canary_loses_writes")
    assert ["canary-5xx", "never"] == slugs(placed(reports, planted, trial(1, "never")))


def test_planted_trials_are_others_than_unplanted(reports):
    """A planted run is no run of the trial without the plant."""
    reports.add("lost", plant="canary_loses_writes")
    assert ["never ran here"] == [one.why for one in placed(reports, trial(0, "canary-5xx"))]


def test_seed_of_an_entry_counts(reports):
    """An entry with a seed has run only where that seed ran."""
    reports.add()  # seed 7
    found = placed(reports, trial(0, "canary-5xx", seed=7), trial(1, "canary-5xx", seed=8), trial(2, "canary-5xx"))
    assert [1, 0, 2] == [one.trial.place for one in found]


def test_red_control_makes_its_entry_red(reports):
    """The control of a green trial was red: the pair comes first again; it is no run of healthy-release itself."""
    name = reports.add()
    reports.add("lost", slug="healthy-release", control_of=name)
    pair, alone = trial(0, "canary-5xx", control="x.yaml"), trial(1, "healthy-release")
    found = placed(reports, alone, pair)
    assert ["canary-5xx", "healthy-release"] == slugs(found)
    assert "never ran here" == found[1].why


def test_budget_takes_what_fits_in_order(reports):
    """What is too long is left out, and a shorter one after it still fits."""
    long = trial(0, "long", seconds=500.0)
    plan = order.within(placed(reports, long, trial(1, "a"), trial(2, "b"), budget_s=120.0), 120.0)
    assert (["a", "b"], ["long"]) == (slugs(plan.fits), slugs(plan.left_out))
    assert ["a"] == slugs(order.within(placed(reports, trial(0, "a"), trial(1, "b")), 119.0).fits)


def test_history_knows_better_than_the_file(reports):
    """The estimate is the median of what the entry took in the newest five suites, control and all."""
    known = trial(0, "a", control="x.yaml")
    for index, taken_s in enumerate((1000.0, 30.0, 10.0, 20.0, 50.0, 40.0)):
        add_suite(reports, index, suite_trial(known, taken_s))
    assert [60.0, 30.0] == [one.estimate_s for one in placed(reports, known, trial(1, "a"))]


def test_no_trial_excludes_itself_by_what_it_once_took(reports):
    """What was red and took more than the budget still comes to run; the file's own word is not made less."""
    reports.add("lost", slug="stuck")
    stuck = trial(0, "stuck")
    add_suite(reports, 0, suite_trial(stuck, 640.0))
    plan = order.within(placed(reports, stuck, trial(1, "a"), budget_s=300.0), 300.0)
    assert (["stuck"], ["a"]) == (slugs(plan.fits), slugs(plan.left_out))
    assert (300.0, True) == (plan.fits[0].estimate_s, plan.fits[0].was_red)
    assert 60.0 == placed(reports, stuck, budget_s=30.0)[0].estimate_s


def test_estimate_is_of_one_entry_and_of_whole_suites(reports):
    """Two equal entries are two values, each with its own control; a suite that a signal ended gives none."""
    pair = trial(0, "a", control="x.yaml")
    add_suite(
        reports, 1,
        suite_trial(pair, 50.0, run="r1"), suite_trial(pair, 30.0, control_of="r1"),
        suite_trial(pair, 70.0, run="r2"), suite_trial(pair, 30.0, control_of="r2"),
    )  # fmt: skip
    add_suite(reports, 2, suite_trial(pair, 5.0, run="r3"), interrupted=True)
    assert 90.0 == placed(reports, pair)[0].estimate_s


def test_trial_without_a_verdict_was_red(reports):
    """The suite's word counts where no row came after it: no verdict, or a control without one, comes first again."""
    reports.add(slug="stuck")  # on the 1st, PASS
    stuck, never = trial(1, "stuck"), trial(0, "never")
    assert ["never", "stuck"] == slugs(placed(reports, stuck, never))
    add_suite(reports, 2, suite_trial(stuck, verdict="", outcome="INCONCLUSIVE"))
    found = placed(reports, stuck, never)
    assert (["stuck", "never"], "was red 20260102T000000Z") == (slugs(found), found[0].why)
    add_suite(reports, 3, suite_trial(stuck, run="gone"))
    assert ["last ran 20260103T000000Z"] == [one.why for one in placed(reports, stuck)]


def test_row_of_the_newest_suite_does_not_hide_what_that_suite_said(reports):
    """A PASS whose control came to no verdict was red; a trial that ran later by itself has the last word."""
    pair = trial(0, "canary-5xx", control="x.yaml")
    name = reports.add(opened_utc="20260105T000100Z")
    control = suite_trial(pair, control_of=name, verdict="", outcome="INCONCLUSIVE")
    add_suite(reports, 5, suite_trial(pair, run=name), control)
    assert [True] == [one.was_red for one in placed(reports, pair)]
    reports.add(opened_utc="20260105T000200Z")
    assert [False] == [one.was_red for one in placed(reports, pair)]


def test_other_target_or_profile_is_another_trial(reports):
    """Neither rows nor estimates of another target or load profile say anything of a trial."""
    reports.add("lost")  # local, S
    here = trial(0, "canary-5xx")
    add_suite(reports, 0, suite_trial(here, 300.0))
    for other in (replace(here, profile="M"), replace(here, target="staging")):
        (found,) = placed(reports, other)
        assert ("never ran here", 60.0, False) == (found.why, found.estimate_s, found.was_red)
