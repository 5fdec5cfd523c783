"""Wallets of a clinic and its practitioners: what they hold, and every movement with the balance after it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from webapp.api import clinic_queries, paging
from webapp.api.bearer import Caller
from webapp.api.operations import Resource
from webapp.api.schemas.clinic_money import (
    DebtOut,
    MovementOut,
    MovementPage,
    MovementQuery,
    WalletDetail,
    WalletListQuery,
    WalletOut,
    WalletPage,
    WalletQuery,
)
from webapp.api.schemas.common import Amount, PayeeRef
from webapp.kernel.errors import NotFound
from webapp.kernel.money import Money
from webapp.ledger import queries as ledger
from webapp.ledger.models import Account, Posting
from webapp.people.access.tokens import Scope
from webapp.people.models import Payee
from webapp.programs.clinic import queries
from webapp.programs.clinic.queries import Wallet

resource = Resource(
    "wallets",
    "/wallets",
    title="Wallets",
    about="One for the clinic, one for each practitioner, by currency; none is ever below zero. Their name is `clinic` "
    "or the practitioner's reference. A practitioner's token sees its own.",
)
_read = {"scope": Scope.CLINIC_READ}
CLINIC = "clinic"


def _fields(found: Wallet) -> dict[str, Any]:
    def money(amount: Money) -> Amount:
        return Amount.of(amount.amount, amount.currency)

    return {
        "wallet": found.payee.reference if found.payee else CLINIC,
        "practitioner": PayeeRef.of(found.payee) if found.payee else None,
        "currency": found.balance.currency,
        "balance": money(found.balance),
        "held": money(found.held),
        "owed": money(found.owed),
    }


def _items(who: Caller, rows: Sequence[tuple[Account, Payee | None]]) -> list[WalletOut]:
    """The wallets of some accounts, in their order: one query for each currency."""
    found: dict[tuple[int | None, str], Wallet] = {}
    for currency in {account.currency for account, _ in rows}:
        payees = [payee for account, payee in rows if payee and account.currency == currency]
        for wallet in queries.wallets_of(who.organisation_id, currency, payees):
            found[wallet.payee.id if wallet.payee else None, currency] = wallet
    zero = {account.currency: Money(0, account.currency) for account, _ in rows}
    items = []
    for account, payee in rows:
        currency = account.currency
        if payee is None:
            balance = Money(account.balance_minor, currency)
            wallet = Wallet(None, account, balance, zero[currency], zero[currency])
        else:
            wallet = found[payee.id, currency]
        items.append(WalletOut(**_fields(wallet)))
    return items


@resource.get("", summary="List wallets", query=WalletListQuery, answers=WalletPage, **_read)
def index(who: Caller, query: WalletListQuery) -> WalletPage:
    """Every wallet that has ever held something, in the order in which they were opened."""
    found = clinic_queries.wallet_accounts(who.viewer, query.currency)
    rows, following = paging.page_of_rows(
        found, Account.id, limit=query.limit, cursor=query.cursor, newest_first=False
    )
    return WalletPage(items=_items(who, [(row[0], row[1]) for row in rows]), next_cursor=following)


def _wallet(who: Caller, reference: str, currency: str | None) -> Wallet:
    """A wallet by its name. Raises NotFound, also for one that is not the caller's."""
    currency = currency or who.currency
    if reference == CLINIC:
        if not who.sees_all:
            raise NotFound
        return queries.clinic_wallet(who.organisation_id, currency)
    return queries.wallet_of(clinic_queries.practitioner(who.viewer, reference), currency)


@resource.get("/<reference>", summary="Get a wallet", query=WalletQuery, answers=WalletDetail, **_read)
def show(who: Caller, reference: str, query: WalletQuery) -> WalletDetail:
    """What a wallet holds, what of it is on its way to the bank, and what is owed to the clinic."""
    found = _wallet(who, reference, query.currency)
    debts = queries.open_debts(found.payee.id) if found.payee else []
    return WalletDetail(
        **_fields(found),
        debts=[
            DebtOut(
                description=debt.description,
                amount=Amount.of(debt.amount_minor, debt.currency),
                left=Amount.of(debt.amount_minor - debt.set_off_minor, debt.currency),
            )
            for debt in debts
            if debt.currency == found.balance.currency
        ],
    )


@resource.get("/<reference>/movements", summary="List the movements of a wallet", query=MovementQuery,
              answers=MovementPage, **_read)  # fmt: skip
def movements(who: Caller, reference: str, query: MovementQuery) -> MovementPage:
    """Every movement with the balance after it, the newest first."""
    account = _wallet(who, reference, query.currency).account
    if account is None:
        return MovementPage(items=[], next_cursor=None)
    rows, following = paging.page(
        ledger.postings(account.id), Posting.id, limit=query.limit, cursor=query.cursor, as_rows=True
    )
    return MovementPage(items=[_movement(row, who) for row in rows], next_cursor=following)


def _movement(row: Any, who: Caller) -> MovementOut:
    # A wallet is filled by a credit, which the ledger writes as less than zero.
    return MovementOut(
        id=row.id,
        on=row.effective_on,
        kind=row.kind,
        description=row.description if who.sees_all else None,
        amount=Amount.of(-row.amount_minor, row.currency),
        balance_after=Amount.of(row.balance_after_minor, row.currency),
    )
