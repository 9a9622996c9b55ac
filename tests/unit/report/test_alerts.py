"""The alerts' strips: pending, firing, resolved, and what nobody knows."""

from dataclasses import replace

import pytest

from harness.report import alerts
from harness.report.alerts import State


def strips(trials, *states, rule=(0, 54)):
    """The strip of the one alert with these samples, seconds from the load's start."""
    evidence = trials.evidence([], (), samples=trials.alert_samples(*states, rule=rule))
    (found,) = alerts.alerts(evidence, trials.at(0))
    return found


def test_pending_becomes_firing_and_resolves(trials):
    """A state lasts to the next sample; the last one to the next evaluation, and then the alert had resolved."""
    found = strips(trials, (10.0, "pending"), (11.0, "firing"), (12.0, "firing"))
    assert (State("pending", 10.0, 11.0), State("firing", 11.0, 13.0, resolved=True)) == found.states


def test_end_of_the_samples_is_no_resolution(trials):
    """Where Prometheus has nothing after the last firing sample, nobody knows whether it resolved."""
    assert (State("firing", 11.0, 12.0),) == strips(trials, (11.0, "firing"), rule=(0, 12)).states


def test_blind_stretch_is_no_resolution(trials):
    """Where Prometheus has nothing at all for a while and the alert fires after it, nobody knows more."""
    states = [(float(second), "firing") for second in (0, 1, 2, 3, 12)]
    assert [False, True] == [state.resolved for state in strips(trials, *states, rule=(12, 54)).states]


@pytest.mark.parametrize(("second", "count"), [(13.4, 1), (13.6, 2)])
def test_hole_ends_a_state(trials, second, count):
    """Two missing evaluations end a state, one does not."""
    assert count == len(strips(trials, (11.0, "firing"), (second, "firing")).states)


def test_alert_that_never_was_is_shown_if_the_experiment_names_it(trials):
    """A required alert without a sample has an empty strip."""
    found = strips(trials)
    assert (trials.ALERT, "required", ()) == (found.name, found.wanted, found.states)


def test_states_of_a_second(trials):
    """What a second says is every state in it, in order, and that it resolved."""
    found = strips(trials, (10.0, "pending"), (10.5, "firing"))
    assert ["inactive", "pending → firing", "firing → resolved", "inactive"] == [
        found.at(from_s, from_s + 1) for from_s in (9.0, 10.0, 11.0, 12.0)
    ]


def test_forbidden_stands_after_required_and_others_last(trials):
    """The order is what the experiment requires, what it forbids, what else had a state."""
    evidence = trials.evidence([], (), samples=trials.alert_samples((1.0, "firing")))
    expect = {"alerts_required": ["B"], "alerts_forbidden": ["C"]}
    found = alerts.alerts(replace(evidence, manifest={"expect": expect}), trials.at(0))
    assert ["B", "C", trials.ALERT] == [each.name for each in found]
