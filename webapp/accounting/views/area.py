"""The pages of this room, as their templates name them."""

from __future__ import annotations

from webapp.payouts.views.program_pages import Area

AREA = Area("admin.accounting", "Accounting", (("index", "Bills"), ("settings", "Settings")))
