"""The partners' part of the admins' portal."""

from __future__ import annotations

from webapp.payouts.views.program_pages import Area

PREFIX = "admin.partners"
AREA = Area(
    PREFIX,
    "Partners",
    (
        ("index", "Overview"),
        ("payouts", "Payouts"),
        ("commissions", "Commissions"),
        ("deals", "Deals"),
        ("registrations", "Registrations"),
        ("partners", "Partners"),
        ("rules", "Rules"),
        ("programs", "Programs"),
        ("disputes", "Disputes"),
        ("reconciliation", "Reconciliation"),
        ("rates", "Exchange rates"),
    ),
)
