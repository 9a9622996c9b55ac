"""generator: was the load real, so that what was seen under it means something.

Terms. A row of the schedule is *due* when its instant lies before the control asked the load to stop; the
load's own word for its end is not taken, it may have died. An operation is *sent* when it left the load
process; one that the in-flight cap turned away has a row but was never sent. *Lag* is sent minus intended.
A schedule is *honest* when it goes on to the stop and has the rows that the profile's rate promises: a load that
shortened or thinned its own schedule could send all of it.

Measured: `due_count`, `sent_count`, `not_sent_count` operations; `planned_rate_rps`, rows due a second;
`planned_until_s`, the schedule's last row, from the zero; `lag_p50_s`, `lag_p99_s`, `lag_s_max`;
`cpu_p95_percent` of one core, of the load process; `silent_seconds_count`, whole seconds with rows due and
nothing sent.

No rule can FAIL: a weak load says nothing about the service.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from harness.clock import NS_PER_S
from harness.evidence.finding import Finding, Rule
from harness.evidence.format import Kind
from harness.judge.facts import Array, Facts, index_in
from harness.judge.saying import budgeted, finding, inference, percent, unless
from harness.judge.statistics import poisson_two_sided_p

ID: Final = "generator"
OFFERED_SHARE_MIN: Final = 0.99
LAG_SCRAPES_MAX: Final = 0.25  # later than a quarter of a scrape interval, load moves to another sample
CPU_PERCENT_MAX: Final = 85.0  # measured: above it the load process itself begins to queue
LOAD: Final = "load"
PLANNED: Final = f"{ID}/planned"
# How long before the stop the last row may be: a second for the way of the stop, and ten mean gaps, which one honest
# schedule in 22,000 exceeds.
SHORT_S_MAX: Final = 1.0
SHORT_GAPS_MAX: Final = 10


def check(facts: Facts) -> Finding:
    """Eight rules, all INCONCLUSIVE where they do not hold."""
    operations = facts.evidence.operations
    sent_ns = operations["sent_ns"]
    sent = sent_ns > 0
    due_ids = facts.evidence.schedule["op_id"][facts.due]
    sent_due_count = int((index_in(due_ids, operations["op_id"][sent]) >= 0).sum())
    lag_s = (sent_ns - operations["intended_ns"])[sent] / NS_PER_S
    cpu = load_cpu_percent(facts)
    silent = silent_seconds(facts)
    rules = (
        _traffic(int(sent.sum())),
        _planned(facts),
        _offered(sent_due_count, int(due_ids.size)),
        _no_gap(silent, int(due_ids.size), facts.start_ns),
        _lag(lag_s, LAG_SCRAPES_MAX * float(facts.evidence.manifest["timing"]["scrape_s"])),
        _not_sent(int((~sent).sum()), int(sent.size)),
        _cpu(cpu),
        _process(facts),
    )
    measured: dict[str, Any] = {
        "due_count": int(due_ids.size),
        "sent_count": int(sent.sum()),
        "not_sent_count": int((~sent).sum()),
        "silent_seconds_count": int(silent.size),
        **_lags(lag_s),
    }
    if due_ids.size:
        measured["planned_rate_rps"] = int(due_ids.size) / _span_s(facts)
        measured["planned_until_s"] = _planned_until_s(facts)
    if cpu.size:
        measured["cpu_p95_percent"] = float(np.percentile(cpu, 95))
    return finding(ID, rules, measured, f"{int(sent.sum())} requests were sent as planned")


def p_values(facts: Facts) -> Mapping[str, float]:
    """The p of the schedule's rate over the load's span, as PLANNED; none where nothing was due."""
    count = int(facts.due.sum())
    if count == 0:
        return {}
    return {PLANNED: poisson_two_sided_p(count, _rate_rps(facts) * _span_s(facts))}


def _rate_rps(facts: Facts) -> float:
    return float(facts.evidence.manifest["load"]["rate_rps"])


def _span_s(facts: Facts) -> float:
    return (facts.stop_ns - facts.start_ns) / NS_PER_S


def _planned_until_s(facts: Facts) -> float:
    return int(facts.evidence.schedule["offset_ns"].max()) / NS_PER_S


def load_cpu_percent(facts: Facts) -> Array:
    """Each look at the load process's CPU, in percent of one core. Shape (n,)."""
    looks = [event.data["cpu_percent"] for event in facts.evidence.of(Kind.HOST_SAMPLE)]
    return np.array([look[LOAD] for look in looks if LOAD in look], dtype=np.float64)


def silent_seconds(facts: Facts) -> Array:
    """Whole seconds since the zero with rows due in which nothing was sent. Shape (m,).

    A second whose only rows are due at its very end may send them in the next one, within the lag that is allowed.
    """
    operations = facts.evidence.operations
    due_s = np.unique(facts.evidence.schedule["offset_ns"][facts.due] // NS_PER_S)
    sent = operations["sent_ns"] > 0
    sent_ns = operations["sent_ns"][sent] - facts.start_ns
    intended_s = (operations["intended_ns"][sent] - facts.start_ns) // NS_PER_S
    in_lag = sent_ns < (intended_s + 1) * NS_PER_S + round(LAG_SCRAPES_MAX * NS_PER_S)
    busy_s = np.concatenate([sent_ns // NS_PER_S, intended_s[in_lag]])
    return np.asarray(np.setdiff1d(due_s, busy_s))


def _lags(lag_s: Array) -> dict[str, float]:
    if lag_s.size == 0:
        return {}
    p50, p99 = np.percentile(lag_s, [50, 99])
    return {"lag_p50_s": float(p50), "lag_p99_s": float(p99), "lag_s_max": float(lag_s.max())}


def _traffic(sent_count: int) -> Rule:
    return inference("traffic", unless(sent_count == 0), f"{sent_count} requests were sent")


def _planned(facts: Facts) -> Rule:
    count = int(facts.due.sum())
    if count == 0:
        return inference("planned", unless(True), "No row of the schedule was due, so no load was planned")
    rate_rps, until_s, span_s = _rate_rps(facts), _planned_until_s(facts), _span_s(facts)
    if until_s < span_s - SHORT_S_MAX - SHORT_GAPS_MAX / rate_rps:
        says = f"The schedule ends at {until_s:.1f} s, and the load was asked to stop at {span_s:.1f} s"
        return inference("planned", unless(True), says)
    says = (
        f"The schedule goes on to the stop and has {count} rows in {span_s:.1f} s where {rate_rps:g} a second are "
        f"promised: p = {facts.p_values.get(PLANNED, 1.0):.2g}, {budgeted(facts)}"
    )
    return inference("planned", unless(PLANNED in facts.refuted), says)


def _offered(sent_count: int, due_count: int) -> Rule:
    if due_count == 0:
        return inference("offered", unless(True), "No row of the schedule was due, so nothing was offered")
    share = sent_count / due_count
    says = f"{sent_count} of {due_count} due requests were sent ({percent(share)}; at least 99 % must be)"
    return inference("offered", unless(share < OFFERED_SHARE_MIN), says)


def _no_gap(silent: Array, due_count: int, start_ns: int) -> Rule:
    if due_count == 0 or start_ns == 0:
        return inference("no_gap", unless(True), "No load was due, so no gap in it could be seen")
    first = f", the first {silent[0]} s after the zero" if silent.size else ""
    says = f"{silent.size} whole seconds had requests due and none sent{first}"
    return inference("no_gap", unless(silent.size > 0), says)


def _lag(lag_s: Array, limit_s: float) -> Rule:
    if lag_s.size == 0:
        return inference("lag", unless(True), "Nothing was sent, so its lag is unknown")
    lags = _lags(lag_s)
    says = (
        f"Requests left {lags['lag_p50_s']:.4f} s (p50), {lags['lag_p99_s']:.4f} s (p99), at most "
        f"{lags['lag_s_max']:.4f} s after their instant; p99 may be {limit_s:g} s"
    )
    return inference("lag", unless(lags["lag_p99_s"] > limit_s), says)


def _not_sent(refused_count: int, count: int) -> Rule:
    says = f"{refused_count} of {count} requests were never sent: too many were in flight, or the load ended first"
    return inference("not_sent", unless(refused_count > 0 or count == 0), says)


def _cpu(cpu: Array) -> Rule:
    if cpu.size == 0:
        return inference("cpu", unless(True), "The load process's CPU was never sampled")
    p95 = float(np.percentile(cpu, 95))
    says = f"The load process used {p95:.0f} % of one core (p95 of {cpu.size} samples); below 85 % it keeps time"
    return inference("cpu", unless(p95 >= CPU_PERCENT_MAX), says)


def _process(facts: Facts) -> Rule:
    died = [e for e in facts.evidence.of(Kind.PROCESS_EXITED) if e.data["name"] == LOAD and not e.data["expected"]]
    if died:
        says = f"The load process ended unasked with code {died[0].data['code']}"
        return inference("process", unless(True), says)
    stopped = facts.evidence.of(Kind.LOAD_STOPPED)
    says = "The load process ran to its end" if stopped else "The load process never said that it stopped"
    return inference("process", unless(not stopped), says)
