"""The controller itself: which weight when, and back to 0 when an alert asks for it.

    idle -> progressing -> promoted | rolled_back

What is decided is recorded and synced before the router is called, so the record holds the decision even if the
process dies in the call. Router calls go one at a time, and a step that waits for its turn when a rollback has been
decided is dropped: it must never arrive after the rollback's. A rollback counts as done only when the router took it;
when every attempt failed the state stays progressing, nothing steps on, and the next delivery of an alert tries again.

Alertmanager delivers at least once. One rollout is rolled back once, so another delivery of the same (fingerprint,
startsAt), or of another alert, decides nothing new.

The methods `on_alert` and `set_router_weight` are the seams at which a drill plants a controller that is wrong.

Not covered: a router call that was given up and still takes effect later than the next one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Final

from stepper.clock import Clock
from stepper.errors import RouterCallError
from stepper.record import Record
from stepper.router import Router
from stepper.webhook import Alert

# Five attempts, pauses doubling from 0.1 s: 1.5 s for a router that refuses, 6.5 s for one that hangs. Alertmanager
# gives a delivery at least 10 s, so the answer comes before it gives up.
ROUTER_ATTEMPTS_MAX: Final = 5
FIRST_PAUSE_S: Final = 0.1


class State(StrEnum):
    """Where the rollout stands."""

    IDLE = "idle"
    PROGRESSING = "progressing"
    ROLLED_BACK = "rolled_back"
    PROMOTED = "promoted"


@dataclass(frozen=True, slots=True)
class Plan:
    """The canary's weights in percent, rising, each held for `step_s` seconds; after the last it is promoted."""

    steps: tuple[int, ...]
    step_s: float
    canary_version: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided: step, promote or roll_back; the canary's weight in percent; and for which alert."""

    decision: str
    weight: int
    reason: str
    version: str
    alert: str = ""
    fingerprint: str = ""


class Stepper:
    """One rollout. Lives in one event loop; whatever it decides between two awaits is decided in one piece."""

    def __init__(self, plan: Plan, router: Router, record: Record, clock: Clock) -> None:
        self._plan = plan
        self._router = router
        self._record = record
        self._clock = clock
        self._state = State.IDLE
        self._weight = 0  # what the router last took, percent
        self._step = 0  # from 1; 0 before the first
        self._decision: Decision | None = None
        self._rollback_decided = asyncio.Event()
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
        """Every step in turn, then promotion; ends early when a rollback is decided."""
        for step, weight in enumerate(self._plan.steps, 1):
            await self._enter(step, weight)
            if await self._clock.wait(self._rollback_decided, self._plan.step_s):
                return
        await self._promote()

    async def on_webhook(self, alerts: Sequence[Alert], received_ns: int) -> None:
        """Record a notification that came at `received_ns`, then look at each alert."""
        self._record.append("webhook_received", received_ns, alerts=[alert.as_record() for alert in alerts])
        for alert in alerts:
            await self.on_alert(alert)

    async def on_alert(self, alert: Alert) -> None:
        """Roll back if the rollout is under way and the alert fires for the canary and asks for it."""
        if self._state is not State.PROGRESSING or not alert.wants_rollback:
            return
        await self.roll_back(f"{alert.name} fires for the canary", alert)

    async def roll_back(self, reason: str, alert: Alert | None = None) -> None:
        """Decide a rollback unless it is decided already, and give the router weight 0."""
        if not self._rollback_decided.is_set():
            version = "" if alert is None else alert.labels.get("version", "")
            self._decide(
                Decision(
                    decision="roll_back",
                    weight=0,
                    reason=reason,
                    version=version or self._plan.canary_version,
                    alert="" if alert is None else alert.name,
                    fingerprint="" if alert is None else alert.fingerprint,
                )
            )
            self._rollback_decided.set()
        await self._complete_rollback()

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

    async def _enter(self, step: int, weight: int) -> None:
        reason = f"step {step} of {len(self._plan.steps)}"
        self._decide(Decision("step", weight, reason, self._plan.canary_version))
        self._step = step
        try:
            await self.set_router_weight(weight)
        except RouterCallError as error:
            # A canary whose weight cannot be set is not under control, and 0 is the one weight that harms nobody.
            await self.roll_back(f"the router did not take weight {weight}: {error}")

    async def _promote(self) -> None:
        self._decide(Decision("promote", 100, "every step held", self._plan.canary_version))
        if self._weight != 100:
            try:
                await self.set_router_weight(100)
            except RouterCallError as error:
                await self.roll_back(f"the router did not take weight 100: {error}")
        if not self._rollback_decided.is_set():
            self._finish(State.PROMOTED)

    async def _complete_rollback(self) -> None:
        async with self._rollback_turn:
            if self._state is not State.PROGRESSING:
                return
            try:
                await self.set_router_weight(0)
            except RouterCallError:
                return  # each attempt is in the record; the state says that the rollback is not done
            self._finish(State.ROLLED_BACK)

    def _decide(self, decision: Decision) -> None:
        self._record.append("decided", **asdict(decision))
        self._decision = decision

    def _finish(self, state: State) -> None:
        self._state = state
        self._record.append("rollout_finished", outcome=str(state))
