"""Every kind of e-mail: what it is, for whom, and whether a person can do without it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Group(StrEnum):
    """Why a mail is sent; only optional mail can be switched off."""

    MONEY = "money"
    SECURITY = "security"
    OPTIONAL = "optional"


# Who gets a kind of mail.
PAYEES, ADMINS, EVERYBODY, TENANTS = "payees", "admins", "everybody", "tenants"


@dataclass(frozen=True)
class Kind:
    """One kind of mail: its name in the log, its label, and what it says."""

    notice: str
    label: str
    what: str
    group: Group
    audience: str

    @property
    def is_optional(self) -> bool:
        """Whether a person can switch it off; such mail carries one-click unsubscribe."""
        return self.group is Group.OPTIONAL


_MONEY, _SECURITY, _OPTIONAL = Group.MONEY, Group.SECURITY, Group.OPTIONAL
KINDS: dict[str, Kind] = {
    kind.notice: kind
    for kind in (
        Kind("payout_approved", "Payout approved", "What is paid to you and how it is calculated.", _MONEY, PAYEES),
        Kind("payout_rejected", "Payout rejected", "Why, and what to do.", _MONEY, PAYEES),
        Kind("payout_paid", "Payout paid", "The amount, the day and the payment reference.", _MONEY, PAYEES),
        Kind("payout_failed", "Payout failed", "What the bank said and when it is tried again.", _MONEY, PAYEES),
        Kind("payout_reversed", "Payout returned", "The bank sent the money back.", _MONEY, PAYEES),
        Kind("details_wanted", "Payment details wanted", "Money waits, because there are no payment details.", _MONEY,
             PAYEES),
        Kind("receipt", "Weekly receipt", "What a week comes to, with the receipt as PDF.", _MONEY, PAYEES),
        Kind("dispute_decided", "Dispute decided", "Whether a charge stands, and why.", _MONEY, PAYEES),
        Kind("dispute_opened", "Charge disputed", "A charge that a driver does not agree with.", _MONEY, ADMINS),
        Kind("registration_decided", "Registration decided", "Whether a deal is yours, and why not.", _MONEY, PAYEES),
        Kind("commission_decided", "Commission looked at", "What was decided about your dispute.", _MONEY, PAYEES),
        Kind("registration_made", "Deal registered", "A partner registered a deal; it waits for a decision.", _MONEY,
             ADMINS),
        Kind("commission_disputed", "Commission disputed", "A commission that a partner does not agree with.", _MONEY,
             ADMINS),
        Kind("rent_due", "Rent due", "How much, by when, and the link that pays it.", _MONEY, TENANTS),
        Kind("rent_received", "Rent received", "The tenant's receipt.", _MONEY, TENANTS),
        Kind("rent_reminder", "Rent reminder", "Before the due day and after it, until the rent is paid.", _MONEY,
             TENANTS),
        Kind("rent_refunded", "Rent given back", "How much went back to the tenant, and which way.", _MONEY, TENANTS),
        Kind("owner_rent_went_back", "Rent went back", "What of it was yours, and how it is borne.", _MONEY, PAYEES),
        Kind("owner_shares_changed", "Shares of a property changed", "Old and new part, and until when payouts are "
             "looked at.", _SECURITY, PAYEES),
        Kind("invitation", "Invitation", "A personal link to choose a password.", _SECURITY, EVERYBODY),
        Kind("reset", "Password reset", "A personal link, asked for on the sign-in page.", _SECURITY, EVERYBODY),
        Kind("new_device", "Sign-in from a new device", "When, with which browser and from where.", _SECURITY,
             EVERYBODY),
        Kind("security_password_changed", "Password changed", "When it was changed.", _SECURITY, EVERYBODY),
        Kind("security_factor_added", "Second factor added", "When it was added.", _SECURITY, EVERYBODY),
        Kind("security_factor_removed", "Second factor removed", "When it was removed.", _SECURITY, EVERYBODY),
        Kind("security_recovery_used", "Recovery code used", "When it was used to sign in.", _SECURITY, EVERYBODY),
        Kind("details_asked", "New payment details given", "Old and new account, masked, and who gave them.",
             _SECURITY, PAYEES),
        Kind("details_to_verify", "Payment details to verify", "A change that waits for a second person.",
             _SECURITY, ADMINS),
        Kind("details_verified", "Payment details verified", "From when payouts go to the new account.", _SECURITY,
             PAYEES),
        Kind("details_refused", "Payment details refused", "Why; payouts go on to the old account.", _SECURITY,
             PAYEES),
        Kind("details_changed", "Payment details changed", "Old and new account, masked, and until when payouts wait.",
             _SECURITY, PAYEES),
        Kind("contact_changed", "E-mail address or phone changed", "What was changed, and until when payouts wait.",
             _SECURITY, PAYEES),
        Kind("cool_off_released", "Waiting time ended early", "Two admins let payouts go to new payment details.",
             _SECURITY, EVERYBODY),
        Kind("admin_added", "New admin", "Who became one, and who gave the role.", _SECURITY, ADMINS),
        Kind("policy_changed", "Approval rules changed", "What changed, and who changed it.", _SECURITY, ADMINS),
        Kind("policy_proposed", "Approval rules to decide", "A change that waits for a second admin.", _SECURITY,
             ADMINS),
        Kind("payments_stopped", "Payments stand still", "Why, what waits, and what to do.", _MONEY, ADMINS),
        Kind("payments_resumed", "Payments go on", "What stood still, since when, and what is sent now.", _MONEY,
             ADMINS),
        Kind("transfers_unknown", "Transfers without an answer", "How many, their sum, and what to do.", _MONEY,
             ADMINS),
        Kind("webhook_stopped", "Webhook endpoint stopped", "Which one, and why nothing is sent to it.", _SECURITY,
             ADMINS),
        Kind("lift_asked", "A halt to confirm", "Another admin wants payments to flow again.", _SECURITY, ADMINS),
        Kind("digest", "Payouts that wait for you", "Each morning, on days when some do.", _OPTIONAL, ADMINS),
        Kind("bulk_result", "Result of a long run", "How many rows were done, skipped and failed.", _OPTIONAL, ADMINS),
        Kind("import_result", "Result of an import", "How many rows were stored and refused.", _OPTIONAL, ADMINS),
        Kind("statement", "Monthly statement ready", "The period, the closing balance and a link.", _OPTIONAL, PAYEES),
    )
}  # fmt: skip
LABELS = {kind.notice: kind.label for kind in KINDS.values()}
WHY_NOT = {
    Group.MONEY: "Mail about your money is always sent.",
    Group.SECURITY: "Mail that protects your account and your money is always sent.",
}


def is_optional(notice: str) -> bool:
    """Whether mail of this kind can be switched off."""
    return notice in KINDS and KINDS[notice].is_optional
