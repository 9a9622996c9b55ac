"""Suite files: what is read from them, every problem at once, and the planted defect of the day."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
import yaml

from harness import settings as settings_module
from harness.drive import prepare
from harness.drive import suite as driver
from harness.plan import suite
from harness.plan.validate import yaml_lines
from harness.study import expected

ROOT = Path(__file__).parents[3]
PLANTS = ("router_unchanged", "load_stops")
TEXT = """\
title: A title
budget_s: 300
trials:
  - {experiment: canary-5xx, seconds: 90, seed: 9, control: true}
  - {experiment: canary-5xx, seconds: 60, plants: [router_unchanged, load_stops]}
"""


def parse(text=TEXT, day=0):
    return suite.parse(yaml.safe_load(text), "experiments/suites/x.yaml", yaml_lines(text), PLANTS, day)


def test_suite_is_read():
    """Experiments stand in the folder above the suite's, and so does the control."""
    found, problems = parse()
    assert [] == problems.found
    first, second = found.trials
    assert ("x", 300.0, "A title") == (found.name, found.budget_s, found.title)
    assert ("canary-5xx", 9, "experiments/healthy-release.yaml") == (first.slug, first.seed, first.control)
    assert {"experiments/canary-5xx.yaml"} == {first.experiment, second.experiment}
    assert ("", None, 1) == (second.control, second.seed, second.place)


def test_path_counts_from_the_suites_folder():
    """An experiment that is named by a path stands where the path leads from the suite's file."""
    found, _ = parse(TEXT.replace("experiment: canary-5xx, seconds: 90", "experiment: ./mine.yaml, seconds: 90"))
    assert ("experiments/suites/mine.yaml", "mine") == (found.trials[0].experiment, found.trials[0].slug)


def test_every_day_has_the_next_plant():
    """The date alone picks it: each in turn, and the same again on the same day."""
    days = [parse(day=date(2026, 11, 25).toordinal() + offset)[0].trials[1].plant for offset in range(4)]
    assert set(PLANTS) == set(days[:2])
    assert days[:2] == days[2:]


def test_every_problem_is_listed_at_once():
    """Wrong values of several entries come together, each with its line and place."""
    text = TEXT.replace("seconds: 90", "seconds: 900").replace("load_stops]", "load_stop], control: true")
    _, problems = parse(text)
    assert [
        "experiments/suites/x.yaml:4: trials.0.seconds: is 900, more than budget_s 300: it could never run",
        "experiments/suites/x.yaml:5: trials.1.plants: 'load_stop' is no plant that says what it is found by; "
        "known: load_stops, router_unchanged; did you mean 'load_stops'?",
        "experiments/suites/x.yaml:5: trials.1.control: is true beside plants: "
        "a planted defect has no fault-free pair; drop one",
    ] == problems.found


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("seconds: 90", "second: 90", "trials.0.second: unknown key; "),
        ("seconds: 90", "second: 90", "trials.0: seconds is missing"),
        ("seconds: 90", "seconds: -1", "trials.0.seconds: is -1"),
        ("budget_s: 300", "budget_s: soon", "budget_s: is 'soon'"),
        ("experiment: canary-5xx, seconds: 90", "experiment: healthy-release, seconds: 90", "it is the control itself"),
        (
            "  - {experiment: canary-5xx, seconds: 90, seed: 9, control: true}\n",
            "  - canary-5xx\n",
            "must be a mapping",
        ),
        ("title: A title\n", "", "title is missing"),
    ],
)
def test_problem_is_named(old, new, said):
    """Each mistake with its place and value."""
    assert old in TEXT
    found, problems = parse(TEXT.replace(old, new))
    assert found is None
    assert [True] == [said in problem for problem in problems.found if said in problem]


@pytest.mark.parametrize("trials", ["[]", "canary-5xx", "{}"])
def test_suite_without_trials_is_refused(trials):
    """Nothing to run, or no list, is a problem of `trials`."""
    found, problems = parse(f"title: A\nbudget_s: 300\ntrials: {trials}\n")
    assert found is None
    assert ["trials"] == [problem.split(": ")[1] for problem in problems.found]


@pytest.mark.parametrize(("name", "budget_s_max"), [("smoke", 300), ("nightly", 2700), ("weekly", 86_400)])
def test_shipped_suite_fits_its_budget(name, budget_s_max):
    """Each shipped suite is free of problems, with every experiment it names, and fits by its own estimates."""
    promises = expected.read(prepare.plants())
    found = driver.read(
        ROOT / "experiments" / "suites" / f"{name}.yaml", sorted(promises), 0, settings_module.load({}, {})
    )
    assert found.budget_s <= budget_s_max
    assert sum(trial.seconds for trial in found.trials) <= found.budget_s


def test_shipped_suites_reach_everything():
    """The nightly suite runs every shipped experiment; nightly and weekly plant every defect."""
    shipped = {path.stem for path in (ROOT / "experiments").glob("*.yaml")}
    promises = expected.read(prepare.plants())
    suites = [
        yaml.safe_load((ROOT / "experiments" / "suites" / f"{name}.yaml").read_text()) for name in ("nightly", "weekly")
    ]
    nightly = {entry["experiment"] for entry in suites[0]["trials"]}
    assert shipped == nightly | {suite.CONTROL}
    for document in suites:
        assert set(promises) == {plant for entry in document["trials"] for plant in entry.get("plants", [])}
        assert any(entry.get("control") for entry in document["trials"])
