"""The monthly run: a row for every payee with a balance or activity, started by the calendar or by a person.

A statement that is there already is not due, so a second start makes nothing twice.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import func, select

from webapp.audit import service as audit
from webapp.database import db, transaction
from webapp.kernel.actor import SCHEDULER, Actor
from webapp.kernel.clock import add_months, local_date
from webapp.kernel.money import Money
from webapp.people.models import Organisation, Payee
from webapp.runs import service as runs
from webapp.runs import tasks
from webapp.runs.models import RowOutcome, Run, RunRow
from webapp.statements import account, monthly, sections
from webapp.statements.account import Standing
from webapp.statements.build import DoesNotAddUp
from webapp.statements.models import Document
from webapp.statements.tie import MONTHLY

KIND = "statements.month"
TASK = "statements.month"
# The second and third of the month at five in the morning, local time: a day for entries that come late, and a second
# try for what the first one could not make.
DAY_OF_MONTH = 2
CRON = "0 5 2,3 * *"
_IN_LIST = 500


@dataclass(frozen=True)
class Due:
    """What a run of a month would make, for the check step."""

    month: date
    to_make: list[Standing]
    n_there: int
    n_failed: int

    @property
    def closing(self) -> list[Money]:
        """Sum of the closing balances of what is to be made, for each currency."""
        sums: Counter[str] = Counter()
        for standing in self.to_make:
            sums[standing.currency] += standing.closing_minor
        return [Money(amount, currency) for currency, amount in sorted(sums.items())]


def due(*, organisation_id: int, month: date, now: datetime) -> Due:
    """Every payee and currency that needs a statement of a month. Raises Invalid when the month is not over."""
    organisation = db.session.get_one(Organisation, organisation_id)
    first, last = monthly.check_month(month, now, organisation.timezone)
    states = _newest_states(organisation_id, first)
    found = account.standings(organisation_id, first, last)
    # Payees of whom only a program has something to say: nothing is owed to them yet.
    stated = {(s.payee_id, s.currency) for s in found}
    more = sorted(sections.concerned(organisation_id, first, last) - stated)
    found += [Standing(0, payee_id, currency, 0, 0, 0) for payee_id, currency in more]
    failed = [s for s in found if states.get((s.payee_id, s.currency)) == "failed"]
    new = [s for s in found if (s.payee_id, s.currency) not in states]
    return Due(first, [*new, *failed], len(found) - len(new) - len(failed), len(failed))


def _newest_states(organisation_id: int, first: date) -> dict[tuple[int, str], str]:
    """State of the newest issue of each statement of a month, by payee and currency."""
    mine = (
        select(func.max(Document.id))
        .where(
            Document.organisation_id == organisation_id,
            Document.kind == MONTHLY,
            Document.period_start == first,
        )
        .group_by(Document.payee_id, Document.currency)
    )
    rows = db.session.execute(
        select(Document.payee_id, Document.currency, Document.state).where(Document.id.in_(mine))
    )
    return {(payee_id, currency): state for payee_id, currency, state in rows}


def start(
    *, organisation_id: int, month: date, actor: Actor, now: datetime, tells: bool = True
) -> Run | None:
    """Queue a run that makes what is due of a month; None when everything is there. Raises Invalid."""
    found = due(organisation_id=organisation_id, month=month, now=now)
    if not found.to_make:
        return None
    names = _names({standing.payee_id for standing in found.to_make})
    count = len(found.to_make)
    run = runs.create_draft(
        organisation_id=organisation_id,
        kind=KIND,
        title=f"{count} {'statement' if count == 1 else 'statements'} of {monthly.month_name(found.month)}",
        rows=[
            runs.RowDraft(
                subject_type="payee",
                subject_id=standing.payee_id,
                subject_label=f"{names[standing.payee_id]}, {standing.currency}",
                data={"currency": standing.currency},
            )
            for standing in found.to_make
        ],
        parameters={"month": found.month.isoformat(), "tells": tells},
        actor=actor,
        now=now,
    )
    return runs.confirm(organisation_id=organisation_id, reference=run.reference, actor=actor, now=now)


def _names(payee_ids: set[int]) -> dict[int, str]:
    names: dict[int, str] = {}
    ids = sorted(payee_ids)
    for begin in range(0, len(ids), _IN_LIST):
        rows = db.session.execute(
            select(Payee.id, Payee.reference, Payee.name).where(Payee.id.in_(ids[begin : begin + _IN_LIST]))
        )
        names |= {payee_id: f"{reference} {name}"[:150] for payee_id, reference, name in rows}
    return names


def make_row(run: Run, row: RunRow, actor: Actor, now: datetime) -> runs.RowResult:
    """One statement of a run: frozen and queued for a worker, or the reason why not."""
    assert row.subject_id is not None  # noqa: S101 - start writes it
    try:
        made = monthly.create(
            organisation_id=run.organisation_id,
            payee_id=row.subject_id,
            currency=str(row.data["currency"]),
            month=date.fromisoformat(str(run.parameters["month"])),
            tells=bool(run.parameters.get("tells", True)),
            actor=actor,
            now=now,
        )
    except DoesNotAddUp as error:
        _remember_refusal(run, row, actor, now, error.message)
        return runs.RowResult(RowOutcome.FAILED, error.message)
    is_done = made.is_new or made.document.state == "queued"
    return runs.RowResult(RowOutcome.DONE if is_done else RowOutcome.SKIPPED, made.message)


def _remember_refusal(run: Run, row: RunRow, actor: Actor, now: datetime, reason: str) -> None:
    audit.record(
        tag="statements:statement:refused",
        actor=actor,
        now=now,
        organisation_id=run.organisation_id,
        subject_type="payee",
        subject_id=row.subject_id,
        subject_label=row.subject_label,
        note=reason,
    )


def make_monthly(organisation_id: int, due_at: datetime, now: datetime) -> None:
    """The scheduler's task: the statements of the month before the one in which it was due."""
    with transaction():
        organisation = db.session.get_one(Organisation, organisation_id)
        month = add_months(local_date(due_at, organisation.timezone), -1)
        start(organisation_id=organisation_id, month=month, actor=SCHEDULER, now=now)


def next_run_on(today: date) -> date:
    """The day on which the next statements come by themselves."""
    day = today.replace(day=DAY_OF_MONTH)
    return day if today <= day else add_months(today, 1).replace(day=DAY_OF_MONTH)


def register() -> None:
    """Tell the engines what this room does; once, at start-up."""
    runs.register_handler(KIND, make_row)
    tasks.register_task(TASK, make_monthly, cron=CRON, per_organisation=True)


# Importing this module is enough, as with the handlers of the rooms below.
register()
