"""Who asks for a bill: turns of payouts, a person, the sweep. An ask is a row and a message, in one transaction."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date, datetime, timedelta

from sqlalchemy import ColumnElement, exists, select, update
from sqlalchemy.orm import Session

from webapp import queue
from webapp.accounting import rules
from webapp.accounting.models import AccountingBill, AccountingSetup
from webapp.accounting.states import SyncState
from webapp.database import among, ask, db, insert_many, transaction
from webapp.kernel.clock import start_of_day
from webapp.kernel.ids import new_uid
from webapp.outbox import service as outbox
from webapp.outbox.models import OutboxMessage
from webapp.payouts import turns
from webapp.payouts.models import Payout
from webapp.payouts.turns import Turn
from webapp.people.models import Organisation

KIND = "accounting.sync"
# Turns after which the books may have to say something else.
WORDS = frozenset(
    {"approved", "rejected", "cancelled", "submitted", "marked_paid", "paid", "failed", "returned", "reissued",
     "corrected"}
)  # fmt: skip
# So many at once are asked for by a sweep.
SWEPT = 2_000
# What waits longer without a message has lost it.
LOST = timedelta(minutes=15)
_LIVE = ("approved", "processing", "failed", "retry_scheduled", "reversed", "paid")


def hear(session: Session, heard: Sequence[Turn]) -> None:
    """Ask for the bills of payouts that came to a turn. One question where no books were ever kept.

    New bills come about only while the books are on; what has one waits for them, however long they are off.
    """
    told = {turn.payout_id: turn for turn in heard if turn.word in WORDS}
    if not told:
        return
    setups = _setups({turn.organisation_id for turn in told.values()})
    ids = [turn.payout_id for turn in told.values() if turn.organisation_id in setups]
    if not ids:
        return
    now = max(turn.at for turn in told.values())
    columns = (Payout.id, Payout.organisation_id, Payout.program, Payout.state, Payout.approved_at)
    new = []
    for row in ask(select(*columns).where(among(Payout.id, ids))):
        is_on, programs, since = setups[row.organisation_id]
        if is_on and rules.becomes_a_bill(
            row.program, row.state, row.approved_at, programs=programs, since=since
        ):
            new.append((row.id, row.organisation_id))
    _make_rows(session, new, now)
    ask_for(session, among(AccountingBill.payout_id, ids), now)


def _setups(organisation_ids: Collection[int]) -> dict[int, tuple[bool, Sequence[str], datetime]]:
    """Organisation -> whether its books are on, its programs that become bills, and since when."""
    query = (
        select(
            AccountingSetup.organisation_id, AccountingSetup.is_on, AccountingSetup.programs,
            AccountingSetup.starts_on, Organisation.timezone,
        )
        .join(Organisation, Organisation.id == AccountingSetup.organisation_id)
        .where(among(AccountingSetup.organisation_id, organisation_ids))
    )  # fmt: skip
    return {
        row.organisation_id: (row.is_on, row.programs, start_of_day(row.starts_on, row.timezone))
        for row in ask(query)
    }


def _make_rows(session: Session, found: Sequence[tuple[int, int]], now: datetime) -> None:
    """A row for each payout and its organisation that has none."""
    rows = [
        {
            "organisation_id": organisation_id, "payout_id": payout_id, "books_id": "", "mark": new_uid()[:12],
            "state": SyncState.QUEUED.value, "vendor_id": "", "bill_id": "", "payment_id": "",
            "payment_reference": "", "asks": 0, "tries": 0, "error": "", "error_code": "", "asked_at": now,
            "leased_by": "", "synced_version": 0,
        }
        for payout_id, organisation_id in found
    ]  # fmt: skip
    insert_many(session, AccountingBill, rows, ignores_conflicts=True)


def ask_for(session: Session, which: ColumnElement[bool], now: datetime) -> int:
    """Queue rows anew, each with a message of its own. Returns how many."""
    asked = session.execute(
        update(AccountingBill)
        .where(which)
        .values(state=SyncState.QUEUED.value, asks=AccountingBill.asks + 1, tries=0, asked_at=now)
        .returning(AccountingBill.payout_id, AccountingBill.asks, AccountingBill.organisation_id)
        .execution_options(synchronize_session=False)
    ).all()
    for row in asked:
        outbox.add_at_commit(
            kind=KIND,
            reference_id=row.payout_id,
            dedupe_key=f"{KIND}:{row.payout_id}:{row.asks}",
            to_queue=queue.OUTSIDE,
            organisation_id=row.organisation_id,
            now=now,
        )
    return len(asked)


def ask_for_payouts(organisation_id: int, payout_ids: Collection[int], now: datetime) -> int:
    """A person asks for the bills of payouts, whenever they were approved. Returns how many; in their transaction."""
    if not payout_ids:
        return 0
    session = db.session()
    live = select(Payout.id).where(
        Payout.organisation_id == organisation_id, among(Payout.id, payout_ids), Payout.state.in_(_LIVE)
    )
    _make_rows(session, [(row.id, organisation_id) for row in ask(live)], now)
    return ask_for(
        session,
        (AccountingBill.organisation_id == organisation_id) & among(AccountingBill.payout_id, payout_ids),
        now,
    )


def without_a_bill(
    organisation_id: int, programs: Sequence[str], starts_on: date, timezone: str
) -> ColumnElement[bool]:
    """Condition: a payout that becomes a bill by itself, and has no row yet."""
    has_row = exists().where(AccountingBill.payout_id == Payout.id)
    found: ColumnElement[bool] = (
        (Payout.organisation_id == organisation_id)
        & Payout.program.in_(programs)
        & (Payout.approved_at >= start_of_day(starts_on, timezone))
        & Payout.state.in_(_LIVE)
        & ~has_row
    )
    return found


def sweep(organisation_id: int, now: datetime) -> int:
    """Ask for what nobody asked for, what the books say otherwise by now, and what lost its message.

    In the caller's transaction; returns how many.
    """
    session = db.session()
    row = session.execute(
        select(AccountingSetup.programs, AccountingSetup.starts_on, Organisation.timezone)
        .join(Organisation, Organisation.id == AccountingSetup.organisation_id)
        .where(AccountingSetup.organisation_id == organisation_id, AccountingSetup.is_on.is_(True))
    ).one_or_none()
    if row is None:
        return 0
    missing = select(Payout.id).where(
        without_a_bill(organisation_id, row.programs, row.starts_on, row.timezone)
    )
    ids = [each.id for each in ask(missing.order_by(Payout.id).limit(SWEPT))]
    _make_rows(session, [(payout_id, organisation_id) for payout_id in ids], now)
    count = ask_for(session, among(AccountingBill.payout_id, ids), now) if ids else 0
    again = [*_changed_since(organisation_id), *_lost(organisation_id, now)]
    return count + (ask_for(session, among(AccountingBill.payout_id, again), now) if again else 0)


def _changed_since(organisation_id: int) -> list[int]:
    """Payouts that changed after the books were brought in line with them, and of which nobody told."""
    query = (
        select(AccountingBill.payout_id)
        .join(Payout, Payout.id == AccountingBill.payout_id)
        .where(
            AccountingBill.organisation_id == organisation_id,
            AccountingBill.state.in_((SyncState.SYNCED.value, SyncState.VOID.value)),
            AccountingBill.synced_version != Payout.version,
        )
        .limit(SWEPT)
    )
    return [row.payout_id for row in ask(query)]


def _lost(organisation_id: int, now: datetime) -> list[int]:
    """Payouts whose row waits, and for which no message is open."""
    query = (
        select(AccountingBill.payout_id)
        .where(
            AccountingBill.organisation_id == organisation_id,
            AccountingBill.state == SyncState.QUEUED.value,
            AccountingBill.asked_at < now - LOST,
            ~exists().where(
                OutboxMessage.kind == KIND,
                OutboxMessage.organisation_id == organisation_id,
                OutboxMessage.reference_id == AccountingBill.payout_id,
                outbox.is_open(),
            ),
        )
        .limit(SWEPT)
    )
    return [row.payout_id for row in ask(query)]


def sweep_all(organisation_id: int, due_at: datetime, now: datetime) -> None:
    """Periodic: every organisation that keeps books."""
    with transaction():
        ids = list(
            db.session.scalars(select(AccountingSetup.organisation_id).where(AccountingSetup.is_on.is_(True)))
        )
    for each in ids:
        with transaction():
            sweep(each, now)


turns.register_listener(hear)
