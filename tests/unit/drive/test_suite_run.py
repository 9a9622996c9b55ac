"""Running a suite: real children, one after another, within the budget; one signal ends it after the running one."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

import pytest

from harness import settings as settings_module
from harness.drive import suite as driver
from harness.errors import InvalidFileError, UsageError
from harness.plan.suite import SuiteTrial

ROOT = Path(__file__).parents[3]
CANARY, HEALTHY = (str(ROOT / "experiments" / f"{name}.yaml") for name in ("canary-5xx", "healthy-release"))
# In the place of `harness run`: makes its run directory, tells what it was given, then does what the test says.
CHILD = """
import json, os, pathlib, signal, sys
run_dir = pathlib.Path(os.environ["HARNESS_RUN_DIR"])
run_dir.mkdir(parents=True)
told = {"argv": sys.argv[1:], "control_of": os.environ["HARNESS_CONTROL_OF"], "session": os.getsid(0) == os.getpid()}
told["notify"] = "HARNESS_NOTIFY" in os.environ
(run_dir / "told.json").write_text(json.dumps(told))
print("first line"); print("the last line", flush=True)
"""
# Told to end by its own deed: the suite gets the signal, and hands it on.
ENDED = CHILD + """
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
os.kill(os.getppid(), signal.SIGTERM)
signal.pause()
"""  # fmt: skip


def run(tmp_path, script, *trials, budget_s=600.0, environment=None):
    """(what became of it, what it said)."""
    child = tmp_path / "child.py"
    child.write_text(script)
    folder = tmp_path / "suite"
    settings = settings_module.load(
        {"reports_dir": str(tmp_path / "reports")}, {"PATH": os.environ["PATH"], **(environment or {})}
    )
    said = []
    done = driver.run(trials, budget_s, settings, folder, said.append, program=(sys.executable, str(child)))
    return done, said


def told(tmp_path, run_name):
    return json.loads((tmp_path / "reports" / run_name / "told.json").read_text())


def entry(place=0, **changes):
    return SuiteTrial(place=place, experiment=CANARY, slug="canary-5xx", seconds=10.0, **changes), 10.0


def test_children_run_one_after_another(tmp_path):
    """Each has a run directory of its own in the reports folder, a session, its options, and its output in a log."""
    done, said = run(tmp_path, CHILD, entry(seed=5, plant="load_stops"), entry(1))
    assert ((), 0) == (done.not_run, done.signal_code)
    first, second = done.ran
    assert ["run", CANARY, "--seed", "5", "--plant", "load_stops"] == told(tmp_path, first.run)["argv"]
    assert ["run", CANARY] == told(tmp_path, second.run)["argv"]
    assert told(tmp_path, first.run)["session"]
    assert first.run != second.run
    assert first.run.split("-", 1)[1].startswith("canary-5xx-")
    assert ("the last line", 0, "load_stops") == (first.said, first.exit_code, first.plant)
    assert "first line\nthe last line\n" == (tmp_path / "suite" / first.log).read_text()
    assert 4 == len(said)


def test_control_has_seed_and_profile_of_its_trial(tmp_path):
    """The pair: healthy-release after the trial, with the experiment's own seed and profile, named as its control."""
    done, _ = run(tmp_path, CHILD, entry(control=HEALTHY))
    first, second = done.ran
    assert ["run", HEALTHY, "--seed", "7", "--profile", "M"] == told(tmp_path, second.run)["argv"]
    assert (first.run, first.key, "") == (second.control_of, second.key, first.control_of)
    assert (first.run, "") == (told(tmp_path, second.run)["control_of"], told(tmp_path, first.run)["control_of"])


def test_settings_win_over_the_experiments_own(tmp_path):
    """A seed and a profile from outside hold for the trial, by the environment, and so for its control."""
    environment = {"HARNESS_SEED": "3", "HARNESS_PROFILE": "S"}
    done, _ = run(tmp_path, CHILD, entry(control=HEALTHY), environment=environment)
    assert ["--seed", "3", "--profile", "S"] == told(tmp_path, done.ran[1].run)["argv"][2:]


def test_no_trial_sees_whom_to_tell(tmp_path):
    """Who is told after the suite is a secret, and an experiment's own actions could read it."""
    done, _ = run(tmp_path, CHILD, entry(), environment={"HARNESS_NOTIFY": "json://127.0.0.1/"})
    assert not told(tmp_path, done.ran[0].run)["notify"]


def test_what_does_not_fit_is_not_started(tmp_path):
    """An estimate beyond what is left of the budget is not run, with both numbers; a shorter one after it is."""
    trial, _ = entry()
    done, _ = run(tmp_path, CHILD, (trial, 700.0), entry(1), budget_s=600.0)
    assert ["takes about 700 s, and 600 s of the budget were left"] == [one.why for one in done.not_run]
    assert 1 == len(done.ran)


def test_first_trial_may_take_the_whole_budget(tmp_path):
    """An estimate of just the budget is run when nothing ran before it, and not after another."""
    trial, _ = entry()
    done, _ = run(tmp_path, CHILD, (trial, 600.0), (trial, 600.0), budget_s=600.0)
    assert (1, 1) == (len(done.ran), len(done.not_run))


def test_wrong_setting_leaves_no_folder(tmp_path):
    """A bound that is no number is refused before the suite's folder is made."""
    with pytest.raises(UsageError, match="HARNESS_TRIAL_S_MAX"):
        run(tmp_path, CHILD, entry(), environment={"HARNESS_TRIAL_S_MAX": "soon"})
    assert not (tmp_path / "suite").exists()


def test_signal_goes_to_the_running_trial_and_ends_the_suite(tmp_path):
    """The running child is told to end and waited for; its control and the next trial are not started."""
    before = signal.getsignal(signal.SIGTERM)
    done, _ = run(tmp_path, ENDED, entry(control=HEALTHY), entry(1))
    assert 143 == done.signal_code
    assert [143] == [one.exit_code for one in done.ran]
    assert ["a signal ended the suite"] * 2 == [one.why for one in done.not_run]
    assert before == signal.getsignal(signal.SIGTERM)
    assert 1 == len(list((tmp_path / "reports").iterdir()))


def test_trial_without_a_run_directory_has_no_control(tmp_path):
    """A child that is refused leaves nothing to be the control of."""
    done, said = run(tmp_path, "import sys\nprint('harness: no')\nsys.exit(64)", entry(control=HEALTHY))
    assert [("", 64, "harness: no")] == [(one.run, one.exit_code, one.said) for one in done.ran]
    assert ["its trial made no run directory"] == [one.why for one in done.not_run]
    assert said[1].startswith("  exit code 64 after ")
    assert said[1].endswith(" s: harness: no")


def test_every_problem_of_suite_and_experiments_is_listed(tmp_path):
    """An experiment that is missing, one that is wrong and one that plants by itself, at once."""
    text = (ROOT / "experiments" / "canary-5xx.yaml").read_text()
    (tmp_path / "wrong.yaml").write_text(text.replace("step_s: 15", "step_s: 0"))
    (tmp_path / "planted.yaml").write_text(text.replace("- name: harness", "- name: harness\n    plant: load_stops"))
    folder = tmp_path / "suites"
    folder.mkdir()
    names = ("gone", "wrong", "planted")
    trials = "".join(f"  - {{experiment: {name}, seconds: 9}}\n" for name in names)
    (folder / "x.yaml").write_text(f"title: x\nbudget_s: 99\ntrials:\n{trials}")
    with pytest.raises(InvalidFileError) as caught:
        driver.read(folder / "x.yaml", [], 0, settings_module.load({}, {}))
    assert 3 == len(caught.value.problems)
    for said in ("gone.yaml: no such file", "step_s", "plants load_stops by itself"):
        assert said in str(caught.value)


def test_trial_has_the_target_and_profile_that_it_will_run_with(tmp_path):
    """Those of settings, else the experiment's; the target by the name in its file, under which the history has it."""
    (tmp_path / "suites").mkdir()
    (tmp_path / "canary-5xx.yaml").write_text(Path(CANARY).read_text())
    local = (ROOT / "experiments" / "targets" / "local.yaml").read_text()
    for name in ("local", "staging"):
        path = tmp_path / "targets" / f"{name}.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(local.replace("name: local", f"name: named-{name}", 1))
    suite = tmp_path / "suites" / "x.yaml"
    suite.write_text("title: x\nbudget_s: 99\ntrials: [{experiment: canary-5xx, seconds: 9}]\n")

    def read(**environment):
        (trial,) = driver.read(suite, [], 0, settings_module.load({}, environment)).trials
        return trial.target, trial.profile, trial.key

    assert ("named-local", "M", "canary-5xx|named-local|M|||") == read()
    chosen = read(HARNESS_TARGET="staging", HARNESS_PROFILE="S")
    assert ("named-staging", "S", "canary-5xx|named-staging|S|||") == chosen


def test_control_elsewhere_controls_nothing(tmp_path):
    """A control on another target is refused, and one that is not there is told with whose it would be."""
    (tmp_path / "suites").mkdir()
    (tmp_path / "targets").mkdir()
    local = (ROOT / "experiments" / "targets" / "local.yaml").read_text()
    for name in ("local", "mine"):
        (tmp_path / "targets" / f"{name}.yaml").write_text(local.replace("name: local", f"name: {name}", 1))
    text = Path(CANARY).read_text()
    (tmp_path / "drill.yaml").write_text(text.replace("{target: local}", "{target: mine}"))
    suite = tmp_path / "suites" / "x.yaml"
    suite.write_text("title: x\nbudget_s: 99\ntrials: [{experiment: drill, seconds: 9, control: true}]\n")
    settings = settings_module.load({}, {})
    with pytest.raises(InvalidFileError, match=r"healthy-release\.yaml: no such file.*, the control of drill"):
        driver.read(suite, [], 0, settings)
    healthy = (ROOT / "experiments" / "healthy-release.yaml").read_text()
    (tmp_path / "healthy-release.yaml").write_text(healthy)
    with pytest.raises(UsageError, match=r"runs on target 'local', and drill, whose control it is, on 'mine'"):
        driver.read(suite, [], 0, settings)
    (tmp_path / "healthy-release.yaml").write_text(healthy.replace("{target: local}", "{target: mine}"))
    assert ["mine"] == [one.target for one in driver.read(suite, [], 0, settings).trials]
