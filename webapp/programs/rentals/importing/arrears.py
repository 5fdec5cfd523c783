"""Rent that is open from the time before: one row for each month of a lease."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

from sqlalchemy import select

from webapp.database import db
from webapp.imports import naming, values
from webapp.imports.cells import Cells
from webapp.imports.columns import Mapped, Row
from webapp.imports.payees import key_of_name
from webapp.imports.rows import RowImport
from webapp.kernel.actor import Actor
from webapp.kernel.clock import local_date
from webapp.kernel.errors import Invalid
from webapp.kernel.money import Money
from webapp.people.models import Organisation
from webapp.programs.rentals import opening
from webapp.programs.rentals.importing import found
from webapp.programs.rentals.models import ChargeState, Lease, RentCharge

_NEVER = date(1900, 1, 1)


class ArrearsImport(RowImport):
    """Applies rows one by one. A month that is asked for already stays as it is."""

    def __init__(self, organisation: Organisation, mapped: Mapped, actor: Actor, now: datetime) -> None:
        super().__init__(organisation, mapped, actor, now)
        self.leases = found.leases(organisation.id)
        self.today = local_date(now, organisation.timezone)
        self.stored: dict[int, Lease] = {}
        self.charges: dict[tuple[int, date], RentCharge] = {}

    def prepare(self, rows: Sequence[Row]) -> None:
        """The leases that these rows are about, and what is asked for of them."""
        wanted = {ident for row in rows for ident in self.leases.get(key_of_name(row["lease"]), ())}
        leases = select(Lease).where(Lease.organisation_id == self.organisation.id, Lease.id.in_(wanted))
        self.stored = {row.id: row for row in db.session.scalars(leases)}
        charges = select(RentCharge).where(
            RentCharge.organisation_id == self.organisation.id, RentCharge.lease_id.in_(wanted)
        )
        self.charges = {(row.lease_id, row.period_start): row for row in db.session.scalars(charges)}

    def remember(self, row: Row) -> None:
        """Stored by an earlier turn."""
        cells = Cells(row)
        ident, month, _, _ = self.look(row, cells)
        self.seen[ident, month] = row

    def apply(self, row: Row) -> str:
        """Store one row; answers created or unchanged. Raises PaydeskError."""
        cells = Cells(row)
        ident, month, minor, due_on = self.look(row, cells)
        cells.finish()
        self.seen[ident, month] = row
        if (ident, month) in self.charges:
            return "unchanged"
        opening.open_rent(
            organisation_id=self.organisation.id, lease_id=ident, month=month, amount_minor=minor,
            due_on=due_on, actor=self.actor, now=self.now,
        )  # fmt: skip
        return "created"

    def look(self, row: Row, cells: Cells) -> tuple[int, date, int, date | None]:
        """Lease, month, amount in minor units and due day of a row."""
        ident = cells.read(0, naming.one, self.leases, "lease", row["lease"], "lease", "L-1")
        month = cells.read(_NEVER, self._month, row["month"])
        due_on = cells.read(None, values.parse_day, "due_on", row["due_on"])
        lease = self.stored.get(ident)
        currency = lease.currency if lease else self.organisation.currency
        minor = cells.read(0, naming.amount, "amount", row["amount"], currency, "25000.00", 1)
        if ident and month != _NEVER:
            if (ident, month) in self.seen:
                line = self.seen[ident, month].line
                cells.add(
                    Invalid("month", f"Line {line} is about the same month of this lease.", "2026-09-01")
                )
            self._compare(self.charges.get((ident, month)), minor, cells)
        if due_on is not None and month != _NEVER and found.month_of(due_on) < month:
            cells.add(Invalid("due_on", "It is due before its month begins.", f"{month:%Y-%m}-05"))
        return ident, month, minor, due_on

    def _month(self, text: str) -> date:
        day = values.parse_day("month", f"{text}-01" if len(text) == 7 else text)
        if day is None:
            raise Invalid("month", "There is no month.", "2026-09-01")
        month = found.month_of(day)
        if month > self.today:
            raise Invalid("month", "This month has not begun. Paydesk asks for it by itself.", "2026-09-01")
        return month

    def _compare(self, charge: RentCharge | None, minor: int, cells: Cells) -> None:
        if charge is None or not minor:
            return
        # As it was brought in, whatever was paid of it since.
        if charge.amount_minor != minor or charge.state == ChargeState.WAIVED:
            asked = Money(charge.amount_minor, charge.currency).plain
            reason = (
                f"{charge.reference} asks for {asked} of this month already. Waive it, or leave the row out."
            )
            cells.add(Invalid("amount", reason, asked))
