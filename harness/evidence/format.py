"""Format 1 of the run directory. This docstring is the specification.

    manifest.json         who, what, with which versions and seed; written at open, never changed after
    timeline/*.ndjson     one file per writing process; a line is {"t_ns", "source", "kind", ...}; kinds: `KINDS`
    operations/*.arrows   one row per request, Arrow IPC stream while live; `operations/*.parquet` once sealed
    schedule/*.parquet    what was to be sent, stored before the load starts
    routing/*.ndjson      the router's access log as it writes it; `routing/*.parquet` once sealed
    metrics/*.arrows      raw Prometheus samples; `metrics/*.parquet` once sealed
    notifications/*.json  {"t_ns", "receiver", "body"}: what each receiver got, as received
    readback/service/     rows.parquet and meta.json: the final read through stable
    readback/store/       rows.parquet and meta.json: the final read of the store by a read-only user; through a second
                          instance of stable where the kit reaches no store (manifest: kit.has_store)
    readback/invariants.json  [{"name", "detail", "op_ids"}]: what the kit found broken, where it has invariants
    config/               rendered Prometheus, rules, Alertmanager, router
    journal.json          Chaos Toolkit's, as it stood when the control closed the trial
    logs/                 every process's output
    SEAL                  {"complete": bool, "sha256": {relative path: hex}} over every file above but logs
    findings.json report.html summary.md junit.xml    the judgement and its drawings; not sealed

Every `*_ns` is CLOCK_MONOTONIC of the harness's host. `clock` events carry the offset to wall time.
Prometheus samples and the router's start times keep the wall stamp they came with (`wall_ms`,
`start_wall_ns`); the reader converts them, so a better judge can convert them better.

Not covered: several hosts (their clocks come with the adapters that need them).
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import pyarrow as pa

RUN_FORMAT: Final = "harness/run/1"
FINDINGS_FORMAT: Final = "harness/findings/1"
SUITE_FORMAT: Final = "harness/suite/1"


class Outcome(StrEnum):
    """What one operation did. ok: a 2xx or 3xx read to its end. failed: surely without effect (a refused
    connection; a 4xx; a 5xx with the mark of a fault that answers before the handler, and calls none).
    unknown: anything else, so a time-out, a reset after sending, any other 5xx."""

    OK = "ok"
    FAILED = "failed"
    UNKNOWN = "unknown"


class VersionSource(StrEnum):
    """Who said which version answered: the service's own header, the router's, or nobody."""

    HEADER = "header"
    ROUTER = "router"
    NONE = "none"


class Kind(StrEnum):
    """Kinds of timeline events. A closed list: the reader refuses any other."""

    # control: the Chaos Toolkit control and its actions (source "control")
    TRIAL_OPENED = "trial_opened"  # run_id
    PHASE = "phase"  # phase: open baseline canary fault detect rollback verify close
    CLOCK = "clock"  # wall_ns, width_ns
    CENSUS = "census"  # at: open | close; items: [{"what", "name", ...}] sorted; see CENSUS_WHATS
    LOAD_STARTED = "load_started"  # start_ns: the schedule's zero
    LOAD_STOP_REQUESTED = "load_stop_requested"
    FAULT_ON = "fault_on"  # lo_ns, hi_ns, fault, arguments, instances
    FAULT_HEALED = "fault_healed"  # lo_ns, hi_ns, fault, instances
    OUTCOME = "outcome"  # outcome: rolled_back | promoted | held | none; what the action saw when it stopped waiting
    QUIESCED = "quiesced"  # quiescent: bool, reads: [...]
    PURGED = "purged"  # rows_left: int
    INTERRUPTED = "interrupted"  # why
    HYPOTHESIS = "hypothesis"  # when: before | after; met: bool: what the steady-state probes answered
    ERROR = "error"  # where, message: a part of the harness failed; rules out PASS
    # guard (source "guard")
    PROCESS_STARTED = "process_started"  # name, pid, ports
    PROCESS_EXITED = "process_exited"  # name, pid, code, expected: bool
    GUARD_FINISHING = "guard_finishing"  # why: the guard closes the trial in the control's place
    # observer (source "observer")
    WEIGHT_READ = "weight_read"  # lo_ns, hi_ns, weight: the canary's weight in the router's live configuration, percent
    CONTROLLER_READ = "controller_read"  # lo_ns, hi_ns, weight, state: the controller's own status
    ALERT_SEEN = "alert_seen"  # name, state: pending | firing | inactive; for the live view, never for judgement
    HOST_SAMPLE = "host_sample"  # cpu_percent: {process: percent of one core}, host_cpu_percent: of all cores
    OBSERVER_MISSED = "observer_missed"  # what, message: a poll or fetch that failed
    # controller (source "stepper")
    ROLLOUT_STARTED = "rollout_started"  # steps, step_s
    WEBHOOK_RECEIVED = "webhook_received"  # alerts: [{"name", "status", "fingerprint", "labels"}]
    DECIDED = "decided"  # decision: step promote roll_back hold remove; weight, reason, alert, fingerprint, version
    WEIGHT_SET = "weight_set"  # weight: the router call returned
    WEIGHT_REFUSED = "weight_refused"  # weight, attempt, message: a router call that failed; it may be tried again
    REMOVE_REFUSED = "remove_refused"  # instance, attempt, message: a stop that was asked for and not confirmed
    ROLLOUT_FINISHED = "rollout_finished"  # outcome: rolled_back | promoted | held; a held one may yet be rolled back
    TEAM_TOLD = "team_told"  # status: of the last answer, 0 without one; attempts; message: why the last one failed
    # load (source "load")
    LOAD_READY = "load_ready"
    LOAD_TICK = "load_tick"  # see harness.drive.load.recorder: one second's counts and p95s, for the live view
    LOAD_STOPPED = "load_stopped"  # dispatched, completed, recorded, in_flight


PHASES: Final = ("open", "baseline", "canary", "fault", "detect", "rollback", "verify", "close")
CENSUS_WHATS: Final = ("process", "port", "fault", "test_rows")

# One row per request; a batch is one row.
OPERATIONS: Final = pa.schema(
    [
        (
            "op_id",
            pa.string(),
        ),  # "<run id>-<index>", sent as x-request-id, stored by the service with every row it writes
        ("user", pa.int32()),
        ("kind", pa.string()),  # the kit's name of the operation
        ("key", pa.string()),  # what the operation is about, "" where it has none
        ("seq", pa.int64()),  # per key, strictly increasing over its writes; -1 for reads
        ("payload_hash", pa.string()),  # kit-defined hash of what a write writes; "" for reads
        ("intended_ns", pa.int64()),
        ("sent_ns", pa.int64()),
        ("done_ns", pa.int64()),
        ("outcome", pa.string()),
        ("status", pa.int32()),  # 0: no answer
        ("version", pa.string()),  # "" when nobody said
        ("version_source", pa.string()),
        ("instance", pa.string()),
        ("attempt", pa.int32()),  # always 1: there are no retries
        ("fault_mark", pa.string()),  # the injector's mark on the answer, "" without one
        ("error", pa.string()),
    ]
)

# The seeded schedule. Rows beyond the instant the load was stopped were never due.
SCHEDULE: Final = pa.schema(
    [
        ("op_id", pa.string()),
        ("user", pa.int32()),
        ("kind", pa.string()),
        ("offset_ns", pa.int64()),  # intended_ns = start_ns of load_started + offset_ns
    ]
)

# The router's access log, one row per request.
ROUTING: Final = pa.schema(
    [
        ("op_id", pa.string()),
        ("start_wall_ns", pa.int64()),
        ("duration_ms", pa.float64()),
        ("cluster", pa.string()),  # stable | canary, "" when no route was taken
        ("upstream", pa.string()),
        ("status", pa.int32()),
        ("flags", pa.string()),
        ("attempts", pa.int32()),
        ("method", pa.string()),
        ("path", pa.string()),
    ]
)

# Raw samples by range selector; the same sample may stand in two fetches, the reader drops repeats.
METRICS: Final = pa.schema(
    [
        ("name", pa.string()),
        ("labels", pa.string()),  # JSON object, keys sorted, without __name__
        ("wall_ms", pa.int64()),
        ("value", pa.float64()),
    ]
)

# One row per effect of a write that the read found: a write applied twice has two rows.
READBACK: Final = pa.schema(
    [
        ("op_id", pa.string()),
        ("kind", pa.string()),
        ("key", pa.string()),
        ("seq", pa.int64()),
        ("payload_hash", pa.string()),
        ("written_by", pa.string()),  # the version that wrote it, "" if the row does not say
        ("position", pa.int64()),  # the row's place in the store's own order of its key, from 0
    ]
)
