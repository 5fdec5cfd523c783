"""Weekly runs as people see them: asked for and handed to a worker, how far they are, what is left."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, cast

from sqlalchemy import Select, exists, func, or_, select

from webapp import queue
from webapp.database import ask, db
from webapp.kernel.actor import WORKER, Actor
from webapp.kernel.errors import Conflict, Invalid, NotFound
from webapp.outbox import service as outbox
from webapp.outbox.models import OutboxMessage
from webapp.people.models import Payee
from webapp.programs.repairs import trail, weekly
from webapp.programs.repairs.books import Receipt, WeeklyProblem, WeeklyRun
from webapp.programs.repairs.models import DriverLease, Instalment
from webapp.programs.repairs.rules import WEEK, Week

#: What a worker is handed; its row is the run's.
KIND = "repairs.week"
STEPS = {
    "charge": "Charging the instalments",
    "trips": "Booking the trips",
    "receipt": "Making the receipt",
}


@dataclass(frozen=True)
class Progress:
    """How far a run is. Receipts are those of the week before; `expected` is how many leases ran in it."""

    is_working: bool
    is_finished: bool
    posted: int
    receipts: int
    payouts: int
    expected: int
    problems: int


def list_runs(organisation_id: int) -> Select[Any]:
    """(id, week_start, posted, receipts, payouts, problems, started_at, finished_at) of runs, to be paged by id."""
    found = cast(Select[Any], select(
        WeeklyRun.id, WeeklyRun.week_start, WeeklyRun.posted, WeeklyRun.receipts, WeeklyRun.payouts,
        WeeklyRun.problems, WeeklyRun.started_at, WeeklyRun.finished_at,
    ).where(WeeklyRun.organisation_id == organisation_id))  # fmt: skip
    return found


def get_run(organisation_id: int, day: date) -> WeeklyRun:
    """The run of the week that begins on a day. Raises NotFound."""
    found = db.session.scalar(
        select(WeeklyRun).where(WeeklyRun.organisation_id == organisation_id, WeeklyRun.week_start == day)
    )
    if found is None:
        raise NotFound("There is no run of this week.")
    return found


def last_week(organisation_id: int) -> date | None:
    """The first day of the newest week that has a run."""
    return db.session.scalar(
        select(func.max(WeeklyRun.week_start)).where(WeeklyRun.organisation_id == organisation_id)
    )


def next_week(organisation_id: int, now: datetime) -> date:
    """The week whose run is to be started next: the one after the newest run, not beyond the week that has begun."""
    this, last = trail.this_week(organisation_id, now).start, last_week(organisation_id)
    return this if last is None else min(this, last + WEEK)


def check_week(organisation_id: int, day: date, now: datetime) -> None:
    """Whether the run of a week may be started.

    Raises Invalid for a day on which no week begins or that has not come, Conflict when an earlier week comes first:
    a week that is left out would get no receipts.
    """
    this = trail.this_week(organisation_id, now).start
    if day.weekday() != this.weekday():
        raise Invalid("week", "No week begins on this day.", this.isoformat())
    if day > this:
        raise Invalid("week", "This week has not begun.", this.isoformat())
    last = last_week(organisation_id)
    if last is not None and day > last + WEEK:
        raise Conflict(f"The run of the week of {(last + WEEK).isoformat()} comes first.")


def ask_for_run(*, organisation_id: int, day: date, actor: Actor, now: datetime) -> bool:
    """Hand the run of a week to a worker; False when one is at it already. Raises what `check_week` raises.

    Asking again for a run that is finished has it do what is left.
    """
    check_week(organisation_id, day, now)
    run_id = weekly.begin(organisation_id, Week(day), now)
    if is_working(run_id):
        return False
    asked = int(
        db.session.scalar(
            select(func.count()).where(OutboxMessage.kind == KIND, OutboxMessage.reference_id == run_id)
        )
        or 0
    )
    # Two who press at the same moment have the same key, so one of them asks.
    is_new = outbox.add(
        kind=KIND,
        reference_id=run_id,
        dedupe_key=f"{KIND}:{run_id}:{asked + 1}",
        to_queue=queue.BULK,
        organisation_id=organisation_id,
        now=now,
    )
    if is_new:
        run = db.session.get_one(WeeklyRun, run_id)
        trail.record("weekly_run", "asked", run, f"Week of {day.isoformat()}", actor, now)
    return is_new


def is_working(run_id: int) -> bool:
    """Whether a worker has the run, or is about to."""
    waiting = select(OutboxMessage.id).where(
        OutboxMessage.kind == KIND, OutboxMessage.reference_id == run_id, outbox.is_open()
    )
    return bool(db.session.scalar(select(exists(waiting))))


def work(*, run_id: int, now: datetime) -> None:
    """What a worker does: the run of a week, in its own transactions."""
    found = ask(select(WeeklyRun.organisation_id, WeeklyRun.week_start).where(WeeklyRun.id == run_id))
    db.session.rollback()
    organisation_id, day = found[0]
    weekly.run_week(organisation_id=organisation_id, day=day, actor=WORKER, now=now)


def progress_of(run: WeeklyRun) -> Progress:
    """Counted from the records, so that it is right while the run is at work; four questions."""
    here, before = run.organisation_id, Week(run.week_start).following(-1)
    posted = ask(
        select(func.count()).where(
            Instalment.organisation_id == here, Instalment.posted_for == run.week_start
        )
    )[0][0]
    receipts, payouts = ask(
        select(func.count(), func.count(Receipt.payout_id)).where(
            Receipt.organisation_id == here, Receipt.week_start == before.start, Receipt.revision == 1
        )
    )[0]
    leased, problems = ask(
        select(
            select(func.count())
            .where(
                DriverLease.organisation_id == here,
                DriverLease.starts_on <= before.end,
                or_(DriverLease.ends_on.is_(None), DriverLease.ends_on >= before.start),
            )
            .scalar_subquery(),
            select(func.count()).where(WeeklyProblem.run_id == run.id).scalar_subquery(),
        )
    )[0]
    working = is_working(run.id)
    return Progress(
        working,
        run.finished_at is not None and not working,
        int(posted),
        int(receipts),
        int(payouts),
        max(int(leased), int(receipts)),
        int(problems),
    )


def list_problems(run_id: int) -> Select[Any]:
    """(id, step, message, happened_at, reference, name) of what a run could not do, driver by driver."""
    found = cast(Select[Any], (
        select(
            WeeklyProblem.id, WeeklyProblem.step, WeeklyProblem.message, WeeklyProblem.happened_at, Payee.reference,
            Payee.name,
        )
        .join(Payee, Payee.id == WeeklyProblem.payee_id)
        .where(WeeklyProblem.run_id == run_id)
    ))  # fmt: skip
    return found
