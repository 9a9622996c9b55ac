"""The http_5xx fault against PortTrack's own control port: the two sides speak the same language."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import uvicorn

from harness.drive import faults
from harness.drive.guard import undo
from harness.drive.target.port import Instance
from harness.errors import DriveError
from porttrack.control import build_control
from porttrack.faults import FaultAnswer, Faults
from porttrack.metrics import Metrics

pytestmark = pytest.mark.integration

TOKEN = "secret"


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def injector(clock: Clock) -> Faults:
    return Faults(clock)


@pytest.fixture
def instance(injector: Faults) -> Iterator[Instance]:
    app = build_control(TOKEN, injector, Metrics("1.1", [], ["http_5xx"]))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off", ws="none"))
    listener = socket.create_server(("127.0.0.1", 0))  # connections queue here until it serves
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    yield Instance("canary-1", "canary", "", control_url=f"http://127.0.0.1:{listener.getsockname()[1]}")
    server.should_exit = True
    thread.join(5)
    listener.close()


def test_fault_goes_in_and_out(instance: Instance, injector: Faults) -> None:
    """Injected it answers in the handler's place, healed it does not, and healing twice is harmless."""
    fault = faults.build("http_5xx")
    fault.inject(instance, TOKEN, 1.0, 60.0, {"status": 500, "seed": 7})
    assert (True, FaultAnswer("http_5xx", 500)) == (fault.active(instance, TOKEN), injector.before_handler())
    fault.heal(instance, TOKEN)
    fault.heal(instance, TOKEN)
    assert (False, None) == (fault.active(instance, TOKEN), injector.before_handler())


def test_fault_ends_at_its_deadline_by_itself(instance: Instance, clock: Clock) -> None:
    """One instant before the deadline it is in, at the deadline it is out, and nobody healed it."""
    fault = faults.build("http_5xx")
    fault.inject(instance, TOKEN, 1.0, 60.0, {})
    clock.now_s += 59.9
    assert fault.active(instance, TOKEN)
    clock.now_s += 0.1
    assert not fault.active(instance, TOKEN)


def test_undo_log_heals_in_the_harness_place(instance: Instance, injector: Faults, tmp_path: Path) -> None:
    """What the guard has on disk before the injection is enough to take it out."""
    fault = faults.build("http_5xx")
    log = undo.UndoLog(tmp_path)
    log.add(fault.undo_request(instance, TOKEN))
    fault.inject(instance, TOKEN, 1.0, 60.0, {})
    assert [""] == [healed.problem for healed in log.heal()]
    assert {} == injector.active()


def test_wrong_token_and_impossible_share_are_refused(instance: Instance, injector: Faults) -> None:
    """The service refuses whoever has no token, and what no fault can be, with the argument's name."""
    fault = faults.build("http_5xx")
    with pytest.raises(DriveError, match=": 401 "):
        fault.inject(instance, "wrong", 1.0, 60.0, {})
    with pytest.raises(DriveError, match=r": 422 .*share"):
        fault.inject(instance, TOKEN, 1.5, 60.0, {})
    assert {} == injector.active()
    assert 401 == httpx.get(f"{instance.control_url}/faults", timeout=2.0, trust_env=False).status_code
