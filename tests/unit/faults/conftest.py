"""A control port that keeps what it was asked, and an instance behind it."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from harness.drive.target.port import Instance

TOKEN = "secret"


class ControlPort(http.server.ThreadingHTTPServer):
    """Holds faults as the service's control port does; `says` overrides the answer to GET /faults."""

    daemon_threads = True

    token = TOKEN

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.faults: dict[str, Any] = {}
        self.asked: list[tuple[str, str, Any]] = []
        self.body = b""
        self.says: bytes | None = None

    @property
    def instance(self) -> Instance:
        return Instance(
            name="canary-1", track="canary", url="", control_url=f"http://127.0.0.1:{self.server_address[1]}"
        )


class _Handler(http.server.BaseHTTPRequestHandler):
    server: ControlPort

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        given = json.loads(body) if body else None
        self.server.asked.append((self.command, self.path, given))
        if self.headers.get("authorization") != f"Bearer {TOKEN}":
            self._answer(401, b'{"error": "wrong token"}')
            return
        kind = self.path.removeprefix("/faults").strip("/")
        if self.command == "PUT":
            self.server.faults[kind] = given
            self.server.body = body
        if self.command == "DELETE":
            self.server.faults.pop(kind, None)
        active = [{"fault": name, "remaining_s": 59.5} for name in self.server.faults]
        listed = json.dumps({"active": active}).encode() if self.server.says is None else self.server.says
        self._answer(200, listed if self.command == "GET" else b"{}")

    def do_GET(self) -> None:
        self._handle()

    def do_PUT(self) -> None:
        self._handle()

    def do_DELETE(self) -> None:
        self._handle()

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Quiet."""


@pytest.fixture
def port() -> Iterator[ControlPort]:
    server = ControlPort()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join(5)
    server.server_close()
