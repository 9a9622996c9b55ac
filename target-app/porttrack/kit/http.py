"""GET from one instance, several at a time.

http.client on a few threads: a full HTTP client takes several times the CPU for a GET, and the final read makes
a thousand of them while the service shares the same cores. Every thread has one connection, opened anew for
each read-back, so none is stale. Nothing is retried: a read that fails is the caller's to judge.

Not covered: TLS.
"""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, TypeVar
from urllib.parse import urlsplit

import msgspec

from harness.drive.target.port import DriveError, Instance

T = TypeVar("T")
U = TypeVar("U")

CALL_S_MAX: Final = 10.0  # above the 5 s that a statement and the 2 s that a connection may take in the service
CONNECTIONS_MAX: Final = 6  # the service's own pool has 8
INSTANCE_HEADER: Final = "x-porttrack-instance"
_NO_HEADERS: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer, read to its end."""

    url: str
    status: int
    instance: str
    body: bytes

    def refused(self, why: str) -> DriveError:
        """The error for an answer that cannot be used."""
        return DriveError(f"GET {self.url}: {self.status} {self.body[:200]!r}: {why}")


def get(base_url: str, path: str, headers: Mapping[str, str] = _NO_HEADERS, call_s_max: float = CALL_S_MAX) -> Answer:
    """One GET on a connection of its own. DriveError when nothing answers."""
    connection = _connect(base_url, call_s_max)
    try:
        return _get(connection, base_url, path, headers)
    finally:
        connection.close()


def decoded(answer: Answer, kind: type[T]) -> T:
    """The JSON body of a 200 as `kind`. DriveError for anything else."""
    if answer.status != 200:
        raise answer.refused("wanted 200")
    try:
        return msgspec.json.decode(answer.body, type=kind)
    except msgspec.MsgspecError as error:
        raise answer.refused(str(error)) from error


class Reader:
    """Several GETs at a time from one instance; a context manager that closes its connections."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self._pool = ThreadPoolExecutor(CONNECTIONS_MAX, thread_name_prefix="read-back")
        self._own = threading.local()
        self._connections: list[http.client.HTTPConnection] = []

    def __enter__(self) -> Reader:
        """Ready; connections are opened when first used."""
        return self

    def __exit__(self, *_reason: object) -> None:
        """Drop what was not begun and close every connection."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        for connection in self._connections:
            connection.close()

    def map(self, call: Callable[[T], U], items: Sequence[T]) -> list[U]:
        """`call` on every item, several at a time, in order; the first error is raised."""
        return list(self._pool.map(call, items))

    def get(self, path: str) -> Answer:
        """GET on this thread's connection. DriveError when nothing answers, or another than the instance."""
        connection = getattr(self._own, "connection", None)
        if connection is None:
            connection = self._own.connection = _connect(self._instance.url, CALL_S_MAX)
            self._connections.append(connection)
        answer = _get(connection, self._instance.url, path, _NO_HEADERS)
        if answer.instance != self._instance.name:
            raise answer.refused(f"answered by {answer.instance!r}, wanted {self._instance.name!r}")
        return answer


def _connect(base_url: str, call_s_max: float) -> http.client.HTTPConnection:
    parts = urlsplit(base_url)
    if parts.scheme != "http" or not parts.hostname:
        raise DriveError(f"{base_url!r} is no http URL of an instance")
    return http.client.HTTPConnection(parts.hostname, parts.port, timeout=call_s_max)


def _get(connection: http.client.HTTPConnection, base_url: str, path: str, headers: Mapping[str, str]) -> Answer:
    url = f"{base_url}{path}"
    try:
        connection.request("GET", path, headers=dict(headers))
        response = connection.getresponse()
        return Answer(url, response.status, response.headers.get(INSTANCE_HEADER, ""), response.read())
    except (OSError, http.client.HTTPException) as error:
        raise DriveError(f"GET {url}: {type(error).__name__}: {error}; is the instance up?") from error
