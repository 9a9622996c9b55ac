"""The http_5xx fault against a control port that keeps what it was asked."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from harness import clock
from harness.drive import faults
from harness.drive.faults.port import UndoRequest
from harness.drive.target.port import Instance
from harness.errors import DriveError, UsageError

TOKEN = "secret"


class ControlPort(http.server.ThreadingHTTPServer):
    """Holds faults as the service's control port does; `says` overrides the answer to GET /faults."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.faults: dict[str, Any] = {}
        self.asked: list[tuple[str, str, Any]] = []
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


def test_injected_fault_is_active_until_healed(port: ControlPort) -> None:
    """inject, active, heal and heal again do what they say, each with the path, body and token that they promise."""
    fault = faults.build("http_5xx")
    fault.inject(port.instance, TOKEN, 0.3, 60.0, {})
    assert fault.active(port.instance, TOKEN)
    fault.heal(port.instance, TOKEN)
    fault.heal(port.instance, TOKEN)
    assert not fault.active(port.instance, TOKEN)
    assert [
        ("PUT", "/faults/http_5xx", {"share": 0.3, "deadline_s": 60.0, "status": 503, "seed": 0}),
        ("GET", "/faults", None),
        ("DELETE", "/faults/http_5xx", None),
        ("DELETE", "/faults/http_5xx", None),
        ("GET", "/faults", None),
    ] == port.asked


def test_interval_brackets_the_control_call(port: ControlPort) -> None:
    """The interval starts before and ends after the call, and holds the call only, not the client's making."""
    fault = faults.build("http_5xx")
    before_ns = clock.monotonic_ns()
    interval = fault.inject(port.instance, TOKEN, 0.3, 60.0, {"status": 500, "seed": 7})
    after_ns = clock.monotonic_ns()
    assert before_ns <= interval.lo_ns < interval.hi_ns <= after_ns
    assert {"share": 0.3, "deadline_s": 60.0, "status": 500, "seed": 7} == port.faults["http_5xx"]


def test_undo_request_is_the_heal_as_data(port: ControlPort) -> None:
    """What the guard sends in the harness's place is the very DELETE, token included, and needs no call to be made."""
    request = faults.build("http_5xx").undo_request(port.instance, TOKEN)
    expected = UndoRequest(
        "DELETE", f"{port.instance.control_url}/faults/http_5xx", {"authorization": f"Bearer {TOKEN}"}
    )
    assert (expected, []) == (request, port.asked)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(
            {"statsu": 500}, "'statsu' is no argument of http_5xx; known: seed, status; did you mean", id="typo"
        ),
        pytest.param({"status": 404}, "status is 404, must be a whole number from 500 to 599", id="no-5xx"),
        pytest.param({"status": 503.0}, "status is 503.0, must be a whole number", id="fraction"),
        pytest.param({"status": True}, "status is True, must be a whole number", id="bool"),
        pytest.param({"seed": -1}, "seed is -1, must be a whole number", id="seed"),
        pytest.param({"status": 600, "a": 1}, "'a' is no argument.*; status is 600", id="both"),
    ],
)
def test_arguments_that_it_cannot_use_are_refused(port: ControlPort, arguments: dict[str, Any], message: str) -> None:
    """Every wrong argument is named with its value, and nothing is sent."""
    with pytest.raises(UsageError, match=message):
        faults.build("http_5xx").inject(port.instance, TOKEN, 0.3, 60.0, arguments)
    assert [] == port.asked


def test_refusal_of_the_instance_is_an_error(port: ControlPort) -> None:
    """A wrong token is a DriveError with the call and the answer, on every operation."""
    fault = faults.build("http_5xx")
    for call in (
        lambda: fault.inject(port.instance, "wrong", 0.3, 60.0, {}),
        lambda: fault.heal(port.instance, "wrong"),
        lambda: fault.active(port.instance, "wrong"),
    ):
        with pytest.raises(DriveError, match=r"/faults.*: 401 .*wrong token"):
            call()


@pytest.mark.parametrize("says", [b"[]", b"{}", b'{"active": ["http_5xx"]}', b"not json", b""])
def test_answer_that_lists_no_faults_is_an_error(port: ControlPort, says: bytes) -> None:
    """An answer that is no list of active faults says neither that the fault is in nor that it is out."""
    port.says = says
    with pytest.raises(DriveError, match=r"is it the control port"):
        faults.build("http_5xx").active(port.instance, TOKEN)


def test_dead_instance_is_an_error() -> None:
    """A refused connection is a DriveError that names the call."""
    dead = Instance(name="canary-1", track="canary", url="", control_url="http://127.0.0.1:9")
    with pytest.raises(DriveError, match=r"DELETE http://127.0.0.1:9/faults/http_5xx: ConnectError"):
        faults.build("http_5xx").heal(dead, TOKEN)


def test_unknown_fault_is_refused_with_the_nearest() -> None:
    """A typo is answered with the known kinds and the nearest of them."""
    with pytest.raises(UsageError, match=r"fault 'htp_5xx' is unknown; known: http_5xx.*did you mean 'http_5xx'"):
        faults.build("htp_5xx")
