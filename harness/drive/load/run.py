"""One load from its plan to its last row: kit, schedule, sink, clients and engine put together.

Knows gevent but not Locust, so it runs in any process. A trial's run stores its schedule before anything is
sent and records to the run directory; a run alone keeps its split in memory. A part that fails is written
down at once and stops the sending: evidence with a hole in it must not look whole.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from pathlib import Path
from typing import Final

import gevent.event

from harness.drive.load import schedule as load_schedule
from harness.drive.load.client import Clients, Route
from harness.drive.load.engine import Engine, Listener
from harness.drive.load.plan import LoadPlan, require_rate
from harness.drive.load.recorder import RunRecorder, Sink
from harness.drive.target.port import Profile, TargetKit
from harness.errors import UsageError
from harness.plan.validate import nearest

CLOSE_S_MAX: Final = 5.0  # for the last batch and the end of the files; measured below 0.1 s


def profile_of(kit: TargetKit, name: str, users: int) -> Profile:
    """The kit's profile. Raises UsageError for an unknown name and for a rate that one process cannot send on time."""
    if name not in kit.profiles:
        raise UsageError(f"profile {name!r} is not one of the kit's; {nearest(name, kit.profiles)}")
    profile = kit.profiles[name]
    require_rate(profile.rate_rps * users / profile.users, users, name)
    return profile


def waiting_kinds(profile: Profile) -> frozenset[str]:
    """The kinds whose latency says nothing about the service (see OperationKind)."""
    return frozenset(kind.name for kind in profile.kinds if kind.waits)


class LoadRun:
    """One run. Built, then started, then finished. Raises UsageError or OSError when it cannot be built."""

    def __init__(
        self,
        plan: LoadPlan,
        kit: TargetKit,
        sink: Sink | None,
        listener: Listener,
        on_failure: Callable[[str, BaseException], None],
    ) -> None:
        """`sink` None: record to the plan's run directory. `on_failure` is called after the failure is written down."""
        profile = profile_of(kit, plan.profile, plan.users)
        self.plan = plan
        self.schedule = load_schedule.build(profile, plan.seed, plan.users, plan.seconds_max, plan.run_id)
        self.failed = False
        self.complete = False
        self._finishing = False
        self._finished = gevent.event.Event()
        self._on_failure = on_failure
        self._sink = sink if sink is not None else self._record_to(Path(plan.run_dir), profile)
        self._clients = Clients(Route(plan.service_url, plan.headers, plan.versions, plan.timeouts, plan.in_flight_max))
        load_kit = kit.build_load(profile, plan.seed)
        send, cap = self._clients.send, plan.in_flight_max
        self._engine = Engine(self.schedule, load_kit, send, self._sink, listener, cap, self._fail)

    def start(self) -> int:
        """Begin to send; the schedule's zero. Returns at once."""
        # What is alive now stays: a full collection over all loaded modules stops every greenlet for tens of ms.
        gc.collect()
        gc.freeze()
        return self._engine.start()

    def finish(self) -> None:
        """Stop at a definite instant, drain, record, close. Whoever calls second waits for the first."""
        if self._finishing:
            self._finished.wait(timeout=self.plan.drain_s + CLOSE_S_MAX)
            return
        self._finishing = True
        try:
            self._engine.drain(self.plan.drain_s)
            self.complete = not self.failed
        finally:
            self._clients.close()
            self._finished.set()

    def _record_to(self, run_dir: Path, profile: Profile) -> RunRecorder:
        self.schedule.write(run_dir / "schedule" / "load-0.parquet")
        return RunRecorder(run_dir, waiting_kinds(profile))

    def _fail(self, where: str, error: BaseException) -> None:
        if self.failed:
            return
        self.failed = True
        self._engine.abandon()
        try:
            self._sink.failed(f"load {where}", f"{type(error).__name__}: {error}")
        finally:
            self._on_failure(where, error)
