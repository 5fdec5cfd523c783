"""Rows of drivers' money as the API says them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from webapp.api import repairs_queries
from webapp.api.bearer import Caller
from webapp.api.schemas.common import Amount, PayeeRef
from webapp.api.schemas.drivers import AdjustmentOut, AppliedOut, ChargeOut, EarningOut
from webapp.database import db
from webapp.kernel.errors import NotFound
from webapp.programs.repairs.books import Adjustment, Charge, Earning

_CHARGE = ("id", "category", "description", "charged_on", "week_start")
_EARNING = ("id", "source", "external_ref", "description", "earned_on", "week_start")
_ADJUSTMENT = ("reference", "kind", "description", "happened_on", "created_at")


def charges_of(rows: Sequence[Any]) -> list[ChargeOut]:
    """(charge, instalment, receipt) rows, with their drivers by one query."""
    payees = repairs_queries.payees_of([row[0] for row in rows])
    return [
        ChargeOut(
            **_charge(charge),
            driver=PayeeRef.of(payees[charge.payee_id]),
            instalment=instalment,
            receipt=receipt,
        )
        for charge, instalment, receipt in rows
    ]


def _charge(row: Charge) -> dict[str, Any]:
    amounts = ("amount", "paid", "credited", "open")
    return {
        **{name: getattr(row, name) for name in _CHARGE},
        **{name: Amount.of(getattr(row, f"{name}_minor"), row.currency) for name in amounts},
    }


def charges_by_id(ids: Sequence[int], who: Caller) -> list[ChargeOut]:
    """Charges that were made just now, in the order in which they were."""
    query = repairs_queries.charges(who.viewer).where(Charge.id.in_(ids)).order_by(Charge.id)
    return charges_of(db.session.execute(query).all())


def earnings_of(rows: Sequence[Any]) -> list[EarningOut]:
    """(earning, receipt) rows, with their drivers by one query."""
    payees = repairs_queries.payees_of([row[0] for row in rows])
    return [
        EarningOut(
            **{name: getattr(earning, name) for name in _EARNING},
            amount=Amount.of(earning.amount_minor, earning.currency),
            driver=PayeeRef.of(payees[earning.payee_id]),
            receipt=receipt,
        )
        for earning, receipt in rows
    ]


def earnings_by_id(ids: Sequence[int], who: Caller) -> list[EarningOut]:
    """Earnings that were recorded just now, in the order in which they were."""
    query = repairs_queries.earnings(who.viewer).where(Earning.id.in_(ids)).order_by(Earning.id)
    return earnings_of(db.session.execute(query).all())


def adjustments_of(rows: Sequence[Any]) -> list[AdjustmentOut]:
    """(adjustment, receipt) rows, with their drivers and what they covered by two queries."""
    payees = repairs_queries.payees_of([row[0] for row in rows])
    parts = repairs_queries.applied([row[0].id for row in rows])
    return [
        AdjustmentOut(
            **{name: getattr(row, name) for name in _ADJUSTMENT},
            method=row.method or None,
            amount=Amount.of(row.amount_minor, row.currency),
            applied=Amount.of(row.applied_minor, row.currency),
            parts=[
                AppliedOut(charge=charge, category=category, amount=Amount.of(amount, currency))
                for charge, category, amount, currency in parts.get(row.id, [])
            ],
            driver=PayeeRef.of(payees[row.payee_id]),
            receipt=receipt,
        )
        for row, receipt in rows
    ]


def adjustment_of(reference: str, who: Caller) -> AdjustmentOut:
    """One adjustment. Raises NotFound, also for one that is not the caller's."""
    query = repairs_queries.adjustments(who.viewer).where(Adjustment.reference == reference)
    row = db.session.execute(query).one_or_none()
    if row is None:
        raise NotFound
    return adjustments_of([row])[0]
