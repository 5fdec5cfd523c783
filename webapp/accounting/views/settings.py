"""Connecting Zoho Books: to Zoho and back, which books, which accounts, which programs; and off again."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, current_app, flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from webapp.accounting import consent, setups
from webapp.accounting.forms import BooksForm, ConsentForm, SetupForm
from webapp.accounting.models import AccountingSetup
from webapp.accounting.service import PROVIDER
from webapp.accounting.views.area import AREA
from webapp.config import Settings
from webapp.connections import queries as connections
from webapp.database import transaction
from webapp.kernel.clock import local_date, utc_now
from webapp.kernel.errors import Conflict, Invalid
from webapp.people.forms import attach
from webapp.people.views.fresh import needs_fresh_sign_in
from webapp.people.views.numbers import number
from webapp.people.views.session import actor, may_change, require_change
from webapp.web.htmx import see_other

_FIELDS = {"bill_account_id": "bill_account", "paid_through_id": "paid_through"}
_LONGEST = 1000


def _redirect_uri() -> str:
    """Where Zoho leads back to; it must stand in Zoho's API console letter by letter."""
    found: Settings = current_app.config["SETTINGS"]
    return f"{found.public_url}{url_for('admin.accounting.connected')}"


def _setup_form(setup: AccountingSetup | None, **more: Any) -> SetupForm:
    return SetupForm(
        bill_accounts=setups.accounts_of(setup, setups.BILL_KINDS),
        through_accounts=setups.accounts_of(setup, setups.PAID_THROUGH_KINDS),
        own_programs=[each.program for each in g.organisation.programs],
        **more,
    )


def _filled(setup: AccountingSetup | None) -> SetupForm:
    """The settings as they are, or as they are proposed: every program, from today on."""
    own = [each.program for each in g.organisation.programs]
    if setup is None or not setup.bill_account_id:
        today = local_date(utc_now(), g.organisation.timezone)
        return _setup_form(
            setup, formdata=None, version=str(setup.version if setup else 0), programs=own, starts_on=today,
            due_days=0, calls_a_day="5000",
        )  # fmt: skip
    return _setup_form(
        setup, formdata=None, version=str(setup.version), bill_account=setup.bill_account_id,
        paid_through=setup.paid_through_id, programs=setup.programs, starts_on=setup.starts_on,
        due_days=setup.due_days, calls_a_day=str(setup.calls_a_day),
    )  # fmt: skip


def _page(
    code: int, *, form: SetupForm | None = None, books: BooksForm | None = None, conflict: str = ""
) -> ResponseReturnValue:
    organisation_id = g.organisation.id
    setup, account = setups.find(organisation_id), connections.find(organisation_id, PROVIDER)
    choosing = books or BooksForm(formdata=None, books=setup.books_id if setup else "")
    choosing.offer(setups.kept(setup, "books"))
    page = render_template(
        "accounting/settings.html",
        area=AREA,
        tab="settings",
        setup=setup,
        account=account,
        has_consent=account is not None and setups.has_consent(organisation_id),
        redirect_uri=_redirect_uri(),
        books=setups.kept(setup, "books"),
        books_form=choosing,
        form=form or _filled(setup),
        vendors=setups.vendors(organisation_id),
        may_change=may_change(),
        conflict=conflict,
        has_errors=code >= 400,
    )
    return page, code


def show() -> ResponseReturnValue:
    """What is connected, and what goes into the books."""
    return _page(200)


@needs_fresh_sign_in
def save() -> ResponseReturnValue:
    """Choose accounts and programs, and switch the books on; 422 at the field, 409 when somebody was faster."""
    require_change()
    form = _setup_form(setups.find(g.organisation.id))
    if not form.validate():
        return _page(422, form=form)
    try:
        with transaction():
            setups.save(
                organisation_id=g.organisation.id, draft=_draft(form), expected_version=number(form.version.data),
                actor=actor(), now=utc_now(),
            )  # fmt: skip
    except Invalid as error:
        attach(form, Invalid(_FIELDS.get(error.field, error.field), error.reason, error.example))
        return _page(422, form=form)
    except Conflict as error:
        return _page(409, form=form, conflict=error.message)
    flash("The books are on. Payouts that wait for them are queued.", "success")
    return see_other(url_for("admin.accounting.index"))


def _draft(form: SetupForm) -> setups.Draft:
    assert form.starts_on.data is not None  # noqa: S101 - the field must be filled in
    return setups.Draft(
        bill_account_id=form.bill_account.data or "", paid_through_id=form.paid_through.data or "",
        programs=form.programs.data or [], starts_on=form.starts_on.data, due_days=form.due_days.data or 0,
        calls_a_day=int(form.calls_a_day.data or 0),
    )  # fmt: skip


@needs_fresh_sign_in
def choose_books() -> ResponseReturnValue:
    """Choose among the organisations that the consent reaches, and read their accounts."""
    require_change()
    form = BooksForm()
    form.offer(setups.kept(setups.find(g.organisation.id), "books"))
    if not form.validate():
        return _page(422, books=form)
    try:
        with transaction():
            setups.choose_books(g.organisation.id, form.books.data or "", actor(), utc_now())
        said = consent.read_choices(g.organisation.id, actor(), utc_now)
    except Invalid as error:
        attach(form, error)
        return _page(422, books=form)
    except Conflict as error:
        return _page(409, books=form, conflict=error.message)
    flash(said, "success")
    return see_other(url_for("admin.accounting.settings"))


@needs_fresh_sign_in
def read() -> ResponseReturnValue:
    """Ask Zoho again which books and accounts there are."""
    require_change()
    said = consent.read_choices(g.organisation.id, actor(), utc_now)
    flash(said, "success")
    return see_other(url_for("admin.accounting.settings"))


@needs_fresh_sign_in
def switch_off() -> ResponseReturnValue:
    """Nothing goes into the books any more."""
    require_change()
    with transaction():
        setups.switch_off(organisation_id=g.organisation.id, actor=actor(), now=utc_now())
    flash("The books are off. What stands there stays; what is approved from now on waits.", "success")
    return see_other(url_for("admin.accounting.settings"))


@needs_fresh_sign_in
def connect() -> ResponseReturnValue:
    """Lead to Zoho, where an admin says yes."""
    require_change()
    address = consent.address(g.organisation.id, current_user.session_id, _redirect_uri(), utc_now())
    return redirect(address, 303)


def connected() -> ResponseReturnValue:
    """Where Zoho leads back to: a page with one button, because opening an address changes nothing."""
    require_change()
    given = {name: request.args.get(name, "")[:_LONGEST] for name in ("code", "state", "location", "error")}
    problem = ""
    try:
        consent.check_state(given["state"], g.organisation.id, current_user.session_id, utc_now())
        if given["error"] or not given["code"]:
            problem = "Zoho gave no consent. Nothing was changed."
    except Conflict as error:
        problem = error.message
    if problem:
        return _page(409, conflict=problem)
    values = {name: given[name] for name in ("code", "state", "location")}
    return render_template(
        "accounting/connected.html", area=AREA, tab="settings", form=ConsentForm(formdata=None, **values)
    )


@needs_fresh_sign_in
def finish() -> ResponseReturnValue:
    """Exchange the code for tokens, and read which books there are; 409 with Zoho's own words."""
    require_change()
    form = ConsentForm()
    if not form.validate():
        return _page(422)
    try:
        version = consent.check_state(
            form.state.data or "", g.organisation.id, current_user.session_id, utc_now()
        )
        said = consent.finish(
            organisation_id=g.organisation.id, code=(form.code.data or "")[:_LONGEST],
            location=form.location.data or "", seen_version=version, redirect_uri=_redirect_uri(), actor=actor(),
            clock=utc_now,
        )  # fmt: skip
    except Conflict as error:
        return _page(409, conflict=error.message)
    flash(said, "success")
    return see_other(url_for("admin.accounting.settings"))


ROUTES = (
    ("/settings", "settings", show, ["GET"]),
    ("/settings", "save", save, ["POST"]),
    ("/settings/books", "choose_books", choose_books, ["POST"]),
    ("/settings/read", "read", read, ["POST"]),
    ("/settings/off", "switch_off", switch_off, ["POST"]),
    ("/connect", "connect", connect, ["GET"]),
    ("/connected", "connected", connected, ["GET"]),
    ("/connected", "finish", finish, ["POST"]),
)


def add_to(blueprint: Blueprint) -> None:
    """Give the blueprint these addresses."""
    for rule, endpoint, view, methods in ROUTES:
        blueprint.add_url_rule(rule, endpoint, view, methods=methods)
