"""Nobody is woken: who would be told by each rule of the stack, asked of a routing tree before anything is broken.

Every alert of the rendered rules is asked about, and every one that the experiment names, since a drill can make more
fire than it means to. The routing tree is the live one before a trial's load starts, the rendered one for a dry run;
`alerts.alertmanager.resolve` walks both.

Not covered: labels that a rule computes; it is asked with the track that its action is about, and that one's version.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import yaml

from harness.drive import alerts
from harness.drive.prepare import Prepared
from harness.drive.stack.spec import StackSpec
from harness.errors import UsageError

RULES_FILE: Final = "config/rules.yaml"
ALERTMANAGER_FILE: Final = "config/alertmanager.yaml"
# What a rule asks for says which track it watches: a rollback is about the canary, a hold about stable.
_TRACK_OF_ACTION: Final = {"rollback": "canary", "hold": "stable"}

Resolve = Callable[[Mapping[str, str]], Sequence[tuple[str, str]]]


@dataclass(frozen=True, slots=True)
class Told:
    """One alert and everybody whom it would be told to, each as (who, where)."""

    alert: str
    receivers: tuple[tuple[str, str], ...]


def labels_of_alerts(prepared: Prepared, spec: StackSpec) -> dict[str, dict[str, str]]:
    """The labels with which each alert would reach Alertmanager, in the order of the rules."""
    document = yaml.safe_load(spec.files[RULES_FILE])
    rules = [rule for group in document["groups"] for rule in group["rules"] if "alert" in rule]
    expect = prepared.experiment.expect
    named = {name: {"action": "rollback"} for name in (*expect.alerts_required, *expect.alerts_forbidden)}
    static = {rule["alert"]: dict(rule.get("labels") or {}) for rule in rules}
    return {name: _labels(prepared, name, labels) for name, labels in {**named, **static}.items()}


def _labels(prepared: Prepared, name: str, static: Mapping[str, str]) -> dict[str, str]:
    track = _TRACK_OF_ACTION.get(static.get("action", ""))
    if track is None:
        return {"alertname": name, **static}
    version = {"canary": prepared.target.versions.canary, "stable": prepared.target.versions.stable}[track]
    return {"alertname": name, "track": track, "version": version, **static}


def told(prepared: Prepared, spec: StackSpec, resolve: Resolve) -> list[Told]:
    """Who would be told of each alert, by the routing tree that `resolve` asks."""
    return [Told(name, tuple(resolve(labels))) for name, labels in labels_of_alerts(prepared, spec).items()]


def check(prepared: Prepared, found: Sequence[Told]) -> None:
    """UsageError that lists every alert which would be told to somebody outside `allow_receivers`."""
    allowed = prepared.target.allow_receivers
    wrong = [
        f"{one.alert} would be sent to {', '.join(others)}"
        for one in found
        if (others := alerts.not_allowed(one.receivers, allowed))
    ]
    if wrong:
        head = (
            f"{prepared.target_path}: allow_receivers has {sorted(allowed)}; add others only if a drill may tell them"
        )
        raise UsageError("\n  ".join((head, *wrong)))
