"""Reading repairs, instalments and weekly receipts for lists, files and the API. Never writes, knows no request.

Each function gives a `listing.Listing` of plain columns (no records): page it with `listing.page`, read all of it with
`listing.batches`, count and sum it with `listing.count` and `listing.totals`. `payee_id` narrows a list to one driver,
whose portal shows it. The names of the columns stand above each function; amounts are minor units of `currency`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, literal, or_, select
from sqlalchemy.orm import aliased

from webapp.database import like, within
from webapp.payouts.models import Payout
from webapp.people.models import Payee
from webapp.people.queries import payees_named
from webapp.programs.repairs.books import Receipt
from webapp.programs.repairs.models import DriverLease, Instalment, Loan, Medallion, Repair, Vehicle
from webapp.programs.repairs.states import InstalmentState, RepairState
from webapp.web.listing import Listing, Sort, of_amount, owned

#: Words for the state of instalments beside the states themselves.
UNPOSTED, DUE = "unposted", "due"
#: An instalment is due on the last day of its week.
TO_DUE = timedelta(days=6)

driver, vehicle, medallion = (
    aliased(Payee, name="driver"), aliased(Vehicle, name="vehicle"), aliased(Medallion, name="medallion"),
)  # fmt: skip
lease, repair, loan = (
    aliased(DriverLease, name="lease"), aliased(Repair, name="repair"), aliased(Loan, name="loan"),
)  # fmt: skip
payout = aliased(Payout, name="payout")


@dataclass(frozen=True)
class RepairFilter:
    """What the list of repairs is narrowed to; empty fields narrow nothing.

    `driver`: a reference or a part of a name; `vehicle`: a part of its plate or VIN; `lease` and `medallion`: their
    numbers. `state` and `workshop` are words of RepairState and Workshop. Days are those of the invoice, both
    included. Amounts are minor units of `currency`, both included.
    """

    text: str = ""
    driver: str = ""
    lease: str = ""
    vehicle: str = ""
    medallion: str = ""
    state: str = ""
    workshop: str = ""
    date_from: date | None = None
    date_to: date | None = None
    amount_from: int | None = None
    amount_to: int | None = None
    currency: str = ""


@dataclass(frozen=True)
class InstalmentFilter:
    """What the list of instalments is narrowed to.

    `state` is a word of InstalmentState, or `unposted` (not charged, and of an open repair or a loan) or `due`
    (unposted, and its week has begun by `today`, which must be given). Days are those on which instalments are due.
    """

    text: str = ""
    driver: str = ""
    vehicle: str = ""
    state: str = ""
    date_from: date | None = None
    date_to: date | None = None
    amount_from: int | None = None
    amount_to: int | None = None
    currency: str = ""
    repair: str = ""
    lease: str = ""
    today: date | None = None


@dataclass(frozen=True)
class ReceiptFilter:
    """What the list of weekly receipts is narrowed to.

    `sign`: "positive" (the driver got something), "negative" (the driver owes) or "zero", of the net. `payout`:
    "with" or "without". Days are those on which weeks begin. `is_newest` leaves out what a correction replaced.
    """

    text: str = ""
    driver: str = ""
    lease: str = ""
    week_from: date | None = None
    week_to: date | None = None
    sign: str = ""
    payout: str = ""
    is_newest: bool = False


def vehicles_named(organisation_id: int, text: str) -> Select[Any]:
    """Ids of the vehicles with this in their plate or VIN."""
    return select(Vehicle.id).where(
        Vehicle.organisation_id == organisation_id, or_(like(Vehicle.plate, text), like(Vehicle.vin, text))
    )


def leases_named(organisation_id: int, reference: str) -> Select[Any]:
    """Ids of the leases of a number."""
    return select(DriverLease.id).where(
        DriverLease.organisation_id == organisation_id,
        or_(DriverLease.reference == reference.upper(), DriverLease.external_ref == reference),
    )


# ------------------------------------------------------------------------------------------------ repairs
_OUTSTANDING = repair.amount_minor - repair.paid_minor - repair.credited_minor
_REPAIR_COLUMNS: tuple[Any, ...] = (
    repair.id, repair.reference, repair.invoice_number, repair.invoice_date, repair.workshop, repair.description,
    repair.currency, repair.amount_minor, repair.weekly_minor, repair.paid_minor, repair.credited_minor,
    _OUTSTANDING.label("outstanding_minor"), repair.starts, repair.state, repair.reason, repair.confirmed_at,
    repair.created_at, repair.payee_id, driver.reference.label("driver_reference"), driver.name.label("driver_name"),
    lease.reference.label("lease_reference"), vehicle.plate.label("vehicle_plate"),
    medallion.number.label("medallion_number"),
)  # fmt: skip


def repairs(
    organisation_id: int, chosen: RepairFilter | None = None, *, payee_id: int | None = None
) -> Listing:
    """Repairs, by default the newest invoice first.

    Columns: id, reference, invoice_number, invoice_date, workshop, description, currency, amount_minor, weekly_minor,
    paid_minor, credited_minor, outstanding_minor, starts, state, reason, confirmed_at, created_at, payee_id,
    driver_reference, driver_name, lease_reference, vehicle_plate, medallion_number (may be None).
    Orders: date, created, amount, outstanding, driver, vehicle, state. Sums: amount, paid, credited, outstanding.
    """
    everything = (
        select(*_REPAIR_COLUMNS)
        .join(driver, driver.id == repair.payee_id)
        .join(lease, lease.id == repair.lease_id)
        .join(vehicle, vehicle.id == repair.vehicle_id)
        .outerjoin(medallion, medallion.id == repair.medallion_id)
        .where(*owned(repair, organisation_id, payee_id))
    )
    return Listing(
        everything.where(*_repair_clauses(organisation_id, chosen or RepairFilter())),
        everything,
        repair.id,
        {
            "date": (repair.invoice_date,), "created": (), "amount": (repair.currency, repair.amount_minor),
            "outstanding": (repair.currency, _OUTSTANDING), "driver": (driver.name,), "vehicle": (vehicle.plate,),
            "state": (repair.state,),
        },
        Sort("date", is_descending=True),
        repair.currency,
        {
            "amount": repair.amount_minor, "paid": repair.paid_minor, "credited": repair.credited_minor,
            "outstanding": _OUTSTANDING,
        },
    )  # fmt: skip


def _repair_clauses(organisation_id: int, chosen: RepairFilter) -> Iterator[ColumnElement[bool]]:
    if text := chosen.text.strip():
        yield or_(
            like(repair.reference, text),
            like(repair.invoice_number, text),
            like(repair.description, text),
            repair.payee_id.in_(payees_named(organisation_id, text)),
            repair.vehicle_id.in_(vehicles_named(organisation_id, text)),
        )
    if chosen.driver:
        yield repair.payee_id.in_(payees_named(organisation_id, chosen.driver))
    if chosen.lease:
        yield repair.lease_id.in_(leases_named(organisation_id, chosen.lease))
    if chosen.vehicle:
        yield repair.vehicle_id.in_(vehicles_named(organisation_id, chosen.vehicle))
    if chosen.medallion:
        yield repair.medallion_id.in_(
            select(Medallion.id).where(
                Medallion.organisation_id == organisation_id, like(Medallion.number, chosen.medallion)
            )
        )
    if chosen.state:
        yield repair.state == chosen.state
    if chosen.workshop:
        yield repair.workshop == chosen.workshop
    yield from within(repair.invoice_date, chosen.date_from, chosen.date_to)
    yield from of_amount(repair, chosen.currency, chosen.amount_from, chosen.amount_to)


# -------------------------------------------------------------------------------------------- instalments
# Said word for word as the indexes of what is not charged say it, so that they are used.
_SCHEDULED = Instalment.state == literal(InstalmentState.SCHEDULED.value, literal_execute=True)
_CAN_BE_CHARGED = or_(Instalment.loan_id.is_not(None), repair.state == RepairState.OPEN.value)
_INSTALMENT_COLUMNS: tuple[Any, ...] = (
    Instalment.id, Instalment.reference, Instalment.number, Instalment.week_start, Instalment.due_on,
    Instalment.currency, Instalment.amount_minor, Instalment.interest_minor, Instalment.balance_after_minor,
    Instalment.state, Instalment.posted_for, Instalment.posted_at, Instalment.payee_id,
    driver.reference.label("driver_reference"), driver.name.label("driver_name"),
    repair.reference.label("repair_reference"), repair.state.label("repair_state"),
    loan.reference.label("loan_reference"), vehicle.plate.label("vehicle_plate"),
)  # fmt: skip


def instalments(
    organisation_id: int, chosen: InstalmentFilter | None = None, *, payee_id: int | None = None
) -> Listing:
    """Instalments of repairs and loans, by default the earliest week first.

    Columns: id, reference, number, week_start, due_on, currency, amount_minor, interest_minor, balance_after_minor,
    state, posted_for, posted_at, payee_id, driver_reference, driver_name, repair_reference and repair_state (None of
    a loan), loan_reference (None of a repair), vehicle_plate (None of a loan).
    Orders: week, amount, driver, created. Sums: amount, interest.
    """
    everything = (
        select(*_INSTALMENT_COLUMNS)
        .join(driver, driver.id == Instalment.payee_id)
        .outerjoin(repair, repair.id == Instalment.repair_id)
        .outerjoin(loan, loan.id == Instalment.loan_id)
        .outerjoin(vehicle, vehicle.id == repair.vehicle_id)
        .where(*owned(Instalment, organisation_id, payee_id))
    )
    return Listing(
        everything.where(*_instalment_clauses(organisation_id, chosen or InstalmentFilter())),
        everything,
        Instalment.id,
        {
            "week": (Instalment.week_start,), "amount": (Instalment.currency, Instalment.amount_minor),
            "driver": (driver.name,), "created": (),
        },
        Sort("week"),
        Instalment.currency,
        {"amount": Instalment.amount_minor, "interest": Instalment.interest_minor},
    )  # fmt: skip


def is_due(today: date) -> ColumnElement[bool]:
    """Whether an instalment of `instalments` could be charged on a day and is not."""
    return and_(_SCHEDULED, _CAN_BE_CHARGED, Instalment.week_start <= today)


def _instalment_clauses(organisation_id: int, chosen: InstalmentFilter) -> Iterator[ColumnElement[bool]]:
    if chosen.state in (UNPOSTED, DUE):
        if chosen.state == DUE:
            if chosen.today is None:
                raise ValueError("what is due depends on the day")
            yield is_due(chosen.today)
        else:
            yield and_(_SCHEDULED, _CAN_BE_CHARGED)
    elif chosen.state == InstalmentState.SCHEDULED:
        yield _SCHEDULED
    elif chosen.state:
        yield Instalment.state == chosen.state
    if text := chosen.text.strip():
        yield or_(
            like(Instalment.reference, text), Instalment.payee_id.in_(payees_named(organisation_id, text))
        )
    if chosen.driver:
        yield Instalment.payee_id.in_(payees_named(organisation_id, chosen.driver))
    if chosen.vehicle:
        yield repair.vehicle_id.in_(vehicles_named(organisation_id, chosen.vehicle))
    if chosen.lease:
        yield repair.lease_id.in_(leases_named(organisation_id, chosen.lease))
    if chosen.repair:
        yield repair.reference == chosen.repair.upper()
    # By the week, which the indexes have.
    yield from within(
        Instalment.week_start,
        chosen.date_from - TO_DUE if chosen.date_from else None,
        chosen.date_to - TO_DUE if chosen.date_to else None,
    )
    yield from of_amount(Instalment, chosen.currency, chosen.amount_from, chosen.amount_to)


# ----------------------------------------------------------------------------------------------- receipts
_OPENING = Receipt.opening_credit_minor - Receipt.opening_debt_minor
_CLOSING = Receipt.closing_credit_minor - Receipt.closing_debt_minor
# A correction repeats the figures that it corrects, so what was corrected is listed and not added up.
_later = aliased(Receipt, name="later")
_IS_NEWEST = ~select(_later.id).where(_later.replaces_id == Receipt.id).exists()


def _counted(column: Any) -> Any:
    return case((_IS_NEWEST, column), else_=0)


_RECEIPT_COLUMNS: tuple[Any, ...] = (
    Receipt.id, Receipt.number, Receipt.week_start, Receipt.revision, Receipt.is_final, Receipt.currency,
    _OPENING.label("opening_minor"), Receipt.earnings_minor, Receipt.charges_minor, Receipt.adjustments_minor,
    Receipt.net_minor, Receipt.paid_minor, Receipt.difference_minor, _CLOSING.label("closing_minor"),
    Receipt.issued_at, Receipt.payee_id, driver.reference.label("driver_reference"), driver.name.label("driver_name"),
    lease.reference.label("lease_reference"), payout.reference.label("payout_reference"),
    payout.state.label("payout_state"),
)  # fmt: skip


def receipts(
    organisation_id: int, chosen: ReceiptFilter | None = None, *, payee_id: int | None = None
) -> Listing:
    """Weekly receipts, corrections among them, by default the newest week first.

    Columns: id, number, week_start, revision, is_final, currency, opening_minor, earnings_minor, charges_minor,
    adjustments_minor, net_minor, paid_minor, difference_minor, closing_minor, issued_at, payee_id, driver_reference,
    driver_name, lease_reference, payout_reference and payout_state (None without a payout).
    Orders: week, net, paid, driver, created. Sums (without what a correction replaced): earnings, charges,
    adjustments, paid; nets are not added up, as each holds what the week before left.
    """
    everything = (
        select(*_RECEIPT_COLUMNS)
        .join(driver, driver.id == Receipt.payee_id)
        .join(lease, lease.id == Receipt.lease_id)
        .outerjoin(payout, payout.id == Receipt.payout_id)
        .where(*owned(Receipt, organisation_id, payee_id))
    )
    return Listing(
        everything.where(*_receipt_clauses(organisation_id, chosen or ReceiptFilter())),
        everything,
        Receipt.id,
        {
            "week": (Receipt.week_start,), "net": (Receipt.currency, Receipt.net_minor),
            "paid": (Receipt.currency, Receipt.paid_minor), "driver": (driver.name,), "created": (),
        },
        Sort("week", is_descending=True),
        Receipt.currency,
        {
            "earnings": _counted(Receipt.earnings_minor), "charges": _counted(Receipt.charges_minor),
            "adjustments": _counted(Receipt.adjustments_minor),
            "paid": _counted(Receipt.paid_minor),
        },
    )  # fmt: skip


def _receipt_clauses(organisation_id: int, chosen: ReceiptFilter) -> Iterator[ColumnElement[bool]]:
    if text := chosen.text.strip():
        yield or_(
            like(Receipt.number, text),
            payout.reference == text.upper(),
            Receipt.payee_id.in_(payees_named(organisation_id, text)),
        )
    if chosen.driver:
        yield Receipt.payee_id.in_(payees_named(organisation_id, chosen.driver))
    if chosen.lease:
        yield Receipt.lease_id.in_(leases_named(organisation_id, chosen.lease))
    yield from within(Receipt.week_start, chosen.week_from, chosen.week_to)
    match chosen.sign:
        case "positive":
            yield Receipt.net_minor > 0
        case "negative":
            yield Receipt.net_minor < 0
        case "zero":
            yield Receipt.net_minor == 0
    match chosen.payout:
        case "with":
            yield Receipt.payout_id.is_not(None)
        case "without":
            yield Receipt.payout_id.is_(None)
    if chosen.is_newest:
        yield _IS_NEWEST
