"""The runner's image: made by the Dockerfile on a base of Debian that is made here, and a whole trial in it.

The trial has a network of its own with nothing but loopback in it, so it can neither reach nor need another one.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration
ROOT = Path(__file__).parents[3]
SUITE = "bookworm"  # the oldest Debian that is supported
BASE_PACKAGES = "python3,python3-venv,ca-certificates"
# Whose certificates the machine trusts (its package index may be a mirror with its own), and where a base keeps them.
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
BUILD_S_MAX = 400.0
TRIAL_S_MAX = 300.0
RUNNER_UID = 1000


@dataclass(frozen=True)
class Buildah:
    """Its commands, over a storage of their own."""

    folder: Path

    def __call__(self, *argv, timeout: float = BUILD_S_MAX, check: bool = True) -> subprocess.CompletedProcess[str]:
        storage = ("--root", self.folder / "root", "--runroot", self.folder / "run", "--storage-driver", "vfs")
        done = subprocess.run(
            ["buildah", *map(str, (*storage, *argv))],
            cwd=self.folder, capture_output=True, text=True, timeout=timeout, check=False,
        )  # fmt: skip
        assert done.returncode == 0 or not check, f"{argv}\n{done.stdout[-2000:]}{done.stderr[-4000:]}"
        return done


@pytest.fixture(scope="module")
def buildah(tmp_path_factory) -> Iterator[Buildah]:
    """Containers and images are taken away again, also after a failure: they are some gigabytes."""
    folder = tmp_path_factory.mktemp("buildah")
    tool = Buildah(folder)
    yield tool
    for argv in (("rm", "--all"), ("rmi", "--all", "--force")):
        tool(*argv)
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def image(buildah) -> str:
    """The name of the runner's image, built of this tree."""
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
    buildah("build", "--quiet", "--isolation", "chroot", *arguments, "--tag", "localhost/harness", ROOT)
    return "localhost/harness"


@pytest.fixture
def container(buildah, image) -> Iterator[str]:
    name = buildah("from", image).stdout.strip()
    yield name
    buildah("rm", name)


def configured(buildah: Buildah, image: str) -> dict[str, list[str]]:
    return json.loads(buildah("inspect", "--type", "image", image).stdout)["OCIv1"]["config"]


def test_image_has_all_that_a_trial_needs(buildah, image, container):
    """The doctor finds every part, as a user who is not root, and the image starts the demo by itself."""
    config = configured(buildah, image)
    assert (["tini", "--", "harness"], ["demo"], "harness") == (config["Entrypoint"], config["Cmd"], config["User"])
    said = buildah("run", container, "--", "sh", "-c", "id -u && harness doctor", timeout=60.0).stdout.splitlines()
    assert (str(RUNNER_UID), "doctor: everything that a trial needs is there") == (said[0], said[-1])
    assert any(line.split()[:2] == ["ok", "prometheus"] and line.endswith("/usr/bin/prometheus") for line in said)


def test_trial_in_the_image(buildah, image, container, tmp_path):
    """A whole trial as the image starts it, as process 1 of its own and without a network, is PASS; its run directory
    is outside, belongs to the one who was named, and comes out the same when it is judged there."""
    reports = tmp_path / "reports"
    reports.mkdir()
    os.chown(reports, RUNNER_UID, RUNNER_UID)
    start = configured(buildah, image)["Entrypoint"]
    isolated = ("--isolation", "oci", "--network", "none", "--volume", f"{reports}:/work/reports")
    trial = ("run", "canary-5xx-one-step")
    done = buildah("run", *isolated, container, "--", *start, *trial, timeout=TRIAL_S_MAX, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (run_dir,) = (one for one in reports.iterdir() if not one.is_symlink())
    assert done.stdout.splitlines()[-1] == f"verdict: PASS reports/{run_dir.name}"
    assert {RUNNER_UID} == {one.stat().st_uid for one in (run_dir, run_dir / "findings.json", run_dir / "SEAL")}
    before = (run_dir / "findings.json").read_bytes()
    again = subprocess.run(
        [sys.executable, "-m", "harness.cli.main", "judge", str(run_dir)],
        cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert again.returncode == 0, again.stdout + again.stderr
    assert before == (run_dir / "findings.json").read_bytes()
