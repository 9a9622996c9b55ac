"""A locustfile whose load stops sending in the middle, while its process lives on and says nothing."""

from __future__ import annotations

import gevent

from harness.clock import NS_PER_S
from harness.drive.load import run
from harness.drive.load.engine import Engine
from harness.drive.load.user import build_user

STOPS_AFTER_S = 15.0


class StoppingEngine(Engine):
    """Dispatches what is due in the first STOPS_AFTER_S and then nothing."""

    def _dispatch_due(self, until_ns: int, count_max: int) -> None:
        last_ns = self._start_ns + int(STOPS_AFTER_S * NS_PER_S)
        super()._dispatch_due(min(until_ns, last_ns), count_max)
        if until_ns > last_ns:
            gevent.sleep(0.05)  # else the dispatcher, always late, would spin


run.Engine = StoppingEngine  # type: ignore[attr-defined]
LoadUser = build_user()
