"""The router's side: the call that gives the canary its weight, and the look at what it is still busy with.

Envoy normalises weights by their sum, so a canary raised to 30 while stable stays at 100 would get 23 %. Both keys
therefore go in one POST to the admin port's /runtime_modify; Envoy's workers follow within milliseconds.

Its gauges are live: /stats reads what the workers count, not what was flushed last.

Not covered: weights below 1 %, other routers.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Protocol
from urllib.parse import urlencode

from stepper.calls import Call, send
from stepper.errors import CallError, RouterCallError

# 1 s: the call takes about 1 ms on loopback; a router that needs a thousand times that is not answering.
CALL_S_MAX: Final = 1.0


class Router(Protocol):
    """Whatever splits the traffic."""

    async def set_weight(self, weight: int) -> None:
        """Give the canary `weight` percent and stable the rest; RouterCallError when it did not take it."""
        ...

    async def active_count(self) -> int:
        """Requests that are under way on the canary or wait for a connection to it; RouterCallError without an
        answer."""
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
        await self._call("POST", self.target(weight))

    async def active_count(self) -> int:
        """GET /stats of two gauges of the canary's cluster. RouterCallError also when Envoy does not know them."""
        said = await self._call("GET", self.stats_target())
        found = dict(re.findall(r"^cluster\.\S+\.(upstream_rq_\w+): (\d+)$", said, re.MULTILINE))
        if set(found) != {"upstream_rq_active", "upstream_rq_pending_active"}:
            raise RouterCallError(f"GET {self.admin_url}{self.stats_target()}: no gauges of {self.canary}: {said!r}")
        return sum(map(int, found.values()))

    def target(self, weight: int) -> str:
        """Path and query of the call that sets a weight."""
        assert 0 <= weight <= 100, f"a weight is a percentage, not {weight}"
        keys = {self.stable: 100 - weight, self.canary: weight}
        return "/runtime_modify?" + urlencode({f"{self.runtime_prefix}.{name}": share for name, share in keys.items()})

    def stats_target(self) -> str:
        """Path and query of the look at the canary's gauges."""
        pattern = rf"^cluster\.{re.escape(self.canary)}\.upstream_rq_(pending_)?active$"
        return "/stats?" + urlencode({"filter": pattern})

    async def _call(self, method: str, target: str) -> str:
        try:
            return (await send(Call(method, self.admin_url, target, CALL_S_MAX))).text
        except CallError as error:
            raise RouterCallError(str(error), error.status) from error
