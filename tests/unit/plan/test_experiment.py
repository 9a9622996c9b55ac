"""Experiment files: what is read from them, and every problem at once."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from harness.plan import experiment
from harness.plan.validate import yaml_lines

ROOT = Path(__file__).parents[3]
FAULTS = ("http_5xx",)


def parse(text: str):
    return experiment.parse(yaml.safe_load(text), "x.yaml", yaml_lines(text), FAULTS)


def changed(old: str, new: str) -> str:
    text = (ROOT / "experiments" / "canary-5xx.yaml").read_text()
    assert old in text, old
    return text.replace(old, new)


def test_shipped_experiment_is_read():
    """The shipped experiment gives its fault, its step and what it expects."""
    found, problems = parse(changed("step_s: 15", "step_s: 15"))
    assert [] == problems.found
    assert found is not None
    assert found.fault is not None
    assert ("http_5xx", 0.3, 60.0, 25) == (
        found.fault.kind,
        found.fault.share,
        found.fault.deadline_s,
        found.fault_weight,
    )
    assert ("rolled_back", ("CanaryErrorRatioHigh",)) == (found.expect.outcome, found.expect.alerts_required)


def test_healthy_release_has_no_fault():
    """An experiment without an inject action has no fault."""
    text = (ROOT / "experiments" / "healthy-release.yaml").read_text()
    found, problems = parse(text)
    assert [] == problems.found
    assert found is not None
    assert found.fault is None


@pytest.mark.parametrize(
    ("old", "new", "place", "what"),
    [
        ("fault: http_5xx", "fault: http_5x", "method.2.provider.arguments.fault", "did you mean 'http_5xx'?"),
        ("share: 0.3", "share: 30", "method.2.provider.arguments.share", "is 30, must be a number from 0 to 1"),
        ("share: 0.3", "share: lots", "method.2.provider.arguments.share", "is 'lots'"),
        ("weight: 25", "weight: 20", "method.1.provider.arguments.weight", "rollout.steps are [5, 25, 50, 100]"),
        ("[5, 25, 50, 100]", "[25, 5]", "extensions.0.rollout.steps", "must rise"),
        ("seed: 7", "seed: seven", "extensions.0.load.seed", "is 'seven'"),
        ("detect_s_max: 10 ", "detect_max_s: 10 ", "extensions.0.expect.detect_max_s", "did you mean 'detect_s_max'?"),
        ("outcome: rolled_back", "outcome: rolledback", "extensions.0.expect.outcome", "is 'rolledback'"),
        ("      outcome: rolled_back\n", "", "extensions.0.expect", "outcome is missing"),
        ("[CanaryErrorRatioHigh]", "[]", "extensions.0.expect.alerts_required", "proves no cause"),
        ("module: harness.chaos.control", "module: harness.chaos.contrl", "controls", "nothing opens the trial"),
        ("  - name: harness\n", "  - name: harnes\n", "extensions", "no entry named 'harness'"),
        ("deadline_s: 60", "deadline_s: 0", "method.2.provider.arguments.deadline_s", "from 1 to 600"),
        ("step_s: 15", "step_s: 100000", "extensions.0.rollout.step_s", "is 100000"),
    ],
)
def test_one_problem_is_named_with_value_and_place(old, new, place, what):
    """A problem names the place, the value and, for a misspelling, the nearest known name."""
    found, problems = parse(changed(old, new))
    assert found is None
    assert [True] == [place in line and what in line for line in problems.found if place in line][:1]


def test_all_problems_are_listed_at_once():
    """Three mistakes in one file give three lines, each with its line number."""
    text = changed("seed: 7", "seed: -1").replace("share: 0.3", "share: 3").replace("step_s: 15", "step_s: no")
    _, problems = parse(text)
    assert 3 == len(problems.found)
    assert all(line.split(":")[1].isdigit() for line in problems.found)


def test_wrong_type_of_document_is_refused():
    """A list is no experiment."""
    found, problems = experiment.parse(["a"], "x.yaml", {}, FAULTS)
    assert found is None
    assert ["x.yaml: is list, must be a mapping: a Chaos Toolkit experiment"] == problems.found


def test_two_different_faults_are_refused():
    """A fault stated twice with different values is an error."""
    text = changed(
        "  - {type: action, name: wait-outcome",
        "  - {type: action, name: again, provider: {type: python, module: harness.chaos.actions, func: inject,"
        " arguments: {fault: http_5xx, share: 0.5, deadline_s: 60}}}\n  - {type: action, name: wait-outcome",
    )
    _, problems = parse(text)
    assert ["x.yaml:16: method: injects 2 different faults; a trial has one"] == problems.found


@pytest.mark.parametrize(
    ("path", "title", "slug"),
    [
        ("experiments/canary-5xx.yaml", "x", "canary-5xx"),
        ("", "30 % of the answers", "30-of-the-answers"),
        ("a/--.yaml", "x", "trial"),
    ],
)
def test_slug(path, title, slug):
    """A slug is made of the file's name, else of the title."""
    assert slug == experiment.slug_of(path, title)
