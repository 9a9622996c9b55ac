"""Where the throw-away cluster lies and how it is reached. What is no Go module is the Debian's."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[3]
MODULES: Final = ROOT / "tests" / "cluster" / "modules"

# A /24 between this machine and the node's network namespace, and what lies behind it: all of it ends with the veth.
VETH: Final = "harness-k8s"
HOST_ADDRESS: Final = "10.213.0.1"
NODE_ADDRESS: Final = "10.213.0.2"
POD_CIDR: Final = "10.244.0.0/24"
SERVICE_CIDR: Final = "10.96.0.0/16"
API_SERVICE_ADDRESS: Final = "10.96.0.1"
API_PORT: Final = 6443
DNS_DOMAIN: Final = "cluster.local"
NODE: Final = "node"
CGROUP: Final = "harness-k8s"

DEBIAN_PACKAGES: Final = ("etcd-server", "containerd", "runc", "containernetworking-plugins")


def cgroup_hierarchies() -> list[Path]:
    """Where this machine's cgroups hang: one place in version 2, one a controller in version 1."""
    mounted = (line.split() for line in Path("/proc/self/mounts").read_text().splitlines())
    return [Path(fields[1]) for fields in mounted if fields[2] in {"cgroup", "cgroup2"}]


@dataclass(frozen=True, slots=True)
class Layout:
    """The folders under the project's cache."""

    cache: Path

    @property
    def programs(self) -> Path:
        """Built and unpacked programs; kept from one cluster to the next."""
        return self.cache / "cluster" / "programs"

    @property
    def debian(self) -> Path:
        return self.programs / "debian"

    @property
    def state(self) -> Path:
        """All that one cluster writes; gone after `down`."""
        return self.cache / "cluster" / "state"

    @property
    def pki(self) -> Path:
        return self.state / "pki"

    @property
    def logs(self) -> Path:
        return self.state / "logs"

    @property
    def admin_kubeconfig(self) -> Path:
        return self.state / "kubeconfig"

    @property
    def is_up(self) -> Path:
        """Made by `up` when all of it is there."""
        return self.state / "up"

    @property
    def holder(self) -> Path:
        """Pids and start times of `unshare` and of process 1 of the namespaces, as this machine counts them."""
        return self.state / "holder.json"

    def built(self, module: str) -> Path:
        """The folder of a module's programs, by the sum of its go.mod and go.sum: another sum is another folder."""
        import hashlib

        content = b"".join((MODULES / module / name).read_bytes() for name in ("go.mod", "go.sum"))
        return self.programs / f"{module}-{hashlib.sha256(content).hexdigest()[:16]}"
