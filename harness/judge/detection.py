"""How soon and how late chance alone lets a required alert fire: the bounds that a measured detection is held against.

Asked only where the answer is known to be right: the manifest has the parameters of the alert's rule, and the
fault makes just the answers that this rule counts, all at once. What is played through stands in
harness.evidence.bounds; a question takes some tenths of a second once, so the planned rate is asked for and not
the measured one, which every changed copy of the evidence would ask for anew. The step that the fault fell into is
minded, since a fault that follows it closely meets a window with fewer good answers: the router's weight, as it was
read, says how young it was, to a tenth of a second.

Not asked where the router sent a request twice: that hides the first bad answers, which the rule counts, from the
clients, whose first one the detection is measured from.

Not covered: faults that grow, rules on anything but a share, a weight that is not known before the fault or went down
there, a rate that changes while the rule still counts.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from harness.clock import NS_PER_S
from harness.evidence.bounds import AlarmRule, Step, alarm_rule, quantiles_s, reach_s
from harness.evidence.format import Kind
from harness.judge.facts import Facts
from harness.judge.weights import reads

ERRORS: Final = "CanaryErrorRatioHigh"
SLOWNESS: Final = "CanaryLatencyHigh"
WORDS: Final = frozenset({"share_over", "count_min", "times_stable", "was_nought"})  # without one no rule is known
SLOW_MS: Final = 250.0  # from here on the latency rule counts an answer as slow


def bounds_s(facts: Facts) -> dict[str, tuple[float, float]]:
    """(best, worst) from the first faulted answer to firing, of each required alert of which that is known."""
    found: dict[str, tuple[float, float]] = {}
    if (facts.evidence.routing["attempts"] > 1).any():
        return found
    fault, timing = facts.evidence.manifest["fault"], facts.evidence.manifest["timing"]
    for alert in facts.required:
        words = timing.get("share_rules", {}).get(alert, {})
        if not words.keys() >= WORDS or fault is None or alert != _made_by(fault):
            continue
        rule = alarm_rule(timing, alert)
        assert rule is not None, f"{alert}: {words}"
        rate_rps = float(facts.evidence.manifest["load"]["rate_rps"]) * float(facts.evidence.manifest["fault_weight"])
        step = _step(facts, rule)
        if step is None or rate_rps <= 0 or not 0 < float(fault["share"]) <= 1:
            continue
        best_s, worst_s = quantiles_s(rule, rate_rps / 100, float(fault["share"]), step=step)
        if math.isfinite(worst_s):  # else the rule cannot be relied upon to see this fault at all
            found[alert] = (best_s, worst_s)
    return found


def _step(facts: Facts, rule: AlarmRule) -> Step | None:
    """What the canary's weight was before the fault's, and since when it is that; None where it cannot be played."""
    fault_on = facts.chain["fault_on"]
    if not fault_on.known:
        return None
    lo_ns, hi_ns, weight = reads(facts, Kind.WEIGHT_READ)
    before = (hi_ns <= fault_on.lo_ns) & (lo_ns >= fault_on.lo_ns - math.ceil((reach_s(rule) + 1) * NS_PER_S))
    hi_ns, weight = hi_ns[before], weight[before]
    there = float(facts.evidence.manifest["fault_weight"])
    others = np.flatnonzero(weight != there)
    if weight.size == 0 or weight[-1] != there or weight.max() > there:
        return None
    since_ns = int(hi_ns[others[-1] + 1 if others.size else 0])
    # Of several steps in reach the lowest counts for all: that leaves the widest room.
    earlier_rps = float(facts.evidence.manifest["load"]["rate_rps"]) * float(weight.min()) / 100
    return Step(earlier_rps, math.floor((fault_on.lo_ns - since_ns) / NS_PER_S * 10) / 10)


def _made_by(fault: Mapping[str, Any]) -> str:
    """The alert whose rule counts just the answers that this fault spoils; "" where none does."""
    arguments = fault["arguments"]
    if fault["kind"] == "http_5xx":
        return ERRORS
    at_once = fault["kind"] == "latency" and not arguments.get("ramp_s")
    return SLOWNESS if at_once and float(arguments.get("delay_ms", 0)) >= SLOW_MS else ""
