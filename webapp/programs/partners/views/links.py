"""Addresses and words that several pages of partners share."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from flask import current_app, url_for

from webapp.payouts.views.program_pages import percent_words
from webapp.programs.partners.views.area import PREFIX


def href_of(page: str, **where: Any) -> str | None:
    """The address of a page of this area; None where the area has no such page."""
    endpoint = f"{PREFIX}.{page}"
    return url_for(endpoint, **where) if endpoint in current_app.view_functions else None


def percent(basis_points: int) -> str:
    """A rate as people read it: "7.5 %"."""
    return percent_words(Decimal(basis_points) / 100)
