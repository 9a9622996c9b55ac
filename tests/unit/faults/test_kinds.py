"""What holds for every kind of fault that ships."""

from __future__ import annotations

import pytest

from harness.drive import faults
from harness.drive.faults.port import UndoRequest
from harness.errors import UsageError
from porttrack.faults import KINDS, decoded

# Kind -> arguments that it needs, those that it is asked for with them, and whether it marks what it hits.
SHIPPED = {
    "http_5xx": ({}, {"status": 503, "seed": 0}, True),
    "latency": ({"delay_ms": 400, "ramp_s": 10}, {"delay_ms": 400, "ramp_s": 10, "seed": 0}, True),
    "metrics_gone": ({}, {"seed": 0}, False),
    "ack_not_stored": ({}, {"seed": 0}, False),
    "stored_twice": ({}, {"seed": 0}, False),
    "stale_read": ({}, {"age_s": 5.0, "seed": 0}, False),
    "wrong_unit": ({}, {"seed": 0}, False),
    "unreadable_row": ({}, {"seed": 0}, False),
}
EVERY_KIND = pytest.mark.parametrize("kind", sorted(SHIPPED))


def test_the_harness_knows_what_the_service_knows():
    """Both sides name the same kinds, and these tests have them all."""
    assert tuple(sorted(SHIPPED)) == faults.known()
    assert sorted(SHIPPED) == sorted(KINDS)


@EVERY_KIND
def test_a_fault_goes_in_and_out(port, kind):
    """Injected it is active with the arguments that it stands for; healed, and healed again, it is not."""
    given, sent, _ = SHIPPED[kind]
    fault = faults.build(kind)
    fault.inject(port.instance, port.token, 0.3, 60.0, given)
    assert fault.active(port.instance, port.token)
    fault.heal(port.instance, port.token)
    fault.heal(port.instance, port.token)
    assert not fault.active(port.instance, port.token)
    assert [
        ("PUT", f"/faults/{kind}", {"share": 0.3, "deadline_s": 60.0, **sent}),
        ("GET", "/faults", None),
        ("DELETE", f"/faults/{kind}", None),
        ("DELETE", f"/faults/{kind}", None),
        ("GET", "/faults", None),
    ] == port.asked


@EVERY_KIND
def test_the_service_takes_what_the_harness_sends(port, kind):
    """The body that was put is one that the service's own decoder accepts, share, deadline and seed included."""
    given, _, _ = SHIPPED[kind]
    faults.build(kind).inject(port.instance, port.token, 0.3, 60.0, {**given, "seed": 7})
    arguments = decoded(kind, port.body)
    assert (0.3, 60.0, 7) == (arguments.share, arguments.deadline_s, arguments.seed)


@EVERY_KIND
def test_wrong_arguments_are_refused_before_anything_is_sent(port, kind):
    """check and inject name an argument that the kind does not have, and call nobody; right ones pass the check."""
    given, _, _ = SHIPPED[kind]
    fault = faults.build(kind)
    fault.check(given)
    for call in (
        lambda: fault.check({**given, "sede": 7}),
        lambda: fault.inject(port.instance, port.token, 0.3, 60.0, {**given, "sede": 7}),
    ):
        with pytest.raises(UsageError, match=rf"'sede' is no argument of {kind}; known: .*did you mean 'seed'"):
            call()
    assert [] == port.asked


@EVERY_KIND
def test_the_undo_request_is_the_heal_as_data(port, kind):
    """What the guard sends in the harness's place is the very DELETE, token included, and needs no call to be made."""
    expected = UndoRequest(
        "DELETE", f"{port.instance.control_url}/faults/{kind}", {"authorization": f"Bearer {port.token}"}
    )
    assert (expected, []) == (faults.build(kind).undo_request(port.instance, port.token), port.asked)


@EVERY_KIND
def test_a_fault_says_what_a_report_needs(kind):
    """Its kind, whether it marks what it hits, and a caption of its own, short enough for a chart."""
    fault = faults.build(kind)
    others = {faults.build(other).caption for other in SHIPPED if other != kind}
    assert (kind, SHIPPED[kind][2]) == (fault.kind, fault.marks)
    assert 0 < len(fault.caption) <= 24
    assert fault.caption not in others


def test_a_delay_that_the_service_would_refuse_is_refused_here():
    """latency needs its delay, within what the service takes; a ramp alone is not enough."""
    fault = faults.build("latency")
    with pytest.raises(UsageError, match=r"^delay_ms is missing"):
        fault.check({"ramp_s": 10})
    with pytest.raises(UsageError, match=r"^delay_ms is 5001, must be a number from 1 to 5000$"):
        fault.check({"delay_ms": 5001})
