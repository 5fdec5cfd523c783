"""Webhooks: which other systems are told of payouts, with their secrets made, shown once and exchanged."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from flask import Blueprint, current_app, flash, g, render_template, request, url_for
from flask.typing import ResponseReturnValue

from webapp.config import Settings
from webapp.database import transaction
from webapp.kernel.clock import local_date, start_of_day, utc_now
from webapp.kernel.errors import Conflict, Invalid
from webapp.payouts.views.program_pages import in_dialog
from webapp.people.forms import attach
from webapp.people.views.fresh import needs_fresh_sign_in
from webapp.people.views.numbers import number
from webapp.people.views.session import actor, may_change, require_change
from webapp.web.htmx import see_other
from webapp.webhooks import endpoints, forms, queries, replay
from webapp.webhooks.models import WebhookEndpoint
from webapp.webhooks.queries import DeliveryFilter
from webapp.webhooks.rules import EndpointState, EventType
from webapp.webhooks.views import deliveries

blueprint = Blueprint("webhooks", __name__, url_prefix="/settings/webhooks")
_RECENT = timedelta(days=7)
_SHOWN = 10


def _is_trial() -> bool:
    settings: Settings = current_app.config["SETTINGS"]
    return settings.environment != "production"


@blueprint.get("")
def index() -> ResponseReturnValue:
    """Every endpoint: on or off, what it wants, how the last days went."""
    rows = queries.endpoints(g.organisation.id)
    counts = queries.counts([row.id for row in rows], utc_now() - _RECENT)
    shown = [{"row": row, "state": EndpointState(row.state), "counts": counts[row.id]} for row in rows]
    return render_template("webhooks/index.html", rows=shown, may_change=may_change(), label=forms.label)


@blueprint.route("/new", methods=["GET", "POST"])
@needs_fresh_sign_in
def create() -> ResponseReturnValue:
    """The form of a new endpoint; made, its secret is shown, this once."""
    require_change()
    form = forms.EndpointForm()
    if request.method != "POST":
        form.events.data = [event.value for event in EventType]
        return _form_page(form, 200)
    if not form.validate():
        return _form_page(form, 422)

    def make() -> ResponseReturnValue:
        with transaction():
            row, secret = endpoints.create(
                organisation_id=g.organisation.id, **_typed(form), actor=actor(), now=utc_now()
            )
        return _secret_page(row, secret, is_new=True)

    return _saved(form, None, make)


def _typed(form: forms.EndpointForm) -> dict[str, Any]:
    return {
        "url": form.url.data or "",
        "name": form.name.data or "",
        "events": form.events.data or (),
        "is_trial": _is_trial(),
    }


def _saved(
    form: forms.EndpointForm, row: WebhookEndpoint | None, call: Callable[[], ResponseReturnValue]
) -> ResponseReturnValue:
    try:
        return call()
    except Invalid as error:
        attach(form, error)
        return _form_page(form, 422, row)
    except Conflict as error:
        return _form_page(form, 409, row, error.message)


def _form_page(
    form: forms.EndpointForm, code: int, row: WebhookEndpoint | None = None, conflict: str = ""
) -> ResponseReturnValue:
    page = render_template(
        "webhooks/form.html", form=form, row=row, label=forms.label, conflict=conflict, has_errors=code >= 400
    )
    return page, code


def _secret_page(row: WebhookEndpoint, secret: str, *, is_new: bool) -> str:
    return render_template("webhooks/secret.html", row=row, label=forms.label, secret=secret, is_new=is_new)


@blueprint.get("/<int:endpoint_id>")
def show(endpoint_id: int) -> ResponseReturnValue:
    """One endpoint: what it wants, how it is doing, what it was told last."""
    return _show(endpoint_id, forms.ReplayForm(formdata=None), 200)


def _show(endpoint_id: int, form: forms.ReplayForm, code: int, conflict: str = "") -> ResponseReturnValue:
    row, now = queries.get_endpoint(g.organisation.id, endpoint_id), utc_now()
    if form.since.data is None and not form.is_submitted():
        form.since.data = local_date(now, g.organisation.timezone) - _RECENT
    page = render_template(
        "webhooks/show.html",
        row=row,
        label=forms.label,
        state=EndpointState(row.state),
        events=[EventType(event) for event in row.events],
        is_signed_twice=_is_signed_twice(row),
        recent=deliveries.newest(DeliveryFilter(endpoint_id=row.id), _SHOWN),
        form=form,
        may_change=may_change(),
        conflict=conflict,
        has_errors=code >= 400,
    )
    return page, code


@blueprint.route("/<int:endpoint_id>/edit", methods=["GET", "POST"])
@needs_fresh_sign_in
def edit(endpoint_id: int) -> ResponseReturnValue:
    """Another address, name or choice of events."""
    require_change()
    row = queries.get_endpoint(g.organisation.id, endpoint_id)
    form = forms.EndpointForm()
    if request.method != "POST":
        form.fill(row)
        return _form_page(form, 200, row)
    if not form.validate():
        return _form_page(form, 422, row)

    def save() -> ResponseReturnValue:
        with transaction():
            endpoints.change(
                organisation_id=g.organisation.id,
                endpoint_id=endpoint_id,
                **_typed(form),
                actor=actor(),
                now=utc_now(),
                expected_version=number(form.version.data),
            )
        flash("The endpoint is saved.", "success")
        return see_other(url_for(".show", endpoint_id=endpoint_id))

    return _saved(form, row, save)


@blueprint.post("/<int:endpoint_id>/switch/<any(on, off):kind>")
@needs_fresh_sign_in
def switch(endpoint_id: int, kind: str) -> ResponseReturnValue:
    """Switch an endpoint "on" or "off"."""
    with transaction():
        row = endpoints.switch(
            organisation_id=g.organisation.id,
            endpoint_id=endpoint_id,
            is_on=kind == "on",
            actor=actor(),
            now=utc_now(),
        )
        name = forms.label(row)
    if kind == "on":
        flash(f"{name} is on. It is told of events from now on; send again below what it missed.", "success")
    else:
        flash(f"{name} is off. Nothing is sent to it, and what waited was not sent.", "success")
    return see_other(url_for(".show", endpoint_id=endpoint_id))


@blueprint.route("/<int:endpoint_id>/secret", methods=["GET", "POST"])
@needs_fresh_sign_in
def rotate(endpoint_id: int) -> ResponseReturnValue:
    """The check step of a new secret; done, it is shown, this once."""
    require_change()
    form = forms.VersionForm()
    row = queries.get_endpoint(g.organisation.id, endpoint_id)
    if request.method != "POST":
        return _check_page("webhooks/rotate.html", row, 200)
    if not form.validate():
        return _check_page("webhooks/rotate.html", row, 422)
    try:
        with transaction():
            row, secret = endpoints.rotate(
                organisation_id=g.organisation.id,
                endpoint_id=endpoint_id,
                actor=actor(),
                now=utc_now(),
                expected_version=number(form.version.data),
            )
    except Conflict as error:
        return _check_page("webhooks/rotate.html", row, 409, error.message)
    return _secret_page(row, secret, is_new=False)


def _is_signed_twice(row: WebhookEndpoint) -> bool:
    return bool(row.old_secret_until and row.old_secret_until > utc_now())


def _check_page(template: str, row: WebhookEndpoint, code: int, conflict: str = "") -> ResponseReturnValue:
    page = render_template(
        template,
        row=row,
        label=forms.label,
        is_signed_twice=_is_signed_twice(row),
        conflict=conflict,
        in_dialog=in_dialog(),
        has_errors=code >= 400,
    )
    return page, code


@blueprint.route("/<int:endpoint_id>/remove", methods=["GET", "POST"])
@needs_fresh_sign_in
def remove(endpoint_id: int) -> ResponseReturnValue:
    """The check step of removing an endpoint, and the act."""
    require_change()
    row = queries.get_endpoint(g.organisation.id, endpoint_id)
    if request.method != "POST":
        return _check_page("webhooks/remove.html", row, 200)
    with transaction():
        endpoints.remove(
            organisation_id=g.organisation.id, endpoint_id=endpoint_id, actor=actor(), now=utc_now()
        )
    flash("The endpoint is removed. Nothing is sent to it any more.", "success")
    return see_other(url_for(".index"))


@blueprint.post("/<int:endpoint_id>/test")
def test(endpoint_id: int) -> ResponseReturnValue:
    """Send an event that says nothing, also while the endpoint is off."""
    with transaction():
        delivery_id = replay.send_test(
            organisation_id=g.organisation.id, endpoint_id=endpoint_id, actor=actor(), now=utc_now()
        )
    flash("A test is on its way. What the endpoint answers shows here in seconds.", "success")
    return see_other(url_for(".delivery", delivery_id=delivery_id))


@blueprint.post("/<int:endpoint_id>/replay")
def send_again(endpoint_id: int) -> ResponseReturnValue:
    """Send again what was not taken since a day; 422 without one, 409 while the endpoint is not on."""
    form = forms.ReplayForm()
    if not form.validate() or form.since.data is None:
        return _show(endpoint_id, form, 422)
    try:
        since = start_of_day(form.since.data, g.organisation.timezone)
    except OverflowError:
        attach(form, Invalid("since", "Enter a day of this century.", "2026-10-31"))
        return _show(endpoint_id, form, 422)
    try:
        with transaction():
            count = replay.send_all_again(
                organisation_id=g.organisation.id,
                endpoint_id=endpoint_id,
                since=since,
                actor=actor(),
                now=utc_now(),
            )
    except Conflict as error:
        return _show(endpoint_id, form, 409, error.message)
    if not count:
        flash("There is nothing to send again: everything since that day was taken or still waits.", "info")
    else:
        more = " There are more: do it again for the rest." if count == replay.AT_ONCE else ""
        flash(f"{count:,} {'event is' if count == 1 else 'events are'} sent again.{more}", "success")
    return see_other(url_for(".show", endpoint_id=endpoint_id))


blueprint.add_url_rule("/deliveries", "deliveries", deliveries.index, methods=["GET"])
blueprint.add_url_rule("/deliveries/<int:delivery_id>", "delivery", deliveries.show, methods=["GET"])
blueprint.add_url_rule("/deliveries/<int:delivery_id>/again", "again", deliveries.again, methods=["POST"])
