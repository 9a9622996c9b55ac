"""One request handed on, once, and its answer handed back as it is."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import httpx
from starlette.requests import Request
from starlette.responses import Response

from porttrack.answers import error_answer
from porttrack.decode import read_body
from porttrack.errors import ApiError

BODY_BYTES_MAX: Final = 16 << 20
ANSWER_S_MAX: Final = 15.0  # as long as the router of the local stack waits
CONNECT_S_MAX: Final = 1.0
# Servers close idle connections (gunicorn after 2 s, Node and uvicorn after 5 s), and a request sent into that close
# fails without a fault of anybody's. So this side closes first.
IDLE_S_MAX: Final = 1.0
# Of one connection, not of the message (RFC 9110, 7.6.1); lengths are counted anew.
_HOP_BY_HOP: Final = frozenset(
    {
        b"connection", b"content-length", b"keep-alive", b"proxy-authenticate", b"proxy-authorization", b"te",
        b"trailer", b"transfer-encoding", b"upgrade",
    }
)  # fmt: skip
# Who answered and what was injected is the sidecar's word alone; of a repeated header the load takes the first.
_OURS: Final = frozenset({b"x-service-version", b"x-service-instance", b"x-fault-injected"})
_BODILESS: Final = frozenset({204, 304})
_BOUNDS: Final = {"timeout": httpx.Timeout(ANSWER_S_MAX, connect=CONNECT_S_MAX, pool=None).as_dict()}
Headers = list[tuple[bytes, bytes]]


class Proxy:
    """The service behind `upstream_url`, as a handler."""

    def __init__(self, upstream_url: str) -> None:
        self._url = httpx.URL(upstream_url)
        self._client = httpx.AsyncClient(
            limits=httpx.Limits(max_connections=None, keepalive_expiry=IDLE_S_MAX),
            trust_env=False,
        )

    async def handle(self, request: Request) -> Response:
        """502 where the service cannot be reached or breaks off, 504 where it takes too long; neither has a mark."""
        body = await read_body(request, BODY_BYTES_MAX) if _has_body(request) else b""
        query = request.scope["query_string"]
        path = request.scope["raw_path"] + (b"?" + query if query else b"")  # as it came, quoted or not
        # Made by hand: the client's own way of making one adds headers of its own.
        sent = httpx.Request(
            request.method,
            self._url,
            headers=_kept(request.headers.raw),
            content=body,
            extensions={**_BOUNDS, "target": path},  # an httpx.URL would quote it and take its dots out
        )
        try:
            answer = await self._client.send(sent, stream=True)
            try:
                content = b"".join([part async for part in answer.aiter_raw()])
            finally:
                await answer.aclose()
        except httpx.TimeoutException as error:
            return error_answer(ApiError(504, "gateway_timeout", f"{type(error).__name__}: the service took too long"))
        except httpx.TransportError as error:
            return error_answer(ApiError(502, "bad_gateway", f"{type(error).__name__}: {error}"))
        return _answered(request.method, answer, content)

    async def close(self) -> None:
        """Close idle connections."""
        await self._client.aclose()


def _has_body(request: Request) -> bool:
    return "content-length" in request.headers or "transfer-encoding" in request.headers


def _answered(method: str, answer: httpx.Response, content: bytes) -> Response:
    """With the service's own headers, repeated ones too. A HEAD's length is that of the body it left out."""
    handed_on = Response(content, status_code=answer.status_code)
    said = answer.headers.get("content-length", "0") if method == "HEAD" else str(len(content))
    length = [] if answer.status_code in _BODILESS else [(b"content-length", said.encode())]
    said_by_it = [pair for pair in _kept(answer.headers.raw) if pair[0].lower() not in _OURS]
    handed_on.raw_headers = [*said_by_it, *length]
    return handed_on


def _kept(headers: Iterable[tuple[bytes, bytes]]) -> Headers:
    return [(name, value) for name, value in headers if name.lower() not in _HOP_BY_HOP]
