"""Every number that a finding reports: 0 (or its base) without an anomaly, exact with one, in each direction."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from harness.evidence.format import Kind
from harness.judge import judge
from harness.testing import histories as h

FAILED_WRITE = next(index for index in range(600) if h.is_faulted(index) and h.is_write(index))


def measured(evidence, check):
    return next(found for found in judge(evidence).checks if found.id == check).measured


def of_row(index):
    return lambda row: row["op_id"] == h.op_id(index)


def operation(index, **values):
    return h.updated(h.passing(), "operations", of_row(index), **values)


def twice(name):
    row = next(row for row in h.rows_of(h.passing(), name) if row["op_id"] == h.op_id(160))
    return h.added(h.passing(), name, {**row, "position": 99})


def lost_unknown():
    found = operation(160, outcome="unknown", status=0)
    return h.dropped(h.dropped(found, "service", of_row(160)), "store", of_row(160))


def unknown_in_one_read(name):
    """Nobody knows what came of the write; one of the two reads has it."""
    other = {"store": "service", "service": "store"}[name]
    return h.dropped(operation(160, outcome="unknown", status=0), other, of_row(160))


def without_row(index):
    """The load was killed before it could say what came of the write."""
    return h.dropped(h.passing(), "operations", of_row(index))


def nobody_answered(index):
    return h.dropped(operation(index, version="", version_source="none"), "routing", of_row(index))


def at_close(*items):
    return h.with_event_data(h.passing(), "census", lambda event: event.data["at"] == "close", items=list(items))


def without_second_three():
    return h.dropped(h.passing(), "operations", lambda row: 60 <= int(row["op_id"].rsplit("-", 1)[1]) < 80)


def between(first_s, last_s):
    return lambda row: h.wall_at_ns(first_s) <= row["wall_ms"] * 1_000_000 <= h.wall_at_ns(last_s)


def fires_at(seconds):
    return h.added(h.passing(), "samples", h.alert_sample(seconds, "firing"))


def lost_by_nobody(index):
    return h.updated(nobody_answered(index), "operations", of_row(index), outcome="unknown")


# A row of each phase and track that has some.
PHASES = [
    ("baseline", "stable", 2),
    ("canary", "stable", 101),
    ("canary", "canary", 102),
    ("fault", "stable", 181),
    ("fault", "canary", 182),
    ("detect", "stable", 205),
    ("detect", "canary", 204),
    ("rollback", "stable", 280),
    ("verify", "stable", 500),
]


def is_store(event):
    return event.data["name"] == "store"


PLANTED: list[tuple[str, str, Callable, object, object]] = [
    ("data_loss", "attempted_count", lambda: without_row(160), 300, 300),
    ("data_loss", "attempted_count", lambda: operation(160, kind="look"), 300, 299),
    ("data_loss", "acked_count", lambda: without_row(160), 296, 295),
    ("data_loss", "acked_count", lambda: operation(FAILED_WRITE, outcome="ok"), 296, 297),
    ("data_loss", "acked_canary_count", lambda: operation(160, outcome="unknown"), 39, 38),
    ("data_loss", "acked_canary_count", lambda: operation(161, version="1.1"), 39, 40),
    ("data_loss", "acked_canary_count", lambda: operation(160, version="", version_source="none"), 39, 39),
    ("data_loss", "acked_nobody_count", lambda: nobody_answered(160), 0, 1),
    ("data_loss", "failed_count", lambda: operation(160, outcome="failed"), 4, 5),
    ("data_loss", "failed_count", lambda: operation(FAILED_WRITE, outcome="unknown"), 4, 3),
    ("data_loss", "unknown_count", lambda: without_row(160), 0, 1),
    ("data_loss", "unknown_count", lambda: operation(160, outcome="unknown"), 0, 1),
    ("data_loss", "recovered_count", lambda: operation(160, outcome="unknown"), 0, 1),
    ("data_loss", "recovered_count", lambda: without_row(160), 0, 1),
    ("data_loss", "recovered_count", lost_unknown, 0, 0),
    ("data_loss", "recovered_count", lambda: unknown_in_one_read("store"), 0, 1),
    ("data_loss", "recovered_count", lambda: unknown_in_one_read("service"), 0, 1),
    ("data_loss", "dropped_count", lambda: unknown_in_one_read("store"), 0, 0),
    ("data_loss", "dropped_count", lambda: h.with_read_meta(lost_unknown(), "store", complete=False), 0, 0),
    ("data_loss", "dropped_count", lambda: h.with_read_meta(lost_unknown(), "service", complete=False), 0, 0),
    ("data_loss", "dropped_count", lost_unknown, 0, 1),
    ("data_loss", "dropped_count", lambda: operation(160, outcome="unknown"), 0, 0),
    ("data_loss", "unverified_count", lambda: h.with_read_meta(h.passing(), "store", complete=False), 0, 296),
    (
        "data_loss",
        "unverified_count",
        lambda: h.with_read_meta(h.passing(), "service", started_ns=h.at_ns(29.85)),
        0,
        1,
    ),
    ("data_loss", "vanished_count", lambda: h.dropped(h.passing(), "store", of_row(160)), 0, 1),
    ("data_loss", "vanished_op_ids", lambda: h.dropped(h.passing(), "store", of_row(160)), [], [h.op_id(160)]),
    ("data_loss", "unreadable_count", lambda: h.dropped(h.passing(), "service", of_row(160)), 0, 1),
    ("data_loss", "unreadable_op_ids", lambda: h.dropped(h.passing(), "service", of_row(160)), [], [h.op_id(160)]),
    ("data_loss", "mutated_count", lambda: h.updated(h.passing(), "store", of_row(160), key="ship-9"), 0, 1),
    ("data_loss", "mutated_count", lambda: h.updated(h.passing(), "service", of_row(160), kind="leave"), 0, 1),
    ("data_loss", "mutated_count", lambda: h.updated(h.passing(), "store", of_row(0), payload_hash="other"), 0, 1),
    ("data_loss", "vanished_op_ids", lambda: h.dropped(h.passing(), "store", of_row(0)), [], [h.op_id(0)]),
    ("data_loss", "order_count", lambda: h.updated(h.passing(), "store", of_row(0), position=-1), 0, 0),
    ("data_loss", "mutated_op_ids", lambda: operation(160, payload_hash="sent otherwise"), [], [h.op_id(160)]),
    ("data_loss", "duplicated_count", lambda: twice("store"), 0, 1),
    ("data_loss", "duplicated_op_ids", lambda: twice("service"), [], [h.op_id(160)]),
    ("data_loss", "phantom_count", lambda: h.updated(h.passing(), "store", of_row(160), op_id="stray"), 0, 1),
    ("data_loss", "phantom_op_ids", lambda: h.updated(h.passing(), "store", of_row(160), op_id="stray"), [], ["stray"]),
    ("data_loss", "aborted_visible_count", lambda: operation(160, outcome="failed"), 0, 1),
    ("data_loss", "aborted_visible_op_ids", lambda: operation(160, outcome="failed"), [], [h.op_id(160)]),
    ("data_loss", "order_count", lambda: h.updated(h.passing(), "store", of_row(160), position=999), 0, 1),
    (
        "data_loss",
        "order_op_ids",
        lambda: h.updated(h.passing(), "service", of_row(160), position=999),
        [],
        [h.op_id(160)],
    ),
    ("generator", "due_count", lambda: h.moved(h.passing(), "load_stop_requested", -0.01), 600, 600),
    ("generator", "due_count", lambda: h.moved(h.passing(), "load_stop_requested", -0.06), 600, 599),
    ("generator", "due_count", lambda: h.moved(h.passing(), "load_stop_requested", 0.01), 600, 601),
    ("generator", "sent_count", lambda: without_row(2), 600, 599),
    ("generator", "not_sent_count", lambda: operation(2, sent_ns=0), 0, 1),
    ("generator", "lag_s_max", lambda: operation(2, sent_ns=h.at_ns(0.4)), 0.001, 0.3),
    ("generator", "silent_seconds_count", without_second_three, 0, 1),
    ("fault", "marked_count", lambda: operation(223, fault_mark="http_5xx"), 11, 12),
    ("fault", "canary_marked_count", lambda: operation(223, fault_mark="http_5xx"), 11, 11),
    ("fault", "canary_marked_count", lambda: operation(204, fault_mark="http_5xx"), 11, 12),
    ("fault", "canary_marked_count", lambda: operation(162, fault_mark="http_5xx"), 11, 11),
    ("fault", "canary_answers_count", lambda: operation(223, version="1.1"), 34, 35),
    ("fault", "canary_answers_count", lambda: operation(202, sent_ns=h.at_ns(10.02)), 34, 34),
    ("fault", "canary_answers_count", lambda: operation(202, sent_ns=h.at_ns(10.019)), 34, 33),
    ("fault", "retried_count", lambda: h.updated(h.passing(), "routing", of_row(2), attempts=3), 0, 1),
    ("alert", "notifications_count", lambda: h.with_notifications(h.passing()), 1, 0),
    ("alert", "firing_samples_count", lambda: h.added(h.passing(), "samples", h.alert_sample(14.0, "firing")), 6, 7),
    (
        "alert",
        "forbidden_samples_count",
        lambda: h.added(h.passing(), "samples", h.alert_sample(14.0, "firing", h.SERVICE_ALERT)),
        0,
        1,
    ),
    ("rollback", "late_count", lambda: operation(402, version="1.1"), 0, 1),
    ("rollback", "late_op_ids", lambda: operation(402, version="1.1"), [], [h.op_id(402)]),
    ("rollback", "watched_count", lambda: without_row(402), 317, 316),
    ("baseline", "answers_count", lambda: without_row(2), 98, 97),
    ("baseline", "answers_count", lambda: operation(2, version="1.1"), 98, 97),
    ("baseline", "bad_count", lambda: operation(2, outcome="unknown"), 0, 1),
    ("baseline", "bad_count", lambda: operation(98, outcome="unknown"), 0, 0),
    ("baseline", "firing_samples_count", lambda: fires_at(4.0), 0, 1),
    ("baseline", "firing_samples_count", lambda: fires_at(4.95), 0, 0),
    ("baseline", "idle_s_max", lambda: h.dropped(h.passing(), "samples", between(1.0, 3.0)), 1.0, 3.0),
    ("split", "requests_count", lambda: h.dropped(h.passing(), "routing", of_row(160)), [157], [156]),
    ("split", "requests_count", lambda: h.dropped(h.passing(), "routing", of_row(106)), [157], [157]),
    ("split", "canary_count", lambda: operation(160, version="1.0"), [78], [77]),
    ("requests", "lost_on_stable_count", lambda: operation(203, outcome="unknown"), 0, 1),
    ("requests", "lost_on_stable_count", lambda: operation(2, outcome="unknown"), 0, 0),
    ("requests", "lost_on_stable_op_ids", lambda: operation(203, outcome="unknown"), [], [h.op_id(203)]),
    ("requests", "lost_on_canary_count", lambda: operation(160, outcome="unknown"), 0, 1),
    ("requests", "lost_on_canary_op_ids", lambda: operation(160, outcome="unknown"), [], [h.op_id(160)]),
    ("requests", "unattributed_count", lambda: lost_by_nobody(160), 0, 1),
    ("requests", "unattributed_op_ids", lambda: lost_by_nobody(160), [], [h.op_id(160)]),
    ("requests", "refused_count", lambda: operation(203, outcome="failed", status=404), 0, 1),
    ("requests", "stable_answers_count", lambda: operation(203, version="1.1"), 417, 416),
    ("requests", "users_impacted_count", lambda: operation(2, outcome="unknown"), 4, 4),
    ("requests", "users_impacted_count", lambda: operation(2, user=9, outcome="unknown"), 4, 5),
    ("requests", "users_count", lambda: operation(2, user=9), 4, 5),
    ("requests", "in_flight_count", lambda: operation(160, done_ns=h.at_ns(14.0)), 4, 5),
    ("requests", "in_flight_unknown_count", lambda: operation(269, outcome="unknown"), 0, 1),
    ("requests", "in_flight_unknown_op_ids", lambda: operation(269, outcome="unknown"), [], [h.op_id(269)]),
    ("requests", "gone_count", lambda: without_row(269), 0, 1),
    ("requests", "gone_count", lambda: without_row(160), 0, 0),
    *(
        ("requests", f"{phase}_{track}_lost_count", lambda index=index: operation(index, outcome="unknown"), 0, 1)
        for phase, track, index in PHASES
    ),
    ("recovery", "good_seconds_count", lambda: operation(391, status=500), 30, 10),
    ("recovery", "good_seconds_count", lambda: operation(160, status=500), 30, 30),
    ("recovery", "answers_count", lambda: operation(391, status=500), 515, 200),
    ("fault", "canary_answers_count", lambda: operation(203, fault_mark="http_5xx"), 34, 34),
    ("cleanup", "leftovers_count", lambda: at_close({"what": "port", "name": "1"}), 0, 1),
    ("cleanup", "leftovers", lambda: at_close({"what": "port"}), [], ['{"what": "port"}']),
    ("cleanup", "test_rows_count", lambda: h.with_event_data(h.passing(), "purged", rows_left=3), 0, 3),
    ("cleanup", "test_rows_count", lambda: h.without_events(h.passing(), "purged"), 0, -1),
    (
        "cleanup",
        "processes_running_count",
        lambda: h.without_events(h.passing(), "process_exited", lambda event: event.data["name"] == "store"),
        0,
        1,
    ),
    (
        "evidence",
        "errors_count",
        lambda: h.with_events(h.passing(), h.event(9.0, "x", Kind.ERROR, where="", message="")),
        0,
        1,
    ),
    ("evidence", "problems_count", lambda: replace(h.passing(), problems=("a", "b")), 0, 2),
    ("evidence", "events_count", lambda: h.without_events(h.passing(), "quiesced"), 414, 413),
    ("cleanup", "processes_count", lambda: h.without_events(h.passing(), "process_started", is_store), 9, 8),
    ("alert", "blind_s_max", lambda: h.dropped(h.passing(), "samples", between(20.0, 22.0)), 0.8, 2.8),
    ("alert", "idle_s_max", lambda: h.dropped(h.passing(), "samples", between(20.0, 22.0)), 1.0, 3.0),
    ("evidence", "clock_drift_ms", lambda: h.with_events(h.passing(), h.clock_event(9.0, 20.0)), 0.0, 20.0),
    ("evidence", "clock_samples_count", lambda: h.with_events(h.passing(), h.clock_event(9.0)), 4, 5),
]


@pytest.mark.parametrize(("check", "name", "plant", "before", "after"), PLANTED)
def test_counter(check, name, plant, before, after):
    """The number is as it should be before the anomaly was planted and after it."""
    for evidence, wanted in ((h.passing(), before), (plant(), after)):
        found = measured(evidence, check)[name]
        assert wanted == (pytest.approx(found) if isinstance(wanted, float) else found)


def test_every_counter_is_planted():
    """Every count and every list of offenders that a finding reports has an anomaly here that moves it."""
    reported = {
        (check.id, name)
        for check in judge(h.passing()).checks
        for name in check.measured
        if name.endswith(("_count", "_op_ids"))
    }
    moved = {(check, name) for check, name, _, before, after in PLANTED if before != after}
    assert set() == reported - moved


def test_listed_at_most_ten():
    """Of many offenders ten are named, and all are counted."""
    found = measured(h.dropped(h.passing(), "store"), "data_loss")
    assert 296 == found["vanished_count"]
    assert 10 == len(found["vanished_op_ids"])


def test_resolved_by_routing():
    """An answer that names no version counts to the cluster that the router sent it to."""
    named = measured(h.passing(), "fault")
    unnamed = measured(
        h.updated(h.passing(), "operations", lambda row: True, version="", version_source="none"), "fault"
    )
    assert named == unnamed
