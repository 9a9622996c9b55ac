"""Alertmanager's bodies: what is read, and what is refused with which reason."""

from __future__ import annotations

import json
from typing import Any

import pytest

from stepper.errors import MalformedWebhookError
from stepper.webhook import Alert, parse


def body(**changes: Any) -> dict[str, Any]:
    """A body as Alertmanager 0.25 sends it, shortened to one alert."""
    alert = {
        "status": "firing",
        "labels": {"alertname": "CanaryErrorRatioHigh", "action": "rollback", "track": "canary", "version": "1.1"},
        "annotations": {"summary": "6 % of the canary's answers are errors"},
        "startsAt": "2026-11-24T10:00:00.123Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "http://127.0.0.1:9090/graph",
        "fingerprint": "c8b4f9e0a1b2c3d4",
    }
    return {
        "version": "4",
        "groupKey": "{}:{}",
        "truncatedAlerts": 0,
        "status": "firing",
        "receiver": "stepper",
        "alerts": [{**alert, **changes}],
    }


def test_body_of_alertmanager_is_read() -> None:
    """Status, labels, fingerprint and startsAt are taken as they stand."""
    expected = Alert(
        status="firing",
        labels={"alertname": "CanaryErrorRatioHigh", "action": "rollback", "track": "canary", "version": "1.1"},
        fingerprint="c8b4f9e0a1b2c3d4",
        starts_at="2026-11-24T10:00:00.123Z",
    )
    assert (expected,) == parse(json.dumps(body()).encode())
    assert expected.wants_rollback


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        pytest.param(b"{", "the body is not JSON", id="cut"),
        pytest.param(b"\xff", "the body is not JSON", id="not-utf8"),
        pytest.param(b"[]", "the body is list, must be an object", id="list"),
        pytest.param(b'{"version": "3", "alerts": []}', "version is '3', must be '4'", id="version"),
        pytest.param(b'{"version": "4"}', "alerts is NoneType, must be a list", id="no-alerts"),
        pytest.param(b'{"version": "4", "alerts": [1]}', r"alerts\[0\] is int, must be an object", id="alert"),
        pytest.param(body(status="on"), r"alerts\[0\].status is 'on', must be firing or resolved", id="status"),
        pytest.param(body(labels={"a": 1}), r"alerts\[0\].labels is {'a': 1}, must map", id="labels"),
        pytest.param(body(fingerprint=""), r"alerts\[0\].fingerprint is '', must be a text", id="fingerprint"),
        pytest.param(body(startsAt=None), r"alerts\[0\].startsAt is None, must be a text", id="starts-at"),
    ],
)
def test_malformed_body_is_refused_with_its_place(given: bytes | dict[str, Any], reason: str) -> None:
    """Whatever the stepper would have to guess is named with its place and value."""
    raw = given if isinstance(given, bytes) else json.dumps(given).encode()
    with pytest.raises(MalformedWebhookError, match=reason):
        parse(raw)
