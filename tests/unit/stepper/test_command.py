"""Arguments, the router's call as text, and the promise to stand alone."""

from __future__ import annotations

import argparse
import subprocess
import sys

import pytest

from stepper.main import parse_step_s, parse_steps
from stepper.router import EnvoyRouter


def test_steps_are_read() -> None:
    """Weights come as whole numbers with commas."""
    assert (5, 25, 50, 100) == parse_steps("5,25,50,100")


@pytest.mark.parametrize("text", ["", "5,5", "25,5", "0,5", "5,101", "5;25", "5.5"])
def test_steps_that_cannot_be_walked_are_refused(text: str) -> None:
    """Weights must rise within 1 to 100, and the message repeats what was given."""
    with pytest.raises(argparse.ArgumentTypeError, match=repr(text)):
        parse_steps(text)


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "x"])
def test_step_without_a_length_is_refused(text: str) -> None:
    """A step is held for a finite time above 0."""
    with pytest.raises(argparse.ArgumentTypeError, match=repr(text)):
        parse_step_s(text)


@pytest.mark.parametrize(("weight", "stable"), [(0, 100), (5, 95), (100, 0)])
def test_one_call_carries_both_keys(weight: int, stable: int) -> None:
    """Envoy normalises by the sum, so stable's and the canary's weight travel together and add up to 100."""
    router = EnvoyRouter("http://127.0.0.1:1", "stable", "canary", "split.porttrack")
    expected = f"/runtime_modify?split.porttrack.stable={stable}&split.porttrack.canary={weight}"
    assert expected == router.target(weight)


def test_stepper_imports_nothing_of_the_harness() -> None:
    """It stands where a foreign controller stands in production; loading all of it loads no harness."""
    code = "import sys, stepper.main; print([name for name in sys.modules if name.split('.')[0] == 'harness'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    assert "[]" == done.stdout.strip()
