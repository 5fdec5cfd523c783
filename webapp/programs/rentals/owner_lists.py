"""Owners as admins see them: what is held for them, what waits and why, what they owe. Never writes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, exists, func, or_, select
from sqlalchemy.orm import joinedload

from webapp.database import db, get_row, like
from webapp.kernel.money import Money
from webapp.payouts.lists import is_open
from webapp.payouts.models import Payout
from webapp.payouts.states import PayoutState
from webapp.people.changes.models import MethodChange
from webapp.people.models import Payee, PayoutMethod, Role
from webapp.programs.rentals.drafts import PROGRAM
from webapp.programs.rentals.models import OwnerDebt, PropertyShare

#: A payout in one of these has not left; with payment details it would.
_NOT_SENT = (PayoutState.PENDING_APPROVAL.value, PayoutState.APPROVED.value)


@dataclass(frozen=True)
class OwnerLine:
    """One owner: `reason` says why payouts wait (empty: they do not), `by_whom` who must act."""

    payee: Payee
    properties: int
    waiting: int
    waiting_sums: list[Money]
    owed: list[Money]
    reason: str
    by_whom: str

    @property
    def id(self) -> int:
        """Key of the list."""
        return self.payee.id

    @property
    def can_be_asked(self) -> bool:
        """Whether asking the owner helps: details are missing and there is an address to write to."""
        return self.payee.current_method is None and self.payee.pending_change is None


def list_owners(organisation_id: int, text: str = "", details: str = "") -> Select[Any]:
    """Owners with their payment details; `details` is missing, unverified or there."""
    query = (
        select(Payee)
        .where(Payee.organisation_id == organisation_id, Payee.kind == Role.OWNER.value)
        .options(joinedload(Payee.current_method), joinedload(Payee.pending_change))
    )
    if text := text.strip():
        columns = (Payee.name, Payee.email, Payee.external_ref)
        found = (like(column, text) for column in columns)
        query = query.where(or_(Payee.reference == text.upper(), *found))
    method = exists().where(PayoutMethod.payee_id == Payee.id, PayoutMethod.is_current.is_(True))
    change = exists().where(MethodChange.payee_id == Payee.id, MethodChange.state == "pending")
    if details == "missing":
        query = query.where(~method, ~change)
    elif details == "unverified":
        query = query.where(change)
    elif details == "there":
        query = query.where(method, ~change)
    return query


def get_owner(organisation_id: int, reference: str) -> Payee:
    """An owner by reference. Raises NotFound."""
    row: Payee = get_row(list_owners(organisation_id).where(Payee.reference == reference))
    return row


def lines(owners: Sequence[Payee], now: datetime) -> list[OwnerLine]:
    """The lines of a page of owners: three queries for all of them."""
    ids = [owner.id for owner in owners]
    properties: dict[int, int] = dict(
        db.session.execute(
            select(PropertyShare.payee_id, func.count())
            .where(PropertyShare.payee_id.in_(ids))
            .group_by(PropertyShare.payee_id)
        ).all()
    )
    waiting, owed = _waiting(ids), _owed(ids)
    return [_line(owner, properties.get(owner.id, 0), waiting, owed, now) for owner in owners]


def _line(
    owner: Payee,
    properties: int,
    waiting: dict[int, list[tuple[int, Money]]],
    owed: dict[int, list[Money]],
    now: datetime,
) -> OwnerLine:
    found = waiting.get(owner.id, [])
    reason, by_whom = why_waits(owner, now)
    return OwnerLine(
        owner, properties, sum(n for n, _ in found), [amount for _, amount in found], owed.get(owner.id, []),
        reason, by_whom,
    )  # fmt: skip


def why_waits(owner: Payee, now: datetime) -> tuple[str, str]:
    """Why an owner's payouts cannot leave, and who must act; empty when their details stand in no way."""
    method, change = owner.current_method, owner.pending_change
    if change is not None:
        return f"New payment details wait for a second person ({change.reference}).", "An admin"
    if method is None:
        return "No payment details yet.", "The owner"
    if method.kind != "manual" and not method.name_at_bank:
        return "The name at the bank is missing.", "The owner"
    if method.cool_off_until is not None and method.cool_off_until > now:
        return "The payment details are new; payouts leave after the waiting time.", "Nobody"
    return "", ""


def _waiting(ids: Sequence[int]) -> dict[int, list[tuple[int, Money]]]:
    """Payouts of this program that have not left, per owner: (how many, how much) of each currency."""
    rows = db.session.execute(
        select(Payout.payee_id, Payout.currency, func.count(), func.sum(Payout.amount_minor))
        .where(
            Payout.payee_id.in_(ids),
            Payout.program == PROGRAM,
            is_open(),
            Payout.state.in_(_NOT_SENT),
        )
        .group_by(Payout.payee_id, Payout.currency)
    )
    found: dict[int, list[tuple[int, Money]]] = {}
    for payee_id, currency, count, minor in rows:
        found.setdefault(payee_id, []).append((count, Money(int(minor), currency)))
    return found


def _owed(ids: Sequence[int]) -> dict[int, list[Money]]:
    left = func.sum(OwnerDebt.amount_minor - OwnerDebt.netted_minor)
    rows = db.session.execute(
        select(OwnerDebt.payee_id, OwnerDebt.currency, left)
        .where(OwnerDebt.payee_id.in_(ids))
        .group_by(OwnerDebt.payee_id, OwnerDebt.currency)
        .having(left > 0)
    )
    found: dict[int, list[Money]] = {}
    for payee_id, currency, minor in rows:
        found.setdefault(payee_id, []).append(Money(int(minor), currency))
    return found


def without_details(organisation_id: int) -> Any:
    """How many owners of a property have no payment details and none to verify, as a column."""
    method = exists().where(PayoutMethod.payee_id == Payee.id, PayoutMethod.is_current.is_(True))
    change = exists().where(MethodChange.payee_id == Payee.id, MethodChange.state == "pending")
    owns = exists().where(PropertyShare.payee_id == Payee.id)
    query = select(func.count()).where(
        Payee.organisation_id == organisation_id,
        Payee.kind == Role.OWNER.value,
        Payee.is_active.is_(True),
        owns,
        ~method,
        ~change,
    )
    return query.scalar_subquery()
