"""Payouts: lists, one, what happened, sums, and making one."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select

from webapp.api import paging, queries
from webapp.api.bearer import Caller
from webapp.api.operations import Resource
from webapp.api.queries import PayoutChoice
from webapp.api.resources.payout_words import detail_of, event_of, payout_of
from webapp.api.schemas.common import Amount, PageQuery, PayeeRef
from webapp.api.schemas.payouts import (
    EventPage,
    HistoryQuery,
    PayeeSums,
    PayeeSumsPage,
    Payout,
    PayoutCreate,
    PayoutDetail,
    PayoutNarrow,
    PayoutPage,
    PayoutQuery,
    StateCount,
    Stats,
    StatsQuery,
)  # fmt: skip
from webapp.audit.models import AuditEvent
from webapp.kernel.clock import utc_now
from webapp.payouts import lists
from webapp.payouts.models import Payout as Row
from webapp.people.access.tokens import Scope
from webapp.people.models import Payee
from webapp.programs.installations import creation

resource = Resource(
    "payouts",
    "/payouts",
    title="Payouts",
    about="What is owed to whom, why, approved by a second person, paid once. A payee's token sees its own.",
)
_read = {"scope": Scope.PAYOUTS_READ}


def _page(who: Caller, query: Select[Any], page: PageQuery) -> PayoutPage:
    rows, following = paging.page(
        lists.with_approval_facts(query), Row.id, limit=page.limit, cursor=page.cursor
    )
    return PayoutPage(items=[payout_of(row, who) for row in rows], next_cursor=following)


@resource.get("", summary="List payouts", query=PayoutQuery, answers=PayoutPage, **_read)
def index(who: Caller, query: PayoutQuery) -> PayoutPage:
    """The payouts that match, the newest first."""
    chosen = PayoutChoice(**query.model_dump(exclude={"limit", "cursor"}))
    return _page(who, queries.payouts(who.viewer, chosen, utc_now()), query)


def _fixed(who: Caller, query: PayoutNarrow, states: tuple[str, ...]) -> PayoutPage:
    chosen = PayoutChoice(payee=query.payee, program=query.program, states=states)
    return _page(who, queries.payouts(who.viewer, chosen, utc_now()), query)


@resource.get(
    "/pending", summary="List payouts that wait for approval", query=PayoutNarrow, answers=PayoutPage, **_read
)
def pending(who: Caller, query: PayoutNarrow) -> PayoutPage:
    """The approval queue, the newest first."""
    return _fixed(who, query, ("pending_approval",))


@resource.get(
    "/history", summary="List payouts that are over", query=PayoutNarrow, answers=PayoutPage, **_read
)
def closed(who: Caller, query: PayoutNarrow) -> PayoutPage:
    """Paid, rejected, cancelled and returned payouts, the newest first."""
    return _fixed(who, query, queries.CLOSED)


@resource.get("/stats", summary="Count and add up payouts", query=StatsQuery, answers=Stats, **_read)
def stats(who: Caller, query: StatsQuery) -> Stats:
    """How many payouts stand in each state, and what they come to, by currency."""
    chosen = PayoutChoice(**query.model_dump())
    rows = queries.sums(queries.payouts(who.viewer, chosen, utc_now()))
    return Stats(items=[_count(*row) for row in rows], next_cursor=None)


@resource.get(
    "/by-payee", summary="Add up payouts by payee", query=PayoutNarrow, answers=PayeeSumsPage, **_read
)
def by_payee(who: Caller, query: PayoutNarrow) -> PayeeSumsPage:
    """Each payee with payouts, and their counts and sums by state and currency."""
    chosen = PayoutChoice(payee=query.payee, program=query.program)
    found = queries.payouts(who.viewer, chosen, utc_now())
    rows, following = paging.page(
        queries.payees_with(found), Payee.id, limit=query.limit, cursor=query.cursor, newest_first=False
    )
    by_id = queries.sums_by_payee(found, [row.id for row in rows])
    items = [
        PayeeSums(payee=PayeeRef.of(row), items=[_count(*sums) for sums in by_id.get(row.id, [])])
        for row in rows
    ]
    return PayeeSumsPage(items=items, next_cursor=following)


def _count(state: Any, currency: str, count: int, gross: Any, net: Any) -> StateCount:
    return StateCount(
        state=state, count=count, gross=Amount.of(int(gross), currency), net=Amount.of(int(net), currency)
    )


@resource.get("/<reference>", summary="Get a payout", answers=PayoutDetail, **_read)
def show(who: Caller, reference: str) -> PayoutDetail:
    """One payout with its calculation, approvals and tries, and every reason why it is not paid yet."""
    return detail_of(queries.payout(who.viewer, reference), who, utc_now())


@resource.get("/<reference>/history", summary="See what happened to a payout", query=HistoryQuery,
              answers=EventPage, **_read)  # fmt: skip
def history(who: Caller, reference: str, query: HistoryQuery) -> EventPage:
    """Its events, the newest first: who did what when. Payees see what happened, not who did it."""
    payout = queries.payout(who.viewer, reference)
    rows, following = paging.page(
        queries.events(payout), AuditEvent.id, limit=query.limit, cursor=query.cursor
    )
    return EventPage(items=[event_of(row, who) for row in rows], next_cursor=following)


@resource.post("", summary="Create a payout", body=PayoutCreate, answers=Payout, status=201,
               location="/payouts/{reference}", scope=Scope.PAYOUTS_CREATE)  # fmt: skip
def create(who: Caller, body: PayoutCreate) -> Payout:
    """Make a payout for installations of one technician, as the page “Pay technicians” does.

    The rates decide the amount. Installations that are not due, have no rate, or are in another payout are all
    named (409) and nothing is made. Whoever creates a payout does not approve it.
    """
    made = creation.create_chosen(
        organisation_id=who.organisation_id,
        payee_reference=body.payee,
        installation_references=body.installations,
        note=body.note,
        actor=who.actor,
        now=utc_now(),
    )
    return payout_of(made, who)
