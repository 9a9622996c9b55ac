"""The command: arguments to a running stepper. `main` takes the class, so a drill can run a planted wrong one."""

from __future__ import annotations

import argparse
import asyncio
import signal
from collections.abc import Sequence
from pathlib import Path

import uvicorn
from starlette.applications import Starlette

from stepper.clock import MonotonicClock
from stepper.controller import Plan, Stepper
from stepper.record import Record
from stepper.router import EnvoyRouter
from stepper.server import Service


def main(stepper_class: type[Stepper] = Stepper, argv: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT: 0. Bad arguments exit 2, a port that is taken 1, as argparse and uvicorn do."""
    given = _arguments().parse_args(argv)
    # uvicorn raises the signal again once it has shut down; without these that would end the process by the signal.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    asyncio.run(_serve(stepper_class, given))
    return 0


async def _serve(stepper_class: type[Stepper], given: argparse.Namespace) -> None:
    """Serve the three routes; an error of the walking task ends the process instead of standing still unseen."""

    def stop() -> None:
        server.should_exit = True

    clock = MonotonicClock()
    record = Record(given.record, clock.now_ns)
    router = EnvoyRouter(given.router_admin_url, given.stable, given.canary, given.runtime_prefix)
    stepper = stepper_class(Plan(given.steps, given.step_s, given.canary_version), router, record, clock)
    service = Service(stepper, clock, stop)
    server = uvicorn.Server(_config(service.app(), given.port))
    try:
        await server.serve()
        if service.walking is not None and service.walking.done():
            service.walking.result()
    finally:
        record.close()


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
    return parser


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
