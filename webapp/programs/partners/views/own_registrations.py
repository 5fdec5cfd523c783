"""A partner's own registrations: saying that they bring a deal, taking it back, and why one was refused."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, flash, g, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import MultiDict

from webapp.database import transaction
from webapp.kernel.clock import utc_now
from webapp.kernel.errors import Conflict, Invalid
from webapp.kernel.money import Money
from webapp.payouts.views.own_lists import list_page, page_of
from webapp.payouts.views.program_pages import act_page
from webapp.people.forms import attach
from webapp.people.views.session import actor
from webapp.programs.partners import own_queries, registering
from webapp.programs.partners.models import Registration
from webapp.programs.partners.own_forms import OwnRegistrationFilter, RegistrationForm
from webapp.programs.partners.states import RegistrationState
from webapp.programs.partners.views.partner_portal import FOLDER, OWN, need_own_id, own_id
from webapp.web.filters import money
from webapp.web.form_fields import ActForm
from webapp.web.htmx import see_other
from webapp.web.i18n import N_, gettext
from webapp.web.pagination import Page

blueprint = Blueprint("registrations", __name__, url_prefix="/registrations")
NONE: Page[Any] = Page([], None, None)


@blueprint.get("")
def index() -> ResponseReturnValue:
    """Own registrations, the newest first."""
    payee_id, form = own_id(), OwnRegistrationFilter(request.args)
    is_valid, page = form.validate(), NONE
    if is_valid and payee_id is not None:
        found = own_queries.registrations(g.organisation.id, payee_id, form.state.data or "")
        page = page_of(found, N_("1 registration"), N_("%(count)s registrations"))
    rows = [
        {
            "row": row,
            "state": RegistrationState(row.state),
            "expected": Money(row.expected_minor, row.currency),
        }
        for row in page.items
    ]
    return list_page(
        f"{FOLDER}/registrations.html",
        form,
        "partner.registrations.index",
        is_valid=is_valid,
        page=page,
        rows=rows,
    )


@blueprint.get("/<reference>")
def show(reference: str) -> ResponseReturnValue:
    """One registration: what was said, what became of it, and why."""
    row = own_queries.get_registration(g.organisation.id, need_own_id(), reference)
    return render_template(
        f"{FOLDER}/registration.html",
        row=row,
        state=RegistrationState(row.state),
        expected=Money(row.expected_minor, row.currency),
    )


@blueprint.route("/new", methods=["GET", "POST"])
def new() -> ResponseReturnValue:
    """Say that one brings a deal; ?again= fills the form with what a refused registration said."""
    payee_id, here = need_own_id(), g.organisation
    programs = own_queries.open_programs(here.id)
    choices = [(program.reference, program.name) for program in programs]
    again = request.args.get("again", "")
    former = own_queries.get_registration(here.id, payee_id, again) if again else None
    given = {} if request.method == "POST" else {"formdata": _proposed(former, choices)}
    form = RegistrationForm(programs=choices, currency=here.currency, locale=here.locale, **given)

    def page(code: int, conflict: str = "") -> ResponseReturnValue:
        return (
            render_template(
                f"{FOLDER}/registration_form.html", form=form, former=former, programs=programs, conflict=conflict,
                has_errors=code == 422,
            ),
            code,
        )  # fmt: skip

    if request.method == "GET":
        return page(200)
    if not form.validate():
        return page(422)
    program = next(each for each in programs if each.reference == form.program.data)
    try:
        with transaction():
            reference = registering.register(
                organisation_id=here.id, payee_id=payee_id, draft=form.draft(program.id), actor=actor(),
                now=utc_now(),
            ).reference  # fmt: skip
    except Invalid as error:
        attach(form, error)
        return page(422)
    except Conflict as error:
        return page(409, error.message)
    flash(
        gettext("%(reference)s is sent. You hear from us when it is decided.", reference=reference), "success"
    )
    return see_other(url_for("partner.registrations.show", reference=reference))


def _proposed(former: Registration | None, choices: list[tuple[str, str]]) -> MultiDict[str, str]:
    """What the form shows when it is opened: the only program there is, or what was said before."""
    values = {"wanted_currency": g.organisation.currency}
    if len(choices) == 1:
        values["program"] = choices[0][0]
    if former is not None:
        values |= {
            "program": former.program.reference, "customer": former.customer, "product": former.product,
            "wanted_currency": former.currency, "note": former.note,
            "expected": Money(former.expected_minor, former.currency).plain,
        }  # fmt: skip
    return MultiDict(values)


@blueprint.route("/<reference>/withdraw", methods=["GET", "POST"])
def withdraw(reference: str) -> ResponseReturnValue:
    """Take a registration back while nobody has decided it."""
    payee_id, here = need_own_id(), g.organisation
    row = own_queries.get_registration(here.id, payee_id, reference)
    form = ActForm()

    def fill() -> None:
        form.version.data = str(row.version)

    def call() -> str:
        registering.withdraw(
            organisation_id=here.id, payee_id=payee_id, reference=reference, actor=actor(), now=utc_now(),
            expected_version=form.seen_version,
        )  # fmt: skip
        return gettext("%(reference)s is withdrawn.", reference=reference)

    return act_page(
        OWN,
        form,
        title=gettext("Withdraw %(reference)s", reference=reference),
        button=gettext("Withdraw"),
        back=(url_for("partner.registrations.show", reference=reference), reference),
        call=call,
        fill=fill,
        facts=[
            (N_("Customer"), row.customer),
            (N_("Expected amount"), money(Money(row.expected_minor, row.currency))),
        ],
        explains=gettext("Nobody decides about it any more. You can register the same deal again."),
        tone="danger",
        crumbs=[(url_for("partner.registrations.index"), gettext("Registrations"))],
        template=f"{FOLDER}/act.html",
    )
