"""What becomes of a transfer: the table of test accounts first, then the words of every status."""

from __future__ import annotations

from dataclasses import dataclass

from webapp.simulator.settings import Options

# (account, IFSC) → what happens. Anything else fails, unless the options say otherwise.
ACCOUNTS = {
    ("026291800001191", "YESB0000262"): "success",
    ("00011020001772", "HDFC0000001"): "success",
    ("1233943142", "ICIC0000009"): "success",
    ("388108022658", "ICIC0000009"): "success",
    ("000890289871772", "SCBL0036078"): "success",
    ("000100289877623", "SBIN0008752"): "success",
    ("2640101002729", "CNRR0002640"): "fail:INVALID_IFSC_FAIL",
    ("1234567890", "ICIC0000001"): "fail:INVALID_IFSC_FAIL",
    ("026291800001190", "YESB0000262"): "fail:INVALID_ACCOUNT_FAIL",
    ("234005000876", "ICIC0000007"): "fail:INVALID_ACCOUNT_FAIL",
    ("007711000031", "HDFC0000077"): "pending",
    ("00224412311300", "YESB0000001"): "pending_success",
    ("7766666351000", "YESB0000001"): "pending_fail:BENE_BANK_DECLINED",
    ("7766671735000", "SBIN0000004"): "reverse:RETURNED_FROM_BENEFICIARY",
    ("02014457596969", "CITI0000001"): "reverse:RETURNED_FROM_BENEFICIARY",
    ("34978321547298", "KKBK0000001"): "slow_success",
}
VPAS = {"success@upi": "success", "failure@upi": "fail:BENE_BANK_DECLINED"}
WALLETS = {
    ("paytm", "9999999999"): "success",
    ("paytm", "8888888888"): "fail:BENE_BANK_DECLINED",
    ("amazonpay", "7777777777"): "success",
    ("amazonpay", "6666666666"): "fail:BENE_BANK_DECLINED",
}
CARDS = {"4434260000000000": "success", "4434260000000001": "fail:BENE_BANK_DECLINED"}
OTHERS = "fail:INVALID_ACCOUNT_FAIL"

OPEN = frozenset({"RECEIVED", "APPROVAL_PENDING", "QUEUED", "PENDING"})
NEGATIVE = frozenset({"FAILED", "REJECTED", "MANUALLY_REJECTED"})

# What a person can do with a transfer, by its status: (action, what the button says).
ACTIONS: dict[str, tuple[tuple[str, str], ...]] = {
    "open": (("settle", "Settle"), ("fail", "Fail"), ("reject", "Reject"), ("hold", "Keep pending")),
    "SUCCESS": (("credit", "Confirm credit"), ("reverse", "Return")),
    "negative": (("settle", "Succeed after all"),),
}

DESCRIPTIONS = {
    "RECEIVED": "The transfer has been received by Cashfree successfully for further processing. You should use "
    "Check Status API response or Webhooks to know the terminal state of the transfer request.",
    "APPROVAL_PENDING": "The transfer requires approval. You can approve or reject the transfer request from the "
    "Cashfree Merchant Dashboard.",
    "PENDING": "The transfer is currently in a Pending state, as Cashfree is awaiting a final confirmation from the "
    "partner bank for a terminal status. You should rely only on Check Status API response or Webhooks to know the "
    "terminal state of the transfer request.",
    "SENT_TO_BENEFICIARY": "The transfer has been initiated via the partner bank successfully, hence your account is "
    "debited and the request is pending with the beneficiary bank for credit.",
    "COMPLETED": "The transfer has been initiated via the partner bank successfully, hence your account is debited "
    "and the request is successfuly processed by the beneficiary bank and has been credited to the end beneficiary.",
    "INVALID_ACCOUNT_FAIL": "The transfer has been reversed by the beneficiary bank because the Account Number of "
    "the beneficiary is invalid.",
    "INVALID_IFSC_FAIL": "The transfer has failed because the IFSC of the beneficiary is invalid.",
    "IMPS_MODE_FAIL": "The transfer has been reversed by the beneficiary bank because the beneficiary bank account "
    "does not support IMPS transfers. You can try NEFT or other channels to do the disbursals.",
    "BENE_BANK_DECLINED": "The transfer has been declined by the beneficiary bank.",
    "RETURNED_FROM_BENEFICIARY": "The transfer has been returned by the beneficiary bank.",
    "INSUFFICIENT_BALANCE": "The transfer has been rejected because the fund source does not have enough balance.",
    "INVALID_AMOUNT_FAIL": "The transfer has been rejected because the amount is beyond the limit of this mode.",
    "NPCI_UNAVAILABLE": "The transfer has failed because NPCI is not available at the moment.",
    "BENEFICIARY_BANK_OFFLINE": "The transfer has failed because the beneficiary bank is offline.",
    "ACCOUNT_BLOCKED": "The transfer has failed because the beneficiary account is blocked.",
}
# Most that a mode takes at once, in paise.
LIMITS = {
    "imps": 5_00_000_00,
    "upi": 1_00_000_00,
    "paytm": 1_00_000_00,
    "amazonpay": 10_000_00,
}


@dataclass(frozen=True)
class Step:
    """A change of status, `after` so many milliseconds from the start."""

    after: int
    status: str
    code: str


def behaviour_of(
    *, mode: str, account: str, ifsc: str, vpa: str, phone: str, card: str, options: Options
) -> str:
    """The line of the table that fits a destination."""
    if mode == "upi":
        found = VPAS.get(vpa)
    elif mode in ("paytm", "amazonpay"):
        found = WALLETS.get((mode, phone))
    elif card:
        found = CARDS.get(card)
    else:
        found = ACCOUNTS.get((account, ifsc))
    return found or ("success" if options.others == "succeed" else OTHERS)


def steps_of(behaviour: str, options: Options) -> list[Step]:
    """How a transfer goes on after it was received. Raises ValueError for a behaviour that there is not."""
    name, _, code = behaviour.partition(":")
    settle = round(options.settle_seconds * 1000)
    credit = settle + round(options.credit_seconds * 1000)
    wait = settle + round(options.pending_seconds * 1000)
    paid = [Step(settle, "SUCCESS", "SENT_TO_BENEFICIARY"), Step(credit, "SUCCESS", "COMPLETED")]
    waiting = Step(settle, "PENDING", "PENDING")
    match name:
        case "success" | "slow_success":
            return paid
        case "success_unconfirmed":
            return paid[:1]
        case "fail":
            return [Step(settle, "FAILED", code)]
        case "reject":
            return [Step(settle, "REJECTED", code)]
        case "pending":
            return [waiting]
        case "pending_success":
            return [
                waiting,
                Step(wait, "SUCCESS", "SENT_TO_BENEFICIARY"),
                Step(wait + credit - settle, "SUCCESS", "COMPLETED"),
            ]
        case "pending_fail":
            return [waiting, Step(wait, "FAILED", code)]
        case "approval":
            return [Step(0, "APPROVAL_PENDING", code or "APPROVAL_PENDING")]
        case "reverse":
            return [*paid, Step(credit + round(options.return_seconds * 1000), "REVERSED", code)]
        case "reverse_after":
            return [*paid, Step(credit + round(float(code) * 1000), "REVERSED", "RETURNED_FROM_BENEFICIARY")]
        case "revive":
            seconds, _, why = code.partition(":")
            later = settle + round(float(seconds) * 1000)
            return [
                Step(settle, "FAILED", why or "BENEFICIARY_BANK_OFFLINE"),
                Step(later, "SUCCESS", "SENT_TO_BENEFICIARY"),
            ]
    raise ValueError(f"There is no behaviour {behaviour!r}.")
