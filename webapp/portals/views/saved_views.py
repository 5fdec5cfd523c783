"""Saved views of the admins' lists: kept filters as links above the list, with how many rows each has now."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode

from flask import Blueprint, abort, flash, g, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user
from werkzeug.datastructures import MultiDict

from webapp.database import db, transaction
from webapp.kernel.clock import utc_now
from webapp.kernel.errors import Invalid
from webapp.payouts import approval_queue, lists
from webapp.payouts.forms import FilterForm, QueueFilterForm
from webapp.payouts.models import Payout
from webapp.people import queries as people
from webapp.people.access import saved_views
from webapp.people.models import Payee
from webapp.programs.installations import queries as installations
from webapp.programs.installations.forms import FilterForm as InstallationFilterForm
from webapp.programs.installations.models import Installation
from webapp.programs.installations.views import common
from webapp.web.htmx import flash_with_undo, is_fragment, see_other
from webapp.web.pagination import capped_count

blueprint = Blueprint("saved_views", __name__, url_prefix="/views")
# Where in a list one is, and what a form carries along, is no part of a view.
NOT_FILTERS = ("before", "after", "open", "size", "csrf_token")


@dataclass(frozen=True)
class ViewLink:
    """One saved view above its list; count is None until it was asked for."""

    id: int
    name: str
    href: str
    is_current: bool
    count: str | None = None


def _payout_form(shape: Any, values: MultiDict[str, str]) -> Any:
    organisation = g.organisation
    return shape(
        values,
        programs=lists.programs_of(organisation.id),
        currency=organisation.currency,
        locale=organisation.locale,
    )


def _payouts(values: MultiDict[str, str]) -> str:
    form, organisation = _payout_form(FilterForm, values), g.organisation
    if not form.validate():
        return "?"
    query = lists.payouts(
        organisation_id=organisation.id, currency=organisation.currency, now=utc_now(), filters=form.chosen()
    )
    return capped_count(query, Payout.id)


def _approvals(values: MultiDict[str, str]) -> str:
    form = _payout_form(QueueFilterForm, values)
    if not form.validate():
        return "?"
    who = approval_queue.approver(organisation=g.organisation, user_id=current_user.id, now=utc_now())
    return capped_count(approval_queue.in_view(who, form.chosen(), values.get("view", "ready")), Payout.id)


def _payees(values: MultiDict[str, str]) -> str:
    query = people.payees(g.organisation.id, search=values.get("search", ""), kind=values.get("kind", ""))
    return capped_count(query, Payee.id)


def _installations(values: MultiDict[str, str]) -> str:
    form = InstallationFilterForm(values, types=common.type_choices(values.get("type", "")))
    if not form.validate():
        return "?"
    return capped_count(installations.list_installations(g.organisation.id, form.chosen()), Installation.id)


COUNTS: dict[str, Callable[[MultiDict[str, str]], str]] = {
    "admin.payouts.index": _payouts,
    "admin.approvals.index": _approvals,
    "admin.payees.index": _payees,
    "admin.installations.index": _installations,
}


def filters_of(values: MultiDict[str, str]) -> str:
    """The filters among a list's values, as a query string in one order: equal filters, equal text."""
    kept = sorted((k, v) for k, v in values.items(multi=True) if k not in NOT_FILTERS and v.strip())
    return urlencode(kept)


def links(endpoint: str, here: str, with_counts: bool = False) -> list[ViewLink]:
    """The signed-in person's views of a list; `here` are the filters in use."""
    found = saved_views.shown(user_id=current_user.id, organisation_id=g.organisation.id, endpoint=endpoint)
    return [
        ViewLink(
            view.id,
            view.name,
            f"{url_for(endpoint)}?{view.query}",
            view.query == here,
            COUNTS[endpoint](MultiDict(parse_qsl(view.query))) if with_counts else None,
        )
        for view in found
    ]


def for_this_page() -> dict[str, Any] | None:
    """What a list's template shows above it; None on pages that are no such list."""
    if request.endpoint not in COUNTS or g.get("organisation") is None:
        return None
    here = filters_of(request.args)
    return {"list": request.endpoint, "links": links(request.endpoint, here), "query": here}


def _list_of(value: str | None) -> str:
    if value not in COUNTS:
        abort(404)
    return value


@blueprint.get("")
def index() -> ResponseReturnValue:
    """The views of one list, with counts: a fragment above the list, a page without JavaScript."""
    endpoint = _list_of(request.args.get("list"))
    here = request.args.get("query", "")
    saved = {"list": endpoint, "links": links(endpoint, here, with_counts=True), "query": here}
    template = "saved_views/_links.html" if is_fragment() else "saved_views/index.html"
    body = render_template(template, saved=saved, is_counted=True, list_href=url_for(endpoint))
    db.session.rollback()
    return body


@blueprint.post("")
def save() -> ResponseReturnValue:
    """Keep the filters in use under a name."""
    endpoint = _list_of(request.form.get("list"))
    query = filters_of(MultiDict(parse_qsl(request.form.get("query", ""))))
    try:
        with transaction():
            saved_views.save(
                user_id=current_user.id,
                organisation_id=g.organisation.id,
                endpoint=endpoint,
                name=request.form.get("name", ""),
                query=query,
                now=utc_now(),
            )
    except Invalid as error:
        saved = {"list": endpoint, "links": links(endpoint, query), "query": query}
        return render_template(
            "saved_views/index.html", saved=saved, problem=error.message, typed=request.form.get("name", ""),
            is_counted=True, list_href=url_for(endpoint), has_errors=True,
        ), 422  # fmt: skip
    flash("The view is saved. It stands above the list.", "success")
    return see_other(f"{url_for(endpoint)}?{query}")


@blueprint.post("/<int:view_id>/remove")
def remove(view_id: int) -> ResponseReturnValue:
    """Forget one's own view."""
    with transaction():
        view = saved_views.remove(user_id=current_user.id, organisation_id=g.organisation.id, view_id=view_id)
        fields = {"list": view.endpoint, "name": view.name, "query": view.query}
    text = f"The view “{fields['name']}” is removed. The records are untouched."
    flash_with_undo(text, url_for("admin.saved_views.save"), fields)
    return see_other(url_for(fields["list"]))
