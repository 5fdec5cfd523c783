"""Reading refunds, chargebacks, what owners owe for them, and proposals. Every query names the organisation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Select, exists, func, select

from webapp.database import db
from webapp.kernel.errors import NotFound
from webapp.kernel.money import Money
from webapp.people.models import Payee
from webapp.programs.rentals.left import is_left
from webapp.programs.rentals.models import OwnerDebt, RentDecision, RentPayment, RentReturn


def list_returns(
    organisation_id: int, kind: str = "", is_owed: bool = False, left_at: datetime | None = None
) -> Select[Any]:
    """Refunds and chargebacks with their payment; `is_owed`: only those of which owners still owe a part.

    `left_at`: only those that are left to people at that instant.
    """
    query: Any = (
        select(RentReturn, RentPayment)
        .join(RentPayment, RentPayment.id == RentReturn.payment_id)
        .where(RentReturn.organisation_id == organisation_id)
    )
    if kind:
        query = query.where(RentReturn.kind == kind)
    if is_owed:
        open_debt = exists().where(
            OwnerDebt.return_id == RentReturn.id, OwnerDebt.netted_minor < OwnerDebt.amount_minor
        )
        query = query.where(open_debt)
    if left_at is not None:
        query = query.where(is_left(left_at))
    return query  # type: ignore[no-any-return]


def debts_of(return_ids: Iterable[int]) -> dict[int, list[tuple[OwnerDebt, Payee]]]:
    """Return id → what each owner owes because of it."""
    rows = db.session.execute(
        select(OwnerDebt, Payee)
        .join(Payee, Payee.id == OwnerDebt.payee_id)
        .where(OwnerDebt.return_id.in_(list(return_ids)))
        .order_by(OwnerDebt.id)
    )
    found: dict[int, list[tuple[OwnerDebt, Payee]]] = {}
    for debt, payee in rows:
        found.setdefault(debt.return_id, []).append((debt, payee))
    return found


def owed_by_owners(organisation_id: int) -> list[tuple[Payee, Money, Money]]:
    """(owner, what they owed because rent went back, what is still open) per currency, the most open first."""
    left = func.sum(OwnerDebt.amount_minor - OwnerDebt.netted_minor)
    rows = db.session.execute(
        select(Payee, OwnerDebt.currency, func.sum(OwnerDebt.amount_minor), left)
        .join(Payee, Payee.id == OwnerDebt.payee_id)
        .where(OwnerDebt.organisation_id == organisation_id)
        .group_by(Payee.id, OwnerDebt.currency)
        .having(left > 0)
        .order_by(left.desc())
        .limit(100)
    )
    return [(payee, Money(int(all_), code), Money(int(open_), code)) for payee, code, all_, open_ in rows]


def returns_of(payment: RentPayment) -> Sequence[RentReturn]:
    """What of a payment went back, or is about to, oldest first."""
    return db.session.scalars(
        select(RentReturn).where(RentReturn.payment_id == payment.id).order_by(RentReturn.id)
    ).all()


def get_return(organisation_id: int, return_ref: str) -> tuple[RentReturn, RentPayment]:
    """One refund or chargeback with its payment. Raises NotFound."""
    row = db.session.execute(list_returns(organisation_id).where(RentReturn.return_ref == return_ref)).first()
    if row is None:
        raise NotFound
    return row[0], row[1]


def tried_again_as(row: RentReturn) -> str | None:
    """The id of the refund that was ordered in the place of one that came to nothing."""
    return db.session.scalar(select(RentReturn.return_ref).where(RentReturn.retry_of_id == row.id))


def tried_before(row: RentReturn) -> str | None:
    """The id of the refund in whose place this one was ordered."""
    return db.session.scalar(select(RentReturn.return_ref).where(RentReturn.id == row.retry_of_id))


def get_decision(organisation_id: int, decision_id: int) -> tuple[RentDecision, RentPayment]:
    """A proposal with its payment. Raises NotFound."""
    row = db.session.execute(
        select(RentDecision, RentPayment)
        .join(RentPayment, RentPayment.id == RentDecision.payment_id)
        .where(RentDecision.organisation_id == organisation_id, RentDecision.id == decision_id)
    ).first()
    if row is None:
        raise NotFound
    return row[0], row[1]
