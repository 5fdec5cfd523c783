"""What every change of this program's records has in common: its word in the trail, its day, the driver's lock."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from typing import Any

from sqlalchemy import select

from webapp.audit import service as audit
from webapp.database import db
from webapp.kernel.actor import Actor
from webapp.kernel.clock import local_date
from webapp.kernel.errors import Invalid, NotFound, StaleVersion
from webapp.people.models import Organisation, Payee, Role
from webapp.programs.repairs.rules import Week, week_of


def record(
    subject: str,
    action: str,
    row: Any,
    label: str,
    actor: Actor,
    now: datetime,
    changes: dict[str, Any] | None = None,
    note: str = "",
) -> None:
    """Write what was done to a record of this program into the trail."""
    record_many(
        subject, action, row.organisation_id, label, actor, now, changes, note, getattr(row, "id", None)
    )


def record_many(
    subject: str,
    action: str,
    organisation_id: int,
    label: str,
    actor: Actor,
    now: datetime,
    changes: dict[str, Any] | None = None,
    note: str = "",
    subject_id: int | None = None,
) -> None:
    """The same for many records at once, which `changes` hold a digest of."""
    audit.record(
        tag=f"repairs:{subject}:{action}",
        actor=actor,
        now=now,
        organisation_id=organisation_id,
        subject_type=f"repairs_{subject}",
        subject_id=subject_id,
        subject_label=label,
        changes=changes or {},
        note=note,
    )


def check_version(row: Any, label: str, expected: int | None) -> None:
    """Refuse when the person saw an older version than there is. Raises StaleVersion."""
    if expected is not None and row.version != expected:
        raise StaleVersion(f"{label} changed since you opened this page. Look at it again; nothing was done.")


def need_reason(reason: str, example: str) -> str:
    """A reason that people read later. Raises Invalid."""
    said = " ".join(reason.split())
    if not said or len(said) > 2000:
        raise Invalid("reason", "Give a reason of at most 2,000 characters.", example)
    return said


def organisation(organisation_id: int) -> Organisation:
    """The organisation, whose time zone and first day of the week count."""
    return db.session.get_one(Organisation, organisation_id)


def today(organisation_id: int, now: datetime) -> date:
    """The organisation's calendar day."""
    return local_date(now, organisation(organisation_id).timezone)


def this_week(organisation_id: int, now: datetime) -> Week:
    """The week that today lies in."""
    return week_of(today(organisation_id, now), organisation(organisation_id).week_start)


def check_day(field: str, day: date, organisation_id: int, now: datetime) -> None:
    """A day may lie in this week, but not beyond it. Raises Invalid."""
    last = this_week(organisation_id, now).end
    if day > last:
        raise Invalid(field, "This day lies beyond the present week.", last.isoformat())


def get_driver(organisation_id: int, payee_id: int) -> Payee:
    """A driver of the organisation. Raises NotFound."""
    found = db.session.scalar(
        select(Payee).where(
            Payee.organisation_id == organisation_id,
            Payee.id == payee_id,
            Payee.kind == Role.DRIVER.value,
        )
    )
    if found is None:
        raise NotFound("There is no such driver.")
    return found


def lock_drivers(organisation_id: int, payee_ids: Iterable[int]) -> dict[int, Payee]:
    """Lock drivers, by whose rows all work on their money waits for one another; in the order of their ids.

    Raises NotFound when one of them is none of the organisation's.
    """
    wanted = sorted(set(payee_ids))
    rows = db.session.scalars(
        select(Payee)
        .where(
            Payee.organisation_id == organisation_id,
            Payee.id.in_(wanted),
            Payee.kind == Role.DRIVER.value,
        )
        .order_by(Payee.id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    ).all()
    if len(rows) != len(wanted):
        raise NotFound("There is no such driver.")
    return {row.id: row for row in rows}


def apply(row: Any, values: dict[str, Any]) -> dict[str, Any]:
    """Set what differs; returns it as [before, after] for the trail."""
    changes: dict[str, Any] = {}
    for name, value in values.items():
        before = getattr(row, name)
        if before != value:
            changes[name] = [_said(before), _said(value)]
            setattr(row, name, value)
    return changes


def _said(value: Any) -> Any:
    return value if value is None or isinstance(value, int | str | bool | list | dict) else str(value)
