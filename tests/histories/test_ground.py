"""Literal histories of the ground: evidence, generator and fault. None of their rules can FAIL."""

from dataclasses import replace

import pytest

from harness.clock import NS_PER_S
from harness.evidence.finding import Verdict
from harness.evidence.format import Kind
from harness.testing import histories as h
from harness.testing.cases import fires, near, verify

OPEN = Verdict.INCONCLUSIVE
# What nothing can be said about when no answer carries the mark, beside the fault itself.
NO_FAULTED_ANSWER = (
    "alert/not_before",
    "alert/fired",
    "alert/in_time",
    "alert/notification",
    "rollback/cause",
    "rollback/late",
)
ONE_REQUEST = (
    "generator/offered",
    "generator/no_gap",
    "baseline/measured",
    "fault/landed",
    "fault/strength",
    "fault/mis_aimed",
    "fault/confined",
    *NO_FAULTED_ANSWER,
    "split/measured",
    "rollback/traffic",
    "requests/lost_on_stable",
    "requests/in_flight",
    "data_loss/vacuous",
    "data_loss/power",
    "recovery/good_seconds",
    "recovery/latency",
)


def named(name):
    """Events of the process `name`."""
    return lambda event: event.data["name"] == name


def of_rows(*indices):
    """Rows of these places in the schedule."""
    op_ids = {h.op_id(index) for index in indices}
    return lambda row: row["op_id"] in op_ids


def with_problems(*problems):
    return replace(h.passing(), problems=problems)


def without_reads_of_baseline(count):
    """`count` reads sent to stable in the first seconds have no row."""
    looks = [index for index in range(100) if not h.is_write(index)]
    return h.dropped(h.passing(), "operations", of_rows(*looks[:count]))


def planned_until(seconds):
    """The load planned nothing after this second, and sent all that it had planned."""
    gone = of_rows(*range(int(seconds * h.RATE_RPS) + 1, 700))
    return without(gone)


def without(gone):
    """Rows that were never planned, sent, routed or stored."""
    evidence = h.passing()
    for name in ("schedule", "operations", "routing", "service", "store"):
        evidence = h.dropped(evidence, name, gone)
    return evidence


def planned_share(share):
    """The load planned this share of what its profile promises, without a gap, and sent all that it had planned."""
    looks = [index for index in range(600) if not h.is_write(index) and not h.is_faulted(index)]
    kept = round(600 * (1 - share))
    gone = of_rows(*looks[:: len(looks) // kept][:kept])
    return without(gone)


def late_reads_of_baseline(count, by_s):
    """`count` reads are sent and answered `by_s` seconds later than they were."""
    looks = [index for index in range(100) if not h.is_write(index)][:count]
    wanted = {h.op_id(index) for index in looks}

    def move(row):
        if row["op_id"] not in wanted:
            return row
        by_ns = round(by_s * NS_PER_S)
        return {**row, "sent_ns": row["sent_ns"] + by_ns, "done_ns": row["done_ns"] + by_ns}

    return h.changed(h.passing(), "operations", move)


def only_of_second(second, kept):
    """In one second of the baseline only its last `kept` requests have rows."""
    rows = range(second * h.RATE_RPS, (second + 1) * h.RATE_RPS - kept)
    return h.dropped(h.passing(), "operations", of_rows(*rows))


def unmarked(keep):
    """Only the first `keep` marks stay; the other 503 are anybody's."""
    marked = [index for index in range(600) if h.is_faulted(index)]
    return h.updated(h.passing(), "operations", of_rows(*marked[keep:]), fault_mark="", outcome="unknown")


def all_marked():
    """Every answer of the canary is spoiled from 10.05 s on."""
    return h.updated(
        h.dropped(
            h.dropped(h.passing(), "service", canary_in_fault),
            "store",
            canary_in_fault,
        ),
        "operations",
        canary_in_fault,
        fault_mark="http_5xx",
        outcome="failed",
        status=503,
    )


def canary_in_fault(row):
    index = int(row["op_id"].rsplit("-", 1)[1])
    return h.track_of(index) == "canary" and index / h.RATE_RPS > h.FAULT_S


def stable_unmarked(evidence):
    """Of a fault on both tracks nothing reached stable."""

    def heal(row):
        if row["version"] == "1.1" or not row["fault_mark"]:
            return row
        return {**row, "fault_mark": "", "outcome": "ok", "status": 201 if row["seq"] >= 0 else 200}

    healed = h.changed(evidence, "operations", heal)
    return h.with_rows(h.with_rows(healed, "service", h.read_rows(healed)), "store", h.read_rows(healed))


def marked_row(index, **more):
    return h.updated(
        h.passing(), "operations", of_rows(index), fault_mark="http_5xx", status=503, outcome="failed", **more
    )


CASES = [
    # -- evidence ------------------------------------------------------------------------------------------------
    fires(
        "evidence",
        "sealed_complete",
        lambda: replace(h.passing(), complete=False),
        OPEN,
        "The run directory is not sealed as complete: the trial was cut short",
    ),
    near(
        "evidence",
        "sealed_complete",
        lambda: with_problems("operations/load.arrows: cut after 12 rows"),
        {"evidence/readable": OPEN},
        "evidence/readable",
    ),
    fires(
        "evidence",
        "intact",
        lambda: with_problems("manifest.json: changed since it was sealed"),
        OPEN,
        "1 file differ from the seal, the first: manifest.json: changed since it was sealed",
    ),
    near(
        "evidence",
        "intact",
        lambda: replace(with_problems("SEAL: missing: the trial was interrupted before it was closed"), complete=False),
        {"evidence/sealed_complete": OPEN},
        "evidence/sealed_complete",
    ),
    fires(
        "evidence",
        "readable",
        lambda: with_problems("timeline/load.ndjson:3: no event", "operations/load.arrows: cut after 12 rows"),
        OPEN,
        "2 parts could not be read, the first: timeline/load.ndjson:3: no event",
    ),
    near(
        "evidence",
        "readable",
        lambda: with_problems("schedule/load.parquet: in the seal but not in the directory"),
        {"evidence/intact": OPEN},
        "evidence/intact",
    ),
    fires(
        "evidence",
        "no_errors",
        lambda: h.with_events(
            h.passing(),
            h.event(20.0, "control", Kind.ERROR, where="heal", message="no answer"),
            h.event(19.0, "control", Kind.INTERRUPTED, why="SIGINT"),
        ),
        OPEN,
        "2 errors, the earliest 25.00 s after the trial began: interrupted: SIGINT",
    ),
    fires(
        "evidence",
        "no_errors",
        lambda: h.with_events(h.passing(), h.event(20.0, "control", Kind.ERROR, where="heal", message="no answer")),
        OPEN,
        "1 errors, the earliest 26.00 s after the trial began: error: heal: no answer",
    ),
    fires(
        "evidence",
        "no_errors",
        lambda: h.with_events(h.passing(), h.event(20.0, "guard", Kind.GUARD_FINISHING, why="the control is gone")),
        OPEN,
        "1 errors, the earliest 26.00 s after the trial began: guard_finishing: the control is gone",
    ),
    fires(
        "evidence",
        "no_errors",
        lambda: h.with_event_data(h.passing(), Kind.PROCESS_EXITED, named("router"), code=-11, expected=False),
        OPEN,
        "1 errors, the earliest 38.03 s after the trial began: process_exited: router ended unasked with code -11",
    ),
    fires(
        "evidence",
        "no_errors",
        lambda: h.with_event_data(h.passing(), Kind.PROCESS_EXITED, named("router"), code=-9),
        OPEN,
        "1 errors, the earliest 38.03 s after the trial began: process_exited: "
        "router did not end when it was asked to, and was killed",
    ),
    near(
        "evidence",
        "no_errors",
        lambda: h.with_event_data(h.passing(), Kind.PROCESS_EXITED, named("router"), code=-15),
    ),
    near(
        "evidence",
        "no_errors",
        lambda: h.with_event_data(
            h.with_events(h.passing(), h.event(20.0, "observer", Kind.OBSERVER_MISSED, what="router", message="no")),
            Kind.PROCESS_EXITED,
            named("router"),
            code=1,
        ),
    ),
    fires(
        "evidence",
        "clock",
        lambda: h.with_events(h.passing(), h.clock_event(31.0, offset_ms=51)),
        OPEN,
        "Wall and monotonic clock drifted 51.0 ms apart, at most 50 ms are allowed",
    ),
    near("evidence", "clock", lambda: h.with_events(h.passing(), h.clock_event(31.0, offset_ms=49))),
    # -- generator -----------------------------------------------------------------------------------------------
    fires(
        "generator",
        "traffic",
        lambda: h.dropped(h.passing(), "operations"),
        OPEN,
        "0 requests were sent",
        {
            **dict.fromkeys(ONE_REQUEST, OPEN),
            "generator/traffic": OPEN,
            "generator/lag": OPEN,
            "generator/not_sent": OPEN,
            "baseline/latency": OPEN,
            "data_loss/verified": OPEN,
        },
    ),
    near(
        "generator",
        "traffic",
        lambda: h.dropped(h.passing(), "operations", lambda row: row["op_id"] != h.op_id(0)),
        dict.fromkeys(ONE_REQUEST, OPEN),
        "generator/offered",
    ),
    fires(
        "generator",
        "planned",
        lambda: planned_until(28.45),
        OPEN,
        "The schedule ends at 28.4 s, and the load was asked to stop at 30.0 s",
        {"generator/planned": OPEN, "recovery/good_seconds": OPEN, "recovery/latency": OPEN},
    ),
    fires(
        "generator",
        "planned",
        lambda: planned_share(0.83),
        OPEN,
        "The schedule goes on to the stop and has 498 rows in 30.0 s where 20 a second are promised: p = 2e-05, "
        "3 tests of the trial share 0.0001",
    ),
    near(
        "generator",
        "planned",
        lambda: planned_until(28.5),
        {"recovery/good_seconds": Verdict.FAIL, "recovery/latency": OPEN},
        "recovery/good_seconds",
    ),
    near("generator", "planned", lambda: planned_share(0.84)),
    fires(
        "generator",
        "offered",
        lambda: without_reads_of_baseline(7),
        OPEN,
        "593 of 600 due requests were sent (98.8 %; at least 99 % must be)",
    ),
    near("generator", "offered", lambda: without_reads_of_baseline(6)),
    fires(
        "generator",
        "no_gap",
        lambda: only_of_second(3, 0),
        OPEN,
        "1 whole seconds had requests due and none sent, the first 3 s after the zero",
        {"generator/offered": OPEN, "generator/no_gap": OPEN},
        "generator/offered",
    ),
    near("generator", "no_gap", lambda: only_of_second(3, 1), {"generator/offered": OPEN}, "generator/offered"),
    fires(
        "generator",
        "lag",
        lambda: late_reads_of_baseline(7, 0.2501),
        OPEN,
        "Requests left 0.0010 s (p50), 0.2511 s (p99), at most 0.2511 s after their instant; p99 may be 0.25 s",
    ),
    near("generator", "lag", lambda: late_reads_of_baseline(7, 0.249)),
    fires(
        "generator",
        "not_sent",
        lambda: h.updated(
            h.passing(),
            "operations",
            of_rows(42),
            sent_ns=0,
            status=0,
            outcome="failed",
            version="",
            version_source="none",
            error="not sent: in-flight cap",
        ),
        OPEN,
        "1 of 600 requests were never sent: too many were in flight, or the load ended first",
    ),
    near(
        "generator",
        "not_sent",
        lambda: h.updated(
            h.passing(), "operations", of_rows(42), status=0, outcome="failed", version="", error="connection refused"
        ),
        {"baseline/errors": OPEN},
        "baseline/errors",
    ),
    fires(
        "generator",
        "cpu",
        lambda: h.with_event_data(h.passing(), Kind.HOST_SAMPLE, cpu_percent={"load": 85.0}),
        OPEN,
        "The load process used 85 % of one core (p95 of 30 samples); below 85 % it keeps time",
    ),
    fires(
        "generator",
        "cpu",
        lambda: h.with_event_data(h.passing(), Kind.HOST_SAMPLE, cpu_percent={"router": 1.0}),
        OPEN,
        "The load process's CPU was never sampled",
    ),
    near("generator", "cpu", lambda: h.with_event_data(h.passing(), Kind.HOST_SAMPLE, cpu_percent={"load": 84.9})),
    fires(
        "generator",
        "process",
        lambda: h.with_event_data(h.passing(), Kind.PROCESS_EXITED, named("load"), code=-9, expected=False),
        OPEN,
        "The load process ended unasked with code -9",
        {"evidence/no_errors": OPEN, "generator/process": OPEN},
        "evidence/no_errors",
    ),
    fires(
        "generator",
        "process",
        lambda: h.without_events(h.passing(), Kind.LOAD_STOPPED),
        OPEN,
        "The load process never said that it stopped",
    ),
    near("generator", "process", lambda: h.with_event_data(h.passing(), Kind.PROCESS_EXITED, named("load"), code=1)),
    # -- fault ---------------------------------------------------------------------------------------------------
    fires(
        "fault",
        "landed",
        lambda: unmarked(0),
        OPEN,
        "0 answers of canary carry the injector's mark",
        dict.fromkeys(
            ("fault/landed", "fault/strength", "fault/mis_aimed", "fault/confined", *NO_FAULTED_ANSWER), OPEN
        ),
    ),
    near("fault", "landed", lambda: unmarked(1)),
    fires(
        "fault",
        "strength",
        all_marked,
        OPEN,
        "34 of 34 answers of canary were marked (100.0 %, exact 95 % interval 89.7 % to 100.0 %) where 30.0 % are "
        "declared: p = 1.7e-18, 3 tests of the trial share 0.0001",
        {"fault/strength": OPEN, "data_loss/power": OPEN},
    ),
    fires(
        "fault",
        "strength",
        lambda: stable_unmarked(h.held()),
        OPEN,
        "",
        {
            "fault/landed": OPEN,
            "fault/strength": OPEN,
        },
        "fault/landed",
    ),
    near("fault", "strength", lambda: unmarked(3)),
    fires(
        "fault",
        "mis_aimed",
        lambda: marked_row(223),
        OPEN,
        "1 of 12 marked answers did not come from canary",
    ),
    near(
        "fault",
        "mis_aimed",
        lambda: h.updated(h.passing(), "operations", of_rows(223), status=500, outcome="unknown"),
        {"requests/lost_on_stable": Verdict.FAIL},
        "requests/lost_on_stable",
    ),
    near("fault", "mis_aimed", h.held),
    fires(
        "fault",
        "confined",
        lambda: marked_row(162),
        OPEN,
        "1 of 12 marked answers came before the fault was on, 0 after it was healed",
    ),
    fires(
        "fault",
        "confined",
        lambda: h.moved(h.passing(), Kind.FAULT_HEALED, -4.0),
        OPEN,
        "",
    ),
    near(
        "fault",
        "confined",
        lambda: h.with_event_data(marked_row(202), Kind.FAULT_ON, lo_ns=h.at_ns(10.106)),
    ),
    fires(
        "fault",
        "honest_router",
        lambda: h.updated(h.passing(), "routing", of_rows(42), attempts=2),
        OPEN,
        "1 of 600 requests were sent more than once by the router; a retry would hide the fault",
    ),
    near("fault", "honest_router", lambda: h.updated(h.passing(), "routing", of_rows(42), attempts=0)),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_case(case):
    """The rule, everything else that is red, and the headline are as the case says."""
    verify(case)
