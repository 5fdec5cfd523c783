"""A driver's side of the ledger: balances by category, every line, every posting; a deposit given back, a last day."""

from __future__ import annotations

from typing import Any

from webapp.api import paging, repairs_queries
from webapp.api.bearer import Caller
from webapp.api.operations import Resource
from webapp.api.resources import listed
from webapp.api.resources.amounts import minor_in
from webapp.api.resources.driver_words import adjustment_of
from webapp.api.resources.fleet_words import lease_of
from webapp.api.schemas.common import Amount, PayeeRef
from webapp.api.schemas.drivers import (
    AdjustmentOut,
    BalancesOut,
    CategoryBalance,
    DepositReturn,
    DriverLeaves,
    LedgerLineOut,
    LedgerPage,
    LedgerQuery,
    PostingOut,
    PostingPage,
    PostingQuery,
)
from webapp.api.schemas.fleet import DriverLeaseOut
from webapp.kernel.clock import utc_now
from webapp.kernel.money import Money
from webapp.ledger.models import Posting
from webapp.people.access.tokens import Scope
from webapp.programs.repairs import crediting, leaving, ledger_list, queries
from webapp.programs.repairs.ledger_list import LedgerFilter

resource = Resource(
    "drivers",
    "/drivers",
    title="Drivers",
    about="What drivers owe by category, and what is kept for them. They are payees, so `/payees` adds and changes "
    "them. A driver's token sees its own.",
)
_read, _write = {"scope": Scope.REPAIRS_READ}, {"scope": Scope.DRIVERS_WRITE}


def _amount(money: Money) -> Amount:
    return Amount.of(money.amount, money.currency)


@resource.get("/<reference>/balances", summary="Get a driver's balances", answers=BalancesOut, **_read)
def balances(who: Caller, reference: str) -> BalancesOut:
    """What is owed by category, what is kept, and what it comes to."""
    payee = repairs_queries.driver(who.viewer, reference)
    found = queries.balance_of(who.organisation_id, payee, who.currency)
    categories = ledger_list.balances_by_category(who.organisation_id, payee.id, who.currency)
    return BalancesOut(
        driver=PayeeRef.of(payee),
        currency=who.currency,
        categories=[
            CategoryBalance.model_validate(
                {
                    "category": each.category.value,
                    "charged": _amount(each.charged),
                    "covered": _amount(each.covered),
                    "owed": _amount(each.open),
                }
            )
            for each in categories
        ],
        owed=_amount(found.owed),
        kept=_amount(found.kept),
        net=_amount(found.net),
        deposit=_amount(crediting.deposit_of(payee)),
    )


@resource.get(
    "/<reference>/ledger", summary="List a driver's ledger", query=LedgerQuery, answers=LedgerPage, **_read
)
def ledger(who: Caller, reference: str, query: LedgerQuery) -> LedgerPage:
    """Each charge, earning, adjustment and payout with the driver's balance after it."""
    payee = repairs_queries.driver(who.viewer, reference)
    chosen = LedgerFilter(
        text=query.search or "",
        kind=query.kind or "",
        category=query.category or "",
        date_from=query.day_from,
        date_to=query.day_to,
    )
    found = ledger_list.driver_ledger(who.organisation_id, payee.id, chosen)
    rows, following = listed.page(found, query, query.sort)
    return LedgerPage(items=[_line(row) for row in rows], next_cursor=following)


def _line(row: Any) -> LedgerLineOut:
    covered = row.covered_minor
    return LedgerLineOut(
        id=row.id,
        day=row.day,
        kind=row.kind,
        category=row.category,
        description=row.description,
        amount=Amount.of(row.amount_minor, row.currency),
        covered=None if covered is None else Amount.of(covered, row.currency),
        balance_after=Amount.of(row.balance_minor, row.currency),
        receipt=row.receipt_number,
    )


@resource.get("/<reference>/postings", summary="List a driver's ledger postings", query=PostingQuery,
              answers=PostingPage, **_read)  # fmt: skip
def postings(who: Caller, reference: str, query: PostingQuery) -> PostingPage:
    """The movements of the driver's accounts in the journal, the newest first."""
    payee = repairs_queries.driver(who.viewer, reference)
    found = repairs_queries.postings(payee, query.account, query.on_from, query.on_to)
    rows, following = paging.page(found, Posting.id, limit=query.limit, cursor=query.cursor, as_rows=True)
    return PostingPage(items=[_posting(row) for row in rows], next_cursor=following)


def _posting(row: Any) -> PostingOut:
    return PostingOut(
        id=row.id,
        entry=row.entry_id,
        account=row.code,
        on=row.effective_on,
        kind=row.kind,
        description=row.description,
        amount=Amount.of(row.amount_minor, row.currency),
        balance_after=Amount.of(row.balance_after_minor, row.currency),
    )


@resource.post("/<reference>/return-deposit", summary="Give a deposit back", body=DepositReturn, answers=AdjustmentOut,
               status=201, location="/driver-adjustments/{reference}", **_write)  # fmt: skip
def return_deposit(who: Caller, reference: str, body: DepositReturn) -> AdjustmentOut:
    """By the next weekly receipt, debts come off it first. More than is there: 422 that names it."""
    payee = repairs_queries.driver(who.viewer, reference)
    made = crediting.return_deposit(
        organisation_id=who.organisation_id,
        payee_id=payee.id,
        amount_minor=minor_in(body.amount, who.currency, "amount"),
        actor=who.actor,
        now=utc_now(),
    )
    return adjustment_of(made.reference, who)


@resource.post(
    "/<reference>/leave", summary="A driver leaves", body=DriverLeaves, answers=DriverLeaseOut, **_write
)
def leave(who: Caller, reference: str, body: DriverLeaves) -> DriverLeaseOut:
    """The lease ends; what is left of repairs and loans is charged at once, and the deposit comes off it."""
    payee = repairs_queries.driver(who.viewer, reference)
    ended = leaving.driver_leaves(
        organisation_id=who.organisation_id,
        payee_id=payee.id,
        last_day=body.last_day,
        reason=body.reason,
        actor=who.actor,
        now=utc_now(),
    )
    return lease_of(repairs_queries.lease(who.viewer, ended.reference))
