"""A partner's own deals: their share, why it is theirs, and what it earned. Never another partner's name or sums."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, g, render_template, request
from flask.typing import ResponseReturnValue

from webapp.kernel.money import Money
from webapp.payouts.views.own_lists import list_page, page_of
from webapp.programs.partners import deal_lists, explaining, own_queries
from webapp.programs.partners.deal_lists import DealFilter
from webapp.programs.partners.explaining import Explained
from webapp.programs.partners.own_forms import OwnDealFilter
from webapp.programs.partners.rules import WHOLE
from webapp.programs.partners.states import DealState, Model
from webapp.programs.partners.views import own_words
from webapp.programs.partners.views.partner_portal import FOLDER, need_own_id, own_id, today
from webapp.web import charts
from webapp.web.i18n import N_, gettext
from webapp.web.pagination import Page

blueprint = Blueprint("deals", __name__, url_prefix="/deals")
NONE: Page[Any] = Page([], None, None)


@blueprint.get("")
def index() -> ResponseReturnValue:
    """Deals that the partner took part in, the newest first, with their share and what they earned of each."""
    payee_id, form = own_id(), OwnDealFilter(request.args)
    is_valid, page = form.validate(), NONE
    if is_valid and payee_id is not None:
        chosen = DealFilter(text=form.q.data or "", state=form.state.data or "")
        found = deal_lists.deals(g.organisation.id, chosen, payee_id=payee_id)
        page = page_of(found, N_("1 deal"), N_("%(count)s deals"))
    return list_page(
        f"{FOLDER}/deals.html", form, "partner.deals.index", is_valid=is_valid, page=page,
        rows=_rows(page, payee_id or 0),
    )  # fmt: skip


def _rows(page: Page[Any], payee_id: int) -> list[dict[str, Any]]:
    ids = [row.id for row in page.items]
    shares, earned = own_queries.own_shares(payee_id, ids), own_queries.own_earned(payee_id, ids)
    return [
        {
            "row": row,
            "state": DealState(row.state),
            "amount": Money(row.amount_minor, row.currency),
            "share": explaining.percent(shares.get(row.id, 0)),
            "earned": earned.get(row.id),
        }
        for row in page.items
    ]


@blueprint.get("/<reference>")
def show(reference: str) -> ResponseReturnValue:
    """One deal: the own share, which touch earned what and why, and the commissions of it."""
    payee_id, here = need_own_id(), g.organisation
    deal = own_queries.get_deal(here.id, payee_id, reference)
    told = explaining.explain(here.id, deal.id, payee_id)
    own = next((each for each in told if each.payee_id == payee_id), None)
    rows = own_queries.commissions_of_deal(payee_id, deal.id)
    return render_template(
        f"{FOLDER}/deal.html",
        deal=deal,
        state=DealState(deal.state),
        model=Model(deal.program.model),
        amount=Money(deal.amount_minor, deal.currency),
        own=own,
        share=explaining.percent(own.millionths) if own else None,
        parts=[{"part": part, "share": explaining.percent(part.share_millionths)} for part in own.parts]
        if own
        else [],
        figure=_figure(told) if own and own.millionths else None,
        rows=[own_words.row_of(row, today()) for row in rows],
        earned=own_queries.own_earned(payee_id, [deal.id]).get(deal.id),
        registration=own_queries.registration_of(payee_id, deal.id),
    )


def _figure(told: list[Explained]) -> charts.RowFigure:
    """Who has which part of a deal: the partner, and all the others together."""

    def name(each: Explained) -> str:
        if each.payee_id is not None:
            return gettext("You")
        return each.partner_name[:1].upper() + each.partner_name[1:]

    own = told[0]
    return charts.ranking(
        key="shares",
        title=gettext("Shares of the deal"),
        finding=gettext("%(share)s of this deal is yours.", share=explaining.percent(own.millionths)),
        items=[(name(each), each.millionths) for each in told],
        say=explaining.percent,
        item_header=gettext("Partner"),
        value_header=gettext("Share"),
        full=WHOLE,
    )
