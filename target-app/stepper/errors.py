"""What can go wrong in the stepper; it has a tree of its own, because it stands alone.

StepperError
├── MalformedWebhookError    a webhook body that is not Alertmanager's version 4; answered with 400
├── CallError                an HTTP call that was not answered with 2xx; retried within a bound, and recorded
│   ├── RouterCallError      the router did not take a weight, or did not say how busy the canary is
│   └── StopCallError        an instance was not stopped
└── NotDrainedError          the canary still had requests when the wait for them ended
"""

from __future__ import annotations


class StepperError(Exception):
    """Something the stepper could not do."""


class MalformedWebhookError(StepperError):
    """The body is not Alertmanager's version 4 webhook; the message says where."""


class CallError(StepperError):
    """A call that was not answered with 2xx. `status` is the answer's, 0 when there was none."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class RouterCallError(CallError):
    """The router refused a weight or did not answer."""


class StopCallError(CallError):
    """Whoever owns the canary's instances refused to stop one or did not answer."""


class NotDrainedError(StepperError):
    """Requests were still under way on the canary, so it was not stopped."""
