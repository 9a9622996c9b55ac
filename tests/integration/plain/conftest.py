"""A real Prometheus that scrapes a small exporter twice a second, and a small service that stores items."""

from __future__ import annotations

import http.server
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

from harness.drive.guard.client import await_condition
from harness.drive.stack import binaries, ports
from harness.drive.stack.binaries import Given

CACHE = Path(__file__).parents[3] / ".cache"
PACE = threading.Event()  # never set
WAIT_S_MAX = 30.0


def alert(name: str, expression: str, **labels: str) -> dict:
    return {"alert": name, "expr": expression, "labels": labels}


RULES = [
    alert("CanaryErrorRatioHigh", "errors > 0", track="canary"),
    # Two metrics with the same labels and no name left: every evaluation is an error.
    alert("Broken", 'rate({__name__=~"errors|http_requests_total"}[5s]) * 1 + -{__name__=~"errors|idle"} > 0'),
]


@dataclass
class Exported:
    """What the exporter says. Each scrape adds `per_scrape` to a track's counter, which is traffic."""

    errors: int = 0
    per_scrape: dict[str, int] = field(default_factory=lambda: {"stable": 10, "canary": 0})
    counters: dict[str, int] = field(default_factory=lambda: {"stable": 1000, "canary": 1000})
    silent: set[str] = field(default_factory=set)  # tracks whose counter is not told

    def text(self) -> str:
        for track, count in self.per_scrape.items():
            self.counters[track] += count
        told = {track: count for track, count in self.counters.items() if track not in self.silent}
        lines = [f'http_requests_total{{track="{track}"}} {count}' for track, count in told.items()]
        return "\n".join([f"errors {self.errors}", "idle 0", *lines, ""])


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers GET by the server's `answer(path) -> (status, text)`."""

    def do_GET(self) -> None:
        status, text = self.server.answer(self.path)
        body = text.encode()
        self.send_response(status)
        self.send_header("content-type", "text/plain; version=0.0.4")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        pass


def served(port: int, answer: Callable[[str], tuple[int, str]]) -> Iterator[str]:
    """A server on loopback; gives its URL, and ends with the generator."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    server.answer = answer
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join(5)


@pytest.fixture(scope="module")
def exported() -> Exported:
    """What the exporter says now; a test that changes it changes it back."""
    return Exported()


@pytest.fixture(scope="module")
def prometheus(exported, tmp_path_factory) -> Iterator[str]:
    """The URL of a Prometheus that has seen 5 s of the exporter."""
    program = binaries.locate_one("prometheus", Given(), CACHE)
    assert program, binaries.NEXT_STEPS["prometheus"]
    folder = tmp_path_factory.mktemp("prometheus")
    with ports.reserve(2, CACHE / "ports") as lease:
        exporter_port, port = lease.ports
        (folder / "rules.yaml").write_text(
            yaml.safe_dump({"groups": [{"name": "all", "interval": "500ms", "rules": RULES}]})
        )
        scrape = {"job_name": "exporter", "static_configs": [{"targets": [f"127.0.0.1:{exporter_port}"]}]}
        document = {
            "global": {"scrape_interval": "500ms", "scrape_timeout": "500ms", "evaluation_interval": "500ms"},
            "rule_files": ["rules.yaml"],
            "scrape_configs": [scrape],
        }
        (folder / "prometheus.yaml").write_text(yaml.safe_dump(document))
        options = [f"--config.file={folder / 'prometheus.yaml'}", f"--storage.tsdb.path={folder / 'data'}"]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [program, *options, f"--web.listen-address=127.0.0.1:{port}"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip
        try:
            for _ in served(exporter_port, lambda path: (200, exported.text())):
                # Ten scrapes from the first one on.
                assert await_condition(lambda: exported.counters["stable"] >= 1100, WAIT_S_MAX), folder / "log"
                yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(10)


@dataclass
class Items:
    """A service at `url`: `stored` identifiers are there, `broken` ones answer 503, and `asked` is what was asked."""

    url: str = ""
    stored: set[str] = field(default_factory=set)
    broken: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)
    catches_all: bool = False
    hold_s: float = 0.0  # how long each answer takes
    at_once: int = 0
    at_once_max: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, path: str) -> tuple[int, str]:
        identifier = path.removeprefix("/items/")
        with self.lock:
            self.asked.append(path)
            self.at_once += 1
            self.at_once_max = max(self.at_once_max, self.at_once)
        try:
            PACE.wait(self.hold_s)
            if identifier in self.broken:
                return 503, "broken"
            return (200, "there") if self.catches_all or identifier in self.stored else (404, "no such item")
        finally:
            with self.lock:
                self.at_once -= 1


@pytest.fixture
def items() -> Iterator[Items]:
    """A service with the items 0 to 99."""
    found = Items(stored={str(index) for index in range(100)})
    for url in served(0, found.answer):
        found.url = url
        yield found
