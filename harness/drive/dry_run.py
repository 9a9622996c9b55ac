"""What a trial would change and whom it would tell, as lines of text, from the same frozen data that a trial starts.

Nothing is started, written or locked. Ports are such as are free now, and a trial draws its own.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import yaml

from harness.drive import faults, receivers
from harness.drive import trial as trials
from harness.drive.alerts import alertmanager
from harness.drive.prepare import Prepared
from harness.drive.receivers import Told
from harness.drive.stack import local, ports
from harness.drive.stack.spec import ProcessSpec, StackSpec

RUN_ID: Final = "<run id>"
_WIDTH: Final = 9


def describe(prepared: Prepared) -> tuple[list[str], list[Told]]:
    """Every change and everybody who would be told, for people; the second again as data, for `receivers.check`."""
    removes = prepared.experiment.rollout.strategy == "remove"
    count = local.port_count(prepared.target, prepared.kit) + removes
    free = tuple(itertools.islice((p for p in range(ports.PORT_FIRST, ports.PORT_LAST) if ports.is_free(p)), count))
    run_dir, scratch = _folders(prepared)
    door = trials.Door(free[-1], "<token>") if removes else None
    spec = trials.build_spec(prepared, RUN_ID, run_dir, scratch, free, door)
    routes = yaml.safe_load(spec.files[receivers.ALERTMANAGER_FILE])
    told = receivers.told(prepared, spec, lambda labels: alertmanager.resolve(routes, labels))
    parts = (
        _part("make", [f"{run_dir}/", f"{scratch}/, removed when it ends"]),
        _part("write", [f"{name}" for name in spec.files]),
        _part("start", _processes(spec, door)),
        _part("load", _load(prepared, spec)),
        _part("rollout", _rollout(prepared, spec)),
        _part("fault", _fault(prepared, spec)),
        _part("purge", [_purge(prepared)]),
        _part("tell", [*_told(told), f"{local.TEAM:<24}{_team(spec)}, by the controller once it has acted"]),
    )
    return [line for part in parts for line in part], told


def _purge(prepared: Prepared) -> str:
    if prepared.kit.has_store:
        return "its test rows, once they have been read back"
    return "nothing: the kit reaches no store; what the service keeps in {data_dir} goes with the scratch folder"


def _part(name: str, lines: list[str]) -> Iterator[str]:
    for index, line in enumerate(lines):
        yield f"{name if index == 0 else '':<{_WIDTH}}{line}"


def _folders(prepared: Prepared) -> tuple[Path, Path]:
    settings = prepared.settings
    drawn = Path(settings["reports_dir"]) / f"<utc>-{prepared.experiment.slug}-<hex6>"
    run_dir = Path(settings["run_dir"]) if settings["run_dir"] else drawn
    return run_dir, prepared.cache_dir / "scratch" / RUN_ID


def _processes(spec: StackSpec, door: trials.Door | None) -> list[str]:
    stops = f"  port {door.port}, takes stops of the canary" if door else ""
    lines = [f"{'guard':<24}owns all the others, ends them whatever happens{stops}"]
    return [*lines, *(f"{one.name:<24}{_process(one)}" for one in spec.processes)]


def _process(one: ProcessSpec) -> str:
    where = f"port{'s' if len(one.ports) > 1 else ''} {', '.join(map(str, one.ports))}" if one.ports else ""
    return "ends by itself before the next is started" if one.run_once else where or "no port"


def _load(prepared: Prepared, spec: StackSpec) -> list[str]:
    profile, load = prepared.profile, prepared.experiment.load
    writes = ", ".join(kind.name for kind in profile.kinds if kind.writes)
    return [
        f"profile {profile.name}, {profile.rate_rps:g} requests/s to {spec.endpoints.service_url}, seed {load.seed}",
        f"it writes: {writes}",
    ]


def _rollout(prepared: Prepared, spec: StackSpec) -> list[str]:
    rollout = prepared.experiment.rollout
    steps = " -> ".join(f"{step} %" for step in rollout.steps)
    removed = ", ".join(one.name for one in spec.endpoints.instances if one.track == "canary")
    lines = [f"canary {prepared.target.versions.canary}: {steps}, each held {rollout.step_s:g} s, by the controller"]
    return [*lines, f"rolled back, {removed} is stopped"] if rollout.strategy == "remove" else lines


def _fault(prepared: Prepared, spec: StackSpec) -> list[str]:
    plant = [f"planted defect: {prepared.experiment.plant}"] if prepared.experiment.plant else []
    plan = prepared.experiment.fault
    if plan is None:
        return ["none is injected", *plant]
    own = "".join(f", {name} {value}" for name, value in plan.arguments.items())
    at = f"at the step {prepared.experiment.fault_weight} %" if prepared.experiment.fault_weight is not None else ""
    lines = [f"{plan.kind} {at}: share {plan.share:g}{own}; ends by itself after {plan.deadline_s:g} s"]
    adapter = faults.build(plan.kind)
    for one in (one for one in spec.endpoints.instances if one.track in plan.tracks):
        undo = adapter.undo_request(one, "")
        lines.append(f"in {one.name}, taken back by {undo.method} {undo.url}")
    return [*lines, *plant]


def _told(told: list[Told]) -> Iterator[str]:
    for one in told:
        yield f"{one.alert:<24}{', '.join(f'{who} ({where})' for who, where in one.receivers)}"


def _team(spec: StackSpec) -> str:
    base = spec.endpoints.recorder_url.rpartition("/")[0]
    return f"{local.TEAM} ({base}/{local.TEAM}, kept by the harness's recorder)"
