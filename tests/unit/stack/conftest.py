"""The plan of the local stack's unit tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.drive.stack import local
from harness.drive.stack.binaries import Binaries
from harness.plan.experiment import Rollout
from harness.plan.target import Headers, Part, Stack, Target, Versions
from porttrack.kit import PortTrackKit

BINARIES = Binaries(
    envoy="/b/envoy",
    postgres_bin="/b/pg",
    prometheus="/b/prometheus",
    promtool="/b/promtool",
    alertmanager="/b/alertmanager",
    amtool="/b/amtool",
    alertmanager_cwd="/b/debian",
)


@pytest.fixture
def target() -> Target:
    """The target file of the repository, with two stable instances."""
    return Target(
        name="local",
        stack=Stack(kind="local", stable_instances=2),
        router=Part(kind="envoy"),
        controller=Part(kind="stepper"),
        alerts=Part(kind="prometheus"),
        kit="porttrack",
        versions=Versions(stable="1.0", canary="1.1"),
        headers=Headers(
            version="x-porttrack-version",
            instance="x-porttrack-instance",
            track="x-track",
            fault="x-fault-injected",
        ),
        allow_receivers=("stepper", "harness-recorder"),
    )


@pytest.fixture
def build(target):
    """A spec from ports 20000, 20001, ... ; keyword arguments replace those of local.build."""

    def build_spec(**changed):
        arguments = {
            "paths": local.Paths(run_dir=Path("/run"), scratch_dir=Path("/scratch")),
            "binaries": BINARIES,
            "ports": range(20_000, 20_000 + local.port_count(target, PortTrackKit())),
            "token": "the token",
            "python": "/python",
            "as_root": True,
            **changed,
        }
        rollout = arguments.pop("rollout", Rollout(steps=(5, 25, 50, 100), step_s=15.0))
        return local.build(target, rollout, arguments.pop("kit", PortTrackKit()), **arguments)

    return build_spec
