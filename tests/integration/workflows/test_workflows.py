"""The workflows of the repository, read by the tool that knows GitHub's syntax."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

pytestmark = pytest.mark.integration
ROOT = Path(__file__).parents[3]
TOOLS = ROOT / "tests" / "tools"  # pinned by its go.sum
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
BUILD_S_MAX = 300.0


def actionlint(*files):
    go = shutil.which("go")
    assert go, "go: not found; actionlint is built from its module: install Go 1.25 or later (https://go.dev/dl)"
    argv = [go, "tool", "actionlint", "-no-color", *map(str, files)]
    return subprocess.run(argv, cwd=TOOLS, capture_output=True, text=True, timeout=BUILD_S_MAX, check=False)


def test_workflows_are_clean():
    """Both are there, and actionlint has nothing to say."""
    assert {"checks.yml", "nightly.yml"} == {path.name for path in WORKFLOWS}
    done = actionlint(*WORKFLOWS)
    assert (0, "") == (done.returncode, done.stdout), done.stdout + done.stderr


def test_dev_container_is_what_the_nightly_runs_in():
    """The same image, packages and options, so that what works in the one works in the other; and it is set up."""
    text = (ROOT / ".devcontainer" / "devcontainer.json").read_text()
    container = json.loads(re.sub(r"^\s*//.*$", "", text, flags=re.MULTILINE))
    job = yaml.safe_load((ROOT / ".github" / "workflows" / "nightly.yml").read_text())["jobs"]["drill"]
    assert (job["container"]["image"], job["container"]["options"].split()) == (
        container["image"],
        container["runArgs"],
    )
    installs = next(step["run"] for step in job["steps"] if "apt-get install" in step.get("run", ""))
    assert f"{installs} && make setup" == container["onCreateCommand"]


def test_a_wrong_workflow_is_seen(tmp_path):
    """A step that is none and an input that does not exist: both are named."""
    text = (ROOT / ".github" / "workflows" / "nightly.yml").read_text()
    broken = tmp_path / "nightly.yml"
    broken.write_text(text.replace("- run: make setup", "- runs: make setup").replace("inputs.suite", "inputs.siute"))
    done = actionlint(broken)
    assert done.returncode == 1
    assert "step must run script" in done.stdout
    assert '"siute"' in done.stdout
