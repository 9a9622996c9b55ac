"""How soon and how late chance alone lets a required alert fire: the bounds that a measured detection is held against.

Asked only where the answer is known to be right: the manifest has the parameters of the alert's rule, and the
fault makes just the answers that this rule counts, all at once. What is played through stands in
harness.evidence.bounds; a question takes some tenths of a second once, so the planned rate is asked for and not
the measured one, which every changed copy of the evidence would ask for anew.

Not covered: faults that grow, rules on anything but a share, a rate that changes while the rule still counts.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

from harness.evidence.bounds import alarm_rule, quantiles_s
from harness.judge.facts import Facts

ERRORS: Final = "CanaryErrorRatioHigh"
SLOWNESS: Final = "CanaryLatencyHigh"
WORDS: Final = frozenset({"share_over", "count_min", "times_stable", "was_nought"})  # without one no rule is known
SLOW_MS: Final = 250.0  # from here on the latency rule counts an answer as slow


def bounds_s(facts: Facts) -> dict[str, tuple[float, float]]:
    """(best, worst) from the first faulted answer to firing, of each required alert of which that is known."""
    found = {}
    fault, timing = facts.evidence.manifest["fault"], facts.evidence.manifest["timing"]
    for alert in facts.required:
        words = timing.get("share_rules", {}).get(alert, {})
        if not words.keys() >= WORDS or fault is None or alert != _made_by(fault):
            continue
        rule = alarm_rule(timing, alert)
        assert rule is not None, f"{alert}: {words}"
        rate_rps = float(facts.evidence.manifest["load"]["rate_rps"]) * float(facts.evidence.manifest["fault_weight"])
        if rate_rps <= 0 or not 0 < float(fault["share"]) <= 1:
            continue
        best_s, worst_s = quantiles_s(rule, rate_rps / 100, float(fault["share"]))
        if math.isfinite(worst_s):  # else the rule cannot be relied upon to see this fault at all
            found[alert] = (best_s, worst_s)
    return found


def _made_by(fault: Mapping[str, Any]) -> str:
    """The alert whose rule counts just the answers that this fault spoils; "" where none does."""
    arguments = fault["arguments"]
    if fault["kind"] == "http_5xx":
        return ERRORS
    at_once = fault["kind"] == "latency" and not arguments.get("ramp_s")
    return SLOWNESS if at_once and float(arguments.get("delay_ms", 0)) >= SLOW_MS else ""
