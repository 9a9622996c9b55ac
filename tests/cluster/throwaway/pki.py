"""One authority and the certificates of one cluster's life, by the openssl command. EC P-256 keys take no time."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Final

import yaml

from tests.cluster.throwaway.layout import API_PORT, API_SERVICE_ADDRESS, DNS_DOMAIN, NODE, NODE_ADDRESS, Layout

DAYS: Final = "7"
# file name -> (common name, organization): who it is to the API server
CLIENTS: Final = {
    "admin": ("admin", "system:masters"),
    "controller-manager": ("system:kube-controller-manager", ""),
    "scheduler": ("system:kube-scheduler", ""),
    "kubelet": (f"system:node:{NODE}", "system:nodes"),
    "kube-proxy": ("system:kube-proxy", ""),
    "coredns": ("coredns", "system:masters"),
    "apiserver-to-kubelet": ("kube-apiserver", "system:masters"),
}
SERVING_NAMES: Final = (
    *(f"DNS:{name}" for name in ("localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc")),
    f"DNS:kubernetes.default.svc.{DNS_DOMAIN}",
    *(f"IP:{address}" for address in ("127.0.0.1", NODE_ADDRESS, API_SERVICE_ADDRESS)),
)


def make(layout: Layout) -> None:
    """Every key, certificate and kubeconfig."""
    folder = layout.pki
    folder.mkdir(parents=True, mode=0o700)
    _openssl(
        folder, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", DAYS,
        "-subj", "/CN=throw-away", "-keyout", "ca.key", "-out", "ca.crt",
    )  # fmt: skip
    _signed(folder, "apiserver", "kube-apiserver", "", SERVING_NAMES)
    _signed(folder, "kubelet-serving", NODE, "", (f"DNS:{NODE}", f"IP:{NODE_ADDRESS}"))
    for name, (common_name, organization) in CLIENTS.items():
        _signed(folder, name, common_name, organization, ())
    _openssl(folder, "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", "service-accounts.key")
    _openssl(folder, "ec", "-in", "service-accounts.key", "-pubout", "-out", "service-accounts.pub")
    for name in CLIENTS:
        (folder / f"{name}.kubeconfig").write_text(_kubeconfig(folder, name))
    with open(os.open(layout.admin_kubeconfig, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as kubeconfig:
        kubeconfig.write(_kubeconfig(folder, "admin"))


def _signed(folder: Path, name: str, common_name: str, organization: str, names: tuple[str, ...]) -> None:
    subject = f"/CN={common_name}{f'/O={organization}' if organization else ''}"
    use = "serverAuth" if names else "clientAuth"
    extension = f"extendedKeyUsage={use}\n" + (f"subjectAltName={','.join(names)}\n" if names else "")
    (folder / f"{name}.ext").write_text(extension)
    _openssl(
        folder, "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
        "-subj", subject, "-keyout", f"{name}.key", "-out", f"{name}.csr",
    )  # fmt: skip
    _openssl(
        folder, "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial",
        "-days", DAYS, "-extfile", f"{name}.ext", "-out", f"{name}.crt",
    )  # fmt: skip


def _openssl(folder: Path, *argv: str) -> None:
    done = subprocess.run(["openssl", *argv], cwd=folder, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, f"openssl {argv[0]}: {done.stderr}"


def _kubeconfig(folder: Path, name: str) -> str:
    """With everything in it, so that a copy of the file is enough."""
    import base64

    def held(path: str) -> str:
        return base64.b64encode((folder / path).read_bytes()).decode()

    context = {"cluster": "throw-away", "user": name}
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {
                "name": "throw-away",
                "cluster": {
                    "server": f"https://{NODE_ADDRESS}:{API_PORT}",
                    "certificate-authority-data": held("ca.crt"),
                },
            }
        ],
        "users": [
            {
                "name": name,
                "user": {"client-certificate-data": held(f"{name}.crt"), "client-key-data": held(f"{name}.key")},
            }
        ],
        "contexts": [{"name": "throw-away", "context": context}],
        "current-context": "throw-away",
    }
    return yaml.safe_dump(document, sort_keys=False)
