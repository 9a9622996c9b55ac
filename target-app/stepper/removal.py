"""Who stops the canary's instances: not the stepper, which signals nobody, but whoever owns the processes.

It is asked over HTTP with a bearer token, `POST <guard_url>/stop {"name": "canary-1"}`, and answers 200 once the
process has ended. Asking twice is safe: what has ended stays ended.

Not covered: scaling down, other ways to stop.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Final, Protocol

from stepper.calls import Call, send
from stepper.errors import CallError, StopCallError

# 15 s: an instance may take 8 s for the requests it still has, its owner a few more before it insists.
STOP_S_MAX: Final = 15.0


class Owner(Protocol):
    """Whoever owns the canary's processes."""

    async def stop(self, instance: str) -> None:
        """End one instance; returns when it has ended. StopCallError when it was refused or not confirmed."""
        ...


@dataclass(frozen=True, slots=True)
class GuardDoor:
    """An HTTP door with a bearer token. `url` is http://host:port."""

    url: str
    token: str = field(repr=False)

    async def stop(self, instance: str) -> None:
        """POST /stop; StopCallError names the call and what came back, and a 2xx alone is not yet a stop."""
        body = json.dumps({"name": instance}).encode()
        headers = {"authorization": f"Bearer {self.token}", "content-type": "application/json"}
        call = Call("POST", self.url, "/stop", STOP_S_MAX, body, headers)
        try:
            answer = await send(call)
        except CallError as error:
            raise StopCallError(str(error), error.status) from error
        if not _is_stopped(answer.text):
            raise StopCallError(f'{call}: {answer.status} without {{"stopped": true}}: {answer.text}', answer.status)


def _is_stopped(said: str) -> bool:
    try:
        answer = json.loads(said)
    except ValueError:
        return False
    return isinstance(answer, dict) and answer.get("stopped") is True
