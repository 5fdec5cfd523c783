"""Transactions of a clinic: every movement of money as people see it."""

from __future__ import annotations

from webapp.api import clinic_queries, paging
from webapp.api.bearer import Caller
from webapp.api.operations import Resource
from webapp.api.resources.clinic_words import transaction_detail, transactions_of
from webapp.api.schemas.clinic import TransactionDetail, TransactionPage, TransactionQuery
from webapp.people.access.tokens import Scope
from webapp.programs.clinic.models import ClinicTransaction

resource = Resource(
    "transactions",
    "/transactions",
    title="Transactions",
    about="Payments, payouts, refunds, withdrawals, adjustments and deductions. A practitioner's token sees those of "
    "its own wallet.",
)
_read = {"scope": Scope.CLINIC_READ}


@resource.get("", summary="List transactions", query=TransactionQuery, answers=TransactionPage, **_read)
def index(who: Caller, query: TransactionQuery) -> TransactionPage:
    """The transactions that match, the newest first."""
    found = clinic_queries.transactions(who.viewer, query)
    rows, following = paging.page(found, ClinicTransaction.id, limit=query.limit, cursor=query.cursor)
    return TransactionPage(items=transactions_of(rows, who), next_cursor=following)


@resource.get("/<reference>", summary="Get a transaction", answers=TransactionDetail, **_read)
def show(who: Caller, reference: str) -> TransactionDetail:
    """One transaction; a refund with what it took back."""
    return transaction_detail(clinic_queries.transaction(who.viewer, reference), who)
