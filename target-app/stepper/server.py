"""HTTP around the controller: three routes, the task that walks the steps, and one for each notification.

A rollback that waits for the canary to drain takes longer than whoever notifies will wait for an answer. So what a
notification leads to runs in a task of its own, and the answer comes after ANSWER_S_MAX with what is known by then.

Not covered: authentication. It listens on 127.0.0.1 and can do nothing but move the one route it was given.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from stepper import webhook
from stepper.clock import Clock
from stepper.controller import Stepper
from stepper.errors import MalformedWebhookError

# 1 MiB: an alert takes about 1 kB, so this is a thousand in one notification.
BODY_BYTES_MAX: Final = 1 << 20
# 5 s: Alertmanager gives a delivery at least 10 s; a rollback that only shifts traffic takes some milliseconds.
ANSWER_S_MAX: Final = 5.0


class Service:
    """The three routes. `tasks` are those under way: the rollout's and one a notification. One that raises, which only
    an unwritable record or a mistake in the code can make it do, is kept as `failed`, and `on_failed` is called."""

    def __init__(
        self, stepper: Stepper, clock: Clock, on_failed: Callable[[], None], answer_s_max: float = ANSWER_S_MAX
    ) -> None:
        self._stepper = stepper
        self._clock = clock
        self._on_failed = on_failed
        self._answer_s_max = answer_s_max
        self.tasks: set[asyncio.Task[None]] = set()
        self.failed: asyncio.Task[None] | None = None

    def app(self) -> Starlette:
        """The ASGI application."""
        return Starlette(
            routes=[
                Route("/status", self.status, methods=["GET"]),
                Route("/start", self.start, methods=["POST"]),
                Route("/webhook", self.webhook, methods=["POST"]),
            ]
        )

    async def status(self, request: Request) -> JSONResponse:
        """GET /status."""
        return JSONResponse(self._stepper.status())

    async def start(self, request: Request) -> JSONResponse:
        """POST /start: 200 and the status, or 409 when the rollout has begun."""
        if not self._stepper.start():
            state = self._stepper.status()["state"]
            return JSONResponse({"error": f"the rollout is {state}; one process serves one rollout"}, 409)
        self._run(self._stepper.walk())
        return JSONResponse(self._stepper.status())

    async def webhook(self, request: Request) -> JSONResponse:
        """POST /webhook: 200 for every well-formed body, 400 with the reason for any other."""
        received_ns = self._clock.now_ns()
        try:
            alerts = webhook.parse(await _body(request))
        except MalformedWebhookError as error:
            return JSONResponse({"error": str(error)}, 400)
        task = self._run(self._stepper.on_webhook(alerts, received_ns))
        done, _ = await asyncio.wait({task}, timeout=self._answer_s_max)
        for ended in done:
            ended.result()  # an error is this request's 500 as well
        return JSONResponse(self._stepper.status())

    def _run(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self.tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self.failed = self.failed or task
            self._on_failed()


async def _body(request: Request) -> bytes:
    """The body, at most BODY_BYTES_MAX of it."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_BYTES_MAX:
            raise MalformedWebhookError(f"the body is over {BODY_BYTES_MAX} bytes")
    return bytes(body)
