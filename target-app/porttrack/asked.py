"""What a request asks: its id, the parts of its path, its query. Every reader refuses by name and value.

Text from a query may go into statements as it is, as parameters; it is held to printable characters all the same, as
PostgreSQL keeps no NUL.
"""

from __future__ import annotations

import re
import uuid
from typing import Final
from uuid import UUID

from starlette.requests import Request

from porttrack.decode import invalid
from porttrack.store import Box

BODY_BYTES_MAX: Final = 65536  # 20 reports are 3 kB
_REQUEST_ID = re.compile(r"[\x21-\x7e]{1,128}")  # printable, no space: it goes into logs and headers as it is
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


def request_id(request: Request) -> str:
    """The operation's id: the client's, or a new one. ApiError 422 for one that cannot be kept."""
    given = request.headers.get("x-request-id")
    if given is None:
        return str(uuid.uuid4())
    if not _REQUEST_ID.fullmatch(given):
        raise invalid("x-request-id", given, "must be 1 to 128 printable ASCII characters without spaces")
    return given


def mmsi_in_path(request: Request) -> int:
    """`{mmsi}` of the path."""
    text = request.path_params["mmsi"]
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise invalid("mmsi", text, "must be a number of at most nine digits")
    return int(text)


def uuid_in_path(request: Request) -> UUID:
    """`{id}` of the path."""
    return _uuid("id", request.path_params["id"])


def uuid_in_query(request: Request, name: str) -> UUID:
    """A UUID that the query must have."""
    return _uuid(name, request.query_params.get(name))


def _uuid(name: str, text: str | None) -> UUID:
    # Python's own parser also takes braces, urn: and hyphens anywhere, so that one id would have many spellings.
    if text is None or not _UUID.fullmatch(text):
        raise invalid(name, text, "must be a UUID")
    return UUID(text)


def text(request: Request, name: str, chars_max: int, default: str | None = None) -> str:
    """A word of the query: printable, of at most `chars_max` characters; required where there is no default."""
    given = request.query_params.get(name)
    if given is None and default is not None:
        return default
    if given is None or not (0 < len(given) <= chars_max and given.isprintable()):
        raise invalid(name, given, f"must be 1 to {chars_max} printable characters")
    return given


def whole(request: Request, name: str, default: int, low: int, high: int) -> int:
    """A whole number of the query from `low` to `high`."""
    text = request.query_params.get(name)
    if text is None:
        return default
    try:
        value = int(text)
    except ValueError as error:
        raise invalid(name, text, "must be a whole number") from error
    if not low <= value <= high:
        raise invalid(name, value, f"must be {low} to {high}")
    return value


def box(request: Request) -> Box:
    """`bbox` of the query; the whole world where it is not given."""
    text = request.query_params.get("bbox", "-180,-90,180,90")
    try:
        lon1, lat1, lon2, lat2 = (float(part) for part in text.split(","))
    except ValueError as error:
        raise invalid("bbox", text, "must be lon1,lat1,lon2,lat2") from error
    if not (-180 <= lon1 <= lon2 <= 180 and -90 <= lat1 <= lat2 <= 90):
        raise invalid("bbox", text, "must be lon1,lat1,lon2,lat2 in degrees, the smaller corner first")
    return lon1, lat1, lon2, lat2
