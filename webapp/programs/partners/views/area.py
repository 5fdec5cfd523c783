"""The partners' part of the admins' portal."""

from __future__ import annotations

from webapp.payouts.views.program_pages import Area

PREFIX = "admin.partners"
AREA = Area(
    PREFIX,
    "Partners",
    (
        ("index", "Overview"),
        ("programs", "Programs"),
    ),
)
