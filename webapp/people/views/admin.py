"""Payees: the list, one payee, and the forms that add and change them."""

from __future__ import annotations

from flask import Blueprint, flash, g, render_template, request, url_for
from flask.typing import ResponseReturnValue

from webapp.database import transaction
from webapp.kernel.clock import utc_now
from webapp.kernel.errors import Invalid, StaleVersion
from webapp.people import queries, service
from webapp.people.forms import PAYEE_FIELDS, PayeeEditForm, PayeeFilterForm, PayeeForm, attach, typed
from webapp.people.models import MethodKind, Payee, Role
from webapp.people.views import methods
from webapp.people.views.numbers import number
from webapp.people.views.session import actor, may_change, require_change
from webapp.web.htmx import is_fragment, see_other
from webapp.web.pagination import Page, capped_count, keyset

blueprint = Blueprint("payees", __name__, url_prefix="/payees")
methods.add_to(blueprint)


@blueprint.get("")
def index() -> ResponseReturnValue:
    """The payees of the organisation, found by text and kind, the newest first."""
    form = PayeeFilterForm(request.args)
    search, kind = (form.search.data or "").strip(), form.kind.data or ""
    query = queries.payees(g.organisation.id, search=search, kind=kind)
    rows = keyset(query, Payee.id)
    page = Page(rows.items, rows.previous_href, rows.next_href, _count_words(query))
    return render_template(
        "people/payees/_list.html" if is_fragment() else "people/payees/index.html",
        form=form,
        page=page,
        is_filtered=bool(search or kind),
        may_change=may_change(),
        Role=Role,
    )


def _count_words(query: object) -> str:
    count = capped_count(query, Payee.id)  # type: ignore[arg-type]
    return "1 payee" if count == "1" else f"{count} payees"


@blueprint.get("/<reference>")
def show(reference: str) -> ResponseReturnValue:
    """One payee: what is known, where the money goes, and what was before."""
    payee = queries.get_payee(g.organisation.id, reference)
    history = queries.method_history(g.organisation.id, payee.id)
    current = next((method for method in history if method.is_current), None)
    return render_template(
        "people/payees/show.html",
        payee=payee,
        history=history,
        current=current,
        twins=queries.payees_with_same_account(current) if current else [],
        sign_in_email=queries.email_of(payee.user_id),
        may_change=may_change(),
        now=utc_now(),
        Role=Role,
        MethodKind=MethodKind,
    )


@blueprint.route("/new", methods=["GET", "POST"])
def create() -> ResponseReturnValue:
    """Add a payee; where the money goes comes next."""
    require_change()
    form = PayeeForm()
    if form.validate_on_submit():
        try:
            with transaction():
                payee = service.create_payee(
                    organisation_id=g.organisation.id,
                    **typed(form, "kind", *PAYEE_FIELDS),
                    actor=actor(),
                    now=utc_now(),
                )
                reference = payee.reference
        except Invalid as error:
            attach(form, error)
        else:
            flash(f"{reference} is added. Say next where the money goes.", "success")
            return see_other(url_for(".show", reference=reference))
    code = 422 if form.errors else 200
    return render_template("people/payees/form.html", form=form, payee=None, has_errors=code == 422), code


@blueprint.route("/<reference>/edit", methods=["GET", "POST"])
def edit(reference: str) -> ResponseReturnValue:
    """Change what is known of a payee; 409 keeps the text when somebody else was faster."""
    require_change()
    payee = queries.get_payee(g.organisation.id, reference)
    form = PayeeEditForm(obj=payee)
    code, conflict = 200, None
    if form.validate_on_submit():
        try:
            _save(payee.id, form)
        except Invalid as error:
            attach(form, error)
        except StaleVersion as error:
            payee, code, conflict = queries.get_payee(g.organisation.id, reference), 409, error.message
            form.version.data = str(payee.version)
        else:
            flash("The changes are saved.", "success")
            return see_other(url_for(".show", reference=reference))
    code = 422 if form.errors else code
    return _edit_page(form, payee, conflict, code), code


def _save(payee_id: int, form: PayeeEditForm) -> None:
    with transaction():
        service.update_payee(
            organisation_id=g.organisation.id,
            payee_id=payee_id,
            changes=typed(form, *PAYEE_FIELDS, "is_active"),
            expected_version=number(form.version.data),
            actor=actor(),
            now=utc_now(),
        )


def _edit_page(form: PayeeEditForm, payee: Payee, conflict: str | None, code: int) -> str:
    """The form; after a conflict also what is saved now, so that the person can choose."""
    saved = [
        (form[name].label.text, getattr(payee, name) or "nothing")
        for name in PAYEE_FIELDS
        if conflict and (getattr(payee, name) or "") != (form[name].data or "")
    ]
    return render_template(
        "people/payees/form.html",
        form=form,
        payee=payee,
        conflict=conflict,
        saved=saved,
        has_errors=code in (409, 422),
    )
