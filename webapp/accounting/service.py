"""The one writer of bills' rows: a worker takes one, notes every id at once, and says how it ended. Never commits."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, select, update
from sqlalchemy.orm import joinedload

from webapp.accounting import asking, pace, rules
from webapp.accounting.models import AccountingBill, AccountingSetup
from webapp.accounting.states import SyncState, Wanted
from webapp.audit import service as audit
from webapp.connections import queries as connections
from webapp.database import db
from webapp.kernel.actor import WORKER, Actor
from webapp.kernel.clock import local_date
from webapp.kernel.errors import Conflict, NotFound
from webapp.kernel.ids import new_uid
from webapp.outbox.service import Later
from webapp.payouts.models import Payout
from webapp.payouts.records import SUBJECT
from webapp.providers.bookkeeping import BooksError, Trouble

PROVIDER = "zoho"
# How long a bill waits while an admin has something to put right.
OFF = timedelta(minutes=10)
# Switching the books on calls what waits; this is only for a call that was lost.
SWITCHED_OFF = timedelta(hours=6)
BUSY = timedelta(seconds=20)
LOST = "Another worker brings its bill in line."
_LONGEST_ERROR = 500


@dataclass(frozen=True)
class Job:
    """What a worker needs to bring the books in line with one payout, read in one transaction."""

    bill_row: int
    asks: int
    # Of the payout, as it was read.
    version: int
    organisation_id: int
    payout_id: int
    payee_id: int
    reference: str
    # Goes with the bill, so that one of its number that somebody else made is not taken for it.
    mark: str
    wanted: Wanted
    books_id: str
    bill_account_id: str
    paid_through_id: str
    calls_a_day: int
    currency: str
    amount_minor: int
    day: date
    due_day: date
    paid_on: date | None
    payment_reference: str
    payee_name: str
    payee_reference: str
    lines: tuple[rules.Line, ...] = field(repr=False)
    bill_id: str
    vendor_id: str
    # The payment that is there, the reference of one that may be there, and when it was sent.
    payment_id: str
    sent_reference: str
    payment_sent_at: datetime | None
    # Whose row it is, and until when.
    worker: str
    lease_until: datetime


def claim(payout_id: int, worker: str, now: datetime) -> Job | Later | None:
    """Take the bill of a payout for this worker. None: there is nothing to do; Later: not yet, and why."""
    row = db.session.scalar(
        select(AccountingBill).where(AccountingBill.payout_id == payout_id).with_for_update()
    )
    if row is None or row.state != SyncState.QUEUED.value:
        return None
    if row.lease_until is not None and row.lease_until > now:
        return Later(now + BUSY, LOST)
    setup = db.session.scalar(
        select(AccountingSetup).where(AccountingSetup.organisation_id == row.organisation_id)
    )
    if setup is None or not setup.is_on:
        return Later(now + SWITCHED_OFF, "The books are switched off.")
    if why := connections.why_not_usable(row.organisation_id, PROVIDER):
        return Later(now + OFF, why)
    payout = db.session.get_one(
        Payout, payout_id, options=[joinedload(Payout.payee), joinedload(Payout.organisation)]
    )
    wanted = rules.wanted(payout.state)
    if wanted is Wanted.NOTHING or (row.books_id and row.books_id != setup.books_id):
        _leave(row, now)
        return None
    if later := pace.book_all(row.organisation_id, setup.calls_a_day, now):
        return later
    row.books_id = setup.books_id
    if not row.mark and row.tried_at is None:
        row.mark = new_uid()[:12]
    lease_until = now + rules.LEASE
    row.lease_until, row.leased_by, row.tried_at = lease_until, worker[:120], now
    db.session.flush()
    return _job(row, setup, payout, wanted, lease_until)


def _leave(row: AccountingBill, now: datetime) -> None:
    """There is nothing to bring in line, or it stands in books that are kept no more."""
    row.state, row.tried_at = SyncState.NOT_SYNCED.value, now
    if row.bill_id:
        row.state, row.error, row.error_code = SyncState.FAILED.value, "Its bill stands in other books.", ""
    db.session.flush()


def _job(
    row: AccountingBill, setup: AccountingSetup, payout: Payout, wanted: Wanted, lease_until: datetime
) -> Job:
    approved = payout.approved_at or payout.created_at
    day = local_date(approved, payout.organisation.timezone)
    return Job(
        bill_row=row.id, asks=row.asks, version=payout.version, organisation_id=row.organisation_id,
        payout_id=payout.id, payee_id=payout.payee_id, reference=payout.reference,
        mark=rules.bill_mark(payout.reference, row.mark), wanted=wanted, books_id=setup.books_id,
        bill_account_id=setup.bill_account_id, paid_through_id=setup.paid_through_id, calls_a_day=setup.calls_a_day,
        currency=payout.currency, amount_minor=payout.amount_minor, day=day,
        due_day=day + timedelta(days=setup.due_days), paid_on=payout.paid_on,
        payment_reference=rules.payment_reference(payout.payment_reference, payout.reference, payout.round),
        payee_name=payout.payee.name, payee_reference=payout.payee.reference,
        lines=tuple(
            rules.Line(line.description, line.formula, line.source_label, line.amount_minor) for line in payout.lines
        ),
        bill_id=row.bill_id, vendor_id=row.vendor_id, payment_id=row.payment_id, sent_reference=row.payment_reference,
        payment_sent_at=row.payment_sent_at, worker=row.leased_by, lease_until=lease_until,
    )  # fmt: skip


def note(job: Job, **values: Any) -> None:
    """Write down an id or a reference as soon as it is known: whoever comes after a crash finds it.

    Raises BooksError (busy) when another worker has the row by now: what it knows is newer.
    """
    noted: Any = db.session.execute(
        update(AccountingBill)
        .where(_is_ours(job))
        .values(**values)
        .execution_options(synchronize_session=False)
    )
    if noted.rowcount != 1:
        raise BooksError(Trouble.BUSY, LOST, wait_seconds=BUSY.total_seconds())


def _is_ours(job: Job) -> ColumnElement[bool]:
    """Condition: the row is still this worker's, since the same taking."""
    return and_(
        AccountingBill.id == job.bill_row,
        AccountingBill.leased_by == job.worker,
        AccountingBill.lease_until == job.lease_until,
    )


def _end(job: Job) -> AccountingBill | None:
    """The row, which nobody has from now on; None when it is another worker's by now."""
    row = db.session.scalar(
        select(AccountingBill)
        .where(_is_ours(job))
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if row is not None:
        row.lease_until, row.leased_by = None, ""
    return row


# ---------------------------------------------------------------- how it ended


def done(job: Job, now: datetime) -> Later | None:
    """The books say what was wanted; a newer ask waits for its own turn. Later: another worker has the row."""
    row = _end(job)
    if row is None:
        return Later(now + BUSY, LOST)
    row.tries = 0
    if row.asks != job.asks:
        db.session.flush()
        return None
    state = SyncState.VOID if job.wanted is Wanted.VOID else SyncState.SYNCED
    before, row.state = row.state, state.value
    row.error, row.error_code, row.synced_at, row.synced_version = "", "", now, job.version
    _set_problem(job.organisation_id, "", now)
    word = {Wanted.OPEN: "billed", Wanted.PAID: "paid", Wanted.VOID: "voided"}[job.wanted]
    _record(job, f"accounting:bill:{word}", WORKER, now, {"state": [before, row.state]})
    return None


def failed(job: Job, error: BooksError, now: datetime) -> Later | None:
    """It did not work, or nobody knows. Later: it is tried again by itself; None: a person must look."""
    row = _end(job)
    if row is None:
        return Later(now + BUSY, LOST)
    row.error, row.error_code = error.message[:_LONGEST_ERROR], error.code[:120]
    if error.trouble is Trouble.THROTTLED:
        until = now + timedelta(seconds=max(1.0, error.wait_seconds))
        pace.pause(job.organisation_id, until, now)
        return Later(until, error.message)
    if error.trouble is Trouble.BUSY:
        return Later(now + timedelta(seconds=max(1.0, error.wait_seconds)), error.message)
    if error.trouble is Trouble.NO_ACCESS:
        # Each that asks would burn another token, of which there are few.
        pace.pause(job.organisation_id, now + OFF, now)
        _set_problem(job.organisation_id, error.message, None)
        return Later(now + OFF, error.message)
    if error.trouble in (Trouble.UNKNOWN, Trouble.MISSING):
        row.tries += 1
        if row.tries < rules.MOST_TRIES:
            return Later(now + rules.delay(row.tries), error.message)
    if row.asks == job.asks:
        row.state = SyncState.FAILED.value
        _record(job, "accounting:bill:failed", WORKER, now, {}, note=row.error)
    return None


def _set_problem(organisation_id: int, problem: str, succeeded_at: datetime | None) -> None:
    values: dict[str, Any] = {"problem": problem[:_LONGEST_ERROR]}
    if succeeded_at is not None:
        values["last_success_at"] = succeeded_at
    db.session.execute(
        update(AccountingSetup)
        .where(AccountingSetup.organisation_id == organisation_id)
        .values(**values)
        .execution_options(synchronize_session=False)
    )


def _record(job: Job, tag: str, actor: Actor, now: datetime, changes: dict[str, Any], note: str = "") -> None:
    audit.record(
        tag=tag, actor=actor, now=now, organisation_id=job.organisation_id, subject_type=SUBJECT,
        subject_id=job.payout_id, subject_label=job.reference, changes=changes, note=note,
    )  # fmt: skip


# ---------------------------------------------------------------- people


def retry(*, organisation_id: int, reference: str, actor: Actor, now: datetime) -> None:
    """Ask for the bill of one payout again, or for the first time. Raises NotFound, Conflict."""
    payout = db.session.scalar(
        select(Payout).where(Payout.organisation_id == organisation_id, Payout.reference == reference)
    )
    if payout is None:
        raise NotFound
    _check_on(organisation_id)
    row = db.session.scalar(select(AccountingBill).where(AccountingBill.payout_id == payout.id))
    if row is None and rules.wanted(payout.state) not in (Wanted.OPEN, Wanted.PAID):
        raise Conflict(f"{reference} is not approved, so it has no bill.")
    if row is not None and row.state == SyncState.QUEUED.value and row.error == "":
        raise Conflict(f"The bill of {reference} is queued already.")
    asking.ask_for_payouts(organisation_id, [payout.id], now)
    audit.record(
        tag="accounting:bill:asked", actor=actor, now=now, organisation_id=organisation_id, subject_type=SUBJECT,
        subject_id=payout.id, subject_label=reference,
    )  # fmt: skip


def retry_many(*, organisation_id: int, payout_ids: list[int], actor: Actor, now: datetime) -> int:
    """Ask for the bills of several payouts. Returns how many. Raises Conflict."""
    _check_on(organisation_id)
    count = asking.ask_for_payouts(organisation_id, payout_ids, now)
    if not count:
        raise Conflict("Nothing is left to try again; somebody else may have done it.")
    audit.record(
        tag="accounting:bills:asked", actor=actor, now=now, organisation_id=organisation_id, subject_type="accounting",
        subject_label=f"{count:,} payouts", changes={"count": [None, count]},
    )  # fmt: skip
    return count


def _check_on(organisation_id: int) -> None:
    is_on = db.session.scalar(
        select(AccountingSetup.id).where(
            AccountingSetup.organisation_id == organisation_id,
            AccountingSetup.is_on.is_(True),
        )
    )
    if is_on is None:
        raise Conflict("The books are switched off. Switch them on under Accounting, Settings.")
