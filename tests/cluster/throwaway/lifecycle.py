"""Up and down of the throw-away cluster; both may be called twice, and neither needs the other to have ended well."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Final

from harness.drive.guard.client import await_condition
from tests.cluster.throwaway import build, images, pki
from tests.cluster.throwaway.layout import (
    CGROUP,
    HOST_ADDRESS,
    NODE_ADDRESS,
    POD_CIDR,
    ROOT,
    SERVICE_CIDR,
    VETH,
    Layout,
)

NODE_S_MAX: Final = 100.0
GONE_S_MAX: Final = 20.0
_POLL_S: Final = 0.02
NEEDED: Final = ("unshare", "ip", "iptables", "openssl", "mount", "go", "apt-get", "dpkg", "cc")


class ClusterError(Exception):
    """What keeps a cluster from being there, for people."""


def prepare(layout: Layout) -> None:
    """Build and fetch what is missing. ClusterError where this machine cannot have a cluster of its own."""
    instead = "use one of your own (minikube, kind, any kubeconfig): everything else works with that"
    if sys.platform != "linux" or os.geteuid() != 0:
        raise ClusterError(f"a throw-away cluster needs Linux and root; {instead}")
    missing = [name for name in NEEDED if shutil.which(name) is None]
    if missing:
        raise ClusterError(f"not found: {', '.join(missing)}; install them, or {instead}")
    build.debian(layout)
    for name in (build.KUBERNETES, "coredns"):
        build.module(layout, name)
    images.pause(layout)


def prepare_all(layout: Layout) -> None:
    """Also what only tests of what runs on the cluster need."""
    prepare(layout)
    build.module(layout, "helm")
    images.runner(layout)


def up(layout: Layout) -> None:
    """A ready node. One that is up already stays as it is; the rest of a dead one is taken away first."""
    prepare(layout)
    if is_up(layout):
        return
    down(layout)
    layout.state.mkdir(parents=True, mode=0o711)
    pki.make(layout)
    reader, writer = os.pipe()
    outer = _unshared(layout, reader)
    os.close(reader)
    try:
        first = _first_process(outer)
        layout.holder.write_text(json.dumps({"pid": first, "started": _started(first), "outer": outer}))
        _cable(first)
        _await_ready(layout, first)
        images.load(layout, images.pause(layout))
    except BaseException:
        os.kill(outer, signal.SIGKILL)
        os.waitpid(outer, 0)
        raise
    finally:
        os.close(writer)


def _unshared(layout: Layout, stdin: int) -> int:
    """`unshare`, the parent of the node's first process. It outlives this one, so it is no Popen."""
    argv = ["unshare", "--net", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child=KILL", f"--wd={ROOT}"]
    argv += [sys.executable, "-m", "tests.cluster.throwaway.node", str(layout.cache)]
    log = os.open(layout.state / "node.log", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
    taken = [(os.POSIX_SPAWN_DUP2, stdin, 0), (os.POSIX_SPAWN_DUP2, log, 1), (os.POSIX_SPAWN_DUP2, log, 2)]
    try:
        return os.posix_spawnp("unshare", argv, os.environ, file_actions=taken, setsid=True)
    finally:
        os.close(log)


def _await_ready(layout: Layout, first: int) -> None:
    is_ready, lives = (layout.state / "ready").exists, Path(f"/proc/{first}").exists
    await_condition(lambda: is_ready() or not lives(), NODE_S_MAX)
    if not is_ready():
        raise ClusterError(f"the node did not come up:\n{(layout.state / 'node.log').read_text(errors='replace')}")


def _first_process(unshare_pid: int) -> int:
    """The child of `unshare`: process 1 inside, with a number of this machine outside."""
    children = Path(f"/proc/{unshare_pid}/task/{unshare_pid}/children")
    if not await_condition(lambda: bool(children.read_text()), 5.0, _POLL_S):
        raise ClusterError("unshare started nothing within 5 s")
    return int(children.read_text().split()[0])


def _cable(pid: int) -> None:
    """A pair of interfaces, one here, one in the node's network; and the way to pods and services."""
    _ip("link", "add", VETH, "type", "veth", "peer", "name", "node0", "netns", str(pid))
    _ip("address", "add", f"{HOST_ADDRESS}/24", "dev", VETH)
    _ip("link", "set", VETH, "up")
    for behind in (POD_CIDR, SERVICE_CIDR):
        _ip("route", "add", behind, "via", NODE_ADDRESS)


def _ip(*argv: str) -> None:
    done = subprocess.run(["ip", *argv], capture_output=True, text=True, timeout=10, check=False)
    if done.returncode != 0:
        raise ClusterError(f"ip {' '.join(argv)}: {done.stderr.strip()}")


def is_up(layout: Layout) -> bool:
    """Whether the first process lives and the node was ready."""
    return _holder(layout) is not None and (layout.state / "ready").exists()


def _holder(layout: Layout) -> int | None:
    """The first process, if it is still the one that was noted."""
    try:
        noted = json.loads(layout.holder.read_text())
        return int(noted["pid"]) if _started(noted["pid"]) == noted["started"] else None
    except (OSError, ValueError):
        return None


def _started(pid: int) -> int:
    """Kernel start time of a process, in clock ticks since boot: with the pid it is one process for ever."""
    stat = Path(f"/proc/{pid}/stat").read_text()
    return int(stat.rpartition(")")[2].split()[19])


def down(layout: Layout) -> None:
    """End the first process, and with it all; then take away the empty cgroups and the folder."""
    pid = _holder(layout)
    if pid is not None:
        os.kill(pid, signal.SIGKILL)
    cable = Path(f"/sys/class/net/{VETH}").exists
    if not await_condition(lambda: _holder(layout) is None and not cable(), GONE_S_MAX, _POLL_S):
        raise ClusterError(f"process {pid} or the interface {VETH} is still there after {GONE_S_MAX:g} s")
    _reaped(layout)
    _remove_cgroups()
    if layout.state.exists():
        shutil.rmtree(layout.state)


def _reaped(layout: Layout) -> None:
    """Where this very process had started the cluster, `unshare` is its child."""
    with contextlib.suppress(OSError, ValueError):
        os.waitpid(json.loads(layout.holder.read_text())["outer"], 0)


def _remove_cgroups() -> None:
    """A cgroup can go once the kernel has let go of its last process, the deepest first."""
    top = Path("/sys/fs/cgroup")
    roots = [root for root in (top / CGROUP, *top.glob(f"*/{CGROUP}")) if root.is_dir()]
    for root in roots:
        for folder in sorted((path for path in (root, *root.rglob("*")) if path.is_dir()), reverse=True):
            if not await_condition(lambda folder=folder: _removed(folder), GONE_S_MAX, _POLL_S):  # type: ignore[misc]
                raise ClusterError(f"{folder}: still in use after {GONE_S_MAX:g} s")


def _removed(cgroup: Path) -> bool:
    with contextlib.suppress(OSError):
        cgroup.rmdir()
    return not cgroup.exists()
