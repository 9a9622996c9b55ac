"""Whatever is killed or interrupted: within ten seconds no fault, no process, no port, no folder, and a directory that
judges. Trials are short: profile S, two seconds of baseline, three of holding, a fault in six of ten answers.

With KILLS_RESULTS the outcome of each strike is written to that JSON file, also of one that fails.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from harness import clock
from harness.drive import heal
from harness.drive.guard.client import await_condition
from harness.drive.live import Tail
from harness.drive.stack import ports
from harness.evidence.finding import EXIT_CODES, Verdict
from harness.evidence.format import Kind
from harness.testing import kills
from harness.testing.kills import KILL, PARTS, Strike

pytestmark = pytest.mark.integration
GONE_S_MAX = 10.0
# A whole short trial takes some 20 s alone; each wait of a strike gives up after this on a busy machine.
MOMENT_S_MAX = 120.0
SELECTED = set(kills.pairwise(kills.every()))


def phase(name: str) -> tuple[str, Callable[[dict[str, Any]], bool]]:
    return "control", lambda event: event["kind"] == Kind.PHASE and event["phase"] == name


# moment -> in whose timeline, and which event begins it
MOMENTS: dict[str, tuple[str, Callable[[dict[str, Any]], bool]]] = {
    "open": phase("open"),
    "baseline": ("load", lambda event: event["kind"] == Kind.LOAD_TICK),
    "canary": phase("canary"),
    "inject": phase("fault"),
    "fault": ("control", lambda event: event["kind"] == Kind.FAULT_ON),
    "rollback": ("stepper", lambda event: event["kind"] == Kind.DECIDED and event["decision"] == "roll_back"),
    "verify": phase("verify"),
    "close": phase("close"),
}


def strikes() -> list[Any]:
    """Every strike; those outside of the pairwise selection carry the mark `full`."""
    return [
        pytest.param(one, id=one.name, marks=[] if one in SELECTED else [pytest.mark.full]) for one in kills.every()
    ]


@pytest.fixture
def short(experiment) -> Path:
    """The experiment of all strikes."""
    path: Path = experiment(load={"profile": "S", "seed": 7}, baseline_s=2.0, hold_s=3.0)
    document = yaml.safe_load(path.read_text())
    (inject,) = [one for one in document["method"] if one["provider"]["func"] == "inject"]
    inject["provider"]["arguments"]["share"] = 0.6  # profile S has six canary requests a second: an alert in seconds
    path.write_text(yaml.safe_dump(document, sort_keys=False))
    return path


def await_moment(trial: Any, moment: str) -> None:
    """Until the trial has recorded the event that begins this moment."""
    source, begins = MOMENTS[moment]
    tail = Tail(trial.run_dir / "timeline" / f"{source}.ndjson")
    seen: list[bool] = []

    def reached() -> bool:
        seen.extend(begins(event) for event in tail.new())
        return any(seen) or trial.process.poll() is not None

    assert await_condition(reached, MOMENT_S_MAX, 0.01)
    assert any(seen), trial.output


def pid_of(trial: Any, victim: str) -> int:
    """`harness` and a `chaos` that was started alone are the command itself; the guard is the child of chaos."""
    if victim in PARTS:
        return int(trial.pids()[victim])
    command = psutil.Process(trial.process.pid)
    if victim == "guard":
        return next(one.pid for one in command.children(recursive=True) if "harness.drive.guard" in one.cmdline())
    if victim == "chaos" and "chaostoolkit" not in " ".join(command.cmdline()) and "chaos" not in command.name():
        return next(one.pid for one in command.children() if "chaostoolkit" in one.cmdline())
    return trial.process.pid


def strike_it(trial: Any, strike: Strike) -> int:
    """Send the signal; the instant (CLOCK_MONOTONIC) of the first."""
    pid = pid_of(trial, strike.victim)
    number = signal.Signals[f"SIG{strike.signal}"]
    struck_ns = clock.monotonic_ns()
    os.kill(pid, number)
    for _ in range(strike.times - 1):
        # Once the first was taken, or soon after where nothing says so: a second one at once would be the same one.
        await_condition(lambda: bool(trial.events(Kind.INTERRUPTED)), 0.5)
        if trial.process.poll() is None:
            os.kill(pid, number)
    return struck_ns


def left_of(trial: Any) -> list[str]:
    """What of the trial exists now: processes, ports that cannot be bound, scratch folders, and its lock."""
    logged = heal.read(trial.run_dir)
    left = [f"{item['what']} {item['name']}" for item in trial.leftovers()]
    left += [f"port {port}" for port in trial.ports() if not ports.is_free(port)]
    left += [f"scratch {folder.name}" for folder in logged.scratch if folder.exists()]
    return [*left, *(["lock: the trial is not sealed"] if heal.is_live(trial.run_dir) else [])]


def record(strike: Strike, outcome: dict[str, Any]) -> None:
    """Add it to the results file, if there is to be one."""
    if not os.environ.get("KILLS_RESULTS"):
        return
    path = Path(os.environ["KILLS_RESULTS"])
    known = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps({**known, strike.name: outcome}, indent=1, sort_keys=True) + "\n")


def expected_code(strike: Strike, verdict: str) -> int:
    """What whoever waits for the command is told."""
    if strike.victim == "harness":
        return {"INT": 130, "TERM": 143, KILL: -signal.SIGKILL}[strike.signal]
    if strike.victim == "chaos" and strike.signal != KILL:
        return 0 if verdict == Verdict.PASS else 1  # started alone: Chaos Toolkit has two exit codes
    return EXIT_CODES[Verdict(verdict)]


@pytest.mark.parametrize("strike", strikes())
def test_strike_leaves_nothing(short, start, strike: Strike):
    """Healed, stopped, freed and sealed within ten seconds; judged INCONCLUSIVE, or FAIL where a witness stands."""
    alone = strike.victim == "chaos" and strike.signal != KILL
    trial = start(short, command="chaos" if alone else "harness")
    await_moment(trial, strike.moment)
    struck_ns = strike_it(trial, strike)
    await_condition(lambda: not left_of(trial), GONE_S_MAX, 0.02)
    healed_s = (clock.monotonic_ns() - struck_ns) / clock.NS_PER_S
    left = left_of(trial)
    findings, code = trial.findings(), trial.code()
    verdict = findings["verdict"]
    record(
        strike,
        {"left": left, "healed_s": round(healed_s, 2), "verdict": verdict, "exit_code": code,
         "headline": findings["headline"]["says"]},
    )  # fmt: skip
    assert [] == left, trial.output
    assert (trial.run_dir / "SEAL").exists()
    # The fault is taken back before its process ends; only a killed guard cannot write it down.
    assert {} == heal.read(trial.run_dir).requests or strike.victim == "guard"
    # What comes after the last of the evidence cuts nothing: the trial is judged on all of it.
    assert verdict in {"INCONCLUSIVE", "FAIL"} or strike.moment == "close"
    assert expected_code(strike, verdict) == code, trial.output
    if strike.victim in (*PARTS, "guard"):
        (evidence,) = [check for check in findings["checks"] if check["id"] == "evidence"]
        assert strike.victim in json.dumps(evidence), evidence
