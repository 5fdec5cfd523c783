"""How the organisation's bank wants its files: one page of settings per format."""

from __future__ import annotations

from flask import Blueprint, flash, g, render_template, request, url_for
from flask.typing import ResponseReturnValue

from webapp.bankfiles import columns, setups
from webapp.bankfiles.forms import BEGIN, FORMS, SetupForm
from webapp.bankfiles.models import BankFileSetup
from webapp.bankfiles.states import RAIL, Format
from webapp.database import transaction
from webapp.kernel.clock import utc_now
from webapp.kernel.errors import Conflict, Invalid, NotFound
from webapp.payouts import policies
from webapp.people.forms import attach
from webapp.people.views.fresh import needs_fresh_sign_in
from webapp.people.views.session import actor, may_change, require_change
from webapp.web.htmx import see_other


def index() -> ResponseReturnValue:
    """Which formats have settings, and whether the rail is on."""
    kept = setups.of_organisation(g.organisation.id)
    rules, _ = policies.current_policy(g.organisation.id)
    return render_template(
        "bankfiles/settings.html",
        formats=[(Format(code), kept.get(code)) for code in Format],
        is_on=RAIL in rules.rails,
        may_change=may_change(),
    )


@needs_fresh_sign_in
def edit(kind: str) -> ResponseReturnValue:
    """The settings of one format: GET shows them, POST keeps them."""
    require_change()
    if kind not in list(Format):
        raise NotFound
    row = setups.find(g.organisation.id, kind)
    if request.method != "POST":
        form = FORMS[kind](formdata=None, data=None if row else BEGIN[kind])
        form.fill(row)
        return _page(kind, row, form, 200)
    form = FORMS[kind]()
    if not form.validate():
        return _page(kind, row, form, 422)
    try:
        with transaction():
            setups.save(
                organisation_id=g.organisation.id, file_format=kind, values=form.values(),
                actor=actor(), now=utc_now(), expected_version=form.seen_version,
            )  # fmt: skip
    except Invalid as error:
        attach(form, error)
        return _page(kind, setups.find(g.organisation.id, kind), form, 422)
    except Conflict as error:
        return _page(kind, setups.find(g.organisation.id, kind), form, 409, error.message)
    flash(f"The settings of {Format(kind).label} are kept.", "success")
    return see_other(url_for("admin.bankfiles.settings"))


def _page(
    file_format: str, row: BankFileSetup | None, form: SetupForm, code: int, conflict: str = ""
) -> ResponseReturnValue:
    if conflict:
        # What the person decides next is about the settings as they are now.
        form.version.data = str(row.version if row else 0)
    page = render_template(
        f"bankfiles/settings_{file_format}.html",
        row=row,
        form=form,
        format=Format(file_format),
        content=columns.CONTENT,
        conflict=conflict,
    )
    return page, code


def add_to(blueprint: Blueprint) -> None:
    """Add these pages."""
    blueprint.add_url_rule("/settings", "settings", index)
    blueprint.add_url_rule("/settings/<kind>", "setup", edit, methods=["GET", "POST"])
