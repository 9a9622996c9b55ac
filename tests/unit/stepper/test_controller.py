"""The controller against a scripted clock, a fake router and a real record on disk."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from stepper.controller import (
    DRAIN_S_MAX,
    QUIET_LOOKS,
    ROUTER_ATTEMPTS_MAX,
    STOP_ATTEMPTS_MAX,
    TELL_ATTEMPTS_MAX,
    Plan,
    Stepper,
    Strategy,
)
from stepper.errors import CallError, RouterCallError, StopCallError
from stepper.record import Record
from stepper.team import Message
from stepper.webhook import Alert

FIRING = Alert(
    status="firing",
    labels={"alertname": "CanaryErrorRatioHigh", "action": "rollback", "track": "canary", "version": "1.1"},
    fingerprint="f1",
    starts_at="2026-11-24T10:00:00Z",
)
SERVICE = Alert(
    status="firing",
    labels={"alertname": "ServiceErrorRatioHigh", "action": "hold", "track": "stable", "version": "1.0"},
    fingerprint="f2",
    starts_at="2026-11-24T10:00:01Z",
)


class ScriptedClock:
    """Time passes only in waits; `during` holds what happens inside the n-th wait (from 0)."""

    def __init__(self) -> None:
        self.t_ns = 1_000
        self.waits: list[float] = []
        self.during: dict[int, Callable[[], Awaitable[None]]] = {}

    def now_ns(self) -> int:
        return self.t_ns

    async def wait(self, event: asyncio.Event | None, wait_s: float) -> bool:
        number = len(self.waits)
        self.waits.append(wait_s)
        self.t_ns += int(wait_s * 1e9)
        if number in self.during:
            await self.during[number]()
        return event is not None and event.is_set()


class FakeRouter:
    """Keeps each call with what the record said last at that instant; refuses while `refusals` has entries left."""

    def __init__(self, record: Path) -> None:
        self.record = record
        self.calls: list[int] = []
        self.seen: list[dict[str, Any]] = []
        self.refusals: dict[int, int] = {}  # weight -> how many times to refuse it
        self.gates: dict[int, asyncio.Event] = {}  # weight -> the call returns when it is set
        self.called = asyncio.Event()
        self.active: list[int | str] = []  # what the looks at the canary see, in order, a text being an error; then 0
        self.looks = 0

    async def active_count(self) -> int:
        self.looks += 1
        seen = self.active.pop(0) if self.active else 0
        if isinstance(seen, str):
            raise RouterCallError(seen)
        return seen

    async def set_weight(self, weight: int) -> None:
        self.calls.append(weight)
        self.called.set()
        self.seen.append(lines(self.record)[-1])
        if weight in self.gates:
            await self.gates[weight].wait()
        if self.refusals.get(weight, 0) > 0:
            self.refusals[weight] -= 1
            raise RouterCallError("503 no")


class WatchedRecord(Record):
    """The real record, which also tells when a rollback was written."""

    def __init__(self, path: Path, now_ns: Callable[[], int]) -> None:
        super().__init__(path, now_ns)
        self.rollback_decided = asyncio.Event()

    def append(self, kind: str, t_ns: int | None = None, **data: Any) -> int:
        at_ns = super().append(kind, t_ns, **data)
        if data.get("decision") == "roll_back":
            self.rollback_decided.set()
        return at_ns


class FakeOwner:
    """Keeps what it was asked to stop, with the record's last line at that instant; refuses while it has refusals."""

    def __init__(self, record: Path) -> None:
        self.record = record
        self.asked: list[str] = []
        self.seen: list[dict[str, Any]] = []
        self.refusals: list[StopCallError] = []

    async def stop(self, instance: str) -> None:
        self.asked.append(instance)
        self.seen.append(lines(self.record)[-1])
        if self.refusals:
            raise self.refusals.pop(0)


class FakeTeam:
    """Keeps what it was told; refuses while it has refusals."""

    def __init__(self) -> None:
        self.told: list[Message] = []
        self.refusals: list[CallError] = []

    async def tell(self, message: Message) -> int:
        self.told.append(message)
        if self.refusals:
            raise self.refusals.pop(0)
        return 200


class Bench:
    """A stepper and everything around it."""

    def __init__(
        self, path: Path, steps: tuple[int, ...] = (5, 25, 50, 100), strategy: Strategy = Strategy.SHIFT
    ) -> None:
        self.path = path
        self.clock = ScriptedClock()
        self.record = WatchedRecord(path, self.clock.now_ns)
        self.router = FakeRouter(path)
        self.owner = FakeOwner(path)
        self.team = FakeTeam()
        plan = Plan(steps, 15.0, "1.1", strategy, ("canary-1", "canary-2"))
        self.stepper = Stepper(plan, self.router, self.record, self.clock, owner=self.owner, team=self.team)

    def run(self) -> None:
        """Start and walk to the end."""

        async def walk() -> None:
            assert self.stepper.start()
            await self.stepper.walk()

        asyncio.run(walk())

    async def deliver(self, *alerts: Alert) -> None:
        await self.stepper.on_webhook(alerts, self.clock.now_ns())

    def kinds(self) -> list[str]:
        return [line["kind"] for line in lines(self.path)]

    def state(self) -> tuple[str, int]:
        status = self.stepper.status()
        return status["state"], status["weight"]

    def told(self) -> list[tuple[str, str, int]]:
        return [(message.decision, message.outcome, message.weight) for message in self.team.told]

    def decisions(self) -> list[tuple[str, int]]:
        return [(line["decision"], line["weight"]) for line in lines(self.path) if line["kind"] == "decided"]


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "stepper.ndjson")


@pytest.fixture
def removing(tmp_path: Path) -> Bench:
    """A bench whose alert comes in the second step, and whose stepper also removes the canary."""
    bench = Bench(tmp_path / "stepper.ndjson", strategy=Strategy.REMOVE)
    bench.clock.during[1] = lambda: bench.deliver(FIRING)
    return bench


def test_healthy_rollout_walks_every_step_and_is_promoted(bench: Bench) -> None:
    """Without an alert each weight is set, held and followed by the next, and the last hold ends in promotion."""
    bench.run()
    assert [5, 25, 50, 100] == bench.router.calls
    assert [15.0] * 4 == bench.clock.waits
    assert [("step", 5), ("step", 25), ("step", 50), ("step", 100), ("promote", 100)] == bench.decisions()
    assert "rollout_started" == bench.kinds()[0]
    assert {"kind": "rollout_finished", "outcome": "promoted", "source": "stepper", "t_ns": 60_000_001_000} == lines(
        bench.path
    )[-1]
    assert ("promoted", 100, 4) == tuple(bench.stepper.status()[name] for name in ("state", "weight", "step"))


def test_steps_that_end_below_100_are_promoted_to_100(tmp_path: Path) -> None:
    """Promotion means all traffic, so the router is called once more when the last step was less."""
    bench = Bench(tmp_path / "stepper.ndjson", steps=(10, 50))
    bench.run()
    assert [10, 50, 100] == bench.router.calls
    assert "promoted" == bench.stepper.status()["state"]


def test_every_decision_is_on_disk_before_the_router_is_called(bench: Bench) -> None:
    """At each router call the last line of the record is the decision to make it."""
    bench.clock.during[1] = lambda: bench.deliver(FIRING)
    bench.run()
    assert [("decided", 5), ("decided", 25), ("decided", 0)] == [
        (line["kind"], line["weight"]) for line in bench.router.seen
    ]
    assert [5, 25, 0] == bench.router.calls


def test_firing_alert_rolls_back_and_says_why(bench: Bench) -> None:
    """The decision carries the alert, its fingerprint, the version and a reason; then weight 0, then the end."""
    bench.clock.during[1] = lambda: bench.deliver(FIRING)
    bench.run()
    assert [
        "webhook_received",
        "decided",
        "weight_set",
        "rollout_finished",
        "team_told",
    ] == bench.kinds()[-5:]
    assert {
        "decision": "roll_back",
        "weight": 0,
        "reason": "CanaryErrorRatioHigh fires for the canary",
        "version": "1.1",
        "alert": "CanaryErrorRatioHigh",
        "fingerprint": "f1",
    } == bench.stepper.status()["decision"]
    assert ("rolled_back", 0, 2) == tuple(bench.stepper.status()[name] for name in ("state", "weight", "step"))
    assert "rolled_back" == lines(bench.path)[-2]["outcome"]


def test_same_firing_delivered_again_decides_once(bench: Bench) -> None:
    """A second delivery of the same (fingerprint, startsAt) is recorded and changes nothing."""

    async def twice() -> None:
        await bench.deliver(FIRING, FIRING)
        await bench.deliver(FIRING)

    bench.clock.during[0] = twice
    bench.run()
    assert [("step", 5), ("roll_back", 0)] == bench.decisions()
    assert [5, 0] == bench.router.calls
    assert 2 == bench.kinds().count("webhook_received")


@pytest.mark.parametrize(
    "alert",
    [
        pytest.param({"status": "resolved"}, id="resolved"),
        pytest.param({"track": "stable"}, id="other-track"),
        pytest.param({"status": "resolved", "action": "hold"}, id="resolved-hold"),
        pytest.param({"action": "none"}, id="watchdog"),
        pytest.param({"action": ""}, id="no-action"),
    ],
)
def test_alert_that_asks_for_nothing_is_recorded_only(bench: Bench, alert: dict[str, str]) -> None:
    """Resolved alerts, other tracks and other actions leave the rollout on its way."""
    given = Alert(
        status=alert.get("status", "firing"),
        labels={**FIRING.labels, **{name: value for name, value in alert.items() if name != "status"}},
        fingerprint="f2",
        starts_at="t",
    )
    bench.clock.during[1] = lambda: bench.deliver(given)
    bench.run()
    assert [5, 25, 50, 100] == bench.router.calls
    assert (
        given.as_record() == next(line for line in lines(bench.path) if line["kind"] == "webhook_received")["alerts"][0]
    )


def test_alert_before_the_start_and_after_the_end_changes_nothing(bench: Bench) -> None:
    """Outside the rollout an alert is recorded, and neither decides nor calls."""
    asyncio.run(bench.deliver(FIRING))
    assert (["webhook_received"], "idle") == (bench.kinds(), bench.stepper.status()["state"])
    bench.run()
    asyncio.run(bench.deliver(FIRING))
    assert "webhook_received" == bench.kinds()[-1]
    assert ("promoted", [5, 25, 50, 100]) == (bench.stepper.status()["state"], bench.router.calls)


def test_second_start_is_refused(bench: Bench) -> None:
    """One process serves one rollout."""
    assert (True, False) == (bench.stepper.start(), bench.stepper.start())
    assert ["rollout_started"] == bench.kinds()


def test_refused_router_call_is_retried_and_recorded(bench: Bench) -> None:
    """Two refusals are two records; the third attempt succeeds and the rollout goes on."""
    bench.router.refusals[25] = 2
    bench.run()
    assert [5, 25, 25, 25, 50, 100] == bench.router.calls
    assert [(25, 1, "503 no"), (25, 2, "503 no")] == [
        (line["weight"], line["attempt"], line["message"])
        for line in lines(bench.path)
        if line["kind"] == "weight_refused"
    ]
    assert [15.0, 0.1, 0.2, 15.0, 15.0, 15.0] == bench.clock.waits


def test_step_that_the_router_never_takes_is_rolled_back(bench: Bench) -> None:
    """A canary whose weight cannot be set goes to 0."""
    bench.router.refusals[25] = 99
    bench.run()
    assert [5, *[25] * ROUTER_ATTEMPTS_MAX, 0] == bench.router.calls
    assert ("rolled_back", 0) == (bench.stepper.status()["state"], bench.stepper.status()["weight"])
    assert "the router did not take weight 25: 503 no" == bench.stepper.status()["decision"]["reason"]


def test_promotion_that_the_router_never_takes_is_rolled_back(tmp_path: Path) -> None:
    """A rollout that cannot be given all traffic ends at 0, and is not called promoted as well."""
    bench = Bench(tmp_path / "stepper.ndjson", steps=(50,))
    bench.router.refusals[100] = 99
    bench.run()
    assert [50, *[100] * ROUTER_ATTEMPTS_MAX, 0] == bench.router.calls
    assert ["rolled_back"] == [line["outcome"] for line in lines(bench.path) if line["kind"] == "rollout_finished"]
    assert "rolled_back" == bench.stepper.status()["state"]


def test_rollback_counts_only_when_the_router_took_it(bench: Bench) -> None:
    """While every attempt fails the state stays progressing and nothing steps on; the next delivery completes it."""
    bench.router.refusals[0] = ROUTER_ATTEMPTS_MAX
    bench.clock.during[1] = lambda: bench.deliver(FIRING)
    bench.run()
    assert ("progressing", 25) == (bench.stepper.status()["state"], bench.stepper.status()["weight"])
    assert "weight_refused" == bench.kinds()[-2]
    asyncio.run(bench.deliver(FIRING))
    assert ("rolled_back", 0) == (bench.stepper.status()["state"], bench.stepper.status()["weight"])
    assert [("step", 5), ("step", 25), ("roll_back", 0)] == bench.decisions()


def test_step_in_its_retry_pause_is_dropped_by_a_rollback(bench: Bench) -> None:
    """A step that waits to be tried again must not arrive after the rollback's weight 0."""
    bench.router.refusals[25] = 1
    bench.clock.during[1] = lambda: bench.deliver(FIRING)
    bench.run()
    assert [5, 25, 0] == bench.router.calls
    assert "rolled_back" == bench.stepper.status()["state"]


def test_rollback_waits_for_the_call_in_flight(bench: Bench) -> None:
    """A rollback decided while a step's call is under way is recorded at once and called after it, never before."""

    async def overtake() -> list[int]:
        bench.router.gates[5] = asyncio.Event()
        assert bench.stepper.start()
        walk = asyncio.create_task(bench.stepper.walk())
        await bench.router.called.wait()
        delivery = asyncio.create_task(bench.deliver(FIRING))
        await bench.record.rollback_decided.wait()
        before = list(bench.router.calls)
        bench.router.gates[5].set()
        await asyncio.gather(walk, delivery)
        return before

    assert [5] == asyncio.run(asyncio.wait_for(overtake(), 5))
    assert [5, 0] == bench.router.calls
    assert [("weight_set", 5), ("weight_set", 0)] == [
        (line["kind"], line["weight"]) for line in lines(bench.path) if line["kind"] == "weight_set"
    ]
    assert "rolled_back" == bench.stepper.status()["state"]


def test_record_that_cannot_be_written_stops_the_decision(bench: Bench) -> None:
    """What cannot be recorded is not done: no router call follows."""

    async def broken() -> None:
        bench.record.close()
        await bench.deliver(FIRING)

    bench.clock.during[0] = broken
    with pytest.raises(OSError, match="Bad file descriptor"):
        bench.run()
    assert [5] == bench.router.calls


def test_a_planted_stepper_can_override_both_seams(tmp_path: Path) -> None:
    """A subclass that is deaf, or that sets another weight, runs unchanged otherwise."""

    class Leaky(Stepper):
        async def set_router_weight(self, weight: int) -> None:
            await super().set_router_weight(max(weight, 5))

    bench = Bench(tmp_path / "stepper.ndjson")
    bench.stepper = Leaky(Plan((5, 25), 1.0), bench.router, bench.record, bench.clock)
    bench.clock.during[0] = lambda: bench.deliver(FIRING)
    bench.run()
    assert ([5, 5], "rolled_back", 5) == (
        bench.router.calls,
        bench.stepper.status()["state"],
        bench.stepper.status()["weight"],
    )


# -- at the last step, holding ------------------------------------------------------------------------------------


def test_alert_at_the_last_step_brings_the_previous_version_back(bench: Bench) -> None:
    """100 % is a step like any other: until it has been held there is no promotion, and an alert rolls back."""
    bench.clock.during[3] = lambda: bench.deliver(FIRING)
    bench.run()
    assert [5, 25, 50, 100, 0] == bench.router.calls
    assert ("rolled_back", 0) == bench.state()
    assert [("step", 100), ("roll_back", 0)] == bench.decisions()[-2:]


def test_alert_about_the_service_holds_the_rollout(bench: Bench) -> None:
    """The weight stays, no step follows, and record and team say why; a second delivery adds nothing."""

    async def twice() -> None:
        await bench.deliver(SERVICE)
        await bench.deliver(SERVICE)

    bench.clock.during[1] = twice
    bench.run()
    assert ([5, 25], ("held", 25)) == (bench.router.calls, bench.state())
    assert [("step", 25), ("hold", 25)] == bench.decisions()[-2:]
    assert {
        "decision": "hold",
        "weight": 25,
        "reason": "ServiceErrorRatioHigh fires for the service",
        "version": "1.1",
        "alert": "ServiceErrorRatioHigh",
        "fingerprint": "f2",
    } == bench.stepper.status()["decision"]
    assert ["held"] == [line["outcome"] for line in lines(bench.path) if line["kind"] == "rollout_finished"]
    assert [("hold", "held", 25)] == bench.told()


def test_held_canary_that_proves_worse_is_rolled_back(bench: Bench) -> None:
    """A hold does not take the way back: a later alert about the canary still brings weight 0."""

    async def both() -> None:
        await bench.deliver(SERVICE)
        await bench.deliver(FIRING)

    bench.clock.during[1] = both
    bench.run()
    assert ([5, 25, 0], ("rolled_back", 0)) == (bench.router.calls, bench.state())
    assert [("hold", "held", 25), ("roll_back", "rolled_back", 0)] == bench.told()


def test_rollback_goes_before_a_hold_of_the_same_notification(bench: Bench) -> None:
    """With both in one body the canary goes to 0, and the hold has nothing left to hold."""
    bench.clock.during[1] = lambda: bench.deliver(SERVICE, FIRING)
    bench.run()
    assert ("rolled_back", 0) == bench.state()
    assert [("step", 5), ("step", 25), ("roll_back", 0)] == bench.decisions()


def test_step_in_its_retry_pause_is_dropped_by_a_hold(bench: Bench) -> None:
    """A step that the router has not taken yet does not arrive after the hold, whose weight is the router's."""
    bench.router.refusals[25] = 1
    bench.clock.during[1] = lambda: bench.deliver(SERVICE)
    bench.run()
    assert ([5, 25], ("held", 5)) == (bench.router.calls, bench.state())
    assert ("hold", 5) == bench.decisions()[-1]


def test_hold_waits_for_the_call_in_flight(bench: Bench) -> None:
    """A hold that comes while the router is being told a step is about the weight of that step."""

    async def overtake() -> None:
        bench.router.gates[5] = asyncio.Event()
        assert bench.stepper.start()
        walk = asyncio.create_task(bench.stepper.walk())
        await bench.router.called.wait()
        delivery = asyncio.create_task(bench.deliver(SERVICE))
        await asyncio.wait([delivery], timeout=0)
        assert [("step", 5)] == bench.decisions()
        bench.router.gates[5].set()
        await asyncio.gather(walk, delivery)

    asyncio.run(asyncio.wait_for(overtake(), 5))
    assert ([5], ("held", 5), ("hold", 5)) == (bench.router.calls, bench.state(), bench.decisions()[-1])


def test_hold_outside_the_rollout_changes_nothing(bench: Bench) -> None:
    """Before the start and after the promotion there is nothing to hold."""
    asyncio.run(bench.deliver(SERVICE))
    bench.run()
    asyncio.run(bench.deliver(SERVICE))
    assert ("promoted", 100) == bench.state()
    assert [] == bench.told()


# -- removing -----------------------------------------------------------------------------------------------------


def test_removal_stops_the_canary_once_it_has_drained(removing: Bench) -> None:
    """Weight 0, looks until none sees a request, the decision on disk, then each instance; only then it is done."""
    removing.router.active = [7, 1]
    removing.run()
    assert ([5, 25, 0], ("rolled_back", 0)) == (removing.router.calls, removing.state())
    assert 2 + QUIET_LOOKS == removing.router.looks
    assert [("roll_back", 0), ("remove", 0)] == removing.decisions()[-2:]
    assert ["canary-1", "canary-2"] == removing.owner.asked
    assert ["remove", "remove"] == [line["decision"] for line in removing.owner.seen]
    assert ["decided", "weight_set", "decided", "rollout_finished", "team_told"] == removing.kinds()[-5:]
    assert [("roll_back", "rolled_back", 0)] == removing.told()
    decision = removing.stepper.status()["decision"]
    assert "drained: no request on the canary in 3 looks, 0.5 s after weight 0" == decision["reason"]
    assert ("CanaryErrorRatioHigh", "f1", "1.1") == tuple(
        decision[name] for name in ("alert", "fingerprint", "version")
    )


def test_one_quiet_look_is_not_drained(removing: Bench) -> None:
    """A request between two quiet looks, or a look that failed, begins the count again."""
    removing.router.active = [0, 0, 3, 0, "503 no"]
    removing.run()
    assert 5 + QUIET_LOOKS == removing.router.looks
    assert ("rolled_back", 0) == removing.state()


def test_canary_that_never_drains_is_left_alone_and_said_so(removing: Bench) -> None:
    """Past the bound nothing is stopped, the rollback does not count as done, and the team hears why."""
    removing.router.active = [2] * 1000
    removing.run()
    assert ([], ("progressing", 0)) == (removing.owner.asked, removing.state())
    assert [("step", 5), ("step", 25), ("roll_back", 0)] == removing.decisions()
    assert [("roll_back", "failed", 0)] == removing.told()
    assert "not drained within 16 s; last seen on it: 2 requests" in removing.team.told[0].reason
    assert DRAIN_S_MAX == pytest.approx(sum(removing.clock.waits[2:]))


def test_refused_stop_is_retried_and_recorded(removing: Bench) -> None:
    """An owner that does not answer is asked again; each refusal is on record."""
    removing.owner.refusals = [StopCallError("no route"), StopCallError("busy", 500)]
    removing.run()
    assert (["canary-1"] * 3 + ["canary-2"], ("rolled_back", 0)) == (removing.owner.asked, removing.state())
    assert [("canary-1", 1, "no route"), ("canary-1", 2, "busy")] == [
        (line["instance"], line["attempt"], line["message"])
        for line in lines(removing.path)
        if line["kind"] == "remove_refused"
    ]


@pytest.mark.parametrize(
    ("status", "asked_count"),
    [pytest.param(403, 1, id="forbidden"), pytest.param(500, STOP_ATTEMPTS_MAX, id="broken")],
)
def test_stop_that_is_never_done_is_no_rollback(removing: Bench, status: int, asked_count: int) -> None:
    """The state stays, the team hears why; the next delivery tries again and decides nothing a second time."""
    removing.owner.refusals = [StopCallError("no", status)] * asked_count
    removing.run()
    assert (["canary-1"] * asked_count, ("progressing", 0)) == (removing.owner.asked, removing.state())
    asyncio.run(removing.deliver(FIRING))
    assert (["canary-1", "canary-2"], ("rolled_back", 0)) == (removing.owner.asked[asked_count:], removing.state())
    assert [("step", 5), ("step", 25), ("roll_back", 0), ("remove", 0)] == removing.decisions()
    assert [("roll_back", "failed", 0), ("roll_back", "rolled_back", 0)] == removing.told()


def test_second_delivery_waits_for_the_removal_under_way(removing: Bench) -> None:
    """Two deliveries at once lead to one removal."""

    async def twice_at_once() -> None:
        await asyncio.gather(removing.deliver(FIRING), removing.deliver(FIRING))

    removing.clock.during[1] = twice_at_once
    removing.run()
    assert ["canary-1", "canary-2"] == removing.owner.asked
    assert [("roll_back", "rolled_back", 0)] == removing.told()


# -- telling the team ---------------------------------------------------------------------------------------------


def test_team_is_told_what_was_done_and_why(bench: Bench) -> None:
    """Version, decision, outcome, reason, alert and the weight that is left."""
    bench.clock.during[1] = lambda: bench.deliver(FIRING)
    bench.run()
    assert [
        Message(
            version="1.1",
            decision="roll_back",
            outcome="rolled_back",
            reason="CanaryErrorRatioHigh fires for the canary",
            alert="CanaryErrorRatioHigh",
            weight=0,
        )
    ] == bench.team.told
    assert {"kind": "team_told", "status": 200, "attempts": 1, "message": ""}.items() <= lines(bench.path)[-1].items()


def test_team_is_told_when_the_router_never_took_weight_0(bench: Bench) -> None:
    """A rollback that failed needs people more than one that worked; the weight told is the one that is left."""
    bench.router.refusals[0] = ROUTER_ATTEMPTS_MAX
    bench.clock.during[1] = lambda: bench.deliver(FIRING)
    bench.run()
    assert [("roll_back", "failed", 25)] == bench.told()
    assert "CanaryErrorRatioHigh fires for the canary; 503 no" == bench.team.told[0].reason


@pytest.mark.parametrize(
    ("refusal_count", "expected"),
    [
        pytest.param(1, {"status": 200, "attempts": 2, "message": ""}, id="once"),
        pytest.param(99, {"status": 503, "attempts": TELL_ATTEMPTS_MAX, "message": "503 no"}, id="always"),
    ],
)
def test_team_that_does_not_listen_is_told_again(bench: Bench, refusal_count: int, expected: dict[str, Any]) -> None:
    """Within a bound; how it went is on record, and the rollback stands either way."""
    bench.team.refusals = [CallError("503 no", 503)] * refusal_count
    bench.clock.during[1] = lambda: bench.deliver(FIRING)
    bench.run()
    assert expected.items() <= lines(bench.path)[-1].items()
    assert (expected["attempts"], ("rolled_back", 0)) == (len(bench.team.told), bench.state())


def test_promotion_tells_nobody(bench: Bench) -> None:
    """Nobody is needed where all went well."""
    bench.run()
    assert ([], "rollout_finished") == (bench.team.told, bench.kinds()[-1])


def test_stepper_without_a_team_finishes(tmp_path: Path) -> None:
    """Where no team is given nobody is told, and the record says nothing of it."""
    bench = Bench(tmp_path / "stepper.ndjson")
    bench.stepper = Stepper(Plan((5,), 1.0), bench.router, bench.record, bench.clock)
    bench.clock.during[0] = lambda: bench.deliver(FIRING)
    bench.run()
    assert (("rolled_back", 0), "rollout_finished") == (bench.state(), bench.kinds()[-1])
