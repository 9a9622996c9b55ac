"""The pytest plugin: what is collected and what never is, what is shown of a verdict, what it costs who has no trials.

No trial runs here. Verdicts are those of sealed run directories, judged and drawn as ever, that `replay.py` shows
again; dry runs and refusals are the real `harness run`. pytester drops what its sessions import, and a second copy of
a module has other verdicts: so frames and words, which a trial's item imports, are imported here first.
"""

from __future__ import annotations

import json
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from harness import frames
from harness.evidence import findings_file
from harness.evidence import run as runs
from harness.judge import judge
from harness.pytest_plugin import TrialError, run_trial
from harness.report import render, words
from harness.testing import histories

pytest_plugins = ["pytester"]

ROOT = Path(__file__).parents[3]
REPLAY = Path(__file__).with_name("replay.py")
LOST = histories.op_id(204)  # an acknowledged write of the canary
VERDICTS = {
    "PASS": histories.passing(),
    "FAIL": histories.dropped(histories.passing(), "store", lambda row: row["op_id"] == LOST),
    "INCONCLUSIVE": histories.dropped(histories.passing(), "samples"),
}


@pytest.fixture(name="folder")
def _folder(pytester):
    """The folder of a project with the shipped experiments and a test of its own."""
    shutil.copytree(ROOT / "experiments", pytester.path / "experiments")
    pytester.makepyfile(test_own="def test_own():\n    assert True\n")
    return pytester.path


@pytest.fixture(name="sealed", scope="session")
def _sealed(tmp_path_factory):
    """A folder with a sealed, judged and drawn run directory of each verdict, named by it."""
    assert {"harness.frames", "harness.report.words"} == {frames.__name__, words.__name__}
    folder = tmp_path_factory.mktemp("sealed")
    for name, evidence in VERDICTS.items():
        histories.write(evidence, folder / name)
        findings = judge(runs.load(folder / name))
        findings_file.write(folder / name / "findings.json", findings)
        for file, content in render(evidence, findings).items():
            (folder / name / file).write_bytes(content)
    return folder


def replaying(run_dir):
    return f"--harness-command={shlex.join([sys.executable, str(REPLAY), str(run_dir)])}"


# -- what is collected ------------------------------------------------------------------------------------------------


def collected(pytester, *options):
    done = pytester.runpytest("--collect-only", "-q", *options)
    return [line for line in done.outlines if "::" in line]


@pytest.mark.parametrize("options", [[], ["."], ["experiments", "test_own.py"]])
def test_no_trial_is_collected_by_default(pytester, folder, options):
    """Neither a bare pytest nor one that is given the folder finds a trial in it."""
    assert ["test_own.py::test_own"] == collected(pytester, *options)


@pytest.mark.parametrize("name", ["experiments/canary-5xx.yaml", "experiments/canary-5xx.yaml::trial"])
def test_named_file_is_one_trial(pytester, folder, name):
    """A file on the command line is an item, by its own name or by the item's."""
    assert ["experiments/canary-5xx.yaml::trial"] == collected(pytester, name)


def test_experiment_in_json_is_one_too(pytester, folder):
    """Chaos Toolkit's other format is read as well."""
    (folder / "x.json").write_text(json.dumps({"title": "x", "extensions": [{"name": "harness"}]}))
    assert ["x.json::trial"] == collected(pytester, "x.json")


def test_ini_option_names_trials(pytester, folder):
    """Where the ini option has a glob, the files that pytest comes by and that match it are trials, and no others."""
    pytester.makeini("[pytest]\nharness_experiments =\n    experiments/canary-*.yaml\n    experiments/targets/*.yaml\n")
    names = [path.stem for path in (ROOT / "experiments").glob("canary-*.yaml")]
    expected = [f"experiments/{name}.yaml::trial" for name in names]
    assert {"canary-5xx", "canary-latency"} < set(names)
    assert sorted([*expected, "test_own.py::test_own"]) == sorted(collected(pytester))
    assert ["test_own.py::test_own"] == collected(pytester, "test_own.py")


@pytest.mark.parametrize(
    ("pattern", "says"), [("experiment/*.yaml", "matches no file below"), ("/x/*.yaml", "give a glob")]
)
def test_ini_option_without_a_file_is_refused(pytester, folder, pattern, says):
    """A misspelt glob would be a trial that never runs and never fails."""
    pytester.makeini(f"[pytest]\nharness_experiments = {pattern}\n")
    done = pytester.runpytest()
    assert pytest.ExitCode.USAGE_ERROR == done.ret
    done.stderr.fnmatch_lines([f"ERROR: harness_experiments: {pattern!r}*{says}*"])


@pytest.mark.parametrize(
    "text",
    [
        "title: plain\nmethod: []\n",
        "extensions: [{name: other}]\ntags: [harness]\n",
        "- harness\n",
        "extensions: harness\n",
        "harness: [",
        "harness: 2020-13-01\n",
        "harness: !!bool maybe\n",
        "harness: &a [*a]\n",
        f"harness: {'[' * 2000}",
    ],
)
def test_other_peoples_file_is_left_alone(pytester, folder, text):
    """A file without our extension is nobody's item, even when it is named and speaks of us."""
    (folder / "other.yaml").write_text(text)
    done = pytester.runpytest("other.yaml")
    assert pytest.ExitCode.USAGE_ERROR == done.ret
    done.stderr.fnmatch_lines(["ERROR: *other.yaml*"])


# -- what is checked --------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_dry_run_checks_the_file_and_is_no_pass(pytester, folder):
    """The real dry run accepts the shipped experiment; the word is CHECKED, and nothing was made."""
    done = pytester.runpytest("-v", "-rP", "--harness-dry-run", "--harness-reports=kept", "experiments/canary-5xx.yaml")
    assert {"passed": 1} == done.parseoutcomes()
    done.stdout.fnmatch_lines(["experiments/canary-5xx.yaml::trial CHECKED*", "*Nothing is started. A trial would*"])
    assert not (folder / "kept").exists()


@pytest.mark.slow
@pytest.mark.parametrize("options", [["--harness-dry-run"], []])
def test_wrong_file_fails_with_every_problem_and_no_traceback(pytester, folder, options):
    """What `harness run` refuses, with and without dry run, is shown as it says it."""
    path = folder / "experiments" / "canary-5xx.yaml"
    path.write_text(path.read_text().replace("share: 0.3", "share: 30").replace("step_s: 15", "step_s: no"))
    done = pytester.runpytest(*options, str(path))
    assert {"failed": 1} == done.parseoutcomes()
    done.stdout.fnmatch_lines(
        ["*canary-5xx.yaml: no verdict, `harness run` ended with exit code 64:", "*: 2 problems", "*step_s*", "*share*"]
    )
    assert "Traceback" not in done.stdout.str()


@pytest.mark.slow
def test_file_that_cannot_be_parsed_fails_with_its_line(pytester, folder):
    """A file of ours with a slip in its YAML is no file of nobody's: it fails, and says where."""
    path = folder / "experiments" / "canary-5xx.yaml"
    path.write_text(path.read_text() + "oops: [\n")
    done = pytester.runpytest("--harness-dry-run", str(path))
    assert {"failed": 1} == done.parseoutcomes()
    done.stdout.fnmatch_lines(["*canary-5xx.yaml:*: not YAML:*"])


# -- what is reported -------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_pass_passes(pytester, folder, sealed):
    """A run with the verdict PASS is a pass, beside other tests, and its directory is where it was asked for."""
    options = [replaying(sealed / "PASS"), "--harness-reports=kept", "--junitxml=junit.xml"]
    done = pytester.runpytest("-v", *options, "experiments/canary-5xx.yaml", "test_own.py")
    assert {"passed": 2} == done.parseoutcomes()
    done.stdout.fnmatch_lines(["experiments/canary-5xx.yaml::trial PASSED*"])
    properties = ElementTree.parse(folder / "junit.xml").iter("property")
    found = {one.get("name"): one.get("value") for one in properties}
    assert {"harness_verdict": "PASS", "harness_run_dir": str(folder / "kept" / "run")} == found
    assert (folder / "kept" / "run" / "report.html").is_file()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("verdict", "lines"),
    [
        ("FAIL", ["FAIL: the stored data is not what *", "cause: data_loss / vanished: *", "FAIL data_loss: *"]),
        ("INCONCLUSIVE", ["INCONCLUSIVE: the trial proves neither *", "cause: * / *", "INCONCLUSIVE *: *"]),
    ],
)
def test_red_verdict_fails_under_its_own_word(pytester, folder, sealed, verdict, lines):
    """Sentence, cause, red checks and report are shown, the run is in pytest's folder, and there is no traceback."""
    options = ["-v", "--basetemp=tmp", replaying(sealed / verdict)]
    done = pytester.runpytest(*options, "experiments/canary-5xx.yaml", "test_own.py")
    assert {"failed": 1, "passed": 1} == done.parseoutcomes()
    assert pytest.ExitCode.TESTS_FAILED == done.ret
    done.stdout.fnmatch_lines(
        [
            f"experiments/canary-5xx.yaml::trial {verdict}*",
            "*_ trial of canary-5xx.yaml _*",
            *lines,
            "report: */report.html",
            f"{verdict} experiments/canary-5xx.yaml::trial*",
        ]
    )
    shown, _, _ = done.stdout.str().partition("FAILURES")[2].partition("- Captured harness ")
    (report,) = [line.removeprefix("report: ") for line in shown.splitlines() if line.startswith("report: ")]
    assert Path(report).is_file()
    assert Path(report).is_relative_to(folder / "tmp")
    assert "PASS" not in shown
    assert "Traceback" not in done.stdout.str()


@pytest.mark.slow
def test_exit_code_that_does_not_fit_is_no_pass(pytester, folder, sealed):
    """A command that ends with 0 over a run that failed is not believed."""
    command = shlex.join([sys.executable, str(REPLAY), str(sealed / "FAIL")])
    script = folder / "liar.sh"
    script.write_text(f'#!/bin/sh\n{command} "$@"\nexit 0\n')
    script.chmod(0o755)
    done = pytester.runpytest(f"--harness-command={script}", "experiments/canary-5xx.yaml")
    assert {"failed": 1} == done.parseoutcomes()
    done.stdout.fnmatch_lines(["*findings.json says FAIL, but the trial's exit code is 0"])


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("echo verdict: PASS /no/such/run", "/no/such/run: no manifest.json: not a run directory*"),
        ("true", "*canary-5xx.yaml: no verdict, `harness run` ended with exit code 0:"),
        ("/no/such/harness", "/no/such/harness: cannot be started: *; see --harness-command"),
    ],
)
def test_command_without_a_verdict_is_no_pass(pytester, folder, command, says):
    """No run directory, no last line, no program: each fails and says which."""
    script = folder / "command.sh"
    script.write_text(f"#!/bin/sh\n{command}\n")
    script.chmod(0o755)
    given = command if command.startswith("/") else str(script)
    done = pytester.runpytest(f"--harness-command={given}", "experiments/canary-5xx.yaml")
    assert {"failed": 1} == done.parseoutcomes()
    done.stdout.fnmatch_lines([says])


def test_fixture_opens_a_run(pytester, folder, sealed):
    """`harness_run` gives a test the frames of a run directory."""
    pytester.makepyfile(
        f"def test_rows(harness_run):\n    assert len(harness_run({str(sealed / 'PASS')!r}).operations) == 600\n"
    )
    assert {"passed": 1} == pytester.runpytest("test_fixture_opens_a_run.py").parseoutcomes()


# -- what is ended ----------------------------------------------------------------------------------------------------

# Says that it is ready by a signal, and leaves a file when it is ended by one.
HEALING = """
import os, pathlib, signal, sys
def heal(number, frame):
    pathlib.Path("healed").touch()
    sys.exit(143)
signal.signal(signal.SIGTERM, heal)
os.kill(os.getppid(), signal.SIGUSR1)
signal.pause()
"""


@pytest.fixture(name="ready")
def _ready():
    """Sets what happens when the child says that it is ready."""
    before = signal.getsignal(signal.SIGUSR1)
    yield lambda act: signal.signal(signal.SIGUSR1, lambda number, frame: act())
    signal.signal(signal.SIGUSR1, before)


def test_interrupted_session_lets_the_trial_heal(tmp_path, ready):
    """Ctrl-C, or a time limit of pytest, ends the trial by a signal and waits for its end."""
    ready(lambda: signal.raise_signal(signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        run_trial([sys.executable, "-c", HEALING], tmp_path)
    assert (tmp_path / "healed").exists()


@pytest.mark.slow
def test_trial_that_hangs_is_ended(tmp_path, ready):
    """A command that does not end within its bound is ended by a signal, and that is what is said."""
    said = []
    ready(lambda: said.append("ready"))
    with pytest.raises(TrialError, match=r"did not end within 1 s and was ended"):
        run_trial([sys.executable, "-c", HEALING], tmp_path, s_max=1.0)
    assert ["ready"] == said
    assert (tmp_path / "healed").exists()


# -- what it costs ----------------------------------------------------------------------------------------------------

COST = """
import pytest, sys, time
before = set(sys.modules)
began = time.process_time()
import harness.pytest_plugin
took_ms = 1000 * (time.process_time() - began)
print(took_ms, *sorted(set(sys.modules) - before))
"""


@pytest.mark.slow
def test_import_costs_next_to_nothing():
    """Beside pytest it loads only itself, in less than 20 ms of processor time."""
    done = subprocess.run([sys.executable, "-c", COST], capture_output=True, text=True, timeout=60, check=True)
    took_ms, *loaded = done.stdout.split()
    assert ["harness", "harness.pytest_plugin"] == loaded
    assert float(took_ms) < 20


@pytest.mark.slow
def test_session_without_trials_loads_nothing_of_the_harness(pytester, folder):
    """A project that has the plugin installed and no trial runs as it did."""
    loaded = "[name for name in sys.modules if name.startswith('harness.') and name != 'harness.pytest_plugin']"
    pytester.makepyfile(test_loaded=f"import sys\ndef test_loaded():\n    assert {loaded} == []\n")
    assert {"passed": 2} == pytester.runpytest_subprocess(".").parseoutcomes()


def test_help_has_the_options_in_a_group(pytester):
    """`pytest --help` lists the options under harness, and the ini option."""
    done = pytester.runpytest("--help")
    assert pytest.ExitCode.OK == done.ret
    done.stdout.fnmatch_lines(
        [
            "harness:",
            "  --harness-dry-run*",
            "  --harness-reports=DIR*",
            "  --harness-command=COMMAND*",
            "*harness_experiments (linelist):*",
        ]
    )
