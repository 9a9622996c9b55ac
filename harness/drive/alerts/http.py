"""One bounded GET with errors of our own; what both adapters of this folder ask with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import httpx

from harness.errors import DriveError

# 2 s: an answer takes 2 to 30 ms on loopback; past a hundred times that the server is in trouble, not slow.
CALL_S_MAX: Final = 2.0


class Api:
    """One server's HTTP interface. `base_url` has no trailing slash."""

    def __init__(self, base_url: str, transport: httpx.BaseTransport | None = None) -> None:
        self.base_url = base_url
        # trust_env off: a proxy setting of the user's shell must not stand between the harness and loopback.
        self._client = httpx.Client(base_url=base_url, timeout=CALL_S_MAX, trust_env=False, transport=transport)

    def ready(self, path: str) -> bool:
        """Whether GET `path` answers 200; False also when nobody answers."""
        try:
            return self._client.get(path, timeout=CALL_S_MAX).status_code == 200
        except httpx.HTTPError:
            return False

    def get(self, path: str, query: Mapping[str, str] | None = None) -> Any:
        """The JSON body of a 200 answer. DriveError for everything else."""
        place = f"GET {self.base_url}{path}"
        try:
            answer = self._client.get(path, params=query, timeout=CALL_S_MAX)
        except httpx.HTTPError as error:
            raise DriveError(f"{place}: {type(error).__name__}: {error}; is it up?") from error
        if answer.status_code != 200:
            raise DriveError(f"{place}: {answer.status_code} {answer.text[:300].strip()}")
        try:
            return answer.json()
        except ValueError as error:
            raise DriveError(f"{place}: not JSON but {answer.text[:100]!r}") from error

    def close(self) -> None:
        """Give connections back."""
        self._client.close()
