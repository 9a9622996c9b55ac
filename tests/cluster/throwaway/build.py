"""The cluster's programs. A build that is there costs nothing; a cut one leaves nothing that looks whole."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from tests.cluster.throwaway.layout import DEBIAN_PACKAGES, MODULES, Layout

BUILD_S_MAX: Final = 1500.0
FETCH_S_MAX: Final = 240.0
KUBERNETES: Final = "kubernetes"
# Debian's packages put them there.
ETCD, CONTAINERD, RUNC = "usr/bin/etcd", "usr/bin/containerd", "usr/sbin/runc"
CNI: Final = "usr/lib/cni"


def module(layout: Layout, name: str) -> Path:
    """The folder with every program that the module's `tool` lines name, built if need be."""
    made = layout.built(name)
    if made.is_dir():
        return made
    layout.programs.mkdir(parents=True, exist_ok=True)
    folder = MODULES / name
    with tempfile.TemporaryDirectory(dir=layout.programs, prefix=f".{name}-") as unfinished:
        subprocess.run(
            ["go", "build", "-trimpath", "-ldflags", _ldflags(folder), "-o", f"{unfinished}/", *_tools(folder)],
            cwd=folder,
            env={**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-buildvcs=false"},
            timeout=BUILD_S_MAX,
            check=True,
        )
        os.chmod(unfinished, 0o755)
        Path(unfinished).rename(made)
        Path(unfinished).mkdir()  # for the context's own removal
    return made


def custom_resources(name: str) -> Path:
    """The folder with the definitions of other people's custom resources that module `name` ships."""
    paths = {
        "github.com/prometheus-operator/prometheus-operator": "example/prometheus-operator-crd",
        "sigs.k8s.io/gateway-api": "config/crd/standard",
    }
    folder = MODULES / "crds"
    subprocess.run(["go", "mod", "download", name], cwd=folder, timeout=FETCH_S_MAX, check=True)
    argv = ["go", "list", "-mod=readonly", "-m", "-f", "{{.Dir}}", name]
    listed = subprocess.run(argv, cwd=folder, capture_output=True, text=True, timeout=60, check=True)
    return Path(listed.stdout.strip()) / paths[name]


def _tools(folder: Path) -> list[str]:
    text = (folder / "go.mod").read_text()
    block = re.search(r"^tool \((.*?)^\)", text, re.MULTILINE | re.DOTALL)
    listed = block[1].split() if block else re.findall(r"^tool (\S+)", text, re.MULTILINE)
    assert listed, f"{folder}/go.mod names no tool"
    return listed


def _ldflags(folder: Path) -> str:
    """Kubernetes asks its own version of itself; a build without it calls itself v0.0.0, and clients refuse it."""
    found = re.search(r"k8s\.io/kubernetes v(\d+)\.(\d+)\.(\d+)\b", (folder / "go.mod").read_text(), re.MULTILINE)
    if found is None:
        return "-s -w"
    package = "k8s.io/component-base/version"
    values = {
        "gitVersion": f"v{found[1]}.{found[2]}.{found[3]}",
        "gitMajor": found[1],
        "gitMinor": found[2],
        "gitTreeState": "clean",
        "gitCommit": "from-go-modules",
        "buildDate": "1970-01-01T00:00:00Z",
    }
    return " ".join(["-s", "-w", *(f"-X {package}.{name}={value}" for name, value in values.items())])


def debian(layout: Layout) -> Path:
    """Debian's packages, unpacked and not installed: no service is started, nothing outside the cache is written."""
    if layout.debian.is_dir():
        return layout.debian
    layout.programs.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=layout.programs, prefix=".debian-") as unfinished:
        packages = Path(unfinished) / "packages"
        packages.mkdir()
        # apt's own user may not write here, and it says so on every package.
        command = ["apt-get", "-qq", "-o", "APT::Sandbox::User=root", "download", *DEBIAN_PACKAGES]
        subprocess.run(command, cwd=packages, timeout=FETCH_S_MAX, check=True)
        for package in sorted(packages.glob("*.deb")):
            subprocess.run(["dpkg", "-x", package, unfinished], timeout=60, check=True)
        shutil.rmtree(packages)
        os.chmod(unfinished, 0o755)
        Path(unfinished).rename(layout.debian)
        Path(unfinished).mkdir()
    return layout.debian
