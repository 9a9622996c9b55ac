"""The two applications of a sidecar: the service behind its edge, and the control port."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from porttrack import clock
from porttrack.answers import HANDLERS
from porttrack.control import build_control
from porttrack.edge import Edge, Handler, guarded
from porttrack.errors import ApiError
from porttrack.faults import ActiveFault, Faults
from porttrack.metrics import CONTENT_TYPE, Metrics

FAULTS: Final = ("http_5xx", "latency", "metrics_gone")
METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
# A service's own and the proxy's; a rule misses the first of a series that is born with it.
CODES: Final = (500, 502, 503, 504)
ROUTE: Final = "/{path:path}"
METRICS_PATH: Final = "/metrics"


@dataclass(frozen=True, slots=True)
class Identity:
    """Who this instance is."""

    name: str
    version: str

    @property
    def headers(self) -> dict[str, str]:
        """On every answer."""
        return {"x-service-version": self.version, "x-service-instance": self.name}


class OutsideFaults(Faults):
    """The faults that can be given from outside of a service."""

    def put(self, name: str, body: bytes) -> ActiveFault:
        """Switch it on. ApiError 404 for one that only the service itself could do."""
        if name not in FAULTS:
            raise ApiError(404, "unknown_fault", f"a sidecar has no {name!r}, only {', '.join(FAULTS)}", "fault", name)
        return super().put(name, body)


def build(
    who: Identity, ready_path: str, token: str, hand_on: Handler, pid: Callable[[], int]
) -> tuple[ASGIApp, ASGIApp]:
    """(public, control). `hand_on` asks the service, whose process is `pid()`; `ready_path` is not counted."""
    faults = OutsideFaults(clock.monotonic_s)
    metrics = Metrics(
        who.version, [(method, ROUTE) for method in METHODS], FAULTS, service="sidecar", codes=CODES, pid=pid
    )

    async def scrape(_request: Request) -> Response:
        if faults.hits("metrics_gone"):
            metrics.fault_injected("metrics_gone")
            raise ApiError(404, "not_found", "there are no metrics here")
        return Response(metrics.render(), media_type=CONTENT_TYPE)

    routes = [
        Route(METRICS_PATH, scrape),
        Route(ready_path, hand_on),
        Route(ROUTE, guarded(ROUTE, hand_on, faults, metrics), methods=list(METHODS)),
    ]
    uncounted = frozenset({METRICS_PATH, ready_path})
    public = Edge(
        Starlette(routes=routes, exception_handlers=HANDLERS), who.headers, metrics, clock.monotonic_s, uncounted
    )
    return public, build_control(token, faults, metrics)
