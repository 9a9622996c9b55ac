"""Answers: JSON bodies encoded by msgspec, and errors in their one shape."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from porttrack.errors import ApiError

_encode = msgspec.json.Encoder().encode


def json_answer(body: Any, status: int = 200, media_type: str = "application/json") -> Response:
    """`body` as JSON; datetimes as RFC 3339 in UTC, UUIDs as text."""
    return Response(_encode(body), status_code=status, media_type=media_type)


def error_answer(error: ApiError) -> Response:
    """The answer that an ApiError stands for."""
    return json_answer(error.body(), error.status)


async def on_api_error(_request: Request, error: Exception) -> Response:
    """Starlette's handler of ApiError."""
    assert isinstance(error, ApiError)
    return error_answer(error)


async def on_http_exception(_request: Request, error: Exception) -> Response:
    """Starlette's own refusals (no such route, method not allowed) in our shape."""
    assert isinstance(error, HTTPException)
    code = HTTPStatus(error.status_code).name.lower()
    answer = error_answer(ApiError(error.status_code, code, error.detail))
    answer.headers.update(error.headers or {})
    return answer


async def on_crash(_request: Request, _error: Exception) -> Response:
    """A programmer's mistake: a plain 500; the server logs the traceback."""
    return error_answer(ApiError(500, "internal_error", "the service failed; the cause is in its log"))


HANDLERS = {ApiError: on_api_error, HTTPException: on_http_exception, Exception: on_crash}
