"""How repairs and loans stand of which an instalment is on a weekly receipt: which one of how many, what is left."""

from __future__ import annotations

from collections import defaultdict

from sqlalchemy import select

from webapp.database import among, db
from webapp.programs.repairs.books import Charge
from webapp.programs.repairs.models import Instalment, Loan, Repair
from webapp.programs.repairs.receipt_facts import PaperInstalment
from webapp.programs.repairs.states import InstalmentState
from webapp.statements.build import clean


def instalments(first_issues: dict[int, int]) -> dict[int, list[PaperInstalment]]:
    """How repairs and loans stand of which an instalment is on a receipt, by receipt."""
    charged = db.session.execute(
        select(Charge.receipt_id, Instalment)
        .join(Instalment, Instalment.id == Charge.instalment_id)
        .where(among(Charge.receipt_id, sorted(set(first_issues.values()))))
        .order_by(Instalment.id)
    ).all()
    if not charged:
        return {}
    repairs = sorted({each.repair_id for _, each in charged if each.repair_id is not None})
    loans = sorted({each.loan_id for _, each in charged if each.loan_id is not None})
    plans = _plans(repairs, loans)
    names = _sources(repairs, loans)
    by_receipt: dict[int, list[PaperInstalment]] = defaultdict(list)
    for receipt_id, each in charged:
        key = ("repair", each.repair_id) if each.repair_id is not None else ("loan", each.loan_id)
        rows = plans[key]
        numbers = [other.id for other, _ in rows]
        left = sum(
            other.amount_minor if other.state == InstalmentState.SCHEDULED else open_minor
            for other, open_minor in rows
        )
        about, source = names[key]
        number = numbers.index(each.id) + 1 if each.id in numbers else len(numbers)
        ends_on = max((other.due_on for other, _ in rows), default=each.due_on)
        by_receipt[receipt_id or 0].append(
            PaperInstalment(about, source, number, len(numbers), each.amount_minor, left, ends_on)
        )
    return {receipt_id: by_receipt.get(first, []) for receipt_id, first in first_issues.items()}


def _plans(
    repairs: list[int], loans: list[int]
) -> dict[tuple[str, int | None], list[tuple[Instalment, int]]]:
    """The instalments that count, in their order, each with what of its charge is open."""
    found: dict[tuple[str, int | None], list[tuple[Instalment, int]]] = defaultdict(list)
    open_minor = Charge.amount_minor - Charge.paid_minor - Charge.credited_minor
    gone = [InstalmentState.SKIPPED.value, InstalmentState.CANCELLED.value]
    for word, column, ids in (("repair", Instalment.repair_id, repairs), ("loan", Instalment.loan_id, loans)):
        if not ids:
            continue
        rows = db.session.execute(
            select(Instalment, open_minor)
            .outerjoin(Charge, Charge.instalment_id == Instalment.id)
            .where(among(column, ids), Instalment.state.not_in(gone))
            .order_by(Instalment.week_start, Instalment.number)
        ).all()
        for each, left in rows:
            found[word, getattr(each, f"{word}_id")].append((each, int(left or 0)))
    return found


def _sources(repairs: list[int], loans: list[int]) -> dict[tuple[str, int | None], tuple[str, str]]:
    """What a repair or loan is called, and the invoice or day it comes from."""
    names: dict[tuple[str, int | None], tuple[str, str]] = {}
    if repairs:
        for ident, reference, invoice in db.session.execute(
            select(Repair.id, Repair.reference, Repair.invoice_number).where(among(Repair.id, repairs))
        ):
            names["repair", ident] = (f"Repair {reference}", clean(f"Invoice {invoice}"))
    if loans:
        for ident, reference in db.session.execute(
            select(Loan.id, Loan.reference).where(among(Loan.id, loans))
        ):
            names["loan", ident] = (f"Loan {reference}", "")
    return names
