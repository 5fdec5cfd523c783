"""The first page of the partners' area: how payouts stand, what waits for somebody, who was paid most."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from flask import g, render_template, url_for
from flask.typing import ResponseReturnValue

from webapp.kernel.clock import local_date, utc_now
from webapp.payouts.views.program_pages import today
from webapp.payouts.views.words import wording
from webapp.people.views.session import may_change
from webapp.programs.partners import base_view, calculation_runs, figures
from webapp.programs.partners.views.area import AREA
from webapp.programs.partners.views.links import href_of
from webapp.programs.partners.views.payout_pages import approve_href
from webapp.web import charts

#: Where each card leads: the filter of the list of payouts.
_STATES = {"pending": "pending_approval", "approved": "approved", "paid": "paid", "all": None}


def index() -> ResponseReturnValue:
    """How commissions and payouts stand."""
    here = g.organisation
    needs = figures.needs(here.id, today())
    return render_template(
        "partners/index.html",
        area=AREA,
        tab="index",
        cards=_cards(),
        rates_href=href_of("rates") if may_change() else None,
        pending=_pending(figures.pending(here.id)),
        approve_href=approve_href(),
        tasks=_tasks(needs),
        needs=needs,
        upcoming=calculation_runs.upcoming(here.id, today()),
        working=calculation_runs.is_working(here.id),
        paid=[
            figure for currency in figures.paid_currencies(here.id)[:3] if (figure := _paid(currency)) is not None
        ],
        create_program_href=href_of("create_program"),
        may_change=may_change(),
        now=utc_now(),
    )  # fmt: skip


def _cards() -> list[dict[str, Any]]:
    """How many payouts there are, what they come to by currency, and that in the organisation's own."""
    here = g.organisation.id
    return [
        {
            "card": card,
            "href": url_for(".payouts", state=_STATES[card.key]),
            "view": base_view.totals(here, card.sums, today()),
        }
        for card in figures.cards(here)
    ]


def _pending(found: figures.Pending | None) -> str:
    """ "7 payouts wait for approval, the oldest for 4 days"; empty when none waits."""
    if found is None:
        return ""
    days = _days(found.oldest)
    since = "since today" if days == 0 else "for 1 day" if days == 1 else f"for {days:,} days"
    if found.count == 1:
        return f"1 payout waits for approval {since}."
    return f"{found.count:,} payouts wait for approval, the oldest {since}."


def _days(since: datetime) -> int:
    return (today() - local_date(since, g.organisation.timezone)).days


def _tasks(needs: figures.Needs) -> list[dict[str, Any]]:
    found = [
        (needs.failed, "payout failed or came back", "payouts failed or came back",
         "Retry it, have other payment details entered, or cancel it.", href_of("payouts", state="failed")),
        (needs.registrations, "registration waits for a decision", "registrations wait for a decision",
         "A partner says that a deal is theirs. Accept it, or refuse it with a reason.",
         href_of("registrations", state="pending")),
        (needs.disputes, "commission is disputed", "commissions are disputed",
         "It alone waits until somebody answers.", href_of("disputes")),
        (needs.rejected, "commission waits for a decision", "commissions wait for a decision",
         "Its payout was rejected or cancelled. Offer it again, or dismiss it.",
         href_of("commissions", state="rejected")),
        (needs.rules, "rule waits for a second person", "rules wait for a second person",
         "Whoever proposed it cannot accept it.", href_of("rules")),
        (needs.due, "commission is due and in no payout", "commissions are due and in no payout",
         "The next calculation takes them; you can do it now.", href_of("calculate")),
    ]  # fmt: skip
    return [
        {"count": n, "title": f"1 {one}" if n == 1 else f"{n:,} {many}", "text": text, "href": href}
        for n, one, many, text, href in found
        if n and href
    ]


def _paid(currency: str) -> charts.RowFigure | None:
    rows = figures.most_paid(g.organisation.id, currency)
    if not rows:
        return None
    say = wording(currency)
    first = rows[0]
    return charts.ranking(
        key=f"paid-{currency.lower()}",
        title=f"Paid to partners, {currency}",
        finding=f"{first.name} was paid most, {say(first.amount.amount)}."
        if len(rows) > 1
        else f"{first.name} was paid {say(first.amount.amount)}.",
        items=[(row.name, row.amount.amount) for row in rows],
        say=say,
        item_header="Partner",
        value_header="Paid",
    )
