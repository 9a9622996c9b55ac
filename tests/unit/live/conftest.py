"""The literal trial of harness.testing.histories with what only a watcher reads: the load's ticks and alert states."""

from __future__ import annotations

import pytest

from harness.clock import NS_PER_S
from harness.drive.live.state import State
from harness.drive.load.recorder import Operation, Second
from harness.evidence.format import Kind
from harness.testing import histories as h

VERSIONS = {"stable": "1.0", "canary": "1.1"}


def ticks(evidence):
    """A tick for each second of load, counted by the recorder from the rows as it does in the load process."""
    seconds = [Second() for _ in range(int(h.STOP_S))]
    for row in h.rows_of(evidence, "operations"):
        operation = Operation(**row)
        seconds[(operation.sent_ns - h.ZERO_NS) // NS_PER_S].add_sent(operation.sent_ns - operation.intended_ns)
        seconds[(operation.done_ns - h.ZERO_NS) // NS_PER_S].add_done(operation)
    return [
        h.event(number + 1.001, "load", Kind.LOAD_TICK, **second.fields(number, 0))
        for number, second in enumerate(seconds)
    ]


def watched(evidence, alert=h.ALERT):
    """This trial with its ticks, and the alert pending, firing and inactive again as the observer sees it."""
    states = ((h.PENDING_S, "pending"), (h.FIRING_S, "firing"), (19.5, "inactive"))
    seen = [h.event(at_s, "observer", Kind.ALERT_SEEN, name=alert, state=state) for at_s, state in states]
    return h.with_events(evidence, *ticks(evidence), *seen)


def fold(events, until_s=1e9):
    """(state after it, event) of every event up to this second after the load's zero."""
    state, found = State(versions=VERSIONS), []
    for event in events:
        if event.t_ns <= h.ZERO_NS + until_s * NS_PER_S:
            state = state.after(event)
            found.append((state, event))
    return found


@pytest.fixture(scope="session")
def trial():
    """The trial that is rolled back, as a watcher reads it."""
    return watched(h.passing())


@pytest.fixture(scope="session")
def steps(trial):
    """steps(until_s): (state, event) pairs of that trial up to a second after the load's zero."""
    return lambda until_s=1e9: fold(trial.events, until_s)


@pytest.fixture(scope="session")
def held_steps():
    """The same of the trial with faults on both tracks."""
    return lambda until_s=1e9: fold(watched(h.held(), h.SERVICE_ALERT).events, until_s)
