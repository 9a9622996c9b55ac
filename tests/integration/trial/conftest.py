"""Whole trials through the command line, shortened: one step, a short hold. Every part is real."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.drive import census
from harness.drive.guard.client import await_condition
from harness.drive.live import Tail
from harness.evidence import timeline
from harness.evidence.format import Kind

ROOT = Path(__file__).parents[3]
TRIAL_S_MAX = 180.0
# One step at which the fault lands, long enough that the controller does not leave it by itself.
ONE_STEP = {"steps": [25, 100], "step_s": 90.0}
SHORT_ROLLOUTS = {
    "canary-5xx": ONE_STEP,
    "canary-5xx-remove": ONE_STEP,
    "canary-latency": ONE_STEP,
    "fault-on-both": ONE_STEP,
    "slow-leak": ONE_STEP,
    "fault-after-100": {"steps": [100], "step_s": 90.0},
    "healthy-release": {"steps": [5, 25, 50, 100], "step_s": 5.0},
}
GONE_S_MAX = 10.0  # a killed or interrupted trial leaves nothing after this


@dataclass
class Running:
    """A command that runs a trial, and where."""

    process: subprocess.Popen[str]
    run_dir: Path
    output_path: Path

    @property
    def output(self) -> str:
        return self.output_path.read_text()

    def events(self, *kinds: Kind) -> list[timeline.Event]:
        return [event for event in timeline.read(self.run_dir)[0] if event.kind in kinds]

    def await_phase(self, phase: str) -> None:
        """Until the trial is in this phase."""
        tail = Tail(self.run_dir / "timeline" / "control.ndjson")
        seen: list[str] = []

        def reached() -> bool:
            seen.extend(event["phase"] for event in tail.new() if event["kind"] == Kind.PHASE)
            return phase in seen or self.process.poll() is not None

        assert await_condition(reached, TRIAL_S_MAX)
        assert phase in seen, self.output

    def await_event(self, kind: Kind) -> None:
        """Until the trial has recorded such an event."""
        assert await_condition(lambda: bool(self.events(kind)), TRIAL_S_MAX), self.output

    def code(self) -> int:
        """Its exit code, once it has ended."""
        return self.process.wait(timeout=TRIAL_S_MAX)

    def findings(self) -> dict[str, Any]:
        assert await_condition((self.run_dir / "findings.json").exists, 60.0), self.output
        return json.loads((self.run_dir / "findings.json").read_text())

    def judged(self) -> dict[str, Any]:
        """Verdict, headline and the red checks of the trial."""
        findings = self.findings()
        return {
            "verdict": findings["verdict"],
            "headline": (findings["headline"]["check"], findings["headline"]["rule"]),
            "red": sorted(check["id"] for check in findings["checks"] if check["verdict"] != "PASS"),
        }

    def pids(self) -> dict[str, int]:
        """Every process that the guard started."""
        return {event.data["name"]: event.data["pid"] for event in self.events(Kind.PROCESS_STARTED)}

    def ports(self) -> list[int]:
        return [port for event in self.events(Kind.PROCESS_STARTED) for port in event.data["ports"]]

    def leftovers(self) -> list[dict[str, object]]:
        """What of the trial exists now."""
        return census.take(self.pids(), self.ports())


def short_experiment(folder: Path, name: str = "canary-5xx", plant: str = "", **extension: Any) -> Path:
    """A shipped experiment with one step of 25 %, short waits and, if named, a planted defect."""
    document = yaml.safe_load((ROOT / "experiments" / f"{name}.yaml").read_text())
    (entry,) = document["extensions"]
    entry["baseline_s"], entry["hold_s"] = 3.0, 5.0
    if name in SHORT_ROLLOUTS:
        entry["rollout"] |= SHORT_ROLLOUTS[name]
    # A short trial acknowledges some sixty writes on the canary: 4 to 5 %, too near the shipped bound of 5 %.
    entry["expect"]["loss_rate_detectable_max"] = 0.15
    entry.update(extension)
    if plant:
        entry["plant"] = plant
    (folder / "targets").mkdir(exist_ok=True)
    (folder / "targets" / "local.yaml").write_text((ROOT / "experiments" / "targets" / "local.yaml").read_text())
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(document, sort_keys=False))
    return path


@pytest.fixture
def experiment(tmp_path) -> Any:
    """Writes a shortened experiment: experiment(plant="...", name="canary-5xx", ...)."""
    return lambda **changes: short_experiment(tmp_path, **changes)


@pytest.fixture
def start(tmp_path) -> Iterator[Any]:
    """Starts `harness run` or `chaos run`; ends what a failing test left."""
    started: list[Running] = []

    def start_one(experiment: Path, *options: str, command: str = "harness") -> Running:
        run_dir = tmp_path / f"run-{len(started)}"
        environment = {**os.environ, "HARNESS_RUN_DIR": str(run_dir)}
        argv = {
            "harness": [sys.executable, "-m", "harness.cli.main", "run", str(experiment), *options],
            "chaos": [
                str(Path(sys.executable).with_name("chaos")),
                "--no-version-check",
                "run",
                str(experiment),
                *options,
            ],
        }[command]
        output_path = tmp_path / f"output-{len(started)}.txt"
        with output_path.open("w") as output:
            process = subprocess.Popen(
                argv, cwd=tmp_path, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                text=True, start_new_session=True,
            )  # fmt: skip
        started.append(Running(process, run_dir, output_path))
        return started[-1]

    yield start_one
    for running in started:
        if running.process.poll() is None:
            os.killpg(running.process.pid, signal.SIGKILL)
            running.process.wait(timeout=10)
        assert await_condition(lambda running=running: not running.leftovers(), GONE_S_MAX), running.leftovers()
