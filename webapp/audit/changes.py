"""What every change of a record has in common: that nobody else was quicker, and its word in the trail."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy.exc import IntegrityError

from webapp.audit import service as audit
from webapp.database import db
from webapp.kernel.actor import Actor
from webapp.kernel.errors import Invalid, StaleVersion


def check_version(row: Any, label: str, expected: int | None) -> None:
    """Refuse when the person saw an older version than there is. Raises StaleVersion."""
    if expected is not None and row.version != expected:
        raise StaleVersion(f"{label} changed since you opened this page. Look at it again; nothing was done.")


def apply(row: Any, values: dict[str, Any]) -> dict[str, Any]:
    """Set what differs; returns it as [before, after] for the trail."""
    changes: dict[str, Any] = {}
    for name, value in values.items():
        before = getattr(row, name)
        if before != value:
            changes[name] = [plain(before), plain(value)]
            setattr(row, name, value)
    return changes


def plain(value: Any) -> Any:
    """A value as the trail keeps it: as JSON has it, else as text."""
    return value if value is None or isinstance(value, int | str | bool | list | dict) else str(value)


class Trail:
    """The trail of a program: its records are told apart by the program's word."""

    def __init__(self, program: str) -> None:
        self.program = program

    def record(
        self,
        subject: str,
        action: str,
        row: Any,
        label: str,
        actor: Actor,
        now: datetime,
        changes: dict[str, Any] | None = None,
        note: str = "",
    ) -> None:
        """Write what was done to a record into the trail."""
        row_id = getattr(row, "id", None)
        self.record_many(subject, action, row.organisation_id, label, actor, now, changes, note, row_id)

    def record_many(
        self,
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
            tag=f"{self.program}:{subject}:{action}",
            actor=actor,
            now=now,
            organisation_id=organisation_id,
            subject_type=f"{self.program}_{subject}",
            subject_id=subject_id,
            subject_label=label,
            changes=changes or {},
            note=note,
        )


def store_new(row: Any, external_ref: str | None, what: str) -> None:
    """Store a row whose outside name must be new ("a deal"). Raises Invalid."""
    try:
        with db.session.begin_nested():
            db.session.add(row)
    except IntegrityError as error:
        if external_ref is None:
            raise
        raise Invalid("external_ref", f"There is {what} {external_ref!r} already.") from error
