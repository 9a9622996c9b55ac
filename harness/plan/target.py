"""A target: where the service runs and what judges, routes, warns and rolls back there. One file per environment."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Annotated, Literal

import msgspec

from harness.plan.validate import Problems, convert, described, nearest

CHECKS = (
    "generator",
    "baseline",
    "fault",
    "split",
    "alert",
    "rollback",
    "requests",
    "data_loss",
    "recovery",
    "cleanup",
)


class Stack(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the service runs: `local` starts everything on 127.0.0.1."""

    kind: Annotated[str, described("Who starts the parts: local.")]
    stable_instances: Annotated[int, msgspec.Meta(ge=1, le=8), described("Instances of the stable version.")] = 2


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An adapter by its kind."""

    kind: Annotated[str, described("The adapter's name, built in or found by its entry point.")]


class Versions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The two versions side by side, as the service names them in its version header."""

    stable: Annotated[str, described("The version that serves now.")]
    canary: Annotated[str, described("The version that is to replace it; another one than stable.")]


class Headers(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Response headers that say who answered (version, instance), who routed (track) and what was injected (fault)."""

    version: Annotated[str, described("Header with the version that answered.")]
    instance: Annotated[str, described("Header with the instance that answered.")]
    track: Annotated[str, described("Header with the track that the router chose.")]
    fault: Annotated[str, described("Header that marks an answer spoiled by the fault.")]


class Target(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One environment."""

    name: Annotated[str, described("Its name in reports.")]
    stack: Stack
    router: Part
    controller: Part
    alerts: Part
    kit: Annotated[str, described("The kit that knows the service, by name, or a kit file, relative to this one.")]
    versions: Versions
    headers: Headers
    timing: Annotated[Literal["drill"], described("How often things are scraped and evaluated.")] = "drill"
    allow_receivers: Annotated[
        tuple[str, ...], described("Who may be told of alerts; anybody else ends the trial before its load.")
    ] = ()
    not_asked: Annotated[tuple[str, ...], described("Checks that do not apply here; every output names them.")] = ()


Known = Mapping[str, Collection[str]]  # "stack" | "router" | "controller" | "alerts" | "kit" -> kinds that exist


def parse(document: object, path: str, lines: Mapping[str, int], known: Known) -> tuple[Target | None, Problems]:
    """Check a loaded target file. None when `problems.found` is not empty."""
    problems = Problems(path, lines)
    target = convert(Target, document, "", problems)
    if target is None:
        return None, problems
    chosen = {
        "stack": target.stack.kind,
        "router": target.router.kind,
        "controller": target.controller.kind,
        "alerts": target.alerts.kind,
    }
    for part, kind in chosen.items():
        if kind not in known[part]:
            problems.add(f"{part}.kind", f"is {kind!r}; {nearest(kind, known[part])}")
    if target.kit not in known["kit"] and not target.kit.endswith((".yaml", ".yml")):
        problems.add("kit", f"is {target.kit!r} and no kit file (*.yaml); {nearest(target.kit, known['kit'])}")
    for check in target.not_asked:
        if check not in CHECKS:
            problems.add("not_asked", f"{check!r} is no check; {nearest(check, CHECKS)}")
    if target.versions.stable == target.versions.canary:
        problems.add("versions", f"stable and canary are both {target.versions.stable!r}: they cannot be told apart")
    return (None if problems.found else target), problems
