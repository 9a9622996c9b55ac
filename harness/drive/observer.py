"""The observer: one process that watches the trial and changes nothing.

`python -m harness.drive.observer PLAN.json`, started by the guard. Threads, each with its own pace:

    recorder     a webhook receiver; every notification becomes notifications/<n>.json, as received
    router       the canary's weight in the router's live configuration, every 100 ms
    controller   the controller's own status, every 100 ms
    samples      raw Prometheus samples by range selector, every second and once more at the end
    alerts       alert states for the live view, every second; never for judgement
    host         CPU by process, every second

A poll that fails is an `observer_missed` event: what was not seen is evidence too. SIGTERM: one last fetch, then 0.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import msgspec
import psutil
import pyarrow as pa

from harness import clock
from harness.drive import alerts, rollout, traffic
from harness.drive.end_signals import EndSignals
from harness.drive.stack.spec import Endpoints
from harness.errors import DriveError
from harness.evidence import timeline
from harness.evidence.format import METRICS, Kind
from harness.evidence.timeline import TimelineWriter

POLL_S = 0.1
JOIN_S_MAX = 10.0
# What was not fetched dies with a Prometheus that dies, so as often as it scrapes and evaluates in a drill.
FETCH_S = 1.0
# Each fetch asks for what came since the last that worked and so much more, for samples that come late.
FETCH_OVERLAP_S = 4.0
SELECTOR = (
    '{__name__=~"ALERTS|ALERTS_FOR_STATE|up|http_requests_total|http_requests_in_flight|fault_injected_total'
    '|prometheus_rule_group_iterations_missed_total|.+:.+"}'
)
_BODY_MAX_BYTES = 1 << 20


class ObserverPlan(msgspec.Struct, frozen=True):
    """What to watch; written by the trial before the observer starts."""

    run_dir: str
    router_kind: str
    controller_kind: str
    alerts_kind: str
    recorder_port: int
    endpoints: Endpoints


class Recorder(ThreadingHTTPServer):
    """Keeps what it is sent, byte for byte, with the instant it came."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, port: int, folder: Path) -> None:
        super().__init__(("127.0.0.1", port), _RecorderHandler)
        self.folder = folder
        self.count = 0
        self.lock = threading.Lock()

    def keep(self, t_ns: int, receiver: str, body: bytes) -> None:
        """Write one notification, whole or not at all."""
        with self.lock:
            self.count += 1
            path = self.folder / f"{self.count:04d}-{receiver}.json"
        try:
            content: Any = json.loads(body)
        except ValueError:
            content = {"not_json": body.decode(errors="replace")}
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps({"t_ns": t_ns, "receiver": receiver, "body": content}))
        partial.rename(path)


class _RecorderHandler(BaseHTTPRequestHandler):
    server: Recorder

    def do_GET(self) -> None:
        """Ready when it answers."""
        self._answer(200)

    def do_POST(self) -> None:
        """One webhook; the receiver's name is the path's last part."""
        t_ns = clock.monotonic_ns()
        length = int(self.headers.get("content-length", 0))
        if length > _BODY_MAX_BYTES:
            self._answer(413)
            return
        receiver = self.path.strip("/").rsplit("/", 1)[-1] or "unnamed"
        self.server.keep(
            t_ns, "".join(c if c.isalnum() or c in "-_" else "_" for c in receiver), self.rfile.read(length)
        )
        self._answer(200)

    def _answer(self, status: int) -> None:
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *arguments: Any) -> None:
        """Keep the log for what went wrong."""


class Observer:
    """The threads and what they share: the timeline, the sample stream and the end."""

    def __init__(self, plan: ObserverPlan) -> None:
        self.run_dir = Path(plan.run_dir)
        self.timeline = TimelineWriter(self.run_dir, "observer")
        self.stopping = threading.Event()
        self.router = traffic.build(plan.router_kind, plan.endpoints)
        self.controller = rollout.build(plan.controller_kind, plan.endpoints)
        self.metrics = alerts.build(plan.alerts_kind, plan.endpoints).metrics
        for name in ("notifications", "metrics"):
            (self.run_dir / name).mkdir(exist_ok=True)
        self.recorder = Recorder(plan.recorder_port, self.run_dir / "notifications")
        self.samples_file = (self.run_dir / "metrics" / "samples.arrows").open("wb", buffering=0)
        self.samples = pa.ipc.new_stream(self.samples_file, METRICS)
        self.fetched_ns = clock.monotonic_ns()
        self.newest_ms: dict[tuple[str, str], int] = {}  # by name and labels; Prometheus takes samples in order only
        self.seen_alerts: dict[str, str] = {}
        self.processes: dict[str, psutil.Process] = {}

    def run(self, end: EndSignals) -> None:
        """Watch until the end is asked for."""
        threads = [
            self._thread("router", POLL_S, self.read_router),
            self._thread("controller", POLL_S, self.read_controller),
            self._thread("samples", FETCH_S, self.fetch_samples),
            self._thread("alerts", 1.0, self.see_alerts),
            self._thread("host", 1.0, self.sample_host),
        ]
        server = threading.Thread(target=self.recorder.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        server.start()
        end.wait()
        self.stopping.set()
        for thread in threads:
            thread.join(timeout=JOIN_S_MAX)
        self._observed("samples", self.fetch_samples)
        self.recorder.shutdown()
        self.samples.close()
        self.samples_file.close()
        self.timeline.close()

    def _thread(self, what: str, pace_s: float, look: Callable[[], None]) -> threading.Thread:
        thread = threading.Thread(target=self._paced, args=(what, pace_s, look), name=what, daemon=True)
        thread.start()
        return thread

    def _paced(self, what: str, pace_s: float, look: Callable[[], None]) -> None:
        """Look at absolute instants, so that a slow look does not shift the ones after it."""
        pace_ns = int(pace_s * clock.NS_PER_S)
        due_ns = clock.monotonic_ns()
        while not self.stopping.is_set():
            self._observed(what, look)
            due_ns = max(due_ns + pace_ns, clock.monotonic_ns())
            self.stopping.wait(max(0.0, (due_ns - clock.monotonic_ns()) / clock.NS_PER_S))

    def _observed(self, what: str, look: Callable[[], None]) -> None:
        try:
            look()
        except (httpx.HTTPError, DriveError, psutil.Error, ValueError, KeyError) as error:
            self.timeline.event(Kind.OBSERVER_MISSED, what=what, message=f"{type(error).__name__}: {error}"[:300])

    def read_router(self) -> None:
        """One bracketed read of the router's weight."""
        read = self.router.read_weight()
        self.timeline.event(Kind.WEIGHT_READ, lo_ns=read.lo_ns, hi_ns=read.hi_ns, weight=read.weight)

    def read_controller(self) -> None:
        """One bracketed read of the controller's status."""
        read = self.controller.read()
        self.timeline.event(
            Kind.CONTROLLER_READ, lo_ns=read.lo_ns, hi_ns=read.hi_ns, weight=read.weight, state=read.state
        )

    def fetch_samples(self) -> None:
        """Append each series' samples that came since the last fetch that worked, and those that it missed."""
        asked_ns = clock.monotonic_ns()
        window_s = (asked_ns - self.fetched_ns) / clock.NS_PER_S + FETCH_OVERLAP_S
        found = self.metrics.fetch_samples(SELECTOR, window_s)
        self.fetched_ns = asked_ns
        rows = [
            {"name": item.name, "labels": item.labels_json, "wall_ms": item.wall_ms, "value": item.value}
            for item in found
            if item.wall_ms > self.newest_ms.get((item.name, item.labels_json), -1)
        ]
        if not rows:
            return
        self.samples.write_batch(pa.RecordBatch.from_pylist(rows, schema=METRICS))
        for item in found:
            self.newest_ms[item.name, item.labels_json] = max(
                item.wall_ms, self.newest_ms.get((item.name, item.labels_json), -1)
            )

    def see_alerts(self) -> None:
        """Changes of alert states, for whoever watches."""
        # An alert that asks for nothing (the watchdog, which always fires) tells a watcher nothing.
        asking = [alert for alert in self.metrics.active_alerts() if alert.labels.get("action") != "none"]
        now = {alert.name: alert.state for alert in asking}
        for name in sorted(now.keys() | self.seen_alerts.keys()):
            state = now.get(name, "inactive")
            if state != self.seen_alerts.get(name, "inactive"):
                self.timeline.event(Kind.ALERT_SEEN, name=name, state=state)
        self.seen_alerts = now

    def sample_host(self) -> None:
        """CPU of each process of the trial since the last look, in percent of one core."""
        self._learn_processes()
        percent: dict[str, float] = {}
        for name, process in list(self.processes.items()):
            try:
                percent[name] = process.cpu_percent(None)
            except psutil.NoSuchProcess:
                del self.processes[name]
        self.timeline.event(Kind.HOST_SAMPLE, cpu_percent=percent, host_cpu_percent=psutil.cpu_percent(None))

    def _learn_processes(self) -> None:
        """The guard's own timeline says which processes there are."""
        path = self.run_dir / "timeline" / "guard.ndjson"
        ended: set[int] = set()
        started: dict[str, int] = {}
        for line in path.read_text().splitlines():
            event = timeline.parse_line(line)
            if event.kind is Kind.PROCESS_STARTED:
                started[str(event.data["name"])] = int(event.data["pid"])
            elif event.kind is Kind.PROCESS_EXITED:
                ended.add(int(event.data["pid"]))
        for name, pid in started.items():
            if pid not in ended and name not in self.processes and psutil.pid_exists(pid):
                self.processes[name] = psutil.Process(pid)
                self.processes[name].cpu_percent(None)  # the first reading only sets the zero


def main(argv: list[str]) -> int:
    """Watch as the plan says until SIGTERM."""
    end = EndSignals()
    Observer(msgspec.json.decode(Path(argv[0]).read_bytes(), type=ObserverPlan)).run(end)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
