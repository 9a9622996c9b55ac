"""The alerts of a trial as strips: when each was pending, when it fired, and when it had resolved.

Terms. An alert has a state at each sample of ALERTS and none between two evaluations; here it keeps a sample's state
until the next evaluation is due. Of several sets of labels under one name the stronger state counts, firing before
pending. It *resolved* where it no longer fires and Prometheus has samples of anything when the next evaluations are
due; without those nobody knows.

Alerts that the experiment names come first and are shown even where they never had a state, then others that had one.
Not covered: labels. The chain and the check `alert` ask for the canary's version; this only shows.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from harness.clock import NS_PER_S
from harness.evidence.run import Evidence

STATES: Final = ("pending", "firing")
ALERTS_MAX: Final = 8  # strips; more would be a table
# A sample may be late, and one may be missing: a state is drawn through that, not through two.
GAP_EVALUATIONS_MAX: Final = 2.5
EVALUATION_S_DEFAULT: Final = 1.0  # drill timing; for a manifest that names none

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class State:
    """One stretch in a state, in seconds after zero. `resolved` says whether it is known to have fired and ended."""

    state: str
    from_s: float
    to_s: float
    resolved: bool = False


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert's strip. `wanted` is what the experiment says of it: required, forbidden or ""."""

    name: str
    wanted: str
    states: tuple[State, ...]

    def at(self, from_s: float, to_s: float) -> str:
        """The states in [from, to), in order, or "inactive"."""
        found = [each for each in self.states if each.from_s < to_s and each.to_s > from_s]
        said = [each.state for each in found]
        said += ["resolved"] if found and found[-1].resolved and found[-1].to_s < to_s else []
        return " → ".join(said) or "inactive"


def alerts(evidence: Evidence, zero_ns: int) -> tuple[Alert, ...]:
    """Each alert that is named or had a state, at most ALERTS_MAX."""
    expect = evidence.manifest.get("expect", {})
    wanted = {str(name): "forbidden" for name in expect.get("alerts_forbidden", [])}
    wanted |= {str(name): "required" for name in expect.get("alerts_required", [])}
    samples = _samples(evidence)
    order = {"required": 0, "forbidden": 1, "": 2}
    names = sorted({*wanted, *samples}, key=lambda name: (order[wanted.get(name, "")], name))
    return tuple(
        Alert(name, wanted.get(name, ""), tuple(_states(evidence, samples.get(name, {}), zero_ns)))
        for name in names[:ALERTS_MAX]
    )


def _samples(evidence: Evidence) -> dict[str, dict[int, str]]:
    """{alert: {instant: state}}, the stronger state where labels differ."""
    columns = evidence.samples
    chosen = np.flatnonzero(columns["name"] == "ALERTS")
    texts, instants = columns["labels"][chosen].tolist(), columns["t_ns"][chosen].tolist()
    labels: dict[str, dict[str, Any]] = {text: json.loads(text) for text in set(texts)}
    found: dict[str, dict[int, str]] = {}
    for text, t_ns in zip(texts, instants, strict=True):
        name, state = (str(labels[text].get(key, "")) for key in ("alertname", "alertstate"))
        if state in STATES:
            states = found.setdefault(name, {})
            states[t_ns] = max(states.get(t_ns, STATES[0]), state, key=STATES.index)
    return found


def _states(evidence: Evidence, states: dict[int, str], zero_ns: int) -> Iterator[State]:
    evaluation_s = float(evidence.manifest.get("timing", {}).get("evaluation_s", EVALUATION_S_DEFAULT))
    evaluation_ns = round(evaluation_s * NS_PER_S)
    gap_ns = GAP_EVALUATIONS_MAX * evaluation_ns
    sampled_ns = np.sort(evidence.samples["t_ns"])
    instants = sorted(states)
    start_ns = instants[0] if instants else 0
    for number, at_ns in enumerate(instants):
        next_ns = instants[number + 1] if number + 1 < len(instants) else None
        near = next_ns is not None and next_ns - at_ns <= gap_ns
        if near and next_ns is not None and states[next_ns] == states[at_ns]:
            continue
        end_ns = next_ns if near and next_ns is not None else at_ns + evaluation_ns
        seen = np.searchsorted(sampled_ns, end_ns + gap_ns, "right") > np.searchsorted(sampled_ns, end_ns)
        ended = states[at_ns] == "firing" and not near and bool(seen)
        yield State(states[at_ns], (start_ns - zero_ns) / NS_PER_S, (end_ns - zero_ns) / NS_PER_S, ended)
        start_ns = next_ns if next_ns is not None else 0
