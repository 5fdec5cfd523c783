"""Partners: the list with what they earned, one partner's page, and what kind of partner somebody is."""

from __future__ import annotations

from datetime import date
from typing import Any

from flask import g, render_template, request, url_for
from flask.typing import ResponseReturnValue

from webapp.kernel.clock import add_months, utc_now
from webapp.kernel.money import Money
from webapp.payouts.states import PayoutState
from webapp.payouts.views import program_lists as pages
from webapp.payouts.views.program_pages import act_page, form_of, list_page, money, today
from webapp.payouts.views.words import short_wording, wording
from webapp.people.models import Payee, Role
from webapp.people.queries import get_payee
from webapp.people.views.fresh import needs_fresh_sign_in
from webapp.people.views.session import actor, may_change, require_change
from webapp.programs.partners import partners, record_lists
from webapp.programs.partners.record_forms import PartnerFilterForm, ProfileForm
from webapp.programs.partners.record_lists import Sums
from webapp.programs.partners.standing import standing
from webapp.programs.partners.states import (
    CommissionKind,
    DealState,
    PartnerType,
    RegistrationState,
    Tier,
)
from webapp.programs.partners.views import record_file
from webapp.programs.partners.views.area import AREA
from webapp.programs.partners.views.links import href_of, percent
from webapp.web import charts, filters

#: How much of each list the partner's page shows; the rest is one link away.
SHOWN = 10
#: Plots beside each other; further currencies are in the table of sums.
PLOTS = 3


def index() -> ResponseReturnValue:
    """Every partner, with what they earned, were paid and are owed, by currency."""
    form, here = PartnerFilterForm(request.args), g.organisation
    is_valid = form.validate()
    found = record_lists.partners(here.id, here.currency, form.chosen()) if is_valid else None
    context = pages.list_context(AREA, found, "partners", "partner", files=record_file.links())
    sums = record_lists.sums_of(here.id, [row.id for row in context["page"].items])
    rows = [
        {"row": row, "type": PartnerType(row.type), "tier": Tier(row.tier), "rate": percent(row.rate_bp),
         "sums": sums.get(row.id) or [_nothing()]}
        for row in context["page"].items
    ]  # fmt: skip
    return list_page(
        AREA, "partners/partners.html", form, "partners", is_valid=is_valid, rows=rows, **context
    )


def totals() -> ResponseReturnValue:
    """What all partners of a filter earned, by currency, and by how many commissions."""
    form = PartnerFilterForm(request.args)
    found = (
        record_lists.commissions_of_partners(g.organisation.id, form.chosen()) if form.validate() else None
    )
    return pages.totals_page(AREA, found, form, "partners", record_file.SUMS, "Commissions")


def _nothing() -> Sums:
    nothing = Money(0, g.organisation.currency)
    return Sums(nothing, nothing, nothing)


def find_partner(reference: str) -> Payee:
    """A partner of the organisation by their number. Raises NotFound."""
    return get_payee(g.organisation.id, reference, Role.PARTNER)


def show(reference: str) -> ResponseReturnValue:
    """One partner: what they are, what they earned, their newest deals, commissions, payouts and registrations."""
    here = g.organisation.id
    payee = find_partner(reference)
    profile = partners.profile_of(payee)
    return render_template(
        "partners/partner.html",
        area=AREA,
        tab="partners",
        payee=payee,
        type=PartnerType(profile.type),
        tier=Tier(profile.tier),
        rate=percent(profile.rate_bp),
        sums=record_lists.sums_of(here, [payee.id]).get(payee.id, []),
        plots=_plots(payee),
        deals=[_deal(row) for row in record_lists.deals_of(here, payee.id, SHOWN)],
        commissions=[_commission(row) for row in record_lists.commissions_of(here, payee.id, SHOWN)],
        payouts=[_payout(row) for row in record_lists.payouts_of(here, payee.id, SHOWN)],
        registrations=[_registration(row) for row in record_lists.registrations_of(here, payee.id, SHOWN)],
        href_of=href_of,
        may_change=may_change(),
        now=utc_now(),
    )


def _deal(row: Any) -> dict[str, Any]:
    return {
        "row": row,
        "state": DealState(row.state),
        "amount": money(row.amount_minor, row.currency),
        "part": money(row.part_minor, row.currency),
        "share": percent(row.millionths // 100),
    }


def _commission(row: Any) -> dict[str, Any]:
    return {
        "row": row,
        "kind": CommissionKind(row.kind),
        "standing": standing(
            state=row.state, offer=row.offer, is_disputed=row.is_disputed, due_on=row.due_on, today=today()
        ),
        "amount": money(row.amount_minor, row.currency),
        "what": row.deal or f"Retainer {row.period}",
    }


def _payout(row: Any) -> dict[str, Any]:
    return {
        "row": row,
        "state": PayoutState(row.state),
        "amount": money(row.amount_minor, row.currency),
    }


def _registration(row: Any) -> dict[str, Any]:
    return {
        "row": row,
        "state": RegistrationState(row.state),
        "expected": money(row.expected_minor, row.currency),
    }


def _plots(payee: Payee) -> list[charts.BarFigure]:
    """What a partner earned in each of the last twelve months, a picture for each currency."""
    found = record_lists.earned_by_month(payee.organisation_id, payee.id, today())
    first = add_months(today(), -11)
    return [_plot(currency, amounts, first) for currency, amounts in found[:PLOTS]]


def _plot(currency: str, amounts: list[int], first: date) -> charts.BarFigure:
    say = wording(currency)
    months = [add_months(first, n) for n in range(len(amounts))]
    best = max(range(len(amounts)), key=lambda n: amounts[n])
    finding = (
        f"{say(sum(amounts))} in twelve months; most in {filters.month(months[best])}, {say(amounts[best])}."
    )
    return charts.bars(
        key=f"earned-{currency.lower()}",
        title=f"Earned by month, {currency}",
        finding=finding,
        categories=[f"{month:%Y-%m}" for month in months],
        series=[charts.Series("Earned", tuple(amounts))],
        say=say,
        say_tick=short_wording(currency, g.organisation.locale),
        category_header="Month",
    )


@needs_fresh_sign_in
def edit(reference: str) -> ResponseReturnValue:
    """Say what kind of partner somebody is; what is earned already stays."""
    require_change()
    payee = find_partner(reference)
    form: ProfileForm = form_of(ProfileForm)

    def call() -> str:
        partners.change_profile(
            organisation_id=payee.organisation_id, payee_id=payee.id, draft=form.draft(),
            expected_version=form.seen_version, actor=actor(), now=utc_now(),
        )  # fmt: skip
        return f"{payee.name}: the changes are saved. They count for deals that are won from now on."

    return act_page(
        AREA, form, title=f"What kind of partner is {payee.name}?", button="Save", call=call,
        fill=lambda: form.fill(partners.profile_of(payee)),
        back=(url_for(".partner", reference=reference), payee.name),
        facts=[("Partner", f"{payee.name} ({payee.reference})")],
        explains="The own rate counts for deals where no rule fits. What is earned already stays as it is.",
        crumbs=[(url_for(".partners"), "Partners")],
    )  # fmt: skip
