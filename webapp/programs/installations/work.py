"""Automatic creation: a run with one row per technician, started daily or by a button."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from webapp.database import db, transaction
from webapp.kernel.actor import SCHEDULER, Actor
from webapp.kernel.money import Money
from webapp.payouts import service as payouts
from webapp.payouts.models import Payout
from webapp.people.models import Organisation, Payee
from webapp.programs.installations import creation, retaining
from webapp.programs.installations.pricing import settings_of
from webapp.programs.installations.subscriber import InstallationsSubscriber
from webapp.programs.installations.terms import say_money
from webapp.runs import service as runs
from webapp.runs import tasks
from webapp.runs.models import RowOutcome, Run, RunRow

KIND = "installations.create_payouts"
TASK = "installations.create_payouts"
RELEASE = "installations.release_retentions"
# One in the morning, in the organisation's own time zone.
DAILY = "0 1 * * *"


def start_run(*, organisation_id: int, actor: Actor, now: datetime) -> Run | None:
    """Queue a run for every technician to whom something is due; None when nothing is.

    A payout that exists already is not due, so a second start makes nothing twice.
    """
    organisation = db.session.get_one(Organisation, organisation_id)
    ready = creation.due(organisation_id, organisation.currency, now).ready
    people = list({plan.payee.id: plan.payee for plan in ready}.values())
    return _start(organisation_id, KIND, "Create payouts", people, actor, now)


def start_release(*, organisation_id: int, actor: Actor, now: datetime) -> Run | None:
    """Queue a run for every technician to whom something held back is paid out now; None when there is nobody."""
    people = retaining.payees_due(organisation_id, now)
    return _start(organisation_id, RELEASE, "Release what was held back", people, actor, now)


def _start(
    organisation_id: int, kind: str, title: str, people: Sequence[Payee], actor: Actor, now: datetime
) -> Run | None:
    if not people:
        return None
    run = runs.create_draft(
        organisation_id=organisation_id,
        kind=kind,
        title=f"{title} for {len(people)} technician{'' if len(people) == 1 else 's'}",
        rows=[
            runs.RowDraft(
                subject_type="payee", subject_id=payee.id, subject_label=f"{payee.reference} {payee.name}"
            )
            for payee in people
        ],
        actor=actor,
        now=now,
    )
    return runs.confirm(organisation_id=organisation_id, reference=run.reference, actor=actor, now=now)


def create_row(run: Run, row: RunRow, actor: Actor, now: datetime) -> runs.RowResult:
    """One technician of a run: the payouts of all that is due to them now."""
    organisation = db.session.get_one(Organisation, run.organisation_id)
    assert row.subject_id is not None  # noqa: S101 - start_run writes it
    made, waiting = creation.create_due_for(
        organisation_id=run.organisation_id,
        payee_id=row.subject_id,
        home_currency=organisation.currency,
        actor=actor,
        now=now,
        run_id=run.id,
    )
    return _result(made, waiting)


def release_row(run: Run, row: RunRow, actor: Actor, now: datetime) -> runs.RowResult:
    """One technician of a run: a payout of all whose day has come."""
    assert row.subject_id is not None  # noqa: S101 - start_release writes it
    made, waiting = retaining.release_for(
        organisation_id=run.organisation_id, payee_id=row.subject_id, actor=actor, now=now, run_id=run.id
    )
    return _result(made, waiting)


def _result(made: Sequence[Payout], waiting: str) -> runs.RowResult:
    if not made:
        return runs.RowResult(RowOutcome.SKIPPED, waiting)
    said = ", ".join(f"{p.reference} over {say_money(Money(p.amount_minor, p.currency))}" for p in made)
    return runs.RowResult(RowOutcome.DONE, f"Created {said}. {waiting}".strip())


def create_daily(organisation_id: int, due_at: datetime, now: datetime) -> None:
    """The scheduler's task: start a run unless the organisation creates by hand only."""
    with transaction():
        if settings_of(organisation_id).is_automatic:
            start_run(organisation_id=organisation_id, actor=SCHEDULER, now=now)
            start_release(organisation_id=organisation_id, actor=SCHEDULER, now=now)


def register() -> None:
    """Tell the engine what this program does; once, at start-up."""
    runs.register_handler(KIND, create_row)
    runs.register_handler(RELEASE, release_row)
    tasks.register_task(TASK, create_daily, cron=DAILY, per_organisation=True, program=creation.PROGRAM)
    payouts.register_subscriber(creation.PROGRAM, InstallationsSubscriber())


# Importing this module is enough, as with the handlers of the rooms below.
register()
