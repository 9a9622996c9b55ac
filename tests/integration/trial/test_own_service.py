"""A service that has no code for drills: described by a file, behind sidecars, drilled like any other."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

pytestmark = pytest.mark.integration
PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "your-service.md"
SERVICE = Path(__file__).with_name("own_service") / "notes.py"
COMMAND_S_MAX = 120.0
NIGHT_S_MAX = 300.0


def command_of_page(begins):
    """The command of the how-to that begins so, as a reader copies it."""
    found = re.findall(r"^    (harness (?:.*\\\n)*.*)$", PAGE.read_text(), re.MULTILINE)
    (command,) = (one for one in found if one.startswith(begins))
    return command


def type_it(command, folder, timeout=COMMAND_S_MAX):
    """What a reader's shell does with it, in the folder of the service."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


@pytest.fixture
def described(tmp_path):
    """The folder of the notes after the page's `harness init`; `options` go to the service's command line."""

    def init(options=""):
        folder = tmp_path / "service"
        folder.mkdir()
        shutil.copy(SERVICE, folder)
        command = command_of_page("harness init").replace("{data_dir}", f"{{data_dir}}{options}")
        done = type_it(command, folder)
        assert done.returncode == 0, done.stderr
        return folder, done.stdout

    return init


def shortened(folder, name="notes-5xx", step_s=90.0):
    """The experiment with one step and short waits."""
    path = folder / f"{name}.yaml"
    document = yaml.safe_load(path.read_text())
    (entry,) = document["extensions"]
    entry |= {"baseline_s": 3.0, "hold_s": 5.0, "rollout": {"steps": [25, 100], "step_s": step_s}}
    entry["expect"]["loss_rate_detectable_max"] = 0.3  # seven writes a second go to the canary, for a few seconds
    path.write_text(yaml.safe_dump(document, sort_keys=False))
    return path


def test_the_page_is_walked(described):
    """Its commands, one after the other: written, every part tried, and a night in which the drill and the release
    with nothing broken are PASS in every check."""
    folder, said = described()
    doctor = command_of_page("harness doctor")
    assert doctor in said
    assert "then: harness run notes-5xx.yaml\n" in said
    assert "    harness run notes-5xx.yaml\n" in PAGE.read_text()
    done = type_it(doctor, folder)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = {line.split()[1]: line.split()[0] for line in done.stdout.splitlines() if line.startswith(("ok ", "wrong "))}
    asked = {"identity", "operations", "headers", "metrics", "fault", "rules", "receivers"}
    assert dict.fromkeys(asked, "ok") == {name: word for name, word in rows.items() if name in asked}
    shortened(folder)
    shortened(folder, "healthy-release", step_s=10.0)
    night = type_it(command_of_page("harness suite"), folder, timeout=NIGHT_S_MAX)
    assert night.returncode == 0, night.stdout + night.stderr
    document = json.loads((folder / "reports" / "latest-suite" / "suite.json").read_text())
    assert ["PASS", "PASS"] == [one["verdict"] for one in document["trials"]]
    drill, control = document["trials"]
    assert ("", drill["run"]) == (drill["control_of"], control["control_of"])


def test_a_canary_that_forgets_is_found(described, start):
    """Every fifth note is acknowledged and not kept: FAIL, vanished."""
    folder, _ = described(" --forgets 5")
    trial = start(shortened(folder))
    assert ("FAIL", ("data_loss", "vanished")) == (trial.judged()["verdict"], trial.judged()["headline"]), trial.output
