"""requests: which requests of the load were lost or slowed, whose they were, and is every one accounted for.

Terms. A request is *lost* when it failed or stayed unknown without the injector's mark. A marked one is the fault's
own work, and one with a status of 4xx is *refused*: that is an answer, such as 404 for what the fault kept from being
written. It is lost *on stable* when stable gave the answer, from the canary's start on: what came before belongs to
the baseline. It is *unattributed* when neither answer nor router's log says whose it was. A request was *in flight*
when it was sent before the router's weight was 0 and not done then: those are the ones that a rollback could cut. It
is *gone* when it has no row at all and could have been in flight then: it was due before that by no more than the
longest that any request of the trial took, and a second. A user is *impacted* who got a bad answer, marked or not.

Measured: `lost_on_stable_count`, `lost_on_canary_count`, `unattributed_count` and their `..._op_ids`, at most ten;
`stable_answers_count` from the canary's start on; `refused_count`; `users_impacted_count` of `users_count`;
`in_flight_count` and of them `in_flight_unknown_count` with `in_flight_unknown_op_ids`; `gone_count`; for each phase
and track with answers `<phase>_<track>_lost_count` and `<phase>_<track>_p95_ms`.

Not covered: whether a slowed request was slowed too much; the checks baseline and recovery have the band.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from harness.clock import NS_PER_S
from harness.evidence.finding import Finding, Rule, Verdict
from harness.evidence.format import Kind
from harness.judge.baseline import latencies_ms
from harness.judge.facts import CANARY, NOBODY, STABLE, Array, Facts, index_in
from harness.judge.saying import LISTED_MAX, finding, inference, percent, unless, witness
from harness.judge.statistics import rate_detectable

ID: Final = "requests"
TRACKS: Final = {"stable": STABLE, "canary": CANARY}


def check(facts: Facts) -> Finding:
    """Two rules, and a third about requests in flight where a rollback came; whether it came is not asked here."""
    lost = lost_of(facts)
    op_ids = facts.evidence.operations["op_id"]
    late = after_baseline(facts)
    chosen = {
        "lost_on_stable": np.sort(op_ids[lost & late & (facts.tracks == STABLE)].astype(str)),
        "lost_on_canary": np.sort(op_ids[lost & (facts.tracks == CANARY)].astype(str)),
        "unattributed": np.sort(op_ids[lost & (facts.tracks == NOBODY)].astype(str)),
    }
    stable_count = int((late & (facts.tracks == STABLE)).sum())
    flying, gone = in_flight(facts), gone_ids(facts)
    unknown = np.sort(op_ids[flying & (facts.evidence.operations["outcome"] == "unknown")].astype(str))
    rules = [_lost_on_stable(facts, chosen["lost_on_stable"], stable_count), _unattributed(chosen["unattributed"])]
    if facts.chain["weight_zero_route"].known:
        rules.append(_in_flight(int(flying.sum()), unknown, gone))
    users = facts.evidence.operations["user"]
    measured: dict[str, Any] = {
        **{f"{name}_count": int(found.size) for name, found in chosen.items()},
        **{f"{name}_op_ids": found[:LISTED_MAX].tolist() for name, found in chosen.items()},
        "stable_answers_count": stable_count,
        "refused_count": int((facts.bad & _refused(facts)).sum()),
        "users_impacted_count": int(np.unique(users[facts.bad]).size),
        "users_count": int(np.unique(users).size),
        "in_flight_count": int(flying.sum()),
        "in_flight_unknown_count": int(unknown.size),
        "in_flight_unknown_op_ids": unknown[:LISTED_MAX].tolist(),
        "gone_count": int(gone.size),
        **by_phase(facts, lost),
    }
    return finding(ID, rules, measured, f"None of {stable_count} requests to stable was lost, and none is unaccounted")


def lost_of(facts: Facts) -> Array:
    """Which operations were lost. Shape (n,) bool."""
    return np.asarray(facts.bad & ~_refused(facts) & (facts.evidence.operations["fault_mark"] == ""))


def _refused(facts: Facts) -> Array:
    status = facts.evidence.operations["status"]
    return np.asarray((status >= 400) & (status < 500))


def after_baseline(facts: Facts) -> Array:
    """Which operations were not done before the canary's start; none where there was none. Shape (n,) bool."""
    operations = facts.evidence.operations
    ended_ns = np.maximum(operations["sent_ns"], operations["done_ns"])
    return np.asarray((operations["sent_ns"] > 0) & (ended_ns >= facts.canary_ns) & (facts.canary_ns > 0))


def in_flight(facts: Facts) -> Array:
    """Which operations were in flight when the router's weight was 0; none where that is not known. Shape (n,) bool."""
    operations, zero = facts.evidence.operations, facts.chain["weight_zero_route"]
    if not zero.known:
        return np.zeros(facts.bad.size, dtype=bool)
    sent_ns = operations["sent_ns"]
    return np.asarray((sent_ns > 0) & (sent_ns <= zero.hi_ns) & (operations["done_ns"] > zero.lo_ns))


def gone_ids(facts: Facts) -> Array:
    """op_ids that could have been in flight when the router's weight was 0 and have no row. Shape (m,)."""
    zero, schedule, operations = facts.chain["weight_zero_route"], facts.evidence.schedule, facts.evidence.operations
    if not zero.known:
        return schedule["op_id"][:0]
    took_ns = int((operations["done_ns"] - operations["sent_ns"]).max(initial=0)) + NS_PER_S
    due_ns = facts.start_ns + schedule["offset_ns"]
    before = schedule["op_id"][facts.due & (due_ns <= zero.hi_ns) & (due_ns > zero.lo_ns - took_ns)]
    return np.sort(before[index_in(before, facts.evidence.operations["op_id"]) < 0].astype(str))


def by_phase(facts: Facts, lost: Array) -> dict[str, Any]:
    """Lost requests and p95 of each phase of the trial and track, by when a request was sent."""
    events = facts.evidence.of(Kind.PHASE)
    sent_ns = facts.evidence.operations["sent_ns"]
    place = np.searchsorted(np.array([event.t_ns for event in events], dtype=np.int64), sent_ns, side="right") - 1
    found: dict[str, Any] = {}
    for number, event in enumerate(events):
        for track, code in TRACKS.items():
            mine = (place == number) & (facts.tracks == code) & (sent_ns > 0)
            latency_ms = latencies_ms(facts, mine)
            if latency_ms.size:
                name = f"{event.data['phase']}_{track}"
                found[f"{name}_lost_count"] = int((mine & lost).sum())
                found[f"{name}_p95_ms"] = float(np.percentile(latency_ms, 95))
    return found


def _lost_on_stable(facts: Facts, lost: Array, count: int) -> Rule:
    if lost.size:
        says = f"{lost.size} of {count} requests to stable were lost without the fault's mark, among them {lost[0]}"
        return witness("lost_on_stable", Verdict.FAIL, says)
    if count == 0:
        return witness("lost_on_stable", Verdict.INCONCLUSIVE, "Stable gave no answer from the canary's start on")
    could = percent(rate_detectable(count))
    says = f"0 of {count} requests to stable were lost from the canary's start on; a share of {could} would have shown"
    return witness("lost_on_stable", Verdict.PASS, says)


def _unattributed(lost: Array) -> Rule:
    named = f", among them {lost[0]}" if lost.size else ""
    says = f"{lost.size} requests were lost of which neither answer nor router's log says whose they were{named}"
    return inference("unattributed", unless(lost.size > 0), says)


def _in_flight(count: int, unknown: Array, gone: Array) -> Rule:
    if gone.size:
        says = f"{gone.size} requests that could have been in flight at the shift have no row, among them {gone[0]}"
        return inference("in_flight", unless(True), says)
    says = f"{count} requests were in flight when the traffic was shifted; of {unknown.size} the outcome is unknown"
    return inference("in_flight", unless(False), says)
