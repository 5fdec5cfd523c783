"""Payouts of partners by partner and period; what is due, and making payouts of it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select

from webapp.api import paging, partners_queries, queries
from webapp.api.bearer import Caller
from webapp.api.operations import Resource
from webapp.api.queries import PayoutChoice
from webapp.api.resources.partner_words import amount_of, staff_filter, today_of
from webapp.api.resources.payout_words import payout_of
from webapp.api.schemas.common import Amount, PayeeRef
from webapp.api.schemas.partner_money import (
    Calculate,
    Calculation,
    DueOut,
    DuePage,
    DueQuery,
    PartnerPayoutCreate,
    PartnerPayoutNarrow,
    PartnerPayoutQuery,
    PartnerPeriods,
    PartnerPeriodsPage,
    PeriodSum,
)
from webapp.api.schemas.payouts import Payout, PayoutPage, StateCount, Stats
from webapp.kernel.clock import utc_now
from webapp.payouts import lists
from webapp.payouts.models import Payout as Row
from webapp.people.access.tokens import Scope
from webapp.people.models import Payee
from webapp.programs.partners import calculation_runs, choosing, due
from webapp.programs.partners.drafts import PROGRAM
from webapp.programs.partners.rules import period, period_of

resource = Resource(
    "partner_payouts",
    "/partner-payouts",
    title="Payouts of partners",
    about="The payouts of commissions by partner and period, and the calculation that makes them. They are payouts "
    "like all others: `/payouts/{reference}` and its actions approve and pay them.",
)
_read = {"scope": Scope.PAYOUTS_READ}


def _found(who: Caller, query: PartnerPayoutNarrow) -> Select[Any]:
    """The payouts that match. Raises Invalid for a period that is none."""
    staff_filter(who, partner=query.partner)
    chosen = PayoutChoice(program=PROGRAM, payee=query.partner, state=query.state, search=query.search)
    span = period(query.period) if query.period else None
    return partners_queries.within(queries.payouts(who.viewer, chosen, utc_now()), span)


@resource.get("", summary="List payouts of partners", query=PartnerPayoutQuery, answers=PayoutPage, **_read)
def index(who: Caller, query: PartnerPayoutQuery) -> PayoutPage:
    """The payouts that match, the newest first."""
    rows, following = paging.page(
        lists.with_approval_facts(_found(who, query)), Row.id, limit=query.limit, cursor=query.cursor
    )
    return PayoutPage(items=[payout_of(row, who) for row in rows], next_cursor=following)


@resource.get("/stats", summary="Count and add up payouts of partners", query=PartnerPayoutNarrow, answers=Stats,
              **_read)  # fmt: skip
def stats(who: Caller, query: PartnerPayoutNarrow) -> Stats:
    """How many payouts stand in each state, and what they come to, by currency."""
    rows = queries.sums(_found(who, query))
    return Stats(items=[StateCount(**_sums(*row)) for row in rows], next_cursor=None)


def _sums(state: str, currency: str, count: int, gross: Any, net: Any) -> dict[str, Any]:
    return {
        "state": state,
        "count": count,
        "gross": Amount.of(int(gross), currency),
        "net": Amount.of(int(net), currency),
    }


@resource.get("/by-period", summary="Add up payouts by partner and period", query=PartnerPayoutQuery,
              answers=PartnerPeriodsPage, **_read)  # fmt: skip
def by_period(who: Caller, query: PartnerPayoutQuery) -> PartnerPeriodsPage:
    """Each partner with payouts, and their counts and sums by period, state and currency."""
    found = _found(who, query)
    rows, following = paging.page(
        queries.payees_with(found), Payee.id, limit=query.limit, cursor=query.cursor, newest_first=False
    )
    sums = partners_queries.sums_by_period(found, [row.id for row in rows])
    items = [
        PartnerPeriods(
            partner=PayeeRef.of(row),
            items=[
                PeriodSum(period_start=first, period_end=last, **_sums(*rest))
                for first, last, *rest in sums.get(row.id, [])
            ],
        )
        for row in rows
    ]
    return PartnerPeriodsPage(items=items, next_cursor=following)


@resource.get("/due", summary="See what a calculation would pay", query=DueQuery, answers=DuePage,
              scope=Scope.PARTNERS_CALCULATE)  # fmt: skip
def preview(who: Caller, query: DueQuery) -> DuePage:
    """What is due to each partner, and why some of it would wait. Nothing is made."""
    until = query.period or period_of(today_of(who), "month").text
    found = due.preview(who.organisation_id, until, utc_now())
    items = [
        DueOut(
            partner=PayeeRef(reference=row.payee_reference, name=row.payee_name, kind="partner"),
            commissions=row.commissions,
            amount=amount_of(row.amount),
            waits_because=row.reason,
        )
        for row in found.rows
    ]
    return DuePage(
        period=period(until).text,
        items=items,
        retainers=found.retainers,
        notes=list(found.notes),
        next_cursor=None,
    )


@resource.post("/calculate", summary="Calculate pending commissions", body=Calculate, answers=Calculation,
               scope=Scope.PARTNERS_CALCULATE)  # fmt: skip
def calculate(who: Caller, body: Calculate) -> Calculation:
    """One payout for each partner and currency, of all that is due up to the end of the period and in no payout yet.

    A worker makes them within seconds, as a run. Again, or beside another one: each commission is taken once, and
    when nothing is left, or nobody has as much as the smallest payout, the answer says so; while one of the same period
    waits or is at work, it is that one. A period that is none, or has not begun: 422.
    """
    working = calculation_runs.is_working(who.organisation_id, period(body.period).text)
    run = calculation_runs.start(
        organisation_id=who.organisation_id, until=body.period, actor=who.actor, now=utc_now()
    )
    text = period(body.period).text
    if run is None:
        words = "Nothing new is due. No payout was made."
        return Calculation(period=text, is_new=False, run=None, partners=0, message=words)
    words = "1 partner is" if run.total == 1 else f"{run.total:,} partners are"
    return Calculation(
        period=text,
        is_new=working is None or working.id != run.id,
        run=run.reference,
        partners=run.total,
        message=f"{words} being calculated.",
    )


@resource.post("", summary="Make a payout of chosen commissions", body=PartnerPayoutCreate, answers=Payout, status=201,
               location="/payouts/{reference}", scope=Scope.PAYOUTS_CREATE)  # fmt: skip
def create(who: Caller, body: PartnerPayoutCreate) -> Payout:
    """It waits for approval. Commissions that are not due, disputed or in another payout are all named (409)."""
    made = choosing.create(
        organisation_id=who.organisation_id,
        payee_reference=body.partner,
        references=body.commissions,
        note=body.note,
        actor=who.actor,
        now=utc_now(),
    )
    return payout_of(made, who)
