"""Up and down of the throw-away cluster; both may be called twice, and neither needs the other to have ended well."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
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
    cgroup_hierarchies,
)

NODE_S_MAX: Final = 100.0
GONE_S_MAX: Final = 20.0
_POLL_S: Final = 0.02
NEEDED: Final = ("unshare", "ip", "iptables", "openssl", "mount", "go", "apt-get", "dpkg", "cc")
NEEDED_FOR_ALL: Final = ("buildah", "mmdebstrap")


class ClusterError(Exception):
    """What keeps a cluster from being there, for people."""


def prepare(layout: Layout) -> None:
    """Build and fetch what is missing. ClusterError where this machine cannot have a cluster of its own."""
    instead = "use one of your own (minikube, kind, any kubeconfig): everything else works with that"
    if sys.platform != "linux" or os.geteuid() != 0:
        raise ClusterError(f"a throw-away cluster needs Linux and root; {instead}")
    _check_there(NEEDED, f", or {instead}")
    with _told():
        build.debian(layout)
        for name in (build.KUBERNETES, "coredns"):
            build.module(layout, name)
        images.pause(layout)


def prepare_all(layout: Layout) -> None:
    """Also what only tests of what runs on the cluster need."""
    prepare(layout)
    _check_there(NEEDED_FOR_ALL)
    with _told():
        build.module(layout, "helm")
        images.runner(layout)


def _check_there(names: Sequence[str], otherwise: str = "") -> None:
    missing = [name for name in names if shutil.which(name) is None]
    if missing:
        raise ClusterError(f"not found: {', '.join(missing)}; install them{otherwise}")


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """What a tool could not do is told as such; what it said itself stands above already."""
    try:
        yield
    except (subprocess.SubprocessError, AssertionError) as error:
        raise ClusterError(str(error)) from error


@contextlib.contextmanager
def _locked(layout: Layout) -> Iterator[None]:
    """One `up` or `down` at a time; the end of its process gives the lock back."""
    layout.programs.mkdir(parents=True, exist_ok=True)
    with (layout.programs.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


# -- up ----------------------------------------------------------------------------------------------------------------


def up(layout: Layout) -> None:
    """A ready node. One that is up already stays as it is; the rest of a dead one is taken away first."""
    prepare(layout)
    with _locked(layout), _told():
        if is_up(layout):
            return
        _down(layout)
        layout.state.mkdir(parents=True, mode=0o711)
        pki.make(layout)
        _begin(layout)


def _begin(layout: Layout) -> None:
    reader, writer = os.pipe()
    outer = _unshared(layout, reader)
    os.close(reader)
    try:
        _note(layout, outer)
        first = _first_process(outer)
        _note(layout, outer, first)
        _cable(first)
        _await_ready(layout, first)
        images.load(layout, images.pause(layout))
        layout.is_up.touch()
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


def _note(layout: Layout, *pids: int) -> None:
    """Which processes a later `down` has to end: `unshare`, and process 1 inside."""
    layout.holder.write_text(json.dumps([{"pid": pid, "started": _started(pid)} for pid in pids]))


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


def _await_ready(layout: Layout, first: int) -> None:
    is_ready, lives = (layout.state / "ready").exists, Path(f"/proc/{first}").exists
    await_condition(lambda: is_ready() or not lives(), NODE_S_MAX)
    if not is_ready():
        raise ClusterError(f"the node did not come up:\n{(layout.state / 'node.log').read_text(errors='replace')}")


# -- what is there -----------------------------------------------------------------------------------------------------


def is_up(layout: Layout) -> bool:
    """Whether `up` came to its end and all parts live: process 1 ends with the first of them."""
    return layout.is_up.exists() and bool(_living(layout))


def _living(layout: Layout) -> list[int]:
    """Those of the noted processes that are still the ones that were noted."""
    try:
        noted = json.loads(layout.holder.read_text())
    except (OSError, ValueError):
        return []
    return [one["pid"] for one in noted if _started(one["pid"]) == one["started"]]


def _started(pid: int) -> int:
    """Kernel start time of a process, in clock ticks since boot: with the pid it is one process for ever. -1: there is
    none, or one that has ended and that nobody has reaped."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return -1
    return -1 if fields[0] == "Z" else int(fields[19])


# -- down --------------------------------------------------------------------------------------------------------------


def down(layout: Layout) -> None:
    """End the first process, and with it all; then take away the empty cgroups and the folder."""
    with _locked(layout):
        _down(layout)


def _down(layout: Layout) -> None:
    for pid in _living(layout):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    cable = Path(f"/sys/class/net/{VETH}").exists
    if not await_condition(lambda: not _living(layout) and not cable(), GONE_S_MAX, _POLL_S):
        raise ClusterError(f"{_living(layout)} or the interface {VETH} is still there after {GONE_S_MAX:g} s")
    _reap(layout)
    _remove_cgroups()
    if layout.state.exists():
        shutil.rmtree(layout.state)


def _reap(layout: Layout) -> None:
    """Where this very process had started the cluster, `unshare` is its child and would stay as a zombie."""
    with contextlib.suppress(OSError, ValueError):
        os.waitpid(json.loads(layout.holder.read_text())[0]["pid"], 0)


def _remove_cgroups() -> None:
    """A cgroup can go once the kernel has let go of its last process, the deepest first."""
    for root in (hierarchy / CGROUP for hierarchy in cgroup_hierarchies()):
        for folder in sorted((path for path in (root, *root.rglob("*")) if path.is_dir()), reverse=True):
            if not await_condition(lambda folder=folder: _removed(folder), GONE_S_MAX, _POLL_S):  # type: ignore[misc]
                raise ClusterError(f"{folder}: still in use after {GONE_S_MAX:g} s")


def _removed(cgroup: Path) -> bool:
    with contextlib.suppress(OSError):
        cgroup.rmdir()
    return not cgroup.exists()
