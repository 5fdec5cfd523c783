"""Time: instants are UTC and aware; days belong to a time zone."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo


def utc_now() -> datetime:
    """The present instant, aware, in UTC. Only edges (views, jobs, commands) call it."""
    return datetime.now(UTC)


def local_date(instant: datetime, timezone: str) -> date:
    """The calendar day of an instant in a time zone such as "Asia/Kolkata"."""
    return instant.astimezone(ZoneInfo(timezone)).date()


def start_of_day(day: date, timezone: str) -> datetime:
    """The instant (UTC) at which a local day begins."""
    return datetime.combine(day, time(), ZoneInfo(timezone)).astimezone(UTC)


def end_of_day(day: date, timezone: str, now: datetime) -> datetime:
    """The last second of a local day, so that whatever was done on it came before; now, while the day goes on.

    Of a day that has not come yet its beginning.
    """
    begins = start_of_day(day, timezone)
    if begins > now:
        return begins
    return min(start_of_day(day + timedelta(days=1), timezone) - timedelta(seconds=1), now)


def month_bounds(day: date) -> tuple[date, date]:
    """First and last day of the month that `day` lies in."""
    first = day.replace(day=1)
    following = (first + timedelta(days=32)).replace(day=1)
    return first, following - timedelta(days=1)


def instant_text(at: datetime, timezone: str) -> str:
    """An instant inside an English sentence: 20 Nov 2026, 17:30 EST."""
    local = at.astimezone(ZoneInfo(timezone))
    return f"{local.day} {local:%b %Y, %H:%M} {local.tzname()}"


def add_months(day: date, months: int) -> date:
    """The first day of the month that is `months` after (before, when negative) the month of `day`."""
    index = day.year * 12 + day.month - 1 + months
    return date(index // 12, index % 12 + 1, 1)
