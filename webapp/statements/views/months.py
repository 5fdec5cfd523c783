"""The statements of a month: what would be made, starting the run, all of them as one archive."""

from __future__ import annotations

from flask import Blueprint, abort, flash, g, render_template, request, url_for
from flask.typing import ResponseReturnValue

from webapp.database import transaction
from webapp.kernel.clock import utc_now
from webapp.kernel.errors import Invalid
from webapp.people.forms import attach
from webapp.people.views.session import actor, may_change, require_change
from webapp.statements import month_runs, monthly, queries
from webapp.statements.forms import MonthForm, read_month
from webapp.statements.views import downloads
from webapp.web.htmx import see_other


def month() -> ResponseReturnValue:
    """The check step: how many statements of a month are due, and how many are there already."""
    newest = monthly.last_month(utc_now(), g.organisation.timezone)
    chosen = read_month(request.args.get("month")) or newest
    return _page(
        MonthForm(formdata=None, newest=newest, data={"month": f"{chosen:%Y-%m}", "tells": True}), 200
    )


def _page(form: MonthForm, code: int) -> ResponseReturnValue:
    due, chosen = None, read_month(form.month.data)
    if chosen is not None:
        try:
            due = month_runs.due(organisation_id=g.organisation.id, month=chosen, now=utc_now())
        except Invalid as error:
            attach(form, error)
            code = 422
    return (
        render_template(
            "statements/month.html",
            form=form,
            due=due,
            month_name=monthly.month_name(chosen) if chosen else "",
            may_change=may_change(),
            has_errors=code == 422,
        ),
        code,
    )


def start_month() -> ResponseReturnValue:
    """Start the run that makes what is due of a month; when everything is there, nothing is started."""
    require_change()
    form = MonthForm(newest=monthly.last_month(utc_now(), g.organisation.timezone))
    chosen = read_month(form.month.data)
    if not form.validate_on_submit() or chosen is None:
        return _page(form, 422)
    with transaction():
        run = month_runs.start(
            organisation_id=g.organisation.id,
            month=chosen,
            tells=bool(form.tells.data),
            actor=actor(),
            now=utc_now(),
        )
        reference = run.reference if run else None
    if reference is None:
        flash(f"Every statement of {monthly.month_name(chosen)} is there already.", "info")
        return see_other(url_for(".month", month=f"{chosen:%Y-%m}"))
    return see_other(url_for("admin.runs.show", reference=reference))


def month_archive(month: str) -> ResponseReturnValue:
    """The monthly statements of every payee of one month, with an index of their hashes."""
    chosen = read_month(month)
    if chosen is None:
        abort(404)
    query = queries.of_month(g.organisation, chosen)
    return downloads.archive_response(query, f"statements-{g.organisation.slug}-{month}.zip")


def add_to(blueprint: Blueprint) -> None:
    """Put these pages under the statements."""
    blueprint.add_url_rule("/statements/month", "month", month, methods=["GET"])
    blueprint.add_url_rule("/statements/month", "start_month", start_month, methods=["POST"])
    blueprint.add_url_rule("/statements/month/<month>.zip", "month_archive", month_archive, methods=["GET"])
