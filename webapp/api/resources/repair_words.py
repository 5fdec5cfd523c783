"""Rows of repairs and drivers' money as the API says them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Any

from webapp.api import repairs_queries
from webapp.api.bearer import Caller
from webapp.api.schemas.common import Amount, PayeeRef
from webapp.api.schemas.repairs import (
    InstalmentOut,
    PlannedOut,
    RepairDetail,
    RepairOut,
    ReplanOut,
)
from webapp.kernel.clock import local_date, utc_now
from webapp.people.models import Payee
from webapp.programs.repairs.models import Instalment, Loan, Repair, Replan
from webapp.programs.repairs.rules import Planned
from webapp.programs.repairs.states import InstalmentState

_REPAIR = ("reference", "state", "reason", "invoice_number", "invoice_date", "workshop", "description", "created_at",
           "confirmed_at")  # fmt: skip
_INSTALMENT = ("reference", "number", "week_start", "due_on", "state", "posted_for", "posted_at")


def today_of(who: Caller) -> date:
    """The day that it is where the caller's organisation is."""
    return local_date(utc_now(), who.timezone)


def planned_of(rows: Iterable[Planned], currency: str) -> list[PlannedOut]:
    """Instalments that are not stored."""
    return [
        PlannedOut(
            number=each.number,
            week_start=each.week.start,
            due_on=each.due_on,
            amount=Amount.of(each.amount, currency),
            interest=Amount.of(each.interest, currency),
            balance_after=Amount.of(each.balance_after, currency),
        )
        for each in rows
    ]


def instalment_fields(row: Any, today: date) -> dict[str, Any]:
    """What any row of an instalment has."""
    is_open = row.state == InstalmentState.SCHEDULED
    return {
        **{name: getattr(row, name) for name in _INSTALMENT},
        "amount": Amount.of(row.amount_minor, row.currency),
        "interest": Amount.of(row.interest_minor, row.currency),
        "balance_after": Amount.of(row.balance_after_minor, row.currency),
        "is_due": is_open and row.week_start <= today,
    }


def _instalment(
    row: Instalment, payee: Payee, today: date, repair: str | None, loan: str | None
) -> InstalmentOut:
    return InstalmentOut(**instalment_fields(row, today), driver=PayeeRef.of(payee), repair=repair, loan=loan)


def instalments_of(of: Repair | Loan, who: Caller) -> list[InstalmentOut]:
    """The instalments of a repair or a loan."""
    today = today_of(who)
    repair, loan = (of.reference, None) if isinstance(of, Repair) else (None, of.reference)
    return [_instalment(row, of.payee, today, repair, loan) for row in of.instalments]


def instalment_of(row: Instalment, who: Caller) -> InstalmentOut:
    """One instalment."""
    repair = row.repair.reference if row.repair else None
    loan = row.loan.reference if row.loan else None
    return _instalment(row, row.payee, today_of(who), repair, loan)


def listed_driver(row: Any) -> PayeeRef:
    """The driver of a row of a list."""
    return PayeeRef(reference=row.driver_reference, name=row.driver_name, kind="driver")


def listed_instalment(row: Any, today: date) -> InstalmentOut:
    """An instalment of a list."""
    return InstalmentOut(
        **instalment_fields(row, today),
        driver=listed_driver(row),
        repair=row.repair_reference,
        loan=row.loan_reference,
    )


def _fields(row: Any) -> dict[str, Any]:
    amounts = ("amount", "weekly", "paid", "credited", "outstanding")
    return {
        **{name: getattr(row, name) for name in _REPAIR},
        **{name: Amount.of(getattr(row, f"{name}_minor"), row.currency) for name in amounts},
        "start": row.starts,
    }


def listed_repair(row: Any) -> RepairOut:
    """A repair of a list."""
    return RepairOut(
        **_fields(row),
        driver=listed_driver(row),
        lease=row.lease_reference,
        vehicle=row.vehicle_plate,
        medallion=row.medallion_number,
    )


def repair_detail(reference: str, who: Caller) -> RepairDetail:
    """A repair as it is now, with its plan. Raises NotFound."""
    row = repairs_queries.repair(who.viewer, reference)
    return RepairDetail(
        **_fields(row),
        driver=PayeeRef.of(row.payee),
        lease=row.lease.reference,
        vehicle=row.vehicle.plate,
        medallion=repairs_queries.medallion_number(row.medallion_id),
        version=row.version,
        created_by=row.created_by_label if who.sees_all else None,
        instalments=instalments_of(row, who),
        replans=[replan_of(each, reference, row.currency, who) for each in repairs_queries.replans(row.id)],
    )


def replan_of(row: Replan, repair: str, currency: str, who: Caller) -> ReplanOut:
    """A new plan that was asked for."""
    staff = who.sees_all
    return ReplanOut.model_validate(
        {
            "id": row.id,
            "repair": repair,
            "state": row.state,
            "weekly": Amount.of(row.weekly_minor, currency),
            "reason": row.reason,
            "proposed_by": row.created_by_label if staff else None,
            "proposed_at": row.created_at,
            "decided_by": (row.decided_by_label or None) if staff else None,
            "decided_at": row.decided_at,
            "decision_note": row.decision_note,
        }
    )
