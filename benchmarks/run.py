"""`python -m benchmarks.run`: the figures of the local drill, into benchmarks/results/<utc>.json and latest.json.

A result is a list of rows {name, value, unit, bound, holds, compared_with}; the row named `machine` holds the facts
of the machine. Two sets of 20 trials, of the demo and of a healthy release, each with its own seed, serve every
figure about trials; a whole run takes about an hour. Trials that are there already (same
commit, under .cache/bench/) are not run again, so a run that was cut goes on where it stopped.

The machine should be otherwise idle: these are wall-clock figures of many processes on few cores. Where a peer
gives the scale, it is measured in the same run and named in `compared_with`.
"""

from __future__ import annotations

import json
import math
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".cache" / "bench"
TRIALS_COUNT = 20
DEMO = "canary-5xx"
HEALTHY = "healthy-release"  # the negative control
TRIAL_S_MAX = 300.0
SETUP_S_MAX = 900.0
STARTS_COUNT = 5
Row = dict[str, Any]


def row(name: str, value: float, unit: str, bound: float, compared_with: str = "") -> Row:
    """One figure; it holds when the value is at most the bound."""
    return {
        "name": name,
        "value": round(value, 3),
        "unit": unit,
        "bound": bound,
        "holds": value <= bound,
        "compared_with": compared_with,
    }


def machine() -> Row:
    """Facts of the machine, as a row."""
    facts = {
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "cpu": _cpu_model(),
        "cpu_count": os.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total,
        "load_average_1m": round(os.getloadavg()[0], 2),
        "commit": commit(),
    }
    return {"name": "machine", "value": facts, "unit": "", "bound": None, "holds": True, "compared_with": ""}


def _cpu_model() -> str:
    found = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    return found.group(1) if found else platform.machine()


def commit() -> str:
    """The commit that is measured, with `+` when the tree differs from it."""
    head = subprocess.check_output(["git", "rev-parse", "--short=12", "HEAD"], cwd=ROOT, text=True).strip()
    changed = subprocess.check_output(["git", "status", "--porcelain", "--untracked-files=no"], cwd=ROOT, text=True)
    return head + ("+" if changed.strip() else "")


def harness(*arguments: str) -> list[str]:
    """The command line of `harness` in this environment."""
    return [sys.executable, "-m", "harness.cli.main", *arguments]


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` of them do not exceed."""
    ordered = sorted(values)
    return ordered[math.ceil(share * len(ordered)) - 1]


def timed(argv: Sequence[str], limit_s: float, cwd: Path = ROOT, **environment: str) -> float:
    """Seconds that a command takes; CalledProcessError when it fails."""
    started = time.monotonic()
    subprocess.run(
        argv, cwd=cwd, env={**os.environ, **environment}, stdin=subprocess.DEVNULL, capture_output=True,
        timeout=limit_s,
        check=True,
    )  # fmt: skip
    return time.monotonic() - started


def run_trials(experiment: str) -> list[Path]:
    """The run directories of the trials of an experiment at this commit, running those that are missing."""
    folder = CACHE / f"{experiment}-{commit().rstrip('+')}"
    folder.mkdir(parents=True, exist_ok=True)
    found: list[Path] = []
    for seed in range(1, TRIALS_COUNT + 1):
        run_dir = folder / f"seed-{seed:02d}"
        took = folder / f"seed-{seed:02d}.seconds"
        if not took.exists():
            shutil.rmtree(run_dir, ignore_errors=True)
            run_trial(experiment, seed, run_dir, took)
        found.append(run_dir)
    return found


def run_trial(experiment: str, seed: int, run_dir: Path, took: Path) -> None:
    """One trial; its seconds go to the file `took`, whatever its verdict."""
    started = time.monotonic()
    done = subprocess.run(
        harness("run", f"experiments/{experiment}.yaml", "--seed", str(seed), "--run-dir", str(run_dir)),
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=TRIAL_S_MAX,
        text=True,
        check=False,
    )
    took.write_text(str(time.monotonic() - started))
    print(
        f"{experiment}, seed {seed}: {done.stdout.splitlines()[-1] if done.stdout else done.stderr.strip()}", flush=True
    )


def findings_of(run_dirs: Sequence[Path]) -> list[dict[str, Any]]:
    """What the judge found in each."""
    return [json.loads((run_dir / "findings.json").read_text()) for run_dir in run_dirs]


def verdict_of(findings: dict[str, Any], check: str, rule: str = "") -> str:
    """The verdict of a check, or of one of its rules; "" for a rule that was not asked."""
    (found,) = (one for one in findings["checks"] if one["id"] == check)
    if not rule:
        return str(found["verdict"])
    return next((str(one["verdict"]) for one in found["rules"] if one["id"] == rule), "")


def healthy_rows(run_dirs: Sequence[Path]) -> list[Row]:
    """What a release with nothing wrong must show: it is promoted, and no alert asks to roll it back."""
    findings = findings_of(run_dirs)
    not_promoted = sum(
        one["verdict"] != "PASS" or verdict_of(one, "rollback", "finished") != "PASS" for one in findings
    )
    noisy = sum(fired_about_canary(run_dir) for run_dir in run_dirs)
    count = f"n = {len(run_dirs)} trials"
    return [
        row("healthy_not_promoted_count", not_promoted, "trials", 0, count),
        row("healthy_canary_alerts_count", noisy, "alerts", 0, count),
        row("healthy_generator_not_passed_count", generator_red(findings), "trials", 0, count),
    ]


def generator_red(findings: Sequence[dict[str, Any]]) -> int:
    """Trials in which the load itself was not what was planned."""
    return sum(verdict_of(one, "generator") != "PASS" for one in findings)


def fired_about_canary(run_dir: Path) -> int:
    """How many different alerts about the canary fired."""
    from harness.evidence import run

    samples = run.load(run_dir).samples
    texts = {text for name, text in zip(samples["name"], samples["labels"], strict=True) if name == "ALERTS"}
    labels = [json.loads(text) for text in texts]
    return sum(one.get("track") == "canary" and one.get("alertstate") == "firing" for one in labels)


def trial_rows(run_dirs: Sequence[Path]) -> list[Row]:
    """Every figure that the set of demo trials gives."""
    findings = findings_of(run_dirs)
    seconds = [float(run_dir.with_suffix(".seconds").read_text()) for run_dir in run_dirs]
    not_passed = sum(one["verdict"] != "PASS" for one in findings)
    shifts = [one["durations_s"].get("shift", [math.inf, math.inf])[1] for one in findings]
    detects = [one["durations_s"].get("detect", [math.inf, math.inf])[1] for one in findings]
    beyond_chance = sum(verdict_of(one, "alert", "in_bounds") != "PASS" for one in findings)
    lost = sum(lost_on_stable(run_dir) for run_dir in run_dirs)
    count = f"n = {len(run_dirs)} trials"
    return [
        row("demo_trial_s_max", max(seconds), "s", 100.0, count),
        row("trials_not_passed_count", not_passed, "trials", 0, count),
        row("first_faulted_to_shifted_s_p50", percentile(shifts, 0.5), "s", 6.0, count),
        row("first_faulted_to_shifted_s_p95", percentile(shifts, 0.95), "s", 6.0, count),
        row("first_faulted_to_alert_s_p95", percentile(detects, 0.95), "s", 6.0, count),
        row("outside_stochastic_bounds_count", beyond_chance, "trials", 0, count),
        row("generator_not_passed_count", generator_red(findings), "trials", 0, f"{count} at 120 requests/s"),
        row("stable_requests_lost_count", lost, "requests", 0, count),
    ]


def lost_on_stable(run_dir: Path) -> int:
    """Requests that stable answered and that were not ok."""
    import numpy as np

    from harness.evidence import run

    evidence = run.load(run_dir)
    operations = evidence.operations
    return int(
        np.sum((operations["version"] == evidence.manifest["versions"]["stable"]) & (operations["outcome"] != "ok"))
    )


def judge_row(run_dirs: Sequence[Path]) -> Row:
    """Judge and report of a demo trial, each a process of its own, as at the end of a trial."""
    took = []
    for run_dir in run_dirs[:STARTS_COUNT]:
        copy = Path(tempfile.mkdtemp(prefix="bench-")) / "run"
        shutil.copytree(run_dir, copy)
        took.append(timed(harness("judge", str(copy)), 60) + timed(harness("report", str(copy)), 60))
        shutil.rmtree(copy.parent)
    return row("judge_and_report_s_max", max(took), "s", 3.0, f"n = {len(took)} trials")


def help_row() -> Row:
    """`harness --help` beside the bare interpreter."""
    script = [str(Path(sys.executable).with_name("harness")), "--help"]
    took = [timed(script, 10) for _ in range(11)]
    bare = [timed([sys.executable, "-c", "pass"], 10) for _ in range(11)]
    return row("help_s_p50", percentile(took, 0.5), "s", 0.3, f"python -c pass: {percentile(bare, 0.5):.3f} s")


def stack_rows() -> list[Row]:
    """`harness stack up` until its URL stands there, and from Ctrl-C until it has ended."""
    ups, downs = [], []
    for _ in range(STARTS_COUNT):
        started = time.monotonic()
        process = subprocess.Popen(
            harness("stack", "up"), cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("service"), line
        ups.append(time.monotonic() - started)
        process.send_signal(signal.SIGINT)
        process.wait(timeout=30)
        downs.append(time.monotonic() - started - ups[-1])
        process.stdout.close()
    count = f"n = {STARTS_COUNT}"
    return [row("stack_up_s_max", max(ups), "s", 5.0, count), row("stack_down_s_max", max(downs), "s", 3.0, count)]


def setup_row() -> Row:
    """`make setup` in a fresh clone with empty caches."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        subprocess.run(["git", "clone", "-q", str(ROOT), f"{folder}/clone"], check=True)
        took = timed(
            ["make", "setup"], SETUP_S_MAX, Path(folder) / "clone", UV_CACHE_DIR=f"{folder}/uv", VIRTUAL_ENV=""
        )
    return row("setup_on_a_clean_machine_s", took, "s", 240.0, "fresh clone, empty package caches")


def write(rows: Sequence[Row]) -> Path:
    """The result under its time and as latest.json."""
    folder = ROOT / "benchmarks" / "results"
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(rows, indent=1) + "\n"
    path = folder / f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}.json"
    path.write_text(text)
    (folder / "latest.json").write_text(text)
    return path


def main() -> int:
    """Measure everything; 1 when a bound does not hold."""
    facts = machine()
    rows = [facts, help_row(), *stack_rows(), setup_row()]
    demos = run_trials(DEMO)
    rows += [*trial_rows(demos), judge_row(demos), *healthy_rows(run_trials(HEALTHY))]
    path = write(rows)
    for one in rows[1:]:
        holds = "holds " if one["holds"] else "BROKEN"
        figure = f"{one['value']:>9} {one['unit']:<9} <= {one['bound']}"
        print(f"{holds} {one['name']:<34} {figure}  {one['compared_with']}")
    print(path.relative_to(ROOT))
    return 0 if all(one["holds"] for one in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
