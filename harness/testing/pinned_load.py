"""A locustfile one of whose users, the first that the canary answers, talks to it past the router from then on."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from harness import settings
from harness.drive.load import run
from harness.drive.load.client import Answer, Clients, Route
from harness.drive.load.plan import read_plan
from harness.drive.load.user import build_user
from harness.drive.target.port import Request


class PinningClients(Clients):
    """The first user that was answered by the canary stays with it."""

    def __init__(self, route: Route) -> None:
        super().__init__(route)
        self._pinned = Clients(replace_url(route, canary_url()))
        self._canary = route.versions.canary
        self._user: int | None = None

    def send(self, user: int, request: Request, op_id: str) -> Answer:
        """Past the router once pinned."""
        if user == self._user:
            return self._pinned.send(user, request, op_id)
        answer = super().send(user, request, op_id)
        if self._user is None and answer.version == self._canary:
            self._user = user
        return answer


def canary_url() -> str:
    """The canary's own address, from what the observer of the same trial was told."""
    run_dir = Path(read_plan(Path(settings.internal("load_plan"))).run_dir)
    instances = json.loads((run_dir / "config" / "observer.json").read_text())["endpoints"]["instances"]
    return str(next(one["url"] for one in instances if one["track"] == "canary"))


def replace_url(route: Route, url: str) -> Route:
    """The same route to another address."""
    return replace(route, service_url=url)


run.Clients = PinningClients  # type: ignore[attr-defined]
LoadUser = build_user()
