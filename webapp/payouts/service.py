"""Everything that changes payouts, in one place to import from.

Every function takes the organisation and the payout's reference, locks the row, asks the state table and the
policy, writes trail, ledger and outbox with the caller's transaction, and answers a Result.
"""

from __future__ import annotations

from webapp.payouts import wallet as wallet
from webapp.payouts.approval import approve, cancel, hold, hold_also, reject, release
from webapp.payouts.creation import create, edit
from webapp.payouts.drafts import ExclusionDraft, LineDraft, SourceDraft
from webapp.payouts.payment import ask_status, mark_paid, reissue, retry, reverse, submit
from webapp.payouts.policies import change_policy, halt, lift_halt
from webapp.payouts.records import PayoutSubscriber, Result, register_subscriber
from webapp.payouts.reviews import settle_review
from webapp.payouts.withdrawal import withdraw

__all__ = [
    "ExclusionDraft",
    "LineDraft",
    "PayoutSubscriber",
    "Result",
    "SourceDraft",
    "approve",
    "ask_status",
    "cancel",
    "change_policy",
    "create",
    "edit",
    "halt",
    "hold",
    "hold_also",
    "lift_halt",
    "mark_paid",
    "register_subscriber",
    "reissue",
    "reject",
    "release",
    "retry",
    "reverse",
    "settle_review",
    "submit",
    "withdraw",
]
