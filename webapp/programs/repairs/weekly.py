"""The run of a week: what is due is charged, what was not paid comes back, the week before gets its receipts.

Every step works through the drivers in batches, each in a transaction of its own, and takes only what is not done yet:
a run that was stopped, or is done by two schedulers at once, goes on where it is. Figures are counted from the records.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime

import structlog
from sqlalchemy import delete, func, select

from webapp.database import db, insert_ignoring_conflict, lock_row, transaction
from webapp.kernel.actor import SCHEDULER, Actor
from webapp.kernel.clock import local_date
from webapp.kernel.errors import PaydeskError
from webapp.programs.repairs import (
    instalments,
    metering,
    paying,
    receipt_document,
    receipts,
    trail,
    trips,
)
from webapp.programs.repairs.books import Receipt, WeeklyProblem, WeeklyRun
from webapp.programs.repairs.models import Instalment
from webapp.programs.repairs.rules import Week

log = structlog.get_logger()

#: Drivers of one transaction: charging is a few statements for all of them, a receipt may make a payout.
POST_BATCH, RECEIPT_BATCH = 2_000, 200


def run_due(organisation_id: int, due_at: datetime, now: datetime) -> None:
    """The scheduler's task, every day at five: does the week's work on the day that a week begins.

    A day that was missed comes with its own `due_at`, so weeks are caught up one by one and in their order.
    """
    with transaction():
        organisation = trail.organisation(organisation_id)
        day, week_start = local_date(due_at, organisation.timezone), organisation.week_start
    if day.weekday() == week_start:
        run_week(organisation_id=organisation_id, day=day, actor=SCHEDULER, now=now)


def run_week(*, organisation_id: int, day: date, actor: Actor, now: datetime) -> WeeklyRun:
    """Do the work of the week that begins on a day; opens its own transactions. Doing it again does what is left.

    A driver for whom a step is refused is listed with the reason; the others go on.
    """
    week = Week(day)
    with transaction():
        run_id = begin(organisation_id, week, now)
    _by_batches(
        run_id,
        "charge",
        lambda after: instalments.drivers_due(organisation_id, day, after, POST_BATCH),
        lambda ids: instalments.post_due(
            organisation_id=organisation_id, payee_ids=ids, day=day, actor=actor, now=now
        ),
        now,
    )
    _take_back(organisation_id, actor, now)
    before = week.following(-1)
    _by_batches(
        run_id,
        "trips",
        lambda after: trips.drivers_with_unbooked(organisation_id, before.end, after, RECEIPT_BATCH),
        lambda ids: metering.book_trips(
            organisation_id=organisation_id, payee_ids=ids, until=before.end, actor=actor, now=now
        ),
        now,
    )
    _by_batches(
        run_id,
        "receipt",
        lambda after: receipts.drivers_with_leases(organisation_id, before, after, RECEIPT_BATCH),
        lambda ids: receipts.make_receipts(
            organisation_id=organisation_id, payee_ids=ids, week=before, actor=actor, now=now
        ),
        now,
    )
    with transaction():
        return _end(run_id, week, before, actor, now)


def begin(organisation_id: int, week: Week, now: datetime) -> int:
    """The id of the week's run, which is opened where there is none."""
    values = {
        "organisation_id": organisation_id,
        "week_start": week.start,
        "posted": 0,
        "receipts": 0,
        "payouts": 0,
        "problems": 0,
        "started_at": now,
    }
    insert_ignoring_conflict(db.session(), WeeklyRun, values)
    run = db.session.scalars(
        select(WeeklyRun).where(
            WeeklyRun.organisation_id == organisation_id, WeeklyRun.week_start == week.start
        )
    ).one()
    return run.id


def _by_batches(
    run_id: int,
    step: str,
    find: Callable[[int], Sequence[int]],
    work: Callable[[Sequence[int]], object],
    now: datetime,
) -> None:
    """Work through the drivers by their ids; a batch that is refused is worked on driver by driver."""
    after = 0
    while True:
        with transaction():
            ids = find(after)
        if not ids:
            return
        after = ids[-1]
        try:
            with transaction():
                work(ids)
                _solved(run_id, step, ids)
        except PaydeskError:
            for payee_id in ids:
                _alone(run_id, step, payee_id, work, now)


def _alone(
    run_id: int, step: str, payee_id: int, work: Callable[[Sequence[int]], object], now: datetime
) -> None:
    try:
        with transaction():
            work([payee_id])
            _solved(run_id, step, [payee_id])
    except PaydeskError as refused:
        log.warning(
            "repairs.weekly_problem", run_id=run_id, step=step, payee_id=payee_id, why=refused.message
        )
        with transaction():
            values = {
                "run_id": run_id,
                "payee_id": payee_id,
                "step": step,
                "message": refused.message[:2000],
                "happened_at": now,
            }
            insert_ignoring_conflict(db.session(), WeeklyProblem, values)


def _solved(run_id: int, step: str, payee_ids: Sequence[int]) -> None:
    db.session.execute(
        delete(WeeklyProblem).where(
            WeeklyProblem.run_id == run_id,
            WeeklyProblem.step == step,
            WeeklyProblem.payee_id.in_(list(payee_ids)),
        )
    )


def _take_back(organisation_id: int, actor: Actor, now: datetime) -> None:
    """Payouts that failed or came back end here; one that is looked into by people stays as it is."""
    with transaction():
        references = paying.to_take_back(organisation_id)
    for reference in references:
        try:
            with transaction():
                paying.take_back(organisation_id=organisation_id, reference=reference, actor=actor, now=now)
        except PaydeskError as refused:
            log.info("repairs.payout_stays", reference=reference, why=refused.message)


def _end(run_id: int, week: Week, before: Week, actor: Actor, now: datetime) -> WeeklyRun:
    run = lock_row(WeeklyRun, WeeklyRun.id == run_id)
    issued = (
        Receipt.organisation_id == run.organisation_id,
        Receipt.week_start == before.start,
        Receipt.revision == 1,
    )
    figures = {
        "posted": _count(
            select(func.count()).where(
                Instalment.organisation_id == run.organisation_id, Instalment.posted_for == week.start
            )
        ),
        "receipts": _count(select(func.count()).where(*issued)),
        "payouts": _count(select(func.count()).where(*issued, Receipt.payout_id.is_not(None))),
        "problems": _count(select(func.count()).where(WeeklyProblem.run_id == run.id)),
    }
    changes = trail.apply(run, figures)
    is_first = run.finished_at is None
    run.finished_at = run.finished_at or now
    db.session.flush()
    if is_first or changes:
        receipt_document.ask_for_run(run, now)
        trail.record("weekly_run", "finished", run, f"Week of {week.start.isoformat()}", actor, now, changes)
    return run


def _count(query: object) -> int:
    return int(db.session.scalar(query) or 0)  # type: ignore[call-overload]
