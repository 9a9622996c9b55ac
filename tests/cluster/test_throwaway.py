"""The throw-away cluster is a real one, and leaves nothing, whatever happens to whoever starts it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from harness import settings
from harness.drive.guard.client import await_condition
from tests.cluster.throwaway import layout as places
from tests.cluster.throwaway import lifecycle

pytestmark = pytest.mark.cluster
ROOT = Path(__file__).parents[2]
UP = [sys.executable, "-m", "tests.cluster.throwaway", "up"]
UP_S_MAX = 120.0


@pytest.fixture
def layout():
    found = places.Layout(settings.cache_dir(settings.load()))
    lifecycle.prepare(found)
    lifecycle.down(found)
    yield found
    lifecycle.down(found)


def traces(layout):
    """What a cluster would leave on this machine."""
    marker = str(layout.state).encode()
    processes = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if marker in command or b"tests.cluster.throwaway.node" in command:
            processes.append(command)
    return {
        "processes": processes,
        "mounts": [line for line in Path("/proc/mounts").read_text().splitlines() if str(layout.state) in line],
        "interface": Path(f"/sys/class/net/{places.VETH}").exists(),
        "cgroups": [str(path) for path in Path("/sys/fs/cgroup").glob(f"*/{places.CGROUP}")],
        "files": layout.state.exists(),
    }


NOTHING = {"processes": [], "mounts": [], "interface": False, "cgroups": [], "files": False}


def kubectl(layout, *argv, **options):
    return subprocess.run(
        [layout.built("kubernetes") / "kubectl", "--kubeconfig", layout.admin_kubeconfig, *argv],
        capture_output=True, text=True, timeout=60, check=True, **options,
    ).stdout  # fmt: skip


def test_pods_run_and_nothing_is_left(layout):
    """A Deployment comes up behind a Service; up and down may both be said twice; afterwards there is nothing."""
    lifecycle.up(layout)
    lifecycle.up(layout)
    kubectl(layout, "create", "deployment", "sleeper", f"--image={'localhost/pause:1'}", "--replicas=2")
    kubectl(layout, "rollout", "status", "deployment/sleeper", "--timeout=60s")
    pods = json.loads(kubectl(layout, "get", "pods", "-o", "json"))["items"]
    assert ["Running", "Running"] == [one["status"]["phase"] for one in pods]
    lifecycle.down(layout)
    lifecycle.down(layout)
    assert traces(layout) == NOTHING


@pytest.mark.parametrize("after", ["pki", "logs/kube-apiserver.log", "logs/kubelet.log"])
def test_killed_up_leaves_nothing_running(layout, after):
    """SIGKILL of `up` at three moments: its processes are gone by themselves, and the next `up` takes the rest away."""
    starting = subprocess.Popen(UP, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    assert await_condition((layout.state / after).exists, UP_S_MAX, 0.005)
    os.kill(starting.pid, signal.SIGKILL)
    starting.wait(timeout=10)
    assert await_condition(lambda: not traces(layout)["processes"], 10.0), traces(layout)
    lifecycle.up(layout)
    assert "node" in kubectl(layout, "get", "nodes", "-o", "name")
