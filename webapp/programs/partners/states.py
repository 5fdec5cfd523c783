"""What partners' records can be, as data: deals, registrations, touches, commissions, and the models of attribution."""

from __future__ import annotations

from webapp.kernel.errors import IllegalTransition
from webapp.kernel.labels import Label


class Model(Label):
    """Who earns what of a deal; sentence = how it is told to people."""

    FIRST_TOUCH = (
        "first_touch",
        "First touch",
        "",
        "",
        "All to the partner who registered the deal, else to the first.",
    )
    LAST_TOUCH = (
        "last_touch",
        "Last touch",
        "",
        "",
        "All to the partner of the last touch before the deal closed.",
    )
    EQUAL = "equal", "Equal parts", "", "", "The same to every partner who took part."
    TIME_DECAY = (
        "time_decay",
        "Time decay",
        "",
        "",
        "A touch counts half as much for every 7 days before the close.",
    )
    ROLE = "role", "By role", "", "", "Each kind of touch has a weight; those of its kind share it."
    CUSTOM = "custom", "Weights of the touches", "", "", "Each touch counts by the weight that it was given."


class TouchType(Label):
    """What a partner did for a deal."""

    REFERRAL = "referral", "Referral"
    INTRODUCTION = "introduction", "Introduction"
    DEMO = "demo", "Demonstration"
    PROPOSAL = "proposal", "Proposal"
    CONTENT = "content", "Content"
    NEGOTIATION = "negotiation", "Negotiation"
    OTHER = "other", "Other"
    SOURCER = "sourcer", "Sourcer"
    INFLUENCER = "influencer", "Influencer"
    IMPLEMENTER = "implementer", "Implementer"
    CLOSER = "closer", "Closer"


class PartnerType(Label):
    """In what way somebody is a partner."""

    AFFILIATE = "affiliate", "Affiliate"
    REFERRAL = "referral", "Referral partner"
    RESELLER = "reseller", "Reseller"
    INTEGRATION = "integration", "Integration partner"


class Tier(Label):
    """How far a partner has come."""

    BRONZE = "bronze", "Bronze"
    SILVER = "silver", "Silver"
    GOLD = "gold", "Gold"
    PLATINUM = "platinum", "Platinum"


class DealState(Label):
    """How a deal stands; sentence = what it means for commissions."""

    OPEN = "open", "Open", "progress", "progress", "Nothing is earned until it is won."
    WON = "won", "Won", "done", "done", "Its commissions become due after the holding period."
    LOST = "lost", "Lost", "cancelled", "cancelled", "Nothing is earned; what was is taken back."


class RegistrationState(Label):
    """What became of a partner's claim on a deal."""

    PENDING = "pending", "Waits for a decision", "waiting", "waiting", "An admin accepts or refuses it."
    APPROVED = (
        "approved",
        "Accepted",
        "ok",
        "ok",
        "The deal names the partner who registered it. It makes no money.",
    )
    REJECTED = "rejected", "Refused", "rejected", "rejected", "The reason is with it."
    WITHDRAWN = "withdrawn", "Withdrawn", "cancelled", "cancelled", "The partner took it back."


class CommissionState(Label):
    """Where a commission is; whether its day has come is told by the day, not stored."""

    OPEN = "open", "Earned", "waiting", "waiting", "It is paid once the holding period is over."
    CLAIMED = "claimed", "In a payout", "progress", "progress", "It is paid with its payout."
    PAID = "paid", "Paid", "done", "done", "It was paid with its payout."
    CANCELLED = "cancelled", "Cancelled", "cancelled", "cancelled", "The deal changed before it was paid."


class CommissionKind(Label):
    """Why a commission is there."""

    SALE = "sale", "Sale"
    RETAINER = "retainer", "Retainer"
    CLAWBACK = "clawback", "Taken back"
    CORRECTION = "correction", "Correction"


class PeriodKind(Label):
    """What a payout is for."""

    MONTH = "month", "Month"
    QUARTER = "quarter", "Quarter"


class DisputeState(Label):
    """What became of an objection."""

    OPEN = (
        "open",
        "Waits for an answer",
        "waiting",
        "waiting",
        "This commission waits until an admin decides.",
    )
    ACCEPTED = (
        "accepted",
        "Accepted",
        "ok",
        "ok",
        "The deal or the rule was corrected; the commission follows it.",
    )
    REFUSED = (
        "refused",
        "Refused",
        "rejected",
        "rejected",
        "The commission stays as it is; the answer says why.",
    )


class DifferenceState(Label):
    """Whether the difference of an exchange is in the books."""

    WAITING = (
        "waiting",
        "To be booked",
        "waiting",
        "waiting",
        "It is booked as soon as both days have a rate.",
    )
    BOOKED = "booked", "Booked", "done", "done", "It is in the ledger."
    RETURNING = (
        "returning",
        "To be taken back",
        "waiting",
        "waiting",
        "The payment came back; the difference is taken back in the ledger.",
    )
    RETURNED = "returned", "Taken back", "returned", "returned", "The payment came back; the ledger has both."
    VOID = "void", "Never booked", "cancelled", "cancelled", "The payment came back before it was booked."


class DealAction(Label):
    """What can happen to a deal."""

    CHANGE = "change", "Change"
    WIN = "win", "Win"
    LOSE = "lose", "Lose"
    REOPEN = "reopen", "Open again"


_S, _A = DealState, DealAction
TRANSITIONS: dict[tuple[DealState, DealAction], DealState] = {
    (_S.OPEN, _A.CHANGE): _S.OPEN,
    (_S.OPEN, _A.WIN): _S.WON,
    (_S.OPEN, _A.LOSE): _S.LOST,
    # A refund, or an amount that was wrong: what it changes of paid commissions is a correction.
    (_S.WON, _A.CHANGE): _S.WON,
    (_S.WON, _A.LOSE): _S.LOST,
    (_S.LOST, _A.REOPEN): _S.OPEN,
}


def next_state(current: str, action: DealAction, reference: str) -> DealState:
    """Where an action leads. Raises IllegalTransition that names the deal, its state and the action."""
    state = DealState(current)
    try:
        return TRANSITIONS[state, action]
    except KeyError:
        words = action.label[0].lower() + action.label[1:]
        raise IllegalTransition(state.label.lower(), words, f"deal ({reference})") from None
