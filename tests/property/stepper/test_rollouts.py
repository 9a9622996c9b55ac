"""Any rollout: alerts of any kind in any wait, and a router that refuses as it likes."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st

from stepper.controller import ROUTER_ATTEMPTS_MAX, Plan, Stepper
from stepper.errors import RouterCallError
from stepper.record import Record
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


def walked(steps: tuple[int, ...], refusals: list[bool], deliveries: list[list[Alert]]) -> World:
    """The world after one whole rollout."""
    world = World(refusals, deliveries)
    world.stepper = Stepper(Plan(steps, 1.0), world, cast(Record, world), world)
    assert world.stepper.start()
    asyncio.run(to_the_end(world))
    return world


async def to_the_end(world: World) -> None:
    """The walk, and every delivery that came in it."""
    assert world.stepper is not None
    await asyncio.wait_for(world.stepper.walk(), 5)
    await asyncio.wait_for(asyncio.gather(*world.under_way), 5)


@given(STEPS, st.lists(st.booleans(), max_size=30), st.lists(st.lists(ALERTS, max_size=3), max_size=12))
def test_any_rollout_keeps_its_promises(
    steps: tuple[int, ...], refusals: list[bool], deliveries: list[list[Alert]]
) -> None:
    """Each call follows its decision; one rollback at most, after it only 0; no outcome that was not reached."""
    world = walked(steps, refusals, deliveries)
    decided = None
    for kind, data in world.log:
        if kind == "decided":
            decided = data
        if kind == "call":
            assert decided is not None
            assert decided["weight"] == data
    decisions = [data["decision"] for kind, data in world.log if kind == "decided"]
    calls = [data for kind, data in world.log if kind == "call"]
    assert decisions.count("roll_back") <= 1
    if "roll_back" in decisions:
        assert "roll_back" == decisions[-1]
        assert {0} >= {data for kind, data in world.log[position(world.log) :] if kind == "call"}
    finished = [data["outcome"] for kind, data in world.log if kind == "rollout_finished"]
    status = world.stepper.status() if world.stepper else {}
    assert finished == ([] if status["state"] == "progressing" else [status["state"]])
    assert finished != ["rolled_back"] or (calls[-1], status["weight"]) == (0, 0)
    assert finished != ["promoted"] or status["weight"] == 100
    assert len(calls) <= (len(steps) + 1) * ROUTER_ATTEMPTS_MAX + 12 * ROUTER_ATTEMPTS_MAX


@given(STEPS, st.integers(0, 5), st.lists(ALERTS, max_size=3))
def test_an_alert_that_asks_always_ends_at_0(steps: tuple[int, ...], wait_number: int, others: list[Alert]) -> None:
    """With a router that takes everything, an alert that asks ends at 0, at any step and in any company."""
    asks = Alert("firing", {"action": "rollback", "track": "canary"}, "f9", "t")
    at = min(wait_number, len(steps) - 1)
    world = walked(steps, [], [[*others, asks], *[[] for _ in range(at)]])
    assert world.stepper is not None
    assert ("rolled_back", 0) == (world.stepper.status()["state"], world.stepper.status()["weight"])


def position(log: list[tuple[str, Any]]) -> int:
    """Where the rollback was decided."""
    return next(index for index, (kind, data) in enumerate(log) if kind == "decided" and data["weight"] == 0)
