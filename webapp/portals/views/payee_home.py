"""A payee's home: next payout, what they must do, earnings by month."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from flask import Blueprint, g, render_template, request, url_for
from flask.typing import ResponseReturnValue

from webapp.kernel.clock import add_months, local_date, utc_now
from webapp.kernel.money import Money
from webapp.payouts import figures
from webapp.payouts.models import Payout
from webapp.payouts.states import PayoutState
from webapp.payouts.views import words
from webapp.people.views.session import payee_id_for
from webapp.portals import expected
from webapp.portals.tasks import Task
from webapp.web import charts, filters
from webapp.web.i18n import N_, gettext, locale_name

blueprint = Blueprint("home", __name__)

#: organisation id, payee id, today -> what the section's template reads as `section`
Loader = Callable[[int, int, date], Mapping[str, Any]]


@dataclass(frozen=True)
class HomeSection:
    """What a program says on the home page of its payees, and what it says before there is a payout."""

    template: str
    loader: Loader
    empty_text: str


_sections: dict[str, HomeSection] = {}


def register_section(portal: str, section: HomeSection) -> None:
    """Let a program's section stand on the home page of a portal."""
    _sections[portal] = section


FIRST_JOB = N_("After your first approved job you see it here.")


def empty_text(portal: str) -> str:
    """What payees of a portal are told while they have no payout, on the home page and in the list."""
    return _sections[portal].empty_text if portal in _sections else FIRST_JOB


def _expectation(payout: Payout, now: datetime) -> str:
    """When the money of the next payout comes, in words; empty where that cannot be known."""
    if payout.state == PayoutState.RETRY_SCHEDULED.value and payout.retry_at and not payout.is_held:
        return gettext("It is tried again on %(time)s.", time=filters.instant_words(payout.retry_at))
    day = expected.expected_on(payout, now, g.organisation.timezone)
    if day is None:
        return ""
    if day == local_date(now, g.organisation.timezone):
        return gettext("Expected today, %(day)s.", day=filters.day(day))
    return gettext("Expected on %(day)s.", day=filters.day(day))


def _portal() -> str:
    return (request.blueprint or "").partition(".")[0]


def _row(payout: Payout) -> dict[str, Any]:
    return {
        "payout": payout,
        "status": words.payee_status(payout, g.organisation.name),
        "period": words.period(payout),
        "net": Money(payout.amount_minor, payout.currency),
    }


def _tasks(open_payouts: Sequence[Payout], has_method: bool) -> list[Task]:
    details = url_for(f"{_portal()}.details.show")
    tasks = []
    if not has_method:
        tasks.append(
            Task("Add your payment details", "Without them nothing can be paid.", details, tone="todo")
        )
    back = [p for p in open_payouts if p.state in (PayoutState.FAILED.value, PayoutState.REVERSED.value)]
    if back and has_method:
        names = ", ".join(p.reference for p in back)
        text = gettext("The bank did not take %(payouts)s.", payouts=names)
        tasks.append(Task("Check your payment details", text, details, tone="failed"))
    return tasks


def _earnings(sums: Sequence[figures.MonthSum], currency: str, today: date) -> charts.BarFigure:
    months = [add_months(today, n) for n in range(-11, 1)]
    amounts = dict.fromkeys(months, 0)
    for part in sums:
        if part.amount.currency == currency and part.month in amounts:
            amounts[part.month] += part.amount.amount
    say = words.wording(currency)
    best = max(months, key=lambda month: amounts[month])
    return charts.bars(
        key="earnings",
        title=gettext("Paid to you per month, %(currency)s", currency=currency),
        finding=gettext(
            "%(total)s in twelve months; most in %(month)s, %(amount)s.",
            total=say(sum(amounts.values())),
            month=filters.month(best),
            amount=say(amounts[best]),
        ),
        categories=[filters.month(month) for month in months],
        series=[charts.Series(gettext("Paid"), tuple(amounts[month] for month in months))],
        say=say,
        say_tick=words.short_wording(currency, locale_name()),
        category_header=gettext("Month"),
    )


@blueprint.get("/")
def show() -> ResponseReturnValue:
    """The next payout, what is to do, the last three, and the year so far."""
    organisation, portal = g.organisation, _portal()
    payee_id = payee_id_for(portal)
    if payee_id is None:
        return render_template("home/no_payee.html")
    scope = {"organisation_id": organisation.id, "payee_id": payee_id}
    now = utc_now()
    today = local_date(now, organisation.timezone)
    waiting = figures.next_payouts(**scope)
    last = figures.own_payouts(**scope, limit=3)
    sums = figures.earned_by_month(**scope, today=today)
    method = figures.method_of(payee_id)
    year = figures.year_to_date(**scope, today=today)
    section = _sections.get(portal)
    return render_template(
        "home/payee.html",
        next_payout=_row(waiting[0]) if waiting else None,
        expectation=_expectation(waiting[0], now) if waiting else "",
        more_waiting=max(0, len(waiting) - 1),
        tasks=_tasks(waiting, method is not None),
        last=[_row(payout) for payout in last],
        figure=_earnings(sums, sums[0].amount.currency, today) if sums else None,
        year=[(str(today.year), money) for money in year],
        pay_to=(method.masked or "By hand") if method else None,
        list_href=url_for(f"{portal}.payouts.index"),
        show_endpoint=f"{portal}.payouts.show",
        details_href=url_for(f"{portal}.details.show"),
        section=section.loader(organisation.id, payee_id, today) if section else None,
        section_template=section.template if section else None,
        empty_text=empty_text(portal),
    )
