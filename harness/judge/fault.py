"""fault: did the fault reach the answers of the tracks it was meant for, as strong as declared, and nothing else.

Terms. The *declared tracks* are those that the experiment breaks: the canary, unless it says otherwise. An answer is
*marked* when it carries the injector's mark. The *fault window* runs from the end of the last call that switched the
fault on before any healed it (one an instance) to the first of: the latest dispatch to the canary, the start of the
first call that healed it, its own deadline. An answer counts to the window when it was sent and complete inside it.
*Landed*: at least one marked answer of each declared track. *Strength*: marked among a track's answers in the window,
against the declared share, by an exact two-sided binomial test within the trial's budget.

Measured: `marked_count`, marked answers of the trial; for each declared track, in the window,
`<track>_answers_count`, `<track>_marked_count`, the share `<track>_measured_share` with its exact 95 % interval
`..._lo` and `..._hi`, and `<track>_strength_p`; `declared_share`; `retried_count`, requests that the router sent
more than once.

No rule can FAIL: a fault that did not land as declared tests nothing. Not covered: faults that leave no mark.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from harness.clock import NS_PER_S
from harness.evidence.finding import Finding, Rule
from harness.evidence.format import Kind
from harness.judge import statistics
from harness.judge.facts import CANARY, CANARY_TRACK, NOBODY, STABLE, Array, Facts
from harness.judge.saying import budgeted, finding, inference, percent, unless

ID: Final = "fault"
TRACKS: Final = {CANARY_TRACK: CANARY, "stable": STABLE}
# (marked, all) answers of a track in the window: without those of nobody, and with all of those.
Counts = tuple[tuple[int, int], tuple[int, int]]


def check(facts: Facts) -> Finding:
    """Five rules, all INCONCLUSIVE where they do not hold."""
    marked = facts.evidence.operations["fault_mark"] != ""
    share = float(facts.evidence.manifest["fault"]["share"])
    counts = counted(facts, marked)
    attempts = facts.evidence.routing["attempts"]
    rules = (
        _honest_router(attempts),  # first: what a retry hides, the others see as weakness
        _landed(facts, marked),
        _mis_aimed(facts, marked),
        _confined(facts, marked),
        _strength(facts, counts, share),
    )
    measured: dict[str, Any] = {"marked_count": int(marked.sum()), "declared_share": share}
    for track, ((k, n), _) in counts.items():
        measured |= _measured(track, k, n, share)
    measured["retried_count"] = int((attempts > 1).sum())
    reached = ", ".join(f"{k} of {n} answers of {track}" for track, ((k, n), _) in counts.items())
    return finding(ID, rules, measured, f"The fault reached {reached}, and nothing else")


def declared(facts: Facts) -> tuple[str, ...]:
    """The tracks that the experiment breaks."""
    return tuple(facts.evidence.manifest["fault"].get("tracks") or (CANARY_TRACK,))


def fault_window(facts: Facts) -> Array:
    """Which operations count to the fault window. Shape (n,) bool."""
    operations = facts.evidence.operations
    healed_ns = min((int(event.data["lo_ns"]) for event in facts.evidence.of(Kind.FAULT_HEALED)), default=facts.stop_ns)
    on = [event for event in facts.evidence.of(Kind.FAULT_ON) if int(event.data["lo_ns"]) < healed_ns]
    if not on:
        return np.zeros(operations["sent_ns"].size, dtype=bool)
    deadline_ns = round(float(facts.evidence.manifest["fault"]["deadline_s"]) * NS_PER_S)
    ends_ns = [facts.stop_ns, healed_ns, *(int(event.data["lo_ns"]) + deadline_ns for event in on)]
    shifted = facts.chain["shifted"]
    sent_by_ns = shifted.hi_ns if shifted.known else facts.stop_ns
    sent_ns = operations["sent_ns"]
    from_ns = max(int(event.data["hi_ns"]) for event in on)
    within = (sent_ns >= from_ns) & (sent_ns <= sent_by_ns) & (operations["done_ns"] <= min(ends_ns))
    return np.asarray(within & (operations["status"] > 0))


def counted(facts: Facts, marked: Array) -> dict[str, Counts]:
    """The counts of each declared track in the window."""
    in_window = fault_window(facts)
    found = {}
    for track in declared(facts):
        certain = in_window & (facts.tracks == TRACKS[track])
        possible = certain | (in_window & (facts.tracks == NOBODY))
        found[track] = (
            (int((marked & certain).sum()), int(certain.sum())),
            (int((marked & possible).sum()), int(possible.sum())),
        )
    return found


def p_values(facts: Facts) -> Mapping[str, float]:
    """The p of each declared track's strength, as `fault/<track>`; none without a fault or an answer."""
    if facts.evidence.manifest["fault"] is None:
        return {}
    share = float(facts.evidence.manifest["fault"]["share"])
    counts = counted(facts, facts.evidence.operations["fault_mark"] != "")
    return {f"{ID}/{track}": _weakest(both, share) for track, both in counts.items() if both[0][1] > 0}


def _weakest(counts: Counts, share: float) -> float:
    """The smaller p, whoever the answers of nobody belong to."""
    return min(statistics.two_sided_p(k, n, share) for k, n in counts)


def _measured(track: str, k: int, n: int, share: float) -> dict[str, Any]:
    low, high = statistics.clopper_pearson(k, n)
    measured: dict[str, Any] = {
        f"{track}_answers_count": n,
        f"{track}_marked_count": k,
        f"{track}_measured_share_lo": low,
        f"{track}_measured_share_hi": high,
    }
    if n:
        p = statistics.two_sided_p(k, n, share)
        measured |= {f"{track}_measured_share": k / n, f"{track}_strength_p": p}
    return measured


def _landed(facts: Facts, marked: Array) -> Rule:
    on = facts.chain["fault_on"]
    if not on.known:
        return inference("landed", unless(True), f"The fault did not land: {on.unknown}")
    since = marked & (facts.evidence.operations["done_ns"] >= on.lo_ns)
    counts = {track: int((since & (facts.tracks == TRACKS[track])).sum()) for track in declared(facts)}
    told = " and ".join(f"{count} answers of {track}" for track, count in counts.items())
    return inference("landed", unless(min(counts.values()) == 0), f"{told} carry the injector's mark")


def _mis_aimed(facts: Facts, marked: Array) -> Rule:
    tracks = declared(facts)
    aimed = np.isin(facts.tracks, [TRACKS[track] for track in tracks])
    astray, count = int((marked & ~aimed).sum()), int(marked.sum())
    says = f"{astray} of {count} marked answers did not come from {' or '.join(tracks)}"
    return inference("mis_aimed", unless(astray > 0 or count == 0), says)


def _confined(facts: Facts, marked: Array) -> Rule:
    on, operations = facts.chain["fault_on"], facts.evidence.operations
    if not on.known or not marked.any():
        return inference("confined", unless(True), "No marked answer came, so none could stray in time")
    healed_ns = [int(event.data["hi_ns"]) for event in facts.evidence.of(Kind.FAULT_HEALED)]
    early = int((marked & (operations["done_ns"] < on.lo_ns)).sum())
    late = int((marked & (operations["sent_ns"] > max(healed_ns))).sum()) if healed_ns else 0
    says = f"{early} of {int(marked.sum())} marked answers came before the fault was on, {late} after it was healed"
    return inference("confined", unless(early + late > 0), says)


def _strength(facts: Facts, counts: Mapping[str, Counts], share: float) -> Rule:
    for track, ((_, n), _) in counts.items():
        if n == 0:
            return inference("strength", unless(True), f"The {track} gave no answer while the fault was on")
    worst = min(counts, key=lambda track: _weakest(counts[track], share))
    (k, n), (_, n_all) = counts[worst]
    low, high = statistics.clopper_pearson(k, n)
    nobody = f"; {n_all - n} more answers name no version" if n_all > n else ""
    says = (
        f"{k} of {n} answers of {worst} were marked ({percent(k / n)}, exact 95 % interval {percent(low)} to "
        f"{percent(high)}) where {percent(share)} are declared: p = {_weakest(counts[worst], share):.2g}, "
        f"{budgeted(facts)}{nobody}"
    )
    wrong = any(f"{ID}/{track}" in facts.refuted for track in counts)
    return inference("strength", unless(wrong), says)


def _honest_router(attempts: Array) -> Rule:
    if attempts.size == 0:
        return inference(
            "honest_router", unless(True), "The router logged nothing, so a retry could have hidden the fault"
        )
    retried = int((attempts > 1).sum())
    says = f"{retried} of {attempts.size} requests were sent more than once by the router; a retry would hide the fault"
    return inference("honest_router", unless(retried > 0), says)
