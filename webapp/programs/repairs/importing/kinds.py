"""The lists of this program: drivers, vehicles, medallions, leases, trips and charges."""

from __future__ import annotations

from dataclasses import replace

from webapp.imports.kinds import Cell, Field, Kind, register
from webapp.imports.payees import payee_fields
from webapp.programs.repairs.drafts import PROGRAM
from webapp.programs.repairs.importing.charges import ChargeImport
from webapp.programs.repairs.importing.drivers import DriverImport
from webapp.programs.repairs.importing.fleet import LeaseImport, MedallionImport, VehicleImport
from webapp.programs.repairs.importing.trips import TripImport

_LICENCE = ("hack_license", "hack_licence", "licence", "license", "driver_id")
_DRIVER = Field("driver", "Driver", "Licence, our reference, e-mail address or name.", "D-100", is_required=True,
                aliases=(*_LICENCE, "driver_name"))  # fmt: skip
_PLATE = Field("plate", "Plate", "Of the vehicle.", "T612345C", is_required=True,
               aliases=("vehicle", "vehicle_plate", "licence_plate", "license_plate"))  # fmt: skip
_VIN = Field("vin", "VIN", "Empty where it is not known.", "1FTBR1Y80PKA00001", aliases=("vehicle_vin",))


def _reference(example: str, noun: str, *aliases: str) -> Field:
    return Field(
        "external_ref", "Your reference",
        f"The number of the {noun} in your other system. The same file again changes nothing.",
        example, is_required=True, aliases=("id", "reference", "external_reference", *aliases),
    )  # fmt: skip


DRIVERS = Kind(
    code="drivers",
    label="Drivers",
    text="Those who lease vehicles. A list of trips will do: each licence becomes a driver, whose name you enter "
    "later. Payment details are entered on the driver's page, where a second person verifies changes.",
    fields=tuple(
        replace(field, is_required=False) if field.name == "name" else field
        for field in payee_fields("D-100", "driver", external_ref=_LICENCE, name=("driver", "driver_name"))
    ),
    importer=DriverImport,
    following=("admin.payees.index", "See the payees"),
    order=80,
    program=PROGRAM,
)

VEHICLES = Kind(
    code="vehicles",
    label="Vehicles",
    text="The fleet. Leases bring vehicles in as well, where they name a plate that is new.",
    fields=(_PLATE, _VIN),
    importer=VehicleImport,
    order=81,
    program=PROGRAM,
)

MEDALLIONS = Kind(
    code="medallions",
    label="Medallions",
    text="The licences that vehicles drive under. Leases bring them in as well.",
    fields=(
        Field("number", "Number", "Of the medallion.", "5Y21", is_required=True, aliases=("medallion",)),
    ),
    importer=MedallionImport,
    order=82,
    program=PROGRAM,
)

LEASES = Kind(
    code="driver_leases",
    label="Drivers’ leases",
    text="Who drives what, for how much a week. Bring drivers in first. A lease that is there stays as it is: it ends, "
    "and gets another vehicle, on its page.",
    fields=(
        _reference("L-1", "lease", "lease", "lease_id", "lease_number"),
        _DRIVER,
        _PLATE,
        _VIN,
        Field("medallion", "Medallion", "Empty where there is none.", "5Y21", aliases=("medallion_number",)),
        Field("weekly", "A week", "What the lease costs a week.", "500.00", Cell.NUMBER, is_required=True,
              aliases=("weekly_amount", "weekly_rate", "rent", "lease_amount")),
        Field("shift", "Shift", "full, day or night; empty: full.", "full", aliases=("type", "lease_type")),
        Field("takes_repairs", "Repairs", "Whether repairs are charged to the driver; empty: yes.", "yes",
              aliases=("repairs", "charges_repairs")),
        Field("starts_on", "From", "Its first day.", "2026-01-04", Cell.DAY, is_required=True,
              aliases=("start", "start_date", "from", "begins_on")),
        Field("ends_on", "Until", "Its last day; empty: it runs on.", "", Cell.DAY,
              aliases=("end", "end_date", "until", "to")),
    ),
    importer=LeaseImport,
    order=83,
    program=PROGRAM,
)  # fmt: skip

TRIPS = Kind(
    code="trips",
    label="Trips",
    text="As meters record them and New York publishes them. Bring drivers in first; the same list will do. Cards’ "
    "fares become earnings, taxes and tolls of all trips are charged, cash stays with the driver; the weekly run does "
    "it.",
    fields=(
        _DRIVER,
        Field("picked_up_at", "Pickup", "Day and time on your clock; with the driver it tells trips apart.",
              "2013-01-13 04:37:00", is_required=True, aliases=("pickup_datetime", "pickup", "tpep_pickup_datetime")),
        Field("dropped_off_at", "Drop-off", "Day and time.", "2013-01-13 04:48:00", is_required=True,
              aliases=("dropoff_datetime", "dropoff", "tpep_dropoff_datetime")),
        Field("payment", "Payment", "CRD (card), CSH (cash), NOC (no charge), DIS (disputed) or UNK.", "CRD",
              is_required=True, aliases=("payment_type", "paid_by")),
        Field("fare", "Fare", "", "12.00", Cell.NUMBER, is_required=True, aliases=("fare_amount",)),
        Field("surcharge", "Surcharge", "At night and at rush hour.", "0.50", Cell.NUMBER, aliases=("extra",)),
        Field("tax", "Tax", "For each trip.", "0.50", Cell.NUMBER, aliases=("mta_tax", "taxes")),
        Field("tip", "Tip", "Of cards; nobody records the others.", "3.12", Cell.NUMBER,
              aliases=("tip_amount", "tips")),
        Field("tolls", "Tolls", "", "0.00", Cell.NUMBER, aliases=("tolls_amount", "toll")),
        Field("total", "Total", "Fare, surcharge, tax, tip and tolls together.", "16.12", Cell.NUMBER,
              is_required=True, aliases=("total_amount",)),
        Field("medallion", "Medallion", "", "5Y21"),
        Field("vendor", "Meter", "Who made it.", "VTS", is_in_template=False, aliases=("vendor_id",)),
        Field("rate_code", "Rate", "", "1", is_in_template=False, aliases=("ratecode", "ratecodeid")),
        Field("passengers", "Passengers", "", "1", Cell.NUMBER, is_in_template=False, aliases=("passenger_count",)),
        Field("distance", "Miles", "", "3.39", Cell.NUMBER, is_in_template=False, aliases=("trip_distance",)),
    ),
    importer=TripImport,
    order=84,
    program=PROGRAM,
)  # fmt: skip

CHARGES = Kind(
    code="charges",
    label="Drivers’ charges",
    text="Tolls, tickets, fees and whatever else drivers owe beside repairs and loans. Each is booked once; what is "
    "booked stays as it is.",
    fields=(
        _reference("C-1", "charge", "charge_id", "transaction_id"),
        _DRIVER,
        Field("category", "Category", "taxes, tolls, lease, tickets, agency_fees, advances, miscellaneous or deposit.",
              "tolls", is_required=True, aliases=("type", "charge_type")),
        Field("description", "For what", "As it stands on the weekly receipt.", "Bridge toll", is_required=True,
              aliases=("text", "memo", "details")),
        Field("amount", "Amount", "", "6.94", Cell.NUMBER, is_required=True, aliases=("charge", "total")),
        Field("charged_on", "Day", "Not beyond the present week.", "2026-01-11", Cell.DAY, is_required=True,
              aliases=("date", "day", "charge_date")),
    ),
    importer=ChargeImport,
    order=85,
    program=PROGRAM,
)  # fmt: skip

KINDS = {kind.code: register(kind) for kind in (DRIVERS, VEHICLES, MEDALLIONS, LEASES, TRIPS, CHARGES)}
