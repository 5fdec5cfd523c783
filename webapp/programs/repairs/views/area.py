"""The repairs' part of the admins' portal."""

from __future__ import annotations

from webapp.payouts.views.program_pages import Area

PREFIX = "admin.repairs"
AREA = Area(
    PREFIX,
    "Repairs",
    (
        ("index", "Overview"),
        ("repairs", "Repairs"),
        ("instalments", "Instalments"),
        ("weekly", "Weekly run"),
        ("receipts", "Receipts"),
        ("drivers", "Drivers"),
        ("disputes", "Disputes"),
        ("leases", "Leases"),
        ("vehicles", "Vehicles"),
        ("statistics", "Statistics"),
        ("settings", "Settings"),
    ),
)
