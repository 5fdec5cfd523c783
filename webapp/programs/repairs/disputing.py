"""A driver does not agree with a charge: that one alone is not covered until another person has decided.

Accepted, it is taken back with what was paid of it; refused, it stands and the next receipt covers it again. Whatever
else the driver owes is covered meanwhile as ever.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, select

from webapp.database import db, lock_row
from webapp.kernel.actor import Actor
from webapp.kernel.errors import Conflict, Forbidden, Invalid, NotFound
from webapp.kernel.money import Money
from webapp.outbox import service as outbox
from webapp.people.models import Payee
from webapp.people.numbers import next_number
from webapp.programs.repairs import crediting, entries, trail
from webapp.programs.repairs.books import Charge, Dispute
from webapp.programs.repairs.states import AdjustmentKind, Category, DisputeState

OPENED, DECIDED = "notice.dispute.opened", "notice.dispute.decided"
REASON_LENGTH = 1000


def dispute_charge(
    *, organisation_id: int, payee_id: int, charge_id: int, reason: str, actor: Actor, now: datetime
) -> Dispute:
    """A driver disputes one charge of theirs; the admins are told.

    The same person who says it again gets the dispute that is there. Raises NotFound for another driver's charge,
    Invalid without a reason, Conflict for a charge that was looked at already or is taken back.
    """
    said = " ".join(reason.split())
    if not said or len(said) > REASON_LENGTH:
        raise Invalid(
            "reason", "Say in at most 1,000 characters why you do not agree.", "I did not use this bridge."
        )
    payee = trail.lock_drivers(organisation_id, [payee_id])[payee_id]
    charge = get_charge(organisation_id, payee_id, charge_id)
    there = db.session.scalar(select(Dispute).where(Dispute.charge_id == charge.id))
    if there is not None:
        if there.state == DisputeState.OPEN and there.created_by_id == actor.user_id:
            return there
        raise Conflict(f"It was disputed already, as {there.reference}. {DisputeState(there.state).sentence}")
    if charge.credited_minor >= charge.amount_minor:
        raise Conflict("This charge is taken back already. There is nothing to dispute.")
    year = trail.today(organisation_id, now).year
    row = Dispute(
        organisation_id=organisation_id,
        reference=next_number(organisation_id, f"DS-{year}", 3),
        payee_id=payee.id,
        charge_id=charge.id,
        reason=said,
        created_by_id=actor.user_id,
        created_by_label=actor.label,
        created_at=now,
    )
    db.session.add(row)
    charge.is_disputed = True
    db.session.flush()
    trail.record("dispute", "opened", row, _label(row, payee), actor, now, note=said)
    outbox.ask_mail(kind=OPENED, reference_id=row.id, organisation_id=organisation_id, now=now)
    return row


def decide_dispute(
    *, organisation_id: int, reference: str, accepts: bool, answer: str, actor: Actor, now: datetime
) -> Dispute:
    """Another person decides: accepted, the charge is taken back, with what was paid of it; refused, it stands.

    The driver is told the answer. The same person who decides the same again gets what is there. Raises NotFound,
    Invalid without an answer, Forbidden for whoever disputed or is the driver, Conflict when it is decided.
    """
    found = get_dispute(organisation_id, reference)
    payee = trail.lock_drivers(organisation_id, [found.payee_id])[found.payee_id]
    row = lock_row(Dispute, Dispute.id == found.id)
    state = DisputeState.ACCEPTED if accepts else DisputeState.REFUSED
    if row.state != DisputeState.OPEN:
        if row.state == state and row.decided_by_id == actor.user_id:
            return row
        raise Conflict(
            f"{row.decided_by_label} has decided {reference}: {DisputeState(row.state).label.lower()}."
        )
    said = " ".join(answer.split())
    if not said or len(said) > REASON_LENGTH:
        raise Invalid(
            "answer", "Tell the driver why, in at most 1,000 characters.", "The toll was another vehicle's."
        )
    if actor.user_id is None or actor.user_id in (row.created_by_id, payee.user_id):
        raise Forbidden("Somebody else decides: nobody decides about their own charge.")
    charge = get_charge(organisation_id, payee.id, row.charge_id)
    charge.is_disputed = False
    row.state, row.answer = state.value, said
    row.decided_by_id, row.decided_by_label, row.decided_at = actor.user_id, actor.label, now
    db.session.flush()
    amount = Money(charge.amount_minor - charge.credited_minor, charge.currency)
    if accepts:
        _give_back(payee, charge, reference, actor, now)
    changes = {
        "state": [DisputeState.OPEN.value, state.value],
        "given back": [None, amount.plain if accepts else "0"],
    }
    trail.record("dispute", state.value, row, _label(row, payee), actor, now, changes, said)
    outbox.ask_mail(kind=DECIDED, reference_id=row.id, organisation_id=organisation_id, now=now)
    return row


def _give_back(payee: Payee, charge: Charge, reference: str, actor: Actor, now: datetime) -> None:
    """Take a charge back, with what was paid of it; afterwards all of it counts as credited, so that it is once."""
    paid_minor, open_minor = charge.paid_minor, charge.open_minor
    if charge.category in (Category.LOANS, Category.ADVANCES):
        # Money that was lent stays lent: what is not asked back is the organisation's expense.
        today = trail.today(payee.organisation_id, now)
        on = crediting.open_day(payee.organisation_id, payee.id, today)
        parts = [(charge, open_minor)] if open_minor else []
        words = f"{charge.description}: disputed as {reference}"
        made = crediting.adjustment(
            payee, AdjustmentKind.CREDIT, paid_minor + open_minor, charge.currency, words, on, actor, now,
            parts=parts,
        )  # fmt: skip
        entries.post(payee.organisation_id, [entries.adjusted(made, payee)], actor, now)
    else:
        crediting.take_back(payee, [charge], f"disputed as {reference}", actor, now, is_reversed=True)
    charge.paid_minor -= paid_minor
    charge.credited_minor += paid_minor
    crediting.count_on_repairs([(charge, -paid_minor)], "paid_minor")
    crediting.count_on_repairs([(charge, paid_minor)], "credited_minor")
    db.session.flush()


def _label(row: Dispute, payee: Payee) -> str:
    return f"{row.reference} {payee.name}"


def get_charge(organisation_id: int, payee_id: int, charge_id: int) -> Charge:
    """A driver's charge as it stands. Raises NotFound for another driver's."""
    found = db.session.scalar(
        select(Charge)
        .where(Charge.organisation_id == organisation_id, Charge.payee_id == payee_id, Charge.id == charge_id)
        .execution_options(populate_existing=True)
    )
    if found is None:
        raise NotFound("There is no such charge.")
    return found


def get_dispute(organisation_id: int, reference: str) -> Dispute:
    """A dispute by its number. Raises NotFound."""
    found = db.session.scalar(
        select(Dispute).where(Dispute.organisation_id == organisation_id, Dispute.reference == reference)
    )
    if found is None:
        raise NotFound("There is no such dispute.")
    return found


def disputes(organisation_id: int, state: str = "") -> Select[Any]:
    """The organisation's disputes, of one state where it is given; read by `Dispute.id`."""
    query = select(Dispute).where(Dispute.organisation_id == organisation_id)
    return query.where(Dispute.state == state) if state else query


def count_open(organisation_id: int) -> int:
    """How many wait for a decision."""
    query = select(func.count()).where(
        Dispute.organisation_id == organisation_id, Dispute.state == DisputeState.OPEN.value
    )
    return db.session.scalar(query) or 0


def of_charges(organisation_id: int, charge_ids: list[int]) -> dict[int, Dispute]:
    """The dispute of each charge that has one."""
    if not charge_ids:
        return {}
    rows = db.session.scalars(
        select(Dispute).where(Dispute.organisation_id == organisation_id, Dispute.charge_id.in_(charge_ids))
    )
    return {row.charge_id: row for row in rows}
