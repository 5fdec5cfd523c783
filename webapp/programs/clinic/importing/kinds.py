"""The lists of this program: practitioners, customers, appointments, invoices and payments."""

from __future__ import annotations

from functools import partial

from webapp.imports.kinds import Cell, Field, Kind, reference_field, register
from webapp.imports.payees import PayeeImport, payee_fields
from webapp.people.models import Role
from webapp.programs.clinic.drafts import PROGRAM
from webapp.programs.clinic.importing.appointments import AppointmentImport
from webapp.programs.clinic.importing.customers import CustomerImport
from webapp.programs.clinic.importing.invoices import InvoiceImport
from webapp.programs.clinic.importing.payments import PaymentImport

PRACTITIONERS = Kind(
    code="practitioners",
    label="Practitioners",
    text="Those who are paid for appointments. Their payment details are entered on their page, where a second person "
    "verifies changes.",
    fields=payee_fields(
        "PR-1",
        "practitioner",
        external_ref=("practitioner_id",),
        name=("practitioner", "practitioner_name", "provider"),
    ),
    importer=partial(PayeeImport, payee_kind=Role.PRACTITIONER.value),
    following=("admin.payees.index", "See the payees"),
    order=60,
    program=PROGRAM,
)  # fmt: skip

CUSTOMERS = Kind(
    code="customers",
    label="Customers",
    text="Those who get invoices. They do not sign in; practitioners see their initials only.",
    fields=(
        reference_field("C-1", "customer", "customer_id", "client_id", "patient_id"),
        Field("name", "Name", "As it stands on invoices.", "Alex Morgan", is_required=True,
              aliases=("customer", "customer_name", "client", "full_name")),
        Field("email", "E-mail address", "", "alex@example.com", aliases=("e_mail", "email_address", "mail")),
        Field("phone", "Phone", "", "+1 416 555 0100", aliases=("telephone", "mobile")),
    ),
    importer=CustomerImport,
    following=("admin.clinic.customers", "See the customers"),
    order=61,
    program=PROGRAM,
)  # fmt: skip

APPOINTMENTS = Kind(
    code="appointments",
    label="Appointments",
    text="When, what kind of service, with whom; nothing clinical. Bring practitioners and customers in first. An "
    "appointment that is there changes until somebody is paid for it.",
    fields=(
        reference_field("A-1", "appointment", "appointment_id", "visit_id", "booking_id"),
        Field("customer", "Customer", "Reference, e-mail address or name.", "C-1", is_required=True,
              aliases=("customer_id", "customer_name", "client", "client_id", "patient_id")),
        Field("day", "Day", "Of the appointment.", "2026-11-10", Cell.DAY, is_required=True,
              aliases=("date", "appointment_date", "starts_on")),
        Field("time", "Hour", "On the clinic's clock; empty: noon.", "09:30",
              aliases=("hour", "start_time", "starts_at")),
        Field("category", "Service category", "Commission rules go by it.", "Physiotherapy",
              aliases=("service", "service_category", "type")),
        Field("practitioners", "Practitioners", "Reference, e-mail address or name; several with semicolons, the "
              "primary one first.", "PR-1; PR-2", aliases=("practitioner", "provider", "practitioner_id")),
        Field("weights", "Weights", "One for each practitioner, such as per cents; empty: equal parts.", "60; 40",
              Cell.NUMBERS, aliases=("weight", "shares", "percent")),
    ),
    importer=AppointmentImport,
    following=("admin.clinic.appointments", "See the appointments"),
    order=62,
    program=PROGRAM,
)  # fmt: skip

INVOICES = Kind(
    code="invoices",
    label="Invoices",
    text="One row for each invoice, its lines with semicolons between them. Bring appointments in first. Paydesk gives "
    "the numbers. An invoice that is there stays as it is.",
    fields=(
        reference_field("I-1", "invoice", "invoice_id", "invoice_number", "number"),
        Field("customer", "Customer", "Reference, e-mail address or name; empty: that of the appointment.", "C-1",
              aliases=("customer_id", "customer_name", "client", "client_id")),
        Field("appointment", "Appointment", "Your reference or ours; empty for an order.", "A-1",
              aliases=("appointment_id", "visit_id", "booking_id")),
        Field("issued_on", "Date", "", "2026-11-10", Cell.DAY, is_required=True,
              aliases=("date", "invoice_date", "issue_date")),
        Field("due_on", "Due on", "Empty: by as many days later as the settings say.", "2026-11-24", Cell.DAY,
              aliases=("due_date", "due")),
        Field("description", "Lines", "What is charged, with semicolons between the lines.",
              "Initial assessment; Taping", is_required=True, aliases=("lines", "items", "item", "service")),
        Field("quantity", "Quantities", "One for each line, or one for all; empty: 1.", "1; 2", Cell.NUMBERS,
              aliases=("qty", "quantities", "units")),
        Field("unit_price", "Unit prices", "One for each line, or one for all, without tax.", "90.00; 15.00",
              Cell.NUMBERS, is_required=True, aliases=("price", "prices", "rate", "unit_prices")),
        Field("discount", "Discounts", "An amount for each line; empty: none.", "0; 5.00", Cell.NUMBERS,
              aliases=("discounts",)),
        Field("tax_percent", "Tax, per cent", "One for each line, or one for all; empty: none.", "13", Cell.NUMBERS,
              aliases=("tax", "tax_rate", "vat", "hst", "gst")),
        Field("about", "What it is for", "appointment, order or other; empty: by the other columns.", "appointment",
              is_in_template=False),
        Field("order_reference", "Order", "The number of the order in your shop.", "SH-1001", is_in_template=False,
              aliases=("order", "order_id")),
        Field("currency", "Currency", "Three letters; the organisation's own when it is empty.", "CAD",
              is_in_template=False),
        Field("note", "Note", "", is_in_template=False, aliases=("notes", "comment")),
    ),
    importer=InvoiceImport,
    following=("admin.clinic.invoices", "See the invoices"),
    order=63,
    program=PROGRAM,
)  # fmt: skip

PAYMENTS = Kind(
    code="payments",
    label="Payments",
    text="What customers paid, one row for each payment. Each is booked once, however often the file comes; what is "
    "booked stays as it is.",
    fields=(
        reference_field("P-1", "payment", "payment_id", "transaction_id"),
        Field("invoice", "Invoice", "Our number, or your reference of the invoice.", "I-1", is_required=True,
              aliases=("invoice_id", "invoice_number")),
        Field("amount", "Amount", "At most what is left to pay.", "60.00", Cell.NUMBER, is_required=True,
              aliases=("paid", "amount_paid", "total")),
        Field("method", "Method", "gateway, pos, cash or manual.", "gateway", is_required=True,
              aliases=("payment_method", "how")),
        Field("happened_on", "Paid on", "", "2026-11-10", Cell.DAY, is_required=True,
              aliases=("date", "paid_on", "payment_date", "day")),
        Field("provider_reference", "Provider's reference", "The gateway's or the terminal's number; once only.",
              "ch_3001", aliases=("gateway_reference", "transaction_reference")),
        Field("fee", "Gateway's fee", "What the gateway kept of it.", "2.10", Cell.NUMBER,
              aliases=("gateway_fee", "fees")),
        Field("note", "Note", "", is_in_template=False, aliases=("notes", "comment")),
    ),
    importer=PaymentImport,
    following=("admin.clinic.invoices", "See the invoices"),
    order=64,
    program=PROGRAM,
)  # fmt: skip

KINDS = {kind.code: register(kind) for kind in (PRACTITIONERS, CUSTOMERS, APPOINTMENTS, INVOICES, PAYMENTS)}
