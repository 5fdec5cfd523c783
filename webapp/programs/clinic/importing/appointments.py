"""Appointments with their practitioners from a file."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import selectinload

from webapp.database import db
from webapp.imports import naming, values
from webapp.imports.cells import Cells, Neutral, same
from webapp.imports.columns import Mapped, Row
from webapp.imports.rows import ReferenceImport
from webapp.kernel.actor import Actor
from webapp.kernel.errors import Conflict, Invalid
from webapp.people.models import Organisation
from webapp.programs.clinic import customers
from webapp.programs.clinic.drafts import AppointmentDraft, Share
from webapp.programs.clinic.importing import found
from webapp.programs.clinic.models import Appointment

_NEUTRAL: Neutral[AppointmentDraft] = {"category": same(category=""), "practitioners": same(practitioners=())}
_NOON, _NO_DAY = time(12), date(1900, 1, 1)
#: Weights are whole numbers; per cents with up to four decimals become such.
_SCALE = 10_000


class AppointmentImport(ReferenceImport):
    """An appointment that is there changes until somebody is paid for it."""

    stored: dict[str, Appointment]

    def __init__(self, organisation: Organisation, mapped: Mapped, actor: Actor, now: datetime) -> None:
        super().__init__(organisation, mapped, actor, now)
        self.customers = found.customers(organisation.id)
        self.practitioners = found.practitioners(organisation.id)
        self.zone = ZoneInfo(organisation.timezone)

    def prepare(self, rows: Sequence[Row]) -> None:
        """The stored appointments that these rows are about, with their practitioners."""
        query = (
            select(Appointment)
            .where(
                Appointment.organisation_id == self.organisation.id,
                Appointment.external_ref.in_(self.wanted(rows)),
            )
            .options(selectinload(Appointment.practitioners))
        )
        self.stored = {row.external_ref or "": row for row in db.session.scalars(query)}

    def store(self, row: Row, cells: Cells) -> str:
        """Store one row. Raises PaydeskError."""
        draft = self.look(row, cells)
        cells.finish()
        existing = self.stored.get(row["external_ref"])
        if existing is None:
            customers.create_appointment(
                organisation_id=self.organisation.id, draft=draft, actor=self.actor, now=self.now
            )
            return "created"
        if _said(draft) == _stored(existing):
            return "unchanged"
        try:
            customers.change_appointment(
                organisation_id=self.organisation.id, reference=existing.reference, draft=draft,
                actor=self.actor, now=self.now,
            )  # fmt: skip
        except Conflict as error:
            raise Conflict(f"{error.message} It is not as this row says.") from None
        return "updated"

    def look(self, row: Row, cells: Cells) -> AppointmentDraft:
        """The appointment that a row describes; columns that the file lacks keep what is stored."""
        reference = self.reference(row, cells, "A-1")
        existing = self.stored.get(reference)
        customer = cells.read(0, naming.one, self.customers, "customer", row["customer"], "customer", "C-1")
        shares: tuple[Share, ...] = ()
        if existing is not None and not self.mapped.has("practitioners"):
            shares = tuple(Share(p.payee_id, p.weight, p.is_primary) for p in existing.practitioners)
        else:
            shares = cells.read(shares, self._shares, row, cells)
        is_kept = existing is not None and not self.mapped.has("category")
        draft = AppointmentDraft(
            customer_id=customer,
            starts_at=self._starts_at(row, existing, cells),
            practitioners=shares,
            category=existing.category if existing is not None and is_kept else row["category"],
            external_ref=reference,
        )
        cells.examine(draft, AppointmentDraft.check, _NEUTRAL)
        return draft

    def _starts_at(self, row: Row, existing: Appointment | None, cells: Cells) -> datetime:
        """The instant, from the day and the hour on the clinic's clock."""
        day = cells.read(None, values.parse_day, "day", row["day"])
        if day is None:
            cells.add(Invalid("day", "There is no day.", "2026-11-10"))
            day = _NO_DAY
        if not row["time"] and existing is not None:
            at = existing.starts_at.astimezone(self.zone).time()
        else:
            at = cells.read(_NOON, _hour, row["time"])
        return datetime.combine(day, at, self.zone).astimezone(UTC)

    def _shares(self, row: Row, cells: Cells) -> tuple[Share, ...]:
        """Who works there, the first as the primary practitioner, with their weights. Raises Invalid."""
        example = "PR-1; PR-2"
        ids = [
            naming.one(self.practitioners, "practitioners", part, "practitioner", example)
            for part in naming.parts(row["practitioners"])
        ]
        weights = cells.read([1] * len(ids), _weights, row["weights"], len(ids))
        pairs = enumerate(zip(ids, weights, strict=True))
        return tuple(Share(ident, weight, n == 0) for n, (ident, weight) in pairs)


def _said(draft: AppointmentDraft) -> tuple[object, ...]:
    shares = {(share.payee_id, share.weight, share.is_primary) for share in draft.shares}
    return draft.customer_id, draft.starts_at, " ".join(draft.category.split()), shares


def _stored(row: Appointment) -> tuple[object, ...]:
    shares = {(each.payee_id, each.weight, each.is_primary) for each in row.practitioners}
    return row.customer_id, row.starts_at, row.category, shares


def _hour(text: str) -> time:
    """ "9:30" or "09:30:00"; noon for an empty cell. Raises Invalid."""
    if not text:
        return _NOON
    for form in ("%H:%M", "%H:%M:%S", "%I:%M %p"):
        try:
            return datetime.strptime(text, form).time()
        except ValueError:
            continue
    raise Invalid("time", f"{text[:40]!r} is not an hour of the day.", "09:30")


def _weights(text: str, count: int) -> list[int]:
    """Whole weights, of whole numbers or per cents; equal ones for an empty cell. Raises Invalid."""
    texts = naming.parts(text)
    if not texts:
        return [1] * count
    if len(texts) != count:
        raise Invalid("weights", f"There are {count} practitioners and {len(texts)} weights.", "60; 40")
    numbers = [naming.number("weights", part.rstrip("% "), "60; 40") for part in texts]
    if any(not 0 < each <= 10**6 or each * _SCALE != int(each * _SCALE) for each in numbers):
        raise Invalid("weights", "A weight is above zero and has at most four decimals.", "60; 40")
    scale = 1 if all(each == int(each) for each in numbers) else Decimal(_SCALE)
    return [int(each * scale) for each in numbers]
