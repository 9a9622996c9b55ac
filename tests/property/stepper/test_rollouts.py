"""Any rollout: alerts of any kind in any wait, and a router that refuses as it likes."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st

from stepper.controller import ROUTER_ATTEMPTS_MAX, Plan, Stepper, Strategy
from stepper.errors import CallError, RouterCallError, StopCallError
from stepper.record import Record
from stepper.team import Message
from stepper.webhook import Alert

ALERTS = st.builds(
    Alert,
    status=st.sampled_from(["firing", "resolved"]),
    labels=st.fixed_dictionaries(
        {"action": st.sampled_from(["rollback", "hold"]), "track": st.sampled_from(["canary", "stable"])}
    ),
    fingerprint=st.sampled_from(["f1", "f2"]),
    starts_at=st.just("t"),
)
HELD = ("hold", "roll_back")
STEPS = st.lists(st.integers(1, 100), min_size=1, max_size=5, unique=True).map(lambda steps: tuple(sorted(steps)))


@dataclass
class World:
    """Record, router and clock in one; `log` is what happened, in order."""

    refusals: list[bool]
    deliveries: list[list[Alert]]
    log: list[tuple[str, Any]] = field(default_factory=list)
    stepper: Stepper | None = None
    under_way: list[asyncio.Task[None]] = field(default_factory=list)

    def append(self, kind: str, t_ns: int | None = None, **data: Any) -> int:
        self.log.append((kind, data))
        return t_ns or 0

    async def set_weight(self, weight: int) -> None:
        self.log.append(("call", weight))
        if self.refusals and self.refusals.pop():
            raise RouterCallError("no")

    async def active_count(self) -> int:
        self.log.append(("look", None))
        return 0

    async def stop(self, instance: str) -> None:
        self.log.append(("stop", instance))
        if self.refusals and self.refusals.pop():
            raise StopCallError("no")

    async def tell(self, message: Message) -> int:
        self.log.append(("tell", message.outcome))
        if self.refusals and self.refusals.pop():
            raise CallError("no")
        return 200

    def now_ns(self) -> int:
        return 0

    async def wait(self, event: asyncio.Event | None, wait_s: float) -> bool:
        if self.deliveries:
            assert self.stepper is not None
            # A task of its own, as the server has it: the walk may itself be what the delivery has to wait for.
            delivery = asyncio.create_task(self.stepper.on_webhook(self.deliveries.pop(), 0))
            self.under_way.append(delivery)
            await asyncio.wait([delivery], timeout=0)  # the others' turn
        return event is not None and event.is_set()


def walked(
    steps: tuple[int, ...], refusals: list[bool], deliveries: list[list[Alert]], strategy: Strategy = Strategy.SHIFT
) -> World:
    """The world after one whole rollout."""
    world = World(refusals, deliveries)
    plan = Plan(steps, 1.0, "1.1", strategy, ("canary-1",))
    world.stepper = Stepper(plan, world, cast(Record, world), world, owner=world, team=world)
    assert world.stepper.start()
    asyncio.run(to_the_end(world))
    return world


async def to_the_end(world: World) -> None:
    """The walk, and every delivery that came in it or in another delivery's own waits."""
    assert world.stepper is not None
    await asyncio.wait_for(world.stepper.walk(), 5)
    while pending := [delivery for delivery in world.under_way if not delivery.done()]:
        await asyncio.wait_for(asyncio.gather(*pending), 5)
    for delivery in world.under_way:
        delivery.result()


@given(
    STEPS,
    st.lists(st.booleans(), max_size=40),
    st.lists(st.lists(ALERTS, max_size=3), max_size=12),
    st.sampled_from(Strategy),
)
def test_any_rollout_keeps_its_promises(
    steps: tuple[int, ...], refusals: list[bool], deliveries: list[list[Alert]], strategy: Strategy
) -> None:
    """Each call follows its decision; one rollback and one hold at most; after them no step; no outcome unreached."""
    world = walked(steps, refusals, deliveries, strategy)
    assert world.stepper is not None
    decided = None
    for kind, data in world.log:
        if kind == "decided":
            decided = data
        if kind == "call":
            assert decided is not None
            assert decided["weight"] == data
    decisions = [data["decision"] for kind, data in world.log if kind == "decided"]
    last = [name for name in decisions if name not in ("step", "promote")]
    assert last in ([], ["roll_back"], ["hold"], ["hold", "roll_back"], ["roll_back", "remove"], [*HELD, "remove"])
    assert decisions[len(decisions) - len(last) :] == last
    finished = [data["outcome"] for kind, data in world.log if kind == "rollout_finished"]
    status = world.stepper.status()
    assert finished in ([], ["promoted"], ["held"], ["rolled_back"], ["held", "rolled_back"])
    assert status["state"] == (finished[-1] if finished else "progressing")
    assert status["state"] != "promoted" or status["weight"] == 100
    assert sum(kind == "call" for kind, _ in world.log) <= (len(steps) + 13) * ROUTER_ATTEMPTS_MAX


@given(STEPS, st.lists(st.booleans(), max_size=40), st.lists(st.lists(ALERTS, max_size=3), min_size=1, max_size=12))
def test_any_rollback_goes_in_order(
    steps: tuple[int, ...], refusals: list[bool], deliveries: list[list[Alert]]
) -> None:
    """After its decision only 0; nothing is stopped before the router took 0, three quiet looks and the decision to."""
    world = walked(steps, refusals, deliveries, Strategy.REMOVE)
    assert world.stepper is not None
    status, log = world.stepper.status(), world.log
    after = log[position(log, "roll_back") :]
    assert {0} >= {data for kind, data in after if kind == "call"}
    stops = [index for index, (kind, _) in enumerate(log) if kind == "stop"]
    if stops:
        before = log[: stops[0]]
        assert [("decided", "remove")] == [(kind, data["decision"]) for kind, data in before[-1:]]
        assert [("look", None)] * 3 == [entry for entry in before if entry[0] == "look"][-3:]
        assert ("weight_set", {"weight": 0}) in before
    if status["state"] == "rolled_back":
        assert (0, True) == (status["weight"], bool(stops))
    told = [data for kind, data in log if kind == "tell"]
    assert ("rolled_back" in told) == (status["state"] == "rolled_back")


@given(STEPS, st.integers(0, 5), st.lists(ALERTS, max_size=3))
def test_an_alert_that_asks_always_ends_at_0(steps: tuple[int, ...], wait_number: int, others: list[Alert]) -> None:
    """With a router that takes everything, an alert that asks ends at 0, at any step and in any company."""
    asks = Alert("firing", {"action": "rollback", "track": "canary"}, "f9", "t")
    at = min(wait_number, len(steps) - 1)
    world = walked(steps, [], [[*others, asks], *[[] for _ in range(at)]])
    assert world.stepper is not None
    assert ("rolled_back", 0) == (world.stepper.status()["state"], world.stepper.status()["weight"])


def position(log: list[tuple[str, Any]], decision: str) -> int:
    """Where that was decided; past the end when it was not."""
    found = [index for index, (kind, data) in enumerate(log) if kind == "decided" and data["decision"] == decision]
    return found[0] if found else len(log)
