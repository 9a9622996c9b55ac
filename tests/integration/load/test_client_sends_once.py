"""The client against a real service: how often an operation reaches it, and what is made of its answer."""

import socket

import pytest

from harness.drive.load.client import Client, Route
from harness.drive.load.plan import Timeouts
from harness.drive.target.port import Request
from harness.evidence.format import Outcome, VersionSource
from harness.plan.target import Headers, Versions

pytestmark = pytest.mark.integration

HEADERS = Headers(version="x-app-version", instance="x-app-instance", track="x-track", fault="x-fault")


def client_of(url, network_s=5.0, total_s=8.0):
    timeouts = Timeouts(connect_s=1.0, network_s=network_s, total_s=total_s)
    return Client(Route(url, HEADERS, Versions(stable="1.0", canary="1.1"), timeouts, in_flight_max=50))


def send(client, method, path, body=b""):
    return client.send(Request(method, path, body=body), "run-0")


@pytest.mark.parametrize("method", ["GET", "PUT", "POST", "DELETE"])
@pytest.mark.parametrize(
    ("path", "error"), [("/drop", "closed without an answer"), ("/reset", "closed without an answer")]
)
def test_a_dropped_operation_reaches_the_service_once(service, method, path, error):
    """A request whose connection is closed or reset without an answer is sent once and is unknown."""
    client = client_of(service.url)
    answer = send(client, method, path, b"" if method in {"GET", "DELETE"} else b"body")
    client.close()
    assert {(method, path): 1} == dict(service.seen)
    assert (Outcome.UNKNOWN, 0, error) == (answer.outcome, answer.status, answer.error)


@pytest.mark.parametrize("method", ["GET", "PUT", "POST"])
def test_a_drop_on_a_used_connection_is_sent_once(service, method):
    """The request after a good one on the same connection is not sent again when that connection drops."""
    client = client_of(service.url)
    first = send(client, method, "/ok")
    second = send(client, method, "/drop")
    client.close()
    assert (Outcome.OK, Outcome.UNKNOWN) == (first.outcome, second.outcome)
    assert {(method, "/ok"): 1, (method, "/drop"): 1} == dict(service.seen)
    assert 1 == service.connections


def test_a_stalled_service_is_a_time_out(service):
    """A service that is silent past the network time-out leaves the operation unknown, sent once."""
    service.thawed.clear()
    client = client_of(service.url, network_s=0.2)
    answer = send(client, "PUT", "/ok", b"body")
    client.close()
    assert (Outcome.UNKNOWN, 0, "time-out") == (answer.outcome, answer.status, answer.error)
    assert {("PUT", "/ok"): 1} == dict(service.seen)


def test_a_dripping_answer_ends_with_the_total_time_out(service):
    """An answer that never falls silent is still bounded, by the time-out of the whole operation."""
    client = client_of(service.url, network_s=5.0, total_s=0.3)
    answer = send(client, "GET", "/drip")
    client.close()
    assert (Outcome.UNKNOWN, 200, "time-out") == (answer.outcome, answer.status, answer.error)


def test_a_truncated_answer_is_unknown_and_keeps_who_said_it(service):
    """An answer cut before its length is unknown, with the version and status it began with."""
    client = client_of(service.url)
    answer = send(client, "POST", "/truncate", b"body")
    client.close()
    assert (Outcome.UNKNOWN, 200, "broken or truncated answer") == (answer.outcome, answer.status, answer.error)
    assert ("1.1", VersionSource.HEADER, "c1") == (answer.version, answer.version_source, answer.instance)


def test_a_refused_connection_is_failed():
    """A port where nobody listens: nothing was sent, so surely no effect."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    answer = send(client_of(f"http://127.0.0.1:{port}"), "POST", "/ok", b"body")
    assert (Outcome.FAILED, 0, "refused") == (answer.outcome, answer.status, answer.error)


@pytest.mark.parametrize(
    ("path", "outcome", "status", "mark"),
    [
        ("/ok", Outcome.OK, 200, ""),
        ("/status/302", Outcome.OK, 302, ""),
        ("/status/404", Outcome.FAILED, 404, ""),
        ("/status/503", Outcome.UNKNOWN, 503, ""),
        ("/status/marked/503", Outcome.FAILED, 503, "http_5xx"),
    ],
)
def test_an_answer_is_classified_with_its_headers(service, path, outcome, status, mark):
    """Status, version, instance and fault mark come from a whole answer's headers; redirects are not followed."""
    client = client_of(service.url)
    answer = send(client, "GET", path)
    client.close()
    assert (outcome, status, mark, "") == (answer.outcome, answer.status, answer.fault_mark, answer.error)
    assert ("1.1", VersionSource.HEADER, "c1", 2) == (
        answer.version,
        answer.version_source,
        answer.instance,
        answer.size_bytes,
    )


def test_the_operation_id_travels_as_request_id(service):
    """The service sees the operation's id as x-request-id."""
    client = client_of(service.url)
    send(client, "GET", "/ok")
    client.close()
    assert ["run-0"] == service.op_ids
