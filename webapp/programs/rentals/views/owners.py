"""Owners: whose payouts wait and why, and asking them for their payment details."""

from __future__ import annotations

from flask import flash, g, request, url_for
from flask.typing import ResponseReturnValue

from webapp.database import transaction
from webapp.kernel.clock import utc_now
from webapp.kernel.errors import Conflict
from webapp.people.models import Payee
from webapp.people.views.session import actor, require_change
from webapp.programs.rentals import asking, owner_lists
from webapp.programs.rentals.filters import OwnerFilterForm
from webapp.programs.rentals.views import common
from webapp.web.htmx import see_other


def index() -> ResponseReturnValue:
    """The list."""
    form = OwnerFilterForm(request.args)
    page, rows = common.NO_PAGE, []
    if is_valid := form.validate():
        query = owner_lists.list_owners(g.organisation.id, form.q.data or "", form.waits.data or "")
        page = common.page_of(query, Payee.id, "owner")
        rows = [
            {
                "line": line,
                "waiting": common.sums_words(line.waiting_sums),
                "owed": common.sums_words(line.owed),
            }
            for line in owner_lists.lines(page.items, utc_now())
        ]
    return common.list_page("owners", form, is_valid=is_valid, page=page, rows=rows)


def ask(reference: str) -> ResponseReturnValue:
    """Ask an owner by e-mail for the payment details that are missing."""
    require_change()
    owner = owner_lists.get_owner(g.organisation.id, reference)
    name = owner.name
    try:
        with transaction():
            is_new = asking.ask_for_details(
                organisation_id=g.organisation.id, reference=reference, actor=actor(), now=utc_now()
            )
    except Conflict as error:
        flash(error.message, "error")
    else:
        said = "is asked by e-mail" if is_new else "was asked by e-mail this week already"
        flash(f"{name} {said}.", "success" if is_new else "info")
    return see_other(url_for(".owners"))
