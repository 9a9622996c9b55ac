"""The dispatcher: every arrival at its absolute instant, a greenlet each, whatever earlier answers do.

Locust's own model is closed: a user that waits for a stalled service sends nothing, and what it did not
send is missing from every figure (measured for a 3 s stall: p99 86 ms where callers waited 2.87 s). Here
one greenlet walks the schedule and never waits for an answer. One, and not one a user, because the kit
must be asked in the order of the schedule.

Nothing is dropped silently. An arrival that finds `in_flight_max` operations under way has a row that
says it was never sent. The end is a definite instant, `stopped_ns`: every arrival due before it was
dispatched, none from it on. What is still unanswered after the drain is recorded as unknown.

Everything runs on one thread and switches only where it waits, so no state here needs a lock. Not
covered: freezes of the whole process; they show as lag and as missing ticks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import gevent

from harness import clock
from harness.clock import NS_PER_S
from harness.drive.load.client import Answer
from harness.drive.load.recorder import FLUSH_S, Operation, Sink
from harness.drive.load.schedule import Schedule
from harness.drive.target.port import LoadKit, Request
from harness.evidence.format import Outcome

# The first arrival may be due at once; half a second lets the file of rows and the timeline be there first.
LEAD_S: Final = 0.5
# A dispatcher that is late catches up in runs of so many, so that answers are read in between.
BURST_MAX: Final = 64

Send = Callable[[int, Request, str], Answer]  # user, request, op_id
Listener = Callable[[Request, Operation, Answer | None], None]
NEVER_SENT_CAP: Final = "not sent: in-flight cap"
NEVER_SENT_END: Final = "not sent: the load ended first"
UNANSWERED: Final = "no answer before the load ended"


@dataclass(slots=True)
class _Flight:
    """One operation under way. `sent_ns` 0: its greenlet has not run yet."""

    index: int
    request: Request
    intended_ns: int
    greenlet: Any = None
    sent_ns: int = 0


class Engine:
    """One load. `send` blocks its greenlet until the answer; `listener` hears of each finished operation.

    `on_failure(where, error)` is called in a greenlet of its own when a part of the engine itself fails.
    """

    def __init__(
        self,
        schedule: Schedule,
        kit: LoadKit,
        send: Send,
        sink: Sink,
        listener: Listener,
        in_flight_max: int,
        on_failure: Callable[[str, BaseException], None],
        now_ns: Callable[[], int] = clock.monotonic_ns,
        sleep: Callable[[float], None] = gevent.sleep,
    ) -> None:
        self._schedule = schedule
        self._kit = kit
        self._send = send
        self._sink = sink
        self._listener = listener
        self._in_flight_max = in_flight_max
        self._on_failure = on_failure
        self._now_ns = now_ns
        self._sleep = sleep
        self._flights: dict[int, _Flight] = {}
        self._greenlets: list[Any] = []
        self._start_ns = 0
        self._next = 0
        self._dispatched = 0
        self._completed = 0
        self._stopped_ns: int | None = None
        self._closing = False

    @property
    def in_flight(self) -> int:
        """Operations under way."""
        return len(self._flights)

    @property
    def end_ns(self) -> int:
        """Where the schedule ends."""
        return self._start_ns + int(self._schedule.seconds * NS_PER_S)

    def start(self) -> int:
        """Announce the zero, a little ahead of now, and begin. Returns at once with the zero."""
        self._sink.ready()
        self._start_ns = self._now_ns() + int(LEAD_S * NS_PER_S)
        self._sink.started(self._start_ns)
        self._greenlets = [self._guarded("dispatcher", self._dispatch), self._guarded("recorder", self._beat)]
        return self._start_ns

    def stop(self) -> int:
        """Dispatch what is due by now and nothing after it; the instant `stopped_ns`. Idempotent, never waits."""
        if self._stopped_ns is None:
            self._stopped_ns = min(self._now_ns(), self.end_ns)
            self._dispatch_due(self._stopped_ns - 1, len(self._schedule))
        return self._stopped_ns

    def abandon(self) -> None:
        """Stop without dispatching what is due: for an engine that failed."""
        if self._stopped_ns is None:
            self._stopped_ns = self._now_ns()

    def drain(self, seconds: float) -> None:
        """After `stop`: wait so long for answers, then record the rest as unknown and close the sink."""
        stopped_ns = self.stop()
        gevent.joinall([flight.greenlet for flight in self._flights.values()], timeout=seconds)
        self._closing = True
        gevent.killall([*self._greenlets, *(flight.greenlet for flight in self._flights.values())])
        left = list(self._flights.values())
        self._flights.clear()
        for flight in left:
            self._record_unanswered(flight)
        self._sink.beat(None, len(left))
        self._sink.stopped(self._dispatched, self._completed, len(left), stopped_ns)

    def _dispatch(self) -> None:
        """Walk the schedule. Bounded by it."""
        while self._stopped_ns is None and self._next < len(self._schedule):
            now_ns = self._now_ns()
            self._dispatch_due(now_ns, BURST_MAX)
            if self._next < len(self._schedule):
                self._sleep(max(0.0, (self._intended_ns(self._next) - self._now_ns()) / NS_PER_S))

    def _dispatch_due(self, until_ns: int, count_max: int) -> None:
        """Dispatch arrivals intended up to `until_ns`, at most so many. Does not wait."""
        for _ in range(count_max):
            if self._next == len(self._schedule) or self._intended_ns(self._next) > until_ns:
                return
            index = self._next
            self._next += 1
            self._dispatch_one(index)

    def _dispatch_one(self, index: int) -> None:
        offset_ns = int(self._schedule.offsets_ns[index])
        op_id, kind = self._schedule.op_id(index), self._schedule.kind(index)
        # Asked even where the cap refuses the arrival: later requests depend on every earlier call.
        request = self._kit.request(index, kind, offset_ns / NS_PER_S, op_id)
        flight = _Flight(index, request, self._start_ns + offset_ns)
        if len(self._flights) >= self._in_flight_max:
            self._record_never_sent(flight, NEVER_SENT_CAP)
            return
        self._dispatched += 1
        self._flights[index] = flight
        flight.greenlet = self._guarded("operation", self._operate, flight)

    def _operate(self, flight: _Flight) -> None:
        """One operation, in its own greenlet."""
        user, op_id = int(self._schedule.users[flight.index]), self._schedule.op_id(flight.index)
        flight.sent_ns = self._now_ns()
        self._sink.sent(flight.intended_ns, flight.sent_ns)
        answer = self._send(user, flight.request, op_id)
        del self._flights[flight.index]
        self._completed += 1
        operation = self._operation(flight, answer)
        self._sink.done(operation)
        self._listener(flight.request, operation, answer)

    def _record_never_sent(self, flight: _Flight, error: str) -> None:
        answer = Answer(done_ns=self._now_ns(), outcome=Outcome.FAILED, error=error)
        self._record(flight, answer)

    def _record_unanswered(self, flight: _Flight) -> None:
        if not flight.sent_ns:
            self._record_never_sent(flight, NEVER_SENT_END)
            return
        self._record(flight, Answer(done_ns=self._now_ns(), outcome=Outcome.UNKNOWN, error=UNANSWERED))

    def _record(self, flight: _Flight, answer: Answer) -> None:
        operation = self._operation(flight, answer)
        self._sink.done(operation)
        self._listener(flight.request, operation, None)

    def _operation(self, flight: _Flight, answer: Answer) -> Operation:
        request, index = flight.request, flight.index
        return Operation(
            op_id=self._schedule.op_id(index),
            user=int(self._schedule.users[index]),
            kind=self._schedule.kind(index),
            key=request.key,
            seq=request.seq,
            payload_hash=request.payload_hash,
            intended_ns=flight.intended_ns,
            sent_ns=flight.sent_ns,
            done_ns=answer.done_ns,
            outcome=answer.outcome.value,
            status=answer.status,
            version=answer.version,
            version_source=answer.version_source.value,
            instance=answer.instance,
            attempt=1,
            fault_mark=answer.fault_mark,
            error=answer.error,
        )

    def _beat(self) -> None:
        """Flush every FLUSH_S, tick every second, on the grid of the zero. Ends with the drain."""
        number = 0
        while not self._closing:
            now_ns = self._now_ns()
            passed = (now_ns - self._start_ns) / (FLUSH_S * NS_PER_S)
            number = max(number + 1, int(passed) + 1)
            self._sleep(max(0.0, (number - passed) * FLUSH_S))
            beats_a_second = round(1 / FLUSH_S)
            second = number // beats_a_second - 1 if number % beats_a_second == 0 else None
            self._sink.beat(second, len(self._flights))

    def _intended_ns(self, index: int) -> int:
        return self._start_ns + int(self._schedule.offsets_ns[index])

    def _guarded(self, where: str, call: Callable[..., None], *arguments: Any) -> Any:
        """A greenlet whose failure is heard: an engine that goes on without one of its parts would lie."""
        greenlet = gevent.spawn(call, *arguments)
        greenlet.link_exception(lambda dead: self._on_failure(where, dead.exception))
        return greenlet
