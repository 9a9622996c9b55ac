"""What cannot work is refused before anything starts: one message with value, place and next step, no traceback."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration
ROOT = Path(__file__).parents[3]


def harness(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "harness.cli.main", *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def assert_refused(done: subprocess.CompletedProcess[str], code: int, *said: str) -> None:
    assert code == done.returncode, done.stderr
    assert "Traceback" not in done.stderr + done.stdout
    assert [] == [words for words in said if words not in done.stderr]


def test_wrong_experiment_lists_every_problem(tmp_path, experiment):
    """Two mistakes in an experiment are two lines with file, line and value; nothing is started."""
    path = experiment(rollout={"steps": [25, 5], "step_s": 0})
    done = harness("run", str(path), "--reports-dir", str(tmp_path / "reports"))
    assert_refused(done, 64, "2 problems", "rollout.steps", "[25, 5]", "rollout.step_s", f"{path}:")
    assert not (tmp_path / "reports").exists()


def test_wrong_target_is_refused(tmp_path, experiment):
    """An unknown kind in the target file comes with the nearest known one."""
    path = experiment()
    target = path.parent / "targets" / "local.yaml"
    target.write_text(target.read_text().replace("kind: envoy", "kind: envoi"))
    assert_refused(harness("run", str(path), "--reports-dir", str(tmp_path)), 64, "'envoi'", "did you mean 'envoy'?")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "experiments/canary-5x.yaml"], "did you mean 'canary-5xx.yaml'?"),
        (["run", "experiments/canary-5xx.yaml", "--target", "locl"], "did you mean 'local.yaml'?"),
        (["run", "experiments/canary-5xx.yaml", "--profile", "XXL"], "load.profile is 'XXL'"),
        (["run", "experiments/canary-5xx.yaml", "--seed", "x"], "seed is 'x'"),
        (["run"], "Missing argument 'EXPERIMENT'"),
        (["rum"], "No such command 'rum'"),
        (["judge", "experiments"], "not a run directory"),
        (["report", "no-such-directory"], "not a run directory"),
    ],
)
def test_wrong_argument_is_named(arguments, said):
    """A wrong argument is named with the next step, exit code 64."""
    assert_refused(harness(*arguments), 64, said)


def test_misspelt_setting_is_refused():
    """A HARNESS_ variable that is none is refused."""
    assert_refused(harness("run", "experiments/canary-5xx.yaml", HARNESS_PROFIL="S"), 64, "did you mean 'profile'?")


def test_missing_binary_is_named():
    """A setting that names no executable is the user's to mend: 64, with the value and the setting."""
    done = harness("run", "experiments/canary-5xx.yaml", HARNESS_PROMETHEUS="/no/such/prometheus")
    assert_refused(done, 64, "/no/such/prometheus", "HARNESS_PROMETHEUS")


def test_missing_part_is_named(tmp_path):
    """A part that was never fetched is missing: 70, with the command that fetches it; nothing is started."""
    done = harness("run", "experiments/canary-5xx.yaml", HARNESS_CACHE_DIR=str(tmp_path), PATH="/nowhere")
    assert_refused(done, 70, "prometheus", "python -m harness.drive.stack.binaries")
    assert [] == list(tmp_path.iterdir())


def test_unwritable_directory_is_refused(tmp_path):
    """A place that cannot hold run directories is refused before anything starts."""
    (tmp_path / "file").write_text("")
    done = harness("run", "experiments/canary-5xx.yaml", "--reports-dir", str(tmp_path / "file" / "reports"))
    assert_refused(done, 64, str(tmp_path / "file"), "--reports-dir")


def test_existing_run_directory_is_refused(tmp_path):
    """A trial never writes into a directory that exists."""
    assert_refused(harness("run", "experiments/canary-5xx.yaml", "--run-dir", str(tmp_path)), 64, "exists already")


def test_port_in_use_is_named():
    """A fixed port that somebody else has is named with the next step."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert_refused(harness("stack", "up", "--port", str(port)), 64, str(port))
