"""The clinic's part of the admins' portal, and words that its pages share."""

from __future__ import annotations

from typing import Any

from webapp.payouts.views.program_pages import Area, money
from webapp.programs.clinic.models import Appointment, Invoice
from webapp.programs.clinic.states import PAID_STATES, About, InvoiceState

PREFIX = "admin.clinic"
AREA = Area(
    PREFIX,
    "Clinic",
    (
        ("index", "Overview"),
        ("invoices", "Invoices"),
        ("appointments", "Appointments"),
        ("customers", "Customers"),
        ("wallets", "Wallets"),
        ("rules", "Commission rules"),
        ("deductions", "Deductions"),
        ("settings", "Settings"),
    ),
)


def names_of(appointment: Appointment | None) -> str:
    """The practitioners of an appointment, the primary one first."""
    if appointment is None:
        return ""
    people = sorted(appointment.practitioners, key=lambda each: (not each.is_primary, each.id))
    return ", ".join(each.payee.name for each in people)


def invoice_row(invoice: Invoice, payouts: list[Any]) -> dict[str, Any]:
    """What lists and pages show of an invoice, with the one act that is next for it.

    `smart` is "pay" (money is still asked for), "payout" (paid, about an appointment, no payout), "view" or "".
    """
    state = InvoiceState(invoice.state)
    is_ready = state in PAID_STATES and invoice.about == About.APPOINTMENT and not payouts
    smart = "view" if payouts else "pay" if invoice.remaining_minor else "payout" if is_ready else ""
    return {
        "invoice": invoice,
        "state": state,
        "about": About(invoice.about),
        "practitioners": names_of(invoice.appointment),
        "total": money(invoice.total_minor, invoice.currency),
        "collected": money(invoice.stayed_minor, invoice.currency),
        "left": money(invoice.remaining_minor, invoice.currency),
        "payouts": payouts,
        "smart": smart,
    }
