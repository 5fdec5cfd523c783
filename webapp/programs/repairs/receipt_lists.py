"""Reading what belongs to one weekly receipt: its payout, its corrections, what its money covered. Never writes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import aliased

from webapp.database import ask
from webapp.kernel.money import Money
from webapp.payouts.models import Payout
from webapp.programs.repairs.books import Allocation, Charge, Receipt
from webapp.programs.repairs.fleet_lists import plates_of
from webapp.programs.repairs.models import DriverLease, Medallion


@dataclass(frozen=True)
class Around:
    """What stands around a receipt; empty texts where there is nothing.

    The payout of a correction is that of the receipt it corrects: the first one of the week was paid.
    """

    lease: str
    plate: str
    medallion: str
    payout: str
    payout_state: str
    replaces: str
    replaced_by: str
    # By how much this receipt differs from the one before it.
    step: Money


def around(receipt: Receipt) -> Around:
    """The lease, the payout, and the receipts before and after a correction; two questions."""
    before, after, first = (aliased(Receipt, name=name) for name in ("before", "after", "first"))
    row = ask(
        select(
            DriverLease.reference.label("lease"), Medallion.number.label("medallion"), Payout.reference, Payout.state,
            before.number.label("replaces"),
            before.difference_minor.label("was_minor"), after.number.label("replaced_by"),
        )
        .select_from(Receipt)
        .join(DriverLease, DriverLease.id == Receipt.lease_id)
        .outerjoin(Medallion, Medallion.id == DriverLease.medallion_id)
        .join(
            first,
            (first.lease_id == Receipt.lease_id) & (first.week_start == Receipt.week_start) & (first.revision == 1),
        )
        .outerjoin(Payout, Payout.id == first.payout_id)
        .outerjoin(before, before.id == Receipt.replaces_id)
        .outerjoin(after, after.replaces_id == Receipt.id)
        .where(Receipt.id == receipt.id)
    )[0]  # fmt: skip
    plate = plates_of([receipt.lease_id]).get(receipt.lease_id, "")
    return Around(
        row.lease, plate, row.medallion or "", row.reference or "", row.state or "", row.replaces or "",
        row.replaced_by or "", Money(receipt.difference_minor - (row.was_minor or 0), receipt.currency),
    )  # fmt: skip


def covered_by(receipt_id: int) -> Sequence[Any]:
    """(category, how many debts, minor units) that a receipt's money covered."""
    return ask(
        select(Charge.category, func.count(), func.sum(Allocation.amount_minor))
        .join(Charge, Charge.id == Allocation.charge_id)
        .where(Allocation.receipt_id == receipt_id)
        .group_by(Charge.category)
        .order_by(Charge.category)
    )
