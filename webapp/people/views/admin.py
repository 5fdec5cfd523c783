"""Payees: the list, one payee, and the forms that add and change them."""

from __future__ import annotations

from flask import Blueprint, flash, g, render_template, request, url_for
from flask.typing import ResponseReturnValue

from webapp.audit.views import files
from webapp.database import transaction
from webapp.kernel.clock import utc_now
from webapp.kernel.errors import Conflict, Invalid, StaleVersion
from webapp.people import queries, service
from webapp.people.changes import service as changes
from webapp.people.changes.forms import ReleaseForm, RevealForm
from webapp.people.changes.reveal import reveal_method
from webapp.people.forms import PAYEE_FIELDS, PayeeEditForm, PayeeFilterForm, PayeeForm, attach, typed
from webapp.people.models import MethodKind, Payee, Role
from webapp.people.views import details, methods
from webapp.people.views.fresh import needs_fresh_sign_in
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
        csv_href=url_for(".export", search=search or None, kind=kind or None),
        may_change=may_change(),
        Role=Role,
    )


EXPORT_HEADERS = (
    "Reference", "Name", "Kind", "E-mail address", "Phone", "Country", "Your reference", "Way to be paid", "Paid to",
    "Active", "Added at",
)  # fmt: skip


@blueprint.get("/export.csv")
def export() -> ResponseReturnValue:
    """The payees of exactly this filter as a file; accounts stay masked."""
    form = PayeeFilterForm(request.args)
    query = queries.payees(
        g.organisation.id, search=(form.search.data or "").strip(), kind=form.kind.data or ""
    )
    rows = (_cells(row[0]) for row in files.in_batches(query, Payee.id, lambda row: row[0].id))
    return files.list_file("people:payees:exported", "payee", "payees", EXPORT_HEADERS, rows)


def _cells(payee: Payee) -> tuple[object, ...]:
    method = payee.current_method
    return (
        payee.reference, payee.name, Role(payee.kind).label, payee.email, payee.phone, payee.country,
        payee.external_ref, MethodKind(method.kind).label if method else None, method.masked if method else None,
        payee.is_active, payee.created_at,
    )  # fmt: skip


def _count_words(query: object) -> str:
    count = capped_count(query, Payee.id)  # type: ignore[arg-type]
    return "1 payee" if count == "1" else f"{count} payees"


@blueprint.get("/<reference>")
def show(reference: str) -> ResponseReturnValue:
    """One payee: what is known, where the money goes, and what was before."""
    payee = queries.get_payee(g.organisation.id, reference)
    return _payee_page(payee, 200)


def _payee_page(
    payee: Payee, code: int, release_form: ReleaseForm | None = None, conflict: str | None = None
) -> ResponseReturnValue:
    facts = details.facts(payee, utc_now())
    current = facts["current"]
    page = render_template(
        "people/payees/show.html",
        **facts,
        twins=queries.payees_with_same_account(current) if current else [],
        release=details.release_facts(current, facts["now"], release_form) if facts["is_cooling"] else None,
        reveal_form=RevealForm(formdata=None),
        conflict=conflict,
        has_errors=code == 422,
        sign_in_email=queries.email_of(payee.user_id),
        may_change=may_change(),
        Role=Role,
        MethodKind=MethodKind,
    )
    return page, code


@blueprint.post("/<reference>/method/release")
@needs_fresh_sign_in
def release_cool_off(reference: str) -> ResponseReturnValue:
    """One of two words that new details may be paid to before their cool-off is over."""
    payee = queries.get_payee(g.organisation.id, reference)
    form = ReleaseForm()
    if not form.validate():
        return _payee_page(payee, 422, form)
    current = queries.current_method(payee.id)
    if current is None or current.id != number(form.method_id.data):
        return _payee_page(payee, 409, form, "The payment details changed meanwhile. Look at them again.")
    try:
        with transaction():
            done = changes.release_cool_off(
                organisation_id=g.organisation.id,
                method_id=current.id,
                reason=form.reason.data or "",
                actor=actor(),
                now=utc_now(),
            )
    except Invalid as error:
        attach(form, error)
        return _payee_page(queries.get_payee(g.organisation.id, reference), 422, form)
    except Conflict as error:
        return _payee_page(queries.get_payee(g.organisation.id, reference), 409, form, error.message)
    flash(done.message, "info" if done.is_repeat else "success")
    return see_other(url_for(".show", reference=reference))


@blueprint.post("/<reference>/method/reveal")
@details.limited
@needs_fresh_sign_in
def reveal(reference: str) -> ResponseReturnValue:
    """The payee's present account in full, for half a minute, with a reason."""
    payee = queries.get_payee(g.organisation.id, reference)
    method = queries.current_method(payee.id)
    if method is None or method.kind == MethodKind.MANUAL:
        raise Conflict("There is no account to show.")
    return details.reveal(
        lambda reason: reveal_method(method=method, reason=reason, actor=actor(), now=utc_now()),
        box="reveal-current",
        heading=f"The account of {payee.name} in full",
        action=url_for(".reveal", reference=reference),
        back_href=url_for(".show", reference=reference),
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
