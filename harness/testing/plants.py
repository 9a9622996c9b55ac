"""Planted defects: each turns one green red, to prove that it can be.

A plant is a pure function from the stack that would run to one in which exactly one thing is wrong. It is
chosen by `extensions.harness.plant` of an experiment and found by the entry point group `harness.plants`, so
users plant their own. The broken programs stand beside this file; what they break is what a real one could.

What each must turn the verdict into stands above it, `@expected(verdict, check, rule, red)`: for the experiment
canary-5xx in one step, which is what tests and suites run it with. Tests and suites compare; a run itself never does.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from harness.drive.stack.spec import ProcessSpec, StackSpec
from harness.errors import UsageError
from harness.evidence.finding import Verdict
from harness.study.expected import Expected

_HERE = Path(__file__).parent
_PORTTRACK = "porttrack.serve"
Plant = Callable[[StackSpec], StackSpec]


def expected(verdict: str, check: str, rule: str, red: tuple[str, ...]) -> Callable[[Plant], Plant]:
    """Say of a plant what it turns the trial's verdict, headline and red checks into: its attribute `expected`."""

    def mark(plant: Plant) -> Plant:
        vars(plant)["expected"] = Expected(Verdict(verdict), check, rule, tuple(sorted(red)))
        return plant

    return mark


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


@expected("FAIL", "alert", "fired", red=("alert", "rollback"))
def alert_selects_nothing(spec: StackSpec) -> StackSpec:
    """The rules select a track that does not exist, so nothing can ever fire."""
    return _with_file(spec, "config/rules.yaml", lambda text: text.replace('track="canary"', 'track="canarry"'))


@expected("FAIL", "alert", "notification", red=("alert", "rollback"))
def no_webhook_route(spec: StackSpec) -> StackSpec:
    """Alertmanager's route ends at a receiver that tells nobody."""

    def change(text: str) -> str:
        configuration = yaml.safe_load(text)
        for receiver in configuration["receivers"]:
            receiver["webhook_configs"] = []
        return yaml.safe_dump(configuration, sort_keys=False)

    return _with_file(spec, "config/alertmanager.yaml", change)


@expected("FAIL", "rollback", "decided", red=("rollback",))
def stepper_ignores_webhook(spec: StackSpec) -> StackSpec:
    """The controller takes notifications and does nothing."""
    return _broken_stepper(spec, "ignores_webhook")


@expected("FAIL", "rollback", "traffic", red=("rollback",))
def router_unchanged(spec: StackSpec) -> StackSpec:
    """The controller reports weight 0 and never tells the router."""
    return _broken_stepper(spec, "leaves_router")


@expected("FAIL", "rollback", "weight", red=("rollback",))
def sets_five_percent(spec: StackSpec) -> StackSpec:
    """The controller leaves 5 % on the canary where it should leave nothing."""
    return _broken_stepper(spec, "sets_five")


@expected("FAIL", "rollback", "late", red=("rollback",))
def rolls_back_late(spec: StackSpec) -> StackSpec:
    """The controller waits 20 s before it rolls back."""
    return _broken_stepper(spec, "waits_long")


@expected("FAIL", "rollback", "cause", red=("alert", "data_loss", "fault", "rollback", "split"))
def rolls_back_early(spec: StackSpec) -> StackSpec:
    """The controller rolls back before the fault, for another reason."""
    return _broken_stepper(spec, "rolls_back_early")


@expected("FAIL", "rollback", "flapping", red=("rollback",))
def weight_comes_back(spec: StackSpec) -> StackSpec:
    """Five seconds after the rollback the canary has its weight again."""
    return _broken_stepper(spec, "flaps")


def _broken_stepper(spec: StackSpec, defect: str) -> StackSpec:
    broken = "harness.testing.broken_stepper"
    return _with_process(spec, "stepper", lambda one: _instead(one, "stepper", defect, broken))


@expected("FAIL", "data_loss", "vanished", red=("data_loss",))
def canary_loses_writes(spec: StackSpec) -> StackSpec:
    """The canary acknowledges writes that it does not store."""
    return _broken_canary(spec, "loses_writes")


@expected("INCONCLUSIVE", "fault", "landed", red=("alert", "fault", "rollback"))
def fault_never_lands(spec: StackSpec) -> StackSpec:
    """The canary's control port says that the fault is on, and no answer is ever hit."""
    return _broken_canary(spec, "deaf_to_faults")


@expected("FAIL", "data_loss", "vanished", red=("data_loss",))
def canary_loses_some_writes(spec: StackSpec) -> StackSpec:
    """The canary does not store 5 % of the writes that it acknowledges."""
    return _faulty_canary(spec, "ack_not_stored", 0.05)


@expected("FAIL", "data_loss", "unreadable", red=("data_loss",))
def canary_writes_unreadable_rows(spec: StackSpec) -> StackSpec:
    """The canary stores rows that stable cannot read."""
    return _faulty_canary(spec, "unreadable_row", 0.2)


@expected("FAIL", "data_loss", "duplicated", red=("data_loss",))
def canary_applies_twice(spec: StackSpec) -> StackSpec:
    """The canary applies some writes twice."""
    return _faulty_canary(spec, "stored_twice", 0.2)


def _faulty_canary(spec: StackSpec, fault: str, share: float) -> StackSpec:
    """The canary with a fault in it from the start, which no trial declares and no answer shows."""
    # A share is drawn write by write: with this seed the first of 1 in 20 is the first, with the default one the 35th,
    # which a canary of a short trial may never see.
    given = f"{fault}={json.dumps({'share': share, 'seed': 42, 'deadline_s': 3600})}"
    return _with_porttrack(spec, lambda one: replace(one, argv=(*one.argv, "--fault", given)))


@expected("INCONCLUSIVE", "fault", "mis_aimed", red=("fault",))
def fault_reaches_stable(spec: StackSpec) -> StackSpec:
    """What breaks the canary breaks stable a little, too, undeclared."""
    urls = ",".join(one.control_url for one in spec.endpoints.instances if one.track == "stable")
    return _broken_canary(spec, f"relays_faults={urls}")


@expected("FAIL", "rollback", "cause", red=("alert", "rollback"))
def canary_metrics_vanish(spec: StackSpec) -> StackSpec:
    """The canary's metrics go away with the fault, so another rule fires in the place of the required one."""
    return _broken_canary(spec, "loses_metrics")


def _broken_canary(spec: StackSpec, defect: str) -> StackSpec:
    broken = "harness.testing.broken_porttrack"
    return _with_porttrack(spec, lambda one: _instead(one, _PORTTRACK, defect, broken))


def _with_porttrack(spec: StackSpec, change: Callable[[ProcessSpec], ProcessSpec]) -> StackSpec:
    """A changed canary. UsageError where it is another service, of which nobody here knows how to break it."""

    def changed(one: ProcessSpec) -> ProcessSpec:
        if _PORTTRACK not in one.argv:
            raise UsageError(
                "plant: this one breaks the code of PortTrack, and the target runs another service; those that break"
                " the stack around it work with any, such as router_unchanged, no_webhook_route, weight_comes_back"
            )
        return change(one)

    return _with_process(spec, "canary-1", changed)


@expected("INCONCLUSIVE", "alert", "blind", red=("alert", "rollback"))
def prometheus_dies(spec: StackSpec) -> StackSpec:
    """Prometheus is gone from the fault on; what started it lives on, so nobody hears of it."""

    def change(one: ProcessSpec) -> ProcessSpec:
        program = (sys.executable, "-m", "harness.testing.dying_prometheus", "timeline/control.ndjson")
        return replace(one, argv=(*program, *one.argv))

    return _with_process(spec, "prometheus", change)


@expected("FAIL", "alert", "resolved", red=("alert",))
def alert_never_resolves(spec: StackSpec) -> StackSpec:
    """The rule keeps firing for an hour after its reason has gone."""

    def change(text: str) -> str:
        document = yaml.safe_load(text)
        for rule in (rule for group in document["groups"] for rule in group["rules"]):
            if rule.get("alert", "").startswith("Canary"):
                rule["keep_firing_for"] = "1h"
        return yaml.safe_dump(document, sort_keys=False)

    return _with_file(spec, "config/rules.yaml", change)


@expected("INCONCLUSIVE", "fault", "honest_router", red=("fault",))
def router_retries(spec: StackSpec) -> StackSpec:
    """The router sends a failed request again, which hides the fault from whoever waits for the answer."""

    def change(text: str) -> str:
        document = yaml.safe_load(text)
        for route in _routes(document):
            route["retry_policy"] = {"retry_on": "5xx", "num_retries": 1}
        return yaml.safe_dump(document, sort_keys=False)

    return _with_file(spec, "config/envoy.yaml", change)


def _routes(node: object) -> list[dict[str, Any]]:
    """Every route action with weighted clusters, wherever it stands."""
    if isinstance(node, dict):
        mine = [node] if "weighted_clusters" in node else []
        return mine + [found for value in node.values() for found in _routes(value)]
    if isinstance(node, list):
        return [found for value in node for found in _routes(value)]
    return []


@expected("FAIL", "rollback", "traffic", red=("rollback",))
def client_stays_on_canary(spec: StackSpec) -> StackSpec:
    """One user of the load keeps its connection to the canary past the router, also after weight 0."""
    return _other_load(spec, "pinned_load.py")


@expected("INCONCLUSIVE", "generator", "offered", red=("generator", "recovery"))
def load_stops(spec: StackSpec) -> StackSpec:
    """The load process lives on and stops sending in the middle of the trial."""
    return _other_load(spec, "stopping_load.py")


def _other_load(spec: StackSpec, locustfile: str) -> StackSpec:
    def change(one: ProcessSpec) -> ProcessSpec:
        argv = list(one.argv)
        argv[argv.index("-f") + 1] = str(_HERE / locustfile)
        return replace(one, argv=tuple(argv))

    return _with_process(spec, "load", change)
