"""The controller itself: which weight when, back to 0 when an alert asks for it, no further when one asks for that.

    idle -> progressing -> promoted | rolled_back | held        held -> rolled_back

What is decided is recorded and synced before the router is called, so the record holds the decision even if the
process dies in the call. Router calls go one at a time, and a step that waits for its turn when something else has been
decided is dropped: it must never arrive after a rollback's. A rollback counts as done only when the router took it, and
with the strategy `remove` only when the canary's instances have ended, too; when every attempt failed the state stays
as it was, nothing steps on, the team is told that it failed, and the next delivery of an alert tries again.

An alert that asks to hold says that the service is ill whichever version answers. So the weight stays, and the team is
told; a canary that then proves worse than stable is still rolled back.

Alertmanager delivers at least once. One rollout is rolled back once and held once, so another delivery of the same
(fingerprint, startsAt), or of another alert, decides nothing new.

The methods `on_alert` and `set_router_weight` are the seams at which a drill plants a controller that is wrong.

Not covered: a router call that was given up and still takes effect later than the next one; going on after a hold.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Final

from stepper.clock import Clock
from stepper.errors import CallError, NotDrainedError, RouterCallError, StepperError, StopCallError
from stepper.record import Record
from stepper.removal import Owner
from stepper.router import Router
from stepper.team import Message, Team
from stepper.webhook import Alert

# Five attempts, pauses doubling from 0.1 s: 1.5 s for a router that refuses, 6.5 s for one that hangs.
ROUTER_ATTEMPTS_MAX: Final = 5
FIRST_PAUSE_S: Final = 0.1
# The router ends a request after 15 s at the latest, so one second later none of the canary's can be left.
DRAIN_S_MAX: Final = 16.0
DRAIN_PAUSE_S: Final = 0.1
# One look right after the weight may come before the router's workers know it (7.4 ms at most in 40 flips).
QUIET_LOOKS: Final = 3
STOP_ATTEMPTS_MAX: Final = 3
TELL_ATTEMPTS_MAX: Final = 3


class State(StrEnum):
    """Where the rollout stands."""

    IDLE = "idle"
    PROGRESSING = "progressing"
    ROLLED_BACK = "rolled_back"
    PROMOTED = "promoted"
    HELD = "held"


class Strategy(StrEnum):
    """What a rollback does: take the traffic away, or then also the canary itself."""

    SHIFT = "shift"
    REMOVE = "remove"


@dataclass(frozen=True, slots=True)
class Plan:
    """The canary's weights in percent, rising, each held for `step_s` seconds; after the last it is promoted.

    `instances` are what the strategy `remove` stops, by the names that their owner knows.
    """

    steps: tuple[int, ...]
    step_s: float
    canary_version: str = ""
    strategy: Strategy = Strategy.SHIFT
    instances: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided: step, promote, roll_back, hold or remove; the canary's weight in percent; for which alert."""

    decision: str
    weight: int
    reason: str
    version: str
    alert: str = ""
    fingerprint: str = ""


class Stepper:
    """One rollout. Lives in one event loop; whatever it decides between two awaits is decided in one piece.

    `owner` stops instances and is needed for the strategy `remove`; without a `team` nobody is told.
    """

    def __init__(
        self,
        plan: Plan,
        router: Router,
        record: Record,
        clock: Clock,
        *,
        owner: Owner | None = None,
        team: Team | None = None,
    ) -> None:
        assert plan.strategy is Strategy.SHIFT or (owner is not None and plan.instances), "nobody to remove, or to ask"
        self._plan = plan
        self._router = router
        self._record = record
        self._clock = clock
        self._owner = owner
        self._team = team
        self._state = State.IDLE
        self._weight = 0  # what the router last took, percent
        self._step = 0  # from 1; 0 before the first
        self._decision: Decision | None = None
        self._rollback: Decision | None = None
        self._no_further = asyncio.Event()  # a rollback or a hold is decided: no step follows
        self._router_turn = asyncio.Lock()
        self._rollback_turn = asyncio.Lock()

    def status(self) -> dict[str, Any]:
        """The body of GET /status."""
        decision = None if self._decision is None else asdict(self._decision)
        return {"state": str(self._state), "weight": self._weight, "step": self._step, "decision": decision}

    def start(self) -> bool:
        """Begin the rollout; False when it has begun already. The caller then runs `walk`."""
        if self._state is not State.IDLE:
            return False
        self._record.append("rollout_started", steps=list(self._plan.steps), step_s=self._plan.step_s)
        self._state = State.PROGRESSING
        return True

    async def walk(self) -> None:
        """Every step in turn, then promotion; ends early when a rollback or a hold is decided."""
        for step, weight in enumerate(self._plan.steps, 1):
            await self._enter(step, weight)
            if await self._clock.wait(self._no_further, self._plan.step_s):
                return
        await self._promote()

    async def on_webhook(self, alerts: Sequence[Alert], received_ns: int) -> None:
        """Record a notification that came at `received_ns`, then look at each alert, those for a rollback first."""
        self._record.append("webhook_received", received_ns, alerts=[alert.as_record() for alert in alerts])
        for alert in sorted(alerts, key=lambda alert: not alert.wants_rollback):
            await self.on_alert(alert)

    async def on_alert(self, alert: Alert) -> None:
        """Do what a firing alert asks for: roll back while under way or held, hold while under way."""
        if alert.wants_rollback and self._state in (State.PROGRESSING, State.HELD):
            await self.roll_back(f"{alert.name} fires for the canary", alert)
        elif alert.wants_hold and self._state is State.PROGRESSING:
            await self._hold(f"{alert.name} fires for the service", alert)

    # -- rolling back ----------------------------------------------------------------------------------------------

    async def roll_back(self, reason: str, alert: Alert | None = None) -> None:
        """Decide a rollback unless it is decided already, and carry it out."""
        if self._rollback is None:
            self._rollback = self._decide("roll_back", 0, reason, alert)
            self._no_further.set()
        await self._complete_rollback(self._rollback)

    async def set_router_weight(self, weight: int) -> None:
        """Have the router take a weight, within ROUTER_ATTEMPTS_MAX; the last RouterCallError when it did not.

        Returns without a call when another decision was made while this one waited for its turn.
        """
        decision, pause_s = self._decision, FIRST_PAUSE_S
        for attempt in range(1, ROUTER_ATTEMPTS_MAX + 1):
            async with self._router_turn:
                if self._decision is not decision:
                    return
                if await self._attempt(weight, attempt):
                    return
            await self._clock.wait(None, pause_s)
            pause_s *= 2

    async def _attempt(self, weight: int, attempt: int) -> bool:
        try:
            await self._router.set_weight(weight)
        except RouterCallError as error:
            self._record.append("weight_refused", weight=weight, attempt=attempt, message=str(error))
            if attempt == ROUTER_ATTEMPTS_MAX:
                raise
            return False
        self._weight = weight
        self._record.append("weight_set", weight=weight)
        return True

    async def _complete_rollback(self, decided: Decision) -> None:
        async with self._rollback_turn:
            if self._state is State.ROLLED_BACK:
                return
            problem = await self._carry_out(decided)
            if not problem:
                self._finish(State.ROLLED_BACK)
        await self._tell(decided, problem)

    async def _carry_out(self, decided: Decision) -> str:
        """Weight 0 and, with the strategy remove, the end of the canary; "" when done, else what kept it from that."""
        try:
            await self.set_router_weight(0)
            if self._plan.strategy is Strategy.REMOVE:
                await self._remove(decided)
        except StepperError as error:
            return str(error)
        return ""

    # -- the strategy remove ---------------------------------------------------------------------------------------

    async def _remove(self, decided: Decision) -> None:
        """Wait until the canary has no requests, then have its instances stopped."""
        waited_s = await self._await_drained()
        if self._decision is decided:  # else a try before this one decided it already
            reason = f"drained: no request on the canary in {QUIET_LOOKS} looks, {waited_s:.1f} s after weight 0"
            remove = Decision("remove", 0, reason, decided.version, decided.alert, decided.fingerprint)
            self._record_decision(remove)
        for instance in self._plan.instances:
            await self._stop(instance)

    async def _await_drained(self) -> float:
        """Look until QUIET_LOOKS looks in a row saw no request; the seconds that took.

        NotDrainedError after DRAIN_S_MAX: with weight 0 a canary that is left alone harms nobody, and stopping it
        could cut answers. A look that failed counts as one that saw requests.
        """
        began_ns, quiet, seen = self._clock.now_ns(), 0, "nothing"
        for _ in range(round(DRAIN_S_MAX / DRAIN_PAUSE_S)):
            await self._clock.wait(None, DRAIN_PAUSE_S)
            try:
                active = await self._router.active_count()
                quiet, seen = quiet + 1 if active == 0 else 0, f"{active} requests"
            except RouterCallError as error:
                quiet, seen = 0, str(error)
            waited_s = (self._clock.now_ns() - began_ns) / 1e9
            if quiet == QUIET_LOOKS:
                return waited_s
            if waited_s > DRAIN_S_MAX:  # looks of a router that hangs take longer than the pauses between them
                break
        raise NotDrainedError(f"the canary was not drained within {DRAIN_S_MAX:g} s; last seen on it: {seen}")

    async def _stop(self, instance: str) -> None:
        """Have one instance stopped within STOP_ATTEMPTS_MAX; the last StopCallError when it was not."""
        assert self._owner is not None, "the strategy remove has an owner to ask"
        pause_s = FIRST_PAUSE_S
        for attempt in range(1, STOP_ATTEMPTS_MAX + 1):
            try:
                await self._owner.stop(instance)
                return
            except StopCallError as error:
                self._record.append("remove_refused", instance=instance, attempt=attempt, message=str(error))
                # 4xx: the same call would be refused again.
                if attempt == STOP_ATTEMPTS_MAX or 400 <= error.status < 500:
                    raise
            await self._clock.wait(None, pause_s)
            pause_s *= 2

    # -- holding, stepping, promoting ------------------------------------------------------------------------------

    async def _hold(self, reason: str, alert: Alert) -> None:
        """Stay at the weight that the router has. A call that is under way is waited for: it decides which that is."""
        async with self._router_turn:
            if self._no_further.is_set() or self._state is not State.PROGRESSING:
                return
            decided = self._decide("hold", self._weight, reason, alert)
            self._no_further.set()
            self._finish(State.HELD)
        await self._tell(decided)

    async def _enter(self, step: int, weight: int) -> None:
        self._decide("step", weight, f"step {step} of {len(self._plan.steps)}")
        self._step = step
        try:
            await self.set_router_weight(weight)
        except RouterCallError as error:
            # A canary whose weight cannot be set is not under control, and 0 is the one weight that harms nobody.
            await self.roll_back(f"the router did not take weight {weight}: {error}")

    async def _promote(self) -> None:
        self._decide("promote", 100, "every step held")
        if self._weight != 100:
            try:
                await self.set_router_weight(100)
            except RouterCallError as error:
                await self.roll_back(f"the router did not take weight 100: {error}")
        if not self._no_further.is_set():
            self._finish(State.PROMOTED)

    # -- on record and to the team ---------------------------------------------------------------------------------

    def _decide(self, decision: str, weight: int, reason: str, alert: Alert | None = None) -> Decision:
        """Record a decision; its version is the one that the alert saw on the canary, else the one rolled out."""
        version = "" if alert is None or alert.track != "canary" else alert.labels.get("version", "")
        decided = Decision(
            decision=decision,
            weight=weight,
            reason=reason,
            version=version or self._plan.canary_version,
            alert="" if alert is None else alert.name,
            fingerprint="" if alert is None else alert.fingerprint,
        )
        self._record_decision(decided)
        return decided

    def _record_decision(self, decided: Decision) -> None:
        self._record.append("decided", **asdict(decided))
        self._decision = decided

    def _finish(self, state: State) -> None:
        self._state = state
        self._record.append("rollout_finished", outcome=str(state))

    async def _tell(self, decided: Decision, problem: str = "") -> None:
        """Tell the team what was done, or what kept it from being done, within TELL_ATTEMPTS_MAX; on record."""
        if self._team is None:
            return
        message = Message(
            version=decided.version,
            decision=decided.decision,
            outcome="failed" if problem else str(self._state),
            reason=f"{decided.reason}; {problem}" if problem else decided.reason,
            alert=decided.alert,
            weight=self._weight,
        )
        attempt, status, said, pause_s = 1, *await self._try_to_tell(self._team, message), FIRST_PAUSE_S
        while said and attempt < TELL_ATTEMPTS_MAX:
            await self._clock.wait(None, pause_s)
            attempt, pause_s = attempt + 1, pause_s * 2
            status, said = await self._try_to_tell(self._team, message)
        self._record.append("team_told", status=status, attempts=attempt, message=said)

    async def _try_to_tell(self, team: Team, message: Message) -> tuple[int, str]:
        """The answer's status, and why that was no success."""
        try:
            return await team.tell(message), ""
        except CallError as error:
            return error.status, str(error)
