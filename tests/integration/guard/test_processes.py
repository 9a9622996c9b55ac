"""Ending children: in order, within limits, with all they started, and never anybody else."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.drive import census
from harness.drive.guard import processes
from harness.drive.guard.client import await_condition
from harness.drive.guard.processes import Child, Ending
from harness.drive.stack.spec import ProcessSpec

pytestmark = pytest.mark.integration
S_MAX = 10.0
# Starts a child in its own group, says its pid, and ends; the child stays.
LEAVES_ONE = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
open(sys.argv[1], "w").write(str(child.pid))
"""
DEAF = """
import signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
open(sys.argv[1], "w").write("deaf")
time.sleep(600)
"""
POLITE = """
import sys, time
open(sys.argv[1], "w").write("here")
time.sleep(600)
"""


@pytest.fixture
def spawn(tmp_path: Path) -> Iterator[Callable[..., Child]]:
    """Starts a program and waits until it has written its file, whose text is the child's word."""
    started: list[Child] = []

    def run(name: str, program: str, level: int = 1, stop_s_max: float = 0.3) -> Child:
        word = tmp_path / f"{name}.word"
        spec = ProcessSpec(name, (sys.executable, "-c", program, str(word)), stop_s_max=stop_s_max)
        child = processes.spawn(spec, level, tmp_path, {"PATH": os.environ["PATH"]})
        started.append(child)
        assert await_condition(lambda: word.exists() and bool(word.read_text()), S_MAX)
        return child

    yield run
    processes.stop(started, 0.0)


def test_what_an_ended_child_left_in_its_group_is_ended(spawn, tmp_path):
    """Before the child is reaped, while its pid can mean nobody else."""
    child = spawn("leaves-one", LEAVES_ONE)
    left = int((tmp_path / "leaves-one.word").read_text())
    assert await_condition(lambda: not child.running, S_MAX)
    assert await_condition(lambda: not census.is_alive(left), S_MAX)
    assert (0, 0) == (child.code, child.popen.returncode)


def test_reaped_child_is_never_signalled(spawn):
    """Its pid may be anybody's by now: stopping it again sends nothing, and a signal is a mistake of ours."""
    child = spawn("polite", POLITE)
    assert [] == processes.stop([child])
    assert [] == processes.stop([child])
    assert Ending.begin(child).has_ended()
    with pytest.raises(AssertionError, match="polite was reaped"):
        processes._signal_group(child, signal.SIGTERM)


def test_ending_is_looked_at_and_not_waited_for(spawn):
    """A deaf process is not ended at the first look; past its limit it is, by SIGKILL, and that was expected."""
    child = spawn("deaf", DEAF)
    ending = Ending.begin(child)
    assert not ending.has_ended()
    assert await_condition(ending.has_ended, S_MAX)
    assert (-signal.SIGKILL, True) == (child.code, child.expected_exit)


def test_ending_of_a_process_that_died_by_itself_was_not_expected(spawn):
    """Who asks afterwards does not make a death one that was asked for."""
    child = spawn("polite", POLITE)
    os.kill(child.popen.pid, signal.SIGKILL)
    assert await_condition(lambda: not child.running, S_MAX)
    assert (True, False) == (Ending.begin(child).has_ended(), child.expected_exit)


def test_higher_levels_end_first(spawn):
    """A dependant is gone before what it depends on is asked to end."""
    below, above = spawn("below", POLITE, level=1), spawn("above", DEAF, level=2)
    seen: list[tuple[bool, bool]] = []
    assert [] == processes.stop([below, above], beat=lambda: seen.append((below.running, above.running)))
    assert (True, True) == seen[0]
    assert (False, True) not in seen
