"""Literal histories of the check `alert`."""

import pytest

from harness.evidence.finding import Verdict
from harness.evidence.format import Kind
from harness.judge import judge
from harness.testing import histories as h
from harness.testing.cases import fires, near, verify

OPEN = Verdict.INCONCLUSIVE
FAIL = Verdict.FAIL


def is_firing(row):
    return row["name"] == "ALERTS" and '"firing"' in row["labels"]


def between_s(first_s, last_s):
    """Samples stamped in [first, last]."""
    return lambda row: h.wall_at_ns(first_s) <= row["wall_ms"] * 1_000_000 <= h.wall_at_ns(last_s)


def without_firing():
    return h.dropped(h.passing(), "samples", is_firing)


def with_samples(*rows):
    return h.added(h.passing(), "samples", *rows)


def with_rules():
    """The manifest knows the parameters of the required alert's rule, so its detection has bounds."""
    timing = {**h.passing().manifest["timing"], "window_s": 5, "for_s": 1}
    words = {"share_over": 0.05, "count_min": 3, "times_stable": 3, "was_nought": True}
    return h.with_manifest(h.passing(), timing={**timing, "share_rules": {h.ALERT: words}})


def firing_moved(evidence, by_ms):
    """Pending, firing, notification and all that followed came so much later."""

    def move(row):
        return {**row, "wall_ms": row["wall_ms"] + by_ms} if row["name"] == "ALERTS" else row

    moved = h.changed(evidence, "samples", move)
    return h.with_notifications(moved, h.notification(13.4 + by_ms / 1_000))


def undecided(evidence):
    """The controller never decided to roll back; the rest went as it did."""
    return h.without_events(evidence, Kind.DECIDED, lambda event: event.data["decision"] == "roll_back")


def firing_until(seconds):
    """The alert goes on firing, a sample a second, up to `seconds`."""
    return with_samples(*(h.alert_sample(19.3 + n, "firing") for n in range(int(seconds - 19.3) + 1)))


def never_fired(verdict):
    """What is red when the required alert never fired."""
    red = dict.fromkeys(("alert/fired", "alert/in_time", "alert/notification"), verdict)
    return {**red, "rollback/cause": OPEN}


def blind_when_it_mattered(evidence, last_s=14.2):
    """Prometheus has no sample for three seconds and more in which the alert should have fired."""
    return h.dropped(evidence, "samples", between_s(11.2, last_s))


CASES = [
    fires(
        "alert",
        "not_before",
        lambda: with_samples(h.alert_sample(9.9, "firing")),
        FAIL,
        "A required alert was firing in 1 samples before the fault was on: it fires for something else",
    ),
    fires(
        "alert",
        "not_before",
        lambda: with_samples(h.alert_sample(10.05, "firing")),
        OPEN,
        "1 of 7 firing samples of required alerts came before the first faulted answer",
    ),
    fires(
        "alert",
        "not_before",
        lambda: h.without_events(with_samples(h.alert_sample(9.9, "firing")), Kind.CLOCK),
        OPEN,
        "Whether an alert fired before the fault is open: no clock sample places Prometheus's stamps",
        {
            **never_fired(OPEN),
            "evidence/clock": OPEN,
            "baseline/silent": OPEN,
            "fault/strength": OPEN,
            "split/measured": OPEN,
            "alert/not_before": OPEN,
            "alert/blind": OPEN,
            "alert/forbidden": OPEN,
            "alert/resolved": OPEN,
            "rollback/traffic": OPEN,
        },
        "evidence/clock",
    ),
    near("alert", "not_before", lambda: with_samples(h.alert_sample(9.9, "pending"))),
    fires(
        "alert",
        "fired",
        without_firing,
        FAIL,
        "CanaryErrorRatioHigh was never firing for version 1.1 on the canary",
        never_fired(FAIL),
    ),
    fires(
        "alert",
        "fired",
        lambda: h.dropped(h.held(), "samples", lambda row: row["name"] == "ALERTS"),
        FAIL,
        "ServiceErrorRatioHigh was never firing",
        never_fired(FAIL),
    ),
    fires(
        "alert",
        "fired",
        lambda: h.changed(
            h.passing(), "samples", lambda row: h.alert_sample(13.3, "firing", version="1.0") if is_firing(row) else row
        ),
        FAIL,
        "CanaryErrorRatioHigh was never firing for version 1.1 on the canary",
        never_fired(FAIL),
    ),
    fires(
        "alert",
        "blind",
        lambda: blind_when_it_mattered(without_firing()),
        OPEN,
        "Prometheus had 14 samples in the 10.0 s that mattered, the longest hole is 3.2 s; 3 evaluations are allowed",
        {**never_fired(OPEN), "alert/blind": OPEN, "alert/forbidden": OPEN},
        "alert/blind",
    ),
    fires(
        "alert",
        "blind",
        lambda: undecided(blind_when_it_mattered(without_firing())),
        OPEN,
        "",
        {
            **never_fired(OPEN),
            "alert/blind": OPEN,
            "alert/forbidden": OPEN,
            "rollback/decided": OPEN,
            "rollback/team_told": OPEN,
        },
        "alert/blind",
    ),
    near("alert", "blind", lambda: blind_when_it_mattered(h.passing(), 13.2)),
    near("alert", "blind", lambda: h.dropped(h.passing(), "samples", between_s(14.4, 16.4))),
    fires(
        "alert",
        "fired",
        lambda: blind_when_it_mattered(without_firing()),
        OPEN,
        "CanaryErrorRatioHigh was never firing for version 1.1 on the canary, but Prometheus was blind for 3.2 s when "
        "it should have",
        {**never_fired(OPEN), "alert/blind": OPEN, "alert/forbidden": OPEN},
        "alert/blind",
    ),
    fires(
        "alert",
        "fired",
        lambda: h.moved(without_firing(), Kind.LOAD_STOP_REQUESTED, -10.0),
        OPEN,
        "CanaryErrorRatioHigh was never firing for version 1.1 on the canary, but fault and load lasted only 9.9 s of "
        "the time it had",
        never_fired(OPEN),
    ),
    near(
        "alert",
        "fired",
        lambda: h.dropped(h.passing(), "samples", lambda row: is_firing(row) and not between_s(18.2, 18.4)(row)),
        {"alert/notification": FAIL, "rollback/cause": FAIL},
        "rollback/cause",
    ),
    near(
        "alert",
        "fired",
        lambda: h.dropped(h.passing(), "samples", lambda row: is_firing(row) and not between_s(13.2, 13.4)(row)),
    ),
    fires(
        "alert",
        "in_time",
        lambda: h.with_expect(h.passing(), detect_s_max=3.19),
        FAIL,
        "CanaryErrorRatioHigh fired 3.193 to 3.294 s after the first faulted answer; 3.19 s are allowed",
    ),
    fires(
        "alert",
        "in_time",
        lambda: h.with_expect(h.passing(), detect_s_max=3.2),
        OPEN,
        "CanaryErrorRatioHigh fired 3.193 to 3.294 s after the first faulted answer; 3.2 s are allowed",
    ),
    near("alert", "in_time", lambda: h.with_expect(h.passing(), detect_s_max=3.294)),
    fires(
        "alert",
        "in_bounds",
        lambda: firing_moved(with_rules(), -2_100),
        OPEN,
        "CanaryErrorRatioHigh fired 1.093 to 1.194 s after the first faulted answer; chance leaves 1.217 to 5.729 s "
        "but for one trial in a thousand",
    ),
    fires(
        "alert",
        "in_bounds",
        lambda: firing_moved(with_rules(), 2_600),
        OPEN,
        "CanaryErrorRatioHigh fired 5.793 to 5.894 s after the first faulted answer; chance leaves 1.217 to 5.729 s "
        "but for one trial in a thousand",
        {"alert/in_bounds": OPEN, "rollback/cause": FAIL},
        "rollback/cause",
    ),
    near("alert", "in_bounds", with_rules),
    fires(
        "alert",
        "notification",
        lambda: h.with_notifications(h.passing()),
        FAIL,
        "CanaryErrorRatioHigh fired, and no receiver was notified within the 15.7 s after it",
    ),
    fires(
        "alert",
        "notification",
        lambda: h.with_notifications(
            h.passing(), h.notification(13.4, alert="Other"), h.notification(14.0, "resolved")
        ),
        FAIL,
        "CanaryErrorRatioHigh fired, and no receiver was notified within the 15.7 s after it",
    ),
    fires(
        "alert",
        "notification",
        lambda: h.moved(h.with_notifications(h.passing()), Kind.LOAD_STOP_REQUESTED, -5.8),
        OPEN,
        "CanaryErrorRatioHigh fired, and no receiver was notified within the 9.9 s after it",
    ),
    near("alert", "notification", lambda: h.with_notifications(h.passing(), h.notification(29.0))),
    fires(
        "alert",
        "forbidden",
        lambda: with_samples(h.alert_sample(-2.0, "firing", h.SERVICE_ALERT, "1.0")),
        FAIL,
        "The forbidden alert ServiceErrorRatioHigh was firing in 1 samples, first at -2.0 s of the load",
        {"baseline/silent": OPEN, "alert/forbidden": FAIL},
    ),
    fires(
        "alert",
        "forbidden",
        lambda: h.dropped(h.passing(), "samples", between_s(20.2, 23.2)),
        OPEN,
        "No forbidden alert was seen, but no rule was evaluated for 4.0 s of the load",
    ),
    fires(
        "alert",
        "forbidden",
        lambda: h.dropped(h.promoted(), "samples", lambda row: row["name"] != "up"),
        OPEN,
        "No forbidden alert was seen, but no rule was evaluated for 30.0 s of the load",
        {"baseline/silent": OPEN, "alert/forbidden": OPEN},
        "baseline/silent",
    ),
    near("alert", "forbidden", lambda: h.dropped(h.promoted(), "samples", lambda row: row["name"] == "up")),
    near("alert", "forbidden", lambda: with_samples(h.alert_sample(20.0, "pending", h.SERVICE_ALERT, "1.0"))),
    near("alert", "forbidden", lambda: h.dropped(h.passing(), "samples", between_s(20.2, 22.2))),
    fires(
        "alert",
        "resolved",
        lambda: firing_until(32.3),
        FAIL,
        "It was still firing 16.3 s after the fault was healed; 10 s are allowed",
    ),
    fires(
        "alert",
        "resolved",
        lambda: h.moved(firing_until(32.3), Kind.FAULT_HEALED, 6.5),
        OPEN,
        "It was still firing 9.8 s after the fault was healed; 10 s are allowed",
    ),
    fires(
        "alert",
        "resolved",
        lambda: h.moved(h.passing(), Kind.FAULT_HEALED, 14.5),
        OPEN,
        "Samples end 1.8 s after the fault was healed, too soon to see the alert resolve",
    ),
    fires(
        "alert",
        "resolved",
        lambda: h.without_events(h.passing(), Kind.FAULT_HEALED),
        OPEN,
        "Whether the alert resolved is open: the fault was never healed",
        {"alert/resolved": OPEN, "cleanup/healed": FAIL},
        "cleanup/healed",
    ),
    near("alert", "resolved", lambda: firing_until(30.3)),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_case(case):
    """The rule, everything else that is red, and the headline are as the case says."""
    verify(case)


def test_several_required():
    """Each required alert must fire: one that did does not speak for one that did not."""
    history = h.with_expect(h.passing(), alerts_required=[h.ALERT, "CanarySlow"])
    red = {"alert/fired": FAIL, "alert/in_time": FAIL, "alert/notification": FAIL}
    verify(
        fires("alert", "fired", lambda: history, FAIL, "CanarySlow was never firing for version 1.1 on the canary", red)
    )


def rules_asked(evidence):
    (found,) = (check for check in judge(evidence).checks if check.id == "alert")
    return {rule.id for rule in found.rules}, found.measured.keys()


@pytest.mark.parametrize(
    "unknown",
    [
        lambda evidence: h.without_events(
            evidence, Kind.WEIGHT_READ, lambda one: one.data["hi_ns"] < h.at_ns(h.FAULT_S)
        ),
        lambda evidence: h.updated(evidence, "routing", lambda row: row["attempts"] == 1, attempts=2),
    ],
    ids=["weight before the fault was not read", "the router retried"],
)
def test_in_bounds_is_asked_only_where_the_bounds_are_known(unknown):
    """How many answers the rule had counted is not known without the weight, nor which was the first bad one."""
    bound = f"{h.ALERT}_bound_s_min"
    rules, measured = rules_asked(with_rules())
    assert "in_bounds" in rules
    assert bound in measured
    rules, measured = rules_asked(unknown(with_rules()))
    assert "in_bounds" not in rules
    assert bound not in measured


def test_in_bounds_minds_the_step_that_the_fault_fell_into():
    """A canary that had half the traffic up to a second before has an alarm that is sooner than without a step."""

    def first_s(weight):
        def earlier(one):
            return h.at_ns(0) < one.data["lo_ns"] < h.at_ns(h.FAULT_S - 1)

        history = h.with_event_data(with_rules(), Kind.WEIGHT_READ, earlier, weight=weight)
        (found,) = (check for check in judge(history).checks if check.id == "alert")
        return found.measured[f"{h.ALERT}_bound_s_min"]

    assert first_s(5) < first_s(25) < first_s(50)
