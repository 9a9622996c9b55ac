"""The stepper of the local stack, observed over HTTP.

Its status is what it believes; the router is asked separately. An answer that does not hold what this adapter reads
is an error here, not a weight of 0 there: a 0 that nobody said would be a rollback that nobody made.
"""

from __future__ import annotations

from typing import Any, Final

import httpx

from harness import clock
from harness.drive.rollout.port import ControllerRead
from harness.drive.stack.spec import Endpoints
from harness.errors import DriveError

# 1 s: an answer takes about 1 ms on loopback, and the observer asks ten times a second.
CALL_S_MAX: Final = 1.0
STATES: Final = ("idle", "progressing", "rolled_back", "promoted", "held")


class StepperController:
    """One stepper's HTTP interface."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._client = httpx.Client(base_url=url, timeout=CALL_S_MAX, trust_env=False)

    @classmethod
    def of(cls, endpoints: Endpoints) -> StepperController:
        """The controller of a running stack."""
        return cls(endpoints.controller_url)

    def start(self) -> None:
        """POST /start. DriveError when it does not answer, or had begun already."""
        self._call("POST", "/start")

    def read(self) -> ControllerRead:
        """GET /status. DriveError when it does not answer, or not with a state and a weight."""
        lo_ns = clock.monotonic_ns()
        answer = self._call("GET", "/status")
        hi_ns = clock.monotonic_ns()
        weight, state = self._weight_and_state(answer)
        return ControllerRead(lo_ns=lo_ns, hi_ns=hi_ns, weight=weight, state=state)

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def _call(self, method: str, path: str) -> httpx.Response:
        try:
            answer = self._client.request(method, path, timeout=CALL_S_MAX)
        except httpx.HTTPError as error:
            raise DriveError(
                f"{method} {self._url}{path}: {type(error).__name__}: {error}; is the stepper up? see logs/stepper"
            ) from error
        if answer.status_code != 200:
            raise DriveError(f"{method} {self._url}{path}: {answer.status_code} {answer.text[:200].strip()}")
        return answer

    def _weight_and_state(self, answer: httpx.Response) -> tuple[float, str]:
        try:
            body: Any = answer.json()
            weight, state = float(body["weight"]), str(body["state"])
        except (ValueError, KeyError, TypeError) as error:
            raise DriveError(
                f"GET {self._url}/status: {answer.text[:200]!r} has no weight and state ({error!r}); is it a stepper?"
            ) from error
        if state not in STATES:
            raise DriveError(f"GET {self._url}/status: state {state!r} is none of {', '.join(STATES)}")
        return weight, state
