"""Properties with their units, and who owns them, from a file."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal, InvalidOperation
from fractions import Fraction

from sqlalchemy import select
from sqlalchemy.orm import selectinload

from webapp.database import db
from webapp.imports import naming
from webapp.imports.cells import Cells, Neutral, same
from webapp.imports.columns import Mapped, Row
from webapp.imports.payees import key_of_name
from webapp.imports.rows import ReferenceImport, RowImport
from webapp.imports.values import parse_currency
from webapp.kernel.actor import Actor
from webapp.kernel.errors import Invalid
from webapp.people.models import Organisation
from webapp.programs.rentals import service
from webapp.programs.rentals.drafts import OwnerShare, PropertyDraft
from webapp.programs.rentals.importing import found
from webapp.programs.rentals.models import Property

_NEUTRAL: Neutral[PropertyDraft] = {
    "name": same(name="-"),
    "address": same(address=""),
    "reserve_target": same(reserve_target_minor=0),
}


class PropertyImport(ReferenceImport):
    """Applies rows one by one; columns that the file lacks keep what is stored."""

    def __init__(self, organisation: Organisation, mapped: Mapped, actor: Actor, now: datetime) -> None:
        super().__init__(organisation, mapped, actor, now)
        self.stored: dict[str, Property] = {}

    def prepare(self, rows: Sequence[Row]) -> None:
        """The stored properties that these rows are about, with owners and units."""
        query = (
            select(Property)
            .where(
                Property.organisation_id == self.organisation.id, Property.external_ref.in_(self.wanted(rows))
            )
            .options(selectinload(Property.shares), selectinload(Property.units))
        )
        self.stored = {row.external_ref or "": row for row in db.session.scalars(query)}

    def store(self, row: Row, cells: Cells) -> str:
        """Store one row. Raises PaydeskError."""
        draft, units = self.look(row, cells)
        cells.finish()
        existing = self.stored.get(row["external_ref"])
        outcome = "created" if existing is None else self._change(existing, draft)
        place = existing or service.create_property(
            organisation_id=self.organisation.id, draft=draft, actor=self.actor, now=self.now
        )
        there = {unit.name.casefold() for unit in existing.units} if existing else set()
        for name in (name for name in units if name.casefold() not in there):
            service.create_unit(
                organisation_id=self.organisation.id, property_reference=place.reference, name=name,
                actor=self.actor, now=self.now,
            )  # fmt: skip
            outcome = "created" if existing is None else "updated"
        return outcome

    def _change(self, existing: Property, draft: PropertyDraft) -> str:
        before = existing.version
        service.change_property(
            organisation_id=self.organisation.id,
            reference=existing.reference,
            name=draft.name,
            address=draft.address,
            reserve_target_minor=draft.reserve_target_minor,
            owners=tuple(OwnerShare(share.payee_id, share.weight) for share in existing.shares),
            actor=self.actor,
            now=self.now,
        )
        return "unchanged" if existing.version == before else "updated"

    def look(self, row: Row, cells: Cells) -> tuple[PropertyDraft, list[str]]:
        """The property that a row describes, and the names of its units."""
        reference = self.reference(row, cells, "H-1")
        existing = self.stored.get(reference)
        home = existing.currency if existing else self.organisation.currency
        currency = cells.read(home, parse_currency, row["currency"], home)
        if existing is not None and currency != existing.currency:
            reason = f"{existing.reference} is in {existing.currency}, and that cannot change."
            cells.add(Invalid("currency", reason, existing.currency))
        draft = PropertyDraft(
            name=row["name"] if existing is None or "name" in row.cells else existing.name,
            currency=currency,
            address=row["address"] if existing is None or self.mapped.has("address") else existing.address,
            reserve_target_minor=cells.read(0, self._reserve, row, existing, currency),
            external_ref=reference,
        )
        cells.examine(draft, PropertyDraft.check, _NEUTRAL)
        return draft, cells.read([], _units, row["units"])

    def _reserve(self, row: Row, existing: Property | None, currency: str) -> int:
        if existing is not None and not self.mapped.has("reserve_target"):
            return existing.reserve_target_minor
        text = row["reserve_target"]
        return naming.amount("reserve_target", text, currency, "5000.00") if text else 0


def _units(text: str) -> list[str]:
    names: dict[str, str] = {}
    for part in (part for part in text.split(";") if part.strip()):
        try:
            name = service.unit_name(part)
        except Invalid as error:
            raise Invalid("units", error.reason, "Flat 1A; Flat 1B") from None
        if name.casefold() in names:
            raise Invalid("units", f"The unit {name!r} is named twice.", "Flat 1A; Flat 1B")
        names[name.casefold()] = name
    return list(names.values())


class ShareImport(RowImport):
    """Who owns a property, and how much of it: one row for each property, its owners with semicolons between them."""

    def __init__(self, organisation: Organisation, mapped: Mapped, actor: Actor, now: datetime) -> None:
        super().__init__(organisation, mapped, actor, now)
        self.properties = found.properties(organisation.id)
        self.owners = found.owners(organisation.id)
        self.stored: dict[int, Property] = {}

    def prepare(self, rows: Sequence[Row]) -> None:
        """The properties that these rows are about, with their owners."""
        wanted = {ident for row in rows for ident in self.properties.get(key_of_name(row["property"]), ())}
        query = (
            select(Property)
            .where(Property.organisation_id == self.organisation.id, Property.id.in_(wanted))
            .options(selectinload(Property.shares))
        )
        self.stored = {row.id: row for row in db.session.scalars(query)}

    def remember(self, row: Row) -> None:
        """Stored by an earlier turn."""
        ident = Cells(row).read(0, self._property, row)
        if ident:
            self.seen[ident] = row

    def apply(self, row: Row) -> str:
        """Store one row; answers created, updated or unchanged. Raises PaydeskError."""
        cells = Cells(row)
        ident, owners = self.look(row, cells)
        cells.finish()
        place = self.stored.get(ident) or db.session.get_one(Property, ident)
        is_first, before = not place.shares, place.version
        if _parts({share.payee_id: share.weight for share in place.shares}) != _parts(
            {owner.payee_id: owner.weight for owner in owners}
        ):
            service.change_property(
                organisation_id=self.organisation.id, reference=place.reference, name=place.name,
                address=place.address, reserve_target_minor=place.reserve_target_minor, owners=owners,
                actor=self.actor, now=self.now,
            )  # fmt: skip
        self.seen[ident] = row
        if place.version == before:
            return "unchanged"
        return "created" if is_first else "updated"

    def _property(self, row: Row) -> int:
        return naming.one(self.properties, "property", row["property"], "property", "H-1")

    def look(self, row: Row, cells: Cells) -> tuple[int, tuple[OwnerShare, ...]]:
        """The property that a row is about, and its owners."""
        ident = cells.read(0, self._property, row)
        if ident in self.seen:
            reason = f"Line {self.seen[ident].line} is about the same property."
            cells.add(Invalid("property", reason, "one row for each property"))
        nobody: list[int] = []
        ids = cells.read(nobody, naming.several, self.owners, "owners", row["owners"], "owner", "O-1; O-2")
        if len(set(ids)) != len(ids):
            cells.add(Invalid("owners", "An owner is named twice.", "O-1; O-2"))
        count = len([part for part in row["owners"].split(";") if part.strip()])
        weights = cells.read(nobody, _weights, row["shares"], count)
        return ident, tuple(OwnerShare(one, weight) for one, weight in zip(ids, weights, strict=False))


def _parts(weights: dict[int, int]) -> dict[int, Fraction]:
    """Shares as they count: 1 and 1 is the same as 50 and 50."""
    total = sum(weights.values())
    return {payee: Fraction(weight, total) for payee, weight in weights.items()}


def _weights(text: str, count: int) -> list[int]:
    """Per cents as whole weights (hundredths of a per cent); equal parts for an empty cell. Raises Invalid."""
    texts = [part.strip().rstrip("% ") for part in text.split(";") if part.strip()]
    if not texts:
        return [1] * count
    if len(texts) != count:
        raise Invalid("shares", f"There are {count} owners and {len(texts)} shares.", "60; 40")
    weights = []
    for part in texts:
        try:
            scaled = Decimal(part) * 100
        except InvalidOperation:
            raise Invalid("shares", f"{part[:40]!r} is not a number.", "60; 40") from None
        if not scaled.is_finite() or scaled != scaled.to_integral_value() or not 0 < scaled <= 10_000:
            raise Invalid("shares", "A share is above zero and has at most two decimals.", "60; 40")
        weights.append(int(scaled))
    if sum(weights) != 10_000:
        raise Invalid(
            "shares", f"The shares add up to {Decimal(sum(weights)) / 100:f}, not to 100.", "60; 40"
        )
    return weights
