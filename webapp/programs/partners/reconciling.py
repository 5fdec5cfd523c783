"""What partners earned, what of it is in payouts and what is paid, by period; and whether the ledger says the same.

Owed is every commission that is not cancelled or dismissed, what was taken back netted, by the day on which it was
earned; outstanding is what of it is not paid. Sums are the database's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, case, func, select
from sqlalchemy.orm import aliased

from webapp.database import ask
from webapp.kernel.money import Money
from webapp.ledger.models import Account
from webapp.payouts.models import Payout
from webapp.payouts.states import PayoutState
from webapp.people.models import Payee, Role
from webapp.people.queries import payees_named
from webapp.programs.partners.drafts import COST_ACCOUNT, PROGRAM
from webapp.programs.partners.models import Commission
from webapp.programs.partners.rules import Period
from webapp.programs.partners.states import CommissionState
from webapp.web.listing import Listing, Sort

_IS_PAID = Commission.state == CommissionState.PAID.value
_IS_CLAIMED = Commission.state == CommissionState.CLAIMED.value
COUNTS = and_(Commission.state != CommissionState.CANCELLED.value, Commission.offer != "dismissed")
#: A payout in one of these has not been booked, or is booked back.
NOT_BOOKED = (PayoutState.PENDING_APPROVAL, PayoutState.REJECTED, PayoutState.CANCELLED)
OPEN, SETTLED = "open", "settled"


def per_partner(
    organisation_id: int, *, period: Period | None = None, partner: str = "", outstanding: str = ""
) -> Listing:
    """One row per partner and currency of what was earned in a period (None: ever), by name.

    `partner`: a reference or a part of a name; `outstanding`: "open" or "settled".
    Columns: id (of a commission of the group), payee_id, partner_reference, partner_name, currency, commissions,
    owed_minor, claimed_minor (in payouts that are not paid), paid_minor, outstanding_minor.
    Orders: partner, amount (outstanding), owed. Sums: owed, claimed, paid, outstanding.
    """
    payee = aliased(Payee, name="reconciled")
    amount = Commission.amount_minor
    grouped = (
        select(
            func.min(Commission.id).label("id"),
            Commission.payee_id,
            Commission.currency,
            func.count().label("commissions"),
            func.sum(amount).label("owed_minor"),
            func.sum(case((_IS_CLAIMED, amount), else_=0)).label("claimed_minor"),
            func.sum(case((_IS_PAID, amount), else_=0)).label("paid_minor"),
            func.sum(case((_IS_PAID, 0), else_=amount)).label("outstanding_minor"),
        )
        .where(Commission.organisation_id == organisation_id, COUNTS, *_clauses(organisation_id, period, partner))
        .group_by(Commission.payee_id, Commission.currency)
        .subquery("grouped")
    )  # fmt: skip
    c = grouped.c
    everything = select(
        c.id, c.payee_id, payee.reference.label("partner_reference"), payee.name.label("partner_name"),
        c.currency, c.commissions, c.owed_minor, c.claimed_minor, c.paid_minor, c.outstanding_minor,
    ).join_from(grouped, payee, payee.id == c.payee_id)  # fmt: skip
    query = everything
    if outstanding in (OPEN, SETTLED):
        query = query.where(c.outstanding_minor != 0 if outstanding == OPEN else c.outstanding_minor == 0)
    return Listing(
        query,
        everything,
        c.id,
        {"partner": (payee.name,), "amount": (c.currency, c.outstanding_minor), "owed": (c.currency, c.owed_minor)},
        Sort("partner"),
        c.currency,
        {"owed": c.owed_minor, "claimed": c.claimed_minor, "paid": c.paid_minor,
         "outstanding": c.outstanding_minor},
    )  # fmt: skip


def _clauses(organisation_id: int, period: Period | None, partner: str) -> Iterator[ColumnElement[bool]]:
    if period is not None:
        yield Commission.earned_on.between(period.first, period.last)
    if partner:
        yield Commission.payee_id.in_(payees_named(organisation_id, partner))


@dataclass(frozen=True)
class Compared:
    """One currency as the commissions say it and as the ledger does: approved, and what of it is still to be sent."""

    currency: str
    approved: Money
    booked: Money
    payable: Money
    booked_payable: Money

    @property
    def is_equal(self) -> bool:
        """Whether both say the same."""
        return (self.approved, self.payable) == (self.booked, self.booked_payable)


def with_ledger(organisation_id: int) -> list[Compared]:
    """Commissions in payouts that were approved, beside the ledger's cost and what it says is payable; by currency."""
    booked_states = [state.value for state in PayoutState if state not in NOT_BOOKED]
    is_payable = Payout.state.not_in([PayoutState.PAID.value, PayoutState.PROCESSING.value])
    ours = ask(
        select(
            Payout.currency,
            func.sum(Commission.amount_minor),
            func.sum(case((is_payable, Commission.amount_minor), else_=0)),
        )
        .join(Commission, Commission.payout_id == Payout.id)
        .where(
            Payout.organisation_id == organisation_id,
            Payout.program == PROGRAM,
            Payout.state.in_(booked_states),
        )
        .group_by(Payout.currency)
    )
    cost = ask(
        select(Account.currency, Account.balance_minor).where(
            Account.organisation_id == organisation_id, Account.code == COST_ACCOUNT
        )
    )
    mine, booked = {row[0]: row for row in ours}, {row[0]: int(row[1]) for row in cost}
    payable = _payable(organisation_id)
    found = []
    for currency in sorted(mine.keys() | booked.keys()):
        _, approved, unpaid = mine.get(currency, (currency, 0, 0))
        found.append(
            Compared(
                currency,
                Money(int(approved), currency),
                Money(booked.get(currency, 0), currency),
                Money(int(unpaid), currency),
                Money(payable.get(currency, 0), currency),
            )
        )
    return found


def _payable(organisation_id: int) -> dict[str, int]:
    """Currency → what the ledger says is owed to partners: approved, and not on its way."""
    rows = ask(
        select(Account.currency, func.sum(Account.balance_minor))
        .join(Payee, Payee.id == Account.payee_id)
        .where(
            Account.organisation_id == organisation_id,
            Account.code.startswith("payable:"),
            Payee.kind == Role.PARTNER.value,
        )
        .group_by(Account.currency)
    )
    return {currency: int(minor) for currency, minor in rows}
