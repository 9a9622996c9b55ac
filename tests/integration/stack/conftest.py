"""A small starter for the local stack and a webhook recorder; the guard's place in these tests.

It honours `after`, `run_once`, `ready_url` and `ready_argv`, is bounded everywhere and ends every process it started.
"""

from __future__ import annotations

import http.server
import json
import os
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from harness import clock
from harness.drive.stack import binaries, local, ports
from harness.drive.stack.binaries import Binaries, Given
from harness.drive.stack.spec import ProcessSpec, StackSpec
from harness.plan.experiment import Rollout
from harness.plan.target import Headers, Part, Stack, Target, Versions
from porttrack.kit import PortTrackKit

ROOT = Path(__file__).parents[3]
CACHE = ROOT / ".cache"
PACE = threading.Event()  # never set: a pause between two looks
STANDINS = Path(__file__).parent / "standins"
TARGET = Target(
    name="local",
    stack=Stack(kind="local", stable_instances=2),
    router=Part(kind="envoy"),
    controller=Part(kind="stepper"),
    alerts=Part(kind="prometheus"),
    kit="porttrack",
    versions=Versions(stable="1.0", canary="1.1"),
    headers=Headers(
        version="x-porttrack-version",
        instance="x-porttrack-instance",
        track="x-track",
        fault="x-fault-injected",
    ),
    allow_receivers=("stepper", "harness-recorder"),
)


@pytest.fixture(scope="session")
def found_binaries() -> Binaries:
    """What was fetched before; these tests download nothing, and the error names what fetches it."""
    return binaries.find(Given(), CACHE)


class Starter:
    """Processes of one spec. `start` returns when all are ready; `stop` ends them, dependants first."""

    def __init__(self, spec: StackSpec, run_dir: Path, python_path: str) -> None:
        self.spec = spec
        self.python_path = python_path
        self.run_dir = run_dir
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, s_max: float) -> None:
        for name, text in self.spec.files.items():
            place = self.run_dir / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text)
        for folder in ("logs", "timeline"):
            (self.run_dir / folder).mkdir()
        give_up_ns = clock.monotonic_ns() + int(s_max * clock.NS_PER_S)
        ready: set[str] = set()
        while len(ready) < len(self.spec.processes):
            assert clock.monotonic_ns() < give_up_ns, f"not ready: {set(self.running) - ready}; {self.log_ends()}"
            for process in self.spec.processes:
                if process.name not in self.running and set(process.after) <= ready:
                    self.running[process.name] = self.spawn(process)
                elif process.name in self.running and process.name not in ready and self.is_ready(process):
                    ready.add(process.name)
            PACE.wait(0.02)

    def spawn(self, process: ProcessSpec) -> subprocess.Popen[bytes]:
        with (self.run_dir / "logs" / f"{process.name}.log").open("ab") as log:
            return subprocess.Popen(
                process.argv,
                env={"PATH": os.environ["PATH"], "PYTHONPATH": self.python_path, **process.env},
                cwd=process.cwd or self.run_dir,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def is_ready(self, process: ProcessSpec) -> bool:
        code = self.running[process.name].poll()
        if process.run_once:
            assert code in {None, 0}, f"{process.name}: exit code {code}; {self.log_ends()}"
            return code == 0
        assert code is None, f"{process.name}: ended with {code}; {self.log_ends()}"
        if process.ready_argv:
            return subprocess.run(process.ready_argv, timeout=5, capture_output=True, check=False).returncode == 0
        return answers(process.ready_url)

    def stop(self) -> dict[str, int]:
        """Name -> exit code of every process that served."""
        levels: dict[str, int] = {}
        for process in self.spec.processes:
            levels[process.name] = 1 + max((levels.get(name, 0) for name in process.after), default=0)
        for process in sorted(self.spec.processes, key=lambda item: -levels[item.name]):
            started = self.running.get(process.name)
            if started is None or started.poll() is not None:
                continue
            started.send_signal(process.stop_signal)
            try:
                started.wait(process.stop_s_max)
            except subprocess.TimeoutExpired:
                started.kill()
                started.wait(5)
        return {name: process.returncode for name, process in self.running.items()}

    def log_ends(self) -> dict[str, str]:
        return {log.name: log.read_text(errors="replace")[-500:] for log in (self.run_dir / "logs").glob("*.log")}


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=1) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False


class Recorder(http.server.ThreadingHTTPServer):
    """Keeps (t_ns, path, body) of every POST."""

    daemon_threads = True

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.told: list[tuple[int, str, dict]] = []
        self.arrived = threading.Condition()

    def about(self, alert: str) -> list[tuple[int, str, dict]]:
        """What was told about this alert."""
        return [told for told in self.told if told[2]["groupLabels"]["alertname"] == alert]

    def wait_for(self, alert: str, status: str, s_max: float) -> tuple[int, str, dict]:
        """The first notification about it with this status; an assertion error after `s_max`."""

        def first():
            return next((told for told in self.about(alert) if told[2]["status"] == status), None)

        with self.arrived:
            assert self.arrived.wait_for(first, timeout=s_max), (
                f"{alert}: no {status} notification within {s_max} s: {self.told}"
            )
            return first()


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Recorder

    def do_POST(self) -> None:
        t_ns = clock.monotonic_ns()
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        with self.server.arrived:
            self.server.told.append((t_ns, self.path, body))
            self.server.arrived.notify_all()
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *arguments: object) -> None:
        pass


@dataclass(frozen=True)
class Running:
    """A stack that serves."""

    spec: StackSpec
    run_dir: Path
    recorder: Recorder
    starter: Starter
    ready_s: float


@pytest.fixture(name="spec_in", scope="session")
def _spec_in(found_binaries: Binaries) -> Callable[[Path, Sequence[int]], StackSpec]:
    """The spec of the whole stack in a run directory, on these ports."""

    def build(run_dir: Path, chosen: Sequence[int]) -> StackSpec:
        return local.build(
            TARGET,
            Rollout(steps=(50, 100), step_s=60.0),
            PortTrackKit(),
            paths=local.Paths(run_dir=run_dir, scratch_dir=run_dir / "scratch"),
            binaries=found_binaries,
            ports=chosen,
            token="a token of the test",
            python=sys.executable,
            as_root=os.geteuid() == 0,
        )

    return build


@contextmanager
def running(build: Callable[[Path, Sequence[int]], StackSpec], run_dir: Path, python_path: str) -> Iterator[Running]:
    """The whole local stack and a recorder, until the block is left."""
    with ports.reserve(local.port_count(TARGET, PortTrackKit()), CACHE / "ports") as lease:
        spec = build(run_dir, lease.ports)
        recorder = Recorder(urlsplit(spec.endpoints.recorder_url).port)
        thread = threading.Thread(target=recorder.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        starter = Starter(spec, run_dir, python_path)
        begun_ns = clock.monotonic_ns()
        try:
            starter.start(s_max=60)
            yield Running(spec, run_dir, recorder, starter, (clock.monotonic_ns() - begun_ns) / clock.NS_PER_S)
        finally:
            starter.stop()
            recorder.shutdown()
            recorder.server_close()
            thread.join(5)


@pytest.fixture(scope="module")
def stack(spec_in, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The whole local stack, with stand-ins for the service, which break as a test wants."""
    with running(spec_in, tmp_path_factory.mktemp("run"), str(STANDINS)) as found:
        yield found


@pytest.fixture(scope="module")
def porttrack_stack(spec_in, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The whole local stack with PortTrack itself."""
    with running(spec_in, tmp_path_factory.mktemp("run"), "") as found:
        yield found
