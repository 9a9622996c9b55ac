"""Who decides, observed. One adapter a file behind `port.Controller`; foreign ones by `harness.controllers`."""

from __future__ import annotations

from typing import Final, cast

from harness.drive.registry import Registry
from harness.drive.rollout.port import Controller, ControllerRead
from harness.drive.stack.spec import Endpoints

__all__ = ["Controller", "ControllerRead", "build", "known"]

_REGISTRY: Final = Registry(
    "controller", "harness.controllers", {"stepper": "harness.drive.rollout.stepper:StepperController.of"}
)


def known() -> tuple[str, ...]:
    """The kinds of controller there are."""
    return _REGISTRY.known()


def build(kind: str, endpoints: Endpoints) -> Controller:
    """The adapter `kind` for a running stack. UsageError for an unknown kind."""
    return cast(Controller, _REGISTRY.factory(kind)(endpoints))
