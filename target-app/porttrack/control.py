"""The control port: switching faults, and what is in flight. Never on the load's path.

    GET    /faults             active faults with the seconds they have left
    PUT    /faults/{name}      switch one on: {"share": 0.3, "deadline_s": 60, "seed": 7} and arguments of its own
    DELETE /faults/{name}      switch it off, any number of times
    GET    /in-flight          {"in_flight": n}

Everything needs `Authorization: Bearer <token>`, else 401. The port exists only where it was asked for, and
only on loopback.
"""

from __future__ import annotations

import hmac

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from porttrack.answers import HANDLERS, error_answer, json_answer
from porttrack.decode import read_body
from porttrack.edge import Handler
from porttrack.errors import ApiError
from porttrack.faults import KINDS, Faults
from porttrack.metrics import Metrics

BODY_BYTES_MAX = 4096  # a fault's arguments are some 100 bytes


def build_control(token: str, faults: Faults, metrics: Metrics) -> Starlette:
    """The control application of one instance."""
    assert token, "a control port without a token is not built"

    async def get_faults(_request: Request) -> Response:
        active = faults.active()
        return json_answer({"active": [{"fault": name, "remaining_s": left} for name, left in active.items()]})

    async def put_fault(request: Request) -> Response:
        fault = faults.put(request.path_params["name"], await read_body(request, BODY_BYTES_MAX))
        return json_answer(
            {"fault": fault.name, "arguments": fault.arguments, "deadline_s": fault.arguments.deadline_s}
        )

    async def delete_fault(request: Request) -> Response:
        name = request.path_params["name"]
        if name not in KINDS:
            raise ApiError(404, "unknown_fault", f"no fault {name!r}; known: {', '.join(KINDS)}", "fault", name)
        return json_answer({"fault": name, "was_active": faults.remove(name)})

    async def get_in_flight(_request: Request) -> Response:
        return json_answer({"in_flight": metrics.in_flight_count})

    endpoints: tuple[tuple[str, str, Handler], ...] = (
        ("GET", "/faults", get_faults),
        ("PUT", "/faults/{name}", put_fault),
        ("DELETE", "/faults/{name}", delete_fault),
        ("GET", "/in-flight", get_in_flight),
    )
    routes = [Route(path, _with_token(token, handler), methods=[method]) for method, path, handler in endpoints]
    return Starlette(routes=routes, exception_handlers=HANDLERS)


def _with_token(token: str, handler: Handler) -> Handler:
    wanted = f"Bearer {token}".encode()

    async def endpoint(request: Request) -> Response:
        given = request.headers.get("authorization", "").encode("latin-1")
        if hmac.compare_digest(given, wanted):
            return await handler(request)
        answer = error_answer(ApiError(401, "unauthorized", "send Authorization: Bearer <control token>"))
        answer.headers["www-authenticate"] = "Bearer"
        return answer

    return endpoint
