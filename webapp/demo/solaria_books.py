"""Solaria keeps its books at the simulated Zoho: the last weeks' payouts become bills when the demo runs."""

from __future__ import annotations

from datetime import datetime, timedelta

from webapp.accounting import setups
from webapp.connections import service as connections
from webapp.connections import simulated
from webapp.database import transaction
from webapp.kernel.actor import Actor
from webapp.providers.bookkeeping import Account, Organisation

# The demo leads it to where its simulator really listens when it starts.
NOWHERE_YET = "http://127.0.0.1:9"
WEEKS, DUE_DAYS, CALLS_A_DAY = 4, 14, 5000


def put_in(*, organisation_id: int, admin: Actor, now: datetime) -> None:
    """Keys, the consent that the simulator always knows, its books and accounts, and the program installations."""
    values = simulated.zoho(NOWHERE_YET)
    refresh = values.pop("refresh_token")
    with transaction():
        row = connections.save(
            organisation_id=organisation_id, provider="zoho", environment="", credentials=values, is_trial=True,
            is_demo=True, actor=admin, now=now,
        )  # fmt: skip
        connections.grant(
            organisation_id=organisation_id, provider="zoho", refresh_token=refresh, seen_version=row.version,
            actor=admin, now=now,
        )  # fmt: skip
        setups.keep_books(organisation_id, [Organisation(*simulated.ZOHO_BOOKS)], admin, now)
        accounts = (simulated.ZOHO_BILLS_TO, simulated.ZOHO_PAID_FROM)
        setups.keep_accounts(organisation_id, [Account(*each) for each in accounts], now)
        draft = setups.Draft(
            bill_account_id=simulated.ZOHO_BILLS_TO[0], paid_through_id=simulated.ZOHO_PAID_FROM[0],
            programs=("installations",), starts_on=now.date() - timedelta(weeks=WEEKS), due_days=DUE_DAYS,
            calls_a_day=CALLS_A_DAY,
        )  # fmt: skip
        setups.save(organisation_id=organisation_id, draft=draft, actor=admin, now=now)
