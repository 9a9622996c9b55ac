"""The node's processes as data: what each is started with, and when it counts as there."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.cluster.throwaway import build
from tests.cluster.throwaway.layout import (
    API_PORT,
    CGROUP,
    DNS_DOMAIN,
    NODE,
    NODE_ADDRESS,
    POD_CIDR,
    SERVICE_CIDR,
    Layout,
)

ETCD_URL = "http://127.0.0.1:2379"
PAUSE_IMAGE = "localhost/pause:1"


@dataclass(frozen=True, slots=True)
class Part:
    """One process. `ready_url`: answers 200 once it is there, "" where nobody has to wait for it. `after`: a part that
    must be ready before this one is started."""

    name: str
    argv: tuple[str, ...]
    ready_url: str = ""
    after: str = ""
    files: dict[str, str] = field(default_factory=dict)


def parts(layout: Layout) -> list[Part]:
    """In the order of their start."""
    kubernetes, debian = layout.built(build.KUBERNETES), layout.debian
    return [
        _etcd(layout, debian),
        _containerd(layout, debian),
        _apiserver(layout, kubernetes),
        _controller_manager(layout, kubernetes),
        _scheduler(layout, kubernetes),
        _kubelet(layout, kubernetes),
        _kube_proxy(layout, kubernetes),
        _coredns(layout),
    ]


def _etcd(layout: Layout, debian: Path) -> Part:
    peer = "http://127.0.0.1:2380"
    return Part(
        "etcd",
        (
            str(debian / build.ETCD), "--name", NODE, "--data-dir", str(layout.state / "etcd"),
            "--listen-client-urls", ETCD_URL, "--advertise-client-urls", ETCD_URL,
            "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", f"{NODE}={peer}",
            "--unsafe-no-fsync",  # nothing here outlives the machine
        ),
        ready_url=f"{ETCD_URL}/health",
    )  # fmt: skip


def _containerd(layout: Layout, debian: Path) -> Part:
    state = layout.state / "containerd"
    cni = layout.state / "cni"
    bridge = {
        "cniVersion": "0.4.0",
        "name": "pods",
        "plugins": [
            {
                "type": "bridge", "bridge": "cni0", "isGateway": True, "ipMasq": True, "hairpinMode": True,
                "ipam": {
                    "type": "host-local", "ranges": [[{"subnet": POD_CIDR}]], "routes": [{"dst": "0.0.0.0/0"}],
                    "dataDir": str(cni / "leases"),
                },
            },
            {"type": "portmap", "capabilities": {"portMappings": True}},
        ],
    }  # fmt: skip
    config = f"""\
version = 2
root = "{state}/root"
state = "{state}/run"
disabled_plugins = ["io.containerd.internal.v1.opt", "io.containerd.snapshotter.v1.btrfs"]
[grpc]
  address = "{layout.state}/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE_IMAGE}"
  # runc may not lower the OOM score without CAP_SYS_RESOURCE, and dies where it is told to.
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "{debian / build.CNI}"
  conf_dir = "{cni / "conf"}"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
  BinaryName = "{debian / build.RUNC}"
  SystemdCgroup = false
"""
    return Part(
        "containerd",
        (str(debian / build.CONTAINERD), "--config", str(layout.state / "containerd.toml")),
        files={"containerd.toml": config, "cni/conf/10-pods.conflist": json.dumps(bridge)},
    )


def _apiserver(layout: Layout, kubernetes: Path) -> Part:
    pki = layout.pki
    return Part(
        "kube-apiserver",
        (
            str(kubernetes / "kube-apiserver"), "--etcd-servers", ETCD_URL,
            "--bind-address", "0.0.0.0", "--secure-port", str(API_PORT), "--advertise-address", NODE_ADDRESS,
            "--client-ca-file", str(pki / "ca.crt"),
            "--tls-cert-file", str(pki / "apiserver.crt"), "--tls-private-key-file", str(pki / "apiserver.key"),
            "--service-account-key-file", str(pki / "service-accounts.pub"),
            "--service-account-signing-key-file", str(pki / "service-accounts.key"),
            "--service-account-issuer", f"https://kubernetes.default.svc.{DNS_DOMAIN}",
            "--authorization-mode", "Node,RBAC", "--enable-admission-plugins", "NodeRestriction",
            "--service-cluster-ip-range", SERVICE_CIDR, "--allow-privileged",
            "--kubelet-client-certificate", str(pki / "apiserver-to-kubelet.crt"),
            "--kubelet-client-key", str(pki / "apiserver-to-kubelet.key"),
            "--kubelet-certificate-authority", str(pki / "ca.crt"),
            # Logs and port-forwarding by address: nobody resolves the node's name.
            "--kubelet-preferred-address-types", "InternalIP",
            "--shutdown-delay-duration", "0s",
        ),
        ready_url=f"https://{NODE_ADDRESS}:{API_PORT}/readyz",
        after="etcd",
    )  # fmt: skip


def _controller_manager(layout: Layout, kubernetes: Path) -> Part:
    return Part(
        "kube-controller-manager",
        (
            str(kubernetes / "kube-controller-manager"),
            "--kubeconfig", str(layout.pki / "controller-manager.kubeconfig"),
            "--service-account-private-key-file", str(layout.pki / "service-accounts.key"),
            "--root-ca-file", str(layout.pki / "ca.crt"), "--use-service-account-credentials",
            "--leader-elect=false", "--bind-address", "127.0.0.1",
        ),
        after="kube-apiserver",
    )  # fmt: skip


def _scheduler(layout: Layout, kubernetes: Path) -> Part:
    return Part(
        "kube-scheduler",
        (
            str(kubernetes / "kube-scheduler"), "--kubeconfig", str(layout.pki / "scheduler.kubeconfig"),
            "--leader-elect=false", "--bind-address", "127.0.0.1",
        ),
        after="kube-apiserver",
    )  # fmt: skip


def _kubelet(layout: Layout, kubernetes: Path) -> Part:
    config: dict[str, Any] = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {"anonymous": {"enabled": False}, "webhook": {"enabled": False},
                           "x509": {"clientCAFile": str(layout.pki / "ca.crt")}},
        "authorization": {"mode": "AlwaysAllow"},
        "tlsCertFile": str(layout.pki / "kubelet-serving.crt"),
        "tlsPrivateKeyFile": str(layout.pki / "kubelet-serving.key"),
        "clusterDomain": DNS_DOMAIN,
        "clusterDNS": [NODE_ADDRESS],
        "resolvConf": str(layout.state / "resolv.conf"),
        "containerRuntimeEndpoint": f"unix://{layout.state}/containerd.sock",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{CGROUP}",
        "failCgroupV1": False,
        "failSwapOn": False,
        "volumePluginDir": str(layout.state / "volume-plugins"),
        "podLogsDir": str(layout.logs / "pods"),
        "registerWithTaints": [],
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
        "imageGCHighThresholdPercent": 100,
        # Ready within the second in which it is.
        "nodeStatusUpdateFrequency": "2s",
        "syncFrequency": "5s",
    }  # fmt: skip
    return Part(
        "kubelet",
        (
            str(kubernetes / "kubelet"), "--config", str(layout.state / "kubelet.yaml"),
            "--kubeconfig", str(layout.pki / "kubelet.kubeconfig"), "--hostname-override", NODE,
            "--node-ip", NODE_ADDRESS, "--root-dir", str(layout.state / "kubelet"),
            "--cert-dir", str(layout.state / "kubelet-certs"),
        ),
        after="kube-apiserver",
        files={"kubelet.yaml": yaml.safe_dump(config), "resolv.conf": ""},
    )  # fmt: skip


def _kube_proxy(layout: Layout, kubernetes: Path) -> Part:
    config = {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "clientConnection": {"kubeconfig": str(layout.pki / "kube-proxy.kubeconfig")},
        "mode": "iptables",
        "clusterCIDR": POD_CIDR,
        "hostnameOverride": NODE,
        "conntrack": {"maxPerCore": 0},
        "iptables": {"minSyncPeriod": "0.1s"},
    }
    return Part(
        "kube-proxy",
        (str(kubernetes / "kube-proxy"), "--config", str(layout.state / "kube-proxy.yaml")),
        after="kube-apiserver",
        files={"kube-proxy.yaml": yaml.safe_dump(config)},
    )


def _coredns(layout: Layout) -> Part:
    corefile = f""".:53 {{
    bind {NODE_ADDRESS}
    kubernetes {DNS_DOMAIN} {{
        kubeconfig {layout.pki}/coredns.kubeconfig
        ttl 2
    }}
    errors
}}
"""
    return Part(
        "coredns",
        (str(layout.built("coredns") / "coredns"), "-conf", str(layout.state / "Corefile")),
        after="kube-apiserver",
        files={"Corefile": corefile},
    )
