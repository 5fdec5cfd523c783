"""One small error class per reason; `webapp.web.errors` maps each to its HTTP answer."""

from __future__ import annotations


class PaydeskError(Exception):
    """Base of every error that a person can understand. `message` is shown as it is."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class NotFound(PaydeskError):
    """There is no such record, or it is not theirs: both answer 404."""

    def __init__(self, message: str = "There is nothing at this address.") -> None:
        super().__init__(message)


class Forbidden(PaydeskError):
    """The person may not do this (403); the message says who can."""


class Invalid(PaydeskError):
    """Input that cannot be accepted (422): which field, what is wrong, and an example of right."""

    def __init__(self, field: str, message: str, example: str | None = None) -> None:
        super().__init__(message if example is None else f"{message} Example: {example}")
        self.field = field
        self.reason = message
        self.example = example


class Conflict(PaydeskError):
    """The record is not in the state the person saw (409): nothing was changed."""


class IllegalTransition(Conflict):
    """An action that the state table does not allow; names the state and the action."""

    def __init__(self, state: str, action: str, subject: str = "payout", detail: str = "") -> None:
        text = f"This {subject} is {state}; it is not possible to {action} it."
        super().__init__(f"{text} {detail}".strip())
        self.state = state
        self.action = action


class BelowMinimum(Conflict):
    """An account of the ledger does not hold what would be taken from it."""


class StaleVersion(Conflict):
    """Somebody else changed the record since the page was shown."""


class NotAllowed(Conflict):
    """A rule of the organisation's policy stops this; `reasons` are sentences for the page."""

    def __init__(self, reasons: list[str]) -> None:
        super().__init__(" ".join(reasons))
        self.reasons = reasons


class Unavailable(PaydeskError):
    """Something outside (store, provider, disk) does not answer; nothing was changed (503)."""
