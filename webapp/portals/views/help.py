"""Help: how to sign in, what the states of a payout mean, how a statement is checked, who to ask, which keys there are.

Everybody may read it, signed in or not; it says nothing about any record.
"""

from __future__ import annotations

from dataclasses import dataclass

from flask import Blueprint, g, render_template
from flask.typing import ResponseReturnValue
from flask_login import current_user

from webapp.payouts.states import PayoutState
from webapp.web.guards import public
from webapp.web.i18n import N_

blueprint = Blueprint("help", __name__)
_S = PayoutState


@dataclass(frozen=True)
class Meaning:
    """One status as lists show it, and what it means for the person who is paid."""

    tone: str
    label: str
    icon: str
    text: str


_TEXTS: dict[PayoutState, str] = {
    _S.PENDING_APPROVAL: N_(
        "The amount is calculated. A person who did not make it checks it, then approves or rejects it."
    ),
    _S.APPROVED: N_("The amount is settled. It is sent next."),
    _S.PROCESSING: N_("The bank has been asked and has not given its last word yet."),
    _S.PAID: N_("The money has left the payer's account. Your bank may need a day to show it."),
    _S.FAILED: N_(
        "The bank did not take it, so nothing was paid. Check your payment details; an admin tries again."
    ),
    _S.RETRY_SCHEDULED: N_("The bank could not take it just then. Paydesk tries again by itself."),
    _S.REVERSED: N_(
        "It was paid, and your bank sent it back: often the account is closed or the number is wrong. Check your "
        "payment details; an admin pays it again."
    ),
    _S.REJECTED: N_("It is not paid as it is. The page of the payout gives the reason."),
    _S.CANCELLED: N_("It is not paid. The page of the payout gives the reason."),
}
_WAITING = Meaning(
    "waiting",
    N_("Waiting"),
    "waiting",
    N_(
        "Something stops it for now: it is on hold, payment details are missing, or new details are being verified. "
        "The page of the payout says which, and who must act."
    ),
)


def meanings() -> list[Meaning]:
    """Every status that people see, in the order in which a payout goes through them."""
    states = [Meaning(state.tone, state.label, state.icon, _TEXTS[state]) for state in PayoutState]
    return [states[0], _WAITING, *states[1:]]


@blueprint.get("/help")
@public
def show() -> ResponseReturnValue:
    """The help page, in the frame of the pages around it."""
    is_known = current_user.is_authenticated
    return render_template(
        "help/show.html",
        layout="layouts/portal.html" if is_known else "layouts/public.html",
        meanings=meanings(),
        contact=g.organisation.contact_email if g.get("organisation") else "",
    )
