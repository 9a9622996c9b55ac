"""A controller that speaks of percents and phases: POST /rollout begins, GET /rollout says how far it is."""

import httpx

from harness import clock
from harness.drive.rollout.port import ControllerRead
from harness.errors import DriveError

STATES = {"Paused": "idle", "Progressing": "progressing", "Degraded": "rolled_back", "Healthy": "promoted"}


class PhasesController:
    """Every call is bounded by a second."""

    def __init__(self, endpoints):
        self._url = f"{endpoints.controller_url}/rollout"
        self._client = httpx.Client(timeout=1.0, trust_env=False)

    def start(self):
        """DriveError when it does not take it."""
        self._call("POST")

    def read(self):
        """DriveError for a phase that it does not know: a state that nobody said is no state."""
        lo_ns = clock.monotonic_ns()
        said = self._call("GET").json()
        hi_ns = clock.monotonic_ns()
        if said.get("phase") not in STATES:
            raise DriveError(f"GET {self._url}: phase {said.get('phase')!r} is none of {', '.join(STATES)}")
        return ControllerRead(lo_ns=lo_ns, hi_ns=hi_ns, weight=float(said["percent"]), state=STATES[said["phase"]])

    def close(self):
        """Give the connection back."""
        self._client.close()

    def _call(self, method):
        try:
            return self._client.request(method, self._url).raise_for_status()
        except httpx.HTTPError as error:
            raise DriveError(f"{method} {self._url}: {error}; is the controller up?") from error
