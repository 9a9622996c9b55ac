"""Everything that can be wrong before anything is started: files, kinds, binaries, the run directory.

`prepare` reads and checks; it raises UsageError (64) or MissingPartError (70) with every problem it can
find at once, and has no effect on the world. Both ways of starting a trial call it: `harness run` before
it starts Chaos Toolkit, the control before it opens the trial.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import msgspec

from harness import settings as settings_module
from harness.drive import alerts, faults, rollout, traffic
from harness.drive import target as targets
from harness.drive.faults.control_port import ControlPortFault
from harness.drive.stack import binaries, rules
from harness.drive.target.port import Profile, TargetKit
from harness.errors import InvalidFileError, UsageError
from harness.plan import experiment as experiments
from harness.plan import target as target_files
from harness.plan.experiment import RATE_RPS_MAX, Experiment, FaultPlan
from harness.plan.target import Target
from harness.plan.validate import Problems, nearest, parsed, yaml_lines
from harness.settings import Settings

STACKS = ("local",)
PLANTS_GROUP = "harness.plants"


@dataclass(frozen=True, slots=True)
class ReadyTarget:
    """A target that can be brought up."""

    target: Target
    kit: TargetKit
    binaries: binaries.Binaries


@dataclass(frozen=True, slots=True)
class Prepared:
    """A trial that can be opened."""

    settings: Settings
    experiment: Experiment
    experiment_sha256: str
    target: Target
    target_path: str
    target_sha256: str
    target_document: Mapping[str, Any]
    kit: TargetKit
    profile: Profile
    binaries: binaries.Binaries
    cache_dir: Path


def read_document(path: Path) -> tuple[object, str]:
    """A YAML or JSON file and its text; InvalidFileError with line and reason."""
    try:
        text = path.read_text()
    except FileNotFoundError as error:
        raise UsageError(f"{path}: no such file{_neighbours(path)}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot be read: {error}") from error
    return parsed(str(path), text), text


def _neighbours(path: Path) -> str:
    if not path.parent.is_dir():
        return f": no folder {path.parent}"
    names = [entry.name for entry in path.parent.iterdir() if entry.suffix in {".yaml", ".yml", ".json"}]
    return f"; {nearest(path.name, names)}" if names else ""


def plants() -> dict[str, Any]:
    """Planted defects by name, from whatever registers them; the product ships none."""
    return {point.name: point for point in entry_points(group=PLANTS_GROUP)}


def prepare(settings: Settings, path: Path, document: object = None) -> Prepared:
    """Check everything. `document` is the experiment as Chaos Toolkit loaded it, when it already has."""
    raw, text = read_document(path) if path.is_file() or document is None else (document, json.dumps(document))
    experiment, problems = experiments.parse(raw, str(path), yaml_lines(text), faults.known())
    if experiment is not None and experiment.plant and experiment.plant not in plants():
        problems.add("extensions.0.plant", f"is {experiment.plant!r}; {nearest(experiment.plant, plants())}")
    if settings["plant"] and settings["plant"] not in plants():
        named = settings["plant"]
        problems.add("", f"{settings.origins['plant']}: {named!r} is no planted defect; {nearest(named, plants())}")
    if experiment is not None and experiment.fault is not None:
        _check_fault(experiment.fault, experiment.document["method"], problems)
    target_file = target_path(settings, path, experiment)
    target_document, target_text = read_document(target_file)
    target, target_problems = target_files.parse(target_document, str(target_file), yaml_lines(target_text), _known())
    found = [*problems.found, *target_problems.found]
    if found or experiment is None or target is None:
        named = str(path) if problems.found else str(target_file)
        raise InvalidFileError(named, found)
    experiment = _overridden(experiment, settings)
    _check_alerts(target, experiment)
    target, kit = _with_kit(target, target_file)
    _check_reach(target, experiment)
    profile = _profile(kit, experiment)
    assert isinstance(target_document, Mapping)
    return Prepared(
        settings=settings,
        experiment=experiment,
        experiment_sha256=hashlib.sha256(text.encode()).hexdigest(),
        target=target,
        target_path=str(target_file),
        target_sha256=hashlib.sha256(target_text.encode()).hexdigest(),
        target_document=target_document,
        kit=kit,
        profile=profile,
        binaries=find_binaries(settings),
        cache_dir=settings_module.cache_dir(settings),
    )


def _check_fault(plan: FaultPlan, method: Sequence[Mapping[str, Any]], problems: Problems) -> None:
    """The fault's own arguments, which only the fault knows."""
    try:
        faults.build(plan.kind).check(plan.arguments)
    except UsageError as error:
        injects = [
            index for index, activity in enumerate(method) if activity.get("provider", {}).get("func") == "inject"
        ]
        problems.add(f"method.{injects[0]}.provider.arguments", str(error))


def _check_alerts(target: Target, experiment: Experiment) -> None:
    """UsageError for an alert that no rule has: required it could never fire, forbidden it would be green for ever."""
    known = rules.alert_names(rules.timing_of(target.timing))
    for key in ("alerts_required", "alerts_forbidden"):
        for name in getattr(experiment.expect, key):
            if name not in known:
                raise UsageError(f"{experiment.path}: expect.{key}: no rule is called {name!r}; {nearest(name, known)}")


def _check_reach(target: Target, experiment: Experiment) -> None:
    """UsageError for a fault that only the service itself could do, where all there is is a sidecar in front of it."""
    if experiment.fault is None or not targets.is_file(target.kit):
        return
    fault = faults.build(experiment.fault.kind)
    if isinstance(fault, ControlPortFault) and fault.kind not in targets.SIDECAR_FAULTS:
        raise UsageError(
            f"{experiment.path}: the fault {fault.kind!r} is one that a service does by itself, and a kit file has a "
            f"sidecar before it, which can do {', '.join(targets.SIDECAR_FAULTS)}"
        )


def prepare_target(settings: Settings, path: Path) -> ReadyTarget:
    """Check a target file by itself, and the binaries that its stack needs."""
    target, kit = _with_kit(read_target(path), path)
    return ReadyTarget(target=target, kit=kit, binaries=find_binaries(settings))


def read_target(path: Path) -> Target:
    """A target file by itself; UsageError or InvalidFileError with its problems."""
    document, text = read_document(path)
    target, problems = target_files.parse(document, str(path), yaml_lines(text), _known())
    if target is None:
        raise InvalidFileError(str(path), problems.found)
    return target


def _with_kit(target: Target, path: Path) -> tuple[Target, TargetKit]:
    """The target, with the absolute path of a kit that is a file (the load process finds it by that), and its kit."""
    if targets.is_file(target.kit):
        target = msgspec.structs.replace(target, kit=str((path.parent / target.kit).resolve()))
    kit = targets.load_kit(target.kit)
    if not kit.has_store and target.stack.stable_instances < 2:
        raise UsageError(
            f"{path}: stack.stable_instances is {target.stack.stable_instances}: kit {kit.name!r} reaches no store, so "
            "writes are looked for through two instances of stable; make it 2"
        )
    return target, kit


def find_binaries(settings: Settings) -> binaries.Binaries:
    """Every binary of the local stack; MissingPartError names those that are not there."""
    cache = settings_module.cache_dir(settings)
    return binaries.find(given_binaries(settings), cache, settings.environment.get("PATH"))


def given_binaries(settings: Settings) -> binaries.Given:
    """The binaries that settings name."""
    return binaries.Given(
        envoy=settings["envoy"],
        postgres_bin=settings["postgres_bin"],
        prometheus=settings["prometheus"],
        promtool=settings["promtool"],
        alertmanager=settings["alertmanager"],
        amtool=settings["amtool"],
    )


def check_writable(folder: Path) -> None:
    """UsageError when run directories cannot be made in `folder`."""
    nearest_existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    if not nearest_existing.is_dir():
        raise UsageError(
            f"{nearest_existing}: is not a folder; choose another with --reports-dir or HARNESS_REPORTS_DIR"
        )
    if not os.access(nearest_existing, os.W_OK | os.X_OK):
        raise UsageError(f"{folder}: cannot be written; choose another with --reports-dir or HARNESS_REPORTS_DIR")


def _known() -> dict[str, Any]:
    return {
        "stack": STACKS,
        "router": traffic.known(),
        "controller": rollout.known(),
        "alerts": alerts.known(),
        "kit": targets.known_kits(),
    }


def target_path(settings: Settings, experiment_path: Path, experiment: Experiment | None) -> Path:
    """A path as it is; a name as `targets/<name>.yaml` beside the experiment."""
    name = settings["target"] or (experiment.target if experiment else "local")
    if "/" in name or name.endswith((".yaml", ".yml", ".json")):
        return Path(name)
    return experiment_path.parent / "targets" / f"{name}.yaml"


def _overridden(experiment: Experiment, settings: Settings) -> Experiment:
    load = experiment.load
    if settings["profile"]:
        load = type(load)(profile=settings["profile"], seed=load.seed)
    if settings["seed"]:
        load = type(load)(profile=load.profile, seed=int(settings.number("seed", 0, 2**31)))
    return replace(experiment, load=load, plant=settings["plant"] or experiment.plant)


def _profile(kit: TargetKit, experiment: Experiment) -> Profile:
    name = experiment.load.profile
    if name not in kit.profiles:
        raise UsageError(f"{experiment.path}: load.profile is {name!r}; {nearest(name, kit.profiles)}")
    profile = kit.profiles[name]
    if profile.rate_rps > RATE_RPS_MAX:
        raise UsageError(
            f"{experiment.path}: profile {name} asks for {profile.rate_rps:g} requests/s; the most is {RATE_RPS_MAX:g}"
        )
    return profile
