"""The life cycles of a payout and of a transfer, as data. Buttons, diagrams and guards come from here."""

from __future__ import annotations

from webapp.kernel.errors import IllegalTransition
from webapp.kernel.labels import Label


class PayoutState(Label):
    """Where a payout stands; sentence = what happens next."""

    PENDING_APPROVAL = (
        "pending_approval",
        "To approve",
        "todo",
        "todo",
        "An approver must approve or reject it.",
    )
    APPROVED = "approved", "Approved", "ok", "ok", "It can be paid now."
    PROCESSING = (
        "processing",
        "Sending",
        "progress",
        "progress",
        "The bank has been asked; we wait for its answer.",
    )
    PAID = "paid", "Paid", "done", "done", "The money has left. Nothing more to do."
    FAILED = (
        "failed",
        "Failed",
        "failed",
        "failed",
        "An admin must retry it, change the method, or cancel it.",
    )
    RETRY_SCHEDULED = (
        "retry_scheduled", "Failed, retry planned", "failed", "failed", "Paydesk tries again by itself.",
    )  # fmt: skip
    REVERSED = (
        "reversed",
        "Returned",
        "returned",
        "returned",
        "The bank sent it back. An admin must re-issue it.",
    )
    REJECTED = (
        "rejected",
        "Rejected",
        "rejected",
        "rejected",
        "It will not be paid as it is.",
    )
    CANCELLED = (
        "cancelled",
        "Cancelled",
        "cancelled",
        "cancelled",
        "It will not be paid.",
    )


class PayoutAction(Label):
    """What can be done to a payout, or happen to it."""

    EDIT = "edit", "Edit"
    APPROVE = "approve", "Approve"
    REJECT = "reject", "Reject"
    CANCEL = "cancel", "Cancel"
    HOLD = "hold", "Hold"
    RELEASE = "release", "Release"
    SUBMIT = "submit", "Pay"
    MARK_PAID = "mark_paid", "Mark paid"
    SUCCEED = "succeed", "Confirm as paid"
    FAIL = "fail", "Record a failure of"
    SCHEDULE_RETRY = "schedule_retry", "Schedule a retry of"
    RETRY = "retry", "Retry"
    REVERSE = "reverse", "Record the return of"
    REISSUE = "reissue", "Re-issue"


_S, _A = PayoutState, PayoutAction

PAYOUT_TRANSITIONS: dict[tuple[PayoutState, PayoutAction], PayoutState] = {
    (_S.PENDING_APPROVAL, _A.EDIT): _S.PENDING_APPROVAL,
    (_S.PENDING_APPROVAL, _A.APPROVE): _S.APPROVED,
    (_S.PENDING_APPROVAL, _A.REJECT): _S.REJECTED,
    (_S.PENDING_APPROVAL, _A.CANCEL): _S.CANCELLED,
    (_S.APPROVED, _A.CANCEL): _S.CANCELLED,
    (_S.FAILED, _A.CANCEL): _S.CANCELLED,
    (_S.RETRY_SCHEDULED, _A.CANCEL): _S.CANCELLED,
    (_S.REVERSED, _A.CANCEL): _S.CANCELLED,
    (_S.APPROVED, _A.HOLD): _S.APPROVED,
    (_S.APPROVED, _A.RELEASE): _S.APPROVED,
    (_S.FAILED, _A.HOLD): _S.FAILED,
    (_S.FAILED, _A.RELEASE): _S.FAILED,
    # Held by a restore, which does not know what was sent since.
    (_S.PROCESSING, _A.RELEASE): _S.PROCESSING,
    (_S.APPROVED, _A.SUBMIT): _S.PROCESSING,
    (_S.APPROVED, _A.MARK_PAID): _S.PAID,
    (_S.PROCESSING, _A.SUCCEED): _S.PAID,
    (_S.PROCESSING, _A.FAIL): _S.FAILED,
    (_S.FAILED, _A.SCHEDULE_RETRY): _S.RETRY_SCHEDULED,
    (_S.FAILED, _A.RETRY): _S.PROCESSING,
    (_S.RETRY_SCHEDULED, _A.RETRY): _S.PROCESSING,
    (_S.PAID, _A.REVERSE): _S.REVERSED,
    (_S.REVERSED, _A.REISSUE): _S.APPROVED,
}

# States in which the payout still claims its source records.
LIVE_STATES = frozenset(_S) - {_S.REJECTED, _S.CANCELLED}
CLOSED_STATES = frozenset({_S.PAID, _S.REJECTED, _S.CANCELLED})
# States in which somebody or something still has to act.
OPEN_STATES = frozenset(
    {
        _S.PENDING_APPROVAL,
        _S.APPROVED,
        _S.PROCESSING,
        _S.FAILED,
        _S.RETRY_SCHEDULED,
        _S.REVERSED,
    }
)


class TransferState(Label):
    """Where one try at moving the money stands."""

    QUEUED = (
        "queued",
        "Queued",
        "waiting",
        "waiting",
        "A worker sends it within seconds.",
    )
    SUBMITTING = (
        "submitting",
        "Sending",
        "progress",
        "progress",
        "A worker is talking to the bank.",
    )
    ACCEPTED = (
        "accepted",
        "Accepted",
        "progress",
        "progress",
        "The bank has it; the result follows.",
    )
    UNKNOWN = (
        "unknown",
        "Answer unknown",
        "waiting",
        "waiting",
        "We ask the bank; it is never sent again meanwhile.",
    )
    SUCCEEDED = "succeeded", "Succeeded", "done", "done", "The bank confirms the debit."
    FAILED = (
        "failed",
        "Failed",
        "failed",
        "failed",
        "The bank refused it; nothing was moved.",
    )
    REVERSED = (
        "reversed",
        "Returned",
        "returned",
        "returned",
        "The bank sent the money back.",
    )
    REVIEW = (
        "review",
        "Under review",
        "failed",
        "failed",
        "Two people must settle what happened.",
    )


OPEN_TRANSFER_STATES = frozenset(
    {
        TransferState.QUEUED,
        TransferState.SUBMITTING,
        TransferState.ACCEPTED,
        TransferState.UNKNOWN,
    }
)


def next_state(state: str, action: PayoutAction) -> PayoutState:
    """The state that `action` leads to. Raises IllegalTransition, naming both, when the table has no such pair."""
    current = PayoutState(state)
    try:
        return PAYOUT_TRANSITIONS[current, action]
    except KeyError:
        raise IllegalTransition(current.label.lower(), action.label.lower()) from None


def possible_actions(state: str) -> list[PayoutAction]:
    """The actions that the table allows in a state, in the table's order."""
    return [action for (from_state, action) in PAYOUT_TRANSITIONS if from_state == state]
