"""One instance, composed: store, faults and metrics under the public application, and the control application.

`build` takes the store and the faults, so a defect can be planted by handing in a subclass: a store that
acknowledges and does not store, a registry that says a fault is on and injects nothing. Whichever store it is,
the faults of the registry stand around it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from porttrack import clock, openapi
from porttrack.answers import HANDLERS, json_answer
from porttrack.api import Api
from porttrack.config import Config
from porttrack.control import build_control
from porttrack.edge import Edge, guarded
from porttrack.errors import ApiError
from porttrack.faults import KINDS, Faults
from porttrack.faults.faulty_store import with_faults
from porttrack.faults.rows import StoredRows
from porttrack.lifecycle import Lifecycle
from porttrack.metrics import CONTENT_TYPE, Metrics
from porttrack.pg_store import PostgresStore
from porttrack.releases import Release, by_name
from porttrack.store import Store
from porttrack.tokens import with_token
from porttrack.work_api import WorkApi


@dataclass(frozen=True, slots=True)
class App:
    """What `porttrack.serve` runs. `control` is None where the instance has no control port."""

    public: ASGIApp
    control: ASGIApp | None
    store: Store
    faults: Faults
    metrics: Metrics
    lifecycle: Lifecycle


def build(config: Config, store: Store | None = None, faults: Faults | None = None) -> App:
    """Compose one instance; PostgreSQL and the real fault registry unless others are given. Nothing is opened yet.

    Raises ValueError for an unknown release, ApiError for a fault in `config` that is none.
    """
    release = by_name(config.release)
    faults = faults or Faults(clock.monotonic_s)
    for kind, arguments in config.faults:
        faults.put(kind, arguments)

    def injected(kind: str) -> None:
        metrics.fault_injected(kind)

    store = with_faults(store or PostgresStore(config, release), faults, StoredRows(config), injected)
    endpoints = (*Api(store, release).routes(), *WorkApi(store).routes())
    if config.write_token:
        endpoints = tuple(
            (method, path, handler if method == "GET" else with_token(config.write_token, handler))
            for method, path, handler in endpoints
        )
    lifecycle = Lifecycle()
    metrics = Metrics(config.release, [(method, path) for method, path, _ in endpoints], KINDS)
    routes = [
        Route(path, guarded(path, handler, faults, metrics), methods=[method]) for method, path, handler in endpoints
    ]
    application = Starlette(
        routes=[*routes, *_own_routes(config, metrics, faults), *lifecycle.routes(), _openapi(release)],
        exception_handlers=HANDLERS,
    )
    return App(
        public=Edge(application, _headers(config), metrics, clock.monotonic_s),
        control=build_control(config.control_token, faults, metrics) if config.has_control_port else None,
        store=store,
        faults=faults,
        metrics=metrics,
        lifecycle=lifecycle,
    )


def _headers(config: Config) -> dict[str, str]:
    """Who answers."""
    return {"x-porttrack-version": config.release, "x-porttrack-instance": config.instance}


def _openapi(release: Release) -> Route:
    """The document, made when it is first asked for: an instance in a drill never is."""

    @cache
    def document() -> bytes:
        return msgspec.json.encode(openapi.document(release))

    async def get_openapi(_request: Request) -> Response:
        return Response(document(), media_type="application/json")

    return Route("/openapi.json", get_openapi)


def _own_routes(config: Config, metrics: Metrics, faults: Faults) -> list[Route]:
    """What stays green whatever is broken on purpose, uncounted; only `metrics_gone` takes the metrics away."""

    async def health(_request: Request) -> Response:
        return json_answer({"status": "ok", "version": config.release, "instance": config.instance})

    async def scrape(_request: Request) -> Response:
        if faults.hits("metrics_gone"):
            metrics.fault_injected("metrics_gone")
            raise ApiError(404, "not_found", "there are no metrics here")
        return Response(metrics.render(), media_type=CONTENT_TYPE)

    return [Route("/health", health), Route("/metrics", scrape)]
