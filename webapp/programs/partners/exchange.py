"""What a payout in another currency cost more or less than it was worth when it was approved, in the organisation's.

Noted when the payout is paid, in the same transaction; booked by a transaction of its own, which holds no other
accounts, as soon as both days have a rate. Each is booked once, and taken back once when the money comes back.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy import Select, select, text

from webapp import queue
from webapp.database import db, insert_ignoring_conflict, lock_row, transaction
from webapp.kernel.actor import WORKER, Actor
from webapp.kernel.clock import local_date
from webapp.kernel.money import Money
from webapp.ledger.check import Finding, position_checks
from webapp.outbox import service as outbox
from webapp.payouts.models import Payout
from webapp.people.models import Organisation
from webapp.programs.partners import entries, trail
from webapp.programs.partners.drafts import PROGRAM
from webapp.programs.partners.exchange_rates import in_base, rates_on
from webapp.programs.partners.models_rates import ExchangeDifference, ExchangeRate
from webapp.programs.partners.states import DifferenceState
from webapp.runs import tasks

log = structlog.get_logger()
KIND = "partners.exchange"
_S = DifferenceState
# What is booked of each difference that counts, beside what the ledger has of it.
_UNEQUAL = """
    SELECT q.reference, q.base, q.should, q.found FROM (
        SELECT p.reference, d.base, d.id,
            CASE WHEN d.state IN ('booked', 'returning') THEN coalesce(d.difference_minor, 0) ELSE 0 END AS should,
            coalesce((
                SELECT -sum(l.amount_minor) FROM journal_entries e JOIN postings l ON l.entry_id = e.id
                JOIN accounts a ON a.id = l.account_id
                WHERE e.source_type = 'partners_exchange' AND e.source_id = d.id
                    AND e.organisation_id = d.organisation_id AND a.code = 'exchange' AND l.currency = d.base
            ), 0) AS found
        FROM partners_exchange_differences d JOIN payouts p ON p.id = d.payout_id
        WHERE CAST(:organisation AS BIGINT) IS NULL OR d.organisation_id = CAST(:organisation AS BIGINT)
    ) q WHERE q.should <> q.found ORDER BY q.id
"""


def note_paid(payout: Payout, now: datetime) -> None:
    """A payout was paid: where its currency is another one, its difference is to be booked."""
    organisation = db.session.get_one(Organisation, payout.organisation_id)
    if payout.currency == organisation.currency:
        return
    paid_on = payout.paid_on or local_date(now, organisation.timezone)
    approved_at = payout.approved_at or now
    values = {
        "organisation_id": payout.organisation_id,
        "payout_id": payout.id,
        "round": payout.round,
        "state": _S.WAITING.value,
        "currency": payout.currency,
        "amount_minor": payout.amount_minor,
        "base": organisation.currency,
        # A payment by hand may be told of later than it was made, but what it pays was not owed before its approval.
        "approved_on": local_date(approved_at, organisation.timezone),
        "paid_on": paid_on,
        "created_at": now,
    }
    if insert_ignoring_conflict(db.session(), ExchangeDifference, values):
        row = db.session.scalars(_of(payout)).one()
        _ask(row, "paid", now)


def note_returned(payout: Payout, now: datetime) -> None:
    """The money of a payout came back: its difference is taken back, or is not booked at all."""
    row: ExchangeDifference | None = db.session.scalar(
        _of(payout).with_for_update().execution_options(populate_existing=True)
    )
    if row is None or row.state not in (_S.WAITING, _S.BOOKED):
        return
    row.returned_on = local_date(now, trail.timezone_of(payout.organisation_id))
    if row.state == _S.WAITING:
        row.state = _S.VOID.value
    else:
        # Nothing to take back where both days had the same rate.
        row.state = (_S.RETURNING if row.difference_minor else _S.RETURNED).value
    db.session.flush()
    if row.state == _S.RETURNING:
        _ask(row, "returned", now)


def _of(payout: Payout) -> Select[Any]:
    return select(ExchangeDifference).where(
        ExchangeDifference.payout_id == payout.id, ExchangeDifference.round == payout.round
    )


def _ask(row: ExchangeDifference, word: str, now: datetime) -> None:
    outbox.add_at_commit(
        kind=KIND, reference_id=row.id, dedupe_key=f"{KIND}:{row.id}:{word}", to_queue=queue.BULK,
        organisation_id=row.organisation_id, now=now,
    )  # fmt: skip


def book(*, difference_id: int, actor: Actor, now: datetime) -> ExchangeDifference:
    """Book one difference, or take it back; does nothing where a rate is missing or it is done. Raises NotFound."""
    row = lock_row(ExchangeDifference, ExchangeDifference.id == difference_id)
    if row.state == _S.WAITING:
        _book(row, actor, now)
    elif row.state == _S.RETURNING:
        words = f"{row.payout.reference}: exchange difference taken back, the payment came back"
        entries.taken_back(row, words, row.returned_on or row.paid_on, actor, now)
        _put(row, _S.RETURNED, actor, now)
    return row


def _book(row: ExchangeDifference, actor: Actor, now: datetime) -> None:
    approved, paid = _rates_of(row)
    if approved is None or paid is None:
        return
    amount = Money(row.amount_minor, row.currency)
    values = [in_base(amount, rate.rate, row.base).amount for rate in (approved, paid)]
    row.approved_rate_id, row.paid_rate_id = approved.id, paid.id
    row.approved_value_minor, row.paid_value_minor = values
    row.difference_minor = values[1] - values[0]
    row.booked_at = now
    if row.difference_minor:
        words = (
            f"{row.payout.reference}: exchange difference, {row.currency} {approved.rate:f} to {paid.rate:f}"
        )
        entries.booked(row, words, actor, now)
    _put(row, _S.BOOKED, actor, now)


def _rates_of(row: ExchangeDifference) -> tuple[ExchangeRate | None, ExchangeRate | None]:
    """The rates of the day of the approval and of the payment, as far as they are there."""
    approved, paid = (
        rates_on(row.organisation_id, row.base, [row.currency], day).get(row.currency)
        for day in (row.approved_on, row.paid_on)
    )
    return approved, paid


def _put(row: ExchangeDifference, state: DifferenceState, actor: Actor, now: datetime) -> None:
    before, row.state = row.state, state.value
    db.session.flush()
    changes = {"state": [before, row.state], "difference": [None, row.difference_minor]}
    trail.record("exchange", state.value, row, row.payout.reference, actor, now, changes)


def book_all(*, organisation_id: int, actor: Actor, now: datetime) -> int:
    """Book what waits and has its rates now; answers how many were booked.

    Each in a transaction of its own, which it opens: none waits for an account that another holds.
    """
    with transaction():
        ids = _waiting(organisation_id)
    done = 0
    for ident in ids:
        with transaction():
            before = db.session.get_one(ExchangeDifference, ident).state
            done += book(difference_id=ident, actor=actor, now=now).state != before
    return done


def _waiting(organisation_id: int) -> list[int]:
    query = (
        select(ExchangeDifference.id)
        .where(
            ExchangeDifference.organisation_id == organisation_id,
            ExchangeDifference.state.in_([_S.WAITING.value, _S.RETURNING.value]),
        )
        .order_by(ExchangeDifference.id)
    )
    return list(db.session.scalars(query))


def ask_all(organisation_id: int, now: datetime) -> None:
    """New rates are there: what waits is looked at again by a worker, once for all."""
    outbox.add_at_commit(
        kind=f"{KIND}.all", reference_id=organisation_id,
        dedupe_key=f"{KIND}.all:{organisation_id}:{now.isoformat()}", to_queue=queue.BULK,
        organisation_id=organisation_id, now=now,
    )  # fmt: skip


def work(*, difference_id: int, now: datetime) -> None:
    """A worker's turn: one payout's difference. Opens its own transaction."""
    with transaction():
        book(difference_id=difference_id, actor=WORKER, now=now)


def work_all(*, organisation_id: int, now: datetime) -> None:
    """A worker's turn: all of an organisation that waits. Opens its own transactions."""
    n = book_all(organisation_id=organisation_id, actor=WORKER, now=now)
    log.info("partners.exchange.booked", organisation_id=organisation_id, n=n)


def sweep(organisation_id: int, due_at: datetime, now: datetime) -> None:
    """The scheduler's task, once a day: what was left over is booked."""
    book_all(organisation_id=organisation_id, actor=WORKER, now=now)


def unequal(organisation_id: int | None) -> Iterator[Finding]:
    """For the comparison by the ledger's check: one finding per difference that the ledger has otherwise."""
    for row in db.session.execute(text(_UNEQUAL), {"organisation": organisation_id}).mappings():
        should, found = (Money(int(row[name]), row["base"]).plain for name in ("should", "found"))
        message = f"The exchange difference is {should} {row['base']}, the ledger has {found}"
        yield Finding("exchange differences", row["reference"], message)


tasks.register_task("partners.exchange", sweep, cron="0 3 * * *", per_organisation=True, program=PROGRAM)
if unequal not in position_checks:
    position_checks.append(unequal)
