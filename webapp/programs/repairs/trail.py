"""What every change of this program's records has in common: its word in the trail, its day, its number."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy.exc import IntegrityError

from webapp.audit import service as audit
from webapp.database import db
from webapp.kernel.actor import Actor
from webapp.kernel.clock import local_date
from webapp.kernel.errors import Invalid, StaleVersion
from webapp.people.models import Organisation


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
    audit.record(
        tag=f"repairs:{subject}:{action}",
        actor=actor,
        now=now,
        organisation_id=row.organisation_id,
        subject_type=f"repairs_{subject}",
        subject_id=getattr(row, "id", None),
        subject_label=label,
        changes=changes or {},
        note=note,
    )


def store_new(row: Any, external_ref: str | None, what: str) -> None:
    """Store a row whose outside name must be new. Raises Invalid."""
    try:
        with db.session.begin_nested():
            db.session.add(row)
    except IntegrityError as error:
        if external_ref is None:
            raise
        raise Invalid("external_ref", f"There is {what} {external_ref!r} already.") from error


def check_version(row: Any, label: str, expected: int | None) -> None:
    """Refuse when the person saw an older version than there is. Raises StaleVersion."""
    if expected is not None and row.version != expected:
        raise StaleVersion(f"{label} changed since you opened this page. Look at it again; nothing was done.")


def today(organisation_id: int, now: datetime) -> date:
    """The organisation's calendar day."""
    return local_date(now, db.session.get_one(Organisation, organisation_id).timezone)


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
    return value if value is None or isinstance(value, int | str | bool | list) else str(value)
