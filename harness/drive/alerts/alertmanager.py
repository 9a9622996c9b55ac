"""Who would be told: an alert's labels walked through Alertmanager's LIVE routing tree.

Asked before the fault, so that a drill wakes nobody: whoever is not in the target's `allow_receivers`
stops the run. Read from /api/v2/status, which is what runs, not from a file that was meant to.

The walk is Alertmanager's: the root takes every alert; at each route the first child that matches takes
it, and the next ones are asked too only where the child says `continue`; where no child takes it, the
route itself tells its receiver, inherited from above where it names none.

Who is told by a receiver: a receiver whose name has as many parts, joined by `+`, as it has webhooks and
nothing else, tells each part in order (`stepper+harness-recorder`, see stack.prometheus_config). Any other
receiver tells itself once for each integration, under its whole name. So a pager added to our receiver
makes the name stand for more than it says, is not in the list, and stops the run.

Where a webhook's URL is hidden (Alertmanager 0.26 and later answer `<secret>`), `where` is that text.

Not covered: silences, inhibition and time intervals, which only make fewer be told; a regular expression
that RE2 and Python read differently.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

import httpx
import yaml

from harness.drive.alerts.http import Api
from harness.drive.stack.prometheus_config import RECEIVER_JOIN
from harness.errors import DriveError

_WEBHOOKS: Final = "webhook_configs"
_MATCHER: Final = re.compile(
    r'^\s*(?P<name>[a-zA-Z_][\w:]*)\s*(?P<sign>=~|!~|!=|=)\s*(?P<value>"(?:[^"\\]|\\.)*"|.*?)\s*$'
)
# Commas that stand outside of quotes part the matchers of one text.
_COMMA: Final = re.compile(r',(?=(?:[^"\\]|\\.|"(?:[^"\\]|\\.)*")*$)')


class Alertmanager:
    """One Alertmanager. `base_url` without a trailing slash; `transport` is for tests."""

    def __init__(self, base_url: str, transport: httpx.BaseTransport | None = None) -> None:
        self._api = Api(base_url, transport)

    def ready(self) -> bool:
        """Whether it takes alerts."""
        return self._api.ready("/-/ready")

    def resolve_receivers(self, labels: Mapping[str, str]) -> list[tuple[str, str]]:
        """(who, where) for an alert with these labels, `alertname` among them. DriveError when it cannot be told."""
        status = self._api.get("/api/v2/status")
        return resolve(yaml.safe_load(status["config"]["original"]), labels)

    def close(self) -> None:
        """Give connections back."""
        self._api.close()


def not_allowed(resolved: Collection[tuple[str, str]], allow: Collection[str]) -> list[str]:
    """One text `who (where)` for everybody who would be told and is not in `allow`."""
    return sorted({f"{who} ({where})" for who, where in resolved if who not in allow})


def resolve(configuration: Mapping[str, Any], labels: Mapping[str, str]) -> list[tuple[str, str]]:
    """The same for a configuration at hand: each (who, where) once, in the order of the walk."""
    receivers = {receiver["name"]: receiver for receiver in configuration["receivers"]}
    told: dict[tuple[str, str], None] = {}
    for name in _walk(configuration["route"], "", labels):
        told.update(dict.fromkeys(_told_by(receivers[name])))
    return list(told)


def _walk(route: Mapping[str, Any], inherited: str, labels: Mapping[str, str]) -> list[str]:
    """Names of the receivers that this route tells; the caller has matched the route itself."""
    receiver = route.get("receiver") or inherited
    names: list[str] = []
    for child in route.get("routes") or []:
        if not _matches(child, labels):
            continue
        names += _walk(child, receiver, labels)
        if not child.get("continue", False):
            break
    return names or [receiver]


def _matches(route: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """All of match, match_re and matchers; a label that is absent counts as empty."""
    equal = all(labels.get(name, "") == str(value) for name, value in (route.get("match") or {}).items())
    like = all(_like(str(value), labels.get(name, "")) for name, value in (route.get("match_re") or {}).items())
    return equal and like and all(_holds(*matcher, labels) for matcher in _matchers(route.get("matchers") or []))


def _like(pattern: str, value: str) -> bool:
    """Anchored at both ends, as Alertmanager does."""
    return re.fullmatch(f"(?:{pattern})", value) is not None


def _holds(name: str, sign: str, wanted: str, labels: Mapping[str, str]) -> bool:
    value = labels.get(name, "")
    met = _like(wanted, value) if sign.endswith("~") else value == wanted
    return met != sign.startswith("!")


def _matchers(texts: Collection[str]) -> Iterator[tuple[str, str, str]]:
    """(name, sign, value) of texts such as `severity=~"page|ticket"` or `{a="b", c!="d"}`."""
    for text in texts:
        for part in _COMMA.split(text.strip().removeprefix("{").removesuffix("}")):
            match = _MATCHER.match(part)
            if match is None:
                raise DriveError(f"Alertmanager's matcher {text!r} is not understood: who would be told is unknown")
            yield match["name"], match["sign"], _unquoted(match["value"])


def _unquoted(value: str) -> str:
    if not value.startswith('"'):
        return value
    return re.sub(r"\\(.)", lambda found: "\n" if found[1] == "n" else found[1], value[1:-1])


def _told_by(receiver: Mapping[str, Any]) -> list[tuple[str, str]]:
    integrations = [
        (kind, settings)
        for kind, entries in receiver.items()
        if kind.endswith("_configs")
        for settings in entries or []
    ]
    places = [_place(kind, settings) for kind, settings in integrations]
    parts = receiver["name"].split(RECEIVER_JOIN)
    only_webhooks = all(kind == _WEBHOOKS for kind, _ in integrations)
    names = parts if only_webhooks and len(parts) == len(places) else [receiver["name"]] * len(places)
    return list(zip(names, places, strict=True))


def _place(kind: str, settings: Mapping[str, Any]) -> str:
    return str(settings.get("url") or settings.get("url_file") or kind) if kind == _WEBHOOKS else kind
