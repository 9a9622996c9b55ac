"""Faults that the service injects itself, asked for through PUT, DELETE and GET of its control port.

Such a fault is a few words of data: which kind, what the report calls it, whether it marks answers, and which
arguments it takes. The service holds the deadline.

Not covered: services without a control port; faults below HTTP.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, ClassVar, Final

import httpx
import msgspec

from harness import clock
from harness.drive.faults.arguments import Argument, checked
from harness.drive.faults.port import Interval, UndoRequest
from harness.drive.target.port import Instance
from harness.errors import DriveError

CALL_S_MAX: Final = 2.0  # a control port answers in milliseconds; the canary may be busy when it is healed


class _Listing(msgspec.Struct):
    active: list[dict[str, Any]]


class ControlPortFault:
    """A Fault whose kind the control port knows; the class of a kind says the rest."""

    kind: ClassVar[str]
    caption: ClassVar[str]
    marks: ClassVar[bool]
    arguments: ClassVar[tuple[Argument, ...]]

    def check(self, arguments: Mapping[str, Any]) -> None:
        """See Fault."""
        checked(self.kind, self.arguments, arguments)

    def inject(
        self, instance: Instance, token: str, share: float, deadline_s: float, arguments: Mapping[str, Any]
    ) -> Interval:
        """PUT it. UsageError for arguments it cannot use, DriveError when the instance does not take it."""
        body = {"share": share, "deadline_s": deadline_s, **checked(self.kind, self.arguments, arguments)}
        return self._bracketed("PUT", instance, token, body)

    def heal(self, instance: Instance, token: str) -> Interval:
        """DELETE it. DriveError when the instance does not answer."""
        return self._bracketed("DELETE", instance, token, None)

    def active(self, instance: Instance, token: str) -> bool:
        """GET the active ones. DriveError when the instance does not answer, or not with a list of them."""
        url = f"{instance.control_url}/faults"
        answer = self._call("GET", url, token, None)
        try:
            listing = msgspec.json.decode(answer.content, type=_Listing)
        except msgspec.MsgspecError as error:
            raise DriveError(f"GET {url}: {answer.text[:200]!r}: {error}; is it the control port?") from error
        return any(fault.get("fault") == self.kind for fault in listing.active)

    def undo_request(self, instance: Instance, token: str) -> UndoRequest:
        """The DELETE, as data."""
        return UndoRequest("DELETE", self._url(instance), {"authorization": f"Bearer {token}"})

    @cached_property
    def _client(self) -> httpx.Client:
        return httpx.Client(timeout=CALL_S_MAX, trust_env=False, headers={"connection": "close"})

    def _url(self, instance: Instance) -> str:
        return f"{instance.control_url}/faults/{self.kind}"

    def _bracketed(self, method: str, instance: Instance, token: str, body: Mapping[str, Any] | None) -> Interval:
        # Made before the clock is read: it takes some 20 ms, which would else lie inside the interval of the change.
        _ = self._client
        lo_ns = clock.monotonic_ns()
        self._call(method, self._url(instance), token, body)
        return Interval(lo_ns=lo_ns, hi_ns=clock.monotonic_ns())

    def _call(self, method: str, url: str, token: str, body: Mapping[str, Any] | None) -> httpx.Response:
        headers = {"authorization": f"Bearer {token}"}
        try:
            answer = self._client.request(method, url, headers=headers, json=body, timeout=CALL_S_MAX)
        except httpx.HTTPError as error:
            raise DriveError(
                f"{method} {url}: {type(error).__name__}: {error}; is the instance up? see logs/"
            ) from error
        if not answer.is_success:
            raise DriveError(f"{method} {url}: {answer.status_code} {answer.text[:200].strip()}")
        return answer
