"""Run one instance until SIGTERM or SIGINT: then unready at once, serving on for `--drain-s`, finish, exit 0.

    PORTTRACK_DSN=postgresql://porttrack@127.0.0.1:5432/porttrack PORTTRACK_CONTROL_TOKEN=secret \\
        python -m porttrack.serve --release 1.0 --instance stable-1 --port 20080 --control-port 20081

uvicorn with httptools on uvloop. The control port outlives the public one by a moment, so that what is in
flight can be watched to its end; both are bound before the store is opened, so a taken port fails at once.

`--fault 'latency={"share": 1, "delay_ms": 400, "deadline_s": 60}'`, any number of times, starts it broken; the
faults' deadlines count from the start.

Exit codes: 0 stopped as asked; 1 the store or a port could not be had (the last line of the log says which).
Not covered: TLS, several processes under one port.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import os
import signal
import socket
from collections.abc import Callable, Sequence

import uvloop

from porttrack.app import App, build
from porttrack.config import Config
from porttrack.errors import ApiError, StoreUnavailableError
from porttrack.faults import Faults, decoded
from porttrack.releases import known
from porttrack.server import bound, server_of
from porttrack.store import Store

_log = logging.getLogger("porttrack")


def serve(config: Config, store: Store | None = None, faults: Faults | None = None) -> int:
    """Serve until a signal; the exit code. `store` and `faults` as in `porttrack.app.build`."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_serve(config, build(config, store, faults)))


async def _serve(config: Config, app: App) -> int:
    with contextlib.ExitStack() as sockets:
        try:
            public_socket = sockets.enter_context(bound(config.host, config.port))
            # The control port is loopback's alone, whatever the public one is bound to.
            control_socket = sockets.enter_context(bound("127.0.0.1", config.control_port)) if app.control else None
            await app.store.open()
        except (OSError, StoreUnavailableError) as error:
            _log.error("%s release %s cannot start: %s", config.instance, config.release, error)
            return 1
        try:
            await _run(config, app, public_socket, control_socket)
        finally:
            await app.store.close()
    return 0


async def _run(config: Config, app: App, public_socket: socket.socket, control_socket: socket.socket | None) -> None:
    public = server_of(app.public, config.finish_s_max)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(public.serve([public_socket]))
        control = None
        if app.control is not None and control_socket is not None:
            control = server_of(app.control, config.finish_s_max)
            tasks.create_task(control.serve([control_socket]))
        app.lifecycle.started = True
        _log.info("%s serves release %s on port %d", config.instance, config.release, config.port)
        await stop.wait()
        app.lifecycle.draining = True
        await asyncio.sleep(config.drain_s)
        public.should_exit = True
        await serving
        if control is not None:
            control.should_exit = True
    _log.info("%s stopped", config.instance)


def _fault(text: str) -> tuple[str, bytes]:
    """`kind={json}` as (kind, json), checked, so that a misspelt fault is refused and not left out."""
    kind, _, body = text.partition("=")
    try:
        decoded(kind, body.encode())
    except ApiError as error:
        raise argparse.ArgumentTypeError(f"{text!r}: {error.field or 'arguments'}: {error.message}") from error
    return kind, body.encode()


def main(argv: Sequence[str] | None = None, run: Callable[[Config], int] = serve) -> int:
    """The command line; `run` serves what it says. DSN and tokens come from the environment: arguments are
    seen by every user."""
    parser = argparse.ArgumentParser(prog="python -m porttrack.serve", description="Run one instance of PortTrack.")
    parser.add_argument("--release", required=True, choices=[release.name for release in known()])
    parser.add_argument("--instance", required=True, help="the name in the x-porttrack-instance header")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", required=True, type=int)
    parser.add_argument("--control-port", default=0, type=int, help="needs PORTTRACK_CONTROL_TOKEN as well")
    parser.add_argument(
        "--fault", default=[], action="append", type=_fault, metavar="KIND={JSON}", help="on from the start"
    )
    parser.add_argument(
        "--drain-s", default=0.2, type=float, help="seconds to serve on, unready, after SIGTERM; default 0.2"
    )
    arguments = parser.parse_args(argv)
    dsn = os.environ.get("PORTTRACK_DSN", "")
    if not dsn:
        parser.error("PORTTRACK_DSN is not set: it names the database, postgresql://user@host:port/name")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    config = Config(
        release=arguments.release,
        instance=arguments.instance,
        host=arguments.host,
        port=arguments.port,
        dsn=dsn,
        control_port=arguments.control_port,
        control_token=os.environ.get("PORTTRACK_CONTROL_TOKEN", ""),
        write_token=os.environ.get("PORTTRACK_WRITE_TOKEN", ""),
        drain_s=arguments.drain_s,
        faults=tuple(arguments.fault),
    )
    return run(config)


if __name__ == "__main__":
    raise SystemExit(main())
