"""Small literal trials: thirty seconds at 20 requests/s, written down row by row, and ways to change them.

A judge is tested with a history that it must pass and the same history with one thing changed. Every
function here takes an Evidence and gives another one; nothing is changed in place. `write` puts one on
disk as a real, sealed run directory, so that `run.load` gives it back.

    passing()    a fault at 10 s, the alert at 13.3 s, the rollback at 13.4 s, everything there afterwards
    promoted()   no fault; 50 %, then 100 % from 10 s, promoted at 12 s
    held()       a fault on both tracks at 10 s, the service's alert at 13.3 s, held at 50 % from 13.4 s on

Seconds (`_s`) count from the load's zero. Even rows of the schedule go to the canary while its weight is
50, rows 0 and 1 of each four write, three in ten of a broken track's answers are spoiled while the fault is on.

Not covered: unknown operations, retries, gaps; tests put them in.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from harness.clock import NS_PER_MS, NS_PER_S
from harness.evidence import seal, tables
from harness.evidence.format import METRICS, OPERATIONS, READBACK, ROUTING, RUN_FORMAT, SCHEDULE, Kind
from harness.evidence.run import Clock, Evidence, Notification, ReadBack
from harness.evidence.tables import Columns
from harness.evidence.timeline import Event, TimelineWriter

Row = dict[str, Any]
Change = Callable[[Row], Row | None]  # None drops the row

RUN_ID: Final = "20260102t030405z-0a1b2c"
ZERO_NS: Final = 1_000 * NS_PER_S  # the load's zero on the monotonic clock
WALL_ZERO_NS: Final = 1_767_323_045 * NS_PER_S  # the same instant on the wall clock
RATE_RPS: Final = 20
DUE_S: Final = 31.0  # the schedule goes on beyond the stop: rows that were never due
STOP_S: Final = 30.0
CANARY_S: Final = 5.0
FAULT_S: Final = 10.0
PENDING_S: Final = 12.3
FIRING_S: Final = 13.3
DECIDED_S: Final = 13.42
SHIFTED_S: Final = 13.45  # the router takes weight 0: nothing is dispatched to the canary from here on
HEALED_S: Final = 16.0
FULL_S: Final = 10.0  # promoted(): weight 100 from here on
FINISHED_S: Final = 12.0
ALERT: Final = "CanaryErrorRatioHigh"
SERVICE_ALERT: Final = "ServiceErrorRatioHigh"
_TITLES: Final = {
    "rolled_back": ("canary-5xx", "30 % of the canary's answers are 503"),
    "promoted": ("healthy-release", "A healthy release"),
    "held": ("fault-on-both", "30 % of all answers are 503"),
}
_REQUIRED: Final[Mapping[str, tuple[str, ...]]] = {
    "rolled_back": (ALERT,),
    "promoted": (),
    "held": (SERVICE_ALERT,),
}
PROCESSES: Final = (
    "store",
    "stable-1",
    "canary-1",
    "router",
    "prometheus",
    "alertmanager",
    "stepper",
    "observer",
    "load",
)

_SCHEMAS: Final = {
    "operations": OPERATIONS,
    "schedule": SCHEDULE,
    "routing": ROUTING,
    "samples": METRICS,
    "service": READBACK,
    "store": READBACK,
}
_READS: Final = ("service", "store")
_DERIVED: Final = {"routing": ("start_wall_ns", "start_ns", 1), "samples": ("wall_ms", "t_ns", NS_PER_MS)}


def at_ns(seconds: float) -> int:
    """The monotonic instant `seconds` after the load's zero."""
    return ZERO_NS + round(seconds * NS_PER_S)


def wall_at_ns(seconds: float) -> int:
    """The wall instant `seconds` after the load's zero."""
    return WALL_ZERO_NS + round(seconds * NS_PER_S)


# -- the three histories ------------------------------------------------------------------------------------------


def passing() -> Evidence:
    """A trial that expects `rolled_back` and deserves PASS."""
    return _trial("rolled_back")


def promoted() -> Evidence:
    """A trial without a fault that expects `promoted` and deserves PASS."""
    return _trial("promoted")


def removed(gone_s: float = 14.5) -> Evidence:
    """As `passing`, with the strategy remove: the canary is stopped at `gone_s`, and then the team is told."""
    history = with_manifest(passing(), rollout={**passing().manifest["rollout"], "strategy": "remove"})

    def is_canary(one: Event) -> bool:
        return bool(one.data["name"] == "canary-1")

    ended_s = 32.0 + PROCESSES.index("canary-1") / 100
    stopped = moved(history, Kind.PROCESS_EXITED, gone_s - ended_s, is_canary)
    return with_team_messages(stopped, team_message(gone_s + 0.1))


def held() -> Evidence:
    """A trial with a fault on both tracks that expects `held` and deserves PASS."""
    return _trial("held")


def _trial(outcome: str) -> Evidence:
    operations = [_operation(index, outcome) for index in range(int(STOP_S * RATE_RPS))]
    own = {"rolled_back": _rollback_events, "promoted": _promotion_events, "held": _hold_events}
    events = _common_events() + own[outcome]()
    bare = Evidence(
        run_dir="",
        manifest=_manifest(outcome),
        complete=True,
        problems=(),
        events=_sorted(events),
        clock=_clock_of(events),
        operations=tables.columns(OPERATIONS.empty_table()),
        schedule=tables.columns(SCHEDULE.empty_table()),
        routing=tables.columns(ROUTING.empty_table()),
        samples=tables.columns(METRICS.empty_table()),
        notifications=_notifications(outcome),
        service=ReadBack(_read_meta(30.5, "stable-1", "1.0"), tables.columns(READBACK.empty_table())),
        store=ReadBack(_read_meta(30.8, "store", ""), tables.columns(READBACK.empty_table())),
    )
    read = _read_rows(operations)
    rows = {
        "operations": operations,
        "schedule": [_due(index) for index in range(int(DUE_S * RATE_RPS))],
        "routing": [_routed(row) for row in operations],
        "samples": _sample_rows(outcome),
        "service": read,
        "store": read,
    }
    for name, table in rows.items():
        bare = with_rows(bare, name, table)
    return bare


def _manifest(outcome: str) -> Row:
    back = outcome == "rolled_back"
    name, title = _TITLES[outcome]
    return {
        "format": RUN_FORMAT,
        "run_id": RUN_ID,
        "harness_version": "0.1.0",
        "opened_utc": "20260102T030405Z",
        "experiment": {
            "path": f"experiments/{name}.yaml",
            "sha256": "e" * 64,
            "title": title,
            "slug": name,
            "document": {},
        },
        "target": {"path": "experiments/targets/local.yaml", "sha256": "a" * 64, "name": "local", "document": {}},
        "expect": {
            "outcome": outcome,
            "alerts_required": list(_REQUIRED[outcome]),
            "alerts_forbidden": [SERVICE_ALERT] if back else [ALERT],
            "detect_s_max": 10.0,
            "shifted_s_max": 12.0,
            "drained_s_max": 5.0,
            "write_lost_count_max": 0,
            "loss_rate_detectable_max": 0.1,
            "split_points_max": None,
        },
        "rollout": {"steps": [50, 100], "step_s": 5.0, "strategy": "shift"},
        "baseline_s": 5.0,
        "hold_s": 8.0,
        "fault": _fault(outcome),
        "fault_weight": None if outcome == "promoted" else 50,
        "load": {
            "profile": "S",
            "seed": 7,
            "users": 4,
            "rate_rps": float(RATE_RPS),
            "kinds": [
                {"name": "report", "share": 0.5, "writes": True},
                {"name": "look", "share": 0.5, "writes": False},
            ],
            "left_out": [],
        },
        "versions": {"stable": "1.0", "canary": "1.1"},
        "headers": {"version": "x-version", "instance": "x-instance", "track": "x-track", "fault": "x-fault"},
        "instances": {"stable-1": "stable", "canary-1": "canary"},
        "not_asked": [],
        "team": True,
        "plant": "",
        "components": {"python": "3.11.7"},
        "durability": {"fsync": "on", "synchronous_commit": "on"},
        "host": {"system": "Linux", "machine": "x86_64", "cpu_count": 2, "memory_bytes": 8_000_000_000},
        "command": "harness run experiments/canary-5xx.yaml",
        "settings": {},
        "timing": {"name": "drill", "scrape_s": 1, "evaluation_s": 1, "group_wait_s": 0, "rules": "rules/drill.yaml"},
    }


def _fault(outcome: str) -> Row | None:
    """The fault of a manifest, on both tracks where a hold is expected."""
    if outcome == "promoted":
        return None
    tracks = ["canary", "stable"] if outcome == "held" else ["canary"]
    return {"kind": "http_5xx", "share": 0.3, "deadline_s": 60.0, "tracks": tracks, "arguments": {}}


# -- rows ---------------------------------------------------------------------------------------------------------


def is_write(index: int) -> bool:
    """Whether row `index` of the schedule writes."""
    return index % 4 < 2


def track_of(index: int, outcome: str = "rolled_back") -> str:
    """Who answers row `index`: the canary's weight is 50 from CANARY_S, and then 0 or 100."""
    due_s = index / RATE_RPS
    if outcome == "promoted" and due_s >= FULL_S:
        return "canary"
    end_s = {"rolled_back": SHIFTED_S, "promoted": FULL_S, "held": STOP_S}[outcome]
    return "canary" if CANARY_S <= due_s < end_s and index % 2 == 0 else "stable"


def is_faulted(index: int, outcome: str = "rolled_back") -> bool:
    """Whether row `index` is spoiled: the canary's, or anybody's where both are broken; three of each ten."""
    broken = {"rolled_back": track_of(index) == "canary", "promoted": False, "held": True}[outcome]
    return broken and FAULT_S < index / RATE_RPS < HEALED_S and index // 2 % 10 in {1, 4, 7}


def user_of(index: int) -> int:
    """Who sends row `index`: each of four users two rows in turn, of which one goes to the canary at 50 %."""
    return index // 2 % 4


def op_id(index: int) -> str:
    """The id of row `index`."""
    return f"{RUN_ID}-{index}"


def _due(index: int) -> Row:
    return {
        "op_id": op_id(index),
        "user": user_of(index),
        "kind": "report" if is_write(index) else "look",
        "offset_ns": round(index / RATE_RPS * NS_PER_S),
    }


def _operation(index: int, outcome: str) -> Row:
    track = track_of(index, outcome)
    faulted = is_faulted(index, outcome)
    intended_ns = at_ns(index / RATE_RPS)
    writes = is_write(index)
    return {
        "op_id": op_id(index),
        "user": user_of(index),
        "kind": "report" if writes else "look",
        "key": f"ship-{index % 3}",
        "seq": index if writes else -1,
        "payload_hash": f"hash-{index}" if writes else "",
        "intended_ns": intended_ns,
        "sent_ns": intended_ns + NS_PER_MS,
        "done_ns": intended_ns + 6 * NS_PER_MS,
        "outcome": "failed" if faulted else "ok",
        "status": 503 if faulted else (201 if writes else 200),
        "version": "1.1" if track == "canary" else "1.0",
        "version_source": "header",
        "instance": f"{track}-1",
        "attempt": 1,
        "fault_mark": "http_5xx" if faulted else "",
        "error": "",
    }


def _routed(row: Row) -> Row:
    """What the router logs of an operation: it starts 1 ms after the client sent it, and takes 3 ms."""
    return {
        "op_id": row["op_id"],
        "start_wall_ns": row["sent_ns"] + NS_PER_MS - ZERO_NS + WALL_ZERO_NS,
        "duration_ms": 3.0,
        "cluster": str(row["instance"]).partition("-")[0],
        "upstream": "127.0.0.1:20001",
        "status": row["status"],
        "flags": "",
        "attempts": 1,
        "method": "POST" if row["seq"] >= 0 else "GET",
        "path": "/reports",
    }


def _read_rows(operations: Sequence[Row]) -> list[Row]:
    """Every acknowledged write once, in the order of its key."""
    lengths: dict[str, int] = {}
    rows = []
    for row in operations:
        if row["seq"] < 0 or row["outcome"] != "ok":
            continue
        position = lengths.get(row["key"], 0)
        lengths[row["key"]] = position + 1
        kept = {name: row[name] for name in ("op_id", "kind", "key", "seq", "payload_hash")}
        rows.append({**kept, "written_by": row["version"], "position": position})
    return rows


def read_rows(evidence: Evidence) -> list[Row]:
    """What a read would give of these operations: every acknowledged write once, in the order of its key."""
    return _read_rows(rows_of(evidence, "operations"))


def _read_meta(started_s: float, instance: str, version: str) -> Row:
    return {
        "complete": True,
        "started_ns": at_ns(started_s),
        "ended_ns": at_ns(started_s + 0.2),
        "instance": instance,
        "version": version,
        "error": "",
    }


def sample(seconds: float, name: str, value: float = 1.0, **labels: str) -> Row:
    """One Prometheus sample."""
    return {
        "name": name,
        "labels": json.dumps(labels, sort_keys=True),
        "wall_ms": wall_at_ns(seconds) // NS_PER_MS,
        "value": value,
    }


def alert_sample(
    seconds: float,
    state: str,
    alert: str = ALERT,
    version: str = "1.1",
    track: str = "canary",
    action: str = "rollback",
) -> Row:
    """One sample of ALERTS, by default for the canary."""
    return sample(seconds, "ALERTS", alertname=alert, alertstate=state, track=track, version=version, action=action)


def service_sample(seconds: float, state: str) -> Row:
    """One sample of ALERTS for the service: stable is ill, and the rollout should go no further."""
    return alert_sample(seconds, state, SERVICE_ALERT, "1.0", "stable", "hold")


def _sample_rows(outcome: str) -> list[Row]:
    """A scrape and an evaluation a second, longer than the load; the alert until its 5 s window is empty."""
    rows = [sample(second + 0.1, "up", job="service", track="canary") for second in range(-3, 33)]
    rows += [sample(second + 0.3, "track:http_requests:rate5s", 10.0, track="canary") for second in range(-3, 33)]
    about = {"rolled_back": alert_sample, "held": service_sample}.get(outcome)
    if about is not None:
        rows.append(about(PENDING_S, "pending"))
        rows += [about(FIRING_S + second, "firing") for second in range(6)]
    return rows


def _notifications(outcome: str) -> tuple[Notification, ...]:
    """What Alertmanager told the recorder when the alert fired, and what the stepper told its team."""
    if outcome == "promoted":
        return ()
    (alert,) = _REQUIRED[outcome]
    return (_notification(FIRING_S + 0.1, alert=alert), team_message(DECIDED_S + 0.05, outcome=outcome, alert=alert))


def team_message(seconds: float, **said: Any) -> Notification:
    """What the stepper told its team, as the recorder kept it; `said` stands in the body, over what a rollback says."""
    outcome = said.get("outcome", "rolled_back")
    decision, weight = ("hold", 50) if outcome == "held" else ("roll_back", 0)
    alert = said.get("alert", ALERT)
    body = {"version": "1.1", "decision": decision, "outcome": outcome, "reason": f"{alert} fires", "alert": alert}
    return Notification(at_ns(seconds), "team", {**body, "weight": weight, **said})


def _notification(seconds: float, status: str = "firing", alert: str = ALERT) -> Notification:
    about = {"track": "canary", "version": "1.1", "action": "rollback"}
    if alert == SERVICE_ALERT:
        about = {"track": "stable", "version": "1.0", "action": "hold"}
    labels = {"alertname": alert, **about}
    entry = {"status": status, "labels": labels, "fingerprint": "f1f1", "startsAt": "2026-01-02T03:04:18Z"}
    return Notification(at_ns(seconds), "harness-recorder", {"version": "4", "status": status, "alerts": [entry]})


# -- events -------------------------------------------------------------------------------------------------------


def event(seconds: float, source: str, kind: Kind, **data: Any) -> Event:
    """One event `seconds` after the load's zero."""
    return Event(t_ns=at_ns(seconds), source=source, kind=kind, data=data)


def clock_event(seconds: float, offset_ms: float = 0.0) -> Event:
    """One pairing of the clocks, `offset_ms` off what the history's wall stamps were made with."""
    wall_ns = wall_at_ns(seconds) + round(offset_ms * NS_PER_MS)
    return event(seconds, "control", Kind.CLOCK, wall_ns=wall_ns, width_ns=2_000)


def _common_events() -> list[Event]:
    events = [
        event(-6.0, "control", Kind.TRIAL_OPENED, run_id=RUN_ID),
        event(-5.9, "control", Kind.PHASE, phase="open"),
        event(-5.8, "control", Kind.CENSUS, at="open", items=[]),
        event(-0.6, "control", Kind.PHASE, phase="baseline"),
        event(-0.1, "load", Kind.LOAD_READY),
        event(-0.05, "load", Kind.LOAD_STARTED, start_ns=ZERO_NS),
        event(4.88, "control", Kind.HYPOTHESIS, when="before", met=True),
        event(4.9, "control", Kind.PHASE, phase="canary"),
        event(CANARY_S - 0.03, "stepper", Kind.ROLLOUT_STARTED, steps=[50, 100], step_s=5.0),
        _decided(CANARY_S - 0.02, "step", 50),
        event(CANARY_S - 0.01, "stepper", Kind.WEIGHT_SET, weight=50),
        event(24.0, "control", Kind.PHASE, phase="verify"),
        event(29.95, "control", Kind.HYPOTHESIS, when="after", met=True),
        event(STOP_S, "control", Kind.LOAD_STOP_REQUESTED),
        event(
            30.02,
            "load",
            Kind.LOAD_STOPPED,
            dispatched=600,
            completed=600,
            recorded=600,
            in_flight=0,
            stopped_ns=at_ns(30.0),
        ),
        event(30.3, "control", Kind.QUIESCED, quiescent=True, reads=[]),
        event(31.2, "control", Kind.PHASE, phase="close"),
        event(31.5, "control", Kind.PURGED, rows_left=0),
        event(32.6, "control", Kind.CENSUS, at="close", items=[]),
    ]
    events += [clock_event(seconds) for seconds in (-5.9, 4.9, 24.0, 32.7)]
    for number, name in enumerate(PROCESSES):
        started_s = -5.5 + number / 10 if name != "load" else -0.6
        ended_s = 30.1 if name == "load" else 32.0 + number / 100
        same = {"name": name, "pid": 1_000 + number}
        events.append(event(started_s, "guard", Kind.PROCESS_STARTED, **same, ports=[20_000 + number]))
        events.append(event(ended_s, "guard", Kind.PROCESS_EXITED, **same, code=0, expected=True))
    for second in range(30):
        percent = {"load": 20.0, "router": 9.0}
        events.append(event(second + 0.5, "observer", Kind.HOST_SAMPLE, cpu_percent=percent, host_cpu_percent=35.0))
    return events


def _decided(seconds: float, decision: str, weight: int, alert: str = "") -> Event:
    return event(
        seconds,
        "stepper",
        Kind.DECIDED,
        decision=decision,
        weight=weight,
        reason=f"{alert} fires for the canary" if alert else decision,
        alert=alert,
        fingerprint="f1f1" if alert else "",
        version="1.1",
    )


def _polls(weight_at: Callable[[float], int], state_at: Callable[[float], str]) -> list[Event]:
    """The router's and the controller's weight every 0.2 s, each read in 2 ms."""
    events = []
    for number in range(-10, 156):
        seconds = number / 5
        ends_s = seconds + 0.002
        span = {"lo_ns": at_ns(seconds), "hi_ns": at_ns(ends_s)}
        weight = weight_at(seconds)
        events.append(event(ends_s, "observer", Kind.WEIGHT_READ, **span, weight=weight))
        events.append(event(ends_s, "observer", Kind.CONTROLLER_READ, **span, weight=weight, state=state_at(seconds)))
    return events


def _rollback_events() -> list[Event]:
    labels = {"alertname": ALERT, "track": "canary", "version": "1.1", "action": "rollback"}
    alerts = [{"name": ALERT, "status": "firing", "fingerprint": "f1f1", "labels": labels}]
    on = {"lo_ns": at_ns(FAULT_S), "hi_ns": at_ns(FAULT_S + 0.02), "fault": "http_5xx"}
    healed = {"lo_ns": at_ns(HEALED_S), "hi_ns": at_ns(HEALED_S + 0.02), "fault": "http_5xx"}
    arguments = {"share": 0.3, "deadline_s": 60.0}
    return [
        event(9.0, "control", Kind.PHASE, phase="fault"),
        event(FAULT_S + 0.02, "control", Kind.FAULT_ON, **on, instances=["canary-1"], arguments=arguments),
        event(10.1, "control", Kind.PHASE, phase="detect"),
        event(DECIDED_S - 0.01, "stepper", Kind.WEBHOOK_RECEIVED, alerts=alerts),
        _decided(DECIDED_S, "roll_back", 0, ALERT),
        event(SHIFTED_S, "stepper", Kind.WEIGHT_SET, weight=0),
        event(SHIFTED_S + 0.01, "stepper", Kind.ROLLOUT_FINISHED, outcome="rolled_back"),
        event(DECIDED_S + 0.06, "stepper", Kind.TEAM_TOLD, status=200, attempts=1, message=""),
        event(13.6, "control", Kind.OUTCOME, outcome="rolled_back"),
        event(13.61, "control", Kind.PHASE, phase="rollback"),
        event(HEALED_S + 0.02, "control", Kind.FAULT_HEALED, **healed),
        *_polls(
            lambda s: 50 if CANARY_S <= s < SHIFTED_S else 0,
            lambda s: "idle" if s < CANARY_S else "progressing" if s < SHIFTED_S else "rolled_back",
        ),
    ]


def _hold_events() -> list[Event]:
    labels = {"alertname": SERVICE_ALERT, "track": "stable", "version": "1.0", "action": "hold"}
    alerts = [{"name": SERVICE_ALERT, "status": "firing", "fingerprint": "f1f1", "labels": labels}]
    arguments = {"share": 0.3, "deadline_s": 60.0}
    events = [
        event(9.0, "control", Kind.PHASE, phase="fault"),
        event(10.1, "control", Kind.PHASE, phase="detect"),
        event(DECIDED_S - 0.01, "stepper", Kind.WEBHOOK_RECEIVED, alerts=alerts),
        _decided(DECIDED_S, "hold", 50, SERVICE_ALERT),
        event(DECIDED_S, "stepper", Kind.ROLLOUT_FINISHED, outcome="held"),
        event(DECIDED_S + 0.06, "stepper", Kind.TEAM_TOLD, status=200, attempts=1, message=""),
        event(13.6, "control", Kind.OUTCOME, outcome="held"),
        *_polls(
            lambda s: 50 if s >= CANARY_S else 0,
            lambda s: "idle" if s < CANARY_S else "progressing" if s < DECIDED_S else "held",
        ),
    ]
    for place, instance in enumerate(("canary-1", "stable-1")):
        for kind, begins_s in ((Kind.FAULT_ON, FAULT_S), (Kind.FAULT_HEALED, HEALED_S)):
            starts_s = begins_s + place * 0.03
            span = {"lo_ns": at_ns(starts_s), "hi_ns": at_ns(starts_s + 0.02), "fault": "http_5xx"}
            events.append(event(starts_s + 0.02, "control", kind, **span, instances=[instance], arguments=arguments))
    return events


def _promotion_events() -> list[Event]:
    return [
        _decided(FULL_S - 0.02, "step", 100),
        event(FULL_S - 0.01, "stepper", Kind.WEIGHT_SET, weight=100),
        _decided(FINISHED_S, "promote", 100),
        event(FINISHED_S, "stepper", Kind.ROLLOUT_FINISHED, outcome="promoted"),
        event(12.1, "control", Kind.OUTCOME, outcome="promoted"),
        *_polls(
            lambda s: 0 if s < CANARY_S else 50 if s < FULL_S else 100,
            lambda s: "idle" if s < CANARY_S else "progressing" if s < FINISHED_S else "promoted",
        ),
    ]


def _sorted(events: Sequence[Event]) -> tuple[Event, ...]:
    return tuple(sorted(events, key=lambda one: one.t_ns))


def _clock_of(events: Sequence[Event]) -> Clock:
    samples = [(one.t_ns, int(one.data["wall_ns"])) for one in _sorted(events) if one.kind is Kind.CLOCK]
    t_ns = np.array([at for at, _ in samples], dtype=np.int64)
    return Clock(t_ns=t_ns, offset_ns=np.array([wall for _, wall in samples], dtype=np.int64) - t_ns)


# -- changing a history -------------------------------------------------------------------------------------------


def rows_of(evidence: Evidence, name: str) -> list[Row]:
    """The rows of `operations`, `schedule`, `routing`, `samples`, `service` or `store`, without derived columns."""
    columns = _columns_of(evidence, name)
    lists = [columns[field].tolist() for field in _SCHEMAS[name].names]
    return [dict(zip(_SCHEMAS[name].names, values, strict=True)) for values in zip(*lists, strict=True)]


def _columns_of(evidence: Evidence, name: str) -> Columns:
    found = getattr(evidence, name)
    return found.rows if isinstance(found, ReadBack) else found


def with_rows(evidence: Evidence, name: str, rows: Sequence[Mapping[str, Any]]) -> Evidence:
    """`evidence` with other rows in one table, in the order given; instants of wall stamps are made again."""
    columns = tables.columns(pa.Table.from_pylist(list(rows), schema=_SCHEMAS[name]))
    if name in _DERIVED:
        source, derived, unit_ns = _DERIVED[name]
        wall = columns[source].astype(np.int64) * unit_ns
        known = evidence.clock.t_ns.size > 0
        columns[derived] = np.asarray(evidence.clock.to_mono_ns(wall) if known else np.zeros_like(wall), dtype=np.int64)
    if name in _READS:
        return _with(evidence, name, replace(getattr(evidence, name), rows=columns))
    return _with(evidence, name, columns)


def _with(evidence: Evidence, name: str, value: Any) -> Evidence:
    change: dict[str, Any] = {name: value}
    return replace(evidence, **change)


def changed(evidence: Evidence, name: str, change: Change) -> Evidence:
    """Each row of a table through `change`; None drops it."""
    found = (change(row) for row in rows_of(evidence, name))
    return with_rows(evidence, name, [row for row in found if row is not None])


def updated(evidence: Evidence, name: str, where: Callable[[Row], bool], **values: Any) -> Evidence:
    """Other values in the rows that `where` holds for."""
    return changed(evidence, name, lambda row: {**row, **values} if where(row) else row)


def dropped(evidence: Evidence, name: str, where: Callable[[Row], bool] = lambda row: True) -> Evidence:
    """Without the rows that `where` holds for; all of them by default."""
    return changed(evidence, name, lambda row: None if where(row) else row)


def added(evidence: Evidence, name: str, *rows: Mapping[str, Any]) -> Evidence:
    """With more rows at the end of a table."""
    return with_rows(evidence, name, [*rows_of(evidence, name), *rows])


def with_events(evidence: Evidence, *events: Event) -> Evidence:
    """With more events, at their place in time; CLOCK events move the instants of samples and routing rows."""
    return _with_timeline(evidence, [*evidence.events, *events])


def without_events(evidence: Evidence, kind: Kind, where: Callable[[Event], bool] = lambda one: True) -> Evidence:
    """Without the events of this kind that `where` holds for; all of them by default."""
    return _with_timeline(evidence, [one for one in evidence.events if one.kind != kind or not where(one)])


def with_event_data(
    evidence: Evidence, kind: Kind, where: Callable[[Event], bool] = lambda one: True, **values: Any
) -> Evidence:
    """Other data in the events of this kind that `where` holds for."""
    return _with_timeline(
        evidence,
        [
            replace(one, data={**one.data, **values}) if one.kind == kind and where(one) else one
            for one in evidence.events
        ],
    )


def moved(evidence: Evidence, kind: Kind, by_s: float, where: Callable[[Event], bool] = lambda one: True) -> Evidence:
    """The events of this kind `by_s` seconds later (earlier where negative), their lo_ns and hi_ns with them."""
    by_ns = round(by_s * NS_PER_S)

    def move(one: Event) -> Event:
        spans: Row = {name: one.data[name] + by_ns for name in ("lo_ns", "hi_ns") if name in one.data}
        return replace(one, t_ns=one.t_ns + by_ns, data={**one.data, **spans})

    return _with_timeline(evidence, [move(one) if one.kind == kind and where(one) else one for one in evidence.events])


def _with_timeline(evidence: Evidence, events: Sequence[Event]) -> Evidence:
    found = replace(evidence, events=_sorted(events), clock=_clock_of(events))
    for name in _DERIVED:
        found = with_rows(found, name, rows_of(found, name))
    return found


def with_manifest(evidence: Evidence, **values: Any) -> Evidence:
    """Other values at the top of the manifest."""
    return replace(evidence, manifest={**evidence.manifest, **values})


def with_expect(evidence: Evidence, **values: Any) -> Evidence:
    """Another expectation."""
    return with_manifest(evidence, expect={**evidence.manifest["expect"], **values})


def with_read_meta(evidence: Evidence, name: str, **values: Any) -> Evidence:
    """Other values in the meta.json of the read `service` or `store`."""
    read: ReadBack = getattr(evidence, name)
    return _with(evidence, name, replace(read, meta={**read.meta, **values}))


def with_notifications(evidence: Evidence, *notifications: Notification) -> Evidence:
    """With these notifications of Alertmanager and no others; what the team was told stays."""
    kept = tuple(one for one in evidence.notifications if one.receiver == "team")
    return replace(evidence, notifications=tuple(sorted((*notifications, *kept), key=lambda one: one.t_ns)))


def with_team_messages(evidence: Evidence, *messages: Notification) -> Evidence:
    """With these messages to the team and no others; what Alertmanager said stays."""
    kept = tuple(one for one in evidence.notifications if one.receiver != "team")
    return replace(evidence, notifications=tuple(sorted((*messages, *kept), key=lambda one: one.t_ns)))


def notification(seconds: float, status: str = "firing", alert: str = ALERT) -> Notification:
    """One webhook of Alertmanager about the canary, as the recorder kept it."""
    return _notification(seconds, status, alert)


# -- on disk ------------------------------------------------------------------------------------------------------


def write(evidence: Evidence, run_dir: Path) -> None:
    """Write it as a sealed run directory. `run_dir` must not exist; `problems` are not written, they are found."""
    run_dir.mkdir(parents=True)
    (run_dir / "manifest.json").write_text(json.dumps(evidence.manifest, indent=1, sort_keys=True) + "\n")
    _write_timeline(evidence, run_dir)
    for name in ("operations", "schedule", "routing", "samples"):
        folder = run_dir / ("metrics" if name == "samples" else name)
        folder.mkdir()
        tables.write_parquet(
            folder / f"{name}.parquet", pa.Table.from_pylist(rows_of(evidence, name), schema=_SCHEMAS[name])
        )
    _write_notifications(evidence, run_dir)
    for name in _READS:
        _write_read(evidence, name, run_dir / "readback" / name)
    if evidence.invariants is not None:
        (run_dir / "readback" / "invariants.json").write_text(json.dumps(list(evidence.invariants)))
    seal.seal(run_dir, complete=evidence.complete)


def _write_timeline(evidence: Evidence, run_dir: Path) -> None:
    for source in sorted({one.source for one in evidence.events}):
        writer = TimelineWriter(run_dir, source)
        for one in evidence.events:
            if one.source == source:
                writer.event(one.kind, t_ns=one.t_ns, **one.data)
        writer.close()


def _write_notifications(evidence: Evidence, run_dir: Path) -> None:
    folder = run_dir / "notifications"
    folder.mkdir()
    for number, one in enumerate(evidence.notifications, 1):
        record = {"t_ns": one.t_ns, "receiver": one.receiver, "body": one.body}
        (folder / f"{number:04d}-{one.receiver}.json").write_text(json.dumps(record))


def _write_read(evidence: Evidence, name: str, folder: Path) -> None:
    read: ReadBack = getattr(evidence, name)
    if not read.meta:
        return
    folder.mkdir(parents=True)
    (folder / "meta.json").write_text(json.dumps(read.meta, indent=1, sort_keys=True) + "\n")
    tables.write_parquet(folder / "rows.parquet", pa.Table.from_pylist(rows_of(evidence, name), schema=READBACK))
