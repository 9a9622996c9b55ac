"""A real HTTP service on loopback that behaves by path, and a kit found the way every kit is found."""

import json
import os
import socket
import socketserver
import struct
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import pytest

from harness.drive.load.plan import LoadPlan, Timeouts, encode, process_spec
from harness.plan.target import Headers, Versions

HEADERS = Headers(version="x-app-version", instance="x-app-instance", track="x-track", fault="x-fault")
VERSIONS = Versions(stable="1.0", canary="1.1")

KIT = '''
from harness.drive.target.port import OperationKind, Profile, Request

KINDS = (OperationKind("write", 0.5, True), OperationKind("read", 0.5, False))


class Load:
    """Writes and reads of one key; `seq` is the schedule's index."""

    def __init__(self, fails_at):
        self.fails_at = fails_at
        self.asked = -1

    def request(self, index, kind, offset_s, op_id):
        assert index == self.asked + 1, f"asked for {index} after {self.asked}"
        self.asked = index
        if index == self.fails_at:
            raise RuntimeError(f"no request {index}")
        if kind == "write":
            return Request("POST", "/ok", key="k", seq=index, body=b"x", payload_hash=f"h{index}")
        return Request("GET", "/ok")


class Kit:
    name = "fake"
    profiles = {
        "M": Profile("M", 100.0, 20, KINDS),
        "slow": Profile("slow", 0.001, 1, KINDS),
        "broken": Profile("broken", 100.0, 20, KINDS),
    }

    def build_load(self, profile, seed):
        return Load(fails_at=40 if profile.name == "broken" else -1)
'''

LOCUSTFILE = """
from harness.drive.load.user import build_user
from harness.plan.target import Headers, Versions

Fake = build_user(
    "fake", Headers("x-app-version", "x-app-instance", "x-track", "x-fault"), Versions("1.0", "1.1")
)
"""

OK_HEAD = "HTTP/1.1 {status} X\r\nContent-Length: 2\r\nx-app-version: 1.1\r\nx-app-instance: c1\r\n{extra}\r\nok"


class Service:
    """Answers by path, counts what reaches it as (method, path), and can be frozen."""

    def __init__(self):
        service = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                service.connections += 1
                try:
                    while service.one(self.connection, self.rfile):
                        pass
                except OSError:
                    return  # the client killed its connection, as some tests want

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = True
            request_queue_size = 1024

        self.seen = Counter()
        self.op_ids = []
        self.connections = 0
        self.awaited = {}
        self.thawed = threading.Event()
        self.thawed.set()
        self.on_request = lambda total: None
        self.lock = threading.Lock()
        self.server = Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02})
        self.thread.start()

    def one(self, connection, rfile):
        """Read one request and behave; whether the connection goes on."""
        line = rfile.readline().decode()
        if not line:
            return False
        method, path, _ = line.split()
        head = {}
        for raw in iter(rfile.readline, b"\r\n"):
            name, _, value = raw.decode().partition(":")
            head[name.strip().lower()] = value.strip()
        rfile.read(int(head.get("content-length", 0)))
        with self.lock:
            self.seen[method, path] += 1
            self.op_ids.append(head.get("x-request-id"))
            total = self.seen.total()
            if total in self.awaited:
                self.awaited[total].set()
        self.on_request(total)
        self.thawed.wait(30)
        return self.behave(connection, path)

    def behave(self, connection, path):
        if path == "/drop":
            return False
        if path == "/reset":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()
            return False
        if path == "/truncate":
            connection.sendall(OK_HEAD.format(status=200, extra="").replace("Length: 2", "Length: 50").encode())
            return False
        if path == "/drip":
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
            for _ in range(1000):
                connection.sendall(b".")
                if threading.Event().wait(0.05):
                    break
            return True
        status = path.rpartition("/")[2] if path.startswith("/status/") else "200"
        extra = "x-fault: http_5xx\r\n" if path.startswith("/status/marked/") else ""
        connection.sendall(OK_HEAD.format(status=status, extra=extra).encode())
        return True

    def at_request(self, total):
        """An event that is set when the service has seen so many requests."""
        return self.awaited.setdefault(total, threading.Event())

    def close(self):
        self.thawed.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(10)


@pytest.fixture
def service():
    made = Service()
    yield made
    made.close()


@pytest.fixture
def kit_path(tmp_path):
    """A folder to put on PYTHONPATH: the kit `fake`, registered as an installed package would be."""
    folder = tmp_path / "site"
    info = folder / "fake_kit-1.0.dist-info"
    info.mkdir(parents=True)
    (folder / "fake_kit.py").write_text(KIT)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: fake-kit\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[harness.targets]\nfake = fake_kit:Kit\n")
    return folder


class Locust:
    """Starts locust as its own process, as the guard would, and ends it whatever the test does."""

    def __init__(self, kit_path, tmp_path):
        self.environment = {**os.environ, "PYTHONPATH": str(kit_path)}
        folder = tmp_path / "locustfiles"
        folder.mkdir()
        self.locustfile = folder / "fake_kit.py"  # named like the kit's module, as locustfiles/porttrack.py is
        self.locustfile.write_text(LOCUSTFILE)
        self.cwd = tmp_path
        self.started = []

    def _popen(self, argv, **extra):
        process = subprocess.Popen(
            argv,
            cwd=self.cwd,
            env={**self.environment, **extra},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.started.append(process)
        return process

    def alone(self, *options):
        return self._popen((sys.executable, "-m", "locust", "-f", str(self.locustfile), "--headless", *options))

    def trial(self, plan):
        path = Path(plan.run_dir) / "load-plan.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(encode(plan))
        spec = process_spec(plan, str(path))
        return self._popen(spec.argv, **spec.env)

    def until(self, process, event):
        """Wait for an event of the service; a load that does not get there is shown with what it said."""
        if event.wait(20):
            return
        process.kill()
        output, errors = process.communicate(timeout=10)
        pytest.fail(f"the service never saw that many requests; the load said:\n{output}{errors}")

    def close(self):
        for process in self.started:
            if process.poll() is None:
                process.kill()
            process.communicate(timeout=10)


@pytest.fixture
def locust(kit_path, tmp_path):
    made = Locust(kit_path, tmp_path)
    yield made
    made.close()


@pytest.fixture
def plan(service, tmp_path):
    """A trial's load plan: profile M of the fake kit, 100 requests/s over 20 users."""
    return LoadPlan(
        run_id="t-1",
        run_dir=str(tmp_path / "run"),
        kit="fake",
        profile="M",
        seed=3,
        users=20,
        seconds_max=60.0,
        service_url=service.url,
        headers=HEADERS,
        versions=VERSIONS,
        timeouts=Timeouts(connect_s=1.0, network_s=5.0, total_s=8.0),
    )


@pytest.fixture
def timeline(tmp_path):
    """Reads the load's timeline as a list of dicts."""

    def read(run_dir=None):
        path = Path(run_dir or tmp_path / "run") / "timeline" / "load.ndjson"
        return [json.loads(line) for line in path.read_text().splitlines()]

    return read
