"""Where an instance stands in its life, for the three probes of the platform that runs it.

    /startupz   200 once it serves
    /readyz     200 while it wants traffic: from its start until it is told to stop
    /livez      200 as long as it can answer at all

A draining instance is alive and not ready: a router that looks at /readyz stops sending before connections are
refused. The store is not asked: when it is down every instance would become unready at once, and a router without any
ready instance hides the reason.
"""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from porttrack.answers import error_answer, json_answer
from porttrack.errors import ApiError


@dataclass(slots=True)
class Lifecycle:
    """What the server sets and the probes tell."""

    started: bool = False
    draining: bool = False

    def routes(self) -> list[Route]:
        """The probes."""

        def probe(name: str, wanted: bool) -> Response:
            if wanted:
                return json_answer({"status": "ok"})
            return error_answer(ApiError(503, f"not_{name}", "draining" if self.draining else "starting"))

        async def live(_request: Request) -> Response:
            return probe("live", True)

        async def ready(_request: Request) -> Response:
            return probe("ready", self.started and not self.draining)

        async def startup(_request: Request) -> Response:
            return probe("started", self.started)

        return [Route("/livez", live), Route("/readyz", ready), Route("/startupz", startup)]
