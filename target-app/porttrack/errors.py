"""Errors that become answers: `{"error": {"code", "message", "field"?, "value"?}}` with their status.

    ApiError                      any refused request; 4xx is surely without effect
    └── StoreUnavailableError     503: the store did not answer in its bound; the effect is not known

A programmer's mistake is no ApiError: it becomes a plain 500 and a traceback in the log.
"""

from __future__ import annotations

from typing import Any


class ApiError(Exception):
    """A request that is answered with an error. `field` and `value` name what was wrong in it, where one thing was."""

    def __init__(self, status: int, code: str, message: str, field: str = "", value: Any = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.field = field
        self.value = value

    def body(self) -> dict[str, Any]:
        """The JSON body of the answer."""
        error: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.field:
            error |= {"field": self.field, "value": self.value}
        return {"error": error}


class StoreUnavailableError(ApiError):
    """The store refused, broke off or took too long. Whether a write took effect is unknown to the service."""

    def __init__(self, message: str) -> None:
        super().__init__(503, "store_unavailable", message)
