"""Terms of all properties: management fee, withheld tax, the gateway's bands, how rents are asked for."""

from __future__ import annotations

from typing import Any

from flask import g, render_template, url_for
from flask.typing import ResponseReturnValue

from webapp.kernel.clock import utc_now
from webapp.people.views.fresh import needs_fresh_sign_in
from webapp.people.views.session import actor, may_change, require_change
from webapp.programs.rentals import queries, reminders, service
from webapp.programs.rentals.forms import PERS, BandsForm, SettingsForm, TermsForm, WithholdingForm
from webapp.programs.rentals.views import common
from webapp.programs.rentals.views.properties import terms_words
from webapp.web import filters


def show() -> ResponseReturnValue:
    """What counts, and from when."""
    organisation, today = g.organisation, common.today()
    rules = queries.withholding_rules(organisation.id)
    sets: dict[Any, list[dict[str, Any]]] = {}
    for band in queries.gateway_bands(organisation.id):
        upper = None if band.up_to_minor is None else common.money(band.up_to_minor, organisation.currency)
        sets.setdefault(band.valid_from, []).append(
            {"upper": upper, "rate": common.percent_words(band.rate_percent)}
        )
    return render_template(
        "rentals/terms.html",
        area=common.AREA,
        terms=[terms_words(row) for row in queries.terms_of(organisation.id, None)],
        rules=[
            {
                "rule": rule,
                "rate": common.percent_words(rule.rate_percent),
                "free": common.money(rule.threshold_minor, organisation.currency),
                "per": dict(PERS)[rule.threshold_per],
            }
            for rule in rules
        ],
        sets=list(sets.items()),
        settings=service.settings_of(organisation.id),
        reminders=reminders.say_stages(service.settings_of(organisation.id).reminder_days),
        today=today,
        tab="terms",
        may_change=may_change(),
    )


def _act(form: Any, **more: Any) -> ResponseReturnValue:
    back = url_for(".terms")
    return common.act_page(form, back=(back, "Terms"), crumbs=[(back, "Terms")], **more)


@needs_fresh_sign_in
def set_fee() -> ResponseReturnValue:
    """The management fee of all properties without terms of their own."""
    require_change()
    form = common.form_of(TermsForm)

    def call() -> str:
        row = service.set_terms(
            organisation_id=g.organisation.id, draft=form.draft(None), actor=actor(), now=utc_now()
        )
        return (
            f"The terms count from {filters.day(row.valid_from)}, for properties without terms of their own."
        )

    return _act(
        form,
        title="New management terms",
        button="Save the terms",
        call=call,
        explains="They count for every property that has no terms of its own. Terms are never edited: these "
        "replace the present ones from their day on.",
        fill=lambda: setattr(form.valid_from, "data", common.today()),
    )


@needs_fresh_sign_in
def set_withholding() -> ResponseReturnValue:
    """A rule of tax to keep back."""
    require_change()
    form = common.form_of(WithholdingForm)

    def call() -> str:
        row = service.set_withholding(
            organisation_id=g.organisation.id, draft=form.draft(), actor=actor(), now=utc_now()
        )
        return f"{row.section} counts from {filters.day(row.valid_from)}."

    return _act(
        form,
        title="New rule of withheld tax",
        button="Save the rule",
        call=call,
        explains="A later rule of the same section replaces an earlier one.",
        fill=lambda: setattr(form.valid_from, "data", common.today()),
    )


@needs_fresh_sign_in
def set_bands() -> ResponseReturnValue:
    """What the tenant pays on top for the gateway."""
    require_change()
    form = common.form_of(BandsForm)

    def call() -> str:
        day = form.valid_from.data or common.today()
        service.set_bands(
            organisation_id=g.organisation.id,
            valid_from=day,
            bands=form.read(),
            actor=actor(),
            now=utc_now(),
        )
        return f"The bands count from {filters.day(day)}. Orders that are open keep their charge."

    return _act(
        form,
        title="New bands of the gateway's charge",
        button="Save the bands",
        call=call,
        explains="The tenant pays the charge on top of the rent: the rate of the band, on all of the rent.",
        fill=lambda: setattr(form.valid_from, "data", common.today()),
    )


def change() -> ResponseReturnValue:
    """When rent is asked for, and whether owners are paid without a person."""
    require_change()
    form = common.form_of(SettingsForm)

    def call() -> str:
        service.change_settings(
            organisation_id=g.organisation.id,
            charge_days_before=form.charge_days_before.data or 0,
            is_automatic=form.is_automatic.data,
            reminder_days=" ".join(map(str, reminders.read_stages(form.reminder_days.data or ""))),
            actor=actor(),
            now=utc_now(),
        )
        return "The settings are saved. They count from now on."

    def fill() -> None:
        stored = service.settings_of(g.organisation.id)
        form.charge_days_before.data = stored.charge_days_before
        form.is_automatic.data = stored.is_automatic
        form.reminder_days.data = stored.reminder_days

    return _act(form, title="How rents are asked for", button="Save", call=call, fill=fill)
