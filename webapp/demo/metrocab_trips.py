"""The trips of the demo's drivers, in the columns of New York's published lists; a seeded generator makes them."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from webapp.database import db, insert_many
from webapp.demo.metrocab_people import DRIVERS, licence, medallion
from webapp.programs.repairs.rules import week_of
from webapp.programs.repairs.states import Shift
from webapp.programs.repairs.trips import Trip, TripPayment

ZONE = ZoneInfo("America/New_York")
COLUMNS = (
    "medallion", "hack_license", "vendor_id", "payment_type", "fare_amount", "surcharge", "mta_tax", "tip_amount",
    "tolls_amount", "total_amount", "rate_code", "pickup_datetime", "dropoff_datetime", "passenger_count",
    "trip_time_in_secs", "trip_distance",
)  # fmt: skip
#: Mostly cards, as since 2013; a few that nobody pays.
_PAYMENTS, _WEIGHTS = ("CRD", "CSH", "NOC", "DIS"), (76, 22, 1, 1)
_MEANING = {
    "CRD": TripPayment.CARD,
    "CSH": TripPayment.CASH,
    "NOC": TripPayment.NO_CHARGE,
    "DIS": TripPayment.DISPUTED,
}
_AIRPORT_FARE, _BRIDGE, _TAX = 70_00, 6_94, 50
PublishedRow = dict[str, str]


def _plain(minor: int) -> str:
    return f"{minor // 100}.{minor % 100:02}"


def trips_of_day(rng: random.Random, position: int, day: date) -> Iterator[PublishedRow]:
    """A driver's trips of a day, one after the other."""
    driver = DRIVERS[position]
    first = 18 if driver.shift == Shift.NIGHT else rng.randrange(6, 11)
    moment = datetime.combine(day, time(first if first < 18 else rng.randrange(12, 15), rng.randrange(60)))
    for _ in range(max(1, driver.trips + rng.randrange(-2, 3))):
        trip, seconds = _trip(rng, moment)
        yield {"medallion": medallion(position), "hack_license": licence(position), **trip}
        moment += timedelta(seconds=seconds + rng.randrange(300, 3600))


def _trip(rng: random.Random, moment: datetime) -> tuple[PublishedRow, int]:
    """One trip: most in town, some to the airport for a flat fare, some over a bridge."""
    is_airport = rng.random() < 0.09
    miles = rng.randrange(1500, 1900) if is_airport else rng.randrange(120, 1150)
    fare = _AIRPORT_FARE if is_airport else 4_00 + miles * 350 // 100 // 50 * 50
    surcharge = 2_50 if 16 <= moment.hour < 20 else (1_00 if moment.hour >= 20 or moment.hour < 6 else 0)
    tolls = _BRIDGE if rng.random() < (0.5 if is_airport else 0.03) else 0
    payment = rng.choices(_PAYMENTS, _WEIGHTS)[0]
    tip = fare * rng.randrange(12, 26) // 100 if payment == "CRD" else 0
    seconds = miles * 3 + rng.randrange(120, 400)
    amounts = (fare, surcharge, _TAX, tip, tolls, fare + surcharge + _TAX + tip + tolls)
    names = COLUMNS[4:10]
    return {
        "vendor_id": rng.choice(("CMT", "VTS")),
        "payment_type": payment,
        **{name: _plain(minor) for name, minor in zip(names, amounts, strict=True)},
        "rate_code": "2" if is_airport else "1",
        "pickup_datetime": f"{moment:%Y-%m-%d %H:%M:%S}",
        "dropoff_datetime": f"{moment + timedelta(seconds=seconds):%Y-%m-%d %H:%M:%S}",
        "passenger_count": str(rng.choices((1, 2, 3, 4), (70, 18, 7, 5))[0]),
        "trip_time_in_secs": str(seconds),
        "trip_distance": f"{miles // 100}.{miles % 100:02}",
    }, seconds


def store(organisation_id: int, payees: dict[str, int], rows: Iterable[PublishedRow], now: datetime) -> int:
    """Store generated trips with one statement, as bringing the file in would store them; returns how many."""
    values = [_values(organisation_id, payees[row["hack_license"]], row, now) for row in rows]
    insert_many(db.session(), Trip, values)
    return len(values)


def _minor(text: str) -> int:
    return int(text.replace(".", ""))


def _values(organisation_id: int, payee_id: int, row: PublishedRow, now: datetime) -> dict[str, object]:
    picked_up, dropped_off = (
        datetime.fromisoformat(row[name]).replace(tzinfo=ZONE).astimezone(UTC)
        for name in ("pickup_datetime", "dropoff_datetime")
    )
    day = date.fromisoformat(row["pickup_datetime"][:10])
    return {
        "organisation_id": organisation_id,
        "payee_id": payee_id,
        "medallion": row["medallion"],
        "vendor": row["vendor_id"],
        "payment": _MEANING[row["payment_type"]].value,
        "currency": "USD",
        "fare_minor": _minor(row["fare_amount"]),
        "surcharge_minor": _minor(row["surcharge"]),
        "tax_minor": _minor(row["mta_tax"]),
        "tip_minor": _minor(row["tip_amount"]),
        "tolls_minor": _minor(row["tolls_amount"]),
        "total_minor": _minor(row["total_amount"]),
        "rate_code": row["rate_code"],
        "picked_up_at": picked_up,
        "dropped_off_at": dropped_off,
        "day": day,
        "week_start": week_of(day, 6).start,
        "passengers": int(row["passenger_count"]),
        "distance": Decimal(row["trip_distance"]),
        "created_at": now,
    }


def days_of(rng: random.Random, position: int, week: Sequence[date]) -> list[date]:
    """The days of a week on which a driver works."""
    return sorted(rng.sample(list(week), min(len(week), DRIVERS[position].days)))
