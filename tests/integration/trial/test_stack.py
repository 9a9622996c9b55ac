"""The stack by itself: up, under Locust alone, and gone again."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from harness.drive import census
from harness.drive.guard.client import await_condition

pytestmark = pytest.mark.integration
ROOT = Path(__file__).parents[3]
GONE_S_MAX = 10.0
CANARY_PERCENT = 25


def stack_up(*options: str, cwd: Path = ROOT) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "harness.cli.main", "stack", "up", *options],
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def read_urls(process: subprocess.Popen[str]) -> list[str]:
    """The URLs that it prints before the command line of Locust."""
    assert process.stdout is not None
    urls: list[str] = []
    for line in process.stdout:
        if line.startswith("locust"):
            break
        urls += re.findall(r"http://127\.0\.0\.1:\d+", line)
    return urls


@pytest.fixture
def stack() -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """A stack with a quarter of the traffic on the canary."""
    process = stack_up("--weight", str(CANARY_PERCENT))
    urls = read_urls(process)
    yield process, urls
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(timeout=10)
    assert process.stdout is not None
    process.stdout.close()


def locust(url: str, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            str(Path(sys.executable).with_name("locust")),
            "-f",
            "locustfiles/porttrack.py",
            "--headless",
            "-H",
            url,
            *options,
        ],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def ports_of(urls: list[str]) -> list[int]:
    return [int(url.rsplit(":", 1)[1]) for url in urls]


def test_locust_alone_prints_its_split(stack):
    """Locust runs against the stack without a trial, everything is ok, and its split by version shows the weight."""
    _, urls = stack
    done = locust(urls[0], "-u", "60", "-t", "10s", "--only-summary")
    assert 0 == done.returncode, done.stdout + done.stderr
    (canary,) = re.findall(r"^\s*1\.1\s+(\d+)\s+([\d.]+)", done.stdout, re.MULTILINE)
    (stable,) = re.findall(r"^\s*1\.0\s+(\d+)\s+([\d.]+)", done.stdout, re.MULTILINE)
    # 480 arrivals: four standard deviations of a 25 % split are 7.9 points.
    assert abs(float(canary[1]) - CANARY_PERCENT) < 7.9, done.stdout
    assert 300 < int(canary[0]) + int(stable[0]) < 700


def test_ctrl_c_ends_the_stack(stack):
    """Ctrl-C stops every process, frees every port, and exits 0."""
    process, urls = stack
    children = psutil.Process(process.pid).children(recursive=True)
    assert [True] * len(urls) == [census.listens(port) for port in ports_of(urls)]
    process.send_signal(signal.SIGINT)
    assert 0 == process.wait(timeout=GONE_S_MAX)
    assert [] == [child for child in children if census.is_alive(child.pid)]
    assert [False] * len(urls) == [census.listens(port) for port in ports_of(urls)]


def test_killed_stack_leaves_nothing(stack):
    """SIGKILL of the command: the guard ends everything."""
    process, urls = stack
    children = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    assert await_condition(lambda: not any(census.is_alive(child.pid) for child in children), GONE_S_MAX)
    assert [False] * len(urls) == [census.listens(port) for port in ports_of(urls)]


def test_locust_refuses_a_host_off_this_machine():
    """Load never leaves loopback: one line, exit code 64."""
    done = locust("http://192.0.2.1:80", "-u", "1", "-t", "1s")
    assert 64 == done.returncode
    assert "192.0.2.1" in done.stderr
