"""An experiment that does not ask for the harness is run, and nothing about it is claimed."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys

import psutil
import pytest
import yaml

from harness.cli import plain
from harness.drive.guard.client import await_condition

pytestmark = pytest.mark.integration
PROBE = {"type": "probe", "name": "there", "provider": {"type": "process", "path": "true"}}
WAIT = {"type": "action", "name": "wait", "provider": {"type": "process", "path": "sleep", "arguments": "30"}}


def touch(name):
    return {"type": "action", "name": name, "provider": {"type": "process", "path": "touch", "arguments": name}}


TOUCH = touch("here")
PLAIN = {
    "title": "Plain", "description": "No harness.", "tags": [],
    "steady-state-hypothesis": {"title": "It is there", "probes": [{**PROBE, "tolerance": 0}]},
    "method": [TOUCH],
    "rollbacks": [],
}  # fmt: skip


def run(folder, document, *options):
    (folder / "plain.yaml").write_text(yaml.safe_dump(document, sort_keys=False))
    argv = [sys.executable, "-m", "harness.cli.main", "run", "plain.yaml", *options]
    return subprocess.run(argv, cwd=folder, capture_output=True, text=True, timeout=60, check=False)


def test_it_is_run_and_not_judged(tmp_path):
    """Its action took place, its journal is there, and the verdict is INCONCLUSIVE with what was not judged."""
    done = run(tmp_path, PLAIN)
    assert done.returncode == 2, done.stdout + done.stderr
    assert (tmp_path / "here").exists()
    assert "completed" == json.loads((tmp_path / "journal.json").read_text())["status"]
    assert "Not judged, since nobody recorded evidence: generator, baseline, fault" in done.stdout
    assert "verdict: INCONCLUSIVE journal.json" == done.stdout.splitlines()[-1]


def test_one_that_deviates_is_red(tmp_path):
    """A hypothesis that does not hold is FAIL by Chaos Toolkit's own word."""
    probe = {**PROBE, "tolerance": 1}
    done = run(tmp_path, {**PLAIN, "steady-state-hypothesis": {"title": "It is not", "probes": [probe]}})
    assert done.returncode == 1, done.stdout + done.stderr
    assert "hypothesis not met before (journal.json)" in done.stdout


def test_an_earlier_journal_is_not_written_over(tmp_path):
    """64, and the experiment is not run."""
    (tmp_path / "journal.json").write_text("{}")
    done = run(tmp_path, PLAIN)
    assert (64, "{}", False) == (done.returncode, (tmp_path / "journal.json").read_text(), (tmp_path / "here").exists())
    assert "journal.json: exists already" in done.stderr


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--seed", "7", "--json"], "--seed, --json: plain.yaml is a plain Chaos Toolkit experiment"),
        (["--dry-run"], "plain.yaml: is a plain Chaos Toolkit experiment, of which the harness knows no plan"),
    ],
)
def test_what_it_could_not_heed_is_refused(tmp_path, options, says):
    """Better 64 than a seed that nobody takes; the experiment is not run."""
    done = run(tmp_path, PLAIN, *options)
    assert (64, False) == (done.returncode, (tmp_path / "here").exists())
    assert says in done.stderr


@contextlib.contextmanager
def running(folder, rollbacks):
    """(`harness run`, Chaos Toolkit below it) once the method has begun to wait; whoever still lives is ended."""
    document = {**PLAIN, "method": [TOUCH, WAIT], "rollbacks": rollbacks}
    (folder / "plain.yaml").write_text(yaml.safe_dump(document, sort_keys=False))
    argv = [sys.executable, "-m", "harness.cli.main", "run", "plain.yaml"]
    with subprocess.Popen(argv, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        assert await_condition((folder / "here").exists, 30.0)
        (chaos,) = psutil.Process(process.pid).children()
        try:
            yield process, chaos
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(chaos.pid, signal.SIGKILL)  # Chaos Toolkit does not end what an activity has started


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)]
)
def test_a_signal_ends_it_and_leaves_nothing(tmp_path, number, code):
    """It goes to Chaos Toolkit once, which ends the experiment with its rollbacks; SIGKILL of the command is SIGKILL
    of both, and nobody plays any."""
    with running(tmp_path, [touch("rolled-back")]) as (process, chaos):
        process.send_signal(number)
        assert code == process.wait(30.0)
        assert await_condition(lambda: not chaos.is_running(), 10.0)
        assert (number != signal.SIGKILL) == (tmp_path / "rolled-back").exists()


def test_a_second_signal_ends_rollbacks_that_hang(tmp_path):
    """Who cannot wait any more is not held."""
    with running(tmp_path, [touch("rolling-back"), WAIT]) as (process, chaos):
        process.send_signal(signal.SIGTERM)
        assert await_condition((tmp_path / "rolling-back").exists, 30.0)
        process.send_signal(signal.SIGTERM)
        assert 143 == process.wait(10.0)
        assert await_condition(lambda: not chaos.is_running(), 10.0)


@pytest.mark.parametrize(("runtime", "options"), [({}, 2), ({"rollbacks": {"strategy": "never"}}, 0)])
def test_an_experiment_s_own_word_on_rollbacks_is_kept(runtime, options):
    """Only where it has none are they always played."""
    assert options == len(plain.strategy_options({**PLAIN, "runtime": runtime}))


def test_a_misspelt_extension_is_no_plain_experiment(tmp_path):
    """Whoever meant the harness is told, and nothing is run."""
    done = run(tmp_path, {**PLAIN, "extensions": [{"name": "harnes", "expect": {"outcome": "promoted"}}]})
    assert done.returncode == 64
    assert not (tmp_path / "here").exists()
