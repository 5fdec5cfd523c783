"""The correction door: what a person books by hand, shown before and after first, and confirmed by a second person.

A correction is an ordinary entry of the kind "correction" that names the record it settles. In single-operator mode,
where there may be nobody else, the same person confirms it once the mode's delay is over.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import select

from webapp.database import db
from webapp.kernel.actor import Actor
from webapp.kernel.errors import Conflict, Forbidden, Invalid
from webapp.kernel.money import Money
from webapp.ledger import service
from webapp.ledger.chart import account_for
from webapp.ledger.models import Account, JournalEntry
from webapp.ledger.posting import AccountKey, Leg

KIND = "correction"


@dataclass(frozen=True)
class Change:
    """What a correction does to one account; balances on its normal side."""

    code: str
    name: str
    debit: Money | None
    credit: Money | None
    before: Money
    after: Money


@dataclass(frozen=True)
class Proposal:
    """A correction and who wants it: `amount_minor` more (or less) on `code`, from the account `against`."""

    code: str
    against: str
    currency: str
    amount_minor: int
    effective_on: date
    description: str
    proposed_by_id: int | None
    proposed_at: datetime

    @property
    def legs(self) -> tuple[Leg, Leg]:
        """Both sides of the entry."""
        return Leg(AccountKey(self.code), self.amount_minor), Leg(
            AccountKey(self.against), -self.amount_minor
        )


def check(code: str, against: str, amount_minor: int) -> None:
    """Whether there can be such a correction. Raises Invalid."""
    try:
        first, second = account_for(code), account_for(against)
    except ValueError:
        raise Invalid("account", "Choose one of the accounts.") from None
    if first.code == second.code:
        raise Invalid("account", "Choose another account than the one that is corrected.")
    if amount_minor == 0:
        raise Invalid("amount", "There is nothing to book: the amount is zero.")


def preview(organisation_id: int, proposal: Proposal) -> list[Change]:
    """What the entry would do to its accounts. Writes nothing. Raises Invalid."""
    check(proposal.code, proposal.against, proposal.amount_minor)
    balances = _balances(organisation_id, proposal.currency, [leg.account.code for leg in proposal.legs])
    changes = []
    for leg in proposal.legs:
        definition = account_for(leg.account.code)
        before = balances.get(leg.account.code, 0)
        size = Money(abs(leg.amount), proposal.currency)
        changes.append(
            Change(
                code=definition.code,
                name=definition.name,
                debit=size if leg.amount > 0 else None,
                credit=size if leg.amount < 0 else None,
                before=Money(before, proposal.currency),
                after=Money(before + leg.amount * definition.normal_side, proposal.currency),
            )
        )
    return changes


def _balances(organisation_id: int, currency: str, codes: Sequence[str]) -> dict[str, int]:
    rows = db.session.execute(
        select(Account.code, Account.balance_minor).where(
            Account.organisation_id == organisation_id, Account.currency == currency, Account.code.in_(codes)
        )
    )
    return {row[0]: row[1] for row in rows}


def alone_from(proposed_at: datetime, alone_hours: int | None) -> datetime | None:
    """When the person who proposed it may confirm it alone; None where two people are needed."""
    return None if alone_hours is None else proposed_at + timedelta(hours=alone_hours)


def may_confirm(proposal: Proposal, user_id: int | None, alone_hours: int | None, now: datetime) -> bool:
    """Whether a person may be the second one of a proposal."""
    if user_id is None:
        return False
    if user_id != proposal.proposed_by_id:
        return True
    begins = alone_from(proposal.proposed_at, alone_hours)
    return begins is not None and now >= begins


def book(
    *,
    organisation_id: int,
    proposal: Proposal,
    source_type: str,
    source_id: int,
    idempotency_key: str,
    alone_hours: int | None,
    actor: Actor,
    now: datetime,
) -> JournalEntry:
    """Post a proposal in the name of the second person.

    `alone_hours`: the delay of single-operator mode, None outside it. Raises Forbidden when the same person must wait,
    Invalid for what cannot be booked, Conflict when an account would fall below its minimum.
    """
    check(proposal.code, proposal.against, proposal.amount_minor)
    if not actor.is_person:
        raise Forbidden("Only people book corrections.")
    if not may_confirm(proposal, actor.user_id, alone_hours, now):
        raise Conflict("A second person must confirm what you proposed. Nothing was booked.")
    return service.post(
        organisation_id=organisation_id,
        kind=KIND,
        currency=proposal.currency,
        effective_on=proposal.effective_on,
        description=proposal.description,
        source_type=source_type,
        source_id=source_id,
        idempotency_key=idempotency_key,
        legs=proposal.legs,
        actor=actor,
        now=now,
    )
