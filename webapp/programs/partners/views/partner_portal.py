"""What a partner's own pages have in common, and what their home says: earned, pending, this year, by month."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from flask import g, url_for

from webapp.kernel.clock import add_months, local_date, utc_now
from webapp.kernel.errors import NotFound
from webapp.kernel.money import Money
from webapp.payouts.views import words as payout_words
from webapp.payouts.views.program_pages import Area
from webapp.people.models import Role
from webapp.people.views.session import payee_id_for
from webapp.programs.partners import own_queries, requesting
from webapp.programs.partners.own_queries import MONTHS
from webapp.programs.partners.requesting import Offer, WhyNot
from webapp.web import charts, filters
from webapp.web.i18n import N_, gettext, locale_name

FOLDER = "partners/partner_portal"
NOBODY = N_("Your account is not linked to a partner yet. Ask an admin to link it.")
#: Pages of one small act name their area; partners' pages have no tabs.
OWN = Area("partner.commissions", "", ())


def own_id() -> int | None:
    """The partner that the signed-in person is; None while nobody has linked them."""
    return payee_id_for(Role.PARTNER.value)


def need_own_id() -> int:
    """The same. Raises NotFound that says what to do."""
    payee_id = own_id()
    if payee_id is None:
        raise NotFound(NOBODY)
    return payee_id


def today() -> date:
    """The organisation's own day."""
    return local_date(utc_now(), g.organisation.timezone)


def home_section(organisation_id: int, payee_id: int, today: date) -> dict[str, Any]:
    """What the home page of a partner says beside the payouts: sums and a plot by currency, what can be asked for."""
    sums = own_queries.earned(organisation_id, payee_id, today)
    by_month = own_queries.months(organisation_id, payee_id, today)
    return {
        "stats": [
            {
                "label": gettext("Earned in all"),
                "values": [each.lifetime for each in sums],
                "href": url_for("partner.commissions.index"),
            },
            {
                "label": gettext("Earned in %(year)s", year=today.year),
                "values": [each.year for each in sums],
                "href": url_for("partner.commissions.index", earned_from=date(today.year, 1, 1).isoformat()),
            },
            {
                "label": gettext("Earned and not paid yet"),
                "values": [each.pending for each in sums],
                "href": url_for("partner.commissions.index"),
            },
        ]
        if sums
        else [],
        "figures": [_figure(currency, found, today) for currency, found in by_month.items()],
        "offers": offers(organisation_id, payee_id),
    }


def _figure(currency: str, found: Mapping[date, int], today: date) -> charts.BarFigure:
    """What was earned month by month in a currency; what was taken back hangs below the line."""
    months = [add_months(today, n) for n in range(1 - MONTHS, 1)]
    values = tuple(found.get(month, 0) for month in months)
    best = max(months, key=lambda month: found.get(month, 0))
    say = payout_words.wording(currency)
    return charts.bars(
        key=f"earned-{currency.lower()}",
        title=gettext("Earned by you per month, %(currency)s", currency=currency),
        finding=gettext(
            "%(total)s in twelve months; most in %(month)s, %(amount)s.",
            total=say(sum(values)),
            month=filters.month(best),
            amount=say(found.get(best, 0)),
        ),
        categories=[filters.month(month) for month in months],
        series=[charts.Series(gettext("Earned"), values)],
        say=say,
        say_tick=payout_words.short_wording(currency, locale_name()),
        category_header=gettext("Month"),
    )


def offers(organisation_id: int, payee_id: int) -> list[dict[str, Any]]:
    """What of a partner is due and can be asked for, by currency: amount, address of the page, or why not."""
    return [
        {"amount": offer.amount, "why_not": why_not(offer), "href": request_href(offer.amount)}
        for offer in requesting.offers(organisation_id, payee_id, utc_now())
    ]


def request_href(amount: Money) -> str:
    """Where a payout in a currency is asked for."""
    return url_for("partner.commissions.ask_payout", currency=amount.currency)


def why_not(offer: Offer) -> str:
    """Why a partner cannot ask for a payout in a currency, in words; empty when they can."""
    if offer.why_not is None:
        return ""
    if offer.why_not is WhyNot.INACTIVE:
        return gettext("%(payer)s has paused payouts to you. Ask them.", payer=g.organisation.name)
    if offer.why_not is WhyNot.CARRIED:
        return gettext("What was taken back is not earned again yet. It is carried to your next payouts.")
    return gettext(
        "The smallest payout is %(least)s. What is due is kept for the next one.",
        least=filters.money(offer.least),
    )
