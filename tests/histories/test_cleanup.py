"""Literal histories of the check `cleanup`."""

from dataclasses import replace

import pytest

from harness.evidence.finding import Verdict
from harness.evidence.format import Kind
from harness.testing import histories as h
from harness.testing.cases import fires, near, verify

OPEN = Verdict.INCONCLUSIVE
FAIL = Verdict.FAIL
PORT = {"what": "port", "name": "20004"}


def at(when):
    return lambda event: event.data["at"] == when


def named(name):
    return lambda event: event.data["name"] == name


def without_store(**kit):
    """Of a service whose kit is a file: nothing was purged."""
    made = h.with_manifest(h.passing(), kit={"name": "notes", "has_store": False, **kit})
    return h.without_events(made, Kind.PURGED)


CASES = [
    fires(
        "cleanup",
        "leftover",
        lambda: h.with_event_data(h.passing(), Kind.CENSUS, at("close"), items=[PORT]),
        FAIL,
        '1 of 1 things counted at close were not there at open, the first: {"name": "20004", "what": "port"}',
    ),
    near("cleanup", "leftover", lambda: h.with_event_data(h.passing(), Kind.CENSUS, items=[PORT])),
    near("cleanup", "leftover", lambda: h.with_event_data(h.passing(), Kind.CENSUS, at("open"), items=[PORT])),
    fires(
        "cleanup",
        "healed",
        lambda: h.without_events(h.passing(), Kind.FAULT_HEALED),
        FAIL,
        "1 of 1 faults that were switched on have no later heal on record",
        {"alert/resolved": OPEN, "cleanup/healed": FAIL},
    ),
    fires(
        "cleanup",
        "healed",
        lambda: h.with_events(h.passing(), fault_on_again(17.0)),
        FAIL,
        "1 of 2 faults that were switched on have no later heal on record",
    ),
    fires(
        "cleanup",
        "healed",
        lambda: replace(h.with_events(h.passing(), fault_on_again(17.0)), complete=False),
        OPEN,
        "1 of 2 faults that were switched on have no later heal on record, in a trial that was cut",
        {"evidence/sealed_complete": OPEN, "cleanup/healed": OPEN},
        "evidence/sealed_complete",
    ),
    fires(
        "cleanup",
        "healed",
        lambda: h.with_events(
            replace(h.with_events(h.passing(), fault_on_again(17.0)), complete=False),
            h.event(18.0, "guard", Kind.ERROR, where="heal", message="no answer"),
        ),
        FAIL,
        "1 of 2 faults that were switched on have no later heal on record",
        {"evidence/sealed_complete": OPEN, "evidence/no_errors": OPEN, "cleanup/healed": FAIL},
    ),
    near("cleanup", "healed", lambda: h.with_events(h.passing(), fault_on_again(16.01))),
    fires(
        "cleanup",
        "processes",
        lambda: h.without_events(h.passing(), Kind.PROCESS_EXITED, named("store")),
        FAIL,
        "1 of 9 processes have no end on record: store",
    ),
    near("cleanup", "processes", lambda: h.with_event_data(h.passing(), Kind.PROCESS_EXITED, named("store"), code=-15)),
    fires(
        "cleanup",
        "test_rows",
        lambda: h.with_event_data(h.passing(), Kind.PURGED, rows_left=1),
        FAIL,
        "1 test rows are left in the store",
    ),
    fires(
        "cleanup",
        "test_rows",
        lambda: h.with_event_data(h.passing(), Kind.PURGED, rows_left=-1),
        OPEN,
        "The purge of the test rows never came to its end",
    ),
    near(
        "cleanup", "test_rows", lambda: h.with_events(h.passing(), h.event(31.4, "control", Kind.PURGED, rows_left=1))
    ),
    near("cleanup", "test_rows", lambda: without_store(data_goes_with_trial=True)),
    fires(
        "cleanup",
        "test_rows",
        lambda: without_store(data_goes_with_trial=False),
        OPEN,
        "The kit reaches no store and the service has a place of its own for its data: nobody looked for test rows",
    ),
    fires(
        "cleanup",
        "counted",
        lambda: h.without_events(h.passing(), Kind.CENSUS),
        OPEN,
        "No census was taken at close and open",
    ),
    fires(
        "cleanup",
        "counted",
        lambda: h.without_events(h.passing(), Kind.CENSUS, at("close")),
        OPEN,
        "No census was taken at close",
    ),
    near(
        "cleanup",
        "counted",
        lambda: h.with_events(h.passing(), h.event(5.0, "control", Kind.CENSUS, at="open", items=[])),
    ),
]


def fault_on_again(seconds):
    span = {"lo_ns": h.at_ns(seconds), "hi_ns": h.at_ns(seconds)}
    return h.event(seconds, "control", Kind.FAULT_ON, **span, fault="http_5xx", instances=["canary-1"], arguments={})


@pytest.mark.parametrize("case", CASES, ids=str)
def test_case(case):
    """The rule, everything else that is red, and the headline are as the case says."""
    verify(case)
