"""The canary's weight as it was read, from the router or from the controller's status.

Each read is bracketed by two reads of the clock, so a change lies between the start of the last read of the
old weight and the end of the first read of the new one. A *hole* is time without a read; in one longer
than READ_GAP_S_MAX the weight could have gone up and come back, so watching ends where it begins.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from harness.clock import NS_PER_S
from harness.evidence.finding import Instant
from harness.evidence.format import Kind
from harness.judge.facts import Array, Facts

READ_GAP_S_MAX: Final = 1.0  # ten polls of 100 ms in a row


def reads(facts: Facts, kind: Kind) -> tuple[Array, Array, Array]:
    """(lo_ns, hi_ns, weight) of every read of the weight in `kind`, in order. Shapes (n,)."""
    events = facts.evidence.of(kind)
    lo_ns = np.array([int(event.data["lo_ns"]) for event in events], dtype=np.int64)
    hi_ns = np.array([int(event.data["hi_ns"]) for event in events], dtype=np.int64)
    weight = np.array([float(event.data["weight"]) for event in events], dtype=np.float64)
    order = np.argsort(hi_ns, kind="stable")
    return lo_ns[order], hi_ns[order], weight[order]


def weight_edge(facts: Facts, kind: Kind, since_ns: int, wanted: float) -> Instant:
    """When `kind` first read the weight `wanted` after `since_ns`: from the last other read before it to that read."""
    lo_ns, hi_ns, weight = reads(facts, kind)
    reached = np.flatnonzero((hi_ns >= since_ns) & (weight == wanted))
    if reached.size == 0:
        lowest = f"; the last read was {weight[-1]:g}" if weight.size else ", because nothing was read"
        return Instant(unknown=f"{kind} never was {wanted:g} %{lowest}")
    before = np.flatnonzero(weight[: reached[0]] != wanted)
    earliest_ns = int(lo_ns[before[-1]]) if before.size else since_ns
    return Instant(max(earliest_ns, since_ns), int(hi_ns[reached[0]]), f"timeline: {kind}")


def hold_until_ns(facts: Facts, edge: Instant) -> int:
    """Until when a weight that was reached at `edge` must stay: hold_s on, and for as long as the load runs."""
    hold_s = float(facts.evidence.manifest["hold_s"])
    return max(edge.hi_ns + round(hold_s * NS_PER_S), facts.stop_ns)


def held_reads(facts: Facts, kind: Kind, edge: Instant) -> tuple[Array, Array]:
    """(which reads of `kind` began after `edge` and lie in its hold, every read's weight). Shapes (n,)."""
    lo_ns, hi_ns, weight = reads(facts, kind)
    return np.asarray((lo_ns >= edge.hi_ns) & (hi_ns <= hold_until_ns(facts, edge))), weight


def watched_ns(facts: Facts, since_ns: int) -> int:
    """How long the router's weight was read after `since_ns` without a hole longer than READ_GAP_S_MAX."""
    _, hi_ns, _ = reads(facts, Kind.WEIGHT_READ)
    at_ns = np.concatenate(([since_ns], hi_ns[hi_ns > since_ns]))
    holes = np.flatnonzero(np.diff(at_ns) > READ_GAP_S_MAX * NS_PER_S)
    return int(at_ns[holes[0]] if holes.size else at_ns[-1]) - since_ns
