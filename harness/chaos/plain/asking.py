"""What the probes on Prometheus ask with: prometheus-api-client, bounded, and every error an ActivityFailed.

Raw samples come from an instant query of a range selector, at Prometheus' own now, so that our clock does not matter.
`query_range` is not used: it resamples onto a grid of its own and fills gaps from up to five minutes back.

Not the adapter of `harness.drive.alerts`: that one is the observer's, on loopback, without headers and proxies.

Not covered: answers that a federating Prometheus marks as partial by a warning; the client drops warnings.
"""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import requests
from chaoslib.exceptions import ActivityFailed

CALL_S_MAX: Final = 10.0  # an answer takes milliseconds; a Prometheus under load may take seconds
WINDOW_S_MAX: Final = 86_400.0
_LABEL: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


@dataclass(frozen=True, slots=True)
class Series:
    """Raw samples of one series, (seconds since the epoch, value) in order of time."""

    labels: Mapping[str, str]
    samples: tuple[tuple[float, float], ...]


class Server:
    """One Prometheus, asked as of one instant."""

    def __init__(self, url: str, api: Any, session: requests.Session) -> None:
        self._url, self._api, self._session = url, api, session
        self.now_s = float(self._query("time()", None)[1])

    def samples(self, selector: str, window_s: float) -> list[Series]:
        """Every series of `selector` with a sample in the `window_s` before now."""
        found = self._query(f"{selector}[{round(window_s * 1000)}ms]", self.now_s)
        return [
            Series(one["metric"], tuple((float(at_s), float(value)) for at_s, value in one["values"])) for one in found
        ]

    def status(self, path: str) -> Any:
        """`data` of another endpoint of its API, for which the client has no method."""
        place = f"{self._url}/api/v1/{path}"
        try:
            answer = self._session.get(place, timeout=CALL_S_MAX)
            answer.raise_for_status()
            return answer.json()["data"]
        except (requests.RequestException, ValueError, KeyError, TypeError) as error:
            raise ActivityFailed(f"{place}: {error}") from error

    def _query(self, query: str, at_s: float | None) -> Any:
        from prometheus_api_client.exceptions import PrometheusApiClientException

        params = {} if at_s is None else {"time": f"{at_s:.3f}"}
        try:
            return self._api.custom_query(query, params=params)
        except (requests.RequestException, PrometheusApiClientException, ValueError, KeyError, TypeError) as error:
            raise ActivityFailed(f"{self._url}: {query}: {error}") from error


@contextmanager
def connected(url: str, headers: Mapping[str, str] | None) -> Iterator[Server]:
    """The Prometheus at `url`, http or https, until the block is left."""
    parts = urlsplit(str(url))
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ActivityFailed(f"prometheus_url is {url!r}, must look like http://127.0.0.1:9090")
    try:
        client = importlib.import_module("prometheus_api_client")
    except ImportError as error:
        raise ActivityFailed(
            "prometheus-api-client is not installed; install the harness with its extra [probes]"
        ) from error
    with requests.Session() as session:
        session.headers.update(headers or {})
        base = url.rstrip("/")
        # No retries: an answer that came after a minute of them would be about another window.
        yield Server(base, client.PrometheusConnect(url=base, session=session, retry=0, timeout=CALL_S_MAX), session)


def selector(metric: str, labels: Mapping[str, str]) -> str:
    """`metric{name="value"}` with the values quoted."""
    for name in labels:
        if not _LABEL.fullmatch(str(name)):
            raise ActivityFailed(f"labels: {name!r} is no label name of Prometheus")
    matchers = ",".join(f"{name}={json.dumps(str(value), ensure_ascii=False)}" for name, value in labels.items())
    return f"{metric}{{{matchers}}}"


def checked(name: str, value: Any, low: float, high: float) -> float:
    """`value` as a number from `low` to `high`."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise ActivityFailed(f"{name} is {value!r}, must be a number from {low:g} to {high:g}")
    return float(value)
