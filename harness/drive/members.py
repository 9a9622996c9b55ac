"""The two processes of a trial that are not part of the target: the observer and the load."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from harness.drive.load import plan as load_plan
from harness.drive.load.plan import LoadPlan
from harness.drive.observer import ObserverPlan
from harness.drive.prepare import Prepared
from harness.drive.stack.spec import ProcessSpec, StackSpec

LOAD = "load"
OBSERVER = "observer"

Member = tuple[ProcessSpec, dict[str, str]]  # the process and the files it needs, by path relative to the run directory


def observer(prepared: Prepared, spec: StackSpec, run_dir: Path) -> Member:
    """The observer starts after everything it watches, so it is stopped first; it gets no token."""
    recorder_port = urlsplit(spec.endpoints.recorder_url).port
    assert recorder_port is not None
    plan = ObserverPlan(
        run_dir=str(run_dir),
        router_kind=prepared.target.router.kind,
        controller_kind=prepared.target.controller.kind,
        alerts_kind=prepared.target.alerts.kind,
        recorder_port=recorder_port,
        endpoints=replace(spec.endpoints, control_token=""),
    )
    process = ProcessSpec(
        name=OBSERVER,
        argv=(sys.executable, "-m", "harness.drive.observer", str(run_dir / "config" / "observer.json")),
        ports=(recorder_port,),
        ready_url=f"http://127.0.0.1:{recorder_port}/",
        stop_s_max=12.0,  # its last fetch has a limit of its own
        after=tuple(one.name for one in spec.processes),
    )
    return process, {"config/observer.json": msgspec.json.encode(plan).decode()}


def load(prepared: Prepared, spec: StackSpec, run_id: str, run_dir: Path) -> Member:
    """The load process, for as long as a trial may last."""
    plan = LoadPlan(
        run_id=run_id,
        run_dir=str(run_dir),
        kit=prepared.target.kit,
        profile=prepared.profile.name,
        seed=prepared.experiment.load.seed,
        users=prepared.profile.users,
        seconds_max=prepared.settings.number("trial_s_max", 10, 3600),
        service_url=spec.endpoints.service_url,
        headers=prepared.target.headers,
        versions=prepared.target.versions,
    )
    process = load_plan.process_spec(plan, str(run_dir / "config" / "load.json"))
    # After all others, so it is stopped first, also when the guard stops all: what it was refused by parts that were
    # being stopped would look like requests that the service lost.
    process = replace(process, after=(*(one.name for one in spec.processes), OBSERVER))
    return process, {"config/load.json": load_plan.encode(plan)}
