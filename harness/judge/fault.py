"""fault: did the fault reach the canary's answers, as strong as declared, and nothing else.

Terms. An answer is *marked* when it carries the injector's mark. The *fault window* runs from the end of
the call that switched it on to the first of: the latest dispatch to the canary, the start of the call that
healed it, its own deadline. An answer counts to the window when it was sent and complete inside it.
*Landed*: at least one marked answer of the canary. *Strength*: marked among the canary's answers in the
window, against the declared share, by an exact two-sided binomial test.

Measured: `marked_count`, marked answers of the trial; `canary_answers_count` and `canary_marked_count` in
the window; `declared_share`, `measured_share` and its exact 95 % interval `measured_share_lo`, `_hi`;
`strength_p`; `retried_count`, requests that the router sent more than once.

No rule can FAIL: a fault that did not land as declared tests nothing.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from harness.clock import NS_PER_S
from harness.evidence.finding import Finding, Rule
from harness.evidence.format import Kind
from harness.judge import statistics
from harness.judge.facts import CANARY, NOBODY, Array, Facts
from harness.judge.saying import finding, inference, percent, unless

ID: Final = "fault"
# The false-alarm budget of a trial's statistics; at 5 % one honest trial in twenty would be thrown away.
STRENGTH_P_MIN: Final = 1e-4


def check(facts: Facts) -> Finding:
    """Five rules, all INCONCLUSIVE where they do not hold."""
    operations = facts.evidence.operations
    marked = operations["fault_mark"] != ""
    share = float(facts.evidence.manifest["fault"]["share"])
    in_window = fault_window(facts)
    counts = counted(marked, facts.tracks, in_window)
    attempts = facts.evidence.routing["attempts"]
    rules = (
        _honest_router(attempts),  # first: what a retry hides, the others see as weakness
        _landed(facts, marked),
        _aimed(marked, facts.tracks),
        _confined(facts, marked),
        _strength(counts, share),
    )
    k, n = counts[0]
    low, high = statistics.clopper_pearson(k, n)
    measured: dict[str, Any] = {
        "marked_count": int(marked.sum()),
        "canary_answers_count": n,
        "canary_marked_count": k,
        "declared_share": share,
        "measured_share_lo": low,
        "measured_share_hi": high,
        "retried_count": int((attempts > 1).sum()),
    }
    if n:
        measured |= {"measured_share": k / n, "strength_p": statistics.two_sided_p(k, n, share)}
    return finding(ID, rules, measured, f"The fault reached {k} of {n} answers of the canary, and nothing else")


def fault_window(facts: Facts) -> Array:
    """Which operations count to the fault window. Shape (n,) bool."""
    operations, on = facts.evidence.operations, facts.chain["fault_on"]
    if not on.known:
        return np.zeros(operations["sent_ns"].size, dtype=bool)
    ends_ns = [facts.stop_ns, on.lo_ns + round(float(facts.evidence.manifest["fault"]["deadline_s"]) * NS_PER_S)]
    ends_ns += [int(event.data["lo_ns"]) for event in facts.evidence.of(Kind.FAULT_HEALED)]
    shifted = facts.chain["shifted"]
    sent_by_ns = shifted.hi_ns if shifted.known else facts.stop_ns
    sent_ns = operations["sent_ns"]
    within = (sent_ns >= on.hi_ns) & (sent_ns <= sent_by_ns) & (operations["done_ns"] <= min(ends_ns))
    return np.asarray(within & (operations["status"] > 0))


def counted(marked: Array, tracks: Array, in_window: Array) -> tuple[tuple[int, int], tuple[int, int]]:
    """(marked, all) of the canary's answers in the window: without those of nobody, and with all of those."""
    certain = in_window & (tracks == CANARY)
    possible = certain | (in_window & (tracks == NOBODY))
    return (
        (int((marked & certain).sum()), int(certain.sum())),
        (int((marked & possible).sum()), int(possible.sum())),
    )


def _landed(facts: Facts, marked: Array) -> Rule:
    on = facts.chain["fault_on"]
    if not on.known:
        return inference("landed", unless(True), f"The fault did not land: {on.unknown}")
    done_ns = facts.evidence.operations["done_ns"]
    count = int((marked & (facts.tracks == CANARY) & (done_ns >= on.lo_ns)).sum())
    return inference("landed", unless(count == 0), f"{count} answers of the canary carry the injector's mark")


def _strength(counts: tuple[tuple[int, int], tuple[int, int]], share: float) -> Rule:
    (k, n), (k_all, n_all) = counts
    if n == 0:
        return inference("strength", unless(True), "The canary gave no answer while the fault was on")
    weakest = min(statistics.two_sided_p(k, n, share), statistics.two_sided_p(k_all, n_all, share))
    low, high = statistics.clopper_pearson(k, n)
    nobody = f"; {n_all - n} more answers name no version" if n_all > n else ""
    says = (
        f"{k} of {n} answers of the canary were marked ({percent(k / n)}, exact 95 % interval {percent(low)} to "
        f"{percent(high)}) where {percent(share)} are declared: p = {weakest:.2g}, at least 1e-4 is needed{nobody}"
    )
    return inference("strength", unless(weakest < STRENGTH_P_MIN), says)


def _aimed(marked: Array, tracks: Array) -> Rule:
    astray, count = int((marked & (tracks != CANARY)).sum()), int(marked.sum())
    says = f"{astray} of {count} marked answers did not come from the canary"
    return inference("aimed", unless(astray > 0 or count == 0), says)


def _confined(facts: Facts, marked: Array) -> Rule:
    on, operations = facts.chain["fault_on"], facts.evidence.operations
    if not on.known or not marked.any():
        return inference("confined", unless(True), "No marked answer came, so none could stray in time")
    healed_ns = [int(event.data["hi_ns"]) for event in facts.evidence.of(Kind.FAULT_HEALED)]
    early = int((marked & (operations["done_ns"] < on.lo_ns)).sum())
    late = int((marked & (operations["sent_ns"] > max(healed_ns))).sum()) if healed_ns else 0
    says = f"{early} of {int(marked.sum())} marked answers came before the fault was on, {late} after it was healed"
    return inference("confined", unless(early + late > 0), says)


def _honest_router(attempts: Array) -> Rule:
    if attempts.size == 0:
        return inference(
            "honest_router", unless(True), "The router logged nothing, so a retry could have hidden the fault"
        )
    retried = int((attempts > 1).sum())
    says = f"{retried} of {attempts.size} requests were sent more than once by the router; a retry would hide the fault"
    return inference("honest_router", unless(retried > 0), says)
