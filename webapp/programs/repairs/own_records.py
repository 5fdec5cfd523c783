"""Reading what a driver's own pages show beside the lists: charges behind lines, corrections, the last receipt."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from sqlalchemy import func, select

from webapp.database import among, db
from webapp.kernel.money import Money
from webapp.payouts.models import Payout
from webapp.programs.repairs import ledger_list
from webapp.programs.repairs.books import Charge, Receipt, ReceiptLine
from webapp.programs.repairs.models import Repair
from webapp.programs.repairs.states import RepairState


def charge_id(row: Any) -> int:
    """Id of the charge that a line of the ledger is; 0 for any other line."""
    return int(row.id) // ledger_list.KINDS_AT_MOST if row.kind == ledger_list.CHARGE else 0


def charges_on(organisation_id: int, payee_id: int, rows: Sequence[Any]) -> dict[int, Charge]:
    """The driver's charges among the lines of a page of the ledger, by one query."""
    ids = [charge_id(row) for row in rows if row.kind == ledger_list.CHARGE]
    if not ids:
        return {}
    found = db.session.scalars(
        select(Charge).where(
            Charge.organisation_id == organisation_id, Charge.payee_id == payee_id, among(Charge.id, ids)
        )
    )
    return {charge.id: charge for charge in found}


def charges_of_receipt(row: Receipt) -> Sequence[Charge]:
    """What a receipt counts; a correction counts what the first issue of its week does."""
    first = (
        select(Receipt.id)
        .where(Receipt.lease_id == row.lease_id, Receipt.week_start == row.week_start, Receipt.revision == 1)
        .scalar_subquery()
    )
    return db.session.scalars(
        select(Charge)
        .where(Charge.organisation_id == row.organisation_id, Charge.receipt_id == first)
        .order_by(Charge.id)
    ).all()


def charges_by_line(lines: Sequence[ReceiptLine], charges: Sequence[Charge]) -> dict[int, Charge]:
    """Which charge each line of a receipt is; lines that say the same are taken in their order."""
    waiting: dict[tuple[Any, ...], list[Charge]] = defaultdict(list)
    for charge in charges:
        key = (charge.category, charge.description[:300], charge.charged_on, charge.amount_minor)
        waiting[key].append(charge)
    found = {}
    for line in lines:
        key = (line.category, line.description, line.day, -line.amount_minor)
        if line.kind == "charge" and waiting[key]:
            found[line.id] = waiting[key].pop(0)
    return found


def corrections(row: Receipt) -> tuple[str | None, str | None]:
    """Number of the receipt that corrects this one, and of the one that it corrects."""
    later = db.session.scalar(select(Receipt.number).where(Receipt.replaces_id == row.id))
    if row.replaces_id is None:
        return later, None
    return later, db.session.scalar(select(Receipt.number).where(Receipt.id == row.replaces_id))


def payout_reference(row: Receipt) -> str | None:
    """The payout of what a receipt pays out."""
    if row.payout_id is None:
        return None
    return db.session.scalar(select(Payout.reference).where(Payout.id == row.payout_id))


def last_receipt(organisation_id: int, payee_id: int) -> Receipt | None:
    """A driver's receipt of the newest week, as it was corrected last."""
    return db.session.scalar(
        select(Receipt)
        .where(Receipt.organisation_id == organisation_id, Receipt.payee_id == payee_id)
        .order_by(Receipt.week_start.desc(), Receipt.id.desc())
        .limit(1)
    )


def left_of_repairs(organisation_id: int, payee_id: int, currency: str) -> Money:
    """What is left of a driver's repairs that are open or on hold."""
    left = Repair.amount_minor - Repair.paid_minor - Repair.credited_minor
    found = db.session.scalar(
        select(func.sum(left)).where(
            Repair.organisation_id == organisation_id,
            Repair.payee_id == payee_id,
            Repair.currency == currency,
            Repair.state.in_([RepairState.OPEN.value, RepairState.HOLD.value]),
        )
    )
    return Money(int(found or 0), currency)
