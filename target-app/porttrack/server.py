"""uvicorn as an instance needs it: httptools, no access log, sockets that were bound before, signals left alone."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from typing import Final

import uvicorn
from starlette.types import ASGIApp

# A router keeps idle connections for up to an hour (Envoy's default). Whoever closes first while the other one
# is sending makes an error out of nothing, so it must not be us.
KEEP_ALIVE_S_MAX: Final = 3700


class Server(uvicorn.Server):
    """uvicorn would take the signals for itself and re-raise them after the drain; its owner exits 0 instead."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def server_of(app: ASGIApp, finish_s_max: int, *, dated: bool = True) -> Server:
    """A server that finishes what is in flight within `finish_s_max` once it `should_exit`; `dated`: it says when."""
    return Server(
        uvicorn.Config(
            app,
            http="httptools",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=dated,
            proxy_headers=False,
            timeout_keep_alive=KEEP_ALIVE_S_MAX,
            timeout_graceful_shutdown=finish_s_max,
        )
    )


def bound(host: str, port: int) -> socket.socket:
    """A listening socket. OSError with the next step when the port cannot be had."""
    try:
        return socket.create_server((host, port), backlog=2048)
    except OSError as error:
        raise OSError(
            f"port {host}:{port} cannot be had: {error.strerror}; choose another or stop its owner"
        ) from error
