"""A suite's order: what is most informative first, and what fits the budget."""

from __future__ import annotations

import json

from harness.evidence import suite_file
from harness.evidence.finding import Verdict
from harness.plan.suite import SuiteTrial
from harness.study import history, order
from harness.study.expected import Expected

PROMISES = {"canary_loses_writes": Expected(Verdict.FAIL, "data_loss", "vanished", ("data_loss",))}


def trial(place, slug, **changes):
    return SuiteTrial(place=place, experiment=f"experiments/{slug}.yaml", slug=slug, seconds=60.0, **changes)


def placed(reports, *trials, budget_s=600.0):
    return order.placed(trials, history.read(reports.path), PROMISES, budget_s)


def add_suite(reports, index, entry, took_s):
    """A suite of one entry, which took so long."""
    folder = reports.path / f"suite-2026010{index}T000000Z-nightly"
    folder.mkdir()
    suite_file.write(folder / "suite.json", {"trials": [{"key": entry.key, "took_s": took_s, "verdict": "PASS"}]})
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
    long = SuiteTrial(place=0, experiment="x", slug="long", seconds=500.0)
    plan = order.within(placed(reports, long, trial(1, "a"), trial(2, "b"), budget_s=120.0), 120.0)
    assert (["a", "b"], ["long"]) == (slugs(plan.fits), slugs(plan.left_out))
    assert ["a"] == slugs(order.within(placed(reports, trial(0, "a"), trial(1, "b")), 119.0).fits)


def test_history_knows_better_than_the_file(reports):
    """The estimate is the median of what the entry took in the newest five suites, control and all."""
    known = trial(0, "a", control="x.yaml")
    for index, taken_s in enumerate((1000.0, 30.0, 10.0, 20.0, 50.0, 40.0)):
        add_suite(reports, index, known, taken_s)
    assert [30.0, 60.0] == [one.estimate_s for one in placed(reports, known, trial(1, "a"))]


def test_no_trial_excludes_itself_by_what_it_once_took(reports):
    """What was red and took more than the budget still comes to run; the file's own word is not made less."""
    reports.add("lost", slug="stuck")
    stuck = trial(0, "stuck")
    add_suite(reports, 0, stuck, 640.0)
    plan = order.within(placed(reports, stuck, trial(1, "a"), budget_s=300.0), 300.0)
    assert (["stuck"], ["a"]) == (slugs(plan.fits), slugs(plan.left_out))
    assert (300.0, True) == (plan.fits[0].estimate_s, plan.fits[0].was_red)
    assert 60.0 == placed(reports, stuck, budget_s=30.0)[0].estimate_s
