"""The router's side: one call that gives the canary its weight.

Envoy normalises weights by their sum, so a canary raised to 30 while stable stays at 100 would get 23 %. Both keys
therefore go in one POST to the admin port's /runtime_modify; Envoy's workers follow within milliseconds.

Not covered: weights below 1 %, other routers.
"""

from __future__ import annotations

import asyncio
import http.client
from dataclasses import dataclass
from typing import Final, Protocol
from urllib.parse import urlencode, urlsplit

from stepper.errors import RouterCallError

# 1 s: the call takes about 1 ms on loopback; a router that needs a thousand times that is not answering.
CALL_S_MAX: Final = 1.0


class Router(Protocol):
    """Whatever splits the traffic."""

    async def set_weight(self, weight: int) -> None:
        """Give the canary `weight` percent and stable the rest; RouterCallError when it did not take it."""
        ...


@dataclass(frozen=True, slots=True)
class EnvoyRouter:
    """Envoy's admin port. `stable` and `canary` are the clusters, `runtime_prefix` the route's runtime_key_prefix."""

    admin_url: str
    stable: str
    canary: str
    runtime_prefix: str

    async def set_weight(self, weight: int) -> None:
        """One POST /runtime_modify with both keys; RouterCallError names the call and what came back."""
        await asyncio.to_thread(self._post, self.target(weight))

    def target(self, weight: int) -> str:
        """Path and query of the call."""
        assert 0 <= weight <= 100, f"a weight is a percentage, not {weight}"
        keys = {self.stable: 100 - weight, self.canary: weight}
        return "/runtime_modify?" + urlencode({f"{self.runtime_prefix}.{name}": share for name, share in keys.items()})

    def _post(self, target: str) -> None:
        address = urlsplit(self.admin_url)
        connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=CALL_S_MAX)
        try:
            connection.request("POST", target, body=b"")
            answer = connection.getresponse()
            said = answer.read(200).decode(errors="replace").strip()
        except (OSError, http.client.HTTPException) as error:
            raise RouterCallError(f"POST {self.admin_url}{target}: {type(error).__name__}: {error}") from error
        finally:
            connection.close()
        if answer.status != 200:
            raise RouterCallError(f"POST {self.admin_url}{target}: {answer.status} {said}")
