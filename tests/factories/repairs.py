"""Drivers, leases, repairs and earnings for tests, made through the services and committed."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from itertools import count
from typing import Any

from tests.factories import people
from tests.factories.people import FACTORY, stored
from webapp.database import db
from webapp.people.models import Organisation, Payee
from webapp.programs.repairs import charging, crediting, drafting, fleet, settings, weekly
from webapp.programs.repairs.books import Adjustment, Charge, Earning, WeeklyRun
from webapp.programs.repairs.drafts import (
    ChargeDraft,
    EarningDraft,
    LeaseDraft,
    LoanDraft,
    RepairDraft,
    SettingsDraft,
)
from webapp.programs.repairs.models import DriverLease, Loan, Repair, RepairsSettings, Vehicle

_numbers = count(1)
#: A Wednesday; the week that runs then begins on Sunday 28 September.
DAY = date(2025, 10, 1)


def at(day: date, hour: int = 16) -> datetime:
    """An instant on a day in New York, by daylight."""
    return datetime.combine(day, time(hour), UTC)


def metrocab(**values: Any) -> Organisation:
    """A taxi fleet in New York whose weeks begin on Sunday."""
    defaults: dict[str, Any] = {
        "currency": "USD", "timezone": "America/New_York", "country": "US", "programs": ["repairs"], "week_start": 6,
    }  # fmt: skip
    return people.organisation(**{**defaults, **values})


def driver(organisation: Organisation, **values: Any) -> Payee:
    """A driver without payment details."""
    return people.payee(organisation, kind="driver", **values)


def vehicle(organisation: Organisation) -> Vehicle:
    """A vehicle."""
    with stored():
        return fleet.create_vehicle(
            organisation_id=organisation.id, plate=f"T{next(_numbers):06d}C", actor=FACTORY, now=at(DAY)
        )


def lease(
    payee: Payee, weekly_minor: int = 0, starts_on: date = date(2025, 9, 28), **values: Any
) -> DriverLease:
    """A lease of a vehicle of its own; without a weekly amount unless told otherwise."""
    with stored():
        vehicle_id = (
            values.pop("vehicle_id", None)
            or vehicle(db.session.get_one(Organisation, payee.organisation_id)).id
        )
        draft = LeaseDraft(payee.id, vehicle_id, weekly_minor, starts_on, **values)
        return fleet.create_lease(
            organisation_id=payee.organisation_id, draft=draft, actor=FACTORY, now=at(DAY)
        )


def invoice(of: DriverLease, amount_minor: int = 500_50, **values: Any) -> RepairDraft:
    """A workshop's invoice of 1 October, charged from the coming Sunday on."""
    defaults: dict[str, Any] = {
        "invoice_number": f"W-{next(_numbers)}", "invoice_date": DAY, "start": "CURRENT",
    }  # fmt: skip
    return RepairDraft(of.id, amount_minor=amount_minor, **{**defaults, **values})


def draft(of: DriverLease, amount_minor: int = 500_50, **values: Any) -> Repair:
    """A repair that is not confirmed."""
    with stored():
        return drafting.create_repair(
            organisation_id=of.organisation_id,
            draft=invoice(of, amount_minor, **values),
            actor=FACTORY,
            now=at(DAY),
        )


def repair(of: DriverLease, amount_minor: int = 500_50, **values: Any) -> Repair:
    """A repair that is open."""
    with stored():
        made = draft(of, amount_minor, **values)
        return drafting.confirm_repair(
            organisation_id=of.organisation_id, reference=made.reference, actor=FACTORY, now=at(DAY)
        )


def loan(payee: Payee, principal_minor: int = 1_200_00, percent: int | str = 10, **values: Any) -> Loan:
    """A loan of 6 October, paid back from 12 October on."""
    with stored():
        of = LoanDraft(
            payee.id, principal_minor, Decimal(percent), values.pop("lent_on", date(2025, 10, 6)), "CURRENT"
        )
        return charging.lend(
            organisation_id=payee.organisation_id,
            draft=of,
            actor=FACTORY,
            now=at(date(2025, 10, 6)),
            **values,
        )


def earn(payee: Payee, amount_minor: int, on: date, source: str = "Card fares") -> Earning:
    """An earning."""
    with stored():
        of = EarningDraft(payee.id, source, f"trip-{next(_numbers)}", amount_minor, on)
        return charging.record_earnings(
            organisation_id=payee.organisation_id, drafts=[of], actor=FACTORY, now=at(on)
        )[0]


def charge(payee: Payee, category: str, amount_minor: int, on: date, **values: Any) -> Charge:
    """A charge."""
    with stored():
        of = ChargeDraft(payee.id, category, f"Charge {next(_numbers)}", amount_minor, on)
        return charging.add_charges(
            organisation_id=payee.organisation_id, drafts=[of], **{"actor": FACTORY, "now": at(on), **values}
        )[0]


def pay(payee: Payee, amount_minor: int, on: date, charges: Any = (), **values: Any) -> Adjustment:
    """A payment by the driver."""
    with stored():
        return crediting.record_payment(
            organisation_id=payee.organisation_id,
            payee_id=payee.id,
            amount_minor=amount_minor,
            method="cash",
            received_on=on,
            charges=charges,
            actor=FACTORY,
            now=at(on),
            **values,
        )


def set_up(organisation: Organisation, **values: Any) -> RepairsSettings:
    """The settings of the program."""
    with stored():
        return settings.change_settings(
            organisation_id=organisation.id, draft=SettingsDraft(**values), actor=FACTORY, now=at(DAY)
        )


def run(organisation: Organisation, day: date, now: datetime | None = None) -> WeeklyRun:
    """The run of the week that begins on a Sunday, at five in the morning."""
    return weekly.run_week(organisation_id=organisation.id, day=day, actor=FACTORY, now=now or at(day, 9))


def sunday(n: int) -> date:
    """The Sundays from 5 October 2025 on: sunday(0), sunday(1), …"""
    return date(2025, 10, 5) + timedelta(weeks=n)
