"""A partner's own commissions: how each stands and why, disputing one, asking for a payout of what is due."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flask import Blueprint, flash, g, render_template, request, url_for
from flask.typing import ResponseReturnValue

from webapp.database import transaction
from webapp.kernel.clock import utc_now
from webapp.kernel.errors import Conflict
from webapp.kernel.money import Money
from webapp.payouts import figures
from webapp.payouts.views import listing as addresses
from webapp.payouts.views.own_lists import list_page, page_of
from webapp.payouts.views.program_pages import act_page
from webapp.people.views.fresh import needs_fresh_sign_in
from webapp.people.views.session import actor
from webapp.programs.partners import disputing, money_lists, own_queries, requesting
from webapp.programs.partners.money_lists import CommissionFilter
from webapp.programs.partners.own_forms import OwnCommissionFilter, OwnDisputeForm, RequestForm
from webapp.programs.partners.requesting import Offer
from webapp.programs.partners.states import CommissionKind, CommissionState, DisputeState
from webapp.programs.partners.views import own_words
from webapp.programs.partners.views.partner_portal import (
    FOLDER,
    OWN,
    need_own_id,
    offers,
    own_id,
    request_href,
    today,
    why_not,
)
from webapp.web import listing
from webapp.web.exports import csv_response, xlsx_response
from webapp.web.filters import money
from webapp.web.htmx import see_other
from webapp.web.i18n import N_, gettext
from webapp.web.listing import Listing
from webapp.web.pagination import Page

blueprint = Blueprint("commissions", __name__, url_prefix="/commissions")
NONE: Page[Any] = Page([], None, None)
EXPORT_HEADERS = (
    "Commission", "Kind", "Deal", "Deal name", "Period", "Program", "Currency", "Base", "Rate %", "Amount",
    "Earned on", "Due on", "Status", "Payout", "Reason",
)  # fmt: skip


def _listed(form: OwnCommissionFilter, payee_id: int) -> Listing:
    chosen = CommissionFilter(
        today=today(),
        text=form.q.data or "",
        state=form.state.data or "",
        date_from=form.earned_from.data,
        date_to=form.earned_to.data,
    )
    return money_lists.commissions(g.organisation.id, chosen, payee_id=payee_id)


@blueprint.get("")
def index() -> ResponseReturnValue:
    """Own commissions, the latest first, and what of them is due and can be asked for."""
    payee_id, form = own_id(), OwnCommissionFilter(request.args)
    is_valid, page = form.validate(), NONE
    if is_valid and payee_id is not None:
        page = page_of(_listed(form, payee_id), N_("1 commission"), N_("%(count)s commissions"))
    return list_page(
        f"{FOLDER}/commissions.html",
        form,
        "partner.commissions.index",
        is_valid=is_valid,
        page=page,
        rows=[own_words.row_of(row, today()) for row in page.items],
        offers=offers(g.organisation.id, payee_id) if payee_id is not None else [],
        csv_href=addresses.address("partner.commissions.export", format="csv"),
        xlsx_href=addresses.address("partner.commissions.export", format="xlsx"),
    )


@blueprint.get("/export.<any(csv,xlsx):format>")
def export(format: str) -> ResponseReturnValue:
    """Exactly the filter as a file."""
    payee_id, form = own_id(), OwnCommissionFilter(request.args)
    if not form.validate():
        return index()
    make = csv_response if format == "csv" else xlsx_response
    return make(f"commissions.{format}", EXPORT_HEADERS, _cells(form, payee_id) if payee_id else ())


def _cells(form: OwnCommissionFilter, payee_id: int) -> Iterator[tuple[Any, ...]]:
    found, day = _listed(form, payee_id), today()
    for batch in listing.batches(found, found.default):
        for row in batch:
            base, amount = Money(row.base_minor, row.currency), Money(row.amount_minor, row.currency)
            is_corrected = row.kind in (CommissionKind.CLAWBACK, CommissionKind.CORRECTION)
            yield (
                row.reference, CommissionKind(row.kind).label, row.deal_reference or "", row.deal_name or "",
                row.period or "", row.program_name, row.currency, base,
                own_words.percent(row.rate_bp).removesuffix(" %"), amount, row.earned_on, row.due_on,
                own_words.standing_of(row, day).label, row.payout_reference or "", row.reason if is_corrected else "",
            )  # fmt: skip


@blueprint.get("/<reference>")
def show(reference: str) -> ResponseReturnValue:
    """One commission: how it was worked out, how it stands, when it is due, what was disputed about it."""
    payee_id = need_own_id()
    row = own_queries.get_commission(g.organisation.id, payee_id, reference)
    disputes = own_queries.disputes_of(row)
    others = own_queries.commissions_of_deal(payee_id, row.deal_id) if row.deal_id else []
    return render_template(
        f"{FOLDER}/commission.html",
        row=row,
        kind=CommissionKind(row.kind),
        standing=own_words.standing_of(row, today()),
        amount=Money(row.amount_minor, row.currency),
        steps=own_words.calculation(row),
        rate_words=own_words.rate_words(row),
        final_day=own_words.final_day(row),
        payout=own_queries.payout_of(row),
        disputes=[{"row": each, "state": DisputeState(each.state)} for each in disputes],
        may_dispute=row.state == CommissionState.OPEN and not row.is_disputed,
        others=[own_words.row_of(each, today()) for each in others if each.id != row.id],
    )


@blueprint.route("/<reference>/dispute", methods=["GET", "POST"])
def dispute(reference: str) -> ResponseReturnValue:
    """Say that a commission is not right; it alone waits until the organisation has answered."""
    payee_id, here = need_own_id(), g.organisation
    row = own_queries.get_commission(here.id, payee_id, reference)
    form = OwnDisputeForm()

    def call() -> str:
        if row.state != CommissionState.OPEN:
            raise Conflict(gettext("This commission is in a payout already. Write to us about it instead."))
        if row.is_disputed:
            raise Conflict(gettext("You disputed this commission already. It waits for an answer."))
        disputing.raise_dispute(
            organisation_id=here.id, payee_id=payee_id, reference=reference, reason=form.reason.data or "",
            actor=actor(), now=utc_now(),
        )  # fmt: skip
        return gettext(
            "Your dispute about %(reference)s is sent. This commission alone waits.", reference=reference
        )

    return act_page(
        OWN,
        form,
        title=gettext("Dispute %(reference)s", reference=reference),
        button=gettext("Send the dispute"),
        back=(url_for("partner.commissions.show", reference=reference), reference),
        call=call,
        facts=[
            (N_("For"), row.deal.name if row.deal else row.period),
            (N_("Amount"), money(Money(row.amount_minor, row.currency))),
        ],
        explains=gettext("Until it is answered this commission is in no payout. The others are not touched."),
        crumbs=[(url_for("partner.commissions.index"), gettext("Commissions"))],
        template=f"{FOLDER}/act.html",
    )


@blueprint.route("/request-payout", methods=["GET", "POST"])
@needs_fresh_sign_in
def ask_payout() -> ResponseReturnValue:
    """Ask for what is due in a currency to be paid out now; it is approved like every payout."""
    payee_id, here, now = need_own_id(), g.organisation, utc_now()
    form = RequestForm()
    currency = (
        form.wanted_currency.data if request.method == "POST" else request.args.get("currency", here.currency)
    )
    found = {each.amount.currency: each for each in requesting.offers(here.id, payee_id, now)}
    offer = found.get(currency or "")

    def page(code: int, conflict: str = "") -> ResponseReturnValue:
        return _ask_page(form, offer, payee_id, code, conflict)

    if request.method == "GET":
        if offer is not None:
            form.wanted_currency.data, form.amount.data = offer.amount.currency, str(offer.amount.amount)
        return page(200)
    if not form.validate():
        return page(422)
    if offer is None or why_not(offer):
        return page(409, why_not(offer) if offer else gettext("Nothing is due that you can ask for."))
    if form.seen_minor not in (None, offer.amount.amount):
        form.amount.data = str(offer.amount.amount)
        words = gettext("It comes to %(amount)s now. Look at it again.", amount=money(offer.amount))
        return page(409, words)
    try:
        with transaction():
            reference = requesting.request_payout(
                organisation_id=here.id, payee_id=payee_id, currency=offer.amount.currency, actor=actor(), now=now,
                expected_minor=form.seen_minor,
            ).reference  # fmt: skip
    except Conflict as error:
        return page(409, error.message)
    words = gettext(
        "%(reference)s is asked for. %(payer)s approves it, then it is paid.",
        reference=reference,
        payer=here.name,
    )
    flash(words, "success")
    return see_other(url_for("partner.payouts.show", reference=reference))


def _ask_page(
    form: RequestForm, offer: Offer | None, payee_id: int, code: int, conflict: str
) -> ResponseReturnValue:
    method = figures.method_of(payee_id)
    return (
        render_template(
            f"{FOLDER}/request.html",
            form=form,
            offer=offer,
            why_not=why_not(offer) if offer else "",
            again_href=request_href(offer.amount) if offer else "",
            pay_to=(method.masked or N_("By hand")) if method else None,
            conflict=conflict,
            has_errors=code == 422,
        ),
        code,
    )
