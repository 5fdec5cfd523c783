"""Charges from a file: each is booked once, however often the file comes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

from sqlalchemy import select

from webapp.database import db
from webapp.imports import naming, values
from webapp.imports.cells import Cells, Neutral, same
from webapp.imports.columns import Mapped, Row
from webapp.imports.rows import ReferenceImport
from webapp.kernel.actor import Actor
from webapp.kernel.errors import Invalid
from webapp.kernel.money import Money
from webapp.people.models import Organisation
from webapp.programs.repairs import charging, trail
from webapp.programs.repairs.books import Charge
from webapp.programs.repairs.drafts import ChargeDraft
from webapp.programs.repairs.importing import found
from webapp.programs.repairs.states import Category

_NO_DAY = date(1900, 1, 1)
_NEUTRAL: Neutral[ChargeDraft] = {
    "category": same(category=Category.TOLLS.value),
    "description": same(description="-"),
    "amount": same(amount_minor=1),
}
#: The most that a reference takes of the key under which a charge is booked once.
_LONGEST = 110


def key_of(reference: str) -> str:
    """The key under which a charge of a file is booked once."""
    return f"import:{reference}"


class ChargeImport(ReferenceImport):
    """A charge that is booked stays as it is; what a row says otherwise of it is refused at the cell."""

    booked: dict[str, Charge]

    def __init__(self, organisation: Organisation, mapped: Mapped, actor: Actor, now: datetime) -> None:
        super().__init__(organisation, mapped, actor, now)
        self.drivers = found.drivers(organisation.id)

    def prepare(self, rows: Sequence[Row]) -> None:
        """What of these rows is booked already."""
        # As the service keeps keys of charges.
        keys = {f"charge:{key_of(reference)}": reference for reference in self.wanted(rows)}
        query = select(Charge).where(
            Charge.organisation_id == self.organisation.id, Charge.idempotency_key.in_(keys)
        )
        self.booked = {keys[row.idempotency_key]: row for row in db.session.scalars(query)}

    def store(self, row: Row, cells: Cells) -> str:
        """Store one row; answers created or unchanged. Raises PaydeskError."""
        draft = self.look(row, cells)
        cells.finish()
        if row["external_ref"] in self.booked:
            return "unchanged"
        made = charging.add_charges(
            organisation_id=self.organisation.id, drafts=[draft], actor=self.actor, now=self.now
        )
        return "created" if made else "unchanged"

    def look(self, row: Row, cells: Cells) -> ChargeDraft:
        """The charge that a row describes."""
        reference = self.reference(row, cells, "C-1")
        if len(reference) > _LONGEST:
            cells.add(Invalid("external_ref", f"Write at most {_LONGEST} characters.", "C-1"))
        currency = self.organisation.currency
        draft = ChargeDraft(
            payee_id=cells.read(0, found.driver, self.drivers, row["driver"]),
            category=cells.read(Category.TOLLS.value, _category, row["category"]),
            description=row["description"],
            amount_minor=cells.read(1, naming.amount, "amount", row["amount"], currency, "6.94", 1),
            charged_on=cells.read(_NO_DAY, self._day, row["charged_on"]),
            idempotency_key=key_of(reference[:_LONGEST]),
        )
        cells.examine(draft, ChargeDraft.check, _NEUTRAL)
        if (booked := self.booked.get(reference)) is not None:
            amount = Money(booked.amount_minor, booked.currency).plain
            differs: dict[str, tuple[object, object, str]] = {
                "driver": (booked.payee_id, draft.payee_id, "another driver"),
                "category": (booked.category, draft.category, booked.category),
                "amount": (booked.amount_minor, draft.amount_minor, amount),
                "charged_on": (booked.charged_on, draft.charged_on, booked.charged_on.isoformat()),
            }
            found.refuse_changes("The charge of this reference", differs, cells)
        return draft

    def _day(self, text: str) -> date:
        day = values.parse_day("charged_on", text)
        if day is None:
            raise Invalid("charged_on", "There is no day.", "2026-01-11")
        trail.check_day("charged_on", day, self.organisation.id, self.now)
        return day


def _category(text: str) -> str:
    """What the driver is charged for, also in the singular. Raises Invalid."""
    word = text.casefold().replace(" ", "_")
    for each in Category:
        if word in (
            each.value,
            each.value.removesuffix("s"),
            "tax" if each is Category.TAXES else each.value,
        ):
            return each.value
    known = ", ".join(each.value for each in Category if each not in (Category.REPAIRS, Category.LOANS))
    raise Invalid("category", f"Say what the driver is charged for: {known}.", Category.TOLLS.value)
