"""The observer's view of the stepper, against canned answers."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from harness import clock
from harness.drive import rollout
from harness.drive.rollout.stepper import STATES, StepperController
from harness.drive.stack.spec import Endpoints
from harness.errors import DriveError, UsageError
from stepper.controller import State

PROGRESSING = b'{"state": "progressing", "weight": 25, "step": 2, "decision": null}'


class Canned(http.server.ThreadingHTTPServer):
    """Answers everything with `status` and `body`, and keeps what was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.status, self.body = 200, PROGRESSING
        self.asked: list[str] = []


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Canned

    def _handle(self) -> None:
        self.server.asked.append(f"{self.command} {self.path}")
        self.send_response(self.server.status)
        self.send_header("content-length", str(len(self.server.body)))
        self.end_headers()
        self.wfile.write(self.server.body)

    def do_GET(self) -> None:
        self._handle()

    def do_POST(self) -> None:
        self._handle()

    def log_message(self, format: str, *arguments: Any) -> None:
        """Quiet."""


@pytest.fixture
def canned() -> Iterator[Canned]:
    server = Canned()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join(5)
    server.server_close()


@pytest.fixture
def controller(canned: Canned) -> Iterator[rollout.Controller]:
    endpoints = Endpoints(
        service_url="",
        router_admin_url="",
        prometheus_url="",
        alertmanager_url="",
        controller_url=f"http://127.0.0.1:{canned.server_address[1]}",
        recorder_url="",
        store_dsn="",
        store_reader_dsn="",
        control_token="",
        instances=(),
    )
    built = rollout.build("stepper", endpoints)
    yield built
    built.close()


def test_status_is_read_within_its_interval(canned: Canned, controller: rollout.Controller) -> None:
    """Weight and state come as the controller says them, between two readings of the clock."""
    before_ns = clock.monotonic_ns()
    read = controller.read()
    assert ("progressing", 25.0) == (read.state, read.weight)
    assert before_ns <= read.lo_ns < read.hi_ns <= clock.monotonic_ns()
    assert ["GET /status"] == canned.asked


@pytest.mark.parametrize("state", ["idle", "progressing", "rolled_back", "promoted", "held"])
def test_every_state_of_the_stepper_is_read(canned: Canned, controller: rollout.Controller, state: str) -> None:
    """Whatever the stepper can say of itself has a name here."""
    assert state in {str(one) for one in State}
    canned.body = json.dumps({"state": state, "weight": 25}).encode()
    assert (state, 25.0) == (controller.read().state, controller.read().weight)


def test_no_state_of_the_stepper_is_unknown_here() -> None:
    """The adapter knows exactly the states that the stepper has."""
    assert {str(one) for one in State} == set(STATES)


def test_start_asks_the_controller(canned: Canned, controller: rollout.Controller) -> None:
    """start is one POST /start."""
    controller.start()
    assert ["POST /start"] == canned.asked


def test_start_of_a_rollout_that_has_begun_is_an_error(canned: Canned, controller: rollout.Controller) -> None:
    """A 409 is handed on with the controller's own reason."""
    canned.status, canned.body = 409, b'{"error": "the rollout is progressing"}'
    with pytest.raises(DriveError, match=r"POST .*/start: 409 .*the rollout is progressing"):
        controller.start()


@pytest.mark.parametrize(
    ("body", "message"),
    [
        pytest.param(b"{}", "has no weight and state", id="empty"),
        pytest.param(b"[]", "has no weight and state", id="list"),
        pytest.param(b"<html>", "has no weight and state", id="not-json"),
        pytest.param(b'{"state": "idle", "weight": null}', "has no weight and state", id="null-weight"),
        pytest.param(b'{"state": "paused", "weight": 0}', "state 'paused' is none of idle", id="foreign-state"),
    ],
)
def test_answer_without_weight_and_state_is_no_weight_of_0(
    canned: Canned, controller: rollout.Controller, body: bytes, message: str
) -> None:
    """Whatever cannot be read raises; it is never taken for a rollback."""
    canned.body = body
    with pytest.raises(DriveError, match=message):
        controller.read()


def test_dead_controller_is_an_error() -> None:
    """A refused connection is a DriveError that names the call."""
    controller = StepperController("http://127.0.0.1:9")
    with pytest.raises(DriveError, match=r"GET http://127.0.0.1:9/status: ConnectError"):
        controller.read()
    controller.close()


def test_unknown_controller_is_refused_with_the_nearest() -> None:
    """A typo is answered with the known kinds and the nearest of them."""
    with pytest.raises(UsageError, match=r"controller 'steper' is unknown; known: stepper.*did you mean 'stepper'"):
        rollout.build("steper", None)  # type: ignore[arg-type]
