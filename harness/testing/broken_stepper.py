"""The stepper with one defect: `python -m harness.testing.broken_stepper DEFECT <arguments of the stepper>`."""

from __future__ import annotations

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


DEFECTS: dict[str, type[Stepper]] = {"ignores_webhook": IgnoresWebhook, "leaves_router": LeavesRouter}

if __name__ == "__main__":
    sys.exit(main(DEFECTS[sys.argv[1]], sys.argv[2:]))
