"""HTTP around the controller: three routes, and the task that walks the steps.

Not covered: authentication. It listens on 127.0.0.1 and can do nothing but move the one route it was given.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

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


class Service:
    """The three routes. `walking` is the rollout's task, None until it was started; `on_walk_failed` is called when it
    raises, which only an unwritable record or a mistake in the code can make it do."""

    def __init__(self, stepper: Stepper, clock: Clock, on_walk_failed: Callable[[], None]) -> None:
        self._stepper = stepper
        self._clock = clock
        self._on_walk_failed = on_walk_failed
        self.walking: asyncio.Task[None] | None = None

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
        self.walking = asyncio.create_task(self._stepper.walk())
        self.walking.add_done_callback(self._walk_ended)
        return JSONResponse(self._stepper.status())

    async def webhook(self, request: Request) -> JSONResponse:
        """POST /webhook: 200 for every well-formed body, 400 with the reason for any other."""
        received_ns = self._clock.now_ns()
        try:
            alerts = webhook.parse(await _body(request))
        except MalformedWebhookError as error:
            return JSONResponse({"error": str(error)}, 400)
        await self._stepper.on_webhook(alerts, received_ns)
        return JSONResponse(self._stepper.status())

    def _walk_ended(self, walking: asyncio.Task[None]) -> None:
        if not walking.cancelled() and walking.exception() is not None:
            self._on_walk_failed()


async def _body(request: Request) -> bytes:
    """The body, at most BODY_BYTES_MAX of it."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_BYTES_MAX:
            raise MalformedWebhookError(f"the body is over {BODY_BYTES_MAX} bytes")
    return bytes(body)
