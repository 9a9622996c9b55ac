"""Simulated time for greenlets, and small fakes of what the engine is given."""

import gevent
import gevent.event
import pytest

from harness.drive.load.client import Answer
from harness.drive.target.port import OperationKind, Profile, Request
from harness.evidence.format import Outcome, VersionSource

MS = 1_000_000


class Time:
    """A clock that stands still until `run_until` moves it from one waiting greenlet to the next."""

    def __init__(self):
        self.ns = 1_000 * MS
        self.waiting = []

    def now_ns(self):
        return self.ns

    def sleep(self, seconds):
        woken = gevent.event.Event()
        self.waiting.append((self.ns + round(seconds * 1e9), len(self.waiting), woken))
        woken.wait()

    def settle(self):
        """Let every greenlet run until it waits again."""
        for _ in range(5):
            gevent.idle()

    def run_until(self, ns):
        self.settle()
        while self.waiting and min(self.waiting)[0] <= ns:
            due = min(self.waiting)
            self.waiting.remove(due)
            self.ns = max(self.ns, due[0])
            due[2].set()
            self.settle()
        self.ns = max(self.ns, ns)


class Kit:
    """Remembers what it was asked, and may raise at one index."""

    def __init__(self, fails_at=None):
        self.asked = []
        self.fails_at = fails_at

    def request(self, index, kind, offset_s, op_id):
        self.asked.append((index, kind, op_id))
        if index == self.fails_at:
            raise ValueError(f"no request {index}")
        return Request("POST", f"/{index}", key=f"k{index}", seq=index, payload_hash=f"h{index}")


class Sink:
    """Keeps what it was told, in order."""

    def __init__(self):
        self.told = []
        self.operations = []

    def ready(self):
        self.told.append(("ready",))

    def started(self, start_ns):
        self.told.append(("started", start_ns))

    def sent(self, intended_ns, sent_ns):
        self.told.append(("sent", intended_ns, sent_ns))

    def done(self, operation):
        self.operations.append(operation)

    def beat(self, second, in_flight):
        self.told.append(("beat", second, in_flight))

    def failed(self, where, message):
        self.told.append(("failed", where, message))

    def stopped(self, dispatched, completed, in_flight, stopped_ns):
        self.told.append(("stopped", dispatched, completed, in_flight, stopped_ns))


class Service:
    """Answers at once, or when `release` is called for a request that was to wait."""

    def __init__(self, time):
        self.time = time
        self.held = {}
        self.hold_from = None
        self.sends = []

    def send(self, user, request, op_id):
        self.sends.append((user, request.path, op_id))
        if self.hold_from is not None and request.seq >= self.hold_from:
            self.held[request.seq] = gevent.event.Event()
            self.held[request.seq].wait()
        return Answer(
            done_ns=self.time.ns,
            outcome=Outcome.OK,
            status=200,
            version="1.0",
            version_source=VersionSource.HEADER,
            instance="a",
        )

    def release(self):
        for event in self.held.values():
            event.set()


@pytest.fixture
def time():
    return Time()


@pytest.fixture
def profile():
    return Profile("M", 100.0, 20, (OperationKind("write", 0.25, True), OperationKind("read", 0.75, False)))


@pytest.fixture
def kit():
    return Kit()


@pytest.fixture
def sink():
    return Sink()


@pytest.fixture
def service(time):
    return Service(time)
