"""A receipt that was wrong: issued anew under its own number, with the difference; settled in the week that runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import select

from webapp.database import db
from webapp.kernel.actor import Actor
from webapp.kernel.checks import check_known, need, need_reason
from webapp.kernel.errors import Conflict, Invalid
from webapp.kernel.ids import new_uid
from webapp.kernel.money import MAXIMUM_MINOR, Money
from webapp.people.numbers import next_number
from webapp.programs.repairs import crediting, entries, queries, receipt_document, trail
from webapp.programs.repairs.books import Charge, Receipt, ReceiptLine
from webapp.programs.repairs.rules import week_of
from webapp.programs.repairs.states import AdjustmentKind, Category

MOST_LINES = 50


@dataclass(frozen=True)
class CorrectionLine:
    """What was wrong: so much more (or, below zero, less) for the driver. `category` is one of the charges'."""

    category: str
    description: str
    amount_minor: int

    def check(self) -> None:
        """Raises Invalid."""
        check_known("category", self.category, Category)
        need("description", self.description, 300, "what was wrong", "Toll of 8 Oct was another driver's")
        if self.amount_minor == 0 or abs(self.amount_minor) > MAXIMUM_MINOR:
            raise Invalid("amount", "Enter an amount other than zero.", "-12.50")


def check_lines(lines: Sequence[CorrectionLine]) -> None:
    """Raises Invalid."""
    if not 0 < len(lines) <= MOST_LINES:
        raise Invalid("lines", f"Enter 1 to {MOST_LINES} corrections.")
    for line in lines:
        line.check()


def reissue_receipt(
    *,
    organisation_id: int,
    number: str,
    lines: Sequence[CorrectionLine],
    reason: str,
    actor: Actor,
    now: datetime,
) -> Receipt:
    """Issue a receipt again with corrections. The first one, its payout and what follows from it stay as they are.

    The difference is a credit or a charge of the week that runs. Raises NotFound, Invalid, or Conflict when the
    receipt was corrected already (correct the newest).
    """
    old = queries.get_receipt(organisation_id, number)
    payee = trail.lock_drivers(organisation_id, [old.payee_id])[old.payee_id]
    said = need_reason(reason, "A toll was another driver's.", "receipt")
    check_lines(lines)
    newer = db.session.scalar(select(Receipt.number).where(Receipt.replaces_id == old.id))
    if newer is not None:
        raise Conflict(f"{number} was corrected already, by {newer}. Correct that one.")
    difference = sum(line.amount_minor for line in lines)
    row = _copy(old, difference, said, actor, now, lines)
    row.number = next_number(organisation_id, f"DTR-{old.week_start.year}", 6)
    db.session.add(row)
    db.session.flush()
    _copy_lines(old, row, lines, trail.today(organisation_id, now))
    changes = {"corrects": [None, number], "difference": [None, Money(difference, row.currency).plain]}
    trail.record("receipt", "corrected", row, row.number, actor, now, changes, said)
    words = f"{row.number} corrects {number}: {said}"[:300]
    if difference > 0:
        on = crediting.open_day(organisation_id, payee.id, trail.today(organisation_id, now))
        made = crediting.adjustment(
            payee, AdjustmentKind.CORRECTION, difference, row.currency, words, on, actor, now,
            key=f"correction:{row.id}",
        )  # fmt: skip
        entries.post(organisation_id, [entries.adjusted(made, payee)], actor, now)
    elif difference < 0:
        _charge(row, -difference, words, actor, now)
    receipt_document.ask_for(row, now)
    return row


def _copy(
    old: Receipt, difference: int, reason: str, actor: Actor, now: datetime, lines: Sequence[CorrectionLine]
) -> Receipt:
    """The figures as they should have been; the difference is taken out again, so that both end alike."""
    more = sum(line.amount_minor for line in lines if line.amount_minor > 0)
    less = more - difference
    return Receipt(
        organisation_id=old.organisation_id,
        lease_id=old.lease_id,
        payee_id=old.payee_id,
        week_start=old.week_start,
        revision=old.revision + 1,
        is_final=old.is_final,
        currency=old.currency,
        opening_credit_minor=old.opening_credit_minor,
        opening_debt_minor=old.opening_debt_minor,
        earnings_minor=old.earnings_minor,
        charges_minor=old.charges_minor + less,
        adjustments_minor=old.adjustments_minor + more,
        net_minor=old.net_minor + difference,
        paid_minor=old.paid_minor,
        closing_credit_minor=old.closing_credit_minor,
        closing_debt_minor=old.closing_debt_minor,
        difference_minor=old.difference_minor + difference,
        reason=reason,
        replaces_id=old.id,
        issued_by_id=actor.user_id,
        issued_by_label=actor.label,
        issued_at=now,
    )


def _copy_lines(old: Receipt, row: Receipt, lines: Sequence[CorrectionLine], today: date) -> None:
    for position, line in enumerate(old.lines, start=1):
        db.session.add(
            ReceiptLine(
                receipt_id=row.id,
                position=position,
                kind=line.kind,
                category=line.category,
                description=line.description,
                day=line.day,
                amount_minor=line.amount_minor,
            )
        )
    for position, each in enumerate(lines, start=len(old.lines) + 1):
        db.session.add(
            ReceiptLine(
                receipt_id=row.id,
                position=position,
                kind="adjustment" if each.amount_minor > 0 else "charge",
                category=each.category,
                description=f"Correction: {each.description}"[:300],
                day=today,
                amount_minor=each.amount_minor,
            )
        )
    db.session.flush()


def _charge(row: Receipt, amount_minor: int, words: str, actor: Actor, now: datetime) -> None:
    today = trail.today(row.organisation_id, now)
    charge = Charge(
        organisation_id=row.organisation_id,
        payee_id=row.payee_id,
        lease_id=row.lease_id,
        category=Category.MISCELLANEOUS.value,
        description=words,
        currency=row.currency,
        amount_minor=amount_minor,
        charged_on=today,
        week_start=week_of(today, trail.organisation(row.organisation_id).week_start).start,
        idempotency_key=f"correction:{new_uid()}",
        created_by_id=actor.user_id,
        created_by_label=actor.label,
        created_at=now,
    )
    db.session.add(charge)
    db.session.flush()
    entries.post(row.organisation_id, [entries.charged(charge, row.payee)], actor, now)
