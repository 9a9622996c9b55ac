"""Mutations of how the rollout ended: not decided, for another cause, the weight, the traffic, in time, who runs.

Terms. The *loser* is the track that had to lose its traffic: the canary where a rollback is expected, stable
where a promotion is. It was *out* at the edge after which a dispatch to it is late.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from harness.clock import NS_PER_MS, NS_PER_S
from harness.evidence.finding import Instant
from harness.evidence.format import Kind
from harness.evidence.run import Evidence
from harness.evidence.timeline import Event
from harness.judge import promotion, removal, rollback
from harness.judge.chain import TEAM, hold_decision, rollback_decision
from harness.judge.facts import Facts
from harness.judge.self_check import edit
from harness.judge.self_check.mutation import Mutation
from harness.judge.traffic import GRACE_NS
from harness.judge.weights import weight_edge

NO_ROLLBACK: Final = "no rollback is expected"
NO_HOLD: Final = "no hold is expected"
NO_PROMOTION: Final = "no promotion is expected"
NOBODY_LOSES: Final = "no track is expected to lose its traffic"
PROMOTED: Final = "promoted"
LEFT_OVER: Final = 5.0  # percent: what a controller that is not thorough leaves behind


@dataclass(frozen=True, slots=True)
class Loser:
    """The track that had to lose its traffic, its version, and when it was out."""

    track: str
    version: str
    other_version: str
    out: Instant  # by the source after which a dispatch is late
    routed: Instant  # by the router
    left_over: float  # a canary's weight at which the loser still gets a little


def _promotes(facts: Facts) -> bool:
    return bool(facts.expect["outcome"] == PROMOTED)


def _loser(facts: Facts) -> Loser | None:
    stable, canary = facts.versions
    if facts.rolls_back:
        status, routed = facts.chain["weight_zero_status"], facts.chain["weight_zero_route"]
        return Loser("canary", canary, stable, status, routed, LEFT_OVER)
    if _promotes(facts):
        full = weight_edge(facts, Kind.WEIGHT_READ, facts.start_ns, promotion.FULL)
        return Loser("stable", stable, canary, full, full, promotion.FULL - LEFT_OVER)
    return None


# -- the decision ---------------------------------------------------------------------------------------------------


def _undecided(facts: Facts) -> Evidence | str:
    decision = rollback_decision(facts)
    return _with_decision(facts, None) if facts.rolls_back and decision else NO_ROLLBACK


def _other_cause(facts: Facts) -> Evidence | str:
    """It was decided for an alert that nobody requires."""
    decision = rollback_decision(facts)
    return _with_decision(facts, edit.saying(decision, alert="")) if facts.rolls_back and decision else NO_ROLLBACK


def _decided_before(facts: Facts) -> Evidence | str:
    """It was decided a second before the fault was on."""
    decision = rollback_decision(facts)
    if not facts.rolls_back or decision is None:
        return NO_ROLLBACK
    if not facts.chain["fault_on"].known:
        return facts.chain["fault_on"].unknown
    early_ns = facts.chain["fault_on"].lo_ns - NS_PER_S
    return _with_decision(facts, Event(early_ns, decision.source, decision.kind, decision.data))


def _with_decision(facts: Facts, instead: Event | None) -> Evidence:
    """With this in the place of the first decision to roll back, and without any later one."""
    events = [
        event
        for event in facts.evidence.events
        if event.kind is not Kind.DECIDED or event.data["decision"] != "roll_back"
    ]
    return edit.with_events(facts.evidence, [*events, *([instead] if instead else [])])


def _rolled_back(facts: Facts) -> Evidence | str:
    """The first decision of a promotion was to roll back."""
    decided = facts.evidence.of(Kind.DECIDED)
    if not _promotes(facts) or not decided:
        return NO_PROMOTION

    def turn(event: Event) -> Event:
        return edit.saying(event, decision="roll_back") if event is decided[0] else event

    return edit.events_changed(facts.evidence, turn, Kind.DECIDED)


def _unfinished(facts: Facts) -> Evidence | str:
    return edit.events_dropped(facts.evidence, Kind.ROLLOUT_FINISHED) if _promotes(facts) else NO_PROMOTION


def _canary_stays(facts: Facts) -> Evidence | str:
    """The guard saw no instance of the canary end before everything did."""
    names = removal.canaries(facts)
    if not facts.rolls_back or not removal.removes(facts) or not names:
        return "the canary is not to be removed"
    last_ns = max(event.t_ns for event in facts.evidence.events)
    events = [
        Event(last_ns, event.source, event.kind, event.data)
        if event.kind is Kind.PROCESS_EXITED and event.data["name"] in names
        else event
        for event in facts.evidence.events
    ]
    return edit.with_events(facts.evidence, events)


def _team_untold(facts: Facts) -> Evidence | str:
    if not facts.has_team or not facts.chain["decided"].known:
        return "nothing was decided that a team on record could be told"
    kept = tuple(one for one in facts.evidence.notifications if one.receiver != TEAM)
    return replace(facts.evidence, notifications=kept)


# -- a hold ---------------------------------------------------------------------------------------------------------


def _hold(facts: Facts) -> Event | None:
    """The decision to hold, where the experiment expects one."""
    return hold_decision(facts) if facts.holds else None


def _hold_undecided(facts: Facts) -> Evidence | str:
    hold = _hold(facts)
    if hold is None:
        return NO_HOLD
    return edit.with_events(facts.evidence, [event for event in facts.evidence.events if event is not hold])


def _hold_of_other_cause(facts: Facts) -> Evidence | str:
    """It was decided for an alert that nobody requires."""
    hold = _hold(facts)
    if hold is None:
        return NO_HOLD
    return edit.events_changed(
        facts.evidence, lambda event: edit.saying(event, alert="") if event is hold else event, Kind.DECIDED
    )


def _hold_moves(facts: Facts) -> Evidence | str:
    """Half of the hold after it was decided, the router shows 5 %."""
    hold = _hold(facts)
    return _weights(facts, Kind.WEIGHT_READ, _half_of(facts, hold.t_ns), LEFT_OVER) if hold else NO_HOLD


def _step_after_hold(facts: Facts) -> Evidence | str:
    hold = _hold(facts)
    if hold is None:
        return NO_HOLD
    step = Event(hold.t_ns + NS_PER_S, hold.source, Kind.DECIDED, {**hold.data, "decision": "step", "weight": 100})
    return edit.with_events(facts.evidence, [*facts.evidence.events, step])


def _held_unwatched(facts: Facts) -> Evidence | str:
    """Nobody reads the router's weight in the second half of the hold."""
    hold = _hold(facts)
    return _unread(facts, _half_of(facts, hold.t_ns)) if hold else NO_HOLD


# -- the weight ----------------------------------------------------------------------------------------------------


def _weights(facts: Facts, kind: Kind, since_ns: int, weight: float) -> Evidence:
    """Every read of `kind` that began at `since_ns` or later reads `weight`."""

    def read(event: Event) -> Event:
        return edit.saying(event, weight=weight) if int(event.data["hi_ns"]) >= since_ns else event

    return edit.events_changed(facts.evidence, read, kind)


def _status_stays(facts: Facts) -> Evidence | str:
    """The controller's status never comes down to 0."""
    decided = facts.chain["decided"]
    return _weights(facts, Kind.CONTROLLER_READ, decided.lo_ns, LEFT_OVER) if facts.rolls_back else NO_ROLLBACK


def _route_stays(facts: Facts) -> Evidence | str:
    """The router never shows the loser without weight."""
    loser = _loser(facts)
    return _weights(facts, Kind.WEIGHT_READ, loser.routed.lo_ns, loser.left_over) if loser else NOBODY_LOSES


def _weight_returns(facts: Facts) -> Evidence | str:
    """Half of the hold after it was out, the router shows the loser with 5 % again."""
    loser = _loser(facts)
    return _weights(facts, Kind.WEIGHT_READ, _half_of_hold(facts, loser), loser.left_over) if loser else NOBODY_LOSES


def _hold_unwatched(facts: Facts) -> Evidence | str:
    """Nobody reads the router's weight in the second half of the hold."""
    loser = _loser(facts)
    if loser is None:
        return NOBODY_LOSES
    return _unread(facts, _half_of_hold(facts, loser))


def _unread(facts: Facts, since_ns: int) -> Evidence:
    """Nobody reads the router's weight since this instant."""

    def read(event: Event) -> Event | None:
        return event if int(event.data["hi_ns"]) < since_ns else None

    return edit.events_changed(facts.evidence, read, Kind.WEIGHT_READ)


def _half_of_hold(facts: Facts, loser: Loser) -> int:
    return _half_of(facts, loser.routed.hi_ns)


def _half_of(facts: Facts, since_ns: int) -> int:
    return since_ns + round(float(facts.evidence.manifest["hold_s"]) * NS_PER_S / 2)


# -- the traffic ----------------------------------------------------------------------------------------------------


def _late_operation(facts: Facts, loser: Loser) -> int:
    """The last answered operation sent after the loser was out that is in the router's log; -1 without one."""
    operations = facts.evidence.operations
    late = (operations["sent_ns"] > loser.out.hi_ns + GRACE_NS) & (operations["status"] > 0) & (facts.route_of >= 0)
    rows = np.flatnonzero(late)
    return int(rows[-1]) if rows.size else -1


def _changed_late(facts: Facts, to_loser_by_router: bool, says: str) -> Evidence | str:
    """One late operation whose answer names the version of the loser, of the other, or none, as `says` says."""
    loser = _loser(facts)
    if loser is None:
        return NOBODY_LOSES
    row = _late_operation(facts, loser)
    if row < 0:
        return f"no request was sent after {loser.track} was out"
    version = {"loser": loser.version, "other": loser.other_version, "": ""}[says]
    source = "header" if version else "none"
    changed = edit.put(facts.evidence, "operations", row, version=version, version_source=source)
    if not to_loser_by_router:
        return changed
    return edit.put(changed, "routing", int(facts.route_of[row]), cluster=loser.track)


def _late_by_router(facts: Facts) -> Evidence | str:
    """The router's log has one dispatch to the loser after it was out; its answer names no version."""
    return _changed_late(facts, True, "")


def _late_by_version(facts: Facts) -> Evidence | str:
    """One answer after it was out names the loser's version; the router's log does not."""
    return _changed_late(facts, False, "loser")


def _witnesses_differ(facts: Facts) -> Evidence | str:
    """The router's log has one dispatch to the loser after it was out; its answer names the other version."""
    return _changed_late(facts, True, "other")


def _answers_unknown(facts: Facts) -> Evidence | str:
    """Who gave every second answer is not known: no version in it, and no row in the router's log."""
    if _loser(facts) is None:
        return NOBODY_LOSES
    half = np.arange(facts.route_of.size) % 2 == 0
    changed = edit.put(facts.evidence, "operations", half, version="", version_source="none")
    kept = np.ones(facts.evidence.routing["op_id"].size, dtype=bool)
    kept[facts.route_of[half & (facts.route_of >= 0)]] = False
    return edit.taken(changed, "routing", kept)


def _no_router_log(facts: Facts) -> Evidence | str:
    return edit.emptied(facts.evidence, "routing") if _loser(facts) else NOBODY_LOSES


# -- in time, drained, and who runs ---------------------------------------------------------------------------------


def _last_row(facts: Facts) -> int:
    """The row of the latest dispatch to the canary; -1 without one."""
    routing = facts.evidence.routing
    rows = np.flatnonzero(routing["cluster"] == "canary")
    return int(rows[np.argmax(routing["start_ns"][rows])]) if rows.size else -1


def _shifted_late(facts: Facts) -> Evidence | str:
    """The latest dispatch to the canary stands a second behind the bound, less all that its stamp may be off."""
    row = _last_row(facts)
    if not facts.rolls_back or row < 0 or not facts.chain["first_faulted_response"].known:
        return NO_ROLLBACK
    bound_ns = facts.chain["first_faulted_response"].hi_ns + round(facts.limit_s("shifted_s_max") * NS_PER_S)
    at_ns = int(facts.evidence.routing["start_ns"][row])
    return edit.moved(facts.evidence, "routing", row, bound_ns + facts.slack_ns + NS_PER_S - at_ns)


def _drained_late(facts: Facts) -> Evidence | str:
    """The canary's answer to its last request takes a second more than may be."""
    row = _last_row(facts)
    if not facts.rolls_back or row < 0:
        return NO_ROLLBACK
    slack_ms = 2 * facts.slack_ns / NS_PER_MS  # of both stamps
    duration_ms = 1_000 * (facts.limit_s("drained_s_max") + 1) + slack_ms
    return edit.put(facts.evidence, "routing", row, duration_ms=duration_ms)


def _canary_runs(facts: Facts) -> Evidence | str:
    """The instance behind the final read is a canary."""
    return edit.with_meta(facts.evidence, "service", version=facts.versions[1]) if facts.rolls_back else NO_ROLLBACK


MUTATIONS: Final = (
    Mutation("decision_erased", rollback.ID, "decided", _undecided),
    Mutation("decided_for_no_alert", rollback.ID, "cause", _other_cause),
    Mutation("decided_before_the_fault", rollback.ID, "cause", _decided_before),
    Mutation("promotion_decides_a_rollback", rollback.ID, "no_rollback", _rolled_back),
    Mutation("promotion_never_finishes", rollback.ID, "finished", _unfinished),
    Mutation("status_keeps_5_percent", rollback.ID, "weight", _status_stays),
    Mutation("route_keeps_5_percent", rollback.ID, "route", _route_stays),
    Mutation("route_returns_to_5_percent", rollback.ID, "flapping", _weight_returns),
    Mutation("hold_unwatched", rollback.ID, "hold", _hold_unwatched),
    Mutation("late_dispatch_by_router", rollback.ID, "traffic", _late_by_router),
    Mutation("late_dispatch_by_version", rollback.ID, "traffic", _late_by_version),
    Mutation("late_dispatch_contradicted", rollback.ID, "traffic", _witnesses_differ),
    Mutation("half_the_answers_of_nobody", rollback.ID, "traffic", _answers_unknown),
    Mutation("no_router_log", rollback.ID, "traffic", _no_router_log),
    Mutation("shifted_too_late", rollback.ID, "late", _shifted_late),
    Mutation("drained_too_late", rollback.ID, "drained", _drained_late),
    Mutation("canary_runs_at_the_end", rollback.ID, "stable_runs", _canary_runs),
    Mutation("canary_not_removed", rollback.ID, "removed", _canary_stays),
    Mutation("team_not_told", rollback.ID, "team_told", _team_untold),
    Mutation("hold_erased", rollback.ID, "decided", _hold_undecided),
    Mutation("held_for_no_alert", rollback.ID, "cause", _hold_of_other_cause),
    Mutation("held_at_another_weight", rollback.ID, "weight_kept", _hold_moves),
    Mutation("step_after_the_hold", rollback.ID, "no_step", _step_after_hold),
    Mutation("held_unwatched", rollback.ID, "hold", _held_unwatched),
)
