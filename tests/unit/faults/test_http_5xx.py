"""What every kind of fault does at a control port, on the example of http_5xx, and http_5xx's own arguments."""

from __future__ import annotations

from typing import Any

import pytest

from harness import clock
from harness.drive import faults
from harness.drive.faults.port import UndoRequest
from harness.drive.target.port import Instance
from harness.errors import DriveError, UsageError


def test_injected_fault_is_active_until_healed(port) -> None:
    """inject, active, heal and heal again do what they say, each with the path, body and token that they promise."""
    fault = faults.build("http_5xx")
    fault.inject(port.instance, port.token, 0.3, 60.0, {})
    assert fault.active(port.instance, port.token)
    fault.heal(port.instance, port.token)
    fault.heal(port.instance, port.token)
    assert not fault.active(port.instance, port.token)
    assert [
        ("PUT", "/faults/http_5xx", {"share": 0.3, "deadline_s": 60.0, "status": 503, "seed": 0}),
        ("GET", "/faults", None),
        ("DELETE", "/faults/http_5xx", None),
        ("DELETE", "/faults/http_5xx", None),
        ("GET", "/faults", None),
    ] == port.asked


def test_interval_brackets_the_control_call(port) -> None:
    """The interval starts before and ends after the call, and holds the call only, not the client's making."""
    fault = faults.build("http_5xx")
    before_ns = clock.monotonic_ns()
    interval = fault.inject(port.instance, port.token, 0.3, 60.0, {"status": 500, "seed": 7})
    after_ns = clock.monotonic_ns()
    assert before_ns <= interval.lo_ns < interval.hi_ns <= after_ns
    assert {"share": 0.3, "deadline_s": 60.0, "status": 500, "seed": 7} == port.faults["http_5xx"]


def test_undo_request_is_the_heal_as_data(port) -> None:
    """What the guard sends in the harness's place is the very DELETE, token included, and needs no call to be made."""
    request = faults.build("http_5xx").undo_request(port.instance, port.token)
    expected = UndoRequest(
        "DELETE", f"{port.instance.control_url}/faults/http_5xx", {"authorization": f"Bearer {port.token}"}
    )
    assert (expected, []) == (request, port.asked)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(
            {"statsu": 500}, "'statsu' is no argument of http_5xx; known: seed, status; did you mean", id="typo"
        ),
        pytest.param({"status": 404}, "status is 404, must be 500 or 503", id="no-5xx"),
        pytest.param({"status": 503.0}, "status is 503.0, must be 500 or 503", id="fraction"),
        pytest.param({"status": True}, "status is True, must be 500 or 503", id="bool"),
        pytest.param({"status": 502}, "status is 502, must be 500 or 503", id="no-series"),
        pytest.param({"seed": -1}, "seed is -1, must be a whole number", id="seed"),
        pytest.param({"status": 600, "a": 1}, "'a' is no argument.*; status is 600", id="both"),
    ],
)
def test_arguments_that_it_cannot_use_are_refused(port, arguments: dict[str, Any], message: str) -> None:
    """Every wrong argument is named with its value, and nothing is sent."""
    with pytest.raises(UsageError, match=message):
        faults.build("http_5xx").inject(port.instance, port.token, 0.3, 60.0, arguments)
    assert [] == port.asked


def test_refusal_of_the_instance_is_an_error(port) -> None:
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
def test_answer_that_lists_no_faults_is_an_error(port, says: bytes) -> None:
    """An answer that is no list of active faults says neither that the fault is in nor that it is out."""
    port.says = says
    with pytest.raises(DriveError, match=r"is it the control port"):
        faults.build("http_5xx").active(port.instance, port.token)


def test_dead_instance_is_an_error() -> None:
    """A refused connection is a DriveError that names the call."""
    dead = Instance(name="canary-1", track="canary", url="", control_url="http://127.0.0.1:9")
    with pytest.raises(DriveError, match=r"DELETE http://127.0.0.1:9/faults/http_5xx: ConnectError"):
        faults.build("http_5xx").heal(dead, "secret")


def test_unknown_fault_is_refused_with_the_nearest() -> None:
    """A typo is answered with the known kinds and the nearest of them."""
    with pytest.raises(UsageError, match=r"fault 'htp_5xx' is unknown; known: .*http_5xx.*did you mean 'http_5xx'"):
        faults.build("htp_5xx")
