"""alert: did the required rules fire for the right version when they had to, and no forbidden one.

Terms. An alert *fires* at each raw sample of `ALERTS{alertstate="firing"}` with the canary's track and
version; one that asks to hold fires for the service, whatever its labels. Its *edge* is the first of those after
the first faulted answer. It is *blind time* when Prometheus has no sample of anything for more than three
evaluation intervals: an alert may have fired there unseen. Blind time *matters* from the first faulted answer
until every required alert fired, or would be late. It is *idle time* when it has no sample that only the rules
make: a Prometheus that scrapes and evaluates nothing never fires, which must not look like a service that is
well. *Notified*: the harness's own recorder, one more receiver of the same route, got a firing notification
about it. *Resolved*: it does not fire in the last RESOLVED_S of the samples. The *bounds* of an alert are the
quantiles that chance alone leaves of its detection, where the manifest has its rule's parameters (bounds.py).

Measured: for every required alert `<name>_detect_s_min` and `<name>_detect_s_max`, edge less first faulted
answer, and its bounds where known, `<name>_bound_s_min`, `<name>_bound_s_max`; `firing_samples_count`, of all
alerts; `forbidden_samples_count`; `blind_s_max` and `idle_s_max`, the longest such stretch while the load ran;
`blind_when_it_mattered_s_max`; `notifications_count`, of Alertmanager.

A trial that requires no alert is asked only for the forbidden ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from harness.clock import NS_PER_S
from harness.evidence.finding import Finding, Instant, Rule, Verdict, merge
from harness.evidence.format import Kind
from harness.judge.chain import TEAM, alert_edge, between, notified_ns, rollback_decision
from harness.judge.detection import bounds_s
from harness.judge.facts import Facts, longest_gap_ns
from harness.judge.saying import Interval, bounded, finding, inference, seconds, unless, witness

ID: Final = "alert"
BLIND_EVALUATIONS: Final = 3  # one missed scrape is everyday; three evaluations in a row are a hole
RESOLVED_S: Final = 2.0  # two evaluations in drill timing
RESOLVE_S_MAX: Final = 10.0  # twice the rule's window of 5 s, which still holds errors when the fault is healed
# Alertmanager gives each delivery at least 10 s before it gives up.
NOTIFY_S_MAX: Final = 10.0


def check(facts: Facts) -> Finding:
    """Up to eight rules; only `forbidden` where no alert is required."""
    bounds = bounds_s(facts)
    rules = [_forbidden(facts)]
    if facts.required:
        missing = _missing(facts)
        rules = [
            _not_before(facts),
            _blind(facts),
            _fired(facts, missing),
            _in_time(facts, missing),
            *_in_bounds(facts, bounds),
            _notification(facts, missing),
            *rules,
            _resolved(facts),
        ]
    names = ", ".join(facts.required)
    well = f"{names} fired, was notified and resolved" if names else "No forbidden alert fired"
    return finding(ID, rules, _measured(facts, bounds), well)


def edges(facts: Facts) -> dict[str, Instant]:
    """The firing edge of every required alert."""
    after = facts.chain["first_faulted_response"]
    return {alert: alert_edge(facts, alert, "firing", after) for alert in facts.required}


def _measured(facts: Facts, bounds: Mapping[str, tuple[float, float]]) -> dict[str, Any]:
    measured: dict[str, Any] = {
        "firing_samples_count": int((facts.alerts.state == "firing").sum()),
        "forbidden_samples_count": sum(int(facts.alerts.firing(name).size) for name in _forbidden_names(facts)),
        "notifications_count": _notifications_count(facts),
        "blind_s_max": blind_ns(facts, facts.start_ns, facts.stop_ns) / NS_PER_S,
        "idle_s_max": _idle_ns(facts) / NS_PER_S,
    }
    if facts.required:
        measured["blind_when_it_mattered_s_max"] = blind_ns(facts, *_mattered_ns(facts)) / NS_PER_S
    for alert, (best_s, worst_s) in bounds.items():
        measured[f"{alert}_bound_s_min"], measured[f"{alert}_bound_s_max"] = best_s, worst_s
    for alert, took in _detects(facts).items():
        measured[f"{alert}_detect_s_min"], measured[f"{alert}_detect_s_max"] = took[0] / NS_PER_S, took[1] / NS_PER_S
    return measured


def _detects(facts: Facts) -> dict[str, Interval]:
    first = facts.chain["first_faulted_response"]
    return {alert: between(first, edge) for alert, edge in edges(facts).items() if edge.known}


def _forbidden_names(facts: Facts) -> tuple[str, ...]:
    return tuple(facts.expect["alerts_forbidden"])


def blind_ns(facts: Facts, start_ns: int, end_ns: int) -> int:
    """The longest stretch of [start, end] without any Prometheus sample."""
    return longest_gap_ns(facts.evidence.samples["t_ns"], start_ns, end_ns)


def _mattered_ns(facts: Facts) -> tuple[int, int]:
    """When Prometheus had to see: see the module's terms. All of the load where no answer was faulted."""
    first = facts.chain["first_faulted_response"]
    if not first.known:
        return facts.start_ns, facts.stop_ns
    late_ns = first.hi_ns + round(facts.limit_s("detect_s_max") * NS_PER_S)
    found = edges(facts).values()
    until_ns = max(edge.lo_ns for edge in found) if all(edge.known for edge in found) else late_ns
    return first.lo_ns, max(first.lo_ns, min(until_ns, late_ns, facts.stop_ns))


def _blind(facts: Facts) -> Rule:
    start_ns, end_ns = _mattered_ns(facts)
    gap_ns = blind_ns(facts, start_ns, end_ns)
    count = int(((facts.evidence.samples["t_ns"] >= start_ns) & (facts.evidence.samples["t_ns"] <= end_ns)).sum())
    says = (
        f"Prometheus had {count} samples in the {(end_ns - start_ns) / NS_PER_S:.1f} s that mattered, the longest hole "
        f"is {gap_ns / NS_PER_S:.1f} s; {BLIND_EVALUATIONS} evaluations are allowed"
    )
    return inference("blind", unless(start_ns == 0 or gap_ns > BLIND_EVALUATIONS * facts.evaluation_ns), says)


def _notifications_count(facts: Facts) -> int:
    return sum(one.receiver != TEAM for one in facts.evidence.notifications)


def _idle_ns(facts: Facts) -> int:
    """The longest stretch of the load in which no rule was evaluated."""
    return longest_gap_ns(facts.evaluated_ns, facts.start_ns, facts.stop_ns)


def _not_before(facts: Facts) -> Rule:
    on, first = facts.chain["fault_on"], facts.chain["first_faulted_response"]
    if not on.known or not facts.clocks_known:
        why = on.unknown or "no clock sample places Prometheus's stamps"
        return witness("not_before", Verdict.INCONCLUSIVE, f"Whether an alert fired before the fault is open: {why}")
    times = np.concatenate([facts.alerts.of_canary(alert, "firing", facts.versions[1]) for alert in facts.required])
    before = int((times + facts.slack_ns < on.lo_ns).sum())
    if before:
        says = f"A required alert was firing in {before} samples before the fault was on: it fires for something else"
        return witness("not_before", Verdict.FAIL, says)
    early = int((times < first.lo_ns).sum()) if first.known else int(times.size)
    says = f"{early} of {times.size} firing samples of required alerts came before the first faulted answer"
    return witness("not_before", unless(early > 0), says)


def _missing(facts: Facts) -> tuple[Verdict, str]:
    """What it means that a required alert never fired: PASS and "" where all did.

    FAIL only where it could have: the fault was felt, Prometheus saw, and it had the time. A rollback for
    another reason takes that time away with the canary's traffic; that is the cause's fault, not the alert's.
    """
    silent = [edge.unknown for edge in edges(facts).values() if not edge.known]
    if not silent:
        return Verdict.PASS, ""
    first = facts.chain["first_faulted_response"]
    if not first.known:
        return Verdict.FAIL, f"It had nothing to fire for: {first.unknown}"
    end_ns = first.hi_ns + round(facts.limit_s("detect_s_max") * NS_PER_S)
    if _blind(facts).verdict is not Verdict.PASS:
        gap_s = blind_ns(facts, *_mattered_ns(facts)) / NS_PER_S
        return Verdict.INCONCLUSIVE, f"{silent[0]}, but Prometheus was blind for {gap_s:.1f} s when it should have"
    lasted_ns = _lasted_until_ns(facts) - first.lo_ns
    if lasted_ns < end_ns - first.hi_ns:
        says = f"{silent[0]}, but fault and load lasted only {lasted_ns / NS_PER_S:.1f} s of the time it had"
        return Verdict.INCONCLUSIVE, says
    return Verdict.FAIL, silent[0]


def _lasted_until_ns(facts: Facts) -> int:
    """The end of load and fault. Where the controller acted the fault is healed after it: for a required alert the
    load counts alone, for anything else the canary's last request, after which no rule could see the fault."""
    decision = rollback_decision(facts)
    if facts.holds and facts.chain["decided"].known:
        return facts.stop_ns
    if decision is not None:
        shifted = facts.chain["shifted"]
        other = decision.data["alert"] not in facts.required and shifted.known
        return min(facts.stop_ns, shifted.hi_ns) if other else facts.stop_ns
    healed = facts.evidence.of(Kind.FAULT_HEALED)
    return min([facts.stop_ns, *(int(event.data["lo_ns"]) for event in healed)])


def _fired(facts: Facts, missing: tuple[Verdict, str]) -> Rule:
    verdict, why = missing
    count = len(facts.required)
    of_service = all(facts.alerts.is_of_service(alert) for alert in facts.required)
    whom = "the service" if of_service else facts.versions[1]
    return inference("fired", verdict, why or f"{count} of {count} required alerts fired for {whom}")


def _in_time(facts: Facts, missing: tuple[Verdict, str]) -> Rule:
    limit_s, detects = facts.limit_s("detect_s_max"), _detects(facts)
    if missing[1]:
        return inference("in_time", missing[0], f"A required alert did not fire within {limit_s:g} s: {missing[1]}")
    verdict = merge(bounded(took, limit_s) for took in detects.values())
    alert, took = max(detects.items(), key=lambda item: item[1][1])
    says = f"{alert} fired {seconds(took)} after the first faulted answer; {limit_s:g} s are allowed"
    return inference("in_time", verdict, says)


def _in_bounds(facts: Facts, bounds: Mapping[str, tuple[float, float]]) -> tuple[Rule, ...]:
    """One rule where an alert that fired has bounds, none else."""
    detects = _detects(facts)
    for alert, (best_s, worst_s) in bounds.items():
        if alert not in detects:
            continue
        low_ns, high_ns = detects[alert]
        outside = high_ns < best_s * NS_PER_S or low_ns > worst_s * NS_PER_S
        says = (
            f"{alert} fired {seconds(detects[alert])} after the first faulted answer; chance leaves {best_s:.3f} to "
            f"{worst_s:.3f} s but for one trial in a thousand"
        )
        return (inference("in_bounds", unless(outside), says),)
    return ()


def _notification(facts: Facts, missing: tuple[Verdict, str]) -> Rule:
    """FAIL where Alertmanager had its time for a delivery and the recorder got none."""
    if missing[1]:
        return inference("notification", missing[0], f"Nobody could be notified of an alert: {missing[1]}")
    for alert, edge in edges(facts).items():
        if any(at_ns >= edge.lo_ns for at_ns in notified_ns(facts, alert)):
            continue
        wait_s = NOTIFY_S_MAX + float(facts.evidence.manifest["timing"]["group_wait_s"])
        watched_s = (facts.stop_ns - edge.hi_ns) / NS_PER_S
        says = f"{alert} fired, and no receiver was notified within the {watched_s:.1f} s after it"
        return inference("notification", Verdict.FAIL if watched_s >= wait_s else Verdict.INCONCLUSIVE, says)
    count = _notifications_count(facts)
    return inference("notification", Verdict.PASS, f"Every required alert was notified ({count} notifications came)")


def _forbidden(facts: Facts) -> Rule:
    names = _forbidden_names(facts)
    if not names:
        return witness("forbidden", Verdict.PASS, "No alert is forbidden")
    fired = {name: facts.alerts.firing(name) for name in names}
    for name, times in fired.items():
        if times.size:
            at = (
                f", first at {(int(times[0]) - facts.start_ns) / NS_PER_S:.1f} s of the load"
                if facts.clocks_known
                else ""
            )
            says = f"The forbidden alert {name} was firing in {times.size} samples{at}"
            return witness("forbidden", Verdict.FAIL, says)
    count, idle_ns = int(facts.evaluated_ns.size), _idle_ns(facts)
    if count == 0 or facts.start_ns == 0 or idle_ns > BLIND_EVALUATIONS * facts.evaluation_ns:
        says = f"No forbidden alert was seen, but no rule was evaluated for {idle_ns / NS_PER_S:.1f} s of the load"
        return witness("forbidden", Verdict.INCONCLUSIVE, says)
    says = f"0 firing samples of {', '.join(names)} beside {count} samples of rules without a hole"
    return witness("forbidden", Verdict.PASS, says)


def _resolved(facts: Facts) -> Rule:
    """FAIL where it still fires RESOLVE_S_MAX after the fault was healed."""
    healed_ns = [int(event.data["hi_ns"]) for event in facts.evidence.of(Kind.FAULT_HEALED)]
    samples_ns = facts.evidence.samples["t_ns"]
    if not healed_ns or samples_ns.size == 0:
        why = "the fault was never healed" if not healed_ns else "Prometheus has no samples"
        return inference("resolved", Verdict.INCONCLUSIVE, f"Whether the alert resolved is open: {why}")
    last_ns = int(samples_ns.max())
    firing = np.concatenate([facts.alerts.of_canary(alert, "firing", facts.versions[1]) for alert in facts.required])
    still = firing[firing > last_ns - round(RESOLVED_S * NS_PER_S)]
    after_s = (last_ns - max(healed_ns)) / NS_PER_S
    if after_s < RESOLVED_S:
        says = f"Samples end {after_s:.1f} s after the fault was healed, too soon to see the alert resolve"
        return inference("resolved", Verdict.INCONCLUSIVE, says)
    if still.size == 0:
        says = f"0 firing samples in the last {RESOLVED_S:g} s of the samples, which end {after_s:.1f} s after the heal"
        return inference("resolved", Verdict.PASS, says)
    verdict = Verdict.FAIL if after_s >= RESOLVE_S_MAX else Verdict.INCONCLUSIVE
    says = f"It was still firing {after_s:.1f} s after the fault was healed; {RESOLVE_S_MAX:g} s are allowed"
    return inference("resolved", verdict, says)
