"""A service that has no code for drills: described by a file, behind sidecars, drilled like any other."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

pytestmark = pytest.mark.integration
SERVICE = Path(__file__).with_name("own_service") / "notes.py"
DOCTOR_S_MAX = 120.0


@pytest.fixture
def described(tmp_path):
    """The folder that `harness init` makes for the notes; `forgets`: every n-th note of the canary is not kept."""

    def init(forgets=0):
        start = f"{{python}} {SERVICE} --port {{port}} --release {{version}} --data {{data_dir}}"
        argv = [sys.executable, "-m", "harness.cli.main", "init", "notes", "--dir", str(tmp_path / "drill")]
        argv += ["--start", f"{start} --forgets {forgets}", "--write", "POST /notes"]
        argv += ["--write-body", '{"id": "{op_id}", "text": "note {index}"}', "--read-back", "/notes/{op_id}"]
        argv += ["--read", "GET /notes", "--version", "/health release"]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return tmp_path / "drill", done.stdout

    return init


def shortened(folder):
    """The experiment with one step and short waits."""
    path = folder / "notes-5xx.yaml"
    document = yaml.safe_load(path.read_text())
    (entry,) = document["extensions"]
    entry |= {"baseline_s": 3.0, "hold_s": 5.0, "rollout": {"steps": [25, 100], "step_s": 90.0}}
    entry["expect"]["loss_rate_detectable_max"] = 0.3  # seven writes a second go to the canary, for a few seconds
    path.write_text(yaml.safe_dump(document, sort_keys=False))
    return path


def test_init_doctor_and_drill(described, start):
    """The three commands that `init` names, one after the other: written, tried, PASS in every check."""
    folder, said = described()
    (doctor,) = (line.partition("#")[0] for line in said.splitlines() if line.startswith("next: "))
    argv = [sys.executable, "-m", "harness.cli.main", *shlex.split(doctor)[2:]]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=DOCTOR_S_MAX, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = {line.split()[1]: line.split()[0] for line in done.stdout.splitlines() if line.startswith(("ok ", "wrong "))}
    asked = {"identity", "operations", "headers", "metrics", "fault", "rules", "receivers"}
    assert dict.fromkeys(asked, "ok") == {name: word for name, word in rows.items() if name in asked}
    trial = start(shortened(folder))
    assert {"verdict": "PASS", "headline": ("", ""), "red": []} == trial.judged(), trial.output
    assert trial.code() == 0


def test_a_canary_that_forgets_is_found(described, start):
    """Every fifth note is acknowledged and not kept: FAIL, vanished."""
    folder, _ = described(forgets=5)
    trial = start(shortened(folder))
    assert ("FAIL", ("data_loss", "vanished")) == (trial.judged()["verdict"], trial.judged()["headline"]), trial.output
