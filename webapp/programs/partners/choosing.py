"""A payout of one partner made by hand: of commissions that a person chose, with the rules of a calculation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import or_, select
from sqlalchemy.orm import joinedload

from webapp.database import db
from webapp.kernel.actor import Actor
from webapp.kernel.errors import Conflict, Invalid
from webapp.kernel.money import Money
from webapp.payouts import service as payouts
from webapp.payouts.models import Payout
from webapp.payouts.queries import find_by_idempotency_key
from webapp.people.models import Payee, Role
from webapp.people.queries import get_payee
from webapp.programs.partners import attributing, calculating, due, locking, trail
from webapp.programs.partners.drafts import COST_ACCOUNT, PROGRAM
from webapp.programs.partners.models import Commission
from webapp.programs.partners.states import CommissionState


@dataclass(frozen=True)
class Plan:
    """A payout as it would be: one partner, one currency, the commissions chosen and what is taken back beside them."""

    payee: Payee
    currency: str
    rows: tuple[Commission, ...]

    @property
    def amount(self) -> Money:
        """What the payout would pay."""
        return Money(sum(row.amount_minor for row in self.rows), self.currency)

    @property
    def period(self) -> tuple[date, date]:
        """First and last day on which its commissions were earned."""
        days = [row.earned_on for row in self.rows]
        return min(days), max(days)


def choice(organisation_id: int, payee_reference: str, now: datetime) -> tuple[Payee, list[Commission]]:
    """A partner, and what is due to them today by currency and age, at most one payout's lines of each currency.

    Raises NotFound.
    """
    payee = get_payee(organisation_id, payee_reference, kind=Role.PARTNER)
    rows = db.session.scalars(
        select(Commission)
        .where(
            *due.is_open(organisation_id),
            Commission.payee_id == payee.id,
            Commission.due_on <= trail.today(organisation_id, now),
        )
        .options(joinedload(Commission.deal), joinedload(Commission.program))
        .order_by(Commission.currency, Commission.earned_on, Commission.id)
        .limit(due.MOST_LINES)
    )
    return payee, list(rows)


def plan(
    *,
    organisation_id: int,
    payee_reference: str,
    references: Iterable[str],
    now: datetime,
    is_locking: bool = False,
) -> Plan:
    """The payout of chosen commissions, with what is due to be taken back in their currency.

    Raises NotFound, Invalid, and Conflict that names each commission at fault.
    """
    payee = get_payee(organisation_id, payee_reference, kind=Role.PARTNER)
    wanted = list(dict.fromkeys(reference.strip() for reference in references if reference.strip()))
    if not wanted:
        raise Invalid("commissions", "Choose at least one commission.")
    if len(wanted) > due.MOST_LINES:
        raise Invalid("commissions", f"Choose at most {due.MOST_LINES:,} commissions at a time.")
    today = trail.today(organisation_id, now)
    found = _rows(organisation_id, payee, wanted, today, is_locking)
    by_reference = {row.reference: row for row in found}
    chosen = [by_reference[reference] for reference in wanted if reference in by_reference]
    faults = [f"There is no commission {reference} of {payee.name}." for reference in wanted
              if reference not in by_reference]  # fmt: skip
    faults += [fault for row in chosen if (fault := why_not(row, today))]
    if not payee.is_active:
        faults.append(f"{payee.name} is not active.")
    currencies = sorted({row.currency for row in chosen})
    if len(currencies) > 1:
        faults.append(f"One payout has one currency; these have {', '.join(currencies)}.")
    if faults:
        raise Conflict(" ".join(faults))
    rows = [row for row in found if row.currency == currencies[0]]
    made = Plan(payee, currencies[0], tuple(sorted(rows, key=lambda row: (row.earned_on, row.id))))
    if made.amount.amount <= 0:
        raise Conflict(f"These come to {made.amount.format()} with what is taken back. {due.CARRIED}")
    return made


def _rows(
    organisation_id: int, payee: Payee, wanted: Sequence[str], today: date, is_locking: bool
) -> Sequence[Commission]:
    """The commissions of these numbers, and all that is due to be taken back from the partner."""
    taken_back = [*due.is_open(organisation_id), Commission.amount_minor < 0, Commission.due_on <= today]
    found = [
        Commission.organisation_id == organisation_id,
        Commission.payee_id == payee.id,
        or_(Commission.reference.in_(wanted), Commission.id.in_(select(Commission.id).where(*taken_back))),
    ]
    if is_locking:
        return locking.lock_commissions(organisation_id, found)
    return db.session.scalars(locking.commissions(found)).all()


def why_not(row: Commission, today: date) -> str:
    """Why a commission is not paid now: one sentence that names it; empty when it is."""
    name = row.reference
    if row.state != CommissionState.OPEN:
        return f"{name} is {CommissionState(row.state).label.lower()} already."
    if row.offer == "blocked":
        return f"{name} waits for a decision: {row.offer_reason}"
    if row.offer == "dismissed":
        return f"{name} was dismissed: {row.offer_reason}"
    if row.is_disputed:
        return f"{name} is disputed; it waits for an answer."
    if row.due_on > today:
        return f"{name} is in its holding period until {row.due_on.isoformat()}."
    return ""


def create(
    *,
    organisation_id: int,
    payee_reference: str,
    references: Iterable[str],
    actor: Actor,
    now: datetime,
    note: str = "",
    idempotency_key: str | None = None,
) -> Payout:
    """A payout of chosen commissions, which waits for approval; the same key again gives the payout that it made.

    Raises NotFound, Invalid, Conflict (each commission at fault is named; nothing is made).
    """
    if made := find_by_idempotency_key(organisation_id, idempotency_key):
        return made
    found = plan(
        organisation_id=organisation_id, payee_reference=payee_reference, references=references, now=now,
        is_locking=True,
    )  # fmt: skip
    first, last = found.period
    payout = payouts.create(
        organisation_id=organisation_id,
        program=PROGRAM,
        payee_id=found.payee.id,
        currency=found.currency,
        lines=[calculating.line_of(row) for row in found.rows],
        sources=[calculating.source_of(row) for row in found.rows],
        period_start=first,
        period_end=last,
        cost_account=COST_ACCOUNT,
        exclusions=calculating.exclusions_of(found.rows),
        actor=actor,
        now=now,
        note=note,
        idempotency_key=idempotency_key,
    )
    calculating.claim(payout.id, found.rows)
    attributing.freeze(sorted({row.deal_id for row in found.rows if row.deal_id is not None}))
    return payout
