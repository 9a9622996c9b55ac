"""PortTrack with one defect: `python -m harness.testing.broken_porttrack DEFECT <arguments of porttrack.serve>`."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from typing import Any

import httpx

from porttrack import clock
from porttrack import serve as porttrack_serve
from porttrack.config import Config
from porttrack.faults import ActiveFault, FaultAnswer, Faults
from porttrack.pg_store import PostgresStore
from porttrack.releases import by_name


class LosesWrites(PostgresStore):
    """Says that a batch of positions is stored and stores nothing."""

    async def append_positions(self, op_id: str, source: str, reports: Sequence[Any]) -> None:
        """Acknowledge."""


class DeafFaults(Faults):
    """Says that a fault is on and lets every request pass."""

    def before_handler(self) -> FaultAnswer | None:
        """Nothing is ever hit."""
        return None


class RelaysFaults(Faults):
    """Gives a little of every fault that it gets to the instances named in RELAY_URLS, undeclared."""

    def put(self, name: str, body: bytes) -> ActiveFault:
        """Switch it on here and, weaker, there."""
        weaker = {**json.loads(body), "share": RELAYED_SHARE}
        token = os.environ["PORTTRACK_CONTROL_TOKEN"]
        for url in os.environ["RELAY_URLS"].split():
            headers = {"authorization": f"Bearer {token}"}
            httpx.put(f"{url}/faults/{name}", json=weaker, headers=headers, timeout=2.0).raise_for_status()
        return super().put(name, body)


class LosesMetrics(Faults):
    """Takes its metrics away whenever it is broken in another way."""

    def put(self, name: str, body: bytes) -> ActiveFault:
        """Switch it on, and the metrics off for as long."""
        deadline_s = json.loads(body)["deadline_s"]
        super().put("metrics_gone", json.dumps({"deadline_s": deadline_s}).encode())
        return super().put(name, body)


RELAYED_SHARE = 0.03  # below what the service-wide rule needs to fire
FAULTS: dict[str, type[Faults]] = {
    "deaf_to_faults": DeafFaults,
    "relays_faults": RelaysFaults,
    "loses_metrics": LosesMetrics,
}


def serve_broken(defect: str, arguments: Sequence[str]) -> int:
    """Serve with one part replaced, with the command line of porttrack.serve."""

    def serve(config: Config) -> int:
        if defect == "loses_writes":
            return porttrack_serve.serve(config, store=LosesWrites(config, by_name(config.release)))
        return porttrack_serve.serve(config, faults=FAULTS[defect](clock.monotonic_s))

    return porttrack_serve.main(arguments, serve)


if __name__ == "__main__":
    sys.exit(serve_broken(sys.argv[1], sys.argv[2:]))
