"""Partners' own claims on deals: the list, one claim with what speaks against it, accepting and refusing it."""

from __future__ import annotations

from typing import Any

from flask import g, render_template, request, url_for
from flask.typing import ResponseReturnValue
from markupsafe import Markup
from sqlalchemy import select
from sqlalchemy.orm import joinedload

from webapp.database import ask, db
from webapp.kernel.clock import utc_now
from webapp.kernel.errors import Conflict, NotFound
from webapp.payouts.views import program_lists as pages
from webapp.payouts.views.program_pages import act_page, form_of, list_page, money
from webapp.people.views.session import actor, may_change, require_change
from webapp.programs.partners import deal_files, deal_lists, registering, touch_lists
from webapp.programs.partners.deal_filters import RegistrationFilterForm
from webapp.programs.partners.deal_forms import NEW_DEAL, AcceptForm, RefuseForm
from webapp.programs.partners.models import Deal, Registration
from webapp.programs.partners.registering import Warnings
from webapp.programs.partners.states import RegistrationState
from webapp.programs.partners.views import deal_file
from webapp.programs.partners.views.area import AREA
from webapp.programs.partners.views.links import href_of
from webapp.web import filters

SUMS = deal_files.SUMS[deal_files.REGISTRATIONS]


def _filter() -> RegistrationFilterForm:
    programs = deal_lists.offered_programs(g.organisation.id)
    form: RegistrationFilterForm = form_of(RegistrationFilterForm, formdata=request.args, programs=programs)
    return form


def index() -> ResponseReturnValue:
    """The list, with its filter and order."""
    form = _filter()
    is_valid = form.validate()
    found = touch_lists.registrations(g.organisation.id, form.chosen()) if is_valid else None
    files = deal_file.links("registrations")
    context = pages.list_context(AREA, found, "registrations", "registration", files=files)
    rows = [
        {"row": row, "state": RegistrationState(row.state), "expected": money(row.expected_minor, row.currency),
         "partner_href": href_of("partner", reference=row.partner_reference)}
        for row in context["page"].items
    ]  # fmt: skip
    return list_page(
        AREA, "partners/registrations.html", form, "registrations", is_valid=is_valid, rows=rows, **context
    )


def totals() -> ResponseReturnValue:
    """Count and sums of a filter."""
    form = _filter()
    found = touch_lists.registrations(g.organisation.id, form.chosen()) if form.validate() else None
    return pages.totals_page(AREA, found, form, "registrations", SUMS, "Registrations")


def _find(reference: str) -> Registration:
    """A registration of the organisation, to be read. Raises NotFound."""
    row = db.session.scalar(
        select(Registration)
        .where(Registration.organisation_id == g.organisation.id, Registration.reference == reference)
        .options(
            joinedload(Registration.payee), joinedload(Registration.program), joinedload(Registration.deal)
        )
    )
    if row is None:
        raise NotFound("There is no such registration.")
    return row


def show(reference: str) -> ResponseReturnValue:
    """One claim, and what speaks against accepting it."""
    row = _find(reference)
    is_pending = row.state == RegistrationState.PENDING
    warnings = registering.warnings_of(row) if is_pending else None
    return render_template(
        "partners/registration.html",
        area=AREA,
        tab="registrations",
        row=row,
        state=RegistrationState(row.state),
        expected=money(row.expected_minor, row.currency),
        is_pending=is_pending,
        warnings=_links(warnings) if warnings else [],
        partner_href=href_of("partner", reference=row.payee.reference),
        may_change=may_change(),
    )


def _links(warnings: Warnings) -> list[Markup]:
    """What speaks against it, with a link to each record that it names."""
    found = []
    for words, page, references in (
        (Markup("There are deals with this customer already: {}."), "deal", warnings.same_deals),
        (
            Markup("This customer was registered by others, too: {}."),
            "registration",
            warnings.same_registrations,
        ),
    ):
        if references:
            links = Markup(", ").join(
                Markup('<a href="{}">{}</a>').format(url_for(f".{page}", reference=each), each)
                for each in references
            )
            found.append(words.format(links))
    if warnings.is_own:
        found.append(Markup("The customer is the partner: they would be paid for buying."))
    return found


def accept(reference: str) -> ResponseReturnValue:
    """Make a deal of it, or name the partner in an open one with this customer. It makes no money."""
    row = _begin(reference)
    form: AcceptForm = form_of(AcceptForm, row.currency)
    warnings = registering.warnings_of(row)
    form.offer(_open_deals(warnings.same_deals, row.payee_id))

    def fill() -> None:
        form.version.data = str(row.version)

    def call() -> str:
        deal = None if form.deal.data == NEW_DEAL else form.deal.data
        made = registering.accept(
            organisation_id=g.organisation.id, reference=reference, deal_reference=deal,
            expected_version=form.seen_version, actor=actor(), now=utc_now(),
        )  # fmt: skip
        number = made.deal.reference if made.deal else ""
        return f"{reference} is accepted: {number} names {made.payee.name}. No money was made."

    return _page(
        row, form, title=f"Accept {reference}?", button="Accept it", call=call, fill=fill,
        template="partners/registration_accept.html", warnings=_links(warnings),
        explains="The deal names the partner who registered it. That makes no money: the deal must be won, and the "
        "program's model says who earns what of it.",
    )  # fmt: skip


def _open_deals(references: tuple[str, ...], payee_id: int) -> list[tuple[str, str]]:
    """(number, words) of open deals that may be the same and that no other partner registered."""
    rows = ask(
        select(Deal.reference, Deal.name, Deal.amount_minor, Deal.currency)
        .where(
            Deal.organisation_id == g.organisation.id,
            Deal.reference.in_(references),
            (Deal.registered_by_id.is_(None)) | (Deal.registered_by_id == payee_id),
        )
        .order_by(Deal.id)
    )
    return [
        (row.reference, f"{row.name}, {filters.money(money(row.amount_minor, row.currency))}") for row in rows
    ]


def refuse(reference: str) -> ResponseReturnValue:
    """Refuse it, with a reason that the partner reads."""
    row = _begin(reference)
    form: RefuseForm = form_of(RefuseForm, row.currency)

    def fill() -> None:
        form.version.data = str(row.version)

    def call() -> str:
        registering.refuse(
            organisation_id=g.organisation.id, reference=reference, reason=form.reason.data or "",
            expected_version=form.seen_version, actor=actor(), now=utc_now(),
        )  # fmt: skip
        return f"{reference} is refused. The partner is told why."

    return _page(
        row, form, title=f"Refuse {reference}?", button="Refuse it", tone="danger", call=call, fill=fill,
        explains="The partner reads the reason, and can register the deal again.",
    )  # fmt: skip


def _begin(reference: str) -> Registration:
    """The registration. Raises NotFound; Conflict before a form is shown that would be refused."""
    require_change()
    row = _find(reference)
    if request.method != "POST" and row.state != RegistrationState.PENDING:
        label = RegistrationState(row.state).label.lower()
        raise Conflict(f"{reference} is {label} already, by {row.decided_by_label}.")
    return row


def _page(row: Registration, form: Any, **how: Any) -> ResponseReturnValue:
    back = (url_for(".registration", reference=row.reference), row.reference)
    facts = [
        ("Partner", row.payee.name), ("Customer", row.customer), ("Product", row.product or "–"),
        ("Expected", filters.money(money(row.expected_minor, row.currency))), ("Program", row.program.name),
    ]  # fmt: skip
    crumbs = [(url_for(".registrations"), "Registrations"), back]
    return act_page(AREA, form, back=back, crumbs=crumbs, facts=facts, **how)
