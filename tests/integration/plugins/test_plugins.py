"""Adapters of somebody else's package, found by entry points: those of the walks in CONTRIBUTING.md, as they stand
there, and one each for controllers, alerts and targets.

The package is installed nowhere; it lies on the path, with its dist-info, as one's own would while it is tried.
"""

from __future__ import annotations

import ast
import http.server
import importlib
import json
import os
import re
import shutil
import socket
import socketserver
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import uvicorn
import yaml

from harness.drive import alerts, faults, rollout, target, traffic
from harness.drive.stack.spec import Endpoints
from harness.drive.target.port import Instance
from harness.errors import DriveError, UsageError
from porttrack.control import build_control
from porttrack.faults import FaultAnswer, Faults
from porttrack.metrics import Metrics

pytestmark = pytest.mark.integration
HERE = Path(__file__).parent
ROOT = Path(__file__).parents[3]
NOTES = ROOT / "tests" / "integration" / "trial" / "second_target" / "site"
RUN_S_MAX = 120.0
NOWHERE = Endpoints(*[""] * 9, instances=())
KINDS = {"router": "haproxy", "controller": "phases", "alerts": "prefixed"}


@dataclass(frozen=True)
class Walk:
    """What CONTRIBUTING.md tells a newcomer to write: files by name, entry points by group, the fault's arguments."""

    files: dict[str, str] = field(default_factory=dict)
    points: dict[str, dict[str, str]] = field(default_factory=dict)
    arguments: dict[str, object] = field(default_factory=dict)


def walk() -> Walk:
    """Every fence of the walks; the name of a file is the last one in the text before its fence."""
    text = (ROOT / "CONTRIBUTING.md").read_text()
    found, at = Walk(), 0
    for fence in re.finditer(r"^```(\w+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        before, at = text[at : fence.start()], fence.end()
        if fence[1] == "python":
            found.files[re.findall(r"`drill_extras/(\w+\.py)`", before)[-1]] = fence[2]
        if fence[1] == "toml":
            found.points.update(tomllib.loads(fence[2])["project"]["entry-points"])
        if fence[1] == "yaml":
            found.arguments.update(yaml.safe_load(fence[2]))
    return found


@pytest.fixture
def package(tmp_path) -> Path:
    """The folder in which the package lies, with the files of the walks."""
    folder = tmp_path / "site"
    shutil.copytree(HERE / "site", folder, ignore=shutil.ignore_patterns("__pycache__"))
    told = walk()
    for name, code in told.files.items():
        (folder / "drill_extras" / name).write_text(code)
    with (folder / "drill_extras-1.dist-info" / "entry_points.txt").open("a") as points:
        for group, names in told.points.items():
            points.write(f"\n[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in names.items()))
    return folder


@pytest.fixture
def on_path(package, monkeypatch) -> Iterator[Path]:
    """The package on the path of this process, and off it again."""
    for folder in (NOTES, package):
        monkeypatch.syspath_prepend(str(folder))
    importlib.invalidate_caches()
    yield package
    for name in [name for name in sys.modules if name.partition(".")[0] in {"drill_extras", "notes"}]:
        del sys.modules[name]


@pytest.fixture
def hang(tmp_path) -> Path:
    """The experiment of the walk: canary-latency with the arguments that stand there."""
    document = yaml.safe_load((ROOT / "experiments" / "canary-latency.yaml").read_text())
    (inject,) = (one for one in document["method"] if one["provider"]["func"] == "inject")
    inject["provider"]["arguments"] = walk().arguments
    (tmp_path / "targets").mkdir()
    shutil.copy(ROOT / "experiments" / "targets" / "local.yaml", tmp_path / "targets")
    path = tmp_path / "hang.yaml"
    path.write_text(yaml.safe_dump(document, sort_keys=False))
    return path


def dry_run(experiment: Path, *folders: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "harness.cli.main", "run", str(experiment), "--dry-run"],
        cwd=experiment.parent,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, folders))},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=RUN_S_MAX,
        check=False,
    )


def changed(path: Path, old: str, new: str) -> None:
    """The file with one text in the place of another, which must be there."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def code_lines(code: str) -> int:
    """Lines within classes and functions that are neither blank nor part of a docstring."""
    tree = ast.parse(code)
    bodies = [one for one in ast.walk(tree) if isinstance(one, ast.ClassDef | ast.FunctionDef)]
    told = [one.body[0] for one in bodies if ast.get_docstring(one)]
    silent = {line for one in told for line in range(one.lineno, (one.end_lineno or one.lineno) + 1)}
    lines = {line for one in bodies for line in range(one.lineno, (one.end_lineno or one.lineno) + 1)}
    return sum(bool(code.splitlines()[line - 1].strip()) for line in lines - silent)


def test_walks_are_short():
    """Two files, a fault and a router, each of some twenty lines of code; two entry points."""
    told = walk()
    assert {"hang.py", "haproxy.py"} == set(told.files)
    assert {} == {name: code_lines(code) for name, code in told.files.items() if not 5 < code_lines(code) <= 24}
    assert {"harness.faults": ["hang"], "harness.routers": ["haproxy"]} == {
        group: [*names] for group, names in told.points.items()
    }


# -- the fault ---------------------------------------------------------------------------------------------------------


def test_experiment_uses_the_fault(hang, package):
    """A dry run takes it, says what it would do and how it would be taken back."""
    done = dry_run(hang, package)
    assert 0 == done.returncode, done.stderr
    assert "hang at the step 25 %: share 0.6, hang_s 2; ends by itself after 60 s" in done.stdout
    assert re.search(r"in canary-1, taken back by DELETE http://127\.0\.0\.1:\d+/faults/latency", done.stdout)


def test_wrong_argument_of_the_fault_is_refused(hang, package):
    """Its own check speaks before anything is started, with the line of the file."""
    changed(hang, "hang_s: 2", "hang_s: 9")
    done = dry_run(hang, package)
    assert 64 == done.returncode
    assert re.search(r"hang\.yaml:\d+: .*: hang_s is 9, must be a number from 1 to 5", done.stderr), done.stderr


def test_fault_is_unknown_off_the_path(hang):
    """Without the package the kind is refused, and the known ones are listed."""
    done = dry_run(hang)
    assert 64 == done.returncode
    assert "is 'hang'; known: ack_not_stored, http_5xx, latency" in done.stderr


@contextmanager
def control_port(injector: Faults) -> Iterator[Instance]:
    """PortTrack's own control port."""
    app = build_control("secret", injector, Metrics("1.1", [], ["latency"]))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off", ws="none"))
    listener = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield Instance("canary-1", "canary", "", control_url=f"http://127.0.0.1:{listener.getsockname()[1]}")
    finally:
        server.should_exit = True
        thread.join(5)
        listener.close()


def test_fault_goes_in_and_out_of_porttrack(on_path):
    """Injected, an answer waits two seconds; healed, and healed again, it does not."""
    injector = Faults(lambda: 100.0)
    with control_port(injector) as instance:
        fault = faults.build("hang")
        fault.inject(instance, "secret", 1.0, 60.0, {"hang_s": 2, "seed": 7})
        assert (True, FaultAnswer("latency", None, 2.0)) == (
            fault.active(instance, "secret"),
            injector.before_handler(),
        )
        fault.heal(instance, "secret")
        fault.heal(instance, "secret")
        assert (False, None) == (fault.active(instance, "secret"), injector.before_handler())
    with pytest.raises(UsageError, match="hang_s is missing"):
        fault.check({})


# -- the router --------------------------------------------------------------------------------------------------------


class RuntimeApi(socketserver.ThreadingTCPServer):
    """The words of HAProxy's runtime API that a router needs, answered as HAProxy 2.6 answers them."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Commands)
        self.weights = {"app/stable": 100, "app/canary": 0}

    def answer(self, command: str) -> str:
        verb, _, server, *value = command.split()
        if server not in self.weights:
            return "No such server.\n\n"
        if verb == "set":
            self.weights[server] = int(value[0])
            return "\n"
        return f"{self.weights[server]} (initial 100)\n\n"


class _Commands(socketserver.StreamRequestHandler):
    server: RuntimeApi

    def handle(self) -> None:
        line = self.rfile.readline().decode()
        self.wfile.write("".join(map(self.server.answer, line.split(";"))).encode())


@contextmanager
def serving(server: socketserver.TCPServer) -> Iterator[str]:
    """Its URL, while it serves."""
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join(5)
        server.server_close()


def test_router_sets_and_reads(on_path):
    """What was set is what is read, as a share of both weights, and the read is bracketed."""
    assert "haproxy" in traffic.known()
    with serving(RuntimeApi()) as url:
        router = traffic.build("haproxy", replace(NOWHERE, router_admin_url=url))
        assert 0.0 == router.read_weight().weight
        router.set_weight(25)
        read = router.read_weight()
        assert (25.0, True) == (read.weight, 0 < read.lo_ns <= read.hi_ns)
        router.close()


def test_router_that_is_not_what_it_should_be(on_path):
    """Nobody there, or other servers: DriveError with the address, never a weight of 0."""
    server = RuntimeApi()
    server.weights = {"app/blue": 100}
    with serving(server) as url:
        router = traffic.build("haproxy", replace(NOWHERE, router_admin_url=url))
        with pytest.raises(DriveError, match=r"No such server.*are app/stable and app/canary there"):
            router.read_weight()
        with pytest.raises(DriveError, match="No such server"):
            router.set_weight(25)
        server.weights = {"app/stable": 0, "app/canary": 0}
        with pytest.raises(DriveError, match="both weights are 0"):
            router.read_weight()
    with pytest.raises(DriveError, match="is HAProxy up"):
        router.read_weight()


# -- controllers, alerts, targets --------------------------------------------------------------------------------------


class Elsewhere(http.server.ThreadingHTTPServer):
    """A rollout at /rollout, and a Prometheus and an Alertmanager that are ready below their prefixes only."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Paths)
        self.rollout = {"percent": 0, "phase": "Paused"}


class _Paths(http.server.BaseHTTPRequestHandler):
    server: Elsewhere

    def do_GET(self) -> None:
        found = {"/rollout": self.server.rollout, "/prometheus/-/ready": {}, "/alertmanager/-/ready": {}}
        body = json.dumps(found.get(self.path, {})).encode()
        self.send_response(200 if self.path in found else 404)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        self.server.rollout = {"percent": 5, "phase": "Progressing"}
        self.do_GET()

    def log_message(self, format: str, *arguments: object) -> None:
        """Quiet."""


def test_controller_is_built_and_read(on_path):
    """It begins, its phase is a state of ours, and a phase that it does not know is an error."""
    server = Elsewhere()
    with serving(server) as url:
        controller = rollout.build("phases", replace(NOWHERE, controller_url=url))
        assert (0.0, "idle") == (controller.read().weight, controller.read().state)
        controller.start()
        assert (5.0, "progressing") == (controller.read().weight, controller.read().state)
        server.rollout = {"percent": 0, "phase": "Lost"}
        with pytest.raises(DriveError, match="phase 'Lost' is none of"):
            controller.read()
        controller.close()


def test_alerts_are_built_and_asked(on_path):
    """Both roles ask below their prefix, where alone somebody is ready."""
    with serving(Elsewhere()) as url:
        endpoints = replace(NOWHERE, prometheus_url=url, alertmanager_url=url)
        for kind, ready in (("prefixed", True), ("prometheus", False)):
            parts = alerts.build(kind, endpoints)
            assert (ready, ready) == (parts.metrics.ready(), parts.receivers.ready())
            parts.close()


def test_kit_is_loaded(on_path):
    """A kit of the package comes by its name, with what it is built with."""
    kit = target.load_kit("shelf", control_token="secret")
    assert ("shelf", "Bearer secret") == (kit.name, kit.headers["authorization"])


def test_target_names_them_all(hang, package):
    """A target with the package's router, controller, alerts and kit is taken as any other."""
    local = hang.parent / "targets" / "local.yaml"
    built_in = {"router": "envoy", "controller": "stepper", "alerts": "prometheus"}
    for part, kind in KINDS.items():
        changed(local, f"{part}: {{kind: {built_in[part]}}}", f"{part}: {{kind: {kind}}}")
    changed(local, "kit: porttrack", "kit: shelf")
    done = dry_run(hang, package, NOTES)
    assert 0 == done.returncode, done.stderr
    assert "it writes: keep_note" in done.stdout
    off = dry_run(hang)
    assert 64 == off.returncode
    named = [kind for kind in (*KINDS.values(), "shelf", "hang") if f"is {kind!r}" in off.stderr]
    assert [*KINDS.values(), "shelf", "hang"] == named
