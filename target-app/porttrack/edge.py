"""The outermost layer: who answered, what was counted, and the place where faults sit.

`Edge` wraps the whole application, so error answers carry the version and instance headers too, and an answer
that a fault gave or delayed is counted, timed and marked like any other. `guarded` wraps each handler: it tells
the edge which route this is, asks the faults first, and tells the edge which of them hit.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Container, Mapping
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from porttrack.answers import error_answer
from porttrack.errors import ApiError
from porttrack.faults import Faults
from porttrack.metrics import UNMATCHED, Metrics

UNCOUNTED: Final = frozenset({"/health", "/livez", "/metrics", "/openapi.json", "/readyz", "/startupz"})
FAULT_HEADER: Final = "x-fault-injected"
_ROUTE: Final = "porttrack.route"
_FAULT: Final = "porttrack.fault"
# Set by a handler that waited for someone outside: that time is not the service's, and no latency rule may count it.
WAITED_S: Final = "porttrack.waited_s"

Handler = Callable[[Request], Awaitable[Response]]
Sleep = Callable[[float], Awaitable[None]]


class Edge:
    """ASGI middleware around the application of one instance, which gives every answer `headers`."""

    def __init__(
        self,
        app: ASGIApp,
        headers: Mapping[str, str],
        metrics: Metrics,
        clock_s: Callable[[], float],
        uncounted: Container[str] = UNCOUNTED,
    ) -> None:
        self._app = app
        self._metrics = metrics
        self._clock_s = clock_s
        self._headers = tuple((name.encode(), value.encode()) for name, value in headers.items())
        self._uncounted = uncounted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; HTTP only, the server offers nothing else."""
        status = 500  # what the server answers when the application raised before it answered

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), *self._headers, *_marks(scope)]
            await send(message)

        if scope["path"] in self._uncounted:
            await self._app(scope, receive, send_with_headers)
            return
        began_s = self._clock_s()
        self._metrics.in_flight_count += 1
        try:
            await self._app(scope, receive, send_with_headers)
        finally:
            self._metrics.in_flight_count -= 1
            route = scope.get(_ROUTE, UNMATCHED)
            took_s = self._clock_s() - began_s - scope.get(WAITED_S, 0.0)
            self._metrics.observe(route, scope["method"], status, max(took_s, 0.0))


def guarded(route: str, handler: Handler, faults: Faults, metrics: Metrics, sleep: Sleep = asyncio.sleep) -> Handler:
    """`handler`, with its route template told to the edge and the faults asked before it. `sleep` takes seconds."""

    async def endpoint(request: Request) -> Response:
        request.scope[_ROUTE] = route
        fault = faults.before_handler()
        if fault is None:
            return await handler(request)
        metrics.fault_injected(fault.fault)
        request.scope[_FAULT] = fault.fault
        if fault.delay_s:
            await sleep(fault.delay_s)
        if fault.status is None:
            return await handler(request)
        return error_answer(ApiError(fault.status, "fault_injected", f"answered by the fault {fault.fault}"))

    return endpoint


def _marks(scope: Scope) -> tuple[tuple[bytes, bytes], ...]:
    """The mark of the fault that hit this request, as a header; set here, so that refusals carry it too."""
    fault = scope.get(_FAULT)
    return () if fault is None else ((FAULT_HEADER.encode(), fault.encode()),)
