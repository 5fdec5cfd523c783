"""Withdrawals: wallet money that goes to a bank, by the life cycle that all payouts have."""

from __future__ import annotations

from webapp.api import clinic_queries, paging, queries
from webapp.api.bearer import Caller
from webapp.api.operations import Resource
from webapp.api.resources.amounts import minor_in
from webapp.api.resources.payout_words import detail_of, payout_of
from webapp.api.schemas.clinic_money import WithdrawalCreate, WithdrawalQuery
from webapp.api.schemas.payouts import Payout, PayoutDetail, PayoutPage
from webapp.kernel.clock import utc_now
from webapp.kernel.errors import Invalid, NotFound
from webapp.payouts.models import Payout as Row
from webapp.people.access.tokens import Scope
from webapp.people.models import Payee, Role
from webapp.programs.clinic import withdrawing

resource = Resource(
    "withdrawals",
    "/withdrawals",
    title="Withdrawals",
    about="They are payouts: approved, paid and followed at `/payouts/{reference}`, which answers the same record. A "
    "practitioner's own token asks for one and sees its own.",
)
_read = {"scope": Scope.PAYOUTS_READ}


@resource.get("", summary="List withdrawals", query=WithdrawalQuery, answers=PayoutPage, **_read)
def index(who: Caller, query: WithdrawalQuery) -> PayoutPage:
    """The withdrawals that match, the newest first."""
    found = clinic_queries.withdrawals(who.viewer, state=query.state, practitioner=query.practitioner)
    rows, following = paging.page(found, Row.id, limit=query.limit, cursor=query.cursor)
    return PayoutPage(items=[payout_of(row, who) for row in rows], next_cursor=following)


@resource.get("/<reference>", summary="Get a withdrawal", answers=PayoutDetail, **_read)
def show(who: Caller, reference: str) -> PayoutDetail:
    """One withdrawal, and every reason why it is not paid yet."""
    return detail_of(clinic_queries.withdrawal(who.viewer, reference), who, utc_now())


def _practitioner(who: Caller, reference: str | None) -> Payee:
    """Whose wallet it is. Raises NotFound for another's, Invalid where nobody is named."""
    if reference is not None:
        return clinic_queries.practitioner(who.viewer, reference)
    if who.sees_all:
        raise Invalid("practitioner", "Say whose wallet it leaves.", "PY-0001")
    own = [payee for payee in queries.own_payees(who.viewer) if payee.kind == Role.PRACTITIONER.value]
    if not own:
        raise NotFound
    return own[0]


@resource.post("", summary="Ask for a withdrawal", body=WithdrawalCreate, answers=Payout, status=201,
               location="/withdrawals/{reference}", scope=Scope.WITHDRAWALS_CREATE)  # fmt: skip
def create(who: Caller, body: WithdrawalCreate) -> Payout:
    """The money leaves the wallet at once; the payout that brings it to the bank is approved like any other.

    More than the wallet holds, or less than the smallest withdrawal: 422 that names it. A practitioner's own token
    withdraws from its own wallet only.
    """
    made = withdrawing.request_withdrawal(
        organisation_id=who.organisation_id,
        payee_id=_practitioner(who, body.practitioner).id,
        amount_minor=minor_in(body.amount, body.amount.currency, "amount"),
        currency=body.amount.currency,
        actor=who.actor,
        now=utc_now(),
    )
    return payout_of(made, who)
