"""Which function carries out which effect: outbox kind → dotted name, called with the id of its row.

A function may answer `webapp.outbox.service.Later`; what it raises is tried again with a growing delay. Those of
BATCHES are called with the ids of several rows, and answer by row: later, what went wrong, or nothing when it is done.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

HANDLERS: dict[str, str] = {
    # money
    "transfer.send": "jobs.payouts.send_transfers",
    "transfer.check": "jobs.payouts.check_transfers",
    "transfer.ask": "jobs.payouts.ask_transfer",
    "payout.retry": "jobs.payouts.retry_payout",
    "payout.pay": "jobs.payouts.pay_payout",
    "webhook.process": "jobs.webhooks.process",
    "notice.webhook.stopped": "jobs.webhooks_out.mail_stopped",
    "rent.check": "jobs.rentals.check_payment",
    "rent.share": "jobs.rentals.share",
    "rent.return": "jobs.rentals.work_return",
    # bulk
    "run.step": "jobs.runs.step_run",
    "import.step": "jobs.imports.step",
    "repairs.week": "jobs.repairs.run_week",
    "partners.exchange": "jobs.exchange.book_difference",
    "partners.exchange.all": "jobs.exchange.book_differences",
    # outside
    "webhook.deliver": "jobs.webhooks_out.deliver",
    "accounting.sync": "jobs.accounting.sync_payout",
    # mail
    "notice.payout.approved": "jobs.mail.payout_approved",
    "notice.payout.rejected": "jobs.mail.payout_rejected",
    "notice.payout.paid": "jobs.mail.payout_paid",
    "notice.payout.failed": "jobs.mail.payout_failed",
    "notice.payout.reversed": "jobs.mail.payout_reversed",
    "notice.invitation": "jobs.mail.account_link",
    "notice.reset": "jobs.mail.account_link",
    "notice.new_device": "jobs.mail.new_device",
    "notice.security.password_changed": "jobs.mail.password_changed",
    "notice.security.factor_added": "jobs.mail.factor_added",
    "notice.security.factor_removed": "jobs.mail.factor_removed",
    "notice.security.recovery_used": "jobs.mail.recovery_used",
    "notice.details.wanted": "jobs.mail.details_wanted",
    "notice.rent.due": "jobs.mail.rent_due",
    "notice.rent.received": "jobs.mail.rent_received",
    "notice.rent.reminder": "jobs.rentals.mail_reminder",
    "notice.rent.refunded": "jobs.rentals.mail_refunded",
    "notice.owner.rent_went_back": "jobs.rentals.mail_went_back",
    "notice.owner.shares_changed": "jobs.rentals.mail_shares_changed",
    "notice.details.asked": "jobs.mail.details_asked",
    "notice.details.verified": "jobs.mail.details_verified",
    "notice.details.refused": "jobs.mail.details_refused",
    "notice.details.changed": "jobs.mail.details_changed",
    "notice.contact.changed": "jobs.mail.contact_changed",
    "notice.cool_off.released": "jobs.mail.cool_off_released",
    "notice.admin.added": "jobs.mail.admin_added",
    "notice.policy.changed": "jobs.mail.policy_changed",
    "notice.policy.proposed": "jobs.mail.policy_proposed",
    "notice.payments.stopped": "jobs.mail.payments_stopped",
    "notice.payments.resumed": "jobs.mail.payments_resumed",
    "notice.transfers.unknown": "jobs.mail.payments_stopped",
    "notice.lift.asked": "jobs.mail.lift_asked",
    "notice.bulk_result": "jobs.mail.bulk_result",
    "notice.import_result": "jobs.mail.import_result",
    "notice.digest": "jobs.mail.digest",
    "notice.statement": "jobs.mail.statement",
    "notice.receipt": "jobs.receipts.mail_receipt",
    "notice.dispute.opened": "jobs.receipts.mail_dispute_opened",
    "notice.dispute.decided": "jobs.receipts.mail_dispute_decided",
    "notice.registration.made": "jobs.partner_mails.registration_made",
    "notice.registration.decided": "jobs.partner_mails.registration_decided",
    "notice.commission.disputed": "jobs.partner_mails.commission_disputed",
    "notice.commission.decided": "jobs.partner_mails.commission_decided",
    "email.send": "jobs.mail.send_email",
    "account.reset_asked": "jobs.accounts.reset_asked",
    # documents
    "document.remittance": "jobs.statements.remittance",
    "document.render": "jobs.statements.render",
    "receipt.documents": "jobs.receipts.freeze_receipts",
    "receipt.document": "jobs.receipts.freeze_receipt",
}


# How many of a kind are carried out together, at most.
BATCHES: dict[str, int] = {"transfer.send": 100, "transfer.check": 100, "webhook.deliver": 50}
# Of these the calls of a batch are made at the same time: that it took long says nothing of how many fit.
SIDE_BY_SIDE = frozenset({"webhook.deliver"})


def handler(kind: str) -> Callable[[Any], Any]:
    """The function of a kind. Raises LookupError for a kind that nobody carries out."""
    try:
        module, _, name = HANDLERS[kind].rpartition(".")
    except KeyError:
        raise LookupError(f"nobody carries out {kind!r}") from None
    found: Callable[[Any], Any] = getattr(import_module(module), name)
    return found
