"""What Cashfree's words mean for the money: the table first, so that nobody has to look for it.

By `status` a transfer is booked, by `status_code` it is explained. A word that is not here is kept as it came and
treated as in flight. The same codes are listed under FAILED and REVERSED, so a code alone decides nothing.
"""

from __future__ import annotations

from webapp.providers.ports import Outcome

# status → what it means
STATUSES = {
    "RECEIVED": Outcome.ACCEPTED,
    "VALIDATION_PENDING": Outcome.ACCEPTED,
    "APPROVAL_PENDING": Outcome.ACCEPTED,  # a person approves it in Cashfree's dashboard
    "QUEUED": Outcome.ACCEPTED,
    "PENDING": Outcome.ACCEPTED,
    "SUCCESS": Outcome.SUCCEEDED,  # may still become REVERSED
    "FAILED": Outcome.FAILED,
    "REJECTED": Outcome.FAILED,
    "MANUALLY_REJECTED": Outcome.FAILED,
    "REVERSED": Outcome.REVERSED,
}
# The status codes of SUCCESS: debited, and credited at the payee's bank.
DEBITED, COMPLETED = "SENT_TO_BENEFICIARY", "COMPLETED"

# status_code → our own code, where Paydesk acts by it; all others stay as they are.
OUR_CODES = {
    "NPCI_UNAVAILABLE": "BANK_UNAVAILABLE",
    "BENEFICIARY_BANK_OFFLINE": "BANK_UNAVAILABLE",
    "BANK_GATEWAY_ERROR": "BANK_UNAVAILABLE",
    "INSUFFICIENT_BALANCE": "INSUFFICIENT_BALANCE",
}

# Codes of refusals and failures in words for people; Cashfree's own description is shown for the rest.
SENTENCES = {
    "INSUFFICIENT_BALANCE": "There is not enough money in the Cashfree account.",
    "INVALID_BENE_ACCOUNT_OR_IFSC": "The account number or IFSC is wrong.",
    "INVALID_ACCOUNT_FAIL": "The account number is wrong.",
    "INVALID_IFSC_FAIL": "The IFSC is wrong.",
    "INVALID_BENE_VPA": "The UPI address does not exist.",
    "ACCOUNT_BLOCKED": "The account is blocked or closed.",
    "BENE_BLACKLISTED": "Cashfree does not pay to this account.",
    "BENE_NAME_DIFFERS": "The name at the bank differs.",
    "NRE_ACCOUNT_FAIL": "The account is of a kind that cannot take this payment.",
    "RETURNED_FROM_BENEFICIARY": "The payee's bank sent the money back.",
    "BENE_BANK_DECLINED": "The payee's bank declined it.",
    "IMPS_MODE_FAIL": "The account takes no IMPS transfers.",
    "DEST_LIMIT_REACHED": "The account has reached its limit.",
    "NPCI_UNAVAILABLE": "The payment network does not answer at the moment.",
    "BENEFICIARY_BANK_OFFLINE": "The payee's bank does not answer at the moment.",
    "APPROVAL_PENDING": "A person must approve it in Cashfree's dashboard.",
    "VELOCITY_CHECK_FAILED": "Cashfree's limit of transfers is reached; a person must approve it in its dashboard.",
    "TRANSFER_LIMIT_BREACH": "Cashfree's limit of the amount is reached; a person must approve it in its dashboard.",
    "ANOMALY_DETECTION": "Cashfree finds it unusual; a person must approve it in its dashboard.",
    "SCHEDULED_FOR_NEXT_WORKINGDAY": "The bank carries it out on the next working day.",
}

# Refusals of a POST that say "I have this already": ask for it, never send another.
DUPLICATES = frozenset({"transfer_id_already_exists", "transfer_already_exists"})
BENEFICIARY_GONE = frozenset({"beneficiary_not_found"})
BENEFICIARY_THERE = frozenset({"beneficiary_id_already_exists", "beneficiary_already_exists"})
NOT_FOUND = frozenset({"transfer_id_not_found", "cf_transfer_id_not_found", "transfer_not_found"})


def outcome_of(status: str) -> Outcome:
    """What a status means; UNKNOWN for a word that nobody told us about."""
    return STATUSES.get(status, Outcome.UNKNOWN)


def our_code(status_code: str) -> str:
    """The code that Paydesk acts by; Cashfree's own where there is none."""
    return OUR_CODES.get(status_code, status_code)


def sentence(status_code: str, description: str) -> str:
    """What a code means, for people."""
    return SENTENCES.get(status_code) or description.strip()
