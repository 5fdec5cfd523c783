"""The instalments of repairs and loans: made from a plan, moved, made anew."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime

from webapp.database import db
from webapp.kernel.errors import Invalid
from webapp.programs.repairs import settings, trail
from webapp.programs.repairs.drafts import LoanDraft
from webapp.programs.repairs.models import Instalment, Loan, Repair
from webapp.programs.repairs.rules import (
    Planned,
    Week,
    first_week,
    instalments,
    loan_schedule,
    plan_amounts,
    schedule,
)
from webapp.programs.repairs.states import InstalmentState

SCHEDULED = InstalmentState.SCHEDULED.value


def preview(
    organisation_id: int, amount_minor: int, invoice_date: date, start: str, week_start: int
) -> list[Planned]:
    """The instalments that an invoice would become, by the matrix that counts now. Raises Invalid."""
    first = first_week(invoice_date, start, week_start)
    return schedule(amounts(organisation_id, amount_minor), first)


def amounts(organisation_id: int, amount_minor: int, field: str = "amount") -> list[int]:
    """What an amount is paid by, by the matrix that counts now. Raises Invalid where it makes no plan."""
    try:
        return plan_amounts(amount_minor, settings.matrix_of(organisation_id))
    except ValueError as error:
        raise Invalid(field, f"The payment matrix makes no plan of it: {error}.", "500.50") from None


def amounts_by(amount_minor: int, weekly_minor: int) -> list[int]:
    """The same by a weekly amount that a person chose. Raises Invalid."""
    try:
        return instalments(amount_minor, weekly_minor)
    except ValueError as error:
        raise Invalid("weekly", f"This makes no plan: {error}.", "100.00") from None


def preview_loan(organisation_id: int, draft: LoanDraft, now: datetime) -> list[Planned]:
    """The instalments that a loan would become, by the matrix that counts now; nothing is stored. Raises Invalid."""
    draft.check()
    trail.check_day("lent_on", draft.lent_on, organisation_id, now)
    organisation = trail.organisation(organisation_id)
    return loan_schedule(
        amounts(organisation_id, draft.principal_minor, "principal"),
        first_week(draft.lent_on, draft.start, organisation.week_start),
        percent=draft.percent,
        lent_on=draft.lent_on,
        currency=organisation.currency,
    )


def rows(of: Repair | Loan, planned: Iterable[Planned]) -> list[Instalment]:
    """Instalments of a repair or a loan, not stored yet."""
    return [
        Instalment(
            organisation_id=of.organisation_id,
            reference=f"{of.reference}-{each.number:02d}",
            payee_id=of.payee_id,
            number=each.number,
            week_start=each.week.start,
            due_on=each.due_on,
            currency=of.currency,
            amount_minor=each.amount,
            interest_minor=each.interest,
            balance_after_minor=each.balance_after,
            state=SCHEDULED,
        )
        for each in planned
    ]


def unposted(of: Repair | Loan) -> list[Instalment]:
    """What is still to be charged, in the order of the weeks."""
    found = [each for each in of.instalments if each.state == SCHEDULED]
    return sorted(found, key=lambda each: (each.week_start, each.number))


def move(each: Instalment, week: Week) -> None:
    """Have an instalment charged in another week."""
    each.week_start, each.due_on = week.start, week.end


def add(repair: Repair, parts: Sequence[int], first: Week) -> list[Instalment]:
    """Further instalments of a repair, numbered on."""
    number = max(each.number for each in repair.instalments) + 1
    made = rows(repair, schedule(parts, first, number))
    repair.instalments.extend(made)
    db.session.flush()
    return made


def balances(repair: Repair) -> None:
    """Write what is left after each instalment that is still to come."""
    left = sum(each.amount_minor for each in unposted(repair))
    for each in unposted(repair):
        left -= each.amount_minor
        each.balance_after_minor = left
    db.session.flush()
