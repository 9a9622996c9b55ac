"""What is made of each status, exception and header: one table each."""

import http.client
import socket

import gevent
import pytest
from geventhttpclient.response import HTTPConnectionClosed, HTTPParseError

from harness.drive.load.client import outcome_of_error, outcome_of_status, version_of
from harness.evidence.format import Outcome, VersionSource
from harness.plan.target import Headers, Versions

HEADERS = Headers(version="x-v", instance="x-i", track="x-track", fault="x-f")
VERSIONS = Versions(stable="1.0", canary="1.1")


@pytest.mark.parametrize(
    ("statuses", "mark", "expected"),
    [
        (range(200, 400), "", Outcome.OK),
        (range(200, 400), "latency", Outcome.OK),
        (range(400, 500), "", Outcome.FAILED),
        (range(400, 500), "http_4xx", Outcome.FAILED),
        (range(500, 600), "", Outcome.UNKNOWN),
        (range(500, 600), "http_5xx", Outcome.FAILED),
        (range(500, 600), "latency", Outcome.UNKNOWN),  # the handler was called, later
        (range(100, 200), "", Outcome.UNKNOWN),
    ],
)
def test_the_outcome_of_every_status(statuses, mark, expected):
    """2xx and 3xx are ok, 4xx failed, 5xx failed only with the injector's mark, anything else unknown."""
    assert {expected} == {outcome_of_status(status, mark) for status in statuses}


@pytest.mark.parametrize(
    ("error", "outcome", "reason"),
    [
        (ConnectionRefusedError(111, "refused"), Outcome.FAILED, "refused"),
        (TimeoutError("timed out"), Outcome.UNKNOWN, "time-out"),
        (socket.timeout("timed out"), Outcome.UNKNOWN, "time-out"),  # noqa: UP041  the name that socket code raises
        (gevent.Timeout(1), Outcome.UNKNOWN, "time-out"),
        (ConnectionResetError(104, "reset"), Outcome.UNKNOWN, "reset"),
        (BrokenPipeError(32, "pipe"), Outcome.UNKNOWN, "reset"),
        (HTTPConnectionClosed("connection closed."), Outcome.UNKNOWN, "closed without an answer"),
        (HTTPParseError("Incomplete response."), Outcome.UNKNOWN, "broken or truncated answer"),
        (http.client.HTTPException("odd"), Outcome.UNKNOWN, "broken or truncated answer"),
        (ConnectionAbortedError(103, "aborted"), Outcome.UNKNOWN, "ConnectionAbortedError: [Errno 103] aborted"),
        (OSError(24, "Too many open files"), Outcome.UNKNOWN, "OSError: [Errno 24] Too many open files"),
    ],
)
def test_the_outcome_of_every_error(error, outcome, reason):
    """Only a refused connection is surely without effect; every other error leaves the operation unknown."""
    assert (outcome, reason) == outcome_of_error(error)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"x-v": "1.1"}, ("1.1", VersionSource.HEADER)),
        ({"x-v": "1.1", "x-track": "stable"}, ("1.1", VersionSource.HEADER)),
        ({"x-track": "stable"}, ("1.0", VersionSource.ROUTER)),
        ({"x-track": "canary"}, ("1.1", VersionSource.ROUTER)),
        ({"x-track": "blue"}, ("", VersionSource.NONE)),
        ({"x-v": "", "x-track": "canary"}, ("1.1", VersionSource.ROUTER)),
        ({"x-v": ["1.0", "1.1"]}, ("1.0", VersionSource.HEADER)),
        ({}, ("", VersionSource.NONE)),
    ],
)
def test_who_answered(headers, expected):
    """The service's own header wins over the router's track; an unknown track says nothing."""
    assert expected == version_of(headers, HEADERS, VERSIONS)
