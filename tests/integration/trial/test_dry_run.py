"""Who would be told, before anything is broken: printed by a dry run, and a reason to stop for a trial."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from harness.drive import heal
from harness.drive.guard.client import await_condition

pytestmark = pytest.mark.integration
ROOT = Path(__file__).parents[3]
# A defect of somebody else's package: the one receiver of the stack has a pager besides its two webhooks.
PAGER = """
import dataclasses, yaml

def pager_added(spec):
    routes = yaml.safe_load(spec.files["config/alertmanager.yaml"])
    routes["receivers"][0]["webhook_configs"].append({"url": "http://127.0.0.1:9/pager"})
    return dataclasses.replace(spec, files={**spec.files, "config/alertmanager.yaml": yaml.safe_dump(routes)})
"""


@pytest.fixture
def pager_plant(tmp_path) -> dict[str, str]:
    """An installed package with the plant `pager_added`: the environment in which it is found."""
    folder = tmp_path / "packages"
    info = folder / "pager-1.0.dist-info"
    info.mkdir(parents=True)
    (folder / "pager.py").write_text(PAGER)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: pager\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[harness.plants]\npager_added = pager:pager_added\n")
    return {"PYTHONPATH": str(folder)}


def run(experiment: Path, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "harness.cli.main", "run", str(experiment), *options],
        cwd=experiment.parent,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def left_of(reports: Path) -> list[object]:
    """What trials of this folder have left: processes, faults, scratch folders, requests that were sent."""
    run_dirs = list(reports.glob("*-*"))
    found = heal.find(heal.Places(tuple(run_dirs), reports / "no-cache"))
    scratch = [folder for run_dir in run_dirs for folder in heal.read(run_dir).scratch if folder.exists()]
    sent = [file for file in reports.glob("*/operations/*") if file.stat().st_size]
    return [*found.left, *scratch, *sent, *(["live"] if found.live else [])]


def test_dry_run_prints_every_change_and_starts_nothing(experiment, tmp_path):
    """Processes, files, load, steps, fault and its undo, and who would be told; exit code 0, nothing on disk."""
    path = experiment(name="canary-5xx-remove")
    before = sorted(tmp_path.iterdir())
    cache = tmp_path / "cache"
    cache.mkdir()
    (cache / "debian").symlink_to(ROOT / ".cache" / "debian")
    done = run(path, "--dry-run", HARNESS_CACHE_DIR=str(cache))
    assert 0 == done.returncode, done.stderr
    expected = [
        "Nothing is started.",
        "takes stops of the canary",
        "config/alertmanager.yaml",
        "profile M, 120 requests/s to http://127.0.0.1:2",
        "canary 1.1: 25 % -> 100 %, each held 90 s",
        "rolled back, canary-1 is stopped",
        "http_5xx at the step 25 %: share 0.3; ends by itself after 60 s",
        "in canary-1, taken back by DELETE http://127.0.0.1:2",
        "CanaryErrorRatioHigh    stepper (http://127.0.0.1:2",
        "Watchdog                harness-recorder (http://127.0.0.1:2",
        "team (http://127.0.0.1:2",
    ]
    assert [] == [words for words in expected if words not in done.stdout]
    assert [*before, cache] == sorted([*tmp_path.iterdir()], key=lambda one: (one == cache, one))
    assert [cache / "debian"] == list(cache.iterdir())


@pytest.mark.parametrize("options", [["--dry-run"], []], ids=["dry-run", "trial"])
def test_receiver_that_is_not_allowed_stops_the_run(experiment, tmp_path, pager_plant, options):
    """A pager among the receivers: 64 with alert and receiver, the trial before its load, and nothing stays."""
    path = experiment(plant="pager_added")
    done = run(path, "--reports-dir", str(tmp_path / "reports"), *options, **pager_plant)
    assert 64 == done.returncode, done.stdout + done.stderr
    assert re.search(r"CanaryErrorRatioHigh would be sent to .*\(http://127\.0\.0\.1:9/pager\)", done.stderr), (
        done.stderr
    )
    assert "allow_receivers" in done.stderr
    assert "Traceback" not in done.stderr
    assert (tmp_path / "reports").exists() == (not options)
    assert await_condition(lambda: [] == left_of(tmp_path / "reports"), 10.0), left_of(tmp_path / "reports")


def test_every_rule_is_asked_about(experiment, tmp_path):
    """A target that allows the recorder only: every rule that would be told to the stepper is named at once."""
    path = experiment()
    target = path.parent / "targets" / "local.yaml"
    target.write_text(target.read_text().replace("[stepper, harness-recorder]", "[harness-recorder]"))
    done = run(path, "--dry-run")
    assert 64 == done.returncode
    named = [line.split()[0] for line in done.stderr.splitlines() if "would be sent to stepper" in line]
    assert {"CanaryErrorRatioHigh", "CanaryLatencyHigh", "ServiceErrorRatioHigh"} <= set(named)
    assert "Watchdog" not in named
