"""Bearer tokens: for writes to the public port, and for everything on the control port.

Compared in constant time. Not covered: whose token it is; there is one for all who may write.
"""

from __future__ import annotations

import hmac

from starlette.requests import Request
from starlette.responses import Response

from porttrack.answers import error_answer
from porttrack.edge import Handler
from porttrack.errors import ApiError


def with_token(token: str, handler: Handler, what: str = "write token") -> Handler:
    """`handler` for whoever brings the token, 401 for anyone else."""
    wanted = f"Bearer {token}".encode()

    async def endpoint(request: Request) -> Response:
        given = request.headers.get("authorization", "").encode("latin-1")
        if hmac.compare_digest(given, wanted):
            return await handler(request)
        answer = error_answer(ApiError(401, "unauthorized", f"send Authorization: Bearer <{what}>"))
        answer.headers["www-authenticate"] = "Bearer"
        return answer

    return endpoint
