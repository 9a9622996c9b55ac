"""What can go wrong in the stepper; it has a tree of its own, because it stands alone.

StepperError
├── MalformedWebhookError    a webhook body that is not Alertmanager's version 4; answered with 400
└── RouterCallError          the router did not take a weight; retried within a bound, and recorded
"""

from __future__ import annotations


class StepperError(Exception):
    """Something the stepper could not do."""


class MalformedWebhookError(StepperError):
    """The body is not Alertmanager's version 4 webhook; the message says where."""


class RouterCallError(StepperError):
    """The router refused a weight or did not answer."""
