"""The organisation's choices for this program."""

from __future__ import annotations

from decimal import Decimal

from flask import flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from webapp.database import transaction
from webapp.kernel.clock import utc_now
from webapp.kernel.errors import Invalid
from webapp.kernel.money import Money
from webapp.people.forms import attach
from webapp.people.views.session import actor, require_change
from webapp.programs.installations import (
    importing,  # noqa: F401 - registers the lists that can be imported
    queries,
    service,
)
from webapp.programs.installations.forms import SettingsForm, TypeForm
from webapp.programs.installations.pricing import settings_of
from webapp.programs.installations.terms import say_number
from webapp.web.htmx import see_other


def import_() -> ResponseReturnValue:
    """The former address of imports; lists of every program are brought in at one place now."""
    require_change()
    return redirect(url_for("admin.imports.new"), 303)


def _settings_form() -> SettingsForm:
    return SettingsForm(currency=g.organisation.currency, locale=g.organisation.locale)


def settings() -> ResponseReturnValue:
    """How ranges are read, whether payouts create themselves, the smallest one; the installation types."""
    require_change()
    form = _settings_form()
    if form.validate_on_submit():
        try:
            with transaction():
                service.save_settings(
                    organisation_id=g.organisation.id,
                    range_mode=form.range_mode.data,
                    is_progressive=form.is_progressive.data,
                    is_automatic=form.is_automatic.data,
                    minimum_payout_minor=form.minimum_payout.minor or 0,
                    retention=form.terms,
                    actor=actor(),
                    now=utc_now(),
                )
        except Invalid as error:
            attach(form, error)
        else:
            flash("The settings are saved. They count from the next calculation on.", "success")
            return see_other(url_for(".settings"))
    elif request.method == "GET":
        _show_stored(form)
    return _settings_page(form, TypeForm(formdata=None), 422 if form.errors else 200)


def _show_stored(form: SettingsForm) -> None:
    stored = settings_of(g.organisation.id)
    form.range_mode.data = stored.range_mode
    form.is_progressive.data, form.is_automatic.data = stored.is_progressive, stored.is_automatic
    form.retention.data = say_number(Decimal(stored.retention_bp) / 100)
    form.retention_days.data = stored.retention_days
    form.minimum_payout.data = Money(stored.minimum_payout_minor, g.organisation.currency).plain


def _settings_page(form: SettingsForm, type_form: TypeForm, code: int) -> ResponseReturnValue:
    return (
        render_template(
            "installations/settings.html", form=form, type_form=type_form,
            types=queries.types_of(g.organisation.id), has_errors=code == 422,
        ),
        code,
    )  # fmt: skip


def add_type() -> ResponseReturnValue:
    """A further installation type."""
    require_change()
    form = TypeForm()
    if form.validate_on_submit():
        try:
            with transaction():
                service.add_type(
                    organisation_id=g.organisation.id,
                    code=form.code.data or "",
                    label=form.label.data or "",
                    actor=actor(),
                    now=utc_now(),
                )
        except Invalid as error:
            attach(form, error)
        else:
            flash(f"{form.label.data} is a type now.", "success")
            return see_other(url_for(".settings"))
    shown = SettingsForm(formdata=None, currency=g.organisation.currency, locale=g.organisation.locale)
    _show_stored(shown)
    return _settings_page(shown, form, 422)
