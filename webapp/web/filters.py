"""Template filters: amounts, days and instants in the words of the organisation's locale."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_datetime
from babel.numbers import format_decimal
from flask import Flask
from markupsafe import Markup, escape

from webapp.kernel.money import Money
from webapp.kernel.words import day_range
from webapp.web.situation import situation


def _locale() -> str:
    """The locale that the signed-in person chose, else the organisation's."""
    return situation().locale


def money(value: Money) -> str:
    """Amount with its symbol; the ISO code is added when it is not the organisation's own currency."""
    here = situation()
    text = value.format(here.locale)
    return text if value.currency == here.currency or not here.currency else f"{text} {value.currency}"


def day(value: date | None) -> str:
    """31 Oct 2026."""
    return "" if value is None else _date(value, "d MMM y", _locale())


def day_in(value: date, locale: str) -> str:
    """The words of `day` in a locale."""
    return _date(value, "d MMM y", locale)


@lru_cache(maxsize=4_096)
def _date(value: date, pattern: str, locale: str) -> str:
    """A list shows few different days many times; Babel takes tens of microseconds for each."""
    return str(format_date(value, pattern, locale=locale))


def days(value: tuple[date, date]) -> str:
    """1–31 Oct 2026: what the two ends share is said once."""
    return _days(*value, _locale())


@lru_cache(maxsize=4_096)
def _days(first: date, last: date, locale: str) -> str:
    return day_range(first, last, locale)


def month(value: date) -> str:
    """Oct 2026."""
    return _date(value, "MMM y", _locale())


def instant(value: datetime | None) -> Markup:
    """A <time> element: 31 Oct 2026, 17:30 IST, in the organisation's zone."""
    if value is None:
        return Markup("")
    text = instant_words(value)
    return Markup('<time datetime="{}">{}</time>').format(value.isoformat(timespec="seconds"), escape(text))


def instant_words(value: datetime) -> str:
    """An instant inside a sentence, in the organisation's zone: 31 Oct 2026, 17:30 IST."""
    here = situation()
    return _instant(value.replace(second=0, microsecond=0), here.zone, here.locale)


@lru_cache(maxsize=4_096)
def _instant(value: datetime, zone_name: str, locale: str) -> str:
    zone = ZoneInfo(zone_name)
    local = value.astimezone(zone)
    text = format_datetime(local, "d MMM y, HH:mm", tzinfo=zone, locale=locale)
    return f"{text} {local.tzname() or ''}".rstrip()


def number(value: Decimal | int | None) -> str:
    """A quantity without trailing zeros, grouped as the locale does."""
    return "" if value is None else str(format_decimal(value, locale=_locale(), decimal_quantization=False))


def init_app(app: Flask) -> None:
    """Register the filters."""
    app.jinja_env.filters.update(
        money=money, date=day, days=days, month=month, datetime=instant, number=number
    )
