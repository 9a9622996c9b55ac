"""Envoy's weights through its admin port: the live runtime, not the file it was started with.

Envoy normalises the weights of a weighted cluster by their sum, so a canary raised to 30 with stable left
at 100 gets 23 %. So reading divides by the sum, and setting sends both keys in one call. Both weights 0
would answer every request 404, so that state is an error, not a weight.

Workers follow a change within milliseconds (p95 6.0 ms, max 7.4 ms measured over 40 flips).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import httpx

from harness import clock
from harness.drive.stack.envoy_config import CANARY, RUNTIME_PREFIX, STABLE
from harness.drive.stack.spec import Endpoints
from harness.drive.traffic.port import WeightRead
from harness.errors import DriveError

# 1 s: the call takes about 1 ms on loopback. A slower answer is no answer: the observer reads ten times a second.
CALL_S_MAX: Final = 1.0
# Envoy takes whole numbers only, so a fraction of a percent is sent in hundredths: 0.1 % is 10 to 9990.
_FRACTION_PARTS: Final = 100


class EnvoyRouter:
    """One Envoy's admin port. `admin_url` without a trailing slash; `transport` is for tests."""

    def __init__(
        self, admin_url: str, runtime_prefix: str = RUNTIME_PREFIX, transport: httpx.BaseTransport | None = None
    ) -> None:
        self._admin_url = admin_url
        self._keys = {track: f"{runtime_prefix}.{track}" for track in (STABLE, CANARY)}
        self._client = httpx.Client(base_url=admin_url, timeout=CALL_S_MAX, trust_env=False, transport=transport)

    @classmethod
    def of(cls, endpoints: Endpoints) -> EnvoyRouter:
        """The router of a running stack."""
        return cls(endpoints.router_admin_url)

    def read_weight(self) -> WeightRead:
        """GET /runtime. DriveError when Envoy does not answer or does not know the keys."""
        lo_ns = clock.monotonic_ns()
        answer = self._call("GET", "/runtime", {"format": "json"})
        hi_ns = clock.monotonic_ns()
        return WeightRead(lo_ns=lo_ns, hi_ns=hi_ns, weight=self._weight_of(answer.json()))

    def set_weight(self, weight: float) -> None:
        """POST /runtime_modify with both keys. DriveError when Envoy does not take it."""
        assert 0 <= weight <= 100, f"a weight is a percentage, not {weight}"
        parts = 1 if float(weight).is_integer() else _FRACTION_PARTS
        canary = round(weight * parts)
        shares = {self._keys[CANARY]: str(canary), self._keys[STABLE]: str(100 * parts - canary)}
        self._call("POST", "/runtime_modify", shares)

    def close(self) -> None:
        """Close the admin connection."""
        self._client.close()

    def _call(self, method: str, path: str, query: Mapping[str, str]) -> httpx.Response:
        try:
            answer = self._client.request(method, path, params=query, timeout=CALL_S_MAX)
        except httpx.HTTPError as error:
            raise DriveError(
                f"{method} {self._admin_url}{path}: {type(error).__name__}: {error}; is Envoy up? see logs/envoy"
            ) from error
        if answer.status_code != 200:
            raise DriveError(f"{method} {self._admin_url}{path}: {answer.status_code} {answer.text[:200].strip()}")
        return answer

    def _weight_of(self, runtime: Mapping[str, Any]) -> float:
        entries = runtime.get("entries", {})
        values = {}
        for track, key in self._keys.items():
            if key not in entries:
                raise DriveError(
                    f"{self._admin_url}/runtime has no {key}: this Envoy does not run the harness's config"
                )
            values[track] = float(entries[key]["final_value"])
        total = values[STABLE] + values[CANARY]
        if total <= 0:
            raise DriveError(f"{self._admin_url}/runtime: both weights are 0, every request is answered 404; set one")
        return 100.0 * values[CANARY] / total
