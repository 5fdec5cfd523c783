"""Where a repair, an instalment and their money stand, and the categories of charges, as data."""

from __future__ import annotations

from webapp.kernel.errors import IllegalTransition
from webapp.kernel.labels import Label


class RepairState(Label):
    """How far a repair is; sentence = what happens next."""

    DRAFT = "draft", "Draft", "todo", "todo", "Confirm it; until then nothing is charged."
    OPEN = "open", "Open", "progress", "progress", "One instalment is charged each week."
    HOLD = "hold", "On hold", "waiting", "waiting", "Nothing is charged until it is released."
    CLOSED = "closed", "Closed", "done", "done", "Every instalment is paid."
    CANCELLED = "cancelled", "Cancelled", "cancelled", "cancelled", "No further instalment is charged."


class RepairAction(Label):
    """What can be done with a repair."""

    UPDATE = "update", "Change"
    CONFIRM = "confirm", "Confirm"
    HOLD = "hold", "Hold"
    RELEASE = "release", "Release"
    CANCEL = "cancel", "Cancel"
    CLOSE = "close", "Close"
    # These leave the state as it is.
    POST = "post", "Charge an instalment of"
    SKIP = "skip", "Move an instalment of"
    SETTLE = "settle", "Settle"
    REPLAN = "replan", "Plan anew"


class InstalmentState(Label):
    """Whether an instalment is charged and paid; one whose week has begun and that is not charged is due."""

    SCHEDULED = "scheduled", "Scheduled", "waiting", "waiting", "It is charged when its week begins."
    POSTED = "posted", "Charged", "progress", "progress", "It is taken from the driver's earnings."
    PAID = "paid", "Paid", "done", "done", "It is covered."
    SKIPPED = (
        "skipped",
        "Moved to the end",
        "cancelled",
        "cancelled",
        "Another instalment at the end stands for it.",
    )
    CANCELLED = "cancelled", "Cancelled", "cancelled", "cancelled", "It is not charged any more."


class Workshop(Label):
    """Who repaired the vehicle."""

    IN_HOUSE = "in_house", "Our own workshop"
    EXTERNAL = "external", "Another workshop"


class Shift(Label):
    """Which part of the day a lease is for: two drivers who share a vehicle have a lease each."""

    FULL = "full", "Day and night"
    DAY = "day", "Day"
    NIGHT = "night", "Night"


class Category(Label):
    """What a driver is charged for, in the order in which earnings cover it unless the settings say otherwise."""

    TAXES = "taxes", "Taxes"
    TOLLS = "tolls", "Tolls"
    LEASE = "lease", "Lease"
    TICKETS = "tickets", "Tickets"
    AGENCY_FEES = "agency_fees", "Agency fees"
    REPAIRS = "repairs", "Repairs"
    LOANS = "loans", "Loans"
    ADVANCES = "advances", "Advances"
    MISCELLANEOUS = "miscellaneous", "Miscellaneous"
    DEPOSIT = "deposit", "Deposit"


class AdjustmentKind(Label):
    """Why a driver's balance grew other than by earnings."""

    PAYMENT = "payment", "Payment by the driver"
    CREDIT = "credit", "Credit"
    REVERSED = "reversed", "Charge taken back"
    WRITTEN_OFF = "written_off", "Charge written off"
    DEPOSIT = "deposit", "Deposit given back"
    PAYOUT_BACK = "payout_back", "Payout that was not made"
    CORRECTION = "correction", "Correction of a receipt"


class PaymentMethod(Label):
    """How a driver paid."""

    CASH = "cash", "Cash"
    CARD = "card", "Card"
    CHECK = "check", "Check"
    TRANSFER = "transfer", "Bank transfer"


class ReplanState(Label):
    """Whether a new plan counts."""

    PROPOSED = (
        "proposed",
        "Waits for a second person",
        "waiting",
        "waiting",
        "Another person accepts or refuses it.",
    )
    ACCEPTED = "accepted", "Accepted", "ok", "ok", "The instalments follow it."
    REFUSED = "refused", "Refused", "rejected", "rejected", "The instalments stay as they were."


class DisputeState(Label):
    """Whether a charge that a driver does not agree with stands."""

    OPEN = (
        "open",
        "Being looked at",
        "waiting",
        "waiting",
        "Nothing is taken for this charge until it is decided.",
    )
    ACCEPTED = "accepted", "Accepted", "ok", "ok", "The charge is taken back, with what was paid of it."
    REFUSED = "refused", "Refused", "rejected", "rejected", "The charge stands and is taken again."


class Posted(Label):
    """What becomes of charged instalments when a repair is cancelled."""

    KEEP = "keep", "Leave them as they are"
    REVERSE = "reverse", "Take them back, also what was paid"
    WRITE_OFF = "write_off", "Write off what is not paid"


_S, _A = RepairState, RepairAction

TRANSITIONS: dict[tuple[RepairState, RepairAction], RepairState] = {
    (_S.DRAFT, _A.UPDATE): _S.DRAFT,
    (_S.DRAFT, _A.CONFIRM): _S.OPEN,
    (_S.DRAFT, _A.CANCEL): _S.CANCELLED,
    (_S.OPEN, _A.POST): _S.OPEN,
    (_S.OPEN, _A.SKIP): _S.OPEN,
    (_S.OPEN, _A.HOLD): _S.HOLD,
    (_S.OPEN, _A.SETTLE): _S.OPEN,
    (_S.OPEN, _A.REPLAN): _S.OPEN,
    (_S.OPEN, _A.CANCEL): _S.CANCELLED,
    (_S.OPEN, _A.CLOSE): _S.CLOSED,
    (_S.HOLD, _A.RELEASE): _S.OPEN,
    (_S.HOLD, _A.REPLAN): _S.HOLD,
    (_S.HOLD, _A.CANCEL): _S.CANCELLED,
    (_S.HOLD, _A.CLOSE): _S.CLOSED,
}


def next_state(current: str, action: RepairAction, reference: str) -> RepairState:
    """Where an action leads. Raises IllegalTransition that names the repair, its state and the action."""
    state = RepairState(current)
    try:
        return TRANSITIONS[state, action]
    except KeyError:
        words = action.label[0].lower() + action.label[1:]
        raise IllegalTransition(state.label.lower(), words, f"repair ({reference})") from None
