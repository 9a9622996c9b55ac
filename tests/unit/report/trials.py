"""Literal trials for the report's tests: evidence and findings side by side, made from a seed, never judged.

`rolled_back` is a whole drill of 54 s at 40 requests a second; the others are changes of it. Seconds below count
from the load's start; the first faulted answer is at 26.4 s.
"""

from __future__ import annotations

import json
import random
from dataclasses import replace

import numpy as np

from harness.evidence.finding import Finding, Findings, Headline, Instant, Rule, RuleKind, Verdict
from harness.evidence.format import METRICS, OPERATIONS, READBACK, ROUTING, Kind
from harness.evidence.run import Clock, Evidence, Notification, ReadBack
from harness.evidence.timeline import Event

RUN_ID = "20261124T120000Z-canary-5xx-0a1b2c"
START_NS = 5_000 * 10**9
END_S = 54.0
KINDS = (("report_position", 0.6, True), ("move_cargo", 0.15, True), ("list_ships", 0.25, False))
WEIGHTS = ((0.0, 0), (8.0, 5), (23.0, 25), (30.1, 0))
INJECTED = "503 by injector"


def at(second):
    return START_NS + round(second * 1e9)


def manifest(**changes):
    document = {
        "format": "harness/run/1",
        "run_id": RUN_ID,
        "harness_version": "0.1.0",
        "opened_utc": "2026-11-24T12:00:00Z",
        "experiment": {
            "path": "experiments/canary-5xx.yaml",
            "sha256": "ab" * 32,
            "title": "30 % of the canary's answers are 503",
            "slug": "canary-5xx",
            "document": {
                "description": "At the 25 % step the canary starts to answer 503 to three requests in ten. "
                "The alert must fire, and the stepper must bring all traffic back to stable."
            },
        },
        "target": {"path": "experiments/targets/local.yaml", "sha256": "cd" * 32, "name": "local", "document": {}},
        "expect": {
            "outcome": "rolled_back",
            "alerts_required": ["CanaryErrorRatioHigh"],
            "alerts_forbidden": [],
            "detect_s_max": 10.0,
            "shifted_s_max": 12.0,
            "drained_s_max": 5.0,
            "write_lost_count_max": 0,
            "loss_rate_detectable_max": 0.05,
        },
        "rollout": {"steps": [5, 25, 50, 100], "step_s": 15.0},
        "baseline_s": 8.0,
        "hold_s": 20.0,
        "fault": {"kind": "http_5xx", "share": 0.3, "deadline_s": 60.0, "arguments": {}, "caption": "answers are 5xx"},
        "fault_weight": 25,
        "load": {
            "profile": "M",
            "seed": 7,
            "users": 40,
            "rate_rps": 40.0,
            "kinds": [{"name": name, "share": share, "writes": writes} for name, share, writes in KINDS],
            "left_out": ["staff rosters", "customs messages"],
        },
        "versions": {"stable": "1.0", "canary": "1.1"},
        "headers": {"version": "x-porttrack-version", "fault": "x-fault-injected"},
        "not_asked": [],
        "plant": "",
        "components": {"envoy": "1.40.0", "prometheus": "2.42.0", "python": "3.11.7"},
        "durability": {"fsync": "on", "synchronous_commit": "on"},
        "host": {"cpus": 2, "kernel": "6.1", "memory_bytes": 8_000_000_000},
        "command": "harness run experiments/canary-5xx.yaml --target local",
        "settings": {"run_dir": {"value": "reports/20261124", "origin": "default"}},
        "timing": {"name": "drill", "scrape_s": 1, "evaluation_s": 1, "group_wait_s": 0, "rules": "charts/rules.yaml"},
    }
    return document | changes


def weight_at(second, weights):
    return next(weight for from_s, weight in reversed(weights) if second >= from_s)


def operations(end_s=END_S, weights=WEIGHTS, fault=(26.25, 50.0), seed=7, rate_rps=40.0):
    """Poisson arrivals; while the fault is on, 30 % of the canary's answers are marked 503."""
    dice = random.Random(seed)
    rows = []
    second = dice.expovariate(rate_rps)
    while second < end_s:
        index = len(rows)
        canary = dice.random() * 100 < weight_at(second, weights)
        name, _, writes = dice.choices(KINDS, [share for _, share, _ in KINDS])[0]
        broken = canary and fault[0] <= second < fault[1] and dice.random() < 0.3
        unlucky = not broken and dice.random() < 0.002
        outcome, status, error = ("ok", 200, "")
        if broken:
            outcome, status, error = ("failed", 503, INJECTED)
        elif unlucky:
            outcome, status, error = ("unknown", 0, "read timed out after 2 s")
        rows.append(
            {
                "op_id": f"{RUN_ID}-{index}",
                "user": index % 40,
                "kind": name,
                "key": f"ship-{index % 25}" if writes else "",
                "seq": index if writes else -1,
                "payload_hash": f"{index:08x}" if writes else "",
                "intended_ns": at(second),
                "sent_ns": at(second) + 200_000,
                "done_ns": at(second) + 8_000_000,
                "outcome": outcome,
                "status": status,
                "version": "1.1" if canary else "1.0",
                "version_source": "header",
                "instance": "canary-0" if canary else f"stable-{index % 2}",
                "attempt": 1,
                "fault_mark": "http_5xx" if broken else "",
                "error": error,
            }
        )
        second += dice.expovariate(rate_rps)
    return rows


def table(schema, rows):
    return {
        name: np.array([row[name] for row in rows], dtype=object if schema.field(name).type == "string" else None)
        if rows
        else schema.empty_table().column(name).to_numpy()
        for name in schema.names
    }


def read_back(rows, dropped=()):
    found = [
        {
            "op_id": row["op_id"],
            "kind": row["kind"],
            "key": row["key"],
            "seq": row["seq"],
            "payload_hash": row["payload_hash"],
            "written_by": row["version"],
            "position": 0,
        }
        for row in rows
        if row["seq"] >= 0 and row["outcome"] == "ok" and row["op_id"] not in dropped
    ]
    meta = {"complete": True, "started_ns": at(55), "ended_ns": at(56), "instance": "stable-0", "version": "1.0"}
    return ReadBack(meta={**meta, "error": ""}, rows=table(READBACK, found))


def event(second, kind, source="control", **data):
    return Event(at(second), source, kind, data)


def events(end_s=END_S, weights=WEIGHTS, faulted=True):
    phases = [(-6, "open"), (0, "baseline"), (8, "canary")]
    phases += [(26.2, "fault"), (26.3, "detect"), (30.0, "rollback")] if faulted else []
    phases += [(34, "verify"), (57, "close")]
    found = [event(second, Kind.PHASE, phase=phase) for second, phase in phases if second < end_s + 4]
    found.append(event(0, Kind.LOAD_STARTED, "load", start_ns=at(0)))
    if faulted:
        found.append(event(26.26, Kind.FAULT_ON, lo_ns=at(26.2), hi_ns=at(26.26), fault="http_5xx", instances=["c"]))
    if faulted and end_s > 51:
        found.append(event(51.05, Kind.FAULT_HEALED, lo_ns=at(51.0), hi_ns=at(51.05), fault="http_5xx"))
    for tick in range(round(end_s * 10)):
        second = tick / 10
        weight = weight_at(second, weights)
        found.append(
            event(
                second + 0.002, Kind.WEIGHT_READ, "observer", lo_ns=at(second), hi_ns=at(second + 0.002), weight=weight
            )
        )
    return tuple(sorted(found, key=lambda each: each.t_ns))


ALERT = "CanaryErrorRatioHigh"


def alert_samples(*states, rule=(0, int(END_S))):
    """ALERTS at (second, state) each, beside one sample of a rule at each whole second."""
    rows = [
        {"name": "ALERTS", "second": second, "labels": {"alertname": ALERT, "alertstate": state, "version": "1.1"}}
        for second, state in states
    ]
    rows += [{"name": "job:up:sum", "second": float(second), "labels": {}} for second in range(*rule)]
    found = [
        {
            "name": row["name"],
            "labels": json.dumps(row["labels"], sort_keys=True),
            "wall_ms": (10**18 + at(row["second"])) // 10**6,
            "value": 1.0,
        }
        for row in sorted(rows, key=lambda row: row["second"])
    ]
    t_ns = np.array(sorted(at(row["second"]) for row in rows), dtype=np.int64)
    return {**table(METRICS, found), "t_ns": t_ns}


FIRED = ((27.9, "pending"), (28.9, "firing"), (29.9, "firing"), (30.9, "firing"))


FILES = (
    "SEAL",
    "config/rules/canary.yml",
    "journal.json",
    "manifest.json",
    "metrics/samples.parquet",
    "notifications/0001-stepper.json",
    "operations/load-0.parquet",
    "readback/service/meta.json",
    "readback/service/rows.parquet",
    "readback/store/meta.json",
    "readback/store/rows.parquet",
    "routing/envoy.parquet",
    "schedule/load-0.parquet",
    *(f"timeline/{source}.ndjson" for source in ("control", "guard", "load", "observer", "stepper")),
)


def evidence(rows, timeline, **changes):
    base = Evidence(
        run_dir=f"reports/{RUN_ID}",
        manifest=manifest(),
        complete=True,
        problems=(),
        events=timeline,
        clock=Clock(np.array([at(0)]), np.array([10**18])),
        operations=table(OPERATIONS, rows),
        schedule={},
        routing={**table(ROUTING, []), "start_ns": np.zeros(0, dtype=np.int64)},
        samples=alert_samples(),
        notifications=(Notification(at(30.0), "stepper", {}),),
        service=read_back(rows),
        store=read_back(rows),
        config_files=("alertmanager.yml", "envoy.yaml", "prometheus.yml", "rules/canary.yml"),
        files=FILES,
    )
    return replace(base, **changes)


def instant(low_s, high_s, source):
    return Instant(lo_ns=at(low_s), hi_ns=at(high_s), source=source)


CHAIN = {
    "fault_on": instant(26.20, 26.26, "the injector's answer"),
    "first_faulted_response": instant(26.41, 26.41, "the client, by the injector's mark"),
    "alert_pending": instant(27.90, 28.90, "ALERTS samples of Prometheus"),
    "alert_firing": instant(28.90, 29.90, "ALERTS samples of Prometheus"),
    "notified": instant(29.95, 29.95, "the harness's own receiver"),
    "decided": instant(30.02, 30.02, "the stepper's record"),
    "weight_zero_status": instant(30.05, 30.15, "the stepper's status, polled"),
    "weight_zero_route": instant(30.00, 30.10, "the router's configuration, polled"),
    "shifted": instant(30.08, 30.08, "the client"),
    "drained": instant(30.09, 30.09, "the client"),
    "clean": instant(31.00, 31.00, "ten good seconds in a row"),
}


def check(name, verdict, summary, *rules, **measured):
    made = tuple(
        Rule(rule, RuleKind.WITNESS if witness else RuleKind.INFERENCE, Verdict(said), says)
        for rule, witness, said, says in rules
    )
    return Finding(name, Verdict(verdict), summary, made, measured)


# A rule of each check that is red where there is no evidence.
OPEN_RULES = {
    "evidence": "sealed_complete",
    "generator": "traffic",
    "baseline": "measured",
    "fault": "landed",
    "split": "measured",
    "alert": "fired",
    "rollback": "decided",
    "requests": "lost_on_stable",
    "data_loss": "verified",
    "recovery": "good_seconds",
    "cleanup": "counted",
}
PASSING = (
    check(
        "evidence",
        "PASS",
        "Sealed, whole and without an error.",
        ("sealed_complete", False, "PASS", "Every file is as sealed."),
    ),
    check(
        "generator",
        "PASS",
        "2,160 of 2,160 planned requests were sent; the worst was 4.1 ms late.",
        ("offered", False, "PASS", "Every planned request was sent."),
        ("lag", False, "PASS", "99 % of the requests were sent within 2.0 ms of their time, limit 50 ms."),
        dispatched_count=2160,
        lag_p99_ms=2.0,
        lag_max_ms=4.1,
    ),
    check(
        "baseline",
        "PASS",
        "In 8 s on stable alone 0.3 % of the requests were not ok.",
        ("errors", False, "PASS", "0.3 % not ok, limit 1 %."),
        bad_share=0.003,
        request_count=320,
    ),
    check(
        "fault",
        "PASS",
        "31.4 % of the canary's answers carried the fault's mark, 30 % were planned; none of stable.",
        ("landed", False, "PASS", "The share of marked answers is 31.4 %, its 95 % interval contains 30 %."),
        ("mis_aimed", False, "PASS", "No answer of stable is marked."),
        marked_share=0.314,
    ),
    check(
        "split",
        "PASS",
        "5 % and 25 % were measured as 4.7 % and 25.9 %.",
        ("skewed", False, "PASS", "No step is skewed."),
        measured_share=[0.047, 0.259],
        power_points=[3.9, 7.1],
    ),
    check(
        "alert",
        "PASS",
        "CanaryErrorRatioHigh fired for version 1.1, 2.49 to 3.49 s after the first bad answer.",
        ("fired", False, "PASS", "It fired."),
        ("in_time", False, "PASS", "At most 3.49 s, limit 10 s."),
        detect_s=[2.49, 3.49],
    ),
    check(
        "rollback",
        "PASS",
        "The stepper rolled back for this alert; the weight stayed at 0 for 20 s.",
        ("traffic", True, "PASS", "No request reached the canary after weight 0."),
        after_zero_count=0,
    ),
    check(
        "requests",
        "PASS",
        "24 requests to the canary failed by the fault; none was lost on stable.",
        ("unattributed", False, "PASS", "Every request has an outcome."),
        failed_count=24,
    ),
    check(
        "data_loss",
        "PASS",
        "All 1,571 acknowledged writes are there, once and unchanged; a loss of 0.19 % would show.",
        ("vanished", True, "PASS", "No acknowledged write is absent."),
        acknowledged_count=1571,
        loss_rate_detectable=0.0019,
    ),
    check(
        "recovery",
        "PASS",
        "From 31 s on every second was good.",
        ("good_seconds", False, "PASS", "23 of 23 seconds are good."),
    ),
    check(
        "cleanup",
        "PASS",
        "Nothing was left behind.",
        ("leftover", True, "PASS", "The census at close is that at open."),
    ),
)


def findings(**changes):
    base = Findings(
        run_id=RUN_ID,
        experiment="canary-5xx",
        target="local",
        verdict=Verdict.PASS,
        headline=Headline("", "", ""),
        not_asked=(),
        checks=PASSING,
        chain=CHAIN,
        durations_s={
            "detect": (2.49, 3.49),
            "react": (0.12, 1.12),
            "shift": (3.67, 3.67),
            "drain": (0.01, 0.01),
            "recover": (4.59, 4.59),
        },
        bounds_s={"detect": (1.3, 6.4)},
    )
    return replace(base, **changes)


def changed(checks, *new):
    by_id = {each.id: each for each in new}
    return tuple(by_id.get(each.id, each) for each in checks)


def rolled_back():
    """A whole drill that passes."""
    return evidence(operations(), events(), samples=alert_samples(*FIRED)), findings()


def lost_writes():
    """The same drill; three acknowledged writes of the canary are in neither read."""
    rows = operations()
    lost = [row["op_id"] for row in rows if row["version"] == "1.1" and row["seq"] >= 0 and row["outcome"] == "ok"][5:8]
    says = "3 acknowledged writes of version 1.1 are absent from the store."
    finding = check(
        "data_loss",
        "FAIL",
        "3 of 1,571 acknowledged writes are gone; all three were acknowledged by the canary.",
        ("vanished", True, "FAIL", says),
        ("duplicated", True, "PASS", "No write is there twice."),
        lost_op_ids=lost,
        lost_count=3,
    )
    reads = {"service": read_back(rows, lost), "store": read_back(rows, lost)}
    found = evidence(rows, events(), samples=alert_samples(*FIRED), **reads)
    return found, findings(
        verdict=Verdict.FAIL,
        checks=changed(PASSING, finding),
        headline=Headline("data_loss", "vanished", says),
    )


def interrupted():
    """Cut by a signal 1.2 s after the fault landed: nothing after it is known."""
    rows = operations(end_s=27.6)
    cut = [each for each in events(end_s=27.6) if each.t_ns <= at(27.7)]
    cut.append(event(27.7, Kind.INTERRUPTED, why="SIGINT"))
    cut.append(event(27.8, Kind.GUARD_FINISHING, "guard", why="the control is gone"))
    none = ReadBack(meta={}, rows=table(READBACK, []))
    found = evidence(rows, tuple(cut), complete=False, problems=("SEAL: complete is false",), service=none, store=none)
    early = ("fault_on", "first_faulted_response")
    chain = {
        name: each if name in early else Instant(unknown="the trial was cut before it could happen")
        for name, each in CHAIN.items()
    }
    says = "The trial was interrupted by SIGINT 27.7 s after the load began."
    open_checks = [
        check(
            name,
            "INCONCLUSIVE",
            "The trial was cut before this could be seen.",
            (OPEN_RULES[name], False, "INCONCLUSIVE", says),
        )
        for name in ("fault", "split", "alert", "rollback", "requests", "data_loss", "recovery")
    ]
    whole = check("evidence", "INCONCLUSIVE", says, ("sealed_complete", False, "INCONCLUSIVE", says))
    return found, findings(
        verdict=Verdict.INCONCLUSIVE,
        checks=changed(PASSING, whole, *open_checks),
        headline=Headline("evidence", "sealed_complete", says),
        chain=chain,
        durations_s={},
    )


def promoted():
    """Nothing is broken; the canary takes over."""
    weights = ((0.0, 0), (8.0, 5), (18.0, 25), (28.0, 50), (38.0, 100))
    rows = operations(weights=weights, fault=(99, 99), seed=11)
    document = manifest(fault=None, fault_weight=None)
    document["experiment"] = document["experiment"] | {
        "title": "A healthy release is promoted",
        "document": {"description": "Nothing is broken. No canary alert may fire on the way."},
    }
    document["expect"] = document["expect"] | {
        "outcome": "promoted",
        "alerts_required": [],
        "alerts_forbidden": ["CanaryErrorRatioHigh"],
    }
    chain = {name: Instant(unknown="nothing was broken in this trial") for name in CHAIN}
    kept = tuple(each for each in PASSING if each.id != "fault")
    alert = check(
        "alert", "PASS", "No canary alert fired.", ("forbidden", True, "PASS", "CanaryErrorRatioHigh never fired.")
    )
    end = check(
        "rollback", "PASS", "The canary was promoted and stayed at 100 % for 20 s.", ("hold", False, "PASS", "100 %.")
    )
    timeline = events(weights=weights, faulted=False)
    return evidence(rows, timeline, manifest=document), findings(
        experiment="healthy-release", checks=changed(kept, alert, end), not_asked=("fault",), chain=chain,
        durations_s={}, bounds_s={},
    )  # fmt: skip


def empty():
    """A directory with a manifest and nothing else."""
    none = ReadBack(meta={}, rows=table(READBACK, []))
    says = "No request was recorded."
    found = evidence(
        [],
        (),
        complete=False,
        problems=("SEAL: missing: the trial was interrupted before it was closed",),
        service=none,
        store=none,
        notifications=(),
        files=("manifest.json",),
        samples={**table(METRICS, []), "t_ns": np.zeros(0, dtype=np.int64)},
        config_files=(),
        clock=Clock(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)),
    )
    open_checks = [
        check(each.id, "INCONCLUSIVE", "There is no evidence.", (OPEN_RULES[each.id], False, "INCONCLUSIVE", says))
        for each in PASSING
    ]
    return found, findings(
        verdict=Verdict.INCONCLUSIVE,
        checks=tuple(open_checks),
        headline=Headline("generator", "traffic", says),
        chain={name: Instant(unknown="nothing was recorded") for name in CHAIN},
        durations_s={},
        bounds_s={},
    )


ALL = {
    "rolled_back": rolled_back,
    "lost_writes": lost_writes,
    "interrupted": interrupted,
    "promoted": promoted,
    "empty": empty,
}
