"""How fast an organisation's books may be asked, kept for all workers together.

A call books its turn by one conditional UPDATE. Ten may be made at once; after that they come one by one, so that in no
minute there are more than ninety. A day has as many as the plan at the keeper allows.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, case, or_, select, update

from webapp.accounting.models import AccountingPace
from webapp.database import db, insert_ignoring_conflict, transaction
from webapp.providers.bookkeeping import BooksError, Trouble

# 80 in a minute and a burst of 10: calls that wait on the way and then come together are not more than 100, either.
INTERVAL_MS, BURST = 750, 10
# A turn that comes sooner is waited for; for a later one the work is put off.
LONGEST_WAIT_MS = 5_000


def reserve(
    organisation_id: int,
    calls_a_day: int,
    *,
    clock: Callable[[], datetime],
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Book a call, and wait for its turn. Opens its own transaction. Raises BooksError (throttled) where it is far."""
    while True:
        now = clock()
        with transaction():
            wait = _book(organisation_id, calls_a_day, now)
        if wait is None:
            return
        if wait > timedelta(milliseconds=LONGEST_WAIT_MS):
            raise BooksError(
                Trouble.THROTTLED,
                "The limit of calls to the books is reached.",
                wait_seconds=wait.total_seconds(),
            )
        sleep(max(0.01, wait.total_seconds()))


def _book(organisation_id: int, calls_a_day: int, now: datetime) -> timedelta | None:
    """Take a turn now; else how long until there is one."""
    row, at, today = AccountingPace, round(now.timestamp() * 1000), now.date()
    insert_ignoring_conflict(
        db.session(), row,
        {"organisation_id": organisation_id, "booked_until_ms": 0, "line_until_ms": 0, "day": today,
         "day_calls": 0, "paused_until": None},
    )  # fmt: skip
    taken: Any = db.session.execute(
        update(row)
        .where(
            row.organisation_id == organisation_id,
            row.booked_until_ms <= at + INTERVAL_MS * (BURST - 1),
            or_(row.day != today, row.day_calls < calls_a_day),
            or_(row.paused_until.is_(None), row.paused_until <= now),
        )
        .values(
            booked_until_ms=case((row.booked_until_ms > at, row.booked_until_ms), else_=at) + INTERVAL_MS,
            day_calls=case((row.day == today, row.day_calls + 1), else_=1),
            day=today,
        )
        .execution_options(synchronize_session=False)
    )
    if taken.rowcount == 1:
        return None
    return _until(organisation_id, calls_a_day, now, at)


def _until(organisation_id: int, calls_a_day: int, now: datetime, at: int) -> timedelta:
    row = db.session.execute(
        select(
            AccountingPace.booked_until_ms, AccountingPace.day, AccountingPace.day_calls, AccountingPace.paused_until
        ).where(AccountingPace.organisation_id == organisation_id)
    ).one()  # fmt: skip
    if row.paused_until is not None and row.paused_until > now:
        return timedelta(seconds=(row.paused_until - now).total_seconds())
    if row.day == now.date() and row.day_calls >= calls_a_day:
        midnight = datetime(now.year, now.month, now.day, tzinfo=now.tzinfo) + timedelta(days=1)
        return midnight - now
    return timedelta(milliseconds=max(1, row.booked_until_ms - at - INTERVAL_MS * (BURST - 1)))


def pause(organisation_id: int, until: datetime) -> None:
    """The keeper wants to be left alone until then. In the caller's transaction; a longer pause stays."""
    row = AccountingPace
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


def used_today(organisation_id: int, now: datetime) -> int:
    """How many calls were made today (UTC)."""
    row = db.session.execute(
        select(AccountingPace.day, AccountingPace.day_calls).where(
            AccountingPace.organisation_id == organisation_id
        )
    ).one_or_none()
    return row.day_calls if row is not None and row.day == now.date() else 0
