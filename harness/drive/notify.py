"""Telling people, through apprise: one URL a receiver (slack://, mailto://, discord://, json://, ...).

A URL is a secret in each of its parts: it is given by the environment or the command line, appears in no run directory
and in no message.

    mailtos://user:password@mail.example.org?to=team@example.org
    slack://TokenA/TokenB/TokenC/#releases

Every kind of URL: the documentation of apprise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from harness.errors import MissingPartError, UsageError


@dataclass(frozen=True, slots=True)
class Told:
    """One receiver, by place and kind alone (any part of its URL may be a secret), and whether it took the message."""

    receiver: str
    took_it: bool


def receivers_of(urls: Sequence[str]) -> list[Any]:
    """The receivers, checked before anything is run. UsageError for a URL of no kind that apprise knows."""
    if not urls:
        return []
    try:
        from apprise import Apprise
    except ImportError as error:
        raise MissingPartError(
            "apprise: not installed, so nobody can be told: install the harness with its extra [notify]"
        ) from error
    found = [Apprise.instantiate(url, suppress_exceptions=True) for url in urls]
    wrong = [place for place, one in enumerate(found, 1) if one is None]
    if wrong:
        # Not the URL itself: it may be a password with a misspelt scheme.
        which = ", ".join(map(str, wrong))
        raise UsageError(f"receiver {which} of {len(urls)}: no URL that apprise knows, such as json://127.0.0.1:8080/")
    return found


def tell(receivers: Sequence[Any], title: str, body: str, *, bad: bool) -> list[Told]:
    """Send the message (Markdown) to each; one that does not take it keeps none of the others from it."""
    from apprise import NotifyFormat, NotifyType

    kind = NotifyType.FAILURE if bad else NotifyType.SUCCESS
    return [
        Told(
            f"receiver {place} ({one.service_name})",
            bool(one.notify(body=body, title=title, notify_type=kind, body_format=NotifyFormat.MARKDOWN)),
        )
        for place, one in enumerate(receivers, 1)
    ]
