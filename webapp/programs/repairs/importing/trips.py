"""Trips from a file, such as New York publishes it: who drove when, what the meter said, how the passenger paid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from webapp.database import db, insert_many
from webapp.imports import naming
from webapp.imports.cells import Cells
from webapp.imports.columns import Mapped, Row
from webapp.imports.rows import RowImport
from webapp.kernel.actor import Actor
from webapp.kernel.errors import Conflict, Invalid
from webapp.kernel.money import Money
from webapp.people.models import Organisation
from webapp.programs.repairs.importing import found
from webapp.programs.repairs.rules import week_of
from webapp.programs.repairs.trips import Trip, TripPayment

#: The parts that add up to the total.
PARTS = ("fare", "surcharge", "tax", "tip", "tolls")
_PAYMENTS = {
    "crd": TripPayment.CARD,
    "credit": TripPayment.CARD,
    "csh": TripPayment.CASH,
    "noc": TripPayment.NO_CHARGE,
    "dis": TripPayment.DISPUTED,
    "unk": TripPayment.UNKNOWN,
}
_FORMS = (
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%d %H:%M:%S.%f",
    "%Y-%m-%d %H:%M",
    "%Y-%m-%dT%H:%M:%S",
    "%Y-%m-%dT%H:%M",
)
_NEVER = datetime(1900, 1, 1, tzinfo=UTC)
_TEXTS = {"medallion": 40, "vendor": 20, "rate_code": 10}
_MOST_PASSENGERS = 100
_LONGEST = 10_000
_EXAMPLE = "2013-01-13 04:37:00"
Key = tuple[int, datetime]


@dataclass(frozen=True)
class _Driven:
    """A trip as a row describes it, in minor units."""

    payee_id: int
    payment: str
    parts: tuple[int, ...]
    total: int
    picked_up_at: datetime
    dropped_off_at: datetime
    passengers: int
    distance: Decimal

    @property
    def key(self) -> Key:
        """What tells trips apart: nobody drives two at a time."""
        return self.payee_id, self.picked_up_at


class TripImport(RowImport):
    """A trip that is stored stays as it is; the same driver and pickup time twice would be paid twice."""

    stored: dict[Key, tuple[str, int]]

    def __init__(self, organisation: Organisation, mapped: Mapped, actor: Actor, now: datetime) -> None:
        super().__init__(organisation, mapped, actor, now)
        self.drivers = found.drivers(organisation.id)
        self.zone = ZoneInfo(organisation.timezone)

    def prepare(self, rows: Sequence[Row]) -> None:
        """The stored trips of these rows' drivers and moments."""
        keys = {said.key for row in rows if not row.problems for said in [self._read(row, Cells(row))]}
        query = select(Trip.payee_id, Trip.picked_up_at, Trip.payment, Trip.total_minor).where(
            Trip.organisation_id == self.organisation.id,
            Trip.payee_id.in_({ident for ident, _ in keys}),
            Trip.picked_up_at.in_({moment for _, moment in keys}),
        )
        self.stored = {(row[0], row[1]): (row[2], row[3]) for row in db.session.execute(query)}

    def remember(self, row: Row) -> None:
        """Stored by an earlier turn."""
        self.seen[self._read(row, Cells(row)).key] = row

    def apply(self, row: Row) -> str:
        """Store one row; answers created or unchanged. Raises PaydeskError."""
        cells = Cells(row)
        said = self.look(row, cells)
        cells.finish()
        self.seen[said.key] = row
        if said.key in self.stored:
            return "unchanged"
        try:
            insert_many(db.session(), Trip, [self._values(said, row)])
        except IntegrityError as error:
            # Another file brought it at this moment.
            raise Conflict("A trip of this driver at this time was stored meanwhile.") from error
        return "created"

    def look(self, row: Row, cells: Cells) -> _Driven:
        """The trip that a row describes, compared with the file and with what is stored."""
        said = self._read(row, cells)
        if cells.errors:
            return said
        self._check_sum(said, cells)
        if said.key in self.seen:
            line = self.seen[said.key].line
            reason = f"Line {line} has the same driver and pickup time: it would be paid twice."
            cells.add(Invalid("picked_up_at", reason))
        elif (known := self.stored.get(said.key)) is not None:
            total = Money(known[1], self.organisation.currency).plain
            differs: dict[str, tuple[object, object, str]] = {
                "payment": (known[0], said.payment, TripPayment(known[0]).label),
                "total": (known[1], said.total, total),
            }
            found.refuse_changes("This trip", differs, cells)
        return said

    def _read(self, row: Row, cells: Cells) -> _Driven:
        """What the cells say, each by itself."""
        for name, most in _TEXTS.items():
            if len(row[name]) > most:
                cells.add(Invalid(name, f"Write at most {most} characters."))
        said = _Driven(
            payee_id=cells.read(0, found.driver, self.drivers, row["driver"]),
            payment=cells.read(TripPayment.UNKNOWN.value, _payment, row["payment"]),
            parts=tuple(self._amount(row, name, cells) for name in PARTS),
            total=self._amount(row, "total", cells),
            picked_up_at=cells.read(_NEVER, self._moment, "picked_up_at", row["picked_up_at"]),
            dropped_off_at=cells.read(_NEVER, self._moment, "dropped_off_at", row["dropped_off_at"]),
            passengers=int(
                cells.read(Decimal(0), _count, "passengers", row["passengers"], _MOST_PASSENGERS, 0)
            ),
            distance=cells.read(Decimal(0), _count, "distance", row["distance"], _LONGEST, 2),
        )
        if _NEVER not in (said.picked_up_at, said.dropped_off_at):
            if said.picked_up_at > self.now:
                cells.add(Invalid("picked_up_at", "The pickup lies in the future.", _EXAMPLE))
            elif said.dropped_off_at < said.picked_up_at:
                cells.add(Invalid("dropped_off_at", "The trip ends before it begins.", row["picked_up_at"]))
        return said

    def _amount(self, row: Row, name: str, cells: Cells) -> int:
        if not row[name] and name not in ("fare", "total"):
            return 0
        return cells.read(0, naming.amount, name, row[name], self.organisation.currency, "12.50")

    def _moment(self, name: str, text: str) -> datetime:
        """An instant, from what the organisation's clock showed. Raises Invalid."""
        for form in _FORMS:
            try:
                return datetime.strptime(text, form).replace(tzinfo=self.zone).astimezone(UTC)
            except ValueError:
                continue
        reason = f"{text[:40]!r} is no day and time." if text else "There is no day and time."
        raise Invalid(name, reason, _EXAMPLE)

    def _check_sum(self, said: _Driven, cells: Cells) -> None:
        if (added := sum(said.parts)) != said.total:
            parts, total = (Money(each, self.organisation.currency).plain for each in (added, said.total))
            reason = f"Fare, surcharge, tax, tip and tolls add up to {parts}, not to {total}."
            cells.add(Invalid("total", reason, parts))

    def _values(self, said: _Driven, row: Row) -> dict[str, object]:
        day = said.picked_up_at.astimezone(self.zone).date()
        return {
            "organisation_id": self.organisation.id,
            "payee_id": said.payee_id,
            "medallion": row["medallion"].upper(),
            "vendor": row["vendor"],
            "payment": said.payment,
            "currency": self.organisation.currency,
            **{f"{name}_minor": minor for name, minor in zip(PARTS, said.parts, strict=True)},
            "total_minor": said.total,
            "rate_code": row["rate_code"],
            "picked_up_at": said.picked_up_at,
            "dropped_off_at": said.dropped_off_at,
            "day": day,
            "week_start": week_of(day, self.organisation.week_start).start,
            "passengers": said.passengers,
            "distance": said.distance,
            "created_at": self.now,
        }


def _payment(text: str) -> str:
    """How the passenger paid, by our word or that of the published lists. Raises Invalid."""
    word = text.casefold()
    if word in _PAYMENTS:
        return _PAYMENTS[word].value
    for each in TripPayment:
        if word in (each.value, each.label.casefold()):
            return each.value
    known = "CRD, CSH, NOC, DIS, UNK"
    raise Invalid("payment", f"{text[:40]!r} is no way to pay ({known})." if text else "It is empty.", "CRD")


def _count(name: str, text: str, most: int, places: int) -> Decimal:
    """A number from nothing to a limit, with so many decimals; nothing for an empty cell. Raises Invalid."""
    value = naming.number(name, text, "1") if text else Decimal(0)
    if not 0 <= value <= most or value != round(value, places):
        words = f", with at most {places} decimals" if places else ", without decimals"
        raise Invalid(name, f"Enter a number from 0 to {most:,}{words}.", "1")
    return value
