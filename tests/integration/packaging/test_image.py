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

import pytest

from tests import runner_image
from tests.runner_image import ROOT, RUNNER_UID, Buildah

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1500)]
TRIAL_S_MAX = 300.0
# Namespaces of its own. Any other network would be a bridge with its firewall rules on this machine, for good.
ALONE = ("--isolation", "oci", "--network", "none")


@pytest.fixture(scope="module")
def buildah(tmp_path_factory) -> Iterator[Buildah]:
    folder = tmp_path_factory.mktemp("buildah")
    tool = Buildah(folder)
    try:
        yield tool
        tool.clear()
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def image(buildah) -> str:
    """The name of the runner's image, built of this tree."""
    return runner_image.build(buildah)


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
    asked = ("sh", "-c", "id -u && harness doctor")
    said = buildah("run", *ALONE, container, "--", *asked, timeout=60.0).stdout.splitlines()
    assert (str(RUNNER_UID), "doctor: everything that a trial needs is there") == (said[0], said[-1])
    assert any(line.split()[:2] == ["ok", "prometheus"] and line.endswith("/usr/bin/prometheus") for line in said)


def test_trial_in_the_image(buildah, image, container, tmp_path):
    """A whole trial as the image starts it, as process 1 of its own and without a network, is PASS; its run directory
    is outside, belongs to the one who was named, and comes out the same when it is judged there."""
    reports = tmp_path / "reports"
    reports.mkdir()
    os.chown(reports, RUNNER_UID, RUNNER_UID)
    start = configured(buildah, image)["Entrypoint"]
    volume = ("--volume", f"{reports}:/drill/reports")
    trial = ("run", "canary-5xx-one-step")
    done = buildah("run", *ALONE, *volume, container, "--", *start, *trial, timeout=TRIAL_S_MAX, check=False)
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
