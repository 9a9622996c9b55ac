"""Bodies: read up to a bound, then JSON -> structs, with refusals that name the field and the value.

msgspec checks types and ranges in C and says where it stopped (`$.reports[3].sog`) but not what stood there;
so the slow path, taken only by refused requests, reads the body once more and looks.
"""

from __future__ import annotations

import re
from typing import Any, TypeVar

import msgspec
from starlette.requests import Request

from porttrack.errors import ApiError

T = TypeVar("T")

_PLACE = re.compile(r" - at `\$\.?(?P<path>[^`]*)`$")
_STEP = re.compile(r"\[(\d+)\]|([^.\[\]]+)")
_NUL_ESCAPED = rb"\u0000"


async def read_body(request: Request, bytes_max: int) -> bytes:
    """The request's body. ApiError 413 past `bytes_max`, as soon as that is known."""
    said = request.headers.get("content-length", "0")
    body = bytearray()
    if said.isdigit() and int(said) <= bytes_max:
        async for chunk in request.stream():
            body += chunk
            if len(body) > bytes_max:
                break
        else:
            return bytes(body)
    raise ApiError(413, "body_too_large", f"the body is larger than {bytes_max} bytes: send less at a time")


def decode(decoder: msgspec.json.Decoder[T], body: bytes) -> T:
    """`body` as the decoder's type. ApiError 400 for what is no JSON, 422 for what is out of range."""
    try:
        decoded = decoder.decode(body)
    except msgspec.ValidationError as error:
        raise _refusal(str(error), body) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _malformed(error) from error
    if _NUL_ESCAPED in body:
        _refuse_nul(msgspec.json.decode(body), "")
    return decoded


def _malformed(error: Exception) -> ApiError:
    return ApiError(400, "malformed_json", f"the body is not JSON in UTF-8: {error}")


def _refuse_nul(document: Any, path: str) -> None:
    """PostgreSQL's text keeps every character but NUL; JSON can only write it escaped."""
    if isinstance(document, str) and "\0" in document:
        raise invalid(path, document, "must not contain U+0000")
    for name, value in document.items() if isinstance(document, dict) else ():
        _refuse_nul(value, f"{path}.{name}" if path else name)
    for index, value in enumerate(document) if isinstance(document, list) else ():
        _refuse_nul(value, f"{path}[{index}]")


def _refusal(message: str, body: bytes) -> ApiError:
    match = _PLACE.search(message)
    path = match["path"] if match else ""
    reason = message[: match.start()] if match else message
    try:
        document = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:  # it was wrong in its type before it ceased to be JSON
        return _malformed(error)
    return invalid(path, _value_at(document, path), reason)


def _value_at(document: Any, path: str) -> Any:
    """What stands at `reports[3].sog`; None where the path leads nowhere, as for a missing field."""
    value = document
    for index, name in _STEP.findall(path):
        try:
            value = value[int(index)] if index else value[name]
        except (KeyError, IndexError, TypeError):
            return None
    return value


def invalid(field: str, value: Any, reason: str) -> ApiError:
    """The 422 that names what is wrong. The value in the message is cut at 80 characters: it may be a whole body."""
    shown = msgspec.json.encode(value).decode()
    shown = shown if len(shown) <= 80 else f"{shown[:80]}..."
    return ApiError(422, "invalid_value", f"{field or 'body'} is {shown}: {reason}", field or "body", value)
