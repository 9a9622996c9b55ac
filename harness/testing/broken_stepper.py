"""The stepper with one defect: `python -m harness.testing.broken_stepper DEFECT <arguments of the stepper>`."""

from __future__ import annotations

import asyncio
import sys

from stepper.controller import Stepper
from stepper.main import main
from stepper.webhook import Alert


class IgnoresWebhook(Stepper):
    """Takes every notification and decides nothing."""

    async def on_alert(self, alert: Alert) -> None:
        """Do nothing."""


class LeavesRouter(Stepper):
    """Believes that the router has weight 0 without having told it."""

    async def set_router_weight(self, weight: int) -> None:
        """Tell the router every weight but 0."""
        if weight:
            await super().set_router_weight(weight)
        else:
            self._weight = 0


class SetsFive(Stepper):
    """Takes 5 % for nothing."""

    async def set_router_weight(self, weight: int) -> None:
        """Leave 5 % where 0 was decided."""
        await super().set_router_weight(weight or 5)


class WaitsLong(Stepper):
    """Thinks for WAITS_S before it does anything about an alert."""

    async def on_alert(self, alert: Alert) -> None:
        """Wait, then do as it should have done."""
        if alert.wants_rollback:
            await self._clock.wait(None, WAITS_S)
        await super().on_alert(alert)


class RollsBackEarly(Stepper):
    """Rolls back soon after its first step, for a reason of its own."""

    async def walk(self) -> None:
        """Walk, and give up on the way."""
        walking = asyncio.create_task(super().walk())
        await self._clock.wait(None, EARLY_S)
        await self.roll_back("the change window closes")
        await walking


class Flaps(Stepper):
    """Gives the canary its weight back a while after the rollback."""

    async def roll_back(self, reason: str, alert: Alert | None = None) -> None:
        """Roll back, then undo it behind the record's back."""
        weight = self._weight
        await super().roll_back(reason, alert)
        await self._clock.wait(None, FLAPS_AFTER_S)
        await self._router.set_weight(weight)


WAITS_S = 20.0
EARLY_S = 0.5
FLAPS_AFTER_S = 5.0
DEFECTS: dict[str, type[Stepper]] = {
    "ignores_webhook": IgnoresWebhook,
    "leaves_router": LeavesRouter,
    "sets_five": SetsFive,
    "waits_long": WaitsLong,
    "rolls_back_early": RollsBackEarly,
    "flaps": Flaps,
}

if __name__ == "__main__":
    sys.exit(main(DEFECTS[sys.argv[1]], sys.argv[2:]))
