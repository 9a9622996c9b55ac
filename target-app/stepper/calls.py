"""One HTTP call: to the router, to whoever stops instances, to the team.

`http.client` of the standard library, so that the stepper needs nothing to call with that it does not serve with.
Each call names its own limit, which holds for connecting and for each read; answers are short.

Not covered: TLS, redirects, proxies.
"""

from __future__ import annotations

import asyncio
import http.client
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from stepper.errors import CallError

ANSWER_BYTES_MAX: Final = 4096


@dataclass(frozen=True, slots=True)
class Call:
    """What to send. `url` is http://host:port; `path` has the query; `s_max` bounds connecting and each read."""

    method: str
    url: str
    path: str
    s_max: float
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        """Without body and headers: those may hold a secret."""
        return f"{self.method} {self.url}{self.path}"


@dataclass(frozen=True, slots=True)
class Answer:
    """A 2xx answer: its status and at most ANSWER_BYTES_MAX of its text."""

    status: int
    text: str


async def send(call: Call) -> Answer:
    """Send one call; CallError names it and what came back, unless that was 2xx."""
    return await asyncio.to_thread(_send, call)


def _send(call: Call) -> Answer:
    address = urlsplit(call.url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=call.s_max)
    try:
        connection.request(call.method, call.path, body=call.body, headers=dict(call.headers))
        answer = connection.getresponse()
        said = answer.read(ANSWER_BYTES_MAX).decode(errors="replace").strip()
    except (OSError, http.client.HTTPException) as error:
        raise CallError(f"{call}: {type(error).__name__}: {error}") from error
    finally:
        connection.close()
    if not 200 <= answer.status < 300:
        raise CallError(f"{call}: {answer.status} {said[:200]}", answer.status)
    return Answer(answer.status, said)
