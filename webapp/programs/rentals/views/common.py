"""Shared by the admins' pages of rentals: their part of the portal, lists, small forms with one act, words."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Any

from flask import request
from flask.typing import ResponseReturnValue
from wtforms import Form

from webapp.kernel.clock import utc_now
from webapp.payouts.views import program_pages
from webapp.payouts.views.program_pages import (
    NO_PAGE,
    Area,
    form_of,
    in_dialog,
    money,
    page_of,
    percent_words,
    sums_words,
    today,
)
from webapp.programs.rentals.models import Lease, Property
from webapp.programs.rentals.words import share_words

__all__ = [
    "NO_PAGE",
    "form_of",
    "in_dialog",
    "money",
    "page_of",
    "percent_words",
    "share_words",
    "sums_words",
    "today",
]
AREA = Area(
    "admin.rentals",
    "Rentals",
    (
        ("index", "Overview"),
        ("payouts", "Owners' payouts"),
        ("payments", "Payments"),
        ("charges", "Rents"),
        ("arrears", "Arrears"),
        ("waiting", "Waiting shares"),
        ("returns", "Returned rent"),
        ("leases", "Leases"),
        ("properties", "Properties"),
        ("tenants", "Tenants"),
        ("owners", "Owners"),
        ("terms", "Terms"),
        ("figures", "Figures"),
    ),
)
act_page = partial(program_pages.act_page, AREA)


def list_page(tab: str, form: Form, **context: Any) -> ResponseReturnValue:
    """A list of rentals with its filter, as `program_pages.list_page` answers it."""
    return program_pages.list_page(AREA, f"rentals/{tab}.html", form, tab, **context)


def is_sent() -> bool:
    """Whether the form of the page was sent, and not only opened."""
    return request.method == "POST"


def tenants_of(lease: Lease) -> str:
    """The tenants' names, comma-separated."""
    return ", ".join(each.tenant.name for each in lease.tenants)


def home_of(lease: Lease) -> str:
    """ "Lake View, Flat 4B"."""
    return f"{lease.unit.property.name}, {lease.unit.name}"


def owners_words(place: Property) -> list[tuple[str, str]]:
    """(name, share) of each owner of a property."""
    total = sum(share.weight for share in place.shares)
    return [(share.payee.name, share_words(share.weight, total)) for share in place.shares]


def span_words(minutes: int) -> str:
    """ "7 minutes", "3 hours", "2 days"."""
    for size, one in ((24 * 60, "day"), (60, "hour")):
        if minutes >= size:
            n = minutes // size
            return f"{n} {one}" if n == 1 else f"{n} {one}s"
    return "1 minute" if minutes == 1 else f"{minutes} minutes"


def now() -> datetime:
    """The present moment."""
    return utc_now()
