"""A real trial as a pytest item: `pytest FILE` runs it, and what is shown is what the run directory says."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import harness
from harness.evidence.finding import Verdict

pytestmark = pytest.mark.integration
SESSION_S_MAX = 240.0


def session(experiment, reports):
    """A pytest session of its own that runs this one experiment."""
    argv = [sys.executable, "-m", "pytest", "-v", "-p", "no:cacheprovider", f"--harness-reports={reports}", experiment]
    environment = {name: value for name, value in os.environ.items() if name != "PYTEST_ADDOPTS"}
    return subprocess.run(
        argv,
        cwd=Path(experiment).parent,
        env=environment,
        capture_output=True,
        text=True,
        timeout=SESSION_S_MAX,
        check=False,
    )


@pytest.mark.parametrize(
    ("plant", "verdict", "code"),
    [
        ("", Verdict.PASS, 0),
        # What a red one looks like is held by replayed directories, too, in a second.
        pytest.param("alert_selects_nothing", Verdict.FAIL, 1, marks=pytest.mark.full),
    ],
)
def test_trial_through_pytest(experiment, tmp_path, plant, verdict, code):
    """A trial of the shipped experiment passes, with a planted defect it fails under its word with cause and report."""
    done = session(experiment(plant=plant), tmp_path / "reports")
    assert code == done.returncode, done.stdout + done.stderr
    (run_dir,) = [path for path in (tmp_path / "reports").iterdir() if not path.is_symlink()]
    run = harness.open_run(run_dir)
    assert verdict is run.verdict
    assert run.sealed
    word = "PASSED" if verdict is Verdict.PASS else str(verdict)
    assert f"canary-5xx.yaml::trial {word}" in done.stdout
    if verdict is not Verdict.PASS:
        assert f"cause: {run.findings.headline.check} / {run.findings.headline.rule}: " in done.stdout
        assert f"report: {run_dir / 'report.html'}" in done.stdout
    assert "Traceback" not in done.stdout
