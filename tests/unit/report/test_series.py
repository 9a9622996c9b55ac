"""The chart's numbers: bins, shares, weights."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from harness.evidence.format import ROUTING, Kind
from harness.report import series


def test_every_request_is_in_one_bin(trials):
    """The bins' counts add up to the requests, and the bad ones to the outcomes that are not ok."""
    evidence, findings = trials.rolled_back()
    counts = series.count(evidence, series.zero(evidence, findings).t_ns)
    assert evidence.operations["op_id"].size == counts.count
    bad = int((evidence.operations["outcome"] != "ok").sum())
    assert bad == sum(int(counts.bad[track].sum()) for track in series.TRACKS)


def test_bins_stand_on_whole_seconds_from_zero(trials):
    """Zero is an edge between bins, so that the first second after the fault is a bin of its own."""
    evidence, findings = trials.rolled_back()
    counts = series.count(evidence, series.zero(evidence, findings).t_ns)
    assert 1 == counts.bin_s
    assert 0.0 in counts.start_s
    assert {1.0} == set(np.diff(counts.start_s))


def test_request_counts_in_the_second_it_was_sent_in(trials):
    """A request sent at 26.0 s and answered at 30 s counts at 26 s."""
    rows = [trials.operations()[0] | {"sent_ns": trials.at(26.0), "done_ns": trials.at(30.0)}]
    counts = series.count(trials.evidence(rows, trials.events()), trials.at(0))
    assert [26.0] == list(counts.start_s[counts.total["stable"] > 0])


def test_seconds_filled_in_part_have_no_rate(trials):
    """Only the first and last second lack a rate, since the load began and ended inside them."""
    evidence, findings = trials.rolled_back()
    counts = series.count(evidence, series.zero(evidence, findings).t_ns)
    missing = np.flatnonzero(np.isnan(counts.rate_rps("stable")))
    assert [0, counts.start_s.size - 1] == list(missing)


def test_long_trial_gets_wider_bins(trials):
    """An hour is binned by 10 s, and no request is dropped."""
    evidence, _ = trials.rolled_back()
    columns = dict(evidence.operations)
    columns["sent_ns"] = trials.START_NS + np.linspace(0, 3600e9, columns["sent_ns"].size).astype(np.int64)
    counts = series.count(replace(evidence, operations=columns), trials.START_NS)
    assert 10 == counts.bin_s
    assert columns["sent_ns"].size == counts.count


@pytest.mark.parametrize(("hits", "trials_count"), [(0, 1), (0, 40), (5, 40), (40, 40), (1, 3), (499, 1000)])
def test_wilson_is_scipys(hits, trials_count):
    """Both ends equal scipy's Wilson interval."""
    low, high = series.wilson(np.array([hits]), np.array([trials_count]))
    wanted = stats.binomtest(hits, trials_count).proportion_ci(0.95, "wilson")
    assert (pytest.approx(wanted.low, abs=1e-6), pytest.approx(wanted.high, abs=1e-6)) == (low[0], high[0])


def test_wilson_of_nothing_is_unknown():
    """No trials give no interval."""
    low, high = series.wilson(np.array([0]), np.array([0]))
    assert [True, True] == [bool(np.isnan(low[0])), bool(np.isnan(high[0]))]


def test_unknown_versions_widen_the_band(trials):
    """Requests nobody can attribute count against the share at both ends."""
    rows = trials.operations()
    known = series.count(trials.evidence(rows, trials.events()), trials.at(0)).share_percent()
    some = [row | {"version": ""} if number % 5 == 0 else row for number, row in enumerate(rows)]
    blurred = series.count(trials.evidence(some, trials.events()), trials.at(0)).share_percent()
    assert [] == list(np.flatnonzero(blurred[1] > known[1] + 1e-9))
    assert [] == list(np.flatnonzero(blurred[2] < known[2] - 1e-9))


def test_router_names_the_track_where_the_answer_does_not(trials):
    """A request without a version is resolved by the router's log."""
    rows = [row | {"version": ""} for row in trials.operations()[:2]]
    entry = {
        "op_id": rows[0]["op_id"],
        "start_wall_ns": 0,
        "duration_ms": 1.0,
        "cluster": "canary",
        "upstream": "",
        "status": 200,
        "flags": "",
        "attempts": 1,
        "method": "GET",
        "path": "/",
    }
    evidence = trials.evidence(rows, trials.events(), routing=trials.table(ROUTING, [entry]))
    assert ["canary", "unknown"] == list(series.tracks(evidence))


def test_weights_are_the_router_readings(trials):
    """The steps are those of the readings, in order, each beginning where the last one ends."""
    evidence, _ = trials.rolled_back()
    steps = series.weights(evidence, trials.at(0))
    assert [0, 5, 25, 0] == [step.weight for step in steps]
    assert [8.001, 23.001, 30.101] == [pytest.approx(step.from_s, abs=1e-6) for step in steps[1:]]
    assert [step.to_s for step in steps[:-1]] == [step.from_s for step in steps[1:]]


@pytest.mark.parametrize(("gap_s", "step_count"), [(1.9, 1), (2.1, 2)])
def test_weight_is_not_drawn_over_a_gap(trials, gap_s, step_count):
    """Over two seconds without a reading nobody knows the weight, though it is the same before and after."""
    readings = [
        trials.event(at_s, Kind.WEIGHT_READ, lo_ns=trials.at(at_s), hi_ns=trials.at(at_s), weight=5)
        for at_s in (1.0, 1.0 + gap_s)
    ]
    assert step_count == len(series.weights(trials.evidence([], tuple(readings)), trials.at(0)))


@pytest.mark.parametrize(
    ("trial", "what"),
    [
        ("rolled_back", "the first answer spoiled by the fault"),
        ("promoted", "the start of the load"),
        ("empty", ""),
    ],
)
def test_zero_says_what_it_is(trials, trial, what):
    """Seconds count from the first faulted answer, else from the load's start, else from nothing."""
    assert what == series.zero(*trials.ALL[trial]()).what


def test_zero_without_a_load_event(trials):
    """The first request, else the first event, stands in for a start that was not recorded."""
    rows, findings = trials.operations(), trials.promoted()[1]
    assert "the first request" == series.zero(trials.evidence(rows, ()), findings).what
    phase = (trials.event(1, Kind.PHASE, phase="open"),)
    assert "the first recorded event" == series.zero(trials.evidence([], phase), findings).what


def test_percentiles_are_of_the_answers_of_a_second(trials):
    """p50, p95 and p99 of each second and track are numpy's over its answered requests, and NaN without one."""
    rows = [
        trials.operations()[0] | {"sent_ns": trials.at(26.0), "done_ns": trials.at(26.0) + took_ms * 10**6}
        for took_ms in range(1, 101)
    ]
    rows[0] |= {"status": 0, "outcome": "unknown", "done_ns": trials.at(29.0)}
    counts = series.count(trials.evidence(rows, trials.events()), trials.at(0))
    place = list(counts.start_s).index(26.0)
    assert list(np.percentile(np.arange(2, 101), [50, 95, 99])) == list(counts.latency_ms["stable"][place])
    assert True is bool(np.isnan(counts.latency_ms["canary"]).all())


@pytest.mark.parametrize(("waits", "longest_ms"), [(True, 8), (False, 3_000)])
def test_kinds_that_wait_are_in_no_latency(trials, waits, longest_ms):
    """A kind that waits for somebody outside is left out, as in the judge's figures; any other counts."""
    document = trials.manifest()
    document["load"] = document["load"] | {"kinds": [{"name": "move_cargo", "share": 1.0, "waits": waits}]}
    rows = [
        row | {"done_ns": row["sent_ns"] + (3_000 if row["kind"] == "move_cargo" else 8) * 10**6}
        for row in trials.operations()
    ]
    evidence = trials.evidence(rows, trials.events(), manifest=document)
    assert pytest.approx(longest_ms) == np.nanmax(series.count(evidence, trials.at(0)).latency_ms["stable"])


def test_writes_are_counted_by_outcome(trials):
    """The bins' writes add up to the ledger's: acknowledged, failed and unknown."""
    evidence, findings = trials.rolled_back()
    counts = series.count(evidence, series.zero(evidence, findings).t_ns)
    writes = evidence.operations["seq"] >= 0
    wanted = {
        name: int((writes & (evidence.operations["outcome"] == name)).sum()) for name in ("ok", "failed", "unknown")
    }
    assert wanted == {name: int(column.sum()) for name, column in counts.writes.items()}
    assert 0 < wanted["failed"]
