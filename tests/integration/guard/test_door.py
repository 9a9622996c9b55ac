"""The guard's door: what is asked for there is done, or refused with the reason, and nobody is waited for."""

from __future__ import annotations

import asyncio
import fcntl
import http.client
import json
import selectors
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import cast

import httpx
import pytest

from harness.drive import census
from harness.drive.guard.client import await_condition
from harness.drive.guard.door import REQUEST_BYTES_MAX, VISITORS_MAX, Door
from harness.drive.guard.processes import Ending
from harness.errors import GuardError
from harness.evidence.format import Kind
from stepper.errors import StopCallError
from stepper.removal import GuardDoor

pytestmark = pytest.mark.integration
STUB = Path(__file__).with_name("control_stub.py")
TOKEN = "a token of this test"
S_MAX = 5.0  # each of these takes some milliseconds on an idle machine


@pytest.fixture
def stub(start):
    """A guard with its door open, two processes, and stops of both allowed."""
    running = start("door")
    assert "allowed" == running.line()
    return running


def stop(stub, name: str, token: str = TOKEN) -> None:
    """Ask as the rollout controller does."""
    asyncio.run(GuardDoor(f"http://127.0.0.1:{stub.door_port}", token).stop(name))


def test_allowed_process_is_stopped_for_the_controller(stub):
    """It has ended when the answer comes; that was expected, so the control is not told of a death, nor ends."""
    stop(stub, "server")
    assert (False, True) == (census.is_alive(stub.pids["server"]), census.is_alive(stub.pids["stubborn"]))
    assert await_condition(lambda: bool(stub.events(Kind.PROCESS_EXITED)), S_MAX)
    (exited,) = stub.events(Kind.PROCESS_EXITED)
    assert ("server", -15, True) == tuple(exited.data[name] for name in ("name", "code", "expected"))
    assert {"ended": stub.pids["server"]} in stub.undo_lines()
    stub.say()
    assert [] == stub.line()["exits"]


def test_stopping_twice_is_answered_twice(stub):
    """What has ended stays ended, and one end is one record."""
    stop(stub, "server")
    stop(stub, "server")
    assert await_condition(lambda: bool(stub.events(Kind.PROCESS_EXITED)), S_MAX)
    assert 1 == len(stub.events(Kind.PROCESS_EXITED))


def test_two_who_ask_at_once_are_both_answered(stub):
    """One stop, two answers, also for a process that ignores SIGTERM."""
    with ThreadPoolExecutor(2) as pool:
        for asked in [pool.submit(stop, stub, "stubborn") for _ in range(2)]:
            assert asked.result(timeout=S_MAX) is None
    assert not census.is_alive(stub.pids["stubborn"])


def test_process_that_ignores_sigterm_is_ended_with_what_it_started(stub):
    """Past its own limit comes SIGKILL, for its child, too."""
    stop(stub, "stubborn")
    assert [False, False] == [census.is_alive(stub.pids[name]) for name in ("stubborn", "grandchild")]
    assert await_condition(lambda: bool(stub.events(Kind.PROCESS_EXITED)), S_MAX)
    assert -9 == stub.events(Kind.PROCESS_EXITED)[0].data["code"]


@pytest.mark.parametrize(
    ("name", "token", "message"),
    [
        pytest.param("guard", TOKEN, "403.*'guard' may not be stopped here; .*: never, server, stubborn", id="foreign"),
        pytest.param("never", TOKEN, "403.*'never' was never started", id="never-started"),
        pytest.param("server", "another", "401.*the bearer token is not the one of this trial", id="token"),
    ],
)
def test_what_is_not_allowed_is_refused_with_the_reason(stub, name: str, token: str, message: str):
    """The controller hears why, and everything runs on."""
    with pytest.raises(StopCallError, match=message):
        stop(stub, name, token)
    assert all(census.is_alive(pid) for pid in stub.pids.values())


def test_nothing_may_be_stopped_before_the_control_allows_it(start):
    """A door alone opens nothing."""
    stub = start("live")
    with pytest.raises(StopCallError, match=r"403.*'server' may not be stopped here; the control has allowed: none"):
        stop(stub, "server")
    assert census.is_alive(stub.pids["server"])


def test_guard_whose_door_port_is_taken_is_refused_and_gone(tmp_path):
    """The control hears which port, and the guard has ended and given the run directory's lock back."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = subprocess.run(
            [sys.executable, str(STUB), str(tmp_path), str(tmp_path / "scratch"), "live", "1", str(port)],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
    assert 1 == done.returncode
    assert f"GuardError: the guard's door cannot listen on 127.0.0.1:{port}: Address already in use" in done.stderr
    with (tmp_path / "LOCK").open() as lock:
        assert fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB) is None


# -- the door by itself, over processes that only say when they have ended -----------------------------------------


class FakeEnding:
    """Has ended when told so; raises what it is given to raise."""

    def __init__(self) -> None:
        self.ended = False
        self.error: GuardError | None = None

    def has_ended(self) -> bool:
        if self.error is not None:
            raise self.error
        return self.ended


class House:
    """A door in a loop of its own, as the guard has it, and one process "canary-1"."""

    def __init__(self) -> None:
        self.ending = FakeEnding()
        self.asked: list[str] = []
        self.left = threading.Event()
        self.selector = selectors.DefaultSelector()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.door = Door(self.port, TOKEN, self.selector, self.end, request_s_max=0.3)
        self.loop = threading.Thread(target=self.serve)
        self.loop.start()

    def end(self, name: str) -> Ending:
        self.asked.append(name)
        if name != "canary-1":
            raise GuardError(f"{name} may not be stopped here")
        return cast(Ending, self.ending)

    def serve(self) -> None:
        while not self.left.is_set():
            for key, _ in self.selector.select(timeout=0.01):
                key.data()
            self.door.advance()
        self.door.close()

    def post(self, **changes: object) -> httpx.Response:
        """A good request, but for `changes`."""
        request = {
            "method": "POST",
            "url": f"http://127.0.0.1:{self.port}/stop",
            "headers": {"authorization": f"Bearer {TOKEN}"},
            "content": b'{"name": "canary-1"}',
            "timeout": S_MAX,
        }
        with httpx.Client(trust_env=False) as client:
            return client.request(**{**request, **changes})  # type: ignore[arg-type]


@pytest.fixture
def house() -> Iterator[House]:
    one = House()
    yield one
    one.left.set()
    one.loop.join(S_MAX)
    assert not census.listens(one.port)
    one.selector.close()


@pytest.mark.parametrize(
    ("changes", "status", "why"),
    [
        pytest.param({"headers": {}}, 401, "the bearer token is not the one", id="no-token"),
        pytest.param({"headers": {"authorization": TOKEN}}, 401, "the bearer token is not the one", id="no-scheme"),
        pytest.param({"method": "GET", "content": b""}, 405, "GET /stop: must be POST", id="method"),
        pytest.param({"content": b"{"}, 400, "the body is not JSON", id="not-json"),
        pytest.param({"content": b"\xff"}, 400, "the body is not JSON", id="not-utf8"),
        pytest.param({"content": b"[]"}, 400, 'the body is [], must be {"name"', id="list"),
        pytest.param({"content": b'{"name": 1}'}, 400, "the body is {'name': 1}, must be", id="number"),
        pytest.param({"content": b'{"name": ""}'}, 400, "the body is {'name': ''}, must be", id="empty"),
        pytest.param({"content": b'{"name": "envoy"}'}, 403, "envoy may not be stopped here", id="foreign"),
        pytest.param({"content": b" " * (REQUEST_BYTES_MAX + 1)}, 413, "the body is over 4096 bytes", id="body"),
        pytest.param({"headers": {"a": "b" * 3 * REQUEST_BYTES_MAX}}, 431, "not HTTP", id="headers"),
    ],
)
def test_every_refusal_says_why(house: House, changes: dict[str, object], status: int, why: str) -> None:
    """Status and reason; no process was asked to end, but for the name that is foreign."""
    answer = house.post(**changes)
    assert (status, True) == (answer.status_code, why in answer.json()["error"])
    assert house.asked in ([], ["envoy"])


def test_other_paths_are_refused(house: House) -> None:
    """There is one path."""
    answer = house.post(url=f"http://127.0.0.1:{house.port}/start")
    assert (404, {"error": "/start: the only path is /stop"}) == (answer.status_code, answer.json())


def test_what_is_no_http_is_refused(house: House) -> None:
    """Whatever else is sent gets an answer and no stop."""
    with socket.create_connection(("127.0.0.1", house.port), timeout=S_MAX) as raw:
        raw.sendall(b"hello\r\n\r\n")
        assert raw.recv(1 << 12).startswith(b"HTTP/1.1 400 ")
    assert [] == house.asked


def test_request_that_comes_in_pieces_is_served(house: House) -> None:
    """A head and a body in several packets are one request."""
    house.ending.ended = True
    connection = http.client.HTTPConnection("127.0.0.1", house.port, timeout=S_MAX)
    connection.putrequest("POST", "/stop")
    connection.putheader("authorization", f"Bearer {TOKEN}")
    connection.putheader("content-length", "20")
    connection.endheaders()
    for piece in (b'{"name": ', b'"canary-1"}'):
        connection.send(piece)
    answer = connection.getresponse()
    assert (200, {"stopped": True}) == (answer.status, json.loads(answer.read()))
    connection.close()


def test_others_are_served_while_a_process_is_on_its_way_out(house: House) -> None:
    """Nothing in the loop waits; who asked is answered when the process has ended and not before."""
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(house.post)
        assert await_condition(lambda: house.asked == ["canary-1"], S_MAX)
        assert 403 == house.post(content=b'{"name": "envoy"}').status_code
        assert not asked.done()
        house.ending.ended = True
        assert (200, {"stopped": True}) == (asked.result(S_MAX).status_code, asked.result().json())


def test_process_that_would_not_end_is_said_so(house: House) -> None:
    """No 200 without an end."""
    house.ending.error = GuardError("canary-1: pid 7 did not end, not even by SIGKILL")
    answer = house.post()
    assert (500, {"error": "canary-1: pid 7 did not end, not even by SIGKILL"}) == (answer.status_code, answer.json())


def test_door_serves_on_when_who_asked_has_hung_up(house: House) -> None:
    """The stop goes on without whoever asked, and the next who asks is answered."""
    with pytest.raises(httpx.ReadTimeout):
        house.post(timeout=0.2)
    house.ending.ended = True
    assert 200 == house.post().status_code


def test_request_that_does_not_come_is_ended(house: House) -> None:
    """A connection that says nothing is answered 408 when its time is over, and hung up on."""
    with socket.create_connection(("127.0.0.1", house.port), timeout=S_MAX) as silent:
        assert silent.recv(1 << 12).startswith(b"HTTP/1.1 408 ")


def test_more_visitors_than_there_is_room_for_are_hung_up_on(house: House) -> None:
    """The door keeps few connections open, and serves again once they are gone."""
    connect: Callable[[], socket.socket] = lambda: socket.create_connection(("127.0.0.1", house.port), timeout=S_MAX)  # noqa: E731
    silent = [connect() for _ in range(VISITORS_MAX)]
    with connect() as one_more:
        assert b"" == one_more.recv(1)
    for connection in silent:
        connection.close()
    house.ending.ended = True
    assert await_condition(lambda: _answers(house), S_MAX)


def _answers(house: House) -> bool:
    try:
        return house.post().status_code == 200
    except httpx.TransportError:
        return False


def test_door_without_a_token_is_not_opened() -> None:
    """An empty token would let anybody in."""
    with selectors.DefaultSelector() as selector, pytest.raises(GuardError, match="needs a token"):
        Door(0, "", selector, lambda name: cast(Ending, FakeEnding()))


def test_door_that_is_shut_in_a_turn_of_the_loop_is_left_alone_by_the_rest_of_it() -> None:
    """What was ready when the turn began may be gone when its turn comes."""
    with selectors.DefaultSelector() as selector:
        door = Door(0, TOKEN, selector, lambda name: cast(Ending, FakeEnding()))
        (listener,) = selector.get_map().values()
        address = cast(socket.socket, listener.fileobj).getsockname()
        with socket.create_connection(address, timeout=S_MAX) as first:
            _turn(selector)
            first.sendall(b"POST")
            with socket.create_connection(address, timeout=S_MAX):
                assert await_condition(lambda: len(selector.select(0)) == 2, S_MAX)
                ready = selector.select(0)
                door.close()
                for key, _ in ready:
                    assert key.data() is None
        assert {} == dict(selector.get_map())


def _turn(selector: selectors.BaseSelector) -> None:
    for key, _ in selector.select(S_MAX):
        key.data()
