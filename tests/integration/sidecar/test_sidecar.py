"""The sidecar as a process before a real service: nothing is changed, nothing is sent twice, nothing is left."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from threading import Thread

import httpx
import psutil
import pytest

from harness.drive.guard.client import await_condition
from harness.drive.stack import ports

pytestmark = pytest.mark.integration
CACHE = Path(__file__).parents[3] / ".cache"
SERVICE = Path(__file__).with_name("service.py")
S_MAX = 15.0
TOKEN = "a token of the test"
TARGET = '/echo/a%2Fb//c/../d?x=1&x=%20"'  # what a client library would quote and shorten


class Running:
    """A sidecar, its two URLs, and how to call them."""

    def __init__(self, lease, log, *service):
        self.port, self.control_port, self.upstream_port = lease.ports
        options = ("--name", "canary-1", "--version", "1.1", "--ready", "/health", "--port", str(self.port))
        numbers = ("--control-port", str(self.control_port), "--upstream-port", str(self.upstream_port))
        started = service or (sys.executable, str(SERVICE), str(self.upstream_port))
        self.log = log
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                (sys.executable, "-m", "sidecar", *options, *numbers, "--", *started),
                env={**os.environ, "SIDECAR_CONTROL_TOKEN": TOKEN, "PORT": str(self.upstream_port)},
                stdout=output, stderr=subprocess.STDOUT,
            )  # fmt: skip
        self.url = f"http://127.0.0.1:{self.port}"

    def ask(self, method="GET", path="/", **kwargs):
        return httpx.request(method, f"{self.url}{path}", timeout=S_MAX, trust_env=False, **kwargs)

    def control(self, method, path, **kwargs):
        headers = {"authorization": f"Bearer {TOKEN}"}
        url = f"http://127.0.0.1:{self.control_port}{path}"
        return httpx.request(method, url, headers=headers, timeout=S_MAX, trust_env=False, **kwargs)

    def serves(self):
        try:
            return self.ask(path="/health").status_code == 200
        except httpx.HTTPError:
            return False

    def service_pid(self):
        (child,) = psutil.Process(self.process.pid).children()
        return child.pid


@pytest.fixture
def start(tmp_path):
    """Start a sidecar; whatever is left of it goes at the end."""
    running = []

    def begin(*service):
        lease = ports.reserve(3, CACHE / "ports")
        found = Running(lease, tmp_path / f"{len(running)}.log", *service)
        running.append((found, lease))
        return found

    yield begin
    for found, lease in running:
        found.process.kill()
        found.process.wait()
        lease.release()


@pytest.fixture
def sidecar(start):
    found = start()
    assert await_condition(found.serves, S_MAX), found.log.read_text()
    return found


def accepts(port):
    """Whether somebody listens."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=S_MAX).close()
    except ConnectionRefusedError:
        return False
    return True


def raw(sidecar, method, target, headers=(), body=b""):
    """A request that no client library has touched: (status, headers, body, what the service saw)."""
    connection = http.client.HTTPConnection("127.0.0.1", sidecar.port, timeout=S_MAX)
    connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
    for name, value in (("host", "notes.example"), *headers, ("content-length", str(len(body)))):
        connection.putheader(name, value)
    connection.endheaders(body)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, answer.getheaders(), content


def test_request_and_answer_pass_unchanged(sidecar):
    """Method, quoted path, query, headers, body; status, repeated headers, encoded body."""
    status, headers, content = raw(
        sidecar, "POST", TARGET, [("x-request-id", "r-1"), ("x-two", "a"), ("x-two", "b")], b"\x00body"
    )
    seen = json.loads(content)
    assert ("POST", TARGET, "\x00body") == (seen["method"], seen["target"], seen["body"])
    assert [["host", "notes.example"], ["x-request-id", "r-1"], ["x-two", "a"], ["x-two", "b"]] == [
        pair for pair in seen["headers"] if pair[0] not in {"content-length", "connection"}
    ]
    assert 207 == status
    assert ["1", "2"] == [value for name, value in headers if name == "set-cookie"]
    assert {"x-service-version": "1.1", "x-service-instance": "canary-1"}.items() <= dict(headers).items()
    assert "x-fault-injected" not in dict(headers)


def test_head_and_empty_answers_keep_their_shape(sidecar):
    """HEAD says the length of what it leaves out; a 204 has none."""
    status, headers, content = raw(sidecar, "HEAD", "/echo")
    assert (207, b"") == (status, content)
    assert int(dict(headers)["content-length"]) > 0
    status, headers, content = raw(sidecar, "DELETE", "/empty")
    assert (204, b"", False) == (status, content, "content-length" in dict(headers))


def test_who_answered_and_what_was_injected_is_the_sidecars_word(sidecar):
    """A service that says a version, an instance or a mark of its own is not believed."""
    _, headers, _ = raw(sidecar, "GET", "/pretends")
    said = [pair for pair in headers if pair[0].lower().startswith(("x-service", "x-fault"))]
    assert [("x-service-version", "1.1"), ("x-service-instance", "canary-1")] == said


def test_a_service_that_breaks_off_is_asked_once(sidecar):
    """The connection is closed without an answer: 502, no mark, and the service saw one request."""
    answer = sidecar.ask("GET", "/breaks-off")
    assert (502, False) == (answer.status_code, "x-fault-injected" in answer.headers)
    assert {"/breaks-off": 1} == {
        path: count for path, count in sidecar.ask(path="/counts").json().items() if path == "/breaks-off"
    }


def test_a_fault_is_before_the_service_and_marked(sidecar):
    """With the fault on every answer is a marked 503 that the service never saw; off, it is over."""
    assert 200 == sidecar.control("PUT", "/faults/http_5xx", json={"share": 1.0, "deadline_s": 60}).status_code
    hit = sidecar.ask("POST", "/echo/hit")
    assert (503, "http_5xx") == (hit.status_code, hit.headers["x-fault-injected"])
    assert 200 == sidecar.control("DELETE", "/faults/http_5xx").status_code
    assert 207 == sidecar.ask("POST", "/echo/well").status_code
    counts = sidecar.ask(path="/counts").json()
    assert (0, 1) == (counts.get("/echo/hit", 0), counts["/echo/well"])
    page = sidecar.ask(path="/metrics").text
    assert 'http_requests_total{code="503",method="POST",route="/{path:path}",version="1.1"} 1.0' in page
    assert 'http_requests_total{code="207",method="POST",route="/{path:path}",version="1.1"} 1.0' in page


def test_faults_that_only_the_service_could_do_are_refused(sidecar):
    """The refusal names the known ones; without the token nothing can be asked."""
    refused = sidecar.control("PUT", "/faults/stale_read", json={"share": 1.0, "deadline_s": 60})
    assert (404, "a sidecar has no 'stale_read', only http_5xx, latency, metrics_gone") == (
        refused.status_code,
        refused.json()["error"]["message"],
    )
    assert 401 == httpx.get(f"http://127.0.0.1:{sidecar.control_port}/faults", trust_env=False).status_code


def test_cpu_and_memory_are_the_services(sidecar):
    """The process metrics tell of the service, not of the sidecar."""
    page = sidecar.ask(path="/metrics").text
    told = next(float(line.split()[1]) for line in page.splitlines() if line.startswith("process_start_time_seconds"))
    assert abs(told - psutil.Process(sidecar.service_pid()).create_time()) < 0.1


def test_what_is_in_flight_is_answered_before_it_ends(sidecar):
    """SIGTERM to the whole group: the slow answer still comes, then both are gone, with 0."""
    answers = []
    slow = Thread(target=lambda: answers.append(sidecar.ask(path="/slow").status_code))
    slow.start()
    assert await_condition(lambda: sidecar.control("GET", "/in-flight").json()["in_flight"] == 1, S_MAX)
    pid = sidecar.service_pid()
    sidecar.process.send_signal(signal.SIGTERM)
    assert await_condition(lambda: not accepts(sidecar.port), S_MAX)
    assert sidecar.process.poll() is None
    httpx.get(f"http://127.0.0.1:{sidecar.upstream_port}/release", timeout=S_MAX, trust_env=False)
    slow.join(S_MAX)
    assert ([207], 0) == (answers, sidecar.process.wait(S_MAX))
    assert not psutil.pid_exists(pid)


def test_a_service_behind_a_wrapper_ends_too(start):
    """A script that does not `exec` is a parent of the service, and gets the signal for it."""
    found = start("sh", "-c", f"{sys.executable} {SERVICE} $PORT; true")
    assert await_condition(found.serves, S_MAX), found.log.read_text()
    found.process.send_signal(signal.SIGTERM)
    assert 0 == found.process.wait(S_MAX)
    assert await_condition(lambda: ports.is_free(found.upstream_port), S_MAX)


def test_a_service_that_had_to_be_killed_is_not_hidden(start):
    """It ignores SIGTERM: the sidecar ends by the code of a killed process, which the evidence calls an error."""
    found = start("sh", "-c", f"trap '' TERM; exec {sys.executable} {SERVICE} $PORT")
    assert await_condition(found.serves, S_MAX), found.log.read_text()
    found.process.send_signal(signal.SIGTERM)
    assert -signal.SIGKILL == found.process.wait(S_MAX)
    assert ports.is_free(found.upstream_port)


def test_a_killed_sidecar_leaves_no_service(sidecar):
    """SIGKILL of the sidecar ends the service, too, and frees its port."""
    pid = sidecar.service_pid()
    sidecar.process.kill()
    sidecar.process.wait()
    assert await_condition(lambda: not psutil.pid_exists(pid) and ports.is_free(sidecar.upstream_port), S_MAX)


def test_a_service_that_ends_by_itself_ends_the_sidecar(sidecar):
    """Its exit is not hidden behind 502s."""
    os.kill(sidecar.service_pid(), signal.SIGKILL)
    assert 1 == sidecar.process.wait(S_MAX)
    assert "canary-1: the service ended by itself with -9" in sidecar.log.read_text()


def test_a_command_that_is_none_is_named(start):
    """1, and the last line of the log says what is not there."""
    nothing = start("/no/such/program")
    assert 1 == nothing.process.wait(S_MAX)
    assert "No such file or directory: '/no/such/program'" in nothing.log.read_text()


def test_a_taken_port_is_named(start, tmp_path):
    """Before the service is started."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        argv = [sys.executable, "-m", "sidecar", "--name", "x", "--version", "1", "--ready", "/", "--port"]
        argv += [str(taken.getsockname()[1]), "--control-port", "1", "--upstream-port", "1", "--", "touch"]
        environment = {**os.environ, "SIDECAR_CONTROL_TOKEN": TOKEN}
        done = subprocess.run(
            [*argv, str(tmp_path / "x")], env=environment, capture_output=True, text=True, timeout=S_MAX, check=False
        )
    assert 1 == done.returncode
    assert "cannot start: port 127.0.0.1:" in done.stderr
    assert "cannot be had: Address already in use" in done.stderr
    assert not (tmp_path / "x").exists()
