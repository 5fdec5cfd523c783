"""How fast an organisation's books may be asked, kept for all workers together.

A call books its turn by one conditional UPDATE. Ten may be made at once; after that they come one by one, so that in no
minute there are more than ninety. A day has as many as the plan at the keeper allows.

No worker sleeps: it books the turns of a whole payout at once, gives back what is left, and where none are free leaves
its payout to an instant of its own, one behind the other, so that a thousand that wait do not all come at once.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, case, or_, select, update

from webapp.accounting.models import AccountingPace
from webapp.database import db, insert_ignoring_conflict, transaction
from webapp.outbox.service import Later
from webapp.providers.bookkeeping import BooksError, Trouble

# 80 in a minute and a burst of 10: calls that wait on the way and then come together are not more than 100, either.
INTERVAL_MS, BURST = 750, 10
# A turn that comes sooner is waited for by a page; for a later one a person is told to come again.
LONGEST_WAIT_MS = 5_000
# So many turns a new payout of a new payee takes at the most until its bill stands; what follows books one by one.
TURNS = 5
# Those who wait come so far apart: about what a payout takes.
APART_MS = 4 * INTERVAL_MS
_TOLD = "The limit of calls to the books is reached."


def reserve(
    organisation_id: int,
    calls_a_day: int,
    *,
    clock: Callable[[], datetime],
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Book a call of a page, and wait for its turn. Opens its own transaction. Raises BooksError where it is far."""
    while True:
        now = clock()
        with transaction():
            wait = book(organisation_id, calls_a_day, now)
        if wait is None:
            return
        if wait > timedelta(milliseconds=LONGEST_WAIT_MS):
            raise BooksError(Trouble.BUSY, _TOLD, wait_seconds=wait.total_seconds())
        sleep(max(0.01, wait.total_seconds()))


class Turns:
    """The turns of one payout, booked when a worker took it. Opens its own transactions."""

    def __init__(self, organisation_id: int, calls_a_day: int, clock: Callable[[], datetime]) -> None:
        self._organisation_id, self._calls_a_day, self._clock = organisation_id, calls_a_day, clock
        self._left = TURNS

    def take(self) -> None:
        """One of them, or one more. Raises BooksError (busy) where none is free: what is done stands."""
        if self._left:
            self._left -= 1
            return
        with transaction():
            wait = book(self._organisation_id, self._calls_a_day, self._clock())
        if wait is not None:
            raise BooksError(Trouble.BUSY, _TOLD, wait_seconds=wait.total_seconds())

    def give_back(self) -> None:
        """What was not needed is somebody else's. In the caller's transaction."""
        left, self._left, row = self._left, 0, AccountingPace
        if left:
            db.session.execute(
                update(row)
                .where(row.organisation_id == self._organisation_id)
                .values(
                    booked_until_ms=row.booked_until_ms - left * INTERVAL_MS,
                    day_calls=case((row.day_calls > left, row.day_calls - left), else_=0),
                )
                .execution_options(synchronize_session=False)
            )


def book_all(organisation_id: int, calls_a_day: int, now: datetime) -> Later | None:
    """Book the turns of a payout, in the caller's transaction; else when to come for them."""
    wait = book(organisation_id, calls_a_day, now, TURNS)
    if wait is None:
        return None
    row, free_ms = AccountingPace, round((now + wait).timestamp() * 1000)
    behind = row.line_until_ms + APART_MS
    told_ms: int = db.session.execute(
        update(row)
        .where(row.organisation_id == organisation_id)
        .values(line_until_ms=case((behind > free_ms, behind), else_=free_ms))
        .returning(row.line_until_ms)
        .execution_options(synchronize_session=False)
    ).scalar_one()
    return Later(now + wait + timedelta(milliseconds=told_ms - free_ms), _TOLD)


def book(organisation_id: int, calls_a_day: int, now: datetime, count: int = 1) -> timedelta | None:
    """Take so many turns now, all or none, in the caller's transaction; else how long until they are free."""
    row, at, today = AccountingPace, round(now.timestamp() * 1000), now.date()
    _make_row(organisation_id, now)
    taken: Any = db.session.execute(
        update(row)
        .where(
            row.organisation_id == organisation_id,
            row.booked_until_ms <= at + INTERVAL_MS * (BURST - count),
            or_(row.day != today, row.day_calls <= calls_a_day - count),
            or_(row.paused_until.is_(None), row.paused_until <= now),
        )
        .values(
            booked_until_ms=case((row.booked_until_ms > at, row.booked_until_ms), else_=at)
            + count * INTERVAL_MS,
            day_calls=case((row.day == today, row.day_calls + count), else_=count),
            day=today,
        )
        .execution_options(synchronize_session=False)
    )
    if taken.rowcount == 1:
        return None
    return _until(organisation_id, calls_a_day, now, at, count)


def _until(organisation_id: int, calls_a_day: int, now: datetime, at: int, count: int) -> timedelta:
    row = db.session.execute(
        select(
            AccountingPace.booked_until_ms, AccountingPace.day, AccountingPace.day_calls, AccountingPace.paused_until
        ).where(AccountingPace.organisation_id == organisation_id)
    ).one()  # fmt: skip
    if row.paused_until is not None and row.paused_until > now:
        return timedelta(seconds=(row.paused_until - now).total_seconds())
    if row.day == now.date() and row.day_calls > calls_a_day - count:
        midnight = datetime(now.year, now.month, now.day, tzinfo=now.tzinfo) + timedelta(days=1)
        return midnight - now
    return timedelta(milliseconds=max(1, row.booked_until_ms - at - INTERVAL_MS * (BURST - count)))


def _make_row(organisation_id: int, now: datetime) -> None:
    insert_ignoring_conflict(
        db.session(), AccountingPace,
        {"organisation_id": organisation_id, "booked_until_ms": 0, "line_until_ms": 0, "day": now.date(),
         "day_calls": 0, "paused_until": None},
    )  # fmt: skip


def pause(organisation_id: int, until: datetime, now: datetime) -> None:
    """The keeper is left alone until then. In the caller's transaction; a longer pause stays."""
    row = AccountingPace
    _make_row(organisation_id, now)
    db.session.execute(
        update(row)
        .where(
            and_(
                row.organisation_id == organisation_id,
                or_(row.paused_until.is_(None), row.paused_until < until),
            )
        )
        .values(paused_until=until)
        .execution_options(synchronize_session=False)
    )


def resume(organisation_id: int) -> None:
    """Whatever the pause was for is over, and so is the line that formed. In the caller's transaction."""
    row = AccountingPace
    db.session.execute(
        update(row)
        .where(row.organisation_id == organisation_id)
        .values(paused_until=None, line_until_ms=0)
        .execution_options(synchronize_session=False)
    )


def used_today(organisation_id: int, now: datetime) -> int:
    """How many calls were made today (UTC)."""
    row = db.session.execute(
        select(AccountingPace.day, AccountingPace.day_calls).where(
            AccountingPace.organisation_id == organisation_id
        )
    ).one_or_none()
    return row.day_calls if row is not None and row.day == now.date() else 0
