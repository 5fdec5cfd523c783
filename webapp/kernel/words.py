"""Days as people write them, and amounts in words: a second look at figures whose zeros are easy to miscount."""

from __future__ import annotations

from datetime import date

from babel.dates import format_date
from babel.numbers import get_currency_name
from num2words import num2words

from webapp.kernel.money import Money, exponent

#: From this many whole units of a currency on, a typed amount is also said in words: one lakh.
LARGE = 100_000


def in_words(amount: Money, *, indian: bool) -> str:
    """ "Four hundred ninety-nine US dollars and 50/100"; the figures alone where there are no words.

    `indian` counts in lakh and crore, else in thousands and millions.
    """
    places = exponent(amount.currency)
    whole, rest = divmod(abs(amount.amount), 10**places)
    try:
        words = num2words(whole, lang="en_IN" if indian else "en")
        name = get_currency_name(amount.currency, count=whole, locale="en")
    except (NotImplementedError, OverflowError, KeyError, ValueError):
        return f"{amount.currency} {amount.plain}"
    text = f"{words} {name}" + (f" and {rest:0{places}d}/{10**places}" if places else "")
    return ("Minus " + text) if amount.amount < 0 else text[:1].upper() + text[1:]


def is_large(amount: Money) -> bool:
    """Whether the amount is so large that it is said in words too."""
    limit: int = LARGE * 10 ** exponent(amount.currency)
    return abs(amount.amount) >= limit


def day_range(first: date, last: date, locale: str = "en") -> str:
    """ "1–31 Oct 2026": what both ends share is said once; one day alone is that day."""
    end = str(format_date(last, "d MMM y", locale=locale))
    if first == last:
        return end
    if first.year != last.year:
        return f"{format_date(first, 'd MMM y', locale=locale)} – {end}"
    if first.month != last.month:
        return f"{format_date(first, 'd MMM', locale=locale)} – {end}"
    return f"{first.day}–{end}"
