"""The team: told once about each thing the stepper has done, over a webhook of its own.

    POST <team_url> {"version", "decision", "outcome", "reason", "alert", "weight"}

`outcome` is rolled_back or held; or failed, when a rollback could not be carried out, which is when people are needed
most. `weight` is what the canary has now, in percent.

Not covered: chat formats, and telling about a promotion, which needs nobody.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Final, Protocol
from urllib.parse import urlsplit

from stepper.calls import Call, send

# 2 s: whoever takes messages may be farther away than the router, but three tries must end soon.
TELL_S_MAX: Final = 2.0


@dataclass(frozen=True, slots=True)
class Message:
    """What the team is told."""

    version: str
    decision: str
    outcome: str
    reason: str
    alert: str
    weight: int


class Team(Protocol):
    """Whoever has to know."""

    async def tell(self, message: Message) -> int:
        """Hand one message over; the answer's status. CallError when it was not taken."""
        ...


@dataclass(frozen=True, slots=True)
class WebhookTeam:
    """A webhook. `url` is whole, path included."""

    url: str

    async def tell(self, message: Message) -> int:
        """One POST; CallError names the call and what came back, unless that was 2xx."""
        address = urlsplit(self.url)
        path = (address.path or "/") + (f"?{address.query}" if address.query else "")
        headers = {"content-type": "application/json"}
        body = json.dumps(asdict(message)).encode()
        call = Call("POST", f"{address.scheme}://{address.netloc}", path, TELL_S_MAX, body, headers)
        return (await send(call)).status
