"""Alertmanager's webhook, version 4, as frozen data.

Only what the stepper decides by is read; what is read is checked, and a body that does not hold it is refused with
the place and the value, because a controller that guesses rolls back the wrong release.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from stepper.errors import MalformedWebhookError

VERSION: Final = "4"


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert of a notification. `starts_at` is Alertmanager's own text; with the fingerprint it names one firing."""

    status: str
    labels: Mapping[str, str]
    fingerprint: str
    starts_at: str

    @property
    def name(self) -> str:
        """The alert's name, "" without one."""
        return self.labels.get("alertname", "")

    @property
    def track(self) -> str:
        """The track it is about, "" when that is not one."""
        return self.labels.get("track", "")

    @property
    def wants_rollback(self) -> bool:
        """Whether it fires, for the canary, and its rule asks for a rollback."""
        return self.status == "firing" and self.labels.get("action") == "rollback" and self.track == "canary"

    @property
    def wants_hold(self) -> bool:
        """Whether it fires and its rule asks to go no further, whichever track it is about."""
        return self.status == "firing" and self.labels.get("action") == "hold"

    def as_record(self) -> dict[str, Any]:
        """What the record keeps of it."""
        return {
            "name": self.name,
            "status": self.status,
            "fingerprint": self.fingerprint,
            "starts_at": self.starts_at,
            "labels": dict(self.labels),
        }


def parse(body: bytes) -> tuple[Alert, ...]:
    """The alerts of a webhook body; MalformedWebhookError says what is wrong with it."""
    try:
        document = json.loads(body)
    except ValueError as error:
        raise MalformedWebhookError(f"the body is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise MalformedWebhookError(f"the body is {type(document).__name__}, must be an object")
    if document.get("version") != VERSION:
        raise MalformedWebhookError(f"version is {document.get('version')!r}, must be {VERSION!r}")
    alerts = document.get("alerts")
    if not isinstance(alerts, list):
        raise MalformedWebhookError(f"alerts is {type(alerts).__name__}, must be a list")
    return tuple(_alert(alert, f"alerts[{index}]") for index, alert in enumerate(alerts))


def _alert(value: object, place: str) -> Alert:
    if not isinstance(value, dict):
        raise MalformedWebhookError(f"{place} is {type(value).__name__}, must be an object")
    status = _text(value, "status", place)
    if status not in ("firing", "resolved"):
        raise MalformedWebhookError(f"{place}.status is {status!r}, must be firing or resolved")
    labels = value.get("labels")
    if not isinstance(labels, dict) or not all(isinstance(label, str) for label in labels.values()):
        raise MalformedWebhookError(f"{place}.labels is {labels!r}, must map names to texts")
    return Alert(
        status=status,
        labels=labels,
        fingerprint=_text(value, "fingerprint", place),
        starts_at=_text(value, "startsAt", place),
    )


def _text(value: Mapping[str, Any], name: str, place: str) -> str:
    text = value.get(name)
    if not isinstance(text, str) or not text:
        raise MalformedWebhookError(f"{place}.{name} is {text!r}, must be a text")
    return text
