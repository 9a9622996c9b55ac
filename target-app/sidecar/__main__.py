"""Start the service, stand before it, end with it.

Exit codes: 0 stopped as asked, once what was in flight has been answered; -9 (SIGKILL) where the service would not end
and was killed; 1 the service ended by itself or could not
be started, or a port could not be had (the last line of the log says which); 2 wrong arguments.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import ctypes
import logging
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from typing import Final

from porttrack.server import Server, bound, server_of
from sidecar.proxy import Proxy
from sidecar.service import Identity, build

TOKEN_VARIABLE: Final = "SIDECAR_CONTROL_TOKEN"  # a command line is everybody's to read
STOP_S_MAX: Final = 5.0
FINISH_S_MAX: Final = 8
_PR_SET_PDEATHSIG: Final = 1
_log = logging.getLogger("sidecar")


def main(argv: Sequence[str] | None = None) -> int:
    """Run until SIGTERM or SIGINT, or until the service ends."""
    environment = dict(os.environ)
    given = _parsed(argv, environment.pop(TOKEN_VARIABLE, ""))  # the service gets the rest, and not the token
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    for noisy in ("httpx", "uvicorn"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    try:
        return asyncio.run(_serve(given, environment))
    except OSError as error:
        _log.error("%s cannot start: %s", given.name, error)
        return 1


def _parsed(argv: Sequence[str] | None, token: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m sidecar", description="Stand before a service in a drill.")
    parser.add_argument("--name", required=True, help="the instance, in x-service-instance")
    parser.add_argument("--version", required=True, help="in x-service-version and the metrics")
    parser.add_argument("--port", required=True, type=int)
    parser.add_argument("--control-port", required=True, type=int)
    parser.add_argument("--upstream-port", required=True, type=int, help="where the service will listen")
    parser.add_argument("--ready", required=True, help="a path of the service that answers 200 once it serves")
    parser.add_argument("service", nargs="+", metavar="COMMAND", help="after --: how to start the service")
    given = parser.parse_args(argv)
    given.token = token
    if not token:
        parser.error(f"{TOKEN_VARIABLE} is not set: the control port needs a token")
    return given


def _end_with_parent() -> None:
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


async def _serve(given: argparse.Namespace, environment: Mapping[str, str]) -> int:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    with contextlib.ExitStack() as sockets:
        public_socket, control_socket = (
            sockets.enter_context(bound("127.0.0.1", port)) for port in (given.port, given.control_port)
        )
        # A session of its own: the SIGTERM that a whole group gets must not end it while answers are outstanding.
        service = await asyncio.create_subprocess_exec(
            *given.service,
            env=environment,
            stdin=asyncio.subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=_end_with_parent,  # safe: this process has one thread here
        )
        proxy = Proxy(f"http://127.0.0.1:{given.upstream_port}")
        public, control = build(
            Identity(given.name, given.version), given.ready, given.token, proxy.handle, lambda: service.pid
        )
        servers = [server_of(public, FINISH_S_MAX, dated=False), server_of(control, FINISH_S_MAX)]
        serving = [
            asyncio.create_task(server.serve([socket]))
            for server, socket in zip(servers, (public_socket, control_socket), strict=True)
        ]
        ended_by_itself = await _until_over(service, stop)
        await _finish(servers, serving)
        await proxy.close()
        was_killed = await _end(service)
    if ended_by_itself:
        _log.error("%s: the service ended by itself with %s: %s", given.name, service.returncode, given.service[0])
    if was_killed:  # say it by the only code that a process which was killed can have
        os.kill(os.getpid(), signal.SIGKILL)
    return 1 if ended_by_itself else 0


async def _until_over(service: asyncio.subprocess.Process, stop: asyncio.Event) -> bool:
    """Until it is told to stop or the service ends; whether the service did."""
    ways = [asyncio.create_task(service.wait()), asyncio.create_task(stop.wait())]
    done, pending = await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    return ways[0] in done and not stop.is_set()


async def _finish(servers: Sequence[Server], serving: Sequence[asyncio.Task[None]]) -> None:
    """The public server first, so that what is in flight can be watched to its end at the control port."""
    for server, task in zip(servers, serving, strict=True):
        server.should_exit = True
        await task


async def _end(service: asyncio.subprocess.Process) -> bool:
    """End the service and whatever a wrapper of it has left; whether it had to be killed."""
    was_killed = False
    if service.returncode is None:
        _signal_group(service.pid, signal.SIGTERM)
        try:
            await asyncio.wait_for(service.wait(), STOP_S_MAX)
        except TimeoutError:
            was_killed = True
            _log.warning("the service did not end within %g s of SIGTERM and is killed", STOP_S_MAX)
    _signal_group(service.pid, signal.SIGKILL)  # and what a wrapper of it has left
    await service.wait()
    return was_killed


def _signal_group(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, number)


if __name__ == "__main__":
    sys.exit(main())
