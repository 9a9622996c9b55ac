"""The command: arguments to a running stepper. `main` takes the class, so a drill can run a planted wrong one."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import uvicorn
from starlette.applications import Starlette

from stepper.clock import MonotonicClock
from stepper.controller import Plan, Stepper, Strategy
from stepper.record import Record
from stepper.removal import GuardDoor
from stepper.router import EnvoyRouter
from stepper.server import Service
from stepper.team import WebhookTeam

_STRATEGY: Final = "what a rollback does: shift the traffic, or then also remove the canary"


def main(stepper_class: type[Stepper] = Stepper, argv: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT: 0. Bad arguments exit 2, a port that is taken 1, as argparse and uvicorn do."""
    given = _parsed(_arguments(), argv, os.environ.get("GUARD_TOKEN", ""))
    # uvicorn raises the signal again once it has shut down; without these that would end the process by the signal.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    asyncio.run(_serve(stepper_class, given))
    return 0


async def _serve(stepper_class: type[Stepper], given: argparse.Namespace) -> None:
    """Serve the three routes; an error of one of its tasks ends the process instead of standing still unseen."""

    def stop() -> None:
        server.should_exit = True

    clock = MonotonicClock()
    record = Record(given.record, clock.now_ns)
    router = EnvoyRouter(given.router_admin_url, given.stable, given.canary, given.runtime_prefix)
    stepper = stepper_class(_plan(given), router, record, clock, owner=_owner(given), team=_team(given))
    service = Service(stepper, clock, stop)
    server = uvicorn.Server(_config(service.app(), given.port))
    try:
        await server.serve()
        if service.failed is not None:
            service.failed.result()
    finally:
        record.close()


def _plan(given: argparse.Namespace) -> Plan:
    instances = given.canary_instances if given.strategy == Strategy.REMOVE else ()
    return Plan(given.steps, given.step_s, given.canary_version, Strategy(given.strategy), instances)


def _owner(given: argparse.Namespace) -> GuardDoor | None:
    return GuardDoor(given.guard_url, given.guard_token) if given.strategy == Strategy.REMOVE else None


def _team(given: argparse.Namespace) -> WebhookTeam | None:
    return WebhookTeam(given.team_url) if given.team_url else None


def _config(app: Starlette, port: int) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        host="127.0.0.1",
        port=port,
        log_level="warning",
        access_log=False,
        lifespan="off",
        ws="none",
        timeout_graceful_shutdown=1,  # s; a keep-alive connection must not hold up the stop
    )


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="stepper", description="Walk a canary's weights; roll back when told to.")
    parser.add_argument("--port", type=int, required=True, help="port of the HTTP interface on 127.0.0.1")
    parser.add_argument("--router-admin-url", required=True, help="Envoy's admin port, e.g. http://127.0.0.1:9901")
    parser.add_argument("--steps", type=parse_steps, default=(5, 25, 50, 100), help="weights in percent, rising")
    parser.add_argument("--step-s", type=parse_step_s, default=20.0, help="seconds that each weight is held")
    parser.add_argument("--record", type=Path, required=True, help="NDJSON file to append to")
    parser.add_argument("--stable", default="stable", help="stable's cluster in the router")
    parser.add_argument("--canary", default="canary", help="the canary's cluster in the router")
    parser.add_argument("--runtime-prefix", required=True, help="the route's runtime_key_prefix")
    parser.add_argument("--canary-version", default="", help="the version that is rolled out, for the record")
    parser.add_argument("--strategy", choices=list(map(str, Strategy)), default="shift", help=_STRATEGY)
    parser.add_argument("--team-url", type=parse_url, default=None, help="webhook that is told what was done")
    parser.add_argument("--guard-url", type=parse_url, default=None, help="who stops instances; token: GUARD_TOKEN")
    parser.add_argument("--canary-instances", type=parse_names, default=("canary-1",), help="what remove has stopped")
    return parser


def _parsed(parser: argparse.ArgumentParser, argv: Sequence[str] | None, guard_token: str) -> argparse.Namespace:
    """The arguments and the token; ends as argparse does when they do not fit together."""
    given = parser.parse_args(argv)
    given.guard_token = guard_token
    if given.strategy == Strategy.REMOVE and not (given.guard_url and guard_token):
        parser.error("--strategy remove needs --guard-url and the environment's GUARD_TOKEN: somebody must do the stop")
    return given


def parse_steps(text: str) -> tuple[int, ...]:
    """`5,25,50,100` as weights; argparse.ArgumentTypeError unless they rise within 1 to 100."""
    try:
        steps = tuple(int(part) for part in text.split(","))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} must be whole numbers with commas, like 5,25,50,100") from error
    if list(steps) != sorted(set(steps)) or not 1 <= steps[0] <= steps[-1] <= 100:
        raise argparse.ArgumentTypeError(f"{text!r} must rise within 1 to 100")
    return steps


def parse_step_s(text: str) -> float:
    """Seconds above 0; argparse.ArgumentTypeError for anything else."""
    try:
        step_s = float(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} must be a number of seconds") from error
    if not 0 < step_s < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} must be more than 0 seconds")
    return step_s


def parse_url(text: str) -> str:
    """`http://host:port/path` without a trailing slash; argparse.ArgumentTypeError for anything else."""
    address = urlsplit(text)
    if address.scheme != "http" or not address.hostname:
        raise argparse.ArgumentTypeError(f"{text!r} must be like http://127.0.0.1:21003/team")
    return text.rstrip("/")


def parse_names(text: str) -> tuple[str, ...]:
    """`canary-1,canary-2` as names; argparse.ArgumentTypeError for an empty or a repeated one."""
    names = tuple(text.split(","))
    if not all(names) or len(set(names)) != len(names):
        raise argparse.ArgumentTypeError(f"{text!r} must be names with commas, each once, like canary-1,canary-2")
    return names
