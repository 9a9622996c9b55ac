"""Images without a registry: made here, kept as archives beside the programs, loaded into containerd."""

from __future__ import annotations

import hashlib
import io
import json
import platform
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import Final

from tests import runner_image
from tests.cluster.throwaway.layout import ROOT, Layout
from tests.cluster.throwaway.parts import PAUSE_IMAGE

RUNNER_IMAGE: Final = "localhost/harness:test"
# What holds a pod's namespaces: it sleeps, reaps, and ends when told to.
_PAUSE_C: Final = r"""
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
static void end(int number) { (void)number; _exit(0); }
static void reap(int number) { (void)number; while (waitpid(-1, NULL, WNOHANG) > 0) {} }
int main(void) {
  signal(SIGINT, end); signal(SIGTERM, end); signal(SIGCHLD, reap);
  for (;;) pause();
}
"""


def folder(layout: Layout) -> Path:
    return layout.programs / "images"


def pause(layout: Layout) -> Path:
    """The archive of the image that every pod starts with."""
    archive = folder(layout) / "pause.tar"
    if archive.exists():
        return archive
    archive.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        source, program = Path(scratch) / "pause.c", Path(scratch) / "pause"
        source.write_text(_PAUSE_C)
        subprocess.run(["cc", "-Os", "-static", "-o", program, source], timeout=60, check=True)
        _write_archive(archive, PAUSE_IMAGE, {"pause": program.read_bytes()}, ["/pause"])
    return archive


def runner(layout: Layout) -> Path:
    """The archive of the runner's image, which has PortTrack in both releases; made anew when what is in it changes."""
    archive = folder(layout) / f"harness-{_context_hash()}.tar"
    if archive.exists():
        return archive
    for older in folder(layout).glob("harness-*"):
        older.unlink()
    with tempfile.TemporaryDirectory() as scratch:
        buildah = runner_image.Buildah(Path(scratch))
        try:
            name = runner_image.build(buildah)
            buildah("push", "--quiet", name, f"docker-archive:{scratch}/image.tar:{RUNNER_IMAGE}")
            shutil.copy(Path(scratch) / "image.tar", archive.with_suffix(".partial"))
        finally:
            buildah.clear()
    archive.with_suffix(".partial").rename(archive)
    return archive


def _context_hash() -> str:
    """Of every file that the image is made of, or by."""
    named = (
        ".dockerignore",
        "Dockerfile",
        "tests/runner_image.py",
        "pyproject.toml",
        "uv.lock",
        "README.md",
        "LICENSE",
    )
    folders = ("harness", "target-app", "experiments", "locustfiles")
    files = [ROOT / name for name in named]
    files += [path for name in folders for path in (ROOT / name).rglob("*") if path.is_file()]
    digest = hashlib.sha256()
    for path in sorted(path for path in files if "__pycache__" not in path.parts):
        digest.update(str(path.relative_to(ROOT)).encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def _write_archive(archive: Path, name: str, files: dict[str, bytes], entrypoint: list[str]) -> None:
    """An image of one layer in the format of `docker save`."""
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        for path, content in files.items():
            _add(tar, path, content, 0o755)
    config = json.dumps(
        {
            "architecture": {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine()),
            "os": "linux",
            "config": {"Entrypoint": entrypoint},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer.getvalue()).hexdigest()}"]},
        }
    ).encode()
    manifest = [{"Config": "config.json", "RepoTags": [name], "Layers": ["layer.tar"]}]
    partial = archive.with_suffix(".partial")
    with tarfile.open(partial, "w") as tar:
        _add(tar, "layer.tar", layer.getvalue())
        _add(tar, "config.json", config)
        _add(tar, "manifest.json", json.dumps(manifest).encode())
    partial.rename(archive)


def _add(tar: tarfile.TarFile, path: str, content: bytes, mode: int = 0o644) -> None:
    entry = tarfile.TarInfo(path)
    entry.size, entry.mode = len(content), mode
    tar.addfile(entry, io.BytesIO(content))


def load(layout: Layout, archive: Path) -> None:
    """The image of an archive into the cluster's containerd: a second for `pause`, half a minute for the runner's."""
    ctr = [str(layout.debian / "usr/bin/ctr"), "--address", str(layout.state / "containerd.sock"), "-n", "k8s.io"]
    done = subprocess.run(
        [*ctr, "images", "import", "--all-platforms", str(archive)],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{archive}: {done.stderr}"
