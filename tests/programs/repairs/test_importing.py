"""Lists of a fleet: real trips as they are published, leases, charges; bad rows, and the same file again."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select

from tests.factories import people, repairs
from webapp.audit.models import AuditEvent
from webapp.database import db, transaction
from webapp.imports import kinds
from webapp.imports.cells import Cells
from webapp.imports.columns import Reading, map_columns, map_exactly
from webapp.imports.perform import perform, template
from webapp.imports.reading import read
from webapp.imports.report import Report
from webapp.ledger import check
from webapp.people import service as people_service
from webapp.people.models import Organisation, Payee
from webapp.programs.repairs import metering, trips
from webapp.programs.repairs.books import Charge, Earning, Receipt
from webapp.programs.repairs.importing import KINDS
from webapp.programs.repairs.importing.trips import TripImport
from webapp.programs.repairs.models import DriverLease, Medallion, Vehicle
from webapp.programs.repairs.rules import Week
from webapp.programs.repairs.trips import Trip, TripPayment

PUBLISHED = (Path(__file__).parents[2] / "data" / "taxi" / "trips_as_published.csv").read_text()
LICENCE = "478294AEDC0628B8A91ECC0626E9606B"
WEEK = Week(date(2013, 1, 13))
#: The Sunday on which the receipts of the week of the real trips are made.
AFTER = datetime(2013, 1, 20, 10, tzinfo=UTC)
LEASES = (
    "external_ref,driver,vehicle_plate,weekly_rate,start_date,medallion,shift\n"
    f"L-1,{LICENCE},T000001C,700.00,2013-01-13,5Y21,day\n"
    "L-2,DA0A23118D5AC1EA0010349C26467C48,T000001C,650,2013-01-13,5Y21,night\n"
)
MODELS = (Payee, Vehicle, Medallion, DriverLease, Trip, Charge, Earning)


@pytest.fixture
def metrocab(database: Flask) -> Organisation:
    return repairs.metrocab()


def bring(metrocab: Organisation, kind: str, text: str = PUBLISHED, **values: Any) -> Report:
    return perform(
        kind=kinds.get_kind(kind), data=text.encode(), organisation=metrocab,
        audit_tag=f"repairs:{kind}:imported", **{"actor": people.FACTORY, "now": AFTER, **values},
    )  # fmt: skip


def counts() -> dict[Any, int]:
    return {model: db.session.scalar(select(func.count()).select_from(model)) or 0 for model in MODELS}


def driver(licence: str = LICENCE) -> Payee:
    return db.session.scalars(select(Payee).where(Payee.external_ref == licence)).one()


def reasons(report: Report) -> list[tuple[int, str, str]]:
    return [(each.line, each.column, each.reason) for each in report.problems]


def clean(metrocab: Organisation) -> bool:
    return check.run(metrocab.id).findings == []


def test_real_trips_as_they_are_published(metrocab: Organisation) -> None:
    made = bring(metrocab, "drivers")
    # Eleven licences, also of rows whose trip is refused.
    assert (made.rows, made.created, made.refused) == (11, 11, 0)
    assert made.notes[0] == "Blank rows are left out: lines 14, 15, 16."
    assert driver().name == "Driver 478294AE"

    report = bring(metrocab, "trips")
    assert (report.rows, report.created, report.refused) == (20, 14, 6)
    assert report.notes == [
        "Blank rows are left out: lines 14, 15, 16.", "Columns not used: trip_time_in_secs.",
    ]  # fmt: skip
    assert reasons(report) == [
        (2, "pickup_datetime", "'2013-01-13 04:36asdf' is no day and time."),
        (2, "dropoff_datetime", "'2013-01-13 04:46asdf' is no day and time."),
        (7, "pickup_datetime", "Line 6 has the same driver and pickup time: it would be paid twice."),
        (7, "total_amount", "Fare, surcharge, tax, tip and tolls add up to 17.00, not to 18.00."),
        (11, "dropoff_datetime", "'2013-01-08 16:06asdf' is no day and time."),
        (13, "pickup_datetime", "Line 12 has the same driver and pickup time: it would be paid twice."),
        (13, "total_amount", "Fare, surcharge, tax, tip and tolls add up to 7.50, not to 8.50."),
        (18, "pickup_datetime", "Line 17 has the same driver and pickup time: it would be paid twice."),
        (18, "total_amount", "Fare, surcharge, tax, tip and tolls add up to 46.00, not to 47.00."),
        (24, "pickup_datetime", "Line 23 has the same driver and pickup time: it would be paid twice."),
        (24, "total_amount", "Fare, surcharge, tax, tip and tolls add up to 6.50, not to 7.50."),
    ]
    lines = trips.trips_of(metrocab.id, driver().id, WEEK)
    first = lines[0]
    assert (first.picked_up_at, first.total.plain, first.tolls.plain, first.payment, first.is_booked) == (
        datetime(2013, 1, 13, 9, 14, tzinfo=UTC), "46.00", "6.50", TripPayment.CARD, False,
    )  # fmt: skip
    assert [each.total.plain for each in lines] == ["46.00", "6.50", "4.50", "8.00", "6.50", "7.50"]
    assert trips.trips_of(metrocab.id + 1, driver().id, WEEK) == []


def test_the_same_files_again_change_nothing(metrocab: Organisation) -> None:
    for kind, text in (("drivers", PUBLISHED), ("driver_leases", LEASES), ("trips", PUBLISHED)):
        bring(metrocab, kind, text)
    repairs.run(metrocab, WEEK.following().start, AFTER)
    before, events = counts(), db.session.query(AuditEvent).count()
    with transaction():
        people_service.update_payee(
            organisation_id=metrocab.id, payee_id=driver().id, expected_version=driver().version,
            changes={"name": "Ann Lee"}, actor=people.FACTORY, now=AFTER,
        )  # fmt: skip
    again = {
        kind: bring(metrocab, kind, text)
        for kind, text in (("drivers", PUBLISHED), ("driver_leases", LEASES), ("trips", PUBLISHED))
    }
    assert {kind: (r.unchanged, r.created, r.updated, r.refused) for kind, r in again.items()} == {
        "drivers": (11, 0, 0, 0), "driver_leases": (2, 0, 0, 0), "trips": (14, 0, 0, 6),
    }  # fmt: skip
    assert (counts(), db.session.query(AuditEvent).count()) == (before, events + 1)
    # A name that a person entered stays.
    assert driver().name == "Ann Lee"


def test_a_drivers_receipt_of_real_trips_is_what_the_file_says(metrocab: Organisation) -> None:
    bring(metrocab, "drivers")
    bring(metrocab, "driver_leases", LEASES)
    bring(metrocab, "trips")
    repairs.run(metrocab, WEEK.following().start, AFTER)
    db.session.rollback()
    receipt = db.session.scalars(select(Receipt).where(Receipt.payee_id == driver().id)).one()
    # By hand, from lines 17 and 19 to 23 of the file. By card: 46.00 + 8.00. Tax: six times 0.50. Tolls: 6.50.
    assert [(line.kind, line.category, line.description, line.amount_minor) for line in receipt.lines] == [
        ("earning", "Card fares", "Card fares", 54_00),
        ("charge", "taxes", "Taxes of 6 trips", -3_00),
        ("charge", "tolls", "Tolls of 1 trip", -6_50),
        ("charge", "lease", f"Lease {receipt.lease.reference}", -700_00),
    ]
    assert (receipt.earnings_minor, receipt.charges_minor, receipt.net_minor, receipt.closing_minor) == (
        54_00, 709_50, -655_50, -655_50,
    )  # fmt: skip
    gross = trips.gross_of(metrocab.id, driver().id, WEEK, "USD")
    # In cash: 7.50 + 4.50 + 6.50 + 6.50.
    assert [
        getattr(gross, name).plain for name in ("card", "cash", "other", "total", "tips", "taxes", "tolls")
    ] == ["54.00", "25.00", "0.00", "79.00", "8.00", "3.00", "6.50"]
    assert gross.trips == 6
    assert all(each.is_booked for each in trips.trips_of(metrocab.id, driver().id, WEEK))
    assert clean(metrocab)


def test_a_trip_that_comes_late_is_booked_by_itself_and_counts_in_the_next_receipt(
    metrocab: Organisation,
) -> None:
    lines = PUBLISHED.splitlines()
    bring(metrocab, "drivers")
    bring(metrocab, "driver_leases", LEASES)
    bring(metrocab, "trips", "\n".join(lines[:16] + lines[16:21]))
    repairs.run(metrocab, WEEK.following().start, AFTER)
    # The trip of 8.00 by card.
    assert bring(metrocab, "trips").created == 2
    repairs.run(metrocab, WEEK.following(2).start, datetime(2013, 1, 27, 10, tzinfo=UTC))
    db.session.rollback()
    mine = select(Receipt).where(Receipt.payee_id == driver().id).order_by(Receipt.week_start)
    found = db.session.scalars(mine).all()
    assert [(row.earnings_minor, row.charges_minor) for row in found] == [
        (46_00, 2_00 + 6_50 + 700_00), (8_00, 1_00 + 700_00),
    ]  # fmt: skip
    booked = db.session.scalars(select(Earning).where(Earning.payee_id == driver().id)).all()
    assert [(row.amount_minor, row.earned_on, row.description) for row in booked] == [
        (46_00, WEEK.start, "1 trip"), (8_00, WEEK.start, "1 trip"),
    ]  # fmt: skip
    assert clean(metrocab)


def test_trips_are_booked_once_and_only_those_of_days_that_are_over(metrocab: Organisation) -> None:
    bring(metrocab, "drivers")
    bring(metrocab, "trips")

    def book(until: date) -> int:
        with transaction():
            ids = trips.drivers_with_unbooked(metrocab.id, until)
            return metering.book_trips(
                organisation_id=metrocab.id, payee_ids=ids, until=until, actor=people.FACTORY, now=AFTER
            )

    # 1, 5, 7 (two) and 8 January (two).
    assert [book(date(2013, 1, 12)), book(date(2013, 1, 12)), book(AFTER.date()), book(AFTER.date())] == [
        6, 0, 8, 0,
    ]  # fmt: skip
    db.session.rollback()
    # Neither cash nor what nobody paid is earned; every trip has its tax.
    earned = db.session.scalars(select(Earning.amount_minor).order_by(Earning.amount_minor)).all()
    assert earned == [7_70, 16_12, 54_00]
    taxes = db.session.scalar(select(func.sum(Charge.amount_minor)).where(Charge.category == "taxes"))
    assert taxes == 14 * 50
    assert clean(metrocab)


BAD_TRIPS = [
    ("driver", "nobody", "There is no driver 'nobody'. Bring the drivers in first."),
    ("payment_type", "BTC", "'BTC' is no way to pay (CRD, CSH, NOC, DIS, UNK)."),
    ("fare_amount", "-12", "It is below zero."),
    ("fare_amount", "12.005", "USD has 2 decimals; 12.005 has more."),
    ("total_amount", "", "Nothing is not an amount."),
    ("pickup_datetime", "", "There is no day and time."),
    ("pickup_datetime", "2013-02-30 04:37:00", "'2013-02-30 04:37:00' is no day and time."),
    ("pickup_datetime", "2013-02-13 04:37:00", "The pickup lies in the future."),
    ("dropoff_datetime", "2013-01-13 04:36:00", "The trip ends before it begins."),
    ("passenger_count", "1.5", "Enter a number from 0 to 100, without decimals."),
    ("trip_distance", "far", "'far' is not a number."),
    ("medallion", "M" * 41, "Write at most 40 characters."),
]


@pytest.mark.parametrize(("column", "value", "reason"), BAD_TRIPS)
def test_bad_trips_come_back_with_their_reason(
    metrocab: Organisation, column: str, value: str, reason: str
) -> None:
    head, good = PUBLISHED.splitlines()[0].split(","), PUBLISHED.splitlines()[2].split(",")
    repairs.driver(metrocab, external_ref=good[1])
    column = "hack_license" if column == "driver" else column
    bad = [value if name == column else cell for name, cell in zip(head, good, strict=True)]
    report = bring(metrocab, "trips", f"{','.join(head)}\n{','.join(bad)}\n")
    assert reasons(report) == [(2, column, reason)]
    assert bring(metrocab, "trips", f"{','.join(head)}\n{','.join(good)}\n").created == 1


def test_what_a_file_says_otherwise_of_a_stored_trip_is_refused(metrocab: Organisation) -> None:
    bring(metrocab, "drivers")
    bring(metrocab, "trips")
    row = PUBLISHED.splitlines()[18].replace("CSH,7,", "CRD,8,").replace("7.5", "8.5")
    report = bring(metrocab, "trips", f"{PUBLISHED.splitlines()[0]}\n{row}\n")
    assert reasons(report) == [
        (2, "payment_type", "This trip is stored with Cash; a file does not change it."),
        (2, "total_amount", "This trip is stored with 7.50; a file does not change it."),
    ]


def test_another_organisations_drivers_are_not_found(metrocab: Organisation) -> None:
    bring(repairs.metrocab(), "drivers")
    report = bring(metrocab, "trips")
    assert (report.created, report.refused) == (0, 20)


def test_a_turn_that_goes_on_knows_what_the_one_before_stored(metrocab: Organisation) -> None:
    """Workers import by turns; a repeated trip is refused in a later one as well."""
    bring(metrocab, "drivers")
    mapped = map_columns(kinds.get_kind("trips"), read(PUBLISHED.encode()))
    importer = TripImport(metrocab, mapped, people.FACTORY, AFTER)
    good, repeat = list(mapped.rows(12, 14))
    importer.prepare([good, repeat])
    importer.remember(good)
    cells = Cells(repeat)
    importer.look(repeat, cells)
    assert any("Line 17 has the same driver" in error.message for error in cells.errors)


def test_leases_bring_vehicles_and_medallions_in(metrocab: Organisation) -> None:
    bring(metrocab, "drivers")
    assert bring(metrocab, "driver_leases", LEASES).created == 2
    found = db.session.scalars(select(DriverLease).order_by(DriverLease.id)).all()
    assert [(row.shift, row.weekly_minor, row.vehicle.plate, row.takes_repairs) for row in found] == [
        ("day", 700_00, "T000001C", True), ("night", 650_00, "T000001C", True),
    ]  # fmt: skip
    assert (counts()[Vehicle], counts()[Medallion]) == (1, 1)


BAD_LEASES = [
    (f"L-3,{LICENCE},T000002C,500,2013-02-03,,full", "has the lease"),
    ("L-3,0DE6DEA847BCC7C64FA16C001DA9693C,T000001C,500,2013-02-03,,day", "is on the lease"),
    ("L-3,nobody,T000002C,500,2013-02-03,,full", "There is no driver"),
    (f"L-1,{LICENCE},T000001C,710,2013-01-13,5Y21,day", "is stored with 700.00; a file"),
    (f"L-1,{LICENCE},T000009C,700,2013-01-13,5Y21,day", "is stored with T000001C; a file"),
    ("L-3,0DE6DEA847BCC7C64FA16C001DA9693C,T000002C,-1,2013-02-03,,full", "below zero"),
    ("L-3,0DE6DEA847BCC7C64FA16C001DA9693C,T000002C,500,soon,,full", "not a day"),
    ("L-3,0DE6DEA847BCC7C64FA16C001DA9693C,T000002C,500,2013-02-03,,noon", "no part of the day"),
    ("L-3,0DE6DEA847BCC7C64FA16C001DA9693C,,500,2013-02-03,,", "Enter the plate"),
    (",0DE6DEA847BCC7C64FA16C001DA9693C,T000002C,500,2013-02-03,,", "There is no reference"),
]


@pytest.mark.parametrize(("row", "reason"), BAD_LEASES)
def test_leases_that_cannot_be(metrocab: Organisation, row: str, reason: str) -> None:
    bring(metrocab, "drivers")
    bring(metrocab, "driver_leases", LEASES)
    before = counts()
    report = bring(metrocab, "driver_leases", f"{LEASES.splitlines()[0]}\n{row}\n")
    assert len(report.problems) == 1
    assert reason in report.problems[0].reason
    # A vehicle that a refused lease would have brought in is not left behind.
    assert counts() == before


def test_vehicles_and_medallions(metrocab: Organisation) -> None:
    assert bring(metrocab, "vehicles", "plate,vin\nT1,V1\nt2,\n").created == 2
    again = bring(metrocab, "vehicles", "plate,vin\nT1,V1\nT2,\nT1,V1\nT3,V1\nT2,V9\n")
    assert (again.unchanged, again.created) == (2, 0)
    assert [each.reason for each in again.problems] == [
        "Line 2 has the same plate.",
        "There is a vehicle T3 or one with this VIN already.",
        "Line 3 has the same plate.",
        "T2 is stored without one; a file does not change it.",
    ]
    assert bring(metrocab, "vehicles", "plate,vin\nT1,V9\n").problems[0].reason == (
        "T1 is stored with V1; a file does not change it."
    )
    # A list of trips names medallions as well, each many times.
    assert bring(metrocab, "medallions").created == 11
    assert bring(metrocab, "medallions").unchanged == 11


CHARGES = (
    "external_ref,driver,category,description,amount,charged_on\n"
    "C-1,D-1,toll,Bridge toll,6.94,2013-01-14\n"
    "C-2,D-1,tickets,Red light,50.00,2013-01-15\n"
)


def test_charges_are_booked_once(metrocab: Organisation) -> None:
    ann = repairs.driver(metrocab, external_ref="D-1")
    assert bring(metrocab, "charges", CHARGES).created == 2
    again = bring(
        metrocab, "charges", CHARGES.replace("50.00", "55.00") + "C-2,D-1,tolls,Bridge,1,2013-01-15\n"
    )
    assert (again.unchanged, again.created) == (1, 0)
    assert reasons(again) == [
        (3, "amount", "The charge of this reference is stored with 50.00; a file does not change it."),
        (
            4,
            "category",
            "The charge of this reference is stored with tickets; a file does not change it.",
        ),
        (4, "amount", "The charge of this reference is stored with 50.00; a file does not change it."),
    ]
    rows = db.session.scalars(select(Charge).where(Charge.payee_id == ann.id).order_by(Charge.id)).all()
    assert [(row.category, row.amount_minor, row.charged_on) for row in rows] == [
        ("tolls", 6_94, date(2013, 1, 14)), ("tickets", 50_00, date(2013, 1, 15)),
    ]  # fmt: skip
    assert clean(metrocab)


@pytest.mark.parametrize(
    ("row", "column", "reason"),
    [
        ("C-9,D-1,repairs,Brakes,5.00,2013-01-14", "category", "Repairs and loans are charged by their instalments."),
        ("C-9,D-1,snacks,Bar,5.00,2013-01-14", "category", "Say what the driver is charged for"),
        ("C-9,D-1,tolls,Bridge,0,2013-01-14", "amount", "Enter an amount of more than zero."),
        ("C-9,D-1,tolls,Bridge,5.00,2013-02-14", "charged_on", "This day lies beyond the present week."),
        ("C-9,D-1,tolls,Bridge,5.00,", "charged_on", "There is no day."),
        ("C-9,D-1,tolls,,5.00,2013-01-14", "description", "Enter what the charge is for"),
        ("C-9,D-2,tolls,Bridge,5.00,2013-01-14", "driver", "There is no driver"),
    ],
)  # fmt: skip
def test_charges_that_cannot_be(metrocab: Organisation, row: str, column: str, reason: str) -> None:
    repairs.driver(metrocab, external_ref="D-1")
    report = bring(metrocab, "charges", f"{CHARGES.splitlines()[0]}\n{row}\n")
    assert [each.column for each in report.problems] == [column]
    assert reason in report.problems[0].reason
    assert counts()[Charge] == 0


@pytest.mark.parametrize("code", list(KINDS))
def test_templates_and_mappings_hold(metrocab: Organisation, code: str) -> None:
    """Every kind reads its own template, and by a mapping that a person has seen."""
    kind = KINDS[code]
    table = read(template(kind).encode())
    chosen = {field.name: field.name for field in kind.template}
    for mapped in (map_columns(kind, table), map_exactly(kind, table, chosen, Reading("mdy", "."))):
        assert not next(mapped.rows()).problems
        assert not mapped.ignored
