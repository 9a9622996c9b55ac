"""Literal histories of the check `rollback`, for both outcomes."""

import pytest

from harness.evidence.finding import Verdict
from harness.evidence.format import Kind
from harness.testing import histories as h
from harness.testing.cases import fires, near, verify

OPEN = Verdict.INCONCLUSIVE
FAIL = Verdict.FAIL


def is_rollback(event):
    return event.data["decision"] == "roll_back"


def after_s(seconds):
    """Reads that began at `seconds` or later."""
    return lambda event: event.data["lo_ns"] >= h.at_ns(seconds)


def at_s(seconds):
    """The read that began at `seconds`."""
    return lambda event: event.data["lo_ns"] == h.at_ns(seconds)


def of_rows(*indices):
    op_ids = {h.op_id(index) for index in indices}
    return lambda row: row["op_id"] in op_ids


def to_canary(evidence, *indices):
    """Reads (and writes, which stable then serves) that the router sent to the canary, and the canary answered."""
    routed = h.updated(evidence, "routing", of_rows(*indices), cluster="canary")
    return h.updated(routed, "operations", of_rows(*indices), version="1.1", instance="canary-1")


def to_stable(evidence, *indices):
    routed = h.updated(evidence, "routing", of_rows(*indices), cluster="stable")
    return h.updated(routed, "operations", of_rows(*indices), version="1.0", instance="stable-1")


def even_from(first_s):
    """Even rows from `first_s` on: what the canary gets while its weight is 50."""
    return [index for index in range(int(first_s * h.RATE_RPS), 600) if index % 2 == 0]


def with_weight(evidence, kind, weight, first_s=13.5, last_s=99.0):
    """The reads of `kind` between two instants show this weight."""
    return h.with_event_data(
        evidence, kind, lambda event: after_s(first_s)(event) and not after_s(last_s)(event), weight=weight
    )


def webhook_ignored(history=None):
    """The stepper was told and did nothing: weight 50 and the canary's traffic go on."""
    bare = h.without_events(h.without_events(history or h.passing(), Kind.DECIDED, is_rollback), Kind.ROLLOUT_FINISHED)
    still = with_weight(with_weight(bare, Kind.CONTROLLER_READ, 50), Kind.WEIGHT_READ, 50)
    return to_canary(still, *even_from(13.5))


def route_unchanged():
    """The controller says rolled back, weight 0; the router was never called."""
    return to_canary(with_weight(h.passing(), Kind.WEIGHT_READ, 50), *even_from(13.5))


def weight_comes_back():
    """Five seconds after the rollback the canary has its weight and its traffic again, for two seconds."""
    back = with_weight(h.passing(), Kind.WEIGHT_READ, 50, 18.6, 20.5)
    return to_canary(back, *[index for index in even_from(18.6) if index < 20.4 * h.RATE_RPS])


def five_percent():
    """The controller sets 5 % where it should set 0, and says so in its status."""
    both = with_weight(with_weight(h.passing(), Kind.CONTROLLER_READ, 5), Kind.WEIGHT_READ, 5)
    return to_canary(both, *even_from(13.5)[::10])


ROUTE_STAYS = {"rollback/route": FAIL, "rollback/flapping": OPEN, "rollback/hold": OPEN}

UNDECIDED = {
    "rollback/decided": FAIL,
    "rollback/cause": FAIL,
    "rollback/weight": FAIL,
    "rollback/route": FAIL,
    "rollback/flapping": OPEN,
    "rollback/traffic": OPEN,
    "rollback/hold": OPEN,
    "rollback/late": FAIL,
    "rollback/team_told": OPEN,
}

ROLLED_BACK = [
    fires(
        "rollback",
        "decided",
        webhook_ignored,
        FAIL,
        "The controller never decided to roll back; it had received 1 webhooks",
        UNDECIDED,
    ),
    near("rollback", "decided", lambda: h.moved(h.passing(), Kind.DECIDED, 0.01, is_rollback)),
    fires(
        "rollback",
        "cause",
        lambda: h.with_event_data(
            h.passing(), Kind.DECIDED, is_rollback, alert="CanarySlow", reason="CanarySlow fires"
        ),
        FAIL,
        "It was decided for 'CanarySlow', which is not required: CanarySlow fires",
    ),
    fires(
        "rollback",
        "cause",
        lambda: h.moved(h.passing(), Kind.DECIDED, -3.5, is_rollback),
        FAIL,
        "The rollback was decided before the first faulted answer",
    ),
    fires(
        "rollback",
        "cause",
        lambda: h.moved(h.passing(), Kind.DECIDED, -0.13, is_rollback),
        FAIL,
        "It was decided for CanaryErrorRatioHigh 0.009 s before that alert fired",
    ),
    near("rollback", "cause", lambda: h.moved(h.passing(), Kind.DECIDED, -0.12, is_rollback)),
    fires(
        "rollback",
        "weight",
        five_percent,
        FAIL,
        "The controller's status never showed weight 0 for the canary: controller_read never was 0 %; the last read "
        "was 5",
        {
            "rollback/weight": FAIL,
            "rollback/route": FAIL,
            "rollback/flapping": OPEN,
            "rollback/traffic": OPEN,
            "rollback/hold": OPEN,
            "rollback/late": FAIL,
        },
    ),
    near("rollback", "weight", lambda: with_weight(h.passing(), Kind.CONTROLLER_READ, 5, last_s=20.0)),
    fires(
        "rollback",
        "route",
        lambda: with_weight(h.passing(), Kind.WEIGHT_READ, 5),
        FAIL,
        "The router never showed weight 0 for the canary: weight_read never was 0 %; the last read was 5",
        {**ROUTE_STAYS, "rollback/late": FAIL},
    ),
    near("rollback", "route", lambda: with_weight(h.passing(), Kind.WEIGHT_READ, 5, last_s=20.0)),
    fires(
        "rollback",
        "traffic",
        route_unchanged,
        FAIL,
        "",
        {**ROUTE_STAYS, "rollback/traffic": FAIL, "rollback/late": FAIL},
    ),
    fires(
        "rollback",
        "traffic",
        lambda: to_canary(h.passing(), 402),
        FAIL,
        f"1 requests went to canary more than 0.5 s after it was taken out (1 by the router's log, 1 by the answer's "
        f"version), among them {h.op_id(402)}",
    ),
    fires(
        "rollback",
        "traffic",
        lambda: h.updated(h.passing(), "operations", of_rows(402), version="1.1"),
        FAIL,
        f"1 requests went to canary more than 0.5 s after it was taken out (0 by the router's log, 1 by the answer's "
        f"version), among them {h.op_id(402)}",
    ),
    fires(
        "rollback",
        "traffic",
        lambda: h.updated(h.passing(), "routing", of_rows(402), cluster="canary"),
        OPEN,
        "1 requests to canary by the router's log were answered by the other version",
    ),
    fires(
        "rollback",
        "traffic",
        lambda: h.dropped(h.passing(), "routing", of_rows(402, 403, 406, 407)),
        OPEN,
        "Only 313 of 317 requests after canary was taken out are in the router's log",
    ),
    fires(
        "rollback",
        "traffic",
        lambda: h.dropped(h.passing(), "routing"),
        OPEN,
        "Only 0 of 317 requests after canary was taken out are in the router's log",
        {
            "fault/honest_router": OPEN,
            "split/measured": OPEN,
            "rollback/traffic": OPEN,
            "rollback/late": OPEN,
            "rollback/drained": OPEN,
        },
        "fault/honest_router",
    ),
    near("rollback", "traffic", lambda: to_canary(h.passing(), 282)),
    near("rollback", "traffic", lambda: h.dropped(h.passing(), "routing", of_rows(402, 403, 406))),
    fires(
        "rollback",
        "flapping",
        lambda: h.with_event_data(h.passing(), Kind.WEIGHT_READ, at_s(20.0), weight=5),
        FAIL,
        "The router showed 5 % for the canary again 6.4 s after weight 0",
    ),
    fires(
        "rollback",
        "flapping",
        weight_comes_back,
        FAIL,
        "The router showed 50 % for the canary again 5.0 s after weight 0",
        {"rollback/flapping": FAIL, "rollback/traffic": FAIL},
    ),
    near("rollback", "flapping", lambda: h.with_event_data(h.passing(), Kind.WEIGHT_READ, after_s(30.0), weight=5)),
    fires(
        "rollback",
        "hold",
        lambda: h.without_events(h.passing(), Kind.WEIGHT_READ, after_s(21.5)),
        OPEN,
        "The router's weight was watched for 7.8 s after weight 0; 8 s must be",
    ),
    fires(
        "rollback",
        "hold",
        lambda: h.without_events(
            h.passing(), Kind.WEIGHT_READ, lambda event: after_s(20.0)(event) and not after_s(21.0)(event)
        ),
        OPEN,
        "The router's weight was watched for 6.2 s after weight 0; 8 s must be",
    ),
    near("rollback", "hold", lambda: h.without_events(h.passing(), Kind.WEIGHT_READ, after_s(21.7))),
    fires(
        "rollback",
        "late",
        lambda: h.with_expect(h.passing(), shifted_s_max=3.29),
        FAIL,
        "The last request went to the canary 3.295 to 3.297 s after the first faulted answer; 3.29 s are allowed",
    ),
    fires(
        "rollback",
        "late",
        lambda: h.with_expect(h.passing(), shifted_s_max=3.296),
        OPEN,
        "The last request went to the canary 3.295 to 3.297 s after the first faulted answer; 3.296 s are allowed",
    ),
    near("rollback", "late", lambda: h.with_expect(h.passing(), shifted_s_max=3.2971)),
    fires(
        "rollback",
        "drained",
        lambda: h.updated(h.passing(), "routing", of_rows(268), duration_ms=5_010.0),
        FAIL,
        "The canary's last answer came 5.007 to 5.013 s after the last request to it; 5 s are allowed",
    ),
    fires(
        "rollback",
        "drained",
        lambda: h.updated(h.passing(), "routing", of_rows(268), duration_ms=5_000.0),
        OPEN,
        "The canary's last answer came 4.997 to 5.003 s after the last request to it; 5 s are allowed",
    ),
    near("rollback", "drained", lambda: h.updated(h.passing(), "routing", of_rows(268), duration_ms=4_990.0)),
    fires(
        "rollback",
        "stable_runs",
        lambda: h.with_read_meta(h.passing(), "service", version="1.1"),
        FAIL,
        "The instance behind the final read says it is 1.1; stable is 1.0",
    ),
    fires(
        "rollback",
        "stable_runs",
        lambda: h.with_read_meta(h.passing(), "service", version=""),
        OPEN,
        "No instance of stable was asked for its version at the end",
    ),
    near("rollback", "stable_runs", lambda: h.with_read_meta(h.passing(), "service", instance="stable-2")),
]


def rolled_back_instead():
    return h.event(11.0, "stepper", Kind.DECIDED, decision="roll_back", weight=0, reason="it fires", alert=h.ALERT)


PROMOTED = [
    fires(
        "rollback",
        "no_rollback",
        lambda: h.with_events(h.promoted(), rolled_back_instead()),
        FAIL,
        "The controller decided to roll back a healthy canary: it fires",
    ),
    near(
        "rollback",
        "no_rollback",
        lambda: h.with_events(h.promoted(), h.event(11.0, "stepper", Kind.DECIDED, decision="step", weight=100)),
    ),
    fires(
        "rollback",
        "finished",
        lambda: h.without_events(h.promoted(), Kind.ROLLOUT_FINISHED),
        FAIL,
        "The controller finished as nothing; its status was last 100 %",
    ),
    fires(
        "rollback",
        "finished",
        lambda: h.with_event_data(h.promoted(), Kind.CONTROLLER_READ, after_s(31.0), weight=50),
        FAIL,
        "The controller finished as promoted; its status was last 50 %",
    ),
    near(
        "rollback",
        "finished",
        lambda: h.with_event_data(h.promoted(), Kind.CONTROLLER_READ, at_s(30.8), weight=50),
    ),
    fires(
        "rollback",
        "route",
        lambda: h.with_event_data(h.promoted(), Kind.WEIGHT_READ, after_s(10.0), weight=99),
        FAIL,
        "No promotion: weight_read never was 100 %; the last read was 99",
        {"rollback/route": FAIL, "rollback/flapping": OPEN, "rollback/traffic": OPEN, "rollback/hold": OPEN},
    ),
    near("rollback", "route", lambda: with_weight(h.promoted(), Kind.WEIGHT_READ, 99, 10.0, 20.0)),
    fires(
        "rollback",
        "traffic",
        lambda: to_stable(h.promoted(), 402),
        FAIL,
        f"1 requests went to stable more than 0.5 s after it was taken out (1 by the router's log, 1 by the answer's "
        f"version), among them {h.op_id(402)}",
        {"split/skewed": FAIL, "rollback/traffic": FAIL},
    ),
    near("rollback", "traffic", lambda: to_stable(h.promoted(), 210)),
    fires(
        "rollback",
        "flapping",
        lambda: h.with_event_data(h.promoted(), Kind.WEIGHT_READ, at_s(20.0), weight=50),
        FAIL,
        "The router showed 50 % for the canary again after it had shown 100 %",
    ),
    fires(
        "rollback",
        "hold",
        lambda: h.added(h.promoted(), "samples", h.alert_sample(20.0, "firing")),
        FAIL,
        "The forbidden alert CanaryErrorRatioHigh fired while the canary had all the traffic",
        {"alert/forbidden": FAIL, "rollback/hold": FAIL},
        "alert/forbidden",
    ),
    fires(
        "rollback",
        "hold",
        lambda: h.without_events(h.promoted(), Kind.WEIGHT_READ, after_s(18.0)),
        OPEN,
        "Weight 100 was watched for 7.8 s without a forbidden alert; 8 s must be",
    ),
    near("rollback", "flapping", lambda: h.with_event_data(h.promoted(), Kind.WEIGHT_READ, after_s(30.0), weight=50)),
    near("rollback", "hold", lambda: h.without_events(h.promoted(), Kind.WEIGHT_READ, after_s(18.2))),
    near(
        "rollback",
        "hold",
        lambda: h.added(h.promoted(), "samples", h.alert_sample(9.9, "firing")),
        {"alert/forbidden": FAIL},
        "alert/forbidden",
    ),
]


def is_hold(event):
    return event.data["decision"] == "hold"


def later(decision, weight):
    return h.event(20.0, "stepper", Kind.DECIDED, decision=decision, weight=weight, reason="step 2 of 2", alert="")


TEAM = [
    fires(
        "rollback",
        "team_told",
        lambda: h.with_team_messages(h.passing()),
        FAIL,
        "The team was not told within the 19.3 s after the decision",
    ),
    fires(
        "rollback",
        "team_told",
        lambda: h.with_team_messages(h.passing(), h.team_message(13.47, outcome="failed")),
        FAIL,
        "The team was not told within the 19.3 s after the decision; 1 messages came that say something else",
    ),
    fires(
        "rollback",
        "team_told",
        lambda: h.with_team_messages(h.passing(), h.team_message(13.47, version="1.0")),
        FAIL,
        "The team was not told within the 19.3 s after the decision; 1 messages came that say something else",
    ),
    fires(
        "rollback",
        "team_told",
        lambda: h.with_team_messages(h.removed(), h.team_message(13.4)),
        OPEN,
        "The team was not told within the 19.3 s after the decision",
    ),
    near("rollback", "team_told", lambda: h.with_team_messages(h.removed(), h.team_message(32.0))),
    near(
        "rollback",
        "team_told",
        lambda: h.with_team_messages(h.passing(), h.team_message(13.47, outcome="failed"), h.team_message(14.0)),
    ),
]


REMOVED = [
    fires(
        "rollback",
        "removed",
        lambda: h.removed(31.3),
        OPEN,
        "canary-1 still ran when the trial closed, 17.8 s after the decision",
    ),
    fires(
        "rollback",
        "removed",
        lambda: h.moved(h.removed(51.3), Kind.PHASE, 20.0, lambda one: one.data["phase"] == "close"),
        FAIL,
        "canary-1 still ran when the trial closed, 37.8 s after the decision",
    ),
    fires(
        "rollback",
        "removed",
        lambda: h.removed(13.41),
        OPEN,
        "canary-1 still ran when the trial closed, 17.8 s after the decision",
    ),
    fires(
        "rollback",
        "removed",
        lambda: webhook_ignored(h.removed()),
        OPEN,
        "No rollback was decided that would remove the canary",
        {**UNDECIDED, "rollback/removed": OPEN},
        "rollback/decided",
    ),
    near("rollback", "removed", lambda: h.removed(31.1)),
    near("rollback", "removed", lambda: h.removed(13.43)),
]


HELD = [
    fires(
        "rollback",
        "decided",
        lambda: h.without_events(h.held(), Kind.DECIDED, is_hold),
        FAIL,
        "The controller never decided to hold; it had received 1 webhooks",
        {
            "rollback/decided": FAIL,
            "rollback/cause": FAIL,
            "rollback/weight_kept": OPEN,
            "rollback/no_step": OPEN,
            "rollback/hold": OPEN,
            "rollback/team_told": OPEN,
        },
    ),
    fires(
        "rollback",
        "decided",
        lambda: h.with_event_data(h.held(), Kind.DECIDED, is_hold, decision="roll_back", weight=0),
        FAIL,
        "The controller decided to roll back where it had to hold: ServiceErrorRatioHigh fires for the canary",
        {
            "rollback/decided": FAIL,
            "rollback/cause": FAIL,
            "rollback/weight_kept": OPEN,
            "rollback/no_step": OPEN,
            "rollback/hold": OPEN,
            "rollback/team_told": OPEN,
        },
    ),
    near("rollback", "decided", lambda: h.moved(h.held(), Kind.DECIDED, 0.01, is_hold)),
    fires(
        "rollback",
        "cause",
        lambda: h.with_event_data(h.held(), Kind.DECIDED, is_hold, alert=h.ALERT, reason="another one fires"),
        FAIL,
        "It was decided for 'CanaryErrorRatioHigh', which is not required: another one fires",
    ),
    fires(
        "rollback",
        "cause",
        lambda: h.moved(h.held(), Kind.DECIDED, -3.5, is_hold),
        FAIL,
        "The hold was decided before the first faulted answer",
    ),
    fires(
        "rollback",
        "cause",
        lambda: h.moved(h.held(), Kind.DECIDED, -0.13, is_hold),
        FAIL,
        "It was decided for ServiceErrorRatioHigh 0.009 s before that alert fired",
    ),
    near("rollback", "cause", lambda: h.moved(h.held(), Kind.DECIDED, -0.12, is_hold)),
    fires(
        "rollback",
        "weight_kept",
        lambda: with_weight(h.held(), Kind.WEIGHT_READ, 25, 20.0, 20.1),
        FAIL,
        "The router showed 25 % 6.6 s after 50 % was to be held",
    ),
    fires(
        "rollback",
        "weight_kept",
        lambda: with_weight(h.held(), Kind.CONTROLLER_READ, 0, 20.0, 20.1),
        FAIL,
        "The controller's status showed 0 % 6.6 s after 50 % was to be held",
    ),
    fires(
        "rollback",
        "weight_kept",
        lambda: h.without_events(h.held(), Kind.CONTROLLER_READ),
        OPEN,
        "The controller's status was never read after the hold",
    ),
    near("rollback", "weight_kept", lambda: with_weight(h.held(), Kind.CONTROLLER_READ, 0, 30.0)),
    fires(
        "rollback",
        "no_step",
        lambda: h.with_events(h.held(), later("step", 100)),
        FAIL,
        "The controller decided step 6.6 s after it had decided to hold",
    ),
    fires(
        "rollback",
        "no_step",
        lambda: h.with_events(h.held(), later("roll_back", 0)),
        FAIL,
        "The controller decided roll_back 6.6 s after it had decided to hold",
    ),
    near("rollback", "no_step", lambda: h.with_events(h.held(), later("hold", 50))),
    fires(
        "rollback",
        "hold",
        lambda: h.without_events(h.held(), Kind.WEIGHT_READ, after_s(21.4)),
        OPEN,
        "The router's weight was watched for 7.8 s after the hold; 8 s must be",
    ),
    near("rollback", "hold", lambda: h.without_events(h.held(), Kind.WEIGHT_READ, after_s(21.7))),
    fires(
        "rollback",
        "team_told",
        lambda: h.with_team_messages(h.held()),
        FAIL,
        "The team was not told within the 19.3 s after the decision",
    ),
]
CASES = [*ROLLED_BACK, *REMOVED, *TEAM, *PROMOTED, *HELD]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_case(case):
    """The rule, everything else that is red, and the headline are as the case says."""
    verify(case)
