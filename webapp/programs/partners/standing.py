"""How a commission stands today, told from its row: in the holding period, due, disputed, rejected, in a payout."""

from __future__ import annotations

from datetime import date

from sqlalchemy import ColumnElement, and_

from webapp.kernel.labels import Label
from webapp.programs.partners.models import Commission
from webapp.programs.partners.states import CommissionState


class Standing(Label):
    """Where a commission is on a day; sentence = what happens next."""

    HOLDING = "holding", "Holding period", "waiting", "waiting", "It is due once the holding period is over."
    DUE = "due", "Due", "todo", "todo", "The next calculation takes it into a payout."
    DISPUTED = "disputed", "Disputed", "waiting", "waiting", "It waits until the objection is answered."
    REJECTED = (
        "rejected", "Waits for a decision", "rejected", "rejected",
        "Its payout was rejected or cancelled: it is offered again, or dismissed.",
    )  # fmt: skip
    DISMISSED = "dismissed", "Dismissed", "cancelled", "cancelled", "It is not paid."
    CLAIMED = "claimed", "In a payout", "progress", "progress", "It is paid with its payout."
    PAID = "paid", "Paid", "done", "done", "It was paid with its payout."
    CANCELLED = "cancelled", "Cancelled", "cancelled", "cancelled", "The deal changed before it was paid."


_OFFERS = {"blocked": Standing.REJECTED, "dismissed": Standing.DISMISSED}


def standing(*, state: str, offer: str, is_disputed: bool, due_on: date, today: date) -> Standing:
    """How a commission stands on a day."""
    if state != CommissionState.OPEN:
        return Standing(state)
    if offer in _OFFERS:
        return _OFFERS[offer]
    if is_disputed:
        return Standing.DISPUTED
    return Standing.DUE if due_on <= today else Standing.HOLDING


def stands(wanted: Standing, today: date) -> ColumnElement[bool]:
    """Whether a commission stands so on a day, as a condition of a query; the same as `standing` says."""
    is_open = Commission.state == CommissionState.OPEN.value
    if wanted is Standing.REJECTED:
        return and_(is_open, Commission.offer == "blocked")
    if wanted is Standing.DISMISSED:
        return and_(is_open, Commission.offer == "dismissed")
    is_offered = and_(is_open, Commission.offer == "open")
    if wanted is Standing.DISPUTED:
        return and_(is_offered, Commission.is_disputed)
    if wanted is Standing.DUE:
        return and_(is_offered, ~Commission.is_disputed, Commission.due_on <= today)
    if wanted is Standing.HOLDING:
        return and_(is_offered, ~Commission.is_disputed, Commission.due_on > today)
    return Commission.state == wanted.value
