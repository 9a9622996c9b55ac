"""The instants of a trial, from the fault to recovery, each as an interval with its source.

Terms, and why each interval is as wide as it is:

    fault_on                the injector's first call, bracketed by two reads of the clock
    first_faulted_response  the first answer with the injector's mark that was complete after fault_on began
    alert_pending, _firing  the evaluation whose ALERTS sample first has that state. An alert has no state
                            between evaluations, so lo is the sample's stamp (less clock slack) and not the
                            evaluation before; a stamp is when the evaluation was due, and one that came more
                            than an interval late would have been skipped, so hi is one interval after it, or
                            the first notification about it where that came earlier
    notified                the recorder's own stamp
    decided                 the controller's record of the decision that the experiment expects, to roll back or to
                            hold, written before it called the router: a claim
    weight_zero_status      from the last read above 0 to the first read of 0 after the decision (after the
    weight_zero_route       fault where nothing was decided), of the controller's status and of the router
    shifted                 the latest dispatch to the canary in the router's log, give or take clock slack
    drained                 the latest completion of one, the same and the log's resolution of 1 ms
    team_notified           the recorder's own stamp of what the controller told its team after the decision
    clean                   from the last bad answer before GOOD_SECONDS good seconds in a row to the first
                            answer after it. A second is good when it has answers and none of them is bad: no
                            answer at all, a status of 500 or more, or the injector's mark

An edge that never came, or that the experiment does not lead to, says why it is unknown.
Not covered: faults of several kinds in one trial.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np

from harness.clock import NS_PER_MS, NS_PER_S
from harness.evidence.finding import CHAIN, Instant
from harness.evidence.format import Kind
from harness.evidence.run import Evidence, Notification
from harness.evidence.timeline import Event
from harness.judge.facts import (
    CANARY_TRACK,
    HOLD,
    Array,
    Facts,
    alert_samples,
    bad_answers,
    canary_start_ns,
    clock_slack_ns,
    evaluated_ns,
    index_in,
    load_span,
    tracks_of,
)
from harness.judge.saying import Interval
from harness.judge.weights import weight_edge

TEAM: Final = "team"  # the receiver under which the recorder keeps what the controller tells its team
GOOD_SECONDS: Final = 10
DURATIONS: Final = {
    "detect": ("first_faulted_response", "alert_firing"),
    "react": ("alert_firing", "decided"),
    "shift": ("first_faulted_response", "shifted"),
    "drain": ("shifted", "drained"),
    "recover": ("first_faulted_response", "clean"),
}
NO_FAULT: Final = "the experiment injects no fault"
NO_ROLLBACK: Final = "the experiment expects no rollback"


def gather(evidence: Evidence) -> Facts:
    """Everything that the checks share."""
    route_of = index_in(evidence.operations["op_id"], evidence.routing["op_id"])
    start_ns, stop_ns = load_span(evidence)
    due = (evidence.schedule["offset_ns"] < stop_ns - start_ns) & (start_ns > 0)
    facts = Facts(
        evidence=evidence,
        tracks=tracks_of(evidence, route_of),
        route_of=route_of,
        bad=bad_answers(evidence),
        due=due,
        start_ns=start_ns,
        stop_ns=stop_ns,
        canary_ns=canary_start_ns(evidence),
        slack_ns=clock_slack_ns(evidence),
        alerts=alert_samples(evidence),
        evaluated_ns=evaluated_ns(evidence),
        chain={},
    )
    return replace(facts, chain=chain_of(facts))


def chain_of(facts: Facts) -> dict[str, Instant]:
    """Every edge of CHAIN, known or not. A later edge is looked for after the earlier ones it follows from."""
    chain: dict[str, Instant] = {}
    chain["fault_on"] = _fault_on(facts)
    chain["first_faulted_response"] = _first_faulted(facts, chain["fault_on"])
    after = chain["first_faulted_response"]
    chain["alert_pending"] = _alert_edge(facts, "pending", after)
    chain["alert_firing"] = _alert_edge(facts, "firing", after)
    chain["notified"] = _first_notified(facts, after)
    chain["decided"] = _decided(facts)
    since = chain["decided"] if chain["decided"].known else chain["fault_on"]
    chain["weight_zero_status"] = _weight_zero(facts, Kind.CONTROLLER_READ, since)
    chain["weight_zero_route"] = _weight_zero(facts, Kind.WEIGHT_READ, since)
    chain["shifted"], chain["drained"] = _canary_end(facts)
    chain["team_notified"] = _team_notified(facts, chain["decided"])
    chain["clean"] = _clean(facts, after)
    return {name: chain[name] for name in CHAIN}


def durations_ns(chain: Mapping[str, Instant]) -> dict[str, Interval]:
    """DURATIONS whose two edges are known, as intervals in nanoseconds."""
    known = {
        name: between(chain[first], chain[last])
        for name, (first, last) in DURATIONS.items()
        if chain[first].known and chain[last].known
    }
    if "drain" in known:  # a request ends after it began, whatever the width of the two stamps
        known["drain"] = (max(known["drain"][0], 0), max(known["drain"][1], 0))
    return known


def between(first: Instant, last: Instant) -> Interval:
    """How long from one known edge to another, at least and at most."""
    return last.lo_ns - first.hi_ns, last.hi_ns - first.lo_ns


def _span(event: Event, source: str) -> Instant:
    return Instant(int(event.data["lo_ns"]), int(event.data["hi_ns"]), source)


def _fault_on(facts: Facts) -> Instant:
    events = facts.evidence.of(Kind.FAULT_ON)
    if events:
        return _span(events[0], "timeline: fault_on")
    without = facts.evidence.manifest["fault"] is None
    return Instant(unknown=NO_FAULT if without else "the fault was never switched on")


def _first_faulted(facts: Facts, fault_on: Instant) -> Instant:
    if not fault_on.known:
        return Instant(unknown=fault_on.unknown)
    operations = facts.evidence.operations
    done_ns = operations["done_ns"][(operations["fault_mark"] != "") & (operations["done_ns"] >= fault_on.lo_ns)]
    if done_ns.size == 0:
        return Instant(unknown="no answer carries the injector's mark")
    first_ns = int(done_ns.min())
    return Instant(first_ns, first_ns, "operations: fault_mark")


def _alert_edge(facts: Facts, state: str, after: Instant) -> Instant:
    """The earliest required alert's edge into `state`."""
    if not facts.required:
        return Instant(unknown="no alert is required")
    edges = [alert_edge(facts, alert, state, after) for alert in facts.required]
    known = [edge for edge in edges if edge.known]
    return min(known, key=lambda edge: edge.lo_ns) if known else edges[0]


def alert_edge(facts: Facts, alert: str, state: str, after: Instant) -> Instant:
    """When `alert` first was in `state` for the canary's version after `after`."""
    if not after.known:
        return Instant(unknown=after.unknown)
    times = facts.alerts.of_canary(alert, state, facts.versions[1])
    times = times[times >= after.lo_ns]
    if times.size == 0:
        of_service = facts.holds or facts.alerts.is_of_service(alert)  # without a sample only the plan says so
        whose = "" if of_service else f" for version {facts.versions[1]} on the canary"
        return Instant(unknown=f"{alert} was never {state}{whose}")
    lo_ns, hi_ns = int(times[0]) - facts.slack_ns, int(times[0]) + facts.evaluation_ns
    if state == "firing":
        heard = [at_ns for at_ns in notified_ns(facts, alert) if at_ns >= lo_ns]
        hi_ns = min([hi_ns, *heard])
    return Instant(lo_ns, hi_ns, f'samples: ALERTS{{alertname="{alert}",alertstate="{state}"}}')


def notified_ns(facts: Facts, alert: str) -> list[int]:
    """When any receiver got a firing notification of `alert` about what it must be about, in order."""
    found = []
    for notification in facts.evidence.notifications:
        entries = notification.body.get("alerts", ())
        if any(_is_about(entry, alert, facts.versions[1]) for entry in entries):
            found.append(notification.t_ns)
    return sorted(found)


def _is_about(entry: Mapping[str, Any], alert: str, version: str) -> bool:
    """Like AlertSamples.of_canary: the canary's version, or the service where the alert asks to hold."""
    labels = entry.get("labels", {})
    mine = labels.get("version") == version or (labels.get("track") != CANARY_TRACK and labels.get("action") == HOLD)
    return bool(mine and labels.get("alertname") == alert and entry.get("status") == "firing")


def _first_notified(facts: Facts, after: Instant) -> Instant:
    if not facts.required or not after.known:
        return Instant(unknown=after.unknown or "no alert is required")
    heard = [at for alert in facts.required for at in notified_ns(facts, alert) if at >= after.lo_ns]
    if not heard:
        return Instant(unknown="no receiver was told")
    return Instant(min(heard), min(heard), "notifications")


def _decided(facts: Facts) -> Instant:
    event = hold_decision(facts) if facts.holds else rollback_decision(facts)
    if event is not None:
        return Instant(event.t_ns, event.t_ns, f"timeline: {event.source}'s record")
    if facts.holds:
        return Instant(unknown="no hold was decided")
    return Instant(unknown="no rollback was decided" if facts.rolls_back else NO_ROLLBACK)


def rollback_decision(facts: Facts) -> Event | None:
    """The controller's first decision to roll back."""
    return _first_decision(facts, "roll_back")


def hold_decision(facts: Facts) -> Event | None:
    """The controller's first decision to go no further."""
    return _first_decision(facts, HOLD)


def _first_decision(facts: Facts, decision: str) -> Event | None:
    decisions = [event for event in facts.evidence.of(Kind.DECIDED) if event.data["decision"] == decision]
    return decisions[0] if decisions else None


def told_team(facts: Facts, since_ns: int) -> list[Notification]:
    """What the controller told its team since this instant, in order."""
    return [one for one in facts.evidence.notifications if one.receiver == TEAM and one.t_ns >= since_ns]


def _team_notified(facts: Facts, decided: Instant) -> Instant:
    if not decided.known:
        return Instant(unknown=decided.unknown)
    if not facts.has_team:
        return Instant(unknown="nobody kept what the controller told its team")
    told = told_team(facts, decided.lo_ns)
    if not told:
        return Instant(unknown="the team was not told")
    return Instant(told[0].t_ns, told[0].t_ns, f"notifications: {TEAM}")


def _weight_zero(facts: Facts, kind: Kind, since: Instant) -> Instant:
    if not facts.rolls_back:
        return Instant(unknown=NO_ROLLBACK)
    if not since.known:
        return Instant(unknown=since.unknown)
    return weight_edge(facts, kind, since.lo_ns, 0.0)


def _canary_end(facts: Facts) -> tuple[Instant, Instant]:
    """(latest dispatch to the canary, latest completion of one)."""
    if not facts.rolls_back:
        return Instant(unknown=NO_ROLLBACK), Instant(unknown=NO_ROLLBACK)
    routing = facts.evidence.routing
    chosen = routing["cluster"] == "canary"
    if not chosen.any():
        unknown = Instant(unknown="the router's log has no dispatch to the canary")
        return unknown, unknown
    starts_ns = routing["start_ns"][chosen]
    ends_ns = starts_ns + np.rint(routing["duration_ms"][chosen] * NS_PER_MS).astype(np.int64)
    shifted_ns, drained_ns = int(starts_ns.max()), int(ends_ns.max())
    slack_ns = facts.slack_ns
    return (
        Instant(shifted_ns - slack_ns, shifted_ns + slack_ns, "routing: start"),
        Instant(drained_ns - slack_ns - NS_PER_MS, drained_ns + slack_ns + NS_PER_MS, "routing: start + duration"),
    )


def _clean(facts: Facts, after: Instant) -> Instant:
    if not after.known:
        return Instant(unknown=after.unknown)
    done_ns, bad = facts.evidence.operations["done_ns"], spoiled(facts.evidence)
    later = done_ns >= after.lo_ns
    bad_ns, good_ns = np.unique(done_ns[later & bad]), np.unique(done_ns[later & ~bad])
    candidates = _long_quiet(bad_ns, good_ns)
    for last_bad_ns, first_good_ns in candidates:
        counts, _ = np.histogram(good_ns - first_good_ns, np.arange(GOOD_SECONDS + 1) * NS_PER_S)
        if counts.all():
            return Instant(last_bad_ns, first_good_ns, "operations: done")
    return Instant(unknown=f"no {GOOD_SECONDS} good seconds in a row came after the first faulted answer")


def spoiled(evidence: Evidence) -> Array:
    """Which operations make their second a bad one, see `clean`. Shape (n,) bool."""
    operations = evidence.operations
    unanswered = (operations["status"] == 0) & (operations["outcome"] != "ok")
    return np.asarray(unanswered | (operations["status"] >= 500) | (operations["fault_mark"] != ""))


def _long_quiet(bad_ns: Array, good_ns: Array) -> Sequence[tuple[int, int]]:
    """(last bad, first good after it) wherever GOOD_SECONDS pass before the next bad one, and answers go on so long."""
    if bad_ns.size == 0 or good_ns.size == 0:
        return []
    place = np.searchsorted(good_ns, bad_ns, side="right")
    followed = place < good_ns.size
    first_good_ns = good_ns[np.minimum(place, good_ns.size - 1)]
    next_bad_ns = np.append(bad_ns[1:], np.iinfo(np.int64).max)
    quiet = followed & (next_bad_ns - first_good_ns >= GOOD_SECONDS * NS_PER_S)
    return list(zip(bad_ns[quiet].tolist(), first_good_ns[quiet].tolist(), strict=True))
