"""`http_5xx`: a share of the instance's answers is a 5xx, given before the handler, so surely without effect.

The service injects it itself, inside its metrics middleware (its own metrics, and so the alert rules, count it) and
marks each such answer. Arguments: `status` (500 to 599, default 503) and `seed` of the instance's draw (default 0).

Not covered: services without a control port; faults below HTTP.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import httpx
import msgspec

from harness import clock
from harness.drive.faults.port import Interval, UndoRequest
from harness.drive.target.port import Instance
from harness.errors import DriveError, UsageError
from harness.plan.validate import nearest

CALL_S_MAX: Final = 2.0  # a control port answers in milliseconds; the canary may be busy when it is healed
_DEFAULTS: Final = {"status": 503, "seed": 0}


class _Listing(msgspec.Struct):
    active: list[dict[str, Any]]


class Http5xx:
    """The fault through PUT, DELETE and GET of the control port."""

    kind = "http_5xx"

    def __init__(self) -> None:
        # Made once: it takes some 20 ms, which would else lie inside the interval of every change.
        self._client = httpx.Client(timeout=CALL_S_MAX, trust_env=False, headers={"connection": "close"})

    def inject(
        self, instance: Instance, token: str, share: float, deadline_s: float, arguments: Mapping[str, Any]
    ) -> Interval:
        """PUT it. UsageError for arguments it cannot use, DriveError when the instance does not take it."""
        body = {"share": share, "deadline_s": deadline_s, **_checked(arguments)}
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

    def _url(self, instance: Instance) -> str:
        return f"{instance.control_url}/faults/{self.kind}"

    def _bracketed(self, method: str, instance: Instance, token: str, body: Mapping[str, Any] | None) -> Interval:
        lo_ns = clock.monotonic_ns()
        self._call(method, self._url(instance), token, body)
        return Interval(lo_ns=lo_ns, hi_ns=clock.monotonic_ns())

    def _call(self, method: str, url: str, token: str, body: Mapping[str, Any] | None) -> httpx.Response:
        try:
            answer = self._client.request(
                method, url, headers={"authorization": f"Bearer {token}"}, json=body, timeout=CALL_S_MAX
            )
        except httpx.HTTPError as error:
            raise DriveError(
                f"{method} {url}: {type(error).__name__}: {error}; is the instance up? see logs/"
            ) from error
        if not answer.is_success:
            raise DriveError(f"{method} {url}: {answer.status_code} {answer.text[:200].strip()}")
        return answer


def _checked(arguments: Mapping[str, Any]) -> dict[str, int]:
    unknown = [
        f"{name!r} is no argument of http_5xx; {nearest(name, _DEFAULTS)}" for name in {*arguments} - {*_DEFAULTS}
    ]
    values = {**_DEFAULTS, **arguments}
    wrong = [
        f"{name} is {values[name]!r}, must be a whole number from {low} to {high}"
        for name, low, high in (("status", 500, 599), ("seed", 0, 2**31))
        if type(values[name]) is not int or not low <= values[name] <= high
    ]
    if unknown or wrong:
        raise UsageError("; ".join((*sorted(unknown), *wrong)))
    return values
