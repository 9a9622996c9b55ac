"""A fault's own arguments: every problem at once, before anything is sent."""

from __future__ import annotations

import pytest

from harness.drive.faults.arguments import SEED, Argument, checked
from harness.errors import UsageError

WANTED = (Argument("delay_ms", low=1, high=5000), Argument("ramp_s", default=0, high=60), SEED)


def test_defaults_are_filled_in():
    """What is not given has its default, and what is given stays what it was."""
    assert {"delay_ms": 400, "ramp_s": 0, "seed": 0} == checked("latency", WANTED, {"delay_ms": 400})
    assert {"delay_ms": 0.5e3, "ramp_s": 9.5, "seed": 3} == checked(
        "latency", WANTED, {"delay_ms": 0.5e3, "ramp_s": 9.5, "seed": 3}
    )


@pytest.mark.parametrize("delay_ms", [1, 1.0, 5000])
def test_the_ends_of_a_range_are_in_it(delay_ms):
    """Low and high are allowed, whole or not."""
    assert delay_ms == checked("latency", WANTED, {"delay_ms": delay_ms})["delay_ms"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "delay_ms is missing: latency has no default for it"),
        ({"delay_ms": None}, "delay_ms is None, must be a number from 1 to 5000"),
        ({"delay_ms": 0.9}, "delay_ms is 0.9, must be a number from 1 to 5000"),
        ({"delay_ms": 5001}, "delay_ms is 5001, must be a number from 1 to 5000"),
        ({"delay_ms": "400"}, "delay_ms is '400', must be a number from 1 to 5000"),
        ({"delay_ms": True}, "delay_ms is True, must be a number from 1 to 5000"),
        ({"delay_ms": float("nan")}, "delay_ms is nan, must be a number from 1 to 5000"),
        ({"delay_ms": 400, "seed": 1.0}, "seed is 1.0, must be a whole number from 0 to 2.14748e+09"),
        (
            {"delay": 400, "ramp_s": -1},
            "'delay' is no argument of latency; known: delay_ms, ramp_s, seed; did you mean 'delay_ms'?; "
            "delay_ms is missing: latency has no default for it; ramp_s is -1, must be a number from 0 to 60",
        ),
    ],
)
def test_every_problem_is_named(given, message):
    """The refusal lists each wrong, missing and unknown argument with its value, and nothing else."""
    with pytest.raises(UsageError) as caught:
        checked("latency", WANTED, given)
    assert message == str(caught.value)


@pytest.mark.parametrize("value", [502, 500.0, True, "503", None])
def test_a_choice_is_one_of_the_choices(value):
    """Only the listed whole numbers are taken; what is merely equal to one of them is not."""
    wanted = (Argument("status", default=503, choices=(500, 503)),)
    with pytest.raises(UsageError, match=r"^status is .*, must be 500 or 503$"):
        checked("http_5xx", wanted, {"status": value})
