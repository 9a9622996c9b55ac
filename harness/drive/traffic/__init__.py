"""Who splits the traffic. One adapter a file behind `port.Router`; foreign ones by entry point `harness.routers`."""

from __future__ import annotations

from typing import Final, cast

from harness.drive.registry import Registry
from harness.drive.stack.spec import Endpoints
from harness.drive.traffic.port import Router, WeightRead

__all__ = ["Router", "WeightRead", "build", "known"]

_REGISTRY: Final = Registry("router", "harness.routers", {"envoy": "harness.drive.traffic.envoy:EnvoyRouter.of"})


def known() -> tuple[str, ...]:
    """The kinds of router there are."""
    return _REGISTRY.known()


def build(kind: str, endpoints: Endpoints) -> Router:
    """The adapter `kind` for a running stack. UsageError for an unknown kind."""
    return cast(Router, _REGISTRY.factory(kind)(endpoints))
