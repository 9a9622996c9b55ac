"""Process 1 of the cluster's namespaces: starts the node's parts in order, reaps whatever dies, ends with all of them.

    python -m tests.cluster.throwaway.node CACHE     (by lifecycle.up, inside the namespaces)

Until the node is ready its standard input is `up`'s pipe, and the end of that pipe is the end of the cluster: an `up`
that is killed leaves nothing. Afterwards only its own end matters, and the kernel ends everything with it.
"""

from __future__ import annotations

import json
import os
import select
import signal
import ssl
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Final

from harness.drive.guard.client import await_condition
from tests.cluster.throwaway import parts
from tests.cluster.throwaway.layout import (
    CGROUP,
    HOST_ADDRESS,
    NODE,
    NODE_ADDRESS,
    SERVICE_CIDR,
    Layout,
    cgroup_hierarchies,
)

READY_S_MAX: Final = 90.0
CABLE_S_MAX: Final = 10.0
# setupKernelTunables of the kubelet; none of them belongs to a namespace.
KUBELET_WANTS: Final = {
    "vm/overcommit_memory": 1,
    "vm/panic_on_oom": 0,
    "kernel/panic": 10,
    "kernel/panic_on_oops": 1,
    "kernel/keys/root_maxkeys": 1_000_000,
    "kernel/keys/root_maxbytes": 25_000_000,
}
_POLL_S: Final = 0.05


def main(cache: str) -> None:
    layout = Layout(Path(cache))
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    _private_places(layout)
    _kernel_settings(layout)
    _cgroups()
    _network()
    children = _start(layout)
    _await_ready(layout, children)
    (layout.state / "ready").write_text("")
    _reap(layout, {child.pid: name for name, child in children.items()})


def _private_places(layout: Layout) -> None:
    """The kubelet insists on some of the system's folders: here they are its own, the machine's stay as they are."""
    # Overlays whose writable part is in memory: what is written there goes with the mount namespace.
    overlay = layout.state / "overlay"
    overlay.mkdir()
    _run("mount", "-t", "tmpfs", "tmpfs", str(overlay))
    for parent in ("/var/log", "/var/lib", "/run", "/opt"):
        kept = overlay / parent.strip("/").replace("/", "-")
        for part in ("upper", "work"):
            (kept / part).mkdir(parents=True)
        options = f"lowerdir={parent},upperdir={kept}/upper,workdir={kept}/work"
        _run("mount", "-t", "overlay", "overlay", "-o", options, parent)


def _kernel_settings(layout: Layout) -> None:
    """The kubelet writes these for the whole machine where they are not as it wants them, and nobody would put them
    back. Here it reads from files that they are."""
    for name, value in KUBELET_WANTS.items():
        seen = layout.state / "sysctl" / name
        seen.parent.mkdir(parents=True, exist_ok=True)
        seen.write_text(f"{value}\n")
        _run("mount", "--bind", str(seen), f"/proc/sys/{name}")


def _cgroups() -> None:
    """The root under which the kubelet makes a cgroup a pod; it must be there in every hierarchy."""
    for hierarchy in cgroup_hierarchies():
        root = hierarchy / CGROUP
        root.mkdir(exist_ok=True)
        for name in ("cpuset.cpus", "cpuset.mems"):  # version 1 starts a new one with none, and nothing can run in it
            if (hierarchy / "cgroup.clone_children").exists() and (root / name).exists():
                (root / name).write_text((hierarchy / name).read_text())


def _network() -> None:
    """Loopback, and the node's end of the cable to the machine; the container network is the plugins' work."""
    await_condition(lambda: _link_is_there() or _is_alone(), CABLE_S_MAX)
    if not _link_is_there():
        sys.exit(f"no cable to the machine came within {CABLE_S_MAX:g} s, or `up` has ended before")
    _run("ip", "link", "set", "lo", "up")
    _run("ip", "link", "set", "node0", "up")
    _run("ip", "address", "add", f"{NODE_ADDRESS}/24", "dev", "node0")
    _run("ip", "route", "add", "default", "via", HOST_ADDRESS)
    # Requests to services from the machine come in by the cable; kube-proxy takes them from there.
    _run("ip", "route", "add", "blackhole", SERVICE_CIDR)
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
    bridged = Path("/proc/sys/net/bridge/bridge-nf-call-iptables")
    if bridged.exists():
        bridged.write_text("1")


def _link_is_there() -> bool:
    return subprocess.run(["ip", "link", "show", "node0"], capture_output=True, check=False).returncode == 0


def _start(layout: Layout) -> dict[str, subprocess.Popen[bytes]]:
    layout.logs.mkdir(exist_ok=True)
    (layout.state / "etcd").mkdir(mode=0o700)
    children: dict[str, subprocess.Popen[bytes]] = {}
    todo = {part.name: part for part in parts.parts(layout)}
    is_ready: set[str] = set()
    urls = {part.name: part.ready_url for part in todo.values()}
    deadline = time.monotonic() + READY_S_MAX
    while todo:
        for name, part in list(todo.items()):
            if part.after and part.after not in is_ready:
                continue
            children[name] = _child(layout, todo.pop(name))
        is_ready |= {name for name in children if name not in is_ready and _answers(layout, urls[name])}
        _check(children, layout, deadline, f"of {', '.join(todo)}")
    return children


def _child(layout: Layout, part: parts.Part) -> subprocess.Popen[bytes]:
    for name, text in part.files.items():
        path = layout.state / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    home = str(layout.state / "home")
    Path(home).mkdir(exist_ok=True)
    path = f"{layout.debian}/usr/bin:{layout.debian}/usr/sbin:{os.environ['PATH']}"
    with (layout.logs / f"{part.name}.log").open("wb") as log:
        return subprocess.Popen(
            part.argv, cwd=layout.state, env={"PATH": path, "HOME": home, "TMPDIR": home},
            stdin=subprocess.DEVNULL, stdout=log, stderr=log,
        )  # fmt: skip


def _answers(layout: Layout, url: str) -> bool:
    if not url:
        return True
    context = None
    if url.startswith("https:"):
        context = ssl.create_default_context(cafile=str(layout.pki / "ca.crt"))
        context.load_cert_chain(layout.pki / "admin.crt", layout.pki / "admin.key")
    try:
        with urllib.request.urlopen(url, timeout=1.0, context=context) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def _await_ready(layout: Layout, children: dict[str, subprocess.Popen[bytes]]) -> None:
    """The node says of itself that it is."""
    kubectl = str(layout.built("kubernetes") / "kubectl")
    argv = [kubectl, "--kubeconfig", str(layout.admin_kubeconfig), "--cache-dir", str(layout.state / "home")]
    argv += ["get", "node", NODE, "-o", "json"]
    deadline = time.monotonic() + READY_S_MAX
    while True:
        done = subprocess.run(argv, capture_output=True, timeout=10, check=False)
        conditions = json.loads(done.stdout)["status"].get("conditions", []) if done.returncode == 0 else []
        if any(one["type"] == "Ready" and one["status"] == "True" for one in conditions):
            return
        _check(children, layout, deadline, "node to be ready")


def _check(children: dict[str, subprocess.Popen[bytes]], layout: Layout, deadline: float, what: str) -> None:
    """End with a reason where a part has died, the time is up, or nobody waits any more."""
    dead = [name for name, child in children.items() if child.poll() is not None]
    if dead:
        sys.exit("\n".join(f"{name}: {_tail(layout, name)}" for name in dead))
    if time.monotonic() > deadline:
        sys.exit(f"waited {READY_S_MAX:g} s in vain for the start {what}; see {layout.logs}")
    if _is_alone():
        sys.exit("`up` has ended before the node was ready")


def _is_alone() -> bool:
    """Whether `up` has gone, which ends its pipe; waits for that a moment."""
    return bool(select.select([sys.stdin], [], [], _POLL_S)[0])


def _run(*argv: str) -> None:
    done = subprocess.run(argv, capture_output=True, text=True, timeout=10, check=False)
    if done.returncode != 0:
        sys.exit(f"{' '.join(argv)}: {done.stderr.strip()}")


def _reap(layout: Layout, names: dict[int, str]) -> None:
    """Process 1 inherits every orphan; without this each would stay as a zombie. The end of a part is the node's."""
    while (ended := os.wait()[0]) not in names:
        pass
    sys.exit(f"{names[ended]} has ended:\n{_tail(layout, names[ended])}")


def _tail(layout: Layout, name: str) -> str:
    return (layout.logs / f"{name}.log").read_text(errors="replace")[-1500:]


if __name__ == "__main__":
    main(sys.argv[1])
