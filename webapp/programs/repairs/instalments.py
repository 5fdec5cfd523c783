"""Instalments become debts: those due for many drivers at once, or those that a person chose; each one once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Date,
    String,
    case,
    cast,
    insert,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.orm import aliased

from webapp.database import UtcDateTime, among, ask, db
from webapp.kernel.actor import Actor
from webapp.kernel.errors import Conflict, NotFound
from webapp.kernel.ids import digest
from webapp.people.models import Payee
from webapp.programs.repairs import entries, settings, trail
from webapp.programs.repairs.books import Charge
from webapp.programs.repairs.models import Instalment, Repair
from webapp.programs.repairs.rules import Week, week_of
from webapp.programs.repairs.states import Category, InstalmentState, RepairState

SCHEDULED = InstalmentState.SCHEDULED.value
#: Ids of one statement: SQLite takes 32,766 values.
CHUNK = 10_000


@dataclass(frozen=True)
class PostResult:
    """What became of one instalment that a person chose to charge."""

    reference: str
    is_posted: bool
    message: str


def _rows() -> Any:
    columns = (
        Instalment.id,
        Instalment.reference,
        Instalment.payee_id,
        Instalment.repair_id,
        Instalment.loan_id,
        Instalment.number,
        Instalment.week_start,
        Instalment.currency,
        Instalment.amount_minor,
        Instalment.interest_minor,
        Instalment.state,
        Repair.state.label("repair_state"),
        Repair.lease_id,
    )
    return select(*columns).outerjoin(Repair, Repair.id == Instalment.repair_id)


def _due(organisation_id: int, day: date) -> tuple[Any, ...]:
    return (
        Instalment.organisation_id == organisation_id,
        Instalment.state == SCHEDULED,
        Instalment.week_start <= day,
        or_(Instalment.loan_id.is_not(None), Repair.state == RepairState.OPEN.value),
    )


def drivers_due(organisation_id: int, day: date, after: int = 0, limit: int = 500) -> Sequence[int]:
    """Drivers with instalments whose week has begun, by id after one of them."""
    # Driver by driver along their own index: what is scheduled for later is not looked at.
    is_due = (
        select(Instalment.id)
        .outerjoin(Repair, Repair.id == Instalment.repair_id)
        .where(*_due(organisation_id, day), Instalment.payee_id == Payee.id)
        .exists()
    )
    return db.session.scalars(
        select(Payee.id)
        .where(Payee.organisation_id == organisation_id, Payee.id > after, is_due)
        .order_by(Payee.id)
        .limit(limit)
    ).all()


def post_due(
    *, organisation_id: int, payee_ids: Sequence[int], day: date, actor: Actor, now: datetime
) -> int:
    """Charge what is due of drivers on a day; returns how many instalments were charged.

    Of a plan whose weeks were missed one instalment a week, unless the settings say all at once; what was charged
    for the week already is not charged again. Raises NotFound, Conflict (then nothing is charged).
    """
    payees = trail.lock_drivers(organisation_id, payee_ids)
    week = week_of(day, trail.organisation(organisation_id).week_start)
    query = _rows().where(*_due(organisation_id, day), among(Instalment.payee_id, list(payees)))
    is_one_a_week = settings.settings_of(organisation_id).is_one_a_week
    if is_one_a_week:
        query = query.where(~_is_charged_in(week))
    found = query.order_by(Instalment.week_start, Instalment.number, Instalment.id)
    rows: Sequence[Any] = ask(found)
    if is_one_a_week:
        # The first of each plan.
        rows = list({(row.repair_id, row.loan_id): row for row in reversed(rows)}.values())[::-1]
    return _post(organisation_id, rows, payees, week.start, actor, now)


def _is_charged_in(week: Week) -> ColumnElement[bool]:
    """That one of an instalment's plan was charged in a week."""
    other = aliased(Instalment)
    of_plan = [
        select(other.id).where(column == mine, other.posted_for == week.start).exists()
        for column, mine in ((other.repair_id, Instalment.repair_id), (other.loan_id, Instalment.loan_id))
    ]
    return or_(*of_plan)


def _post(
    organisation_id: int,
    rows: Sequence[Any],
    payees: dict[int, Payee],
    on: date,
    actor: Actor,
    now: datetime,
) -> int:
    """Charge instalments of locked drivers by a few statements; the trail gets one event with a digest."""
    if not rows:
        return 0
    db.session.flush()
    week = week_of(on, trail.organisation(organisation_id).week_start)
    ids = [row.id for row in rows]
    for start in range(0, len(ids), CHUNK):
        _charge(ids[start : start + CHUNK], on, week, actor, now)
    _forget(set(ids))
    names = {key: payee.name for key, payee in payees.items()}
    drafts = [
        entries.instalment_charged(
            row.id, _category(row), payees[row.payee_id], row.currency, row.amount_minor, row.interest_minor, on,
            f"{names[row.payee_id]}: {row.reference}",
        )
        for row in rows
    ]  # fmt: skip
    entries.post(organisation_id, drafts, actor, now)
    changes = {
        "instalments": [None, len(rows)],
        "digest": [None, digest([[row.reference, row.amount_minor] for row in rows])],
    }
    label = rows[0].reference if len(rows) == 1 else f"{len(rows)} instalments"
    trail.record_many("instalment", "posted", organisation_id, label, actor, now, changes)
    return len(rows)


def _charge(ids: Sequence[int], on: date, week: Week, actor: Actor, now: datetime) -> None:
    """The charges of instalments that are scheduled, and their new state; the rows stay in the database."""
    chosen = (among(Instalment.id, ids), Instalment.state == SCHEDULED)
    kind = case((Instalment.loan_id.is_not(None), "Loan "), else_="Repair ")
    category = case((Instalment.loan_id.is_not(None), Category.LOANS.value), else_=Category.REPAIRS.value)
    values: dict[str, Any] = {
        "organisation_id": Instalment.organisation_id,
        "payee_id": Instalment.payee_id,
        "lease_id": Repair.lease_id,
        "instalment_id": Instalment.id,
        "category": category,
        "description": kind.concat(Instalment.reference),
        "currency": Instalment.currency,
        "amount_minor": Instalment.amount_minor,
        "paid_minor": literal(0),
        "credited_minor": literal(0),
        "charged_on": literal(on, Date()),
        "week_start": literal(week.start, Date()),
        "idempotency_key": literal("instalment:").concat(cast(Instalment.id, String)),
        "created_by_id": literal(actor.user_id, BigInteger()),
        "created_by_label": literal(actor.label[:254]),
        "created_at": literal(now, UtcDateTime()),
    }
    found = (
        select(*values.values())
        .outerjoin(Repair, Repair.id == Instalment.repair_id)
        .where(*chosen)
        .order_by(Instalment.week_start, Instalment.number, Instalment.id)
    )
    db.session.execute(insert(Charge).from_select(list(values), found, include_defaults=False))
    db.session.execute(
        update(Instalment)
        .where(*chosen)
        .values(state=InstalmentState.POSTED.value, posted_for=week.start, posted_at=now)
        .execution_options(synchronize_session=False)
    )


def _forget(ids: set[int]) -> None:
    """What the session has loaded of them is read again when it is looked at."""
    session = db.session()
    for row in list(session.identity_map.values()):
        if isinstance(row, Instalment) and row.id in ids:
            session.expire(row)


def _category(row: Any) -> str:
    return (Category.LOANS if row.loan_id else Category.REPAIRS).value


def post_chosen(
    *, organisation_id: int, references: Sequence[str], actor: Actor, now: datetime
) -> list[PostResult]:
    """Charge the instalments that a person chose, each with its own answer; the good ones are charged.

    Their week must have begun and their repair be open; weeks that were missed may be charged all at once here.
    """
    wanted = list(dict.fromkeys(references))
    by_driver = (
        select(Instalment.payee_id)
        .where(Instalment.organisation_id == organisation_id, Instalment.reference.in_(wanted))
        .distinct()
    )
    payees = trail.lock_drivers(organisation_id, db.session.scalars(by_driver).all())
    query = _rows().where(Instalment.organisation_id == organisation_id, Instalment.reference.in_(wanted))
    found = {row.reference: row for row in db.session.execute(query).all()}
    today = trail.today(organisation_id, now)
    results = []
    good = []
    for reference in wanted:
        row = found.get(reference)
        why = "There is no such instalment." if row is None else why_not(row, today)
        if row is not None and not why:
            good.append(row)
        results.append(PostResult(reference, not why, why or f"{reference} is charged."))
    _post(organisation_id, good, payees, today, actor, now)
    return results


def why_not(row: Any, today: date) -> str:
    """Why an instalment (its columns, and `repair_state`) cannot be charged on a day; empty when it can."""
    state = InstalmentState(row.state)
    if state is not InstalmentState.SCHEDULED:
        return f"{row.reference} is {state.label.lower()} already."
    if row.repair_id is not None and row.repair_state != RepairState.OPEN:
        return f"Its repair is {RepairState(row.repair_state).label.lower()}; {row.reference} is not charged."
    if row.week_start > today:
        return f"Its week begins on {row.week_start.isoformat()}; {row.reference} is not charged before."
    return ""


def post_instalment(*, organisation_id: int, reference: str, actor: Actor, now: datetime) -> PostResult:
    """Charge one instalment. Raises NotFound, or Conflict that says why it cannot be charged."""
    known = db.session.scalar(
        select(Instalment.id).where(
            Instalment.organisation_id == organisation_id, Instalment.reference == reference
        )
    )
    if known is None:
        raise NotFound("There is no such instalment.")
    result = post_chosen(organisation_id=organisation_id, references=[reference], actor=actor, now=now)[0]
    if not result.is_posted:
        raise Conflict(result.message)
    return result
