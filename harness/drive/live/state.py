"""What a watcher knows of a trial after each of its events: a fold over the timelines, without clock or files.

Terms: the *second* is the load's last tick. The *share* is the canary's part of the answers of that second, the
*errors* of a track are its answers that failed or stayed unknown, in percent. What *stands out* is an event that
`says` has words for; everything else moves the state only.

Events of several files may come a little out of order; the last one to come counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from harness.clock import NS_PER_S
from harness.evidence.format import Kind
from harness.evidence.timeline import Event

RECENT_COUNT_MAX: Final = 8
TRACKS: Final = ("stable", "canary")


@dataclass(frozen=True, slots=True)
class Track:
    """The answers of one version that ended in one second. `p95_ms` is None where none was timed."""

    version: str
    rate_rps: int
    errors_percent: float
    p95_ms: float | None


@dataclass(frozen=True, slots=True)
class Second:
    """The load's last whole second. `rate_rps`: requests sent; `share_percent` is None where nobody answered."""

    rate_rps: int
    share_percent: float | None
    tracks: Mapping[str, Track]  # of stable and canary the ones that answered


@dataclass(frozen=True, slots=True)
class State:
    """What is known. `versions` is {track: version}, from the manifest; `phases` are (name, t_ns of its begin)."""

    versions: Mapping[str, str] = field(default_factory=dict)
    opened_ns: int = 0
    phases: tuple[tuple[str, int], ...] = ()
    weight_percent: float = 0.0
    second: Second | None = None
    alert_states: Mapping[str, str] = field(default_factory=dict)  # also those that are inactive again
    broken: tuple[tuple[str, str], ...] = ()  # (fault, instance) of each fault that is on
    recent: tuple[tuple[float, str], ...] = ()  # (t_s, what stood out), the last ones

    @property
    def phase(self) -> str:
        """The current phase; `open` until the trial has said so."""
        return self.phases[-1][0] if self.phases else "open"

    @property
    def alerts(self) -> dict[str, str]:
        """Pending and firing alerts, in the order in which they were first seen."""
        return {name: state for name, state in self.alert_states.items() if state != "inactive"}

    @property
    def faults(self) -> dict[str, list[str]]:
        """The faults that are on, each with its instances."""
        found: dict[str, list[str]] = {}
        for fault, instance in self.broken:
            found.setdefault(fault, []).append(instance)
        return found

    def since_opened_s(self, t_ns: int) -> float:
        """Seconds from the first event to this instant, 0 for one before it."""
        return max(0, t_ns - self.opened_ns) / NS_PER_S if self.opened_ns else 0.0

    def phases_s(self, now_ns: int) -> dict[str, float]:
        """How long each phase took that has begun, the current one until `now_ns`."""
        begins = [*(t_ns for _, t_ns in self.phases), now_ns]
        return {
            name: max(0, ends_ns - t_ns) / NS_PER_S
            for (name, t_ns), ends_ns in zip(self.phases, begins[1:], strict=True)
        }

    def after(self, event: Event) -> State:
        """The state once this event is known; the same object where it changes nothing that is shown."""
        state = self if self.opened_ns else replace(self, opened_ns=event.t_ns)
        state = state._moved(event)
        if text := says(event):
            entry = (state.since_opened_s(event.t_ns), _one_line(text))
            state = replace(state, recent=(*state.recent, entry)[-RECENT_COUNT_MAX:])
        return state

    def _moved(self, event: Event) -> State:
        data = event.data
        match event.kind:
            case Kind.PHASE:
                return replace(self, phases=(*self.phases, (data["phase"], event.t_ns)))
            case Kind.WEIGHT_READ if data["weight"] != self.weight_percent:
                return replace(self, weight_percent=float(data["weight"]))
            case Kind.ALERT_SEEN:
                return replace(self, alert_states={**self.alert_states, data["name"]: data["state"]})
            case Kind.FAULT_ON:
                on = tuple((data["fault"], instance) for instance in data["instances"])
                return replace(self, broken=(*self.broken, *on))
            case Kind.FAULT_HEALED:
                return replace(self, broken=tuple(one for one in self.broken if not _is_healed(one, data)))
            case Kind.LOAD_TICK:
                return replace(self, second=_second(data, self.versions))
        return self


def says(event: Event) -> str:
    """What an event that stands out tells a watcher; "" for any other."""
    data = event.data
    match event.kind:
        case Kind.PHASE:
            return f"phase {data['phase']}"
        case Kind.ALERT_SEEN:
            return f"alert {data['name']} {data['state']}"
        case Kind.FAULT_ON:
            return f"fault {data['fault']} on {', '.join(data['instances'])}: {data['arguments']}"
        case Kind.FAULT_HEALED:
            return f"fault {data['fault']} healed"
        case Kind.DECIDED:
            return f"decided: {data['decision']} to {data['weight']} %: {data['reason']}"
        case Kind.OUTCOME:
            return f"outcome: {data['outcome']}"
        case Kind.ERROR:
            return f"error in {data['where']}: {data['message']}"
        case Kind.INTERRUPTED:
            return f"interrupted: {data['why']}"
    return _says_of_parts(event)


def _says_of_parts(event: Event) -> str:
    """Words for what parts of the trial could not do."""
    data = event.data
    match event.kind:
        case Kind.HYPOTHESIS if not data["met"]:
            return f"the steady-state probes are not met {data['when']} the method"
        case Kind.WEIGHT_REFUSED:
            return f"the router refused weight {data['weight']} %, attempt {data['attempt']}: {data['message']}"
        case Kind.REMOVE_REFUSED:
            return f"the end of {data['instance']} is not confirmed, attempt {data['attempt']}: {data['message']}"
        case Kind.PROCESS_EXITED if not data["expected"]:
            return f"{data['name']} ended unasked with code {data['code']}"
        case Kind.GUARD_FINISHING:
            return f"the guard closes the trial: {data['why']}"
    return ""


def _is_healed(one: tuple[str, str], data: Mapping[str, Any]) -> bool:
    """Whether a heal is of this fault and this instance; one without instances is of all."""
    fault, instance = one
    return bool(fault == data["fault"] and instance in data.get("instances", [instance]))


def _second(data: Mapping[str, Any], versions: Mapping[str, str]) -> Second:
    counts = data["versions"]
    total = sum(_answered(one) for one in counts.values())
    canary = counts.get(versions.get("canary", ""))
    return Second(
        rate_rps=data["sent"],
        share_percent=100 * (_answered(canary) if canary else 0) / total if total else None,
        tracks={track: _track(version, counts[version]) for track, version in versions.items() if version in counts},
    )


def _track(version: str, counts: Mapping[str, Any]) -> Track:
    answered = _answered(counts)
    wrong = counts["failed"] + counts["unknown"]
    return Track(
        version=version,
        rate_rps=answered,
        errors_percent=100.0 * wrong / answered if answered else 0.0,
        p95_ms=counts["p95_ms"] or None,  # the tick says 0 where it timed none
    )


def _answered(counts: Mapping[str, Any]) -> int:
    return int(counts["ok"] + counts["failed"] + counts["unknown"])


def _one_line(text: str) -> str:
    """Printable and without line ends: messages carry what foreign programs wrote."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())
