"""An experiment: an ordinary Chaos Toolkit file whose `extensions` entry named `harness` says what to expect.

The method stays the script, run by Chaos Toolkit; this module reads the same file for what the trial must
know before it starts: the load, the rollout's steps, the one fault, the expected outcome. Every problem of
the file is listed at once; what is stated twice must be stated alike.

Not covered: an experiment without our extension, several faults.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

import msgspec

from harness.plan.validate import Problems, convert, described, nearest

ACTIONS_MODULE: Final = "harness.chaos.actions"
CONTROL_MODULE: Final = "harness.chaos.control"
STEP_S_MAX: Final = 600.0
RATE_RPS_MAX: Final = (
    2000.0  # twice what the load process was measured to hold on one core with a margin below 2.5 ms of lag
)

Percent = Annotated[int, msgspec.Meta(ge=0, le=100)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Seconds = Annotated[float, msgspec.Meta(gt=0, le=STEP_S_MAX)]


class Load(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which profile of the kit, with which seed."""

    profile: Annotated[
        str, described("A load profile of the kit; PortTrack has S (24 requests/s), M (120) and L (400).")
    ] = "M"
    seed: Annotated[int, msgspec.Meta(ge=0), described("Seed of the schedule and of the fault's phase.")] = 7


class Rollout(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The steps a controller of the local stack walks: canary weights in percent, each held `step_s`."""

    steps: Annotated[tuple[Percent, ...], described("Canary weights in percent, rising from at least 1.")] = (
        5,
        25,
        50,
        100,
    )
    step_s: Annotated[Seconds, described("How long each step is held, in seconds.")] = 20.0
    # remove: once drained, the canary is stopped as well
    strategy: Annotated[
        Literal["shift", "remove"],
        described("What a rollback does: shift the traffic, or then also remove the canary."),
    ] = "shift"


class Expect(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What must be seen. Seconds count from the first faulted response, `drained_s_max` from the last dispatch."""

    outcome: Annotated[Literal["rolled_back", "promoted", "held"], described("How the rollout must end.")]
    alerts_required: Annotated[
        tuple[str, ...], described("Alerts that must fire; at least one where a rollback is expected.")
    ] = ()
    alerts_forbidden: Annotated[tuple[str, ...], described("Alerts that must not fire.")] = ()
    detect_s_max: Annotated[Seconds, described("From the first faulted response to the alert firing.")] = 10.0
    shifted_s_max: Annotated[
        Seconds, described("From the first faulted response to the last dispatch to the canary.")
    ] = 12.0
    drained_s_max: Annotated[Seconds, described("From the last dispatch to the canary to its last answer.")] = 5.0
    write_lost_count_max: Annotated[
        int, msgspec.Meta(ge=0), described("How many acknowledged writes may be lost; 0 where losing one is a failure.")
    ] = 0
    loss_rate_detectable_max: Annotated[
        Share, described("With too few writes to have shown such a loss rate with 95 %, the trial is INCONCLUSIVE.")
    ] = 0.05
    # How far the measured share of a completed step may be from its weight without being seen, in points of
    # percent; None: the split is measured and its power printed, but too few requests are no fault of the trial.
    split_points_max: Annotated[
        Annotated[float, msgspec.Meta(gt=0, le=100)] | None,
        described("How far the measured share may be from its weight without being seen, in points of percent."),
    ] = None


class Extension(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The `extensions` entry named `harness`."""

    name: Annotated[Literal["harness"], described("Whose entry it is.")]
    expect: Expect
    load: Load = Load()
    rollout: Rollout = Rollout()
    baseline_s: Annotated[Seconds, described("Time on stable only, before the controller starts.")] = 8.0
    hold_s: Annotated[
        float,
        msgspec.Meta(ge=3, le=STEP_S_MAX),
        described("How long the outcome must stay, at 0, 100 or where it is held."),
    ] = 20.0
    plant: Annotated[str, described("A planted defect, by its entry point name; none for a trial of the service.")] = ""


@dataclass(frozen=True, slots=True)
class FaultPlan:
    """The fault that the method injects. `share` is the part of the responses of `tracks` it should hit."""

    kind: str
    share: float
    deadline_s: float
    tracks: tuple[str, ...]
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Experiment:
    """One experiment, checked."""

    path: str
    title: str
    slug: str
    target: str
    load: Load
    rollout: Rollout
    expect: Expect
    baseline_s: float
    hold_s: float
    fault: FaultPlan | None
    fault_weight: int | None  # the step at which the fault is injected
    plant: str
    document: Mapping[str, Any]


def parse(
    document: object, path: str, lines: Mapping[str, int], fault_kinds: Collection[str]
) -> tuple[Experiment | None, Problems]:
    """Check a loaded experiment file. None when `problems.found` is not empty."""
    problems = Problems(path, lines)
    if not isinstance(document, Mapping):
        problems.add("", f"is {type(document).__name__}, must be a mapping: a Chaos Toolkit experiment")
        return None, problems
    for key in ("title", "description", "method"):
        if key not in document:
            problems.add("", f"{key} is missing: every Chaos Toolkit experiment has one")
    _require_control(document, problems)
    extension = _extension(document, problems)
    fault, weight = _fault(document, fault_kinds, problems)
    if extension is not None:
        _cross_check(extension, fault, weight, document, problems)
    if extension is None or problems.found:
        return None, problems
    title = str(document["title"])
    return (
        Experiment(
            path=path,
            title=title,
            slug=slug_of(path, title),
            target=str((document.get("configuration") or {}).get("target", "local")),
            load=extension.load,
            rollout=extension.rollout,
            expect=extension.expect,
            baseline_s=extension.baseline_s,
            hold_s=extension.hold_s,
            fault=fault,
            fault_weight=weight,
            plant=extension.plant,
            document=document,
        ),
        problems,
    )


def slug_of(path: str, title: str) -> str:
    """`canary-5xx` of `experiments/canary-5xx.yaml`; of the title where there is no path."""
    name = path.rsplit("/", 1)[-1].rsplit(".", 1)[0] if path else title
    kept = "".join(letter if letter.isalnum() else "-" for letter in name.lower())
    return "-".join(part for part in kept.split("-") if part)[:40] or "trial"


def _require_control(document: Mapping[str, Any], problems: Problems) -> None:
    modules = [
        (control.get("provider") or {}).get("module")
        for control in document.get("controls") or []
        if isinstance(control, Mapping)
    ]
    if CONTROL_MODULE not in modules:
        problems.add("controls", f"no control with module {CONTROL_MODULE}: without it nothing opens the trial; add it")


def _extension(document: Mapping[str, Any], problems: Problems) -> Extension | None:
    entries = document.get("extensions") or []
    for index, entry in enumerate(entries if isinstance(entries, list) else []):
        if isinstance(entry, Mapping) and entry.get("name") == "harness":
            return convert(Extension, entry, f"extensions.{index}", problems)
    problems.add("extensions", "no entry named 'harness': add one with at least expect.outcome")
    return None


def _actions(document: Mapping[str, Any]) -> list[tuple[int, str, Mapping[str, Any]]]:
    """(index in the method, function, arguments) of our own actions."""
    found = []
    method = document.get("method") or []
    for index, activity in enumerate(method if isinstance(method, list) else []):
        provider = activity.get("provider") if isinstance(activity, Mapping) else None
        if isinstance(provider, Mapping) and provider.get("module") == ACTIONS_MODULE:
            found.append((index, str(provider.get("func")), provider.get("arguments") or {}))
    return found


def _fault(
    document: Mapping[str, Any], fault_kinds: Collection[str], problems: Problems
) -> tuple[FaultPlan | None, int | None]:
    """The one fault of the method and the weight of the last `wait_step` before it."""
    weight: int | None = None
    plans: list[tuple[FaultPlan, int | None]] = []
    for index, func, arguments in _actions(document):
        place = f"method.{index}.provider.arguments"
        if func == "wait_step":
            weight = _number(arguments, "weight", place, 0, 100, problems, whole=True)
        if func == "inject":
            plans.append((_one_fault(arguments, place, fault_kinds, problems), weight))
    if any(plan != plans[0][0] for plan, _ in plans):
        problems.add("method", f"injects {len(plans)} different faults; a trial has one")
    return plans[0] if plans else (None, None)


def _one_fault(arguments: Mapping[str, Any], place: str, fault_kinds: Collection[str], problems: Problems) -> FaultPlan:
    kind = str(arguments.get("fault", ""))
    if kind not in fault_kinds:
        problems.add(f"{place}.fault", f"is {kind!r}; {nearest(kind, fault_kinds)}")
    share = _number(arguments, "share", place, 0, 1, problems)
    deadline_s = _number(arguments, "deadline_s", place, 1, STEP_S_MAX, problems)
    tracks = arguments.get("tracks", ["canary"])
    if not isinstance(tracks, list) or not tracks or not set(tracks) <= {"canary", "stable"}:
        problems.add(f"{place}.tracks", f"is {tracks!r}, must be a list of canary, stable or both")
        tracks = ["canary"]
    known = {"fault", "share", "deadline_s", "tracks"}
    return FaultPlan(
        kind=kind,
        share=float(share or 0),
        deadline_s=float(deadline_s or 0),
        tracks=tuple(tracks),
        arguments={name: value for name, value in arguments.items() if name not in known},
    )


def _number(
    arguments: Mapping[str, Any],
    name: str,
    place: str,
    low: float,
    high: float,
    problems: Problems,
    whole: bool = False,
) -> Any:
    value = arguments.get(name)
    is_number = isinstance(value, int if whole else int | float) and not isinstance(value, bool)
    if not is_number or not low <= float(str(value)) <= high:
        problems.add(f"{place}.{name}", f"is {value!r}, must be a number from {low} to {high}")
        return None
    return value


def _cross_check(
    extension: Extension, fault: FaultPlan | None, weight: int | None, document: Mapping[str, Any], problems: Problems
) -> None:
    steps = extension.rollout.steps
    if list(steps) != sorted(set(steps)) or not steps or steps[0] < 1:
        problems.add("extensions.0.rollout.steps", f"is {list(steps)}, must rise from at least 1")
    for index, func, arguments in _actions(document):
        if func == "wait_step" and arguments.get("weight") not in steps:
            problems.add(
                f"method.{index}.provider.arguments.weight",
                f"is {arguments.get('weight')!r}, but rollout.steps are {list(steps)}: wait for one of them",
            )
    expect = extension.expect
    if expect.outcome == "rolled_back" and fault is None:
        problems.add("method", "expects rolled_back but injects no fault: add an inject action or expect promoted")
    if fault is not None and weight is None:
        problems.add("method", "injects before any wait_step: the fault needs a step at which it lands")
    both = sorted(set(expect.alerts_required) & set(expect.alerts_forbidden))
    if both:
        problems.add("extensions.0.expect", f"{both[0]} is both required and forbidden")
    if expect.outcome == "rolled_back" and not expect.alerts_required:
        problems.add(
            "extensions.0.expect.alerts_required", "is empty: a rollback without a required alert proves no cause"
        )
