"""The runner's image, built by the Dockerfile with buildah on a base of Debian that is made on the spot."""

from __future__ import annotations

import os
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
NAME = "localhost/harness"
SUITE = "bookworm"  # the oldest Debian that is supported
BASE_PACKAGES = "python3,python3-venv,ca-certificates"
# Whose certificates the machine trusts (its package index may be a mirror with its own), and where a base keeps them.
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
BUILD_S_MAX = 600.0
RUNNER_UID = 1000


@dataclass(frozen=True)
class Buildah:
    """Its commands, over a storage of their own."""

    folder: Path

    def __call__(self, *argv, timeout: float = BUILD_S_MAX, check: bool = True) -> subprocess.CompletedProcess[str]:
        storage = ("--root", self.folder / "root", "--runroot", self.folder / "run", "--storage-driver", "vfs")
        command = ["buildah", *map(str, (*storage, *argv))]
        with subprocess.Popen(
            command, cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
        ) as process:
            try:
                out, err = process.communicate(timeout=timeout)
            except BaseException:
                os.killpg(process.pid, signal.SIGKILL)  # with the runtime and what it has started
                raise
        assert process.returncode == 0 or not check, f"{argv}\n{out[-2000:]}{err[-4000:]}"
        return subprocess.CompletedProcess(command, process.returncode, out, err)

    def clear(self) -> None:
        """Containers and images are some gigabytes."""
        self("rm", "--all")
        self("rmi", "--all", "--force")


def build(buildah: Buildah) -> str:
    """The name of the image in its storage."""
    made = buildah.folder / "base.tar"
    done = subprocess.run(
        ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={BASE_PACKAGES}", SUITE, str(made)],
        capture_output=True, text=True, timeout=BUILD_S_MAX, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    base = buildah("from", "scratch").stdout.strip()
    buildah("add", "--quiet", base, made, "/")
    made.unlink()
    buildah("copy", "--quiet", base, CERTIFICATES, CERTIFICATES)
    trusts = [("--env", f"{name}={CERTIFICATES}") for name in ("SSL_CERT_FILE", "PIP_CERT")]
    buildah("config", *(one for pair in trusts for one in pair), base)
    buildah("commit", "--quiet", "--rm", base, "localhost/base")
    arguments = ("--build-arg", "BASE=localhost/base", "--build-arg", f"UID={RUNNER_UID}")
    buildah("build", "--quiet", "--isolation", "chroot", *arguments, "--tag", NAME, ROOT)
    return NAME
