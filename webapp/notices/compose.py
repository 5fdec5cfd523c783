"""The words of an e-mail: the same facts give the same subject, text and HTML. No database, clock or Flask."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import Any

from babel.dates import format_date
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup, escape

from webapp.kernel.clock import instant_text
from webapp.kernel.money import Money
from webapp.kernel.words import day_range

TEMPLATES = Path(__file__).resolve().parent.parent / "templates" / "emails"
EVENTS = ("approved", "rejected", "paid", "failed", "reversed")
LINES_SHOWN = 10
TAKEN_SHOWN = 6
# The words are English, the months too; grouping and symbols of amounts follow the locale.
WORDS = "en"
SUBJECT_LENGTH = 300
_JOINERS = "\u200c\u200d"


@dataclass(frozen=True)
class NoticeLine:
    """One line of the payout: what it is for, how it was calculated, its amount in minor units."""

    item: str
    formula: str
    amount_minor: int
    # A deduction, a tax, or an adjustment that takes: not part of the gross amount.
    is_taken: bool = False


@dataclass(frozen=True)
class NoticeFacts:
    """Everything that a mail about a payout says. `link` leads to the payee's own page; empty when they have none."""

    event: str
    organisation: str
    contact: str
    payee_name: str
    reference: str
    currency: str
    home_currency: str
    gross_minor: int
    amount_minor: int
    period_start: date
    period_end: date
    locale: str
    timezone: str
    lines: tuple[NoticeLine, ...] = field(default=())
    destination: str = ""
    payment_reference: str = ""
    paid_on: date | None = None
    cause: str = ""
    decided_by: str = ""
    next_try_at: datetime | None = None
    link: str = ""
    # What the gross amount is called, and what the reference of a payment is.
    gross_label: str = "Earned"
    reference_label: str = "Payment reference"


@dataclass(frozen=True)
class Words:
    """A finished mail."""

    subject: str
    text: str
    html: str


@dataclass(frozen=True)
class _Pair:
    label: str
    value: str
    is_total: bool = False


_gross_labels: dict[str, str] = {}


def register_gross_label(program: str, label: str) -> None:
    """What a program calls the gross amount of its payouts; "Earned" where it says nothing."""
    _gross_labels[program] = label


def gross_label(program: str) -> str:
    """What the gross amount of a program's payouts is called."""
    return _gross_labels.get(program, NoticeFacts.gross_label)


def one_line(text: str) -> str:
    """Text on one line without control characters: for subjects, and for names inside a text mail.

    Marks that turn the direction of writing go too; the joiners that Indian scripts need stay.
    """
    return " ".join("".join(c if c.isprintable() or c in _JOINERS else " " for c in text).split())


def compose(facts: NoticeFacts) -> Words:
    """The mail for `facts.event` (one of EVENTS). Raises ValueError for an event that has no mail."""
    if facts.event not in EVENTS:
        raise ValueError(f"there is no mail for the event {facts.event!r}")
    return render(f"payout_{facts.event}", _values(facts))


def render(folder: str, values: Mapping[str, Any]) -> Words:
    """The three templates of a folder with the same values, which must be inert text already."""
    mails = environment()
    subject = one_line(mails.get_template(f"{folder}/subject.txt").render(values))[:SUBJECT_LENGTH]
    text = mails.get_template(f"{folder}/body.txt").render(values)
    html = mails.get_template(f"{folder}/body.html").render(**values, subject=subject)
    return Words(subject, _tidy(text), html)


#: Where money goes that stays in the house.
WALLET = "your wallet"


def destination(method_kind: str, masked: str) -> str:
    """Where the money goes, in words, never more than the masked account."""
    if method_kind == "manual":
        return "by hand"
    words = {"bank_account": "bank account ", "upi": "UPI address "}.get(method_kind, "")
    return words + masked if masked else ""


def say_money(money: Money, *, home_currency: str, locale: str) -> str:
    """An amount in the organisation's locale, with the ISO code when it is not its own currency."""
    text = money.format(locale)
    is_clear = money.currency == home_currency or money.currency in text
    return text if is_clear else f"{text} {money.currency}"


def _money(facts: NoticeFacts, minor: int) -> str:
    money = Money(minor, facts.currency)
    return say_money(money, home_currency=facts.home_currency, locale=facts.locale)


def say_day(value: date) -> str:
    """3 Nov 2026."""
    return str(format_date(value, "d MMM y", locale=WORDS))


def _values(facts: NoticeFacts) -> Mapping[str, Any]:
    count = len(facts.lines)
    shown = facts.lines if count <= LINES_SHOWN + 1 else facts.lines[:LINES_SHOWN]
    period = day_range(facts.period_start, facts.period_end, WORDS)
    return {
        "organisation": one_line(facts.organisation),
        "contact": one_line(facts.contact),
        "payee_name": one_line(facts.payee_name),
        "reference": one_line(facts.reference),
        "amount": _money(facts, facts.amount_minor),
        "period": period,
        "count_words": "1 line" if count == 1 else f"{count} lines",
        "rows": _rows(facts, period),
        "lines": [
            {
                "item": one_line(line.item),
                "formula": one_line(line.formula),
                "amount": _money(facts, line.amount_minor),
            }
            for line in shown
        ],
        "left_out": count - len(shown),
        "destination": one_line(facts.destination),
        "is_wallet": facts.destination == WALLET,
        "payment_reference": one_line(facts.payment_reference),
        "paid_on": say_day(facts.paid_on) if facts.paid_on else "",
        "cause": one_line(facts.cause),
        "next_try": instant_text(facts.next_try_at, facts.timezone) if facts.next_try_at else "",
        "link": facts.link,
        "is_optional": False,
    }


def _rows(facts: NoticeFacts, period: str) -> list[_Pair]:
    """The figures of each mail: amounts where money moves, reasons where it does not."""
    net = _money(facts, facts.amount_minor)
    if facts.event in ("approved", "paid"):
        rows = [_Pair("Payout", one_line(facts.reference)), _Pair("Period", period)]
        if facts.event == "paid":
            rows.append(_Pair("Paid on", say_day(facts.paid_on) if facts.paid_on else ""))
        if facts.destination:
            rows.append(_Pair("To", one_line(facts.destination)))
        if facts.payment_reference and facts.event == "paid":
            rows.append(_Pair(facts.reference_label, one_line(facts.payment_reference)))
        if facts.gross_minor != facts.amount_minor:
            rows.append(_Pair(facts.gross_label, _money(facts, facts.gross_minor)))
            rows += _taken(facts)
        rows.append(_Pair("Net paid" if facts.event == "paid" else "Net to pay", net, is_total=True))
        return [row for row in rows if row.value]
    cause = one_line(facts.cause)
    if facts.event == "rejected":
        return [
            _Pair("Reason", cause or "No reason was written down."),
            _Pair("Decided by", one_line(facts.decided_by) or one_line(facts.organisation)),
        ]
    rows = [_Pair("Payout", one_line(facts.reference)), _Pair("Amount", net)]
    if facts.destination:
        rows.append(_Pair("To", one_line(facts.destination)))
    rows.append(_Pair("The bank says", cause or "It gave no reason."))
    return rows


def _taken(facts: NoticeFacts) -> list[_Pair]:
    """What leads from gross to net: line by line where there are few, else in one sum."""
    taken = facts.amount_minor - facts.gross_minor
    lines = [line for line in facts.lines if line.is_taken]
    if len(lines) > TAKEN_SHOWN or sum(line.amount_minor for line in lines) != taken:
        return [_Pair("Deductions, tax and adjustments", _money(facts, taken))]
    return [_Pair(one_line(line.item), _money(facts, line.amount_minor)) for line in lines]


def _tidy(text: str) -> str:
    """No more than one empty line in a row, no blanks at line ends."""
    tidy: list[str] = []
    for line in (line.rstrip() for line in text.splitlines()):
        if line or (tidy and tidy[-1]):
            tidy.append(line)
    return "\n".join(tidy).strip() + "\n"


@cache
def environment() -> Environment:
    """Plain text must not be escaped, HTML must: the name of the template decides."""
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=select_autoescape(("html",), default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["bdi"] = isolated
    return made


def isolated(text: str) -> Markup:
    """Text of people inside a sentence of HTML: its direction of writing stays its own."""
    return Markup("<bdi>{}</bdi>").format(escape(text))
