"""Deals: the list, one deal with who earned what and why, a new one, one that is changed."""

from __future__ import annotations

from typing import Any

from flask import flash, g, render_template, request, url_for
from flask.typing import ResponseReturnValue

from webapp.database import transaction
from webapp.kernel.clock import utc_now
from webapp.kernel.errors import Conflict, Invalid, NotFound
from webapp.payouts.views import program_lists as pages
from webapp.payouts.views.program_pages import form_of, list_page, money, today
from webapp.people.forms import attach
from webapp.people.models import Role
from webapp.people.queries import get_payee
from webapp.people.views.fresh import needs_fresh_sign_in
from webapp.people.views.session import actor, may_change, require_change
from webapp.programs.partners import deal_files, deal_lists, deals, explaining, record_lists
from webapp.programs.partners.deal_filters import DealFilterForm
from webapp.programs.partners.deal_forms import DealForm
from webapp.programs.partners.drafts import DealDraft
from webapp.programs.partners.models import Deal
from webapp.programs.partners.states import DealAction, DealState, next_state
from webapp.programs.partners.views import deal_file, deal_page
from webapp.programs.partners.views.area import AREA
from webapp.web.htmx import see_other

SUMS = deal_files.SUMS[deal_files.DEALS]
#: What the service calls by another name than the form.
_FIELDS = {"currency": "code", "opened_at": "opened_on"}


def _filter() -> DealFilterForm:
    programs = deal_lists.offered_programs(g.organisation.id)
    form: DealFilterForm = form_of(DealFilterForm, formdata=request.args, programs=programs)
    return form


def index() -> ResponseReturnValue:
    """The list, with its filter and order."""
    form = _filter()
    is_valid = form.validate()
    found = deal_lists.deals(g.organisation.id, form.chosen()) if is_valid else None
    context = pages.list_context(AREA, found, "deals", "deal", files=deal_file.links("deals"))
    ids = [row.id for row in context["page"].items]
    parts, earned = deal_lists.parts_of(ids), deal_lists.earned_of(ids)
    return list_page(
        AREA, "partners/deals.html", form, "deals", is_valid=is_valid,
        has_programs=len(list(form.program.iter_choices())) > 1,
        rows=[_row(row, parts.get(row.id, []), earned.get(row.id)) for row in context["page"].items], **context,
    )  # fmt: skip


def _row(row: Any, parts: list[deal_lists.PartOfDeal], earned: Any) -> dict[str, Any]:
    return {
        "row": row,
        "state": DealState(row.state),
        "amount": money(row.amount_minor, row.currency),
        "earned": earned,
        "parts": [(part.name, explaining.percent(part.millionths)) for part in parts[:3]],
        "n_more": max(0, len(parts) - 3),
        "closed_on": deal_page.day_of(row.closed_at),
    }


def totals() -> ResponseReturnValue:
    """Count and sums of a filter."""
    form = _filter()
    found = deal_lists.deals(g.organisation.id, form.chosen()) if form.validate() else None
    return pages.totals_page(AREA, found, form, "deals", SUMS, "Deals")


def show(reference: str) -> ResponseReturnValue:
    """One deal: which touch earned what and why, its commissions, what happened to it, and the act that is next."""
    return render_template(
        "partners/deal.html",
        area=AREA,
        tab="deals",
        may_change=may_change(),
        **deal_page.context(deal_page.find(reference), utc_now()),
    )


def create() -> ResponseReturnValue:
    """A new deal, open."""
    require_change()
    form: DealForm = _form()
    del form.reason
    if request.method == "GET":
        form.code.data, form.opened_on.data = g.organisation.currency, today()
        return _page(form, None, 200)
    return _sent(form, None)


@needs_fresh_sign_in
def edit(reference: str) -> ResponseReturnValue:
    """A deal changed; of one that is won it needs a reason, and what was paid for it is corrected."""
    require_change()
    deal = deal_page.find(reference)
    form: DealForm = _form(deal.program.reference, deal.program.name)
    if deal.state != DealState.WON:
        del form.reason
    if request.method == "GET":
        next_state(deal.state, DealAction.CHANGE, reference)
        form.fill(deal, g.organisation.timezone)
        return _page(form, deal, 200)
    return _sent(form, deal)


def _form(*program: str) -> DealForm:
    """The form with the programs in use, and the deal's own."""
    offered = dict(deal_lists.offered_programs(g.organisation.id, only_active=True))
    if program:
        offered.setdefault(*program)
    form: DealForm = form_of(DealForm, programs=list(offered.items()))
    return form


def _page(form: DealForm, deal: Deal | None, code: int, conflict: str = "") -> ResponseReturnValue:
    return (
        render_template(
            "partners/deal_form.html", area=AREA, form=form, deal=deal, conflict=conflict,
            offered_partners=deal_page.offered_partners(), has_errors=code == 422,
        ),
        code,
    )  # fmt: skip


def _sent(form: DealForm, deal: Deal | None) -> ResponseReturnValue:
    if not form.validate():
        return _page(form, deal, 422)
    reference = deal.reference if deal else ""
    try:
        draft = _draft(form, deal)
        with transaction():
            made = _write(form, draft, reference)
    except Invalid as error:
        attach(form, Invalid(_FIELDS.get(error.field, error.field), error.reason, error.example))
        return _page(form, deal, 422)
    except Conflict as error:
        return _page(form, deal, 409, error.message)
    said = f"{made} is changed." if reference else f"{made} is entered. Say next what partners did for it."
    flash(said, "success")
    return see_other(url_for(".deal", reference=made))


def _draft(form: DealForm, deal: Deal | None) -> DealDraft:
    here = g.organisation
    program = record_lists.find_program(here.id, form.program.data)
    registered_by = partner_id(form.registered_by.data or "", "registered_by")
    return form.draft(program.id, registered_by, here.timezone, deal)


def partner_id(number: str, field: str) -> int | None:
    """The partner of a number that somebody typed; None for no number. Raises Invalid of the field."""
    if not number:
        return None
    try:
        return get_payee(g.organisation.id, number.upper(), Role.PARTNER).id
    except NotFound as error:
        raise Invalid(field, "There is no such partner.", "PY-0003") from error


def _write(form: DealForm, draft: DealDraft, reference: str) -> str:
    values: dict[str, Any] = {
        "organisation_id": g.organisation.id, "draft": draft, "actor": actor(), "now": utc_now(),
    }  # fmt: skip
    if not reference:
        return deals.create_deal(**values).reference
    reason = form.reason.data or "" if "reason" in form else ""
    return deals.change_deal(
        **values, reference=reference, reason=reason, expected_version=form.seen_version
    ).reference
