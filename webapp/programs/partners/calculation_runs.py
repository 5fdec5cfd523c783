"""Calculations as runs: partner by partner with an answer for each, in batches of their own; by hand, or every month.

A run that is started again, beside another one, or after its worker died, takes what is left and nothing twice.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import exists, select

from webapp.database import among, ask, db, transaction
from webapp.kernel.actor import SCHEDULER, Actor
from webapp.kernel.clock import local_date
from webapp.kernel.money import Money
from webapp.payouts.models import Payout
from webapp.people.models import Organisation, Payee
from webapp.programs.partners import calculating, due, retainers
from webapp.programs.partners.calculating import Calculated
from webapp.programs.partners.drafts import PROGRAM
from webapp.programs.partners.models import PartnerProgram
from webapp.programs.partners.rules import Period, period_of
from webapp.programs.partners.states import PeriodKind
from webapp.runs import service as runs
from webapp.runs import tasks
from webapp.runs.models import RowOutcome, Run, RunRow
from webapp.runs.service import RowDraft, RowResult

KIND, TASK = "partners.calculate", "partners.calculate"
#: Every night at two, local time; it does something on the first day of a month.
NIGHTLY = "0 2 * * *"
SUBJECT = "payee"
#: Partners of one run; of more, the rest follows with the next one.
MOST = 20_000


@dataclass(frozen=True)
class Next:
    """The next calculation that comes by itself: its day and what it is for."""

    day: date
    span: Period


def start(
    *, organisation_id: int, until: str, actor: Actor, now: datetime, is_automatic: bool = False
) -> Run | None:
    """Make the period's retainers, and queue its calculation; None when nobody would be paid anything new.

    While one of the same period waits or is at work, it is that one. `is_automatic`: only programs whose payouts are
    made by themselves. Raises Invalid for a period that is none or has not begun.
    """
    span = due.span_of(organisation_id, until, now)
    retainers.accrue(organisation_id=organisation_id, until=span.text, actor=actor, now=now)
    # The programs are locked since then: of two starts at once the second sees the run of the first.
    if (working := is_working(organisation_id, span.text, is_automatic=is_automatic)) is not None:
        return working
    ids = due.ready(organisation_id, span.text, now, MOST, is_automatic=is_automatic)
    if not ids:
        return None
    rows = ask(
        select(Payee.id, Payee.reference, Payee.name)
        .where(Payee.organisation_id == organisation_id, among(Payee.id, ids))
        .order_by(Payee.id)
    )
    words = "1 partner" if len(rows) == 1 else f"{len(rows):,} partners"
    run = runs.create_draft(
        organisation_id=organisation_id,
        kind=KIND,
        title=f"Commissions of {span.text}, {words}",
        rows=[RowDraft(SUBJECT, row.id, f"{row.reference} {row.name}"[:200]) for row in rows],
        parameters={"period": span.text, "is_automatic": is_automatic},
        actor=actor,
        now=now,
    )
    return runs.confirm(organisation_id=organisation_id, reference=run.reference, actor=actor, now=now)


def make_rows(run: Run, rows: Sequence[RunRow], actor: Actor, now: datetime) -> Mapping[int, RowResult]:
    """The payouts of many partners at once; when one of them is refused, each is worked on by itself."""
    ids = [row.subject_id for row in rows if row.subject_id is not None]
    made = calculating.calculate(
        organisation_id=run.organisation_id,
        payee_ids=ids,
        until=str(run.parameters["period"]),
        actor=actor,
        now=now,
        is_automatic=bool(run.parameters.get("is_automatic")),
    )
    said = _said(made)
    return {row.id: said.get(row.subject_id or 0, _nothing()) for row in rows}


def make_row(run: Run, row: RunRow, actor: Actor, now: datetime) -> RowResult:
    """The payouts of one partner."""
    return make_rows(run, [row], actor, now)[row.id]


def _nothing() -> RowResult:
    return RowResult(RowOutcome.SKIPPED, "Nothing is due any more; it is in a payout already.")


def _said(made: Calculated) -> dict[int, RowResult]:
    """Partner → what became of what was due to them."""
    payouts: dict[int, list[str]] = defaultdict(list)
    waiting: dict[int, list[str]] = defaultdict(list)
    query = select(Payout.payee_id, Payout.reference, Payout.currency, Payout.amount_minor)
    for row in ask(query.where(among(Payout.id, list(made.payout_ids))).order_by(Payout.id)):
        payouts[row.payee_id].append(f"{row.reference} over {Money(row.amount_minor, row.currency).format()}")
    for each in made.waiting:
        waiting[each.payee.id].append(f"{each.amount.format()}: {each.reason}")
    found = {}
    for payee_id in payouts.keys() | waiting.keys():
        parts = [f"Created {', '.join(payouts[payee_id])}."] if payouts[payee_id] else []
        words = " ".join([*parts, *waiting[payee_id]])
        found[payee_id] = RowResult(RowOutcome.DONE if parts else RowOutcome.SKIPPED, words)
    return found


def ended(day: date) -> Period | None:
    """The period whose commissions are collected on a day: on the first of a month that before, or the quarter."""
    if day.day != 1:
        return None
    kind = PeriodKind.QUARTER if day.month % 3 == 1 else PeriodKind.MONTH
    return period_of(day - timedelta(days=1), kind.value)


def upcoming(organisation_id: int, today: date) -> Next | None:
    """The next calculation that comes by itself; None where no program has its payouts made so.

    Months that end no quarter are nothing for an organisation whose programs all pay by the quarter.
    """
    kinds = {
        row.period
        for row in ask(
            select(PartnerProgram.period)
            .where(
                PartnerProgram.organisation_id == organisation_id,
                PartnerProgram.is_active,
                PartnerProgram.is_automatic,
            )
            .distinct()
        )
    }
    if not kinds:
        return None
    day = today
    while True:
        day = (day.replace(day=1) + timedelta(days=32)).replace(day=1)
        span = ended(day)
        if span is not None and (PeriodKind.MONTH.value in kinds or not due.is_month(span)):
            return Next(day, span)


def calculate_due(organisation_id: int, due_at: datetime, now: datetime) -> None:
    """The scheduler's task: on the first of a month, the calculation of the period that has ended.

    A day that was missed comes with its own `due_at`, so its period is caught up.
    """
    with transaction():
        timezone = db.session.get_one(Organisation, organisation_id).timezone
        span = ended(local_date(due_at, timezone))
        if span is not None:
            start(
                organisation_id=organisation_id, until=span.text, actor=SCHEDULER, now=now, is_automatic=True
            )


def is_working(organisation_id: int, until: str | None = None, *, is_automatic: bool = False) -> Run | None:
    """The calculation that waits or is at work now, the newest; with `until` that of this period.

    One that is made by itself leaves programs out, so it stands for another of its kind alone.
    """
    query = select(Run).where(
        Run.organisation_id == organisation_id, Run.kind == KIND, Run.state.in_(["queued", "running"])
    )
    for run in db.session.scalars(query.order_by(Run.id.desc())):
        is_wide_enough = is_automatic or not run.parameters.get("is_automatic")
        if until is None or (run.parameters["period"] == until and is_wide_enough):
            return run
    return None


def has_programs(organisation_id: int) -> bool:
    """Whether there is a program at all."""
    return bool(db.session.scalar(select(exists().where(PartnerProgram.organisation_id == organisation_id))))


# Importing this module is enough, as with the handlers of other runs.
runs.register_handler(KIND, make_row)
runs.register_batch(KIND, make_rows)
tasks.register_task(TASK, calculate_due, cron=NIGHTLY, per_organisation=True, program=PROGRAM)
