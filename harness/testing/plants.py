"""Planted defects: each turns one green red, to prove that it can be.

A plant is a pure function from the stack that would run to one in which exactly one thing is wrong. It is
chosen by `extensions.harness.plant` of an experiment and found by the entry point group `harness.plants`, so
users plant their own. The broken programs stand beside this file; what they break is what a real one could.

What each must turn the verdict into is asserted by tests, never by a run itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import yaml

from harness.drive.stack.spec import ProcessSpec, StackSpec

_HERE = Path(__file__).parent


def _with_process(spec: StackSpec, name: str, change: Callable[[ProcessSpec], ProcessSpec]) -> StackSpec:
    found = [change(one) if one.name == name else one for one in spec.processes]
    assert name in {one.name for one in spec.processes}, f"no process {name}"
    return replace(spec, processes=tuple(found))


def _with_file(spec: StackSpec, name: str, change: Callable[[str], str]) -> StackSpec:
    changed = change(spec.files[name])
    assert changed != spec.files[name], f"{name}: the plant changed nothing"
    return replace(spec, files={**spec.files, name: changed})


def _instead(spec: ProcessSpec, module: str, defect: str, broken: str) -> ProcessSpec:
    """Run `broken DEFECT ...` where `python -m module ...` would run."""
    argv = list(spec.argv)
    at = argv.index("-m")
    assert argv[at + 1] == module, argv
    return replace(spec, argv=(*argv[:at], "-m", broken, defect, *argv[at + 2 :]))


def alert_selects_nothing(spec: StackSpec) -> StackSpec:
    """The rules select a track that does not exist, so nothing can ever fire."""
    return _with_file(spec, "config/rules.yaml", lambda text: text.replace('track="canary"', 'track="canarry"'))


def no_webhook_route(spec: StackSpec) -> StackSpec:
    """Alertmanager's route ends at a receiver that tells nobody."""

    def change(text: str) -> str:
        configuration = yaml.safe_load(text)
        for receiver in configuration["receivers"]:
            receiver["webhook_configs"] = []
        return yaml.safe_dump(configuration, sort_keys=False)

    return _with_file(spec, "config/alertmanager.yaml", change)


def stepper_ignores_webhook(spec: StackSpec) -> StackSpec:
    """The controller takes notifications and does nothing."""
    return _broken_stepper(spec, "ignores_webhook")


def router_unchanged(spec: StackSpec) -> StackSpec:
    """The controller reports weight 0 and never tells the router."""
    return _broken_stepper(spec, "leaves_router")


def _broken_stepper(spec: StackSpec, defect: str) -> StackSpec:
    broken = "harness.testing.broken_stepper"
    return _with_process(spec, "stepper", lambda one: _instead(one, "stepper", defect, broken))


def canary_loses_writes(spec: StackSpec) -> StackSpec:
    """The canary acknowledges writes that it does not store."""
    return _broken_canary(spec, "loses_writes")


def fault_never_lands(spec: StackSpec) -> StackSpec:
    """The canary's control port says that the fault is on, and no answer is ever hit."""
    return _broken_canary(spec, "deaf_to_faults")


def _broken_canary(spec: StackSpec, defect: str) -> StackSpec:
    broken = "harness.testing.broken_porttrack"
    return _with_process(spec, "canary-1", lambda one: _instead(one, "porttrack.serve", defect, broken))


def load_stops(spec: StackSpec) -> StackSpec:
    """The load process lives on and stops sending in the middle of the trial."""

    def change(one: ProcessSpec) -> ProcessSpec:
        argv = list(one.argv)
        argv[argv.index("-f") + 1] = str(_HERE / "stopping_load.py")
        return replace(one, argv=tuple(argv))

    return _with_process(spec, "load", change)
