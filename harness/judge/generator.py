"""generator: was the load real, so that what was seen under it means something.

Terms. A row of the schedule is *due* when its instant lies before the control asked the load to stop; the
load's own word for its end is not taken, it may have died. An operation is *sent* when it left the load
process; one that the in-flight cap turned away has a row but was never sent. *Lag* is sent minus intended.

Measured: `due_count`, `sent_count`, `not_sent_count` operations; `lag_p50_s`, `lag_p99_s`, `lag_s_max`;
`cpu_p95_percent` of one core, of the load process; `silent_seconds_count`, whole seconds with rows due and
nothing sent.

No rule can FAIL: a weak load says nothing about the service.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from harness.clock import NS_PER_S
from harness.evidence.finding import Finding, Rule
from harness.evidence.format import Kind
from harness.judge.facts import Array, Facts, index_in
from harness.judge.saying import finding, inference, percent, unless

ID: Final = "generator"
OFFERED_SHARE_MIN: Final = 0.99
LAG_SCRAPES_MAX: Final = 0.25  # later than a quarter of a scrape interval, load moves to another sample
CPU_PERCENT_MAX: Final = 85.0  # measured: above it the load process itself begins to queue
LOAD: Final = "load"


def check(facts: Facts) -> Finding:
    """Seven rules, all INCONCLUSIVE where they do not hold."""
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
    if cpu.size:
        measured["cpu_p95_percent"] = float(np.percentile(cpu, 95))
    return finding(ID, rules, measured, f"{int(sent.sum())} requests were sent as planned")


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
