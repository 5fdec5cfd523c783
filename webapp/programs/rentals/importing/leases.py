"""Leases with their dated rents from a file."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

from sqlalchemy import select
from sqlalchemy.orm import selectinload

from webapp.database import db
from webapp.imports import naming, values
from webapp.imports.cells import Cells, Neutral, same
from webapp.imports.columns import Mapped, Row
from webapp.imports.payees import key_of_name
from webapp.imports.rows import ReferenceImport
from webapp.kernel.actor import Actor
from webapp.kernel.errors import Invalid
from webapp.kernel.money import Money
from webapp.people.models import Organisation
from webapp.programs.rentals import letting
from webapp.programs.rentals.drafts import LeaseDraft
from webapp.programs.rentals.importing import found
from webapp.programs.rentals.models import Lease, LeaseState, Property

_NEUTRAL: Neutral[LeaseDraft] = {
    "rent": same(rent_minor=1),
    "deposit": same(deposit_minor=0),
    "due_day": same(due_day=1),
    "end_on": same(end_on=None),
    "tenants": same(tenant_ids=(0,)),
}
_LATER = "2027-04-01: 27500.00"
_FIRST_DAY = date(1900, 1, 1)
# What of a lease that is there cannot be changed by a file, and what to do instead.
_FIXED = {
    "start_on": "begins on {}; the beginning of a lease cannot change.",
    "due_day": "is due on day {}; end it and enter a new one to change that.",
    "deposit": "has a deposit of {}; a file does not change it.",
    "unit": "is of {}; end it and enter a new one for another unit.",
    "tenants": "has other tenants; end it and enter a new one.",
}


class LeaseImport(ReferenceImport):
    """Applies rows one by one. A lease that is there gets later rents and its end; nothing else of it changes."""

    def __init__(self, organisation: Organisation, mapped: Mapped, actor: Actor, now: datetime) -> None:
        super().__init__(organisation, mapped, actor, now)
        self.properties = found.properties(organisation.id)
        self.units = found.units(organisation.id)
        self.tenants = found.tenants(organisation.id)
        self.currencies = dict(
            db.session.execute(
                select(Property.id, Property.currency).where(Property.organisation_id == organisation.id)
            ).all()
        )
        self.stored: dict[str, Lease] = {}

    def prepare(self, rows: Sequence[Row]) -> None:
        """The stored leases that these rows are about, with tenants and rents."""
        query = (
            select(Lease)
            .where(Lease.organisation_id == self.organisation.id, Lease.external_ref.in_(self.wanted(rows)))
            .options(selectinload(Lease.tenants), selectinload(Lease.unit))
        )
        self.stored = {row.external_ref or "": row for row in db.session.scalars(query)}

    def store(self, row: Row, cells: Cells) -> str:
        """Store one row. Raises PaydeskError."""
        draft, later = self.look(row, cells)
        cells.finish()
        existing = self.stored.get(row["external_ref"])
        lease = existing or letting.create_lease(
            organisation_id=self.organisation.id, draft=draft, actor=self.actor, now=self.now
        )
        changed = self._add_rents(lease, later)
        if existing is not None and draft.end_on is not None and existing.end_on != draft.end_on:
            letting.end_lease(
                organisation_id=self.organisation.id, reference=lease.reference, end_on=draft.end_on,
                actor=self.actor, now=self.now,
            )  # fmt: skip
            changed = True
        if existing is None:
            return "created"
        return "updated" if changed else "unchanged"

    def _add_rents(self, lease: Lease, later: list[tuple[date, int]]) -> bool:
        known = {rent.valid_from: rent.rent_minor for rent in lease.rents}
        new = [(month, minor) for month, minor in later if known.get(month) != minor]
        for month, minor in new:
            letting.change_rent(
                organisation_id=self.organisation.id, reference=lease.reference, rent_minor=minor,
                valid_from=month, actor=self.actor, now=self.now,
            )  # fmt: skip
        return bool(new)

    def look(self, row: Row, cells: Cells) -> tuple[LeaseDraft, list[tuple[date, int]]]:
        """The lease that a row describes, and its later rents."""
        reference = self.reference(row, cells, "L-1")
        existing = self.stored.get(reference)
        place = cells.read(0, naming.one, self.properties, "property", row["property"], "property", "H-1")
        unit = cells.read(0, self._unit, place, row["unit"]) if place else 0
        currency = self.currencies.get(place, self.organisation.currency)
        draft = self._draft(row, existing, unit, currency, cells)
        cells.examine(draft, LeaseDraft.check, _NEUTRAL)
        none: list[tuple[date, int]] = []
        later = cells.read(none, self._later, row["later_rents"], currency, draft)
        if existing is not None:
            self._compare(existing, draft, later, row, cells)
        return draft, later

    def _draft(self, row: Row, existing: Lease | None, unit: int, currency: str, cells: Cells) -> LeaseDraft:
        nobody: list[int] = []
        start = cells.read(None, values.parse_day, "start_on", row["start_on"])
        if start is None and existing is None:
            cells.add(Invalid("start_on", "There is no first day.", "2026-04-01"))
        tenants = cells.read(
            nobody, naming.several, self.tenants, "tenants", row["tenants"], "tenant", "T-1; T-2"
        )
        return LeaseDraft(
            unit_id=unit,
            currency=currency,
            rent_minor=cells.read(1, naming.amount, "rent", row["rent"], currency, "25000.00", 1),
            start_on=start or (existing.start_on if existing else _FIRST_DAY),
            due_day=cells.read(1, _due_day, row["due_day"], existing),
            end_on=cells.read(None, values.parse_day, "end_on", row["end_on"]),
            deposit_minor=cells.read(0, self._deposit, row, existing, currency),
            external_ref=row["external_ref"],
            tenant_ids=tuple(tenants) or (0,),
        )

    def _deposit(self, row: Row, existing: Lease | None, currency: str) -> int:
        if not row["deposit"]:
            return existing.deposit_minor if existing else 0
        return naming.amount("deposit", row["deposit"], currency, "50000.00")

    def _unit(self, place: int, said: str) -> int:
        if not said:
            raise Invalid("unit", "There is no unit.", "Flat 1A")
        ident = self.units.get((place, key_of_name(said)))
        if ident is None:
            raise Invalid(
                "unit", f"The property has no unit {said[:80]!r}. Bring its units in first.", "Flat 1A"
            )
        return ident

    def _later(self, text: str, currency: str, draft: LeaseDraft) -> list[tuple[date, int]]:
        """Rents from later months on: "2027-04-01: 27500; 2028-04-01: 30000". Raises Invalid."""
        rents: dict[date, int] = {}
        for part in (part.strip() for part in text.split(";") if part.strip()):
            day_text, _, rent_text = part.partition(":")
            try:
                day = values.plain_day("later_rents", day_text.strip(), self.mapped.reading.dates or "iso")
                month = values.parse_day("later_rents", day)
                decimal = self.mapped.reading.decimal
                number = (
                    values.plain_number("later_rents", rent_text.strip(), decimal) if decimal else rent_text
                )
            except Invalid as error:
                raise Invalid("later_rents", error.reason, _LATER) from None
            if month is None:
                raise Invalid("later_rents", "A later rent is a day, a colon and an amount.", _LATER)
            minor = naming.amount("later_rents", number, currency, _LATER, 1)
            month = found.month_of(month)
            if month in rents:
                raise Invalid("later_rents", f"{month:%B %Y} is named twice.", _LATER)
            if month <= found.month_of(draft.start_on):
                raise Invalid("later_rents", "It is not later than the lease begins.", _LATER)
            rents[month] = minor
        return sorted(rents.items())

    def _compare(
        self, lease: Lease, draft: LeaseDraft, later: list[tuple[date, int]], row: Row, cells: Cells
    ) -> None:
        """A file cannot change what was agreed; it says so instead of doing nothing."""
        said = {
            "start_on": (lease.start_on, draft.start_on, lease.start_on),
            "due_day": (lease.due_day, draft.due_day, lease.due_day),
            "deposit": (
                lease.deposit_minor,
                draft.deposit_minor,
                Money(lease.deposit_minor, lease.currency).plain,
            ),
            "unit": (lease.unit_id, draft.unit_id, lease.unit.name),
            "tenants": ({t.tenant_id for t in lease.tenants}, set(draft.tenant_ids), ""),
        }
        for name, (before, after, shown) in said.items():
            if row[name] and before != after:
                cells.add(
                    Invalid(name, f"{lease.reference} {_FIXED[name].format(shown)}", str(shown) or None)
                )
        if draft.rent_minor != lease.rent_minor:
            rent = Money(lease.rent_minor, lease.currency).plain
            reason = (
                f"{lease.reference} begins with {rent}. Another rent goes into later rents, with its month."
            )
            cells.add(Invalid("rent", reason, rent))
        known = {rent.valid_from: rent.rent_minor for rent in lease.rents}
        for month, minor in later:
            if known.get(month, minor) != minor:
                agreed = Money(known[month], lease.currency).plain
                reason = f"From {month:%B %Y} {agreed} is agreed already; it cannot change any more."
                cells.add(Invalid("later_rents", reason, _LATER))
        if lease.state == LeaseState.ENDED and draft.end_on not in (None, lease.end_on):
            cells.add(Invalid("end_on", f"{lease.reference} ended on {lease.end_on}.", str(lease.end_on)))


def _due_day(text: str, existing: Lease | None) -> int:
    if not text:
        return existing.due_day if existing else 5
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:4]) <= 28:
        raise Invalid("due_day", "Enter a day of the month from 1 to 28.", "5")
    return int(text)
