"""One instance, composed: store, faults and metrics under the public application, and the control application.

`build` takes the store and the faults, so a defect can be planted by handing in a subclass: a store that
acknowledges and does not store, a registry that says a fault is on and injects nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from porttrack import clock
from porttrack.answers import HANDLERS, json_answer
from porttrack.api import Api
from porttrack.config import Config
from porttrack.control import build_control
from porttrack.edge import Edge, guarded
from porttrack.faults import KINDS, Faults
from porttrack.metrics import CONTENT_TYPE, Metrics
from porttrack.pg_store import PostgresStore
from porttrack.releases import by_name
from porttrack.store import Store


@dataclass(frozen=True, slots=True)
class App:
    """What `porttrack.serve` runs. `control` is None where the instance has no control port."""

    public: ASGIApp
    control: ASGIApp | None
    store: Store
    faults: Faults
    metrics: Metrics


def build(config: Config, store: Store | None = None, faults: Faults | None = None) -> App:
    """Compose one instance; PostgreSQL and the real fault registry unless others are given. Nothing is opened yet.

    Raises ValueError for an unknown release.
    """
    release = by_name(config.release)
    store = store or PostgresStore(config, release)
    faults = faults or Faults(clock.monotonic_s)
    endpoints = Api(store, release).routes()
    metrics = Metrics(config.release, [(method, path) for method, path, _ in endpoints], KINDS)
    routes = [
        Route(path, guarded(path, handler, faults, metrics), methods=[method]) for method, path, handler in endpoints
    ]
    application = Starlette(routes=[*routes, *_own_routes(config, metrics)], exception_handlers=HANDLERS)
    return App(
        public=Edge(application, config, metrics, clock.monotonic_s),
        control=build_control(config.control_token, faults, metrics) if config.has_control_port else None,
        store=store,
        faults=faults,
        metrics=metrics,
    )


def _own_routes(config: Config, metrics: Metrics) -> list[Route]:
    """What stays green whatever is broken on purpose: neither counted nor faulted."""

    async def health(_request: Request) -> Response:
        return json_answer({"status": "ok", "version": config.release, "instance": config.instance})

    async def scrape(_request: Request) -> Response:
        return Response(metrics.render(), media_type=CONTENT_TYPE)

    return [Route("/health", health), Route("/metrics", scrape)]
