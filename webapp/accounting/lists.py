"""Reading payouts and how they stand in the books. Plain columns; never writes, knows no request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ScalarSelect, func, literal, or_, select

from webapp.accounting.models import AccountingBill, AccountingSetup
from webapp.accounting.states import SyncState
from webapp.database import ask, like
from webapp.payouts.models import Payout
from webapp.people.models import Payee
from webapp.web.listing import Listing, Sort

_STATE = func.coalesce(AccountingBill.state, literal(SyncState.NOT_SYNCED.value))
_LIVE = ("approved", "processing", "failed", "retry_scheduled", "reversed", "paid")


@dataclass(frozen=True)
class BillFilter:
    """What the list is narrowed to; empty narrows nothing. `state` is a word of SyncState."""

    text: str = ""
    state: str = ""
    program: str = ""


def bills(organisation_id: int, chosen: BillFilter) -> Listing:
    """Payouts that have a bill, or could have one.

    Columns: id, reference, program, payee_name, payee_reference, currency, amount_minor, payout_state, state, error,
    asked_at, synced_at, bill_id.
    """
    columns: tuple[Any, ...] = (
        Payout.id, Payout.reference, Payout.program, Payee.name.label("payee_name"),
        Payee.reference.label("payee_reference"), Payout.currency, Payout.amount_minor,
        Payout.state.label("payout_state"), _STATE.label("state"), AccountingBill.error, AccountingBill.asked_at,
        AccountingBill.synced_at, AccountingBill.bill_id,
    )  # fmt: skip
    everything = (
        select(*columns)
        .join(Payee, Payee.id == Payout.payee_id)
        .outerjoin(AccountingBill, AccountingBill.payout_id == Payout.id)
        .where(
            Payout.organisation_id == organisation_id,
            or_(AccountingBill.id.is_not(None), Payout.state.in_(_LIVE)),
        )
    )
    query = everything
    if chosen.text:
        query = query.where(
            or_(
                Payout.reference.istartswith(chosen.text, autoescape=True),
                Payee.reference.istartswith(chosen.text, autoescape=True),
                like(Payee.name, chosen.text),
                like(AccountingBill.error, chosen.text),
            )
        )
    if chosen.state == SyncState.NOT_SYNCED.value:
        query = query.where(or_(AccountingBill.id.is_(None), AccountingBill.state == chosen.state))
    elif chosen.state:
        query = query.where(AccountingBill.state == chosen.state)
    if chosen.program:
        query = query.where(Payout.program == chosen.program)
    orders = {"created": (), "payee": (Payee.name,), "amount": (Payout.amount_minor,), "state": (_STATE,)}
    return Listing(
        query,
        everything,
        Payout.id,
        orders,
        Sort("created", True),
        Payout.currency,
        {"amount": Payout.amount_minor},
    )


def counts(organisation_id: int) -> dict[str, int]:
    """How many bills are in each state."""
    query = (
        select(AccountingBill.state, func.count().label("n"))
        .where(AccountingBill.organisation_id == organisation_id)
        .group_by(AccountingBill.state)
    )
    return {row.state: row.n for row in ask(query)}


def failed(organisation_id: int, limit: int = 1000) -> ScalarSelect[int]:
    """How many bills wait for a person, counted up to `limit`: a column of a query that asks for more."""
    query = select(AccountingBill.id).where(
        AccountingBill.organisation_id == organisation_id, AccountingBill.state == SyncState.FAILED.value
    )
    return select(func.count()).select_from(query.limit(limit).subquery()).scalar_subquery()


def problem(organisation_id: int) -> ScalarSelect[str]:
    """What an admin must put right before anything goes into the books: a column of a query that asks for more."""
    return (
        select(AccountingSetup.problem)
        .where(AccountingSetup.organisation_id == organisation_id, AccountingSetup.is_on.is_(True))
        .scalar_subquery()
    )


def of_payout(payout_id: int) -> Any:
    """The row of a payout's bill; None when nobody asked for one."""
    rows = ask(select(AccountingBill.__table__).where(AccountingBill.payout_id == payout_id))
    return rows[0] if rows else None


def ids(found: Listing, limit: int) -> list[int]:
    """Keys of the first rows of a list."""
    query = found.query.order_by(None).with_only_columns(found.key).order_by(found.key).limit(limit)
    return [row[0] for row in ask(query)]
