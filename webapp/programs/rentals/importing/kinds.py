"""The lists of this program: properties, owners' shares, tenants, leases and open rents."""

from __future__ import annotations

from functools import partial

from webapp.imports.kinds import Cell, Field, Kind, reference_field, register
from webapp.imports.payees import PayeeImport, payee_fields
from webapp.people.models import Role
from webapp.programs.rentals.drafts import PROGRAM
from webapp.programs.rentals.importing.arrears import ArrearsImport
from webapp.programs.rentals.importing.leases import LeaseImport
from webapp.programs.rentals.importing.properties import PropertyImport, ShareImport
from webapp.programs.rentals.importing.tenants import TenantImport

OWNERS = Kind(
    code="owners",
    label="Owners",
    text="The people and firms that own properties. Their payment details are entered on their page, where a second "
    "person verifies changes.",
    fields=payee_fields("O-1", "owner", external_ref=("owner_id",), name=("owner", "owner_name", "landlord")),
    importer=partial(PayeeImport, payee_kind=Role.OWNER.value),
    following=("admin.payees.index", "See the payees"),
    order=50,
    program=PROGRAM,
)

PROPERTIES = Kind(
    code="properties",
    label="Properties",
    text="Buildings and plots with their units. Units that the file does not name stay as they are.",
    fields=(
        reference_field("H-1", "property", "property_id", "building_id"),
        Field("name", "Name", "As it stands on statements.", "Lake View Residency", is_required=True,
              aliases=("property", "property_name", "building")),
        Field("address", "Address", "In one cell.", "14 Lake Road, Pune 411001"),
        Field("units", "Units", "What is let, with semicolons between them.", "Flat 1A; Flat 1B",
              aliases=("flats", "unit_names")),
        Field("reserve_target", "Reserve", "What is kept back from rents until there is so much; empty: nothing.",
              "5000.00", Cell.NUMBER, aliases=("reserve", "reserve_float")),
        Field("currency", "Currency", "Three letters; the organisation's own when it is empty.", "INR",
              is_in_template=False),
    ),
    importer=PropertyImport,
    following=("admin.rentals.properties", "See the properties"),
    order=51,
    program=PROGRAM,
)  # fmt: skip

SHARES = Kind(
    code="shares",
    label="Owners' shares",
    text="Who owns each property: one row for a property, its owners with semicolons between them. Bring owners and "
    "properties in first. Other owners than before are told, and payouts need a person for a while.",
    fields=(
        Field("property", "Property", "Reference or name.", "H-1", is_required=True,
              aliases=("property_id", "property_name", "building")),
        Field("owners", "Owners", "Reference, e-mail address or name; several with semicolons.", "O-1; O-2",
              is_required=True, aliases=("owner", "owner_id", "landlords")),
        Field("shares", "Shares", "Per cent for each owner, adding up to 100; empty: equal parts.", "60; 40",
              Cell.NUMBERS, aliases=("share", "percent")),
    ),
    importer=ShareImport,
    following=("admin.rentals.properties", "See the properties"),
    order=52,
    program=PROGRAM,
)  # fmt: skip

TENANTS = Kind(
    code="tenants",
    label="Tenants",
    text="Those who pay rent. They do not sign in; a link by e-mail leads them to their pay page.",
    fields=(
        reference_field("T-1", "tenant", "tenant_id"),
        Field("name", "Name", "", "Meera Iyer", is_required=True, aliases=("tenant", "tenant_name", "full_name")),
        Field("email", "E-mail address", "Where the link that pays goes.", "meera@example.com",
              aliases=("e_mail", "email_address", "mail")),
        Field("phone", "Phone", "", "+91 98200 12345", aliases=("telephone", "mobile")),
    ),
    importer=TenantImport,
    following=("admin.rentals.tenants", "See the tenants"),
    order=53,
    program=PROGRAM,
)  # fmt: skip

LEASES = Kind(
    code="leases",
    label="Leases",
    text="Which unit is let to whom, for how much. The first day is that from which Paydesk asks for rent, up to "
    "twelve months back; what is open from before comes with the open rents. A lease that is there gets later rents "
    "and its end from the file.",
    fields=(
        reference_field("L-1", "lease", "lease_id", "contract", "agreement"),
        Field("property", "Property", "Reference or name.", "H-1", is_required=True,
              aliases=("property_id", "property_name", "building")),
        Field("unit", "Unit", "Its name in the property.", "Flat 1A", is_required=True,
              aliases=("flat", "unit_name", "unit_id")),
        Field("tenants", "Tenants", "Reference, e-mail address or name; several with semicolons.", "T-1",
              is_required=True, aliases=("tenant", "tenant_id", "tenant_name")),
        Field("rent", "Rent", "The monthly rent at the beginning.", "25000.00", Cell.NUMBER, is_required=True,
              aliases=("monthly_rent", "amount", "rent_amount")),
        Field("later_rents", "Later rents", "Months from which another rent counts: day, colon, amount; several "
              "with semicolons.", "2027-04-01: 27500.00", aliases=("rent_changes", "escalation")),
        Field("start_on", "First day", "", "2026-04-01", Cell.DAY, is_required=True,
              aliases=("start", "start_date", "from", "begins_on")),
        Field("end_on", "Last day", "Empty: until further notice.", "", Cell.DAY,
              aliases=("end", "end_date", "until")),
        Field("due_day", "Due on day", "1 to 28 of the month; empty: 5.", "5", aliases=("rent_due_day",)),
        Field("deposit", "Deposit", "Empty: none.", "50000.00", Cell.NUMBER,
              aliases=("security_deposit", "deposit_amount")),
    ),
    importer=LeaseImport,
    following=("admin.rentals.leases", "See the leases"),
    order=54,
    program=PROGRAM,
)  # fmt: skip

OPEN_RENTS = Kind(
    code="open_rents",
    label="Open rents",
    text="What tenants owe from the time before Paydesk: one row for each month of a lease. Bring the leases in first.",
    fields=(
        Field("lease", "Lease", "Your reference or ours.", "L-1", is_required=True,
              aliases=("lease_id", "contract", "agreement", "external_ref")),
        Field("month", "Month", "Any day of it.", "2026-09-01", Cell.DAY, is_required=True,
              aliases=("period", "period_start", "for_month")),
        Field("amount", "Open amount", "What is still to be paid for that month.", "25000.00", Cell.NUMBER,
              is_required=True, aliases=("open", "balance", "arrears", "due", "outstanding")),
        Field("due_on", "Was due on", "Empty: the lease's due day in that month.", "2026-09-05", Cell.DAY,
              aliases=("due_date",)),
    ),
    importer=ArrearsImport,
    following=("admin.rentals.charges", "See the rents"),
    order=55,
    program=PROGRAM,
)  # fmt: skip

KINDS = {kind.code: register(kind) for kind in (OWNERS, PROPERTIES, SHARES, TENANTS, LEASES, OPEN_RENTS)}
