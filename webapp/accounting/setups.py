"""Which books an organisation keeps, and what goes into them: read, chosen, switched on and off. Never commits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import func, or_, select, update
from sqlalchemy.exc import IntegrityError

from webapp.accounting import asking, pace
from webapp.accounting.models import AccountingBill, AccountingSetup, AccountingVendor
from webapp.accounting.service import PROVIDER
from webapp.accounting.states import SyncState
from webapp.audit import service as audit
from webapp.connections import queries as connections
from webapp.connections.rules import REFRESH_TOKEN
from webapp.database import db
from webapp.kernel.actor import Actor
from webapp.kernel.errors import Conflict, Invalid, StaleVersion
from webapp.outbox import service as outbox
from webapp.people.models import Organisation
from webapp.providers.bookkeeping import Account
from webapp.providers.bookkeeping import Organisation as Books

# Kinds of accounts that a bill may be booked to, and that money may leave from.
BILL_KINDS = ("expense", "cost_of_goods_sold", "other_expense")
PAID_THROUGH_KINDS = ("bank", "cash", "credit_card", "payment_clearing")
MOST_DUE_DAYS = 90
# Calls for each day, by the plan at Zoho.
PLANS = {
    "1000": "Free: 1,000 a day", "2000": "Standard: 2,000 a day", "5000": "Professional: 5,000 a day",
    "10000": "Premium and above: 10,000 a day",
}  # fmt: skip


@dataclass(frozen=True)
class Draft:
    """What an admin chooses."""

    bill_account_id: str
    paid_through_id: str
    programs: Sequence[str]
    starts_on: date
    due_days: int
    calls_a_day: int


def find(organisation_id: int) -> AccountingSetup | None:
    """The organisation's setup; None before it was ever connected."""
    return db.session.scalar(
        select(AccountingSetup).where(AccountingSetup.organisation_id == organisation_id)
    )


def has_consent(organisation_id: int) -> bool:
    """Whether the keys carry an admin's consent. Raises SecretsError."""
    account = connections.find(organisation_id, PROVIDER)
    return account is not None and bool(connections.opened(account).get(REFRESH_TOKEN))


def _locked(organisation_id: int, now: datetime) -> AccountingSetup:
    row = db.session.scalar(
        select(AccountingSetup)
        .where(AccountingSetup.organisation_id == organisation_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if row is None:
        row = AccountingSetup(
            organisation_id=organisation_id, starts_on=now.date(), programs=[], choices={}, version=1, created_at=now,
            changed_at=now,
        )  # fmt: skip
        db.session.add(row)
        db.session.flush()
    return row


def kept(row: AccountingSetup | None, name: str) -> list[dict[str, str]]:
    """What the keeper said there is of "books" or "accounts", as id, name and kind or currency."""
    found = (row.choices if row else {}).get(name, [])
    return [dict(each) for each in found if isinstance(each, dict)]


def keep_books(organisation_id: int, found: Sequence[Books], actor: Actor, now: datetime) -> AccountingSetup:
    """Remember which books the consent reaches; the only one is chosen. What stood in the way is over.

    Raises Conflict where another organisation keeps the only one.
    """
    row = _locked(organisation_id, now)
    row.choices = {
        **row.choices,
        "books": [{"id": b.id, "name": b.name, "currency": b.currency} for b in found],
    }
    row.problem = ""
    if len(found) == 1 and not row.books_id:
        _take_books(row, found[0].id, found[0].name)
    _changed(row, actor, now, "connected", {})
    _go_on(organisation_id, now)
    return row


def _go_on(organisation_id: int, now: datetime) -> None:
    """What was waited for is over: the books may be asked, and what waits is looked at."""
    pace.resume(organisation_id)
    outbox.hasten(kind=asking.KIND, organisation_id=organisation_id, now=now)


def _take_books(row: AccountingSetup, books_id: str, name: str) -> None:
    """These are the organisation's books, and no other one's here: the numbers of bills of two would be the same.

    Raises Conflict.
    """
    try:
        with db.session.begin_nested():
            row.books_id, row.books_name = books_id, name
            db.session.flush()
    except IntegrityError as error:
        raise Conflict(
            f"Another organisation of this installation keeps its books in {name}. Each needs books of its own."
        ) from error


def reconnected(organisation_id: int, now: datetime) -> None:
    """The consent is there (again): what waited for it goes on."""
    _locked(organisation_id, now).problem = ""
    db.session.flush()
    _go_on(organisation_id, now)


def choose_books(organisation_id: int, books_id: str, actor: Actor, now: datetime) -> AccountingSetup:
    """Choose among the books. Raises Invalid, Conflict once bills stand in others, or where another keeps these."""
    row = _locked(organisation_id, now)
    named = {each["id"]: each["name"] for each in kept(row, "books")}
    if books_id not in named:
        raise Invalid("books", "Choose one of the list.", next(iter(named.values()), None))
    if row.books_id == books_id:
        return row
    standing = db.session.scalar(
        select(func.count())
        .select_from(AccountingBill)
        .where(AccountingBill.organisation_id == organisation_id, AccountingBill.bill_id != "")
    )
    if standing:
        raise Conflict(f"{standing:,} bills stand in {row.books_name}. Other books would not know of them.")
    _forget_old_books(organisation_id, now)
    before, row.is_on, row.choices = row.books_name, False, {**row.choices, "accounts": []}
    row.bill_account_id = row.bill_account_name = row.paid_through_id = row.paid_through_name = ""
    _take_books(row, books_id, named[books_id])
    _changed(row, actor, now, "books_chosen", {"books": [before, row.books_name]})
    return row


def _forget_old_books(organisation_id: int, now: datetime) -> None:
    """Bills that were only tried begin anew in other books. Raises Conflict while nobody knows whether one stands."""
    bill = AccountingBill
    unclear = db.session.scalar(
        select(func.count())
        .select_from(bill)
        .where(
            bill.organisation_id == organisation_id,
            bill.state == SyncState.QUEUED.value,
            or_(bill.tries > 0, bill.lease_until > now),
        )
    )
    if unclear:
        raise Conflict(
            f"{unclear:,} bills are on their way, and may stand in the books by now. Try again when they are through."
        )
    db.session.execute(
        update(bill)
        .where(bill.organisation_id == organisation_id, bill.bill_id == "")
        .values(books_id="", vendor_id="")
        .execution_options(synchronize_session=False)
    )


def keep_accounts(organisation_id: int, found: Sequence[Account], now: datetime) -> None:
    """Remember the accounts of the chosen books."""
    row = _locked(organisation_id, now)
    wanted = [a for a in found if a.kind in (*BILL_KINDS, *PAID_THROUGH_KINDS)]
    row.choices = {**row.choices, "accounts": [{"id": a.id, "name": a.name, "kind": a.kind} for a in wanted]}
    db.session.flush()


def accounts_of(row: AccountingSetup | None, kinds: Sequence[str]) -> list[tuple[str, str]]:
    """(id, name) of the remembered accounts of some kinds."""
    return [(each["id"], each["name"]) for each in kept(row, "accounts") if each["kind"] in kinds]


def save(
    *, organisation_id: int, draft: Draft, actor: Actor, now: datetime, expected_version: int | None = None
) -> AccountingSetup:
    """Choose accounts and programs, and switch the books on; what waits for them is queued. Raises Invalid, Conflict.

    Payouts that were approved since `starts_on` become bills, the others are left as they are.
    """
    row = _locked(organisation_id, now)
    if expected_version is not None and row.version != expected_version:
        raise StaleVersion(
            "Somebody else changed these settings since you opened the page. Nothing was saved."
        )
    if not row.books_id:
        raise Conflict("Connect Zoho Books and choose the books first.")
    bill = dict(accounts_of(row, BILL_KINDS)).get(draft.bill_account_id)
    through = dict(accounts_of(row, PAID_THROUGH_KINDS)).get(draft.paid_through_id)
    if bill is None:
        raise Invalid("bill_account", "Choose the account that bills are booked to.")
    if through is None:
        raise Invalid("paid_through", "Choose the account that payouts are paid from.")
    _check(organisation_id, draft)
    before = _facts(row)
    row.bill_account_id, row.bill_account_name = draft.bill_account_id, bill
    row.paid_through_id, row.paid_through_name = draft.paid_through_id, through
    row.programs, row.starts_on = sorted(draft.programs), draft.starts_on
    row.due_days, row.calls_a_day, row.is_on, row.problem = draft.due_days, draft.calls_a_day, True, ""
    after = _facts(row)
    _changed(
        row,
        actor,
        now,
        "changed",
        {name: [before[name], after[name]] for name in after if before[name] != after[name]},
    )
    asking.sweep(organisation_id, now)
    _go_on(organisation_id, now)
    return row


def _check(organisation_id: int, draft: Draft) -> None:
    organisation = db.session.get_one(Organisation, organisation_id)
    own = {each.program for each in organisation.programs}
    if not draft.programs:
        raise Invalid("programs", "Choose at least one program.")
    if set(draft.programs) - own:
        raise Invalid("programs", "Choose among the organisation's own programs.")
    if not 0 <= draft.due_days <= MOST_DUE_DAYS:
        raise Invalid("due_days", f"Enter a number of days from 0 to {MOST_DUE_DAYS}.", "14")
    if str(draft.calls_a_day) not in PLANS:
        raise Invalid("calls_a_day", "Choose one of the list.", "1000")


def _facts(row: AccountingSetup) -> dict[str, Any]:
    return {
        "on": row.is_on, "bills booked to": row.bill_account_name, "paid from": row.paid_through_name,
        "programs": list(row.programs), "since": row.starts_on.isoformat(), "due days": row.due_days,
        "calls a day": row.calls_a_day,
    }  # fmt: skip


def switch_off(*, organisation_id: int, actor: Actor, now: datetime) -> AccountingSetup:
    """Nothing goes into the books any more; what stands there stays. Off already: nothing changes."""
    row = _locked(organisation_id, now)
    if row.is_on:
        row.is_on = False
        _changed(row, actor, now, "switched_off", {"on": [True, False]})
    return row


def _changed(row: AccountingSetup, actor: Actor, now: datetime, word: str, changes: dict[str, Any]) -> None:
    row.version += 1
    row.changed_by_id, row.changed_at = actor.user_id, now
    db.session.flush()
    audit.record(
        tag=f"accounting:setup:{word}", actor=actor, now=now, organisation_id=row.organisation_id,
        subject_type="accounting", subject_id=row.id, subject_label=row.books_name or "Zoho Books", changes=changes,
    )  # fmt: skip


def vendors(organisation_id: int) -> int:
    """How many vendors are known."""
    query = select(func.count()).select_from(AccountingVendor)
    return db.session.scalar(query.where(AccountingVendor.organisation_id == organisation_id)) or 0
