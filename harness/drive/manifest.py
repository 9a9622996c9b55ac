"""manifest.json: who, what, with which versions, seed and settings. Written at open, never changed after."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec
import psutil

import harness
from harness import clock
from harness.drive import faults
from harness.drive.prepare import Prepared
from harness.drive.stack import binaries, local, rules
from harness.drive.target.declared import DeclaredKit
from harness.drive.target.port import Profile, TargetKit
from harness.evidence.format import RUN_FORMAT
from harness.plan.experiment import FaultPlan
from harness.plan.kit import KitFile
from harness.settings import HIDDEN

_PACKAGES = ("locust", "chaostoolkit", "chaostoolkit-lib", "geventhttpclient", "pyarrow", "numpy")


def write(run_dir: Path, prepared: Prepared, run_id: str, command: str) -> None:
    """Write the manifest, whole or not at all."""
    partial = run_dir / "manifest.partial"
    partial.write_text(json.dumps(document(prepared, run_id, command), indent=1, sort_keys=True, default=str) + "\n")
    partial.rename(run_dir / "manifest.json")


def document(prepared: Prepared, run_id: str, command: str) -> dict[str, Any]:
    """The manifest's content."""
    experiment, target = prepared.experiment, prepared.target
    timing = rules.timing_of(target.timing)
    return {
        "format": RUN_FORMAT,
        "run_id": run_id,
        "harness_version": harness.__version__,
        "opened_utc": clock.utc_stamp(),
        "experiment": {
            "path": experiment.path,
            "sha256": prepared.experiment_sha256,
            "title": experiment.title,
            "slug": experiment.slug,
            "document": experiment.document,
        },
        "target": {
            "path": prepared.target_path,
            "sha256": prepared.target_sha256,
            "name": target.name,
            "document": prepared.target_document,
        },
        "expect": msgspec.to_builtins(experiment.expect),
        "rollout": msgspec.to_builtins(experiment.rollout),
        "baseline_s": experiment.baseline_s,
        "hold_s": experiment.hold_s,
        "fault": fault_of(experiment.fault),
        "fault_weight": experiment.fault_weight,
        "kit": kit_of(prepared),
        "load": load_of(prepared.profile, experiment.load.seed),
        "versions": msgspec.to_builtins(target.versions),
        "headers": msgspec.to_builtins(target.headers),
        "instances": {name: local.track_of(name) for name in local.instance_names(target)},
        "not_asked": list(target.not_asked),
        "team": True,  # the local stack's controller tells its team, and the recorder keeps what it tells
        "plant": experiment.plant,
        "control_of": prepared.settings["control_of"],
        "components": components(prepared),
        "durability": durability_of(prepared.kit),
        "host": host(),
        "command": command,
        "settings": prepared.settings.documented(),
        "timing": {"name": target.timing, **msgspec.to_builtins(timing)},
    }


def fault_of(plan: FaultPlan | None) -> dict[str, Any] | None:
    """The fault as planned, whether it marks the answers that it hits, and what the report writes over its time."""
    if plan is None:
        return None
    fault = faults.build(plan.kind)
    return {**msgspec.to_builtins(plan), "marks": fault.marks, "caption": fault.caption}


def kit_of(prepared: Prepared) -> dict[str, Any]:
    """What knows the service; with its content where it is a file."""
    kit, name = prepared.kit, prepared.target.kit
    told: dict[str, Any] = {"name": kit.name, "has_store": kit.has_store}
    if isinstance(kit, DeclaredKit):
        text = Path(name).read_text()
        told |= {
            "path": name,
            "sha256": hashlib.sha256(text.encode()).hexdigest(),
            "document": without_secrets(kit.file),
            "data_goes_with_trial": kit.file.keeps_its_data_here,
        }
    return told


def durability_of(kit: TargetKit) -> dict[str, str]:
    """How the store keeps what it acknowledged, where the store is the stack's own."""
    return {"fsync": "on", "synchronous_commit": "on"} if kit.needs_postgres else {}


def without_secrets(file: KitFile) -> Any:
    """The kit file with the values of variables and headers hidden: a run directory is made to be shown."""
    document = msgspec.to_builtins(file)
    document["env"] = dict.fromkeys(document["env"], HIDDEN)
    for operation in document["operations"].values():
        operation["headers"] = dict.fromkeys(operation["headers"], HIDDEN)
    return document


def load_of(profile: Profile, seed: int) -> dict[str, Any]:
    """The profile as it is sent, and what of the modelled world it leaves out."""
    return {
        "profile": profile.name,
        "seed": seed,
        "users": profile.users,
        "rate_rps": profile.rate_rps,
        "kinds": [asdict(kind) for kind in profile.kinds],
        "left_out": list(profile.left_out),
    }


def components(prepared: Prepared) -> dict[str, str]:
    """Version of every part that takes part."""
    return {
        "python": platform.python_version(),
        **binaries.versions(prepared.binaries),
        **{name: version(name) for name in _PACKAGES},
    }


def host() -> dict[str, Any]:
    """The machine, without its name."""
    return {
        "system": f"{platform.system()} {platform.release()}",
        "machine": platform.machine(),
        "cpu_count": os.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total,
    }
