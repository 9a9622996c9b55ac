"""One operation, sent exactly once, and what came of it.

This is the HTTP client below Locust's FastHttpUser (geventhttpclient's HTTPClient), without the layers
above it that follow redirects, keep cookies and try again. One retry is left inside: geventhttpclient
sends GET, PUT, DELETE and others again when the peer closes without an answer, measured at 12 sends of
one GET to a path that always drops. That would hide and amplify a connection fault, and apply writes
twice, so it is switched off and a test counts the sends.

Each user owns one client, so connections are reused per user. A client opens as many as its user has in
flight: a pool with fewer would queue arrivals inside the generator, where no lag shows it.

Not covered: TLS, proxies, compressed answers (none is asked for), HTTP/2. An answer that has neither a
length nor chunks ends where its connection ends, so its truncation cannot be seen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any, Final
from urllib.parse import urlsplit

import gevent
import geventhttpclient.client as engine
from geventhttpclient.response import HTTPConnectionClosed

from harness import clock
from harness.drive.load.plan import Timeouts
from harness.drive.target.port import Request
from harness.errors import MissingPartError
from harness.evidence.format import Outcome, VersionSource
from harness.plan.target import Headers, Versions

OP_ID_HEADER: Final = "x-request-id"
WITHOUT_EFFECT: Final = frozenset({"http_5xx"})  # marks of faults that answer and call no handler
# What sending or reading may raise. Anything else is a mistake in a kit or in this file, and ends the load loudly.
# HTTPException is the base of the client's parse errors; gevent.Timeout is our own bound on the whole operation.
_NO_ANSWER: Final = (OSError, HTTPException, gevent.Timeout)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one operation. `status` 0: no answer; `size_bytes` is the body's."""

    done_ns: int
    outcome: Outcome
    status: int = 0
    version: str = ""
    version_source: VersionSource = VersionSource.NONE
    instance: str = ""
    fault_mark: str = ""
    error: str = ""
    size_bytes: int = 0


def outcome_of_status(status: int, fault_mark: str) -> Outcome:
    """Outcome of an answer that was read to its end.

    A 5xx is failed only with the mark of a fault that answers in the handler's place; any other may have had an effect,
    also one that a fault has only delayed.
    """
    if 200 <= status < 400:
        return Outcome.OK
    if 400 <= status < 500 or (status >= 500 and fault_mark in WITHOUT_EFFECT):
        return Outcome.FAILED
    return Outcome.UNKNOWN


def outcome_of_error(error: BaseException) -> tuple[Outcome, str]:
    """Outcome and a short reason for an operation without a whole answer. Few reasons, so that they can be counted."""
    if isinstance(error, ConnectionRefusedError):
        return Outcome.FAILED, "refused"
    if isinstance(error, TimeoutError | gevent.Timeout):
        return Outcome.UNKNOWN, "time-out"
    if isinstance(error, HTTPConnectionClosed):
        return Outcome.UNKNOWN, "closed without an answer"
    if isinstance(error, ConnectionResetError | BrokenPipeError):
        return Outcome.UNKNOWN, "reset"
    if isinstance(error, HTTPException):
        return Outcome.UNKNOWN, "broken or truncated answer"
    return Outcome.UNKNOWN, f"{type(error).__name__}: {error}"


def version_of(answer_headers: Mapping[str, Any], headers: Headers, versions: Versions) -> tuple[str, VersionSource]:
    """The version that answered: the service's own word first, else the router's track, else nobody's."""
    version = _text(answer_headers, headers.version)
    if version:
        return version, VersionSource.HEADER
    track = _text(answer_headers, headers.track)
    if track in ("stable", "canary"):
        return (versions.stable if track == "stable" else versions.canary), VersionSource.ROUTER
    return "", VersionSource.NONE


def _text(answer_headers: Mapping[str, Any], name: str) -> str:
    """One header as text; of a repeated one the first, which is the service's: a router appends."""
    value = answer_headers.get(name)
    if value is None:
        return ""
    return str(value if isinstance(value, str) else value[0])


@dataclass(frozen=True, slots=True)
class Route:
    """Where operations go and how their answers are read."""

    service_url: str
    headers: Headers
    versions: Versions
    timeouts: Timeouts
    in_flight_max: int


class Client:
    """The connections of one user."""

    def __init__(self, route: Route) -> None:
        _forbid_retries()
        parts = urlsplit(route.service_url)
        self._route = route
        self._http = engine.HTTPClient(
            parts.hostname,
            port=parts.port or 80,
            headers={"User-Agent": "harness-load"},
            connection_timeout=route.timeouts.connect_s,
            network_timeout=route.timeouts.network_s,
            concurrency=route.in_flight_max,
        )

    def send(self, request: Request, op_id: str) -> Answer:
        """Send the request once and read its answer to the end, within the time-outs. Never raises for the service."""
        response: Any = None
        sent_headers = {**request.headers, OP_ID_HEADER: op_id}
        try:
            with gevent.Timeout(self._route.timeouts.total_s):
                response = self._http.request(request.method, request.path, request.body, sent_headers)
                size_bytes = len(response.read())
        except _NO_ANSWER as error:
            return self._answer(response, 0, error)
        return self._answer(response, size_bytes, None)

    def close(self) -> None:
        """Close idle connections; those in use close with their operation."""
        self._http.close()

    def _answer(self, response: Any, size_bytes: int, error: BaseException | None) -> Answer:
        done_ns = clock.monotonic_ns()
        headers = self._route.headers
        answer_headers: Mapping[str, Any] = response.info() if response is not None else {}
        status = int(response.status_code) if response is not None else 0
        fault_mark = _text(answer_headers, headers.fault)
        version, source = version_of(answer_headers, headers, self._route.versions)
        outcome, reason = (outcome_of_status(status, fault_mark), "") if error is None else outcome_of_error(error)
        return Answer(
            done_ns=done_ns,
            outcome=outcome,
            status=status,
            version=version,
            version_source=source,
            instance=_text(answer_headers, headers.instance),
            fault_mark=fault_mark,
            error=reason,
            size_bytes=size_bytes,
        )


class Clients:
    """A client for each user, made when the user first sends."""

    def __init__(self, route: Route) -> None:
        self._route = route
        self._by_user: dict[int, Client] = {}

    def send(self, user: int, request: Request, op_id: str) -> Answer:
        """As `Client.send`, over the connections of this user."""
        client = self._by_user.get(user)
        if client is None:
            client = self._by_user[user] = Client(self._route)
        return client.send(request, op_id)

    def close(self) -> None:
        """Close every user's idle connections."""
        for client in self._by_user.values():
            client.close()


def _forbid_retries() -> None:
    """Switch off geventhttpclient's own second sends, for the whole process."""
    if not isinstance(getattr(engine, "IDEMPOTENT_METHODS", None), frozenset):
        raise MissingPartError(
            "this geventhttpclient has no IDEMPOTENT_METHODS to switch its retries off with: install the locked version"
        )
    engine.IDEMPOTENT_METHODS = frozenset()
