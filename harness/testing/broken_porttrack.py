"""PortTrack with one defect: `python -m harness.testing.broken_porttrack DEFECT <arguments of porttrack.serve>`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from porttrack import clock
from porttrack import serve as porttrack_serve
from porttrack.config import Config
from porttrack.faults import FaultAnswer, Faults
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


def serve_broken(defect: str, arguments: Sequence[str]) -> int:
    """Serve with one part replaced, with the command line of porttrack.serve."""

    def serve(config: Config) -> int:
        if defect == "loses_writes":
            return porttrack_serve.serve(config, store=LosesWrites(config, by_name(config.release)))
        assert defect == "deaf_to_faults", defect
        return porttrack_serve.serve(config, faults=DeafFaults(clock.monotonic_s))

    return porttrack_serve.main(arguments, serve)


if __name__ == "__main__":
    sys.exit(serve_broken(sys.argv[1], sys.argv[2:]))
