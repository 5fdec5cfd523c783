"""An organisation whose books are kept at a simulated Zoho."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from tests.factories.people import FACTORY, stored
from webapp.accounting import setups
from webapp.accounting.models import AccountingSetup
from webapp.connections import service as connections
from webapp.connections import simulated
from webapp.people.models import Organisation
from webapp.providers.bookkeeping import Account
from webapp.providers.bookkeeping import Organisation as Books
from webapp.simulator.zoho.books import ACCOUNTS, account_id

WHEN = datetime.fromisoformat("2026-11-20T12:00:00+00:00")
BOOKS = {"USD": "60000000002", "INR": "60000000001"}


def keys(organisation: Organisation, url: str = "http://127.0.0.1:9", *, consents: bool = True) -> None:
    """Keys of the simulator's Zoho at `url`, with the consent that it always knows."""
    with stored():
        values = simulated.zoho(url)
        refresh = values.pop("refresh_token")
        row = connections.save(
            organisation_id=organisation.id, provider="zoho", environment="", credentials=values, is_trial=True,
            actor=FACTORY, now=WHEN,
        )  # fmt: skip
        if consents:
            connections.grant(
                organisation_id=organisation.id, provider="zoho", refresh_token=refresh, seen_version=row.version,
                actor=FACTORY, now=WHEN,
            )  # fmt: skip


def kept(organisation: Organisation, url: str = "http://127.0.0.1:9", **values: Any) -> AccountingSetup:
    """Books that are on: payouts of all programs since the first of November become bills."""
    books_id = BOOKS[organisation.currency]
    with stored():
        keys(organisation, url)
        setups.keep_books(
            organisation.id, [Books(books_id, "The books", organisation.currency)], FACTORY, WHEN
        )
        found = [Account(account_id(books_id, ending), name, kind) for ending, name, kind in ACCOUNTS]
        setups.keep_accounts(organisation.id, found, WHEN)
        defaults: dict[str, Any] = {
            "bill_account_id": account_id(books_id, "01"), "paid_through_id": account_id(books_id, "11"),
            "programs": [each.program for each in organisation.programs], "starts_on": date(2026, 11, 1),
            "due_days": 14, "calls_a_day": 10_000,
        }  # fmt: skip
        draft = setups.Draft(**{**defaults, **values})
        return setups.save(organisation_id=organisation.id, draft=draft, actor=FACTORY, now=WHEN)
