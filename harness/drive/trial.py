"""One trial: opened, driven by the experiment's method, verified and closed.

Chaos Toolkit runs the script; its control calls `open_trial` before and `Trial.close` after, its actions take
`current()`. The trial changes the world only through the guard (processes), the controller (start) and the
fault's injector, each with its undo record first. What it saw goes to `timeline/control.ndjson`.

A trial that was cut (`cut_why`) is closed without drain and read-back: heal, stop, seal with complete=False.
"""

from __future__ import annotations

import fcntl
import json
import os
import random
import secrets
import shutil
import sys
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from harness import clock
from harness.drive import alerts, census, faults, manifest, members, receivers, rollout, traffic, verify
from harness.drive import target as targets
from harness.drive.faults.port import Fault, Interval
from harness.drive.guard.client import GuardClient, await_condition, start_guard
from harness.drive.members import LOAD
from harness.drive.prepare import PLANTS_GROUP, Prepared, check_writable
from harness.drive.stack import local, ports
from harness.drive.stack.spec import ProcessSpec, StackSpec
from harness.drive.stack.start import start, write_files
from harness.drive.target.port import Instance, TargetKit
from harness.drive.ticks import Ticks
from harness.errors import DriveError, GuardError, UsageError
from harness.evidence import seal
from harness.evidence.format import Kind
from harness.evidence.timeline import TimelineWriter
from harness.plan.experiment import FaultPlan

POLL_S = 0.05
# Beyond the latest instant at which the outcome could still meet its bounds, before the trial stops waiting for it.
OUTCOME_SLACK_S = 4.0
GOOD_SECONDS = 10
RULES_S_MAX = (
    15.0  # the watchdog is there from the first evaluation, a second after the start; a busy machine took four
)
# A cut trial has ended within 10 s: five levels of processes, each with this, and some for healing and sealing. What
# is killed then leaves whole batches of evidence, and nothing of them can be a PASS.
CUT_GRACE_S = 1.5
# A killed guard's children get SIGKILL from the kernel right after its sockets close: milliseconds.
KERNEL_ENDS_S_MAX = 2.0
# An exit is told through two pipes and a thread: milliseconds, more on a busy machine.
NEWS_S_MAX = 0.5
_current: Trial | None = None


def current() -> Trial:
    """The open trial; DriveError where there is none (the control is missing or failed)."""
    if _current is None:
        raise DriveError(
            "no trial is open: the control harness.chaos.control did not run or failed; "
            "check the experiment's `controls` and the first lines of its log"
        )
    return _current


@dataclass(frozen=True, slots=True)
class Door:
    """Where the guard takes requests to stop the canary, and the word that opens it; only for the strategy remove."""

    port: int
    token: str


@dataclass(slots=True)
class Trial:
    """The live handles of one trial. Facts about it stand in `prepared` and `spec`, both frozen."""

    run_id: str
    run_dir: Path
    prepared: Prepared
    kit: TargetKit
    spec: StackSpec
    timeline: TimelineWriter
    guard: GuardClient
    lease: ports.PortLease
    lock_fd: int
    router: traffic.Router
    controller: rollout.Controller
    alerts: alerts.AlertParts
    fault: Fault | None
    ticks: Ticks
    phase: str = "open"
    broken: dict[str, int] = field(default_factory=dict)  # instance -> undo entry of the fault that is in it
    was_broken: bool = False
    outcome: str = ""
    cut_why: str = ""
    closing: bool = False
    dead_part: str = ""

    # -- facts ---------------------------------------------------------------------------------------------------

    @property
    def stables(self) -> tuple[Instance, ...]:
        """Stable's instances."""
        return tuple(one for one in self.spec.endpoints.instances if one.track == "stable")

    def enter(self, phase: str) -> None:
        """Begin a phase: one event and one clock sample."""
        self.phase = phase
        self.timeline.event(Kind.PHASE, phase=phase)
        self._sample_clock()

    def _sample_clock(self) -> None:
        offset = clock.sample()
        self.timeline.event(Kind.CLOCK, t_ns=offset.t_ns, wall_ns=offset.wall_ns, width_ns=offset.width_ns)

    def note_error(self, where: str, message: str) -> None:
        """A part of the harness failed: on record, so no PASS."""
        self.timeline.event(Kind.ERROR, where=where, message=message[:2000])

    def explained(self, message: str) -> str:
        """`message`, with the part whose death is behind it; news of a death may come a moment after its effects."""
        await_condition(lambda: bool(self.dead_part), NEWS_S_MAX, POLL_S)
        known = not self.dead_part or "has died" in message
        return message if known else f"{self.dead_part} has died: {message}"

    def note_cut(self, why: str) -> None:
        """Something ended the trial early; the first reason stands. A part that died is the reason of its signal."""
        if not self.cut_why:
            self.cut_why = f"{self.dead_part} has died: {why}" if self.dead_part else why
            self.timeline.event(Kind.INTERRUPTED, why=self.cut_why, phase=self.phase)

    def note_hypothesis(self, met: bool) -> None:
        """What the steady-state probes answered, before the canary or after all of it."""
        when = "before" if self.phase in {"open", "baseline"} else "after"
        self.timeline.event(Kind.HYPOTHESIS, when=when, met=met)

    def await_or_fail(self, condition: Callable[[], bool], limit_s: float, what: str) -> None:
        """Poll until it holds; DriveError past the limit, or at once when a part of the trial has died."""
        if not await_condition(lambda: bool(self.dead_part) or condition(), limit_s, POLL_S) or self.dead_part:
            dead = f"; {self.dead_part} has died" if self.dead_part else ""
            raise DriveError(f"{what} did not come within {limit_s:g} s (phase {self.phase}){dead}")

    # -- baseline ------------------------------------------------------------------------------------------------

    def start_load(self) -> None:
        """Load on stable only."""
        self.enter("baseline")
        start(self.guard, [self._process(LOAD)], self.run_dir, ready=[spec.name for spec in self.spec.processes])

    def _process(self, name: str) -> ProcessSpec:
        return next(spec for spec in self.spec.processes if spec.name == name)

    def is_well(self) -> bool:
        """Whether the last seconds of load were answered well and no alert is active. Waits for enough seconds."""
        seconds = int(self.prepared.experiment.baseline_s)
        self.await_or_fail(lambda: self.ticks.count() > seconds, seconds + 20.0, f"{seconds} s of load")
        recent = self.ticks.last(min(seconds, GOOD_SECONDS))
        return all(tick.good for tick in recent) and self._is_quiet()

    def _is_quiet(self) -> bool:
        """Whether none of the experiment's alerts fires. A Prometheus that does not answer vouches for nothing."""
        expect = self.prepared.experiment.expect
        watched = {*expect.alerts_required, *expect.alerts_forbidden}
        try:
            active = self.alerts.metrics.active_alerts()
        except DriveError:
            return False
        return not any(one.state == "firing" and one.name in watched for one in active)

    # -- the method's actions --------------------------------------------------------------------------------------

    def start_canary(self) -> None:
        """Tell the controller to begin its steps."""
        self.enter("canary")
        self.controller.start()

    def wait_step(self, weight: int) -> None:
        """Wait until the controller holds this step and the router shows it."""
        steps, step_s = self.prepared.experiment.rollout.steps, self.prepared.experiment.rollout.step_s
        limit_s = step_s * (steps.index(weight) + 1) + 10.0
        self.await_or_fail(
            lambda: self.controller.read().weight == weight and round(self.router.read_weight().weight) == weight,
            limit_s,
            f"the step {weight} %",
        )

    def inject(self, share: float, deadline_s: float, arguments: Mapping[str, Any]) -> None:
        """Break the planned tracks at a seeded random phase against scrapes and evaluations, undo records first."""
        fault, plan = self._fault()
        self.enter("fault")
        seed = self.prepared.experiment.load.seed
        clock.sleep(1.0 + random.Random(seed).random())
        # The injector draws from the trial's seed, so that two trials of one seed are hit alike.
        arguments = {"seed": seed, **arguments}
        token = self.spec.endpoints.control_token
        for instance in (one for one in self.spec.endpoints.instances if one.track in plan.tracks):
            undo = replace(fault.undo_request(instance, token), fault=fault.kind)
            self.broken[instance.name] = self.guard.undo_add(undo)
            self.was_broken = True
            window = fault.inject(instance, token, share, deadline_s, arguments)
            self.timeline.event(
                Kind.FAULT_ON,
                lo_ns=window.lo_ns,
                hi_ns=window.hi_ns,
                fault=fault.kind,
                instances=[instance.name],
                arguments={"share": share, "deadline_s": deadline_s, **arguments},
            )

    def _fault(self) -> tuple[Fault, FaultPlan]:
        plan = self.prepared.experiment.fault
        if self.fault is None or plan is None:
            raise DriveError("the experiment's method injects no fault, but inject was called")
        return self.fault, plan

    def wait_outcome(self) -> str:
        """Wait until the controller has rolled back or promoted, or could no longer do so in time; what it was."""
        self.enter("detect")
        expect, plan = self.prepared.experiment.expect, self.prepared.experiment.rollout
        limit_s = {
            "rolled_back": expect.shifted_s_max + OUTCOME_SLACK_S,
            "held": expect.detect_s_max + OUTCOME_SLACK_S,
            "promoted": len(plan.steps) * plan.step_s + OUTCOME_SLACK_S + 10.0,
        }[expect.outcome]
        finals = {"rolled_back", "promoted", "held"}
        await_condition(lambda: bool(self.dead_part) or self.controller.read().state in finals, limit_s, POLL_S)
        state = self.controller.read().state
        self.outcome = state if state in finals else "none"
        self.timeline.event(Kind.OUTCOME, outcome=self.outcome)
        self.enter("rollback" if self.outcome == "rolled_back" else "verify")
        return self.outcome

    def heal(self) -> None:
        """Take the fault back wherever it was put; harmless when there is none. A stopped instance took it along."""
        if self.fault is None or not self.broken:
            return
        token = self.spec.endpoints.control_token
        up = {one.name: one for one in self._up(self.broken)}
        for name in self.broken:
            now_ns = clock.monotonic_ns()  # at the latest: the process had ended by now
            window = self.fault.heal(up[name], token) if name in up else Interval(now_ns, now_ns)
            self.timeline.event(
                Kind.FAULT_HEALED, lo_ns=window.lo_ns, hi_ns=window.hi_ns, fault=self.fault.kind, instances=[name]
            )
        for entry in () if self.guard.gone else self.broken.values():
            self.guard.undo_done(entry)
        self.broken.clear()

    def _up(self, names: Collection[str]) -> list[Instance]:
        """Those of these instances whose process runs; with the guard the kernel has ended them, in a moment."""
        named = [one for one in self.spec.endpoints.instances if one.name in names]
        if self.guard.gone:
            await_condition(lambda: not any(map(_listens, named)), KERNEL_ENDS_S_MAX, POLL_S)
            return [one for one in named if _listens(one)]
        codes = self.guard.codes()
        return [one for one in named if codes.get(one.name, 0) is None]

    def wait_clean(self) -> bool:
        """Stay for `hold_s` after the outcome and until GOOD_SECONDS good seconds in a row; whether they came."""
        if self.phase != "verify":
            self.enter("verify")
        hold_s = self.prepared.experiment.hold_s if self.outcome != "none" else GOOD_SECONDS
        held_ns = clock.monotonic_ns() + int(hold_s * clock.NS_PER_S)
        # One second more than hold_s, so that polls on both sides of it are on record.
        limit_s = hold_s + GOOD_SECONDS + 1.0
        return await_condition(
            lambda: (
                bool(self.dead_part)
                or (clock.monotonic_ns() > held_ns + clock.NS_PER_S and self.ticks.good_in_a_row() >= GOOD_SECONDS)
            ),
            limit_s,
            POLL_S,
        )

    # -- closing -------------------------------------------------------------------------------------------------

    def verify(self) -> None:
        """Drain the load, wait until nothing moves, read every write back, purge. Only for a trial that was not cut."""
        endpoints, kit = self.spec.endpoints, self.kit
        if self.phase != "verify":
            self.enter("verify")
        self.timeline.event(Kind.LOAD_STOP_REQUESTED)
        self.guard.stop([LOAD])
        verify.quiesce(
            kit, self._up([one.name for one in endpoints.instances]), endpoints.store_reader_dsn, self.timeline
        )
        writes = [kind.name for kind in self.prepared.profile.kinds if kind.writes]
        looked_for = verify.wanted(self.run_dir, self.run_id, writes)
        verify.read_service(kit, self.stables[0], looked_for, self.run_dir)
        if not kit.has_store:
            verify.read_service(kit, self.stables[-1], looked_for, self.run_dir, verify.STORE)
            return
        verify.read_store(kit, endpoints.store_reader_dsn, self.run_id, self.run_dir)
        verify.read_invariants(kit, endpoints.store_reader_dsn, self.run_id, self.run_dir)

    def close(self, journal: Mapping[str, Any]) -> None:
        """Restore, count, seal. Never raises for what a cut trial lacks: it is on record instead."""
        self.closing = True
        self.enter("close")
        faults_left, rows_left = self._clear_target()
        left = self._stop_all()
        items = census.take({}, self.spec.locked_ports, faults_left, rows_left)
        items += [{"what": "process", "name": name} for name in left]
        self.timeline.event(Kind.CENSUS, at="close", items=items)
        self._sample_clock()
        (self.run_dir / "journal.json").write_text(json.dumps(journal, indent=1, default=str) + "\n")
        self.timeline.close()
        seal.seal(self.run_dir, complete=not self.cut_why and not self.guard.gone)
        self._release()

    def _clear_target(self) -> tuple[list[str], int]:
        """Heal, purge, and what is left of both. A dead stack has neither faults nor rows."""
        try:
            self.heal()
            active = self._active_faults()
        except (DriveError, GuardError) as error:
            self.note_error("heal", str(error))
            active = []
        if self.cut_why or self.guard.gone or not self.kit.has_store:
            return active, 0
        try:
            rows_left = self.kit.purge(self.spec.endpoints.store_dsn, self.run_id)
        except DriveError as error:
            self.note_error("purge", str(error))
            rows_left = -1
        self.timeline.event(Kind.PURGED, rows_left=rows_left)
        return active, max(rows_left, 0)

    def _active_faults(self) -> list[str]:
        if self.fault is None or not self.was_broken or self.guard.gone:
            return []
        token = self.spec.endpoints.control_token
        up = self._up([one.name for one in self.spec.endpoints.instances])
        return [f"{self.fault.kind}@{one.name}" for one in up if self.fault.active(one, token)]

    def _stop_all(self) -> list[str]:
        if self.guard.gone:
            shutil.rmtree(self.spec.scratch_dir, ignore_errors=True)
            return []
        return self.guard.stop_all(CUT_GRACE_S if self.cut_why else None)

    def _release(self) -> None:
        self.guard.release()
        self.lease.release()
        os.close(self.lock_fd)


def open_trial(
    prepared: Prepared, command: str, on_dead_part: Callable[[str], None], on_run_dir: Callable[[Path], None]
) -> Trial:
    """Make the run directory, start the guard and the stack, and take the first census; the trial is `current()`.

    What fails before the guard lives, a signal included, leaves no run directory; what fails later leaves an
    open trial for the control to close, and the error goes on.
    """
    trial = _make(prepared, command, on_dead_part, on_run_dir)
    trial.enter("open")
    write_files(trial.spec, trial.run_dir)
    trial.timeline.event(Kind.CENSUS, at="open", items=census.take({}, trial.spec.locked_ports))
    start(trial.guard, [one for one in trial.spec.processes if one.name != LOAD], trial.run_dir)
    targets.identities(trial.kit, trial.spec.endpoints.instances, prepared.target.versions)
    receivers.check(prepared, receivers.told(prepared, trial.spec, trial.alerts.receivers.resolve_receivers))
    # Prometheus is ready before its rules run; load that no rule sees would leave a hole at the baseline's beginning.
    trial.await_or_fail(
        lambda: bool(trial.alerts.metrics.fetch_samples("ALERTS", 5.0)),
        RULES_S_MAX,
        "the first evaluation of the rules",
    )
    trial.start_load()
    return trial


def _make(
    prepared: Prepared, command: str, on_dead_part: Callable[[str], None], on_run_dir: Callable[[Path], None]
) -> Trial:
    """The trial with its ports, manifest and guard; nothing else is started. Sets the current trial."""
    global _current  # noqa: PLW0603 - one process runs one trial; actions find it here
    removes = prepared.experiment.rollout.strategy == "remove"
    lease = ports.reserve(local.port_count(prepared.target, prepared.kit) + removes, prepared.cache_dir / "ports")
    door = Door(lease.ports[-1], secrets.token_urlsafe(18)) if removes else None
    run_id, run_dir, lock_fd = make_run_dir(prepared)
    guard: GuardClient | None = None

    def on_exit(name: str, code: int) -> None:
        if _current is not None and not _current.closing:
            _current.dead_part = f"{name} (exit code {code})"
            if _current.phase != "open":  # while it opens, whoever waits for the part says what its log says
                on_dead_part(_current.dead_part)

    try:
        on_run_dir(run_dir)
        manifest.write(run_dir, prepared, run_id, command)  # first: a directory without one cannot be judged
        scratch = prepared.cache_dir / "scratch" / run_id
        spec = build_spec(prepared, run_id, run_dir, scratch, lease.ports, door)
        guard = start_guard(
            run_dir,
            scratch,
            lock_fd,
            prepared.settings.number("trial_s_max", 10, 3600),
            on_exit,
            door_port=door.port if door else None,
            door_token=door.token if door else "",
        )
        if door:
            guard.allow_stop([one.name for one in spec.endpoints.instances if one.track == "canary"])
        _current = _trial(prepared, run_id, run_dir, spec, guard, lease, lock_fd)
    except BaseException:
        _current = None
        if guard is not None:
            guard.release()
        lease.release()
        os.close(lock_fd)
        shutil.rmtree(run_dir)
        raise
    return _current


def _trial(
    prepared: Prepared,
    run_id: str,
    run_dir: Path,
    spec: StackSpec,
    guard: GuardClient,
    lease: ports.PortLease,
    lock_fd: int,
) -> Trial:
    endpoints = spec.endpoints
    timeline = TimelineWriter(run_dir, "control")
    timeline.event(Kind.TRIAL_OPENED, run_id=run_id)
    return Trial(
        run_id=run_id,
        run_dir=run_dir,
        prepared=prepared,
        kit=targets.load_kit(prepared.target.kit, control_token=endpoints.control_token),
        spec=spec,
        timeline=timeline,
        guard=guard,
        lease=lease,
        lock_fd=lock_fd,
        router=traffic.build(prepared.target.router.kind, endpoints),
        controller=rollout.build(prepared.target.controller.kind, endpoints),
        alerts=alerts.build(prepared.target.alerts.kind, endpoints),
        fault=faults.build(prepared.experiment.fault.kind) if prepared.experiment.fault else None,
        ticks=Ticks(run_dir),
    )


def _listens(instance: Instance) -> bool:
    port = urlsplit(instance.control_url).port
    assert port is not None, instance.control_url
    return census.listens(port)


def is_open() -> bool:
    """Whether there is a trial that is not closed."""
    return _current is not None


def forget() -> None:
    """The trial is closed; actions called from now on are refused."""
    global _current  # noqa: PLW0603 - see open_trial
    _current = None


def make_run_dir(prepared: Prepared) -> tuple[str, Path, int]:
    """(run id, the new folder, the descriptor that holds its lock). UsageError when it cannot be made."""
    run_id = f"{clock.utc_stamp().lower()}-{secrets.token_hex(3)}"
    settings = prepared.settings
    if settings["run_dir"]:
        run_dir = Path(settings["run_dir"]).resolve()
    else:
        run_dir = (
            Path(settings["reports_dir"]).resolve() / f"{clock.utc_stamp()}-{prepared.experiment.slug}-{run_id[-6:]}"
        )
    check_writable(run_dir.parent)
    try:
        run_dir.mkdir(parents=True)
    except FileExistsError as error:
        raise UsageError(f"{run_dir}: exists already; a trial never writes into another's directory") from error
    except OSError as error:
        raise UsageError(f"{run_dir}: cannot be made: {error.strerror}") from error
    lock_fd = os.open(run_dir / "LOCK", os.O_RDWR | os.O_CREAT, 0o644)
    fcntl.flock(lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    _link_latest(run_dir)
    return run_id, run_dir, lock_fd


def _link_latest(run_dir: Path) -> None:
    """`latest` beside the run directory, moved in one step."""
    link = run_dir.parent / f".latest-{run_dir.name}"
    link.symlink_to(run_dir.name)
    link.replace(run_dir.parent / "latest")


def build_spec(
    prepared: Prepared, run_id: str, run_dir: Path, scratch: Path, chosen: tuple[int, ...], door: Door | None = None
) -> StackSpec:
    """The stack with the observer and the load in it, after the planted defect if there is one."""
    spec = local.build(
        prepared.target,
        prepared.experiment.rollout,
        prepared.kit,
        paths=local.Paths(run_dir=run_dir, scratch_dir=scratch),
        binaries=prepared.binaries,
        ports=chosen[: local.port_count(prepared.target, prepared.kit)],
        guard_url=f"http://127.0.0.1:{door.port}" if door else "",
        guard_token=door.token if door else "",
        token=secrets.token_urlsafe(18),
        python=sys.executable,
        as_root=os.geteuid() == 0,
    )
    observer, observer_files = members.observer(prepared, spec, run_dir)
    load, load_files = members.load(prepared, spec, run_id, run_dir)
    spec = replace(
        spec, files={**spec.files, **observer_files, **load_files}, processes=(*spec.processes, observer, load)
    )
    if prepared.experiment.plant:
        (point,) = entry_points(group=PLANTS_GROUP, name=prepared.experiment.plant)
        spec = point.load()(spec)
    return spec
