"""baseline: was the service well before the canary came, so that what followed is the canary's doing.

Terms. The *baseline* is the time from the load's zero to the canary's start. Its *answers* are those of stable, or
of nobody, that were sent and done in it. The *band*: no bad answer, and a p95 of at most P95_MS_MAX, of
kinds that wait for nobody outside. An alert is
*watched* when the experiment requires or forbids it. The *hypothesis* is what Chaos Toolkit's steady-state probes
answered before the method.

Measured: `answers_count` of the baseline, `bad_count` of them; `p50_ms` and `p95_ms`; `firing_samples_count` of watched
alerts before the canary; `idle_s_max`, the longest stretch of the baseline in which no rule was evaluated.

No rule can FAIL: a service that was ill before says nothing about the canary.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from harness.clock import NS_PER_MS, NS_PER_S
from harness.evidence.finding import Finding, Rule
from harness.evidence.format import Kind
from harness.judge.alert import BLIND_EVALUATIONS
from harness.judge.facts import NOBODY, STABLE, Array, Facts, is_among, longest_gap_ns
from harness.judge.saying import finding, inference, unless
from harness.judge.statistics import rate_detectable

ID: Final = "baseline"
# The canary's latency rule calls an answer slow from here on, and at rest the p95 measured is below 40 ms.
P95_MS_MAX: Final = 250.0
# So few that the alert's own share of 5 % would not have shown in them: a zero of 59 excludes it with 95 %.
ANSWERS_MIN: Final = 59


def check(facts: Facts) -> Finding:
    """Five rules, all INCONCLUSIVE where they do not hold."""
    answers = answers_of(facts)
    latency_ms = latencies_ms(facts, answers)
    bad_count = int((answers & facts.bad).sum())
    firing = {name: _before(facts, facts.alerts.firing(name)) for name in _watched(facts)}
    idle_ns = longest_gap_ns(facts.evaluated_ns, facts.start_ns, facts.canary_ns) if _is_known(facts) else 0
    rules = (
        _measured(facts, int(answers.sum())),
        _errors(int(answers.sum()), bad_count),
        _latency(latency_ms),
        _silent(facts, firing, idle_ns),
        _hypothesis(facts),
    )
    measured: dict[str, Any] = {
        "answers_count": int(answers.sum()),
        "bad_count": bad_count,
        "firing_samples_count": sum(firing.values()),
        "idle_s_max": idle_ns / NS_PER_S,
    }
    if latency_ms.size:
        measured["p50_ms"], measured["p95_ms"] = (float(value) for value in np.percentile(latency_ms, [50, 95]))
    return finding(ID, rules, measured, f"The service was well in all of its {int(answers.sum())} answers")


def answers_of(facts: Facts) -> Array:
    """Which operations belong to the baseline. Shape (n,) bool."""
    operations = facts.evidence.operations
    within = (operations["sent_ns"] > 0) & (operations["done_ns"] < facts.canary_ns)
    return np.asarray(within & ((facts.tracks == STABLE) | (facts.tracks == NOBODY)))


def latencies_ms(facts: Facts, chosen: Array) -> Array:
    """How long each chosen operation took from its dispatch, if it was answered and its kind waits not. Shape (m,)."""
    operations = facts.evidence.operations
    kinds = facts.evidence.manifest["load"]["kinds"]
    waiting = tuple(str(kind["name"]) for kind in kinds if kind.get("waits"))
    answered = chosen & (operations["status"] > 0) & ~is_among(operations["kind"], waiting)
    return np.asarray((operations["done_ns"] - operations["sent_ns"])[answered] / NS_PER_MS)


def _is_known(facts: Facts) -> bool:
    """Whether the baseline has a beginning and an end."""
    return facts.start_ns > 0 and facts.canary_ns > facts.start_ns


def _watched(facts: Facts) -> tuple[str, ...]:
    return (*facts.required, *facts.expect["alerts_forbidden"])


def _before(facts: Facts, times_ns: Array) -> int:
    """How many instants lie surely before the canary's start."""
    return int((times_ns + facts.slack_ns < facts.canary_ns).sum()) if facts.clocks_known else 0


def _measured(facts: Facts, count: int) -> Rule:
    if not _is_known(facts):
        return inference("measured", unless(True), "There is no time between the load's zero and the canary's start")
    span_s = (facts.canary_ns - facts.start_ns) / NS_PER_S
    says = f"{count} answers came in the {span_s:.1f} s before the canary; {ANSWERS_MIN} are needed"
    return inference("measured", unless(count < ANSWERS_MIN), says)


def _errors(count: int, bad_count: int) -> Rule:
    zero = "" if bad_count else f"; a share of {100 * rate_detectable(count):.2g} % would have shown"
    says = f"{bad_count} of {count} answers before the canary failed or stayed unknown{zero}"
    return inference("errors", unless(bad_count > 0), says)


def _latency(latency_ms: Array) -> Rule:
    if latency_ms.size == 0:
        return inference("latency", unless(True), "Nothing was answered before the canary, so how fast is unknown")
    p95_ms = float(np.percentile(latency_ms, 95))
    says = f"95 % of {latency_ms.size} answers before the canary took {p95_ms:.1f} ms at most; {P95_MS_MAX:g} may be"
    return inference("latency", unless(p95_ms > P95_MS_MAX), says)


def _silent(facts: Facts, firing: dict[str, int], idle_ns: int) -> Rule:
    loud = [name for name, count in firing.items() if count]
    if loud:
        says = f"{loud[0]} was firing in {firing[loud[0]]} samples before the canary came"
        return inference("silent", unless(True), says)
    if not facts.clocks_known or not _is_known(facts) or idle_ns > BLIND_EVALUATIONS * facts.evaluation_ns:
        says = f"No alert was seen before the canary, but no rule was evaluated for {idle_ns / NS_PER_S:.1f} s of it"
        return inference("silent", unless(True), says)
    return inference("silent", unless(False), f"None of {len(firing)} watched alerts fired before the canary came")


def _hypothesis(facts: Facts) -> Rule:
    met = [bool(event.data["met"]) for event in facts.evidence.of(Kind.HYPOTHESIS) if event.data["when"] == "before"]
    if not met:
        return inference("hypothesis", unless(True), "The steady-state probes were not asked before the canary")
    says = "The steady-state probes said that the service was well" if all(met) else "The steady-state probes said no"
    return inference("hypothesis", unless(not all(met)), says)
