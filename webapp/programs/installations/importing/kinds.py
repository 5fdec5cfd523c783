"""The lists of this program: technicians, rates and installations, with the names that others give their columns."""

from __future__ import annotations

from functools import partial

from webapp.imports.kinds import Cell, Field, Kind, Origin, register
from webapp.imports.payees import PayeeImport, payee_fields
from webapp.people.models import Role
from webapp.programs.installations.importing.installations import InstallationImport
from webapp.programs.installations.importing.rates import RateImport
from webapp.programs.installations.models import CAPACITY_UNITS, InstallationStatus, QualityCheck, RateType

_SOLAR = {"installation_type": "solar", "capacity_unit": "kW", "currency": "USD", "status": "commissioned"}
ORIGINS = (
    Origin(
        "a list of solar installations in the columns of Tracking the Sun",
        frozenset({"project_id", "installation_date", "system_size_kw", "installer"}),
        _SOLAR,
        site=("city", "state", "zip"),
    ),
    Origin(
        "Tracking the Sun in its original columns",
        frozenset({"program1projectid", "ptodate_orproxy", "systemsizeindcstc_kw", "installer_clean"}),
        _SOLAR,
        frozenset({"-1", "-1.0", "NaT"}),
        ("hostcustomercity", "state", "hostcustomerzip_4"),
    ),
)


def _words(values: object) -> str:
    return ", ".join(str(value) for value in values)  # type: ignore[attr-defined]


_CURRENCY = Field(
    "currency",
    "Currency",
    "Three letters; the organisation's own when it is empty.",
    "USD",
    is_in_template=False,
)
_UNIT = Field("capacity_unit", "Unit", f"One of {_words(CAPACITY_UNITS)}.", "kW", aliases=("unit",))

TECHNICIANS = Kind(
    code="technicians",
    label="Technicians",
    text="The people and firms that are paid for installations. A list of jobs works too: its distinct names "
    "become technicians.",
    fields=payee_fields(
        "T-100",
        "technician",
        external_ref=("technician_id",),
        name=("technician", "technician_name", "installer", "installer_clean"),
    ),
    importer=partial(PayeeImport, payee_kind=Role.TECHNICIAN.value),
    origins=ORIGINS,
    following=("admin.payees.index", "See the payees"),
    order=20,
    program="installations",
)

RATES = Kind(
    code="rates",
    label="Rates",
    text="What an installation pays, by type and size. A changed row becomes the next version of its rate.",
    fields=(
        Field("external_ref", "Your reference", "The next import finds the rate by it; without, by name.", "solar-a",
              aliases=("id", "external_reference")),
        Field("name", "Name", "As it stands on calculations.", "Solar A", is_required=True),
        Field("installation_type", "Installation type", "Empty: every type.", "solar", aliases=("type",)),
        _UNIT,
        Field("min_size", "From size", "The smallest size it is for.", "0", Cell.NUMBER,
              aliases=("min_capacity", "from_size", "min")),
        Field("max_size", "To size", "Empty: no limit.", "10", Cell.NUMBER,
              aliases=("max_capacity", "to_size", "max")),
        Field("rate_type", "Rate type", f"One of {_words(RateType)}.", "per_unit", is_required=True),
        Field("rate", "Rate", "An amount, or per cent.", "50.00", Cell.NUMBER, is_required=True,
              aliases=("rate_amount", "amount")),
        Field("bonus", "Quality bonus", "An amount; empty for none.", "", Cell.NUMBER,
              aliases=("quality_bonus", "bonus_amount")),
        Field("priority", "Priority", "Where several fit, the highest wins.", "1"),
        Field("active", "Active", "Yes or no.", "yes", aliases=("is_active",)),
        Field("effective_from", "In force from", "A day; empty: from the beginning.", "", Cell.DAY),
        Field("effective_to", "In force until", "A day; empty: until further notice.", "", Cell.DAY),
        _CURRENCY,
    ),
    importer=RateImport,
    origins=ORIGINS,
    following=("admin.rates.index", "See the rates"),
    order=30,
    program="installations",
)  # fmt: skip

INSTALLATIONS = Kind(
    code="installations",
    label="Installations",
    text="The jobs, each with the technicians who did it. Bring the technicians in first: rows whose technician is "
    "not known are left out.",
    fields=(
        Field("external_ref", "Your reference", "The number of the job; the next import finds it by this.", "JOB-1",
              is_required=True,
              aliases=("id", "external_reference", "project_id", "job", "job_id", "program1projectid")),
        Field("installation_type", "Installation type", "Needed for new ones.", "solar",
              aliases=("type", "job_type")),
        Field("size", "Size", "Above 0; at most 6 decimals are kept.", "9.99", Cell.NUMBER,
              aliases=("system_size", "system_size_kw", "systemsizeindcstc_kw", "capacity")),
        _UNIT,
        Field("customer_name", "Customer", "", "Lee family", aliases=("customer",)),
        Field("site", "Site", "The address.", "12 Hill Street", aliases=("site_address", "address")),
        Field("order_value", "Order value", "For rates that are a percentage of it.", "25000.00", Cell.NUMBER,
              aliases=("installed_price", "totalinstalledcost", "price")),
        Field("status", "Status", f"One of {_words(InstallationStatus)}; empty: by the date.", "commissioned"),
        Field("commissioned_on", "Commissioned on", "A day that is not in the future.", "2026-10-31", Cell.DAY,
              aliases=("installation_date", "commissioned_at", "commissioned", "ptodate_orproxy")),
        Field("quality_check", "Quality check", f"One of {_words(QualityCheck)}.", "passed", aliases=("quality",)),
        Field("technicians", "Technicians", "Reference, e-mail address or name; several with semicolons.",
              "T-100; T-101", aliases=("technician", "installer", "installer_clean")),
        Field("shares", "Shares", "Per cent for each technician, adding up to 100; empty: equal parts.", "60; 40",
              Cell.NUMBERS, aliases=("share",)),
        _CURRENCY,
    ),
    importer=InstallationImport,
    origins=ORIGINS,
    following=("admin.installations.pay", "See what is due"),
    order=40,
    program="installations",
)  # fmt: skip

KINDS = {kind.code: register(kind) for kind in (TECHNICIANS, RATES, INSTALLATIONS)}
