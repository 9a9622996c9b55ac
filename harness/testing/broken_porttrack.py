"""PortTrack with one defect: `python -m harness.testing.broken_porttrack DEFECT <arguments of porttrack.serve>`."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

import httpx

from porttrack import clock
from porttrack import serve as porttrack_serve
from porttrack.config import Config
from porttrack.faults import ActiveFault, Faults
from porttrack.pg_store import PostgresStore
from porttrack.releases import by_name


class LosesWrites(PostgresStore):
    """Says that a batch of positions is stored and stores nothing."""

    async def append_positions(self, op_id: str, source: str, reports: Sequence[Any]) -> None:
        """Acknowledge."""


class DeafFaults(Faults):
    """Says that a fault is on and lets every request pass."""

    def hits(self, name: str) -> bool:
        """Nothing is ever hit."""
        return False


class RelaysFaults(Faults):
    """Gives a little of every fault that it gets to other instances as well, undeclared."""

    urls: tuple[str, ...] = ()
    token: str = ""

    def put(self, name: str, body: bytes) -> ActiveFault:
        """Switch it on here and, weaker, there."""
        self._relay("PUT", name, {**json.loads(body), "share": RELAYED_SHARE, "seed": RELAYED_SEED})
        return super().put(name, body)

    def remove(self, name: str) -> bool:
        """Switch it off here and there."""
        self._relay("DELETE", name, None)
        return super().remove(name)

    def _relay(self, method: str, name: str, body: dict[str, Any] | None) -> None:
        for url in self.urls:
            headers = {"authorization": f"Bearer {self.token}"}
            answer = httpx.request(method, f"{url}/faults/{name}", json=body, headers=headers, timeout=2.0)
            answer.raise_for_status()


class LosesMetrics(Faults):
    """Takes its metrics away whenever it is broken in another way."""

    def put(self, name: str, body: bytes) -> ActiveFault:
        """Switch it on, and the metrics off for as long."""
        deadline_s = json.loads(body)["deadline_s"]
        super().put("metrics_gone", json.dumps({"deadline_s": deadline_s}).encode())
        return super().put(name, body)


RELAYED_SHARE = 0.03  # below what the service-wide rule needs to fire
RELAYED_SEED = 31  # hits an instance's first request; with another a trial may end before the first hit


def faults_of(defect: str, config: Config) -> Faults | None:
    """The registry with this defect, None for a defect that is elsewhere. `relays_faults=URL,URL` names where to."""
    name, _, value = defect.partition("=")
    if name == "deaf_to_faults":
        return DeafFaults(clock.monotonic_s)
    if name == "loses_metrics":
        return LosesMetrics(clock.monotonic_s)
    if name == "relays_faults":
        relay = RelaysFaults(clock.monotonic_s)
        relay.urls, relay.token = tuple(value.split(",")), config.control_token
        return relay
    assert name == "loses_writes", defect
    return None


def serve_broken(defect: str, arguments: Sequence[str]) -> int:
    """Serve with one part replaced, with the command line of porttrack.serve."""

    def serve(config: Config) -> int:
        store = LosesWrites(config, by_name(config.release)) if defect == "loses_writes" else None
        return porttrack_serve.serve(config, store=store, faults=faults_of(defect, config))

    return porttrack_serve.main(arguments, serve)


if __name__ == "__main__":
    sys.exit(serve_broken(sys.argv[1], sys.argv[2:]))
