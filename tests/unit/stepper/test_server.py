"""The server over a stepper that takes its time or fails: who notifies is answered, and nothing fails unseen."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, cast

import httpx
import pytest

from stepper.clock import MonotonicClock
from stepper.controller import Stepper
from stepper.server import Service
from stepper.webhook import Alert

BODY = json.dumps({"version": "4", "alerts": []}).encode()


class FakeStepper:
    """Does what it is given to do about a notification and in its walk; counts what it has done."""

    def __init__(self, work: Callable[[], Awaitable[None]]) -> None:
        self.work = work
        self.done_count = 0

    def status(self) -> dict[str, Any]:
        return {"state": "progressing", "done": self.done_count}

    def start(self) -> bool:
        return True

    async def walk(self) -> None:
        await self.work()
        self.done_count += 1

    async def on_webhook(self, alerts: Sequence[Alert], received_ns: int) -> None:
        await self.walk()


class Bench:
    """A service whose answers wait 10 ms at most, and how often it called for the end of the process."""

    def __init__(self, work: Callable[[], Awaitable[None]]) -> None:
        self.stepper = FakeStepper(work)
        self.ended_count = 0
        self.service = Service(cast(Stepper, self.stepper), MonotonicClock(), self.end, answer_s_max=0.01)
        self.transport = httpx.ASGITransport(self.service.app(), raise_app_exceptions=False)

    def end(self) -> None:
        self.ended_count += 1

    async def post(self, path: str) -> httpx.Response:
        async with httpx.AsyncClient(transport=self.transport, base_url="http://stepper") as client:
            return await client.post(path, content=BODY, timeout=5.0)


async def nothing() -> None:
    """Be done at once."""


async def unwritable() -> None:
    """Fail as a record on a full disk does."""
    raise OSError("No space left on device")


def test_notification_is_answered_with_what_it_led_to() -> None:
    """What is done in time is in the answer."""
    answer = asyncio.run(Bench(nothing).post("/webhook"))
    assert (200, {"state": "progressing", "done": 1}) == (answer.status_code, answer.json())


def test_long_work_is_not_waited_for_and_not_cut() -> None:
    """The answer comes in its time, and the work goes on to its end."""

    async def answered() -> tuple[dict[str, Any], int, int]:
        gate = asyncio.Event()

        async def opened() -> None:
            await gate.wait()

        bench = Bench(opened)
        told = (await bench.post("/webhook")).json()
        (task,) = bench.service.tasks
        gate.set()
        await asyncio.wait_for(task, 5)
        return told, bench.stepper.done_count, len(bench.service.tasks)

    assert ({"state": "progressing", "done": 0}, 1, 0) == asyncio.run(answered())


@pytest.mark.parametrize(("path", "status"), [("/webhook", 500), ("/start", 200)])
def test_failed_work_ends_the_process(path: str, status: int) -> None:
    """A stepper that cannot record must not stand still unseen; the first failure is kept for the exit."""

    async def failed() -> tuple[int, int, BaseException | None]:
        bench = Bench(unwritable)
        answer = await bench.post(path)
        await asyncio.wait(bench.service.tasks or [asyncio.ensure_future(nothing())], timeout=5)
        assert bench.service.failed is not None
        return answer.status_code, bench.ended_count, bench.service.failed.exception()

    answered, ended_count, error = asyncio.run(failed())
    assert (status, 1, "No space left on device") == (answered, ended_count, str(error))
