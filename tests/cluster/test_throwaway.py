"""The throw-away cluster is a real one, and leaves nothing, whatever happens to whoever starts it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from harness.drive.guard.client import await_condition
from tests.cluster.throwaway import layout as places
from tests.cluster.throwaway import lifecycle, node, parts

pytestmark = pytest.mark.cluster
ROOT = Path(__file__).parents[2]
UP = [sys.executable, "-m", "tests.cluster.throwaway", "up"]
UP_S_MAX = 120.0


SETTINGS = [Path("/proc/sys") / name for name in (*node.KUBELET_WANTS, "net/ipv4/ip_forward")]
# Where a kubelet, containerd or kubectl would write of its own accord.
PLACES = ("/usr/libexec/kubernetes", "/var/lib/kubelet", "/var/log/containers", "/var/log/pods", "/opt/cni", "/etc/cni")


@pytest.fixture
def place(layout):
    """The cluster's places, with nothing up before and after each test."""
    yield layout
    lifecycle.down(layout)


def processes(layout):
    """Whoever belongs to the cluster: by its command line, or by the cgroup that a pod's processes cannot leave."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command, cgroups = (folder / "cmdline").read_bytes(), (folder / "cgroup").read_text()
        except OSError:
            continue
        named = str(layout.state).encode() in command or b"tests.cluster.throwaway.node" in command
        if named or f"/{places.CGROUP}" in cgroups:
            found.append(command)
    return found


def machine(layout):
    """What a cluster could change on this machine."""
    folders = (*map(Path, PLACES), Path.home() / ".kube", *Path("/tmp").glob("kubelet*"))
    return {
        "settings": {str(path): path.read_text() for path in SETTINGS},
        "files": sorted(str(path) for folder in folders for path in (folder, *folder.rglob("*")) if path.exists()),
        "interfaces": sorted(path.name for path in Path("/sys/class/net").iterdir()),
        "routes": subprocess.run(["ip", "route"], capture_output=True, text=True, timeout=10, check=True).stdout,
        "cgroups": [str(one) for one in places.cgroup_hierarchies() if (one / places.CGROUP).exists()],
        "mounts": Path("/proc/mounts").read_text(),
        "state": layout.state.exists(),
        "processes": processes(layout),
    }


def kubectl(layout, *argv):
    options = ("--kubeconfig", layout.admin_kubeconfig, "--cache-dir", layout.state / "home")
    return subprocess.run(
        [layout.built("kubernetes") / "kubectl", *options, *argv],
        capture_output=True, text=True, timeout=60, check=True,
    ).stdout  # fmt: skip


def test_pods_run_and_the_machine_is_as_before(place):
    """A Deployment comes up; up and down may both be said twice; afterwards nothing on the machine is different."""
    before = machine(place)
    assert ([], False, []) == (before["processes"], before["state"], before["cgroups"])
    lifecycle.up(place)
    lifecycle.up(place)
    kubectl(place, "create", "deployment", "sleeper", f"--image={parts.PAUSE_IMAGE}", "--replicas=2")
    kubectl(place, "rollout", "status", "deployment/sleeper", "--timeout=60s")
    pods = json.loads(kubectl(place, "get", "pods", "-o", "json"))["items"]
    assert ["Running", "Running"] == [one["status"]["phase"] for one in pods]
    assert 2 <= sum(b"/pause" in command for command in processes(place))
    lifecycle.down(place)
    lifecycle.down(place)
    assert before == machine(place)


@pytest.mark.parametrize("after", ["pki", "holder.json", "logs/kube-apiserver.log", "logs/kubelet.log", "ready"])
def test_killed_up_leaves_nothing_running(place, after):
    """SIGKILL of `up` at five moments: its processes are gone by themselves, or are what the next `up` takes away, and
    that one has a node on which pods run."""
    starting = subprocess.Popen(UP, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    assert await_condition((place.state / after).exists, UP_S_MAX, 0.002)
    os.kill(starting.pid, signal.SIGKILL)
    starting.wait(timeout=10)
    if after != "ready":
        assert await_condition(lambda: not processes(place), 10.0), processes(place)
    lifecycle.up(place)
    kubectl(place, "create", "deployment", "sleeper", f"--image={parts.PAUSE_IMAGE}")
    kubectl(place, "rollout", "status", "deployment/sleeper", "--timeout=60s")


def test_dead_part_ends_the_node(place):
    """A kubelet that dies is no cluster any more: the node ends with its log, and `up` makes a new one."""
    lifecycle.up(place)
    kubelets = [one for one in psutil.process_iter() if one.name() == "kubelet"]
    (kubelet,) = [one for one in kubelets if str(place.state) in " ".join(one.cmdline())]
    kubelet.kill()
    assert await_condition(lambda: not lifecycle.is_up(place), 10.0)
    assert "kubelet has ended" in (place.state / "node.log").read_text()
    lifecycle.up(place)
    assert lifecycle.is_up(place)
