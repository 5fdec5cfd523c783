"""A statement from a payout, without database, clock or Flask: the same snapshot always gives the same statement.

A statement that does not add up is refused here, before a single page is drawn.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from webapp.kernel import words
from webapp.kernel.errors import PaydeskError
from webapp.kernel.money import Money, total
from webapp.payouts.drafts import GROSS_KINDS

KIND_TITLES = {"deduction": "Deduction", "tax": "Tax", "adjustment": "Adjustment"}
# Countries that print on Letter; everybody else has A4 in the tray.
LETTER_COUNTRIES = frozenset({"US", "CA", "MX", "PH", "CL", "CO", "CR", "GT", "PA", "PR", "SV", "VE"})
# Overrides of the text direction could show an amount or a name backwards.
_BIDI_OVERRIDES = re.compile("[\u202a-\u202e\u2066-\u2069\u200e\u200f\u061c]")

# State of the payout -> (stamp, tone of the stamp, label above the amount, sentence below it).
_STANDINGS = {
    "pending_approval": ("Not yet approved", "open", "Net to pay", "An approver must approve it first."),
    "approved": ("Not yet paid", "open", "Net to pay", "It is approved and has not been paid yet."),
    "processing": ("Not yet paid", "open", "Net to pay", "The bank has been asked to pay it."),
    "paid": ("Paid", "paid", "Net paid", ""),
    "failed": ("Not paid", "stopped", "Net to pay", "The bank could not pay it. It stays owed to you."),
    "retry_scheduled": ("Not paid", "stopped", "Net to pay", "The bank could not pay it. It is tried again."),
    "reversed": (
        "Returned",
        "stopped",
        "Net returned",
        "The bank sent the money back. It stays owed to you.",
    ),
    "rejected": ("Rejected", "stopped", "Net asked for", "It is not paid as it is."),
    "cancelled": ("Cancelled", "stopped", "Net asked for", "It is not paid."),
}


class DoesNotAddUp(PaydeskError):
    """The lines and the totals of a payout contradict each other: no statement is made of it."""


@dataclass(frozen=True)
class LineFacts:
    """One line of a payout as it is in the database. `amount_minor` is negative for what is taken off."""

    kind: str
    description: str
    amount_minor: int
    occurred_on: date | None = None
    quantity: Decimal | None = None
    unit: str = ""
    rate: Decimal | None = None
    formula: str = ""
    source_label: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Snapshot:
    """Everything a statement says, read once. Amounts are minor units of `currency`; `issued_at` is aware."""

    number: str
    reference: str
    state: str
    issued_at: datetime
    payer_name: str
    payee_name: str
    payee_reference: str
    period_start: date
    period_end: date
    currency: str
    gross_minor: int
    amount_minor: int
    lines: tuple[LineFacts, ...]
    payer_address: str = ""
    payer_tax_id: str = ""
    payer_email: str = ""
    payee_address: str = ""
    country: str = ""
    locale: str = "en_US"
    timezone: str = "UTC"
    home_currency: str = ""
    program: str = ""
    method_kind: str = ""
    method_masked: str = ""
    payment_reference: str = ""
    paid_on: date | None = None
    reason: str = ""
    replaces_number: str = ""
    # What a reader checks the document by; documents of old have none.
    code: str = ""
    verify_url: str = ""


@dataclass(frozen=True)
class Party:
    """Payer or payee: a name and the lines below it."""

    name: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Row:
    """One printed line; `running` is the sum of its table up to here."""

    occurred_on: date | None
    item: str
    source: str
    calculation: str
    amount: Money
    running: Money


@dataclass(frozen=True)
class Figure:
    """One figure of the strip that leads from what was earned to the net."""

    label: str
    amount: Money
    sign: str


@dataclass(frozen=True)
class Statement:
    """A payout statement, complete and checked; the template only lays it out."""

    number: str
    reference: str
    replaces_number: str
    issued_at: datetime
    locale: str
    timezone: str
    home_currency: str
    page_size: str
    stamp: str
    tone: str
    payer: Party
    payer_email: str
    payee: Party
    program: str
    period_start: date
    period_end: date
    currency: str
    answer_label: str
    answer_sentence: str
    paid_on: date | None
    destination: str
    payment_reference: str
    reason: str
    strip: tuple[Figure, ...]
    earned_rows: tuple[Row, ...]
    other_rows: tuple[Row, ...]
    gross: Money
    other_total: Money
    net: Money
    net_in_words: str
    basis: tuple[str, ...]
    has_dates: bool
    code: str
    verify_url: str


def clean(text: str) -> str:
    """One line of printable text: no control characters, no overrides of the text direction."""
    text = _BIDI_OVERRIDES.sub("", unicodedata.normalize("NFC", text))
    kept = (c if unicodedata.category(c) not in ("Cc", "Cs", "Co", "Cn") else " " for c in text)
    return " ".join("".join(kept).split())


def clean_lines(text: str) -> tuple[str, ...]:
    """The non-empty lines of an address, each cleaned."""
    return tuple(line for line in (clean(part) for part in text.splitlines()) if line)


def build(snapshot: Snapshot) -> Statement:
    """The statement of a payout. Raises DoesNotAddUp when lines, gross and net contradict each other."""
    currency = snapshot.currency
    gross, net = Money(snapshot.gross_minor, currency), Money(snapshot.amount_minor, currency)
    earned = [line for line in snapshot.lines if _is_earned(line)]
    others = [line for line in snapshot.lines if not _is_earned(line)]
    _check(snapshot, earned)
    stamp, tone, label, sentence = _STANDINGS.get(snapshot.state, ("Draft", "open", "Net to pay", ""))
    return Statement(
        number=clean(snapshot.number),
        reference=clean(snapshot.reference),
        replaces_number=clean(snapshot.replaces_number),
        issued_at=snapshot.issued_at,
        locale=snapshot.locale,
        timezone=snapshot.timezone,
        home_currency=snapshot.home_currency or currency,
        page_size="Letter" if snapshot.country in LETTER_COUNTRIES else "A4",
        stamp=stamp,
        tone=tone,
        payer=_payer(snapshot),
        payer_email=clean(snapshot.payer_email),
        payee=Party(clean(snapshot.payee_name), clean_lines(snapshot.payee_address) + (
            (f"Payee no. {clean(snapshot.payee_reference)}",) if snapshot.payee_reference else ())),
        program=clean(snapshot.program),
        period_start=snapshot.period_start,
        period_end=snapshot.period_end,
        currency=currency,
        answer_label=label,
        answer_sentence=sentence,
        paid_on=snapshot.paid_on if snapshot.state == "paid" else None,
        destination=destination(snapshot.method_kind, snapshot.method_masked),
        payment_reference=clean(snapshot.payment_reference) if snapshot.state == "paid" else "",
        reason=clean(snapshot.reason) if tone == "stopped" else "",
        strip=_strip(snapshot, others, gross, net),
        earned_rows=_rows(earned, currency),
        other_rows=_rows(others, currency),
        gross=gross,
        other_total=net - gross,
        net=net,
        net_in_words=in_words(net, snapshot.locale),
        basis=_basis(snapshot.lines),
        has_dates=any(line.occurred_on for line in snapshot.lines),
        code=snapshot.code,
        verify_url=snapshot.verify_url,
    )  # fmt: skip


def destination(method_kind: str, masked: str) -> str:
    """Where the money goes, in words, never more than the masked account."""
    masked = clean(masked)
    if method_kind == "bank_account" and masked:
        return f"bank account {masked}"
    if method_kind == "upi" and masked:
        return f"UPI address {masked}"
    return "by hand" if method_kind == "manual" else masked


def in_words(amount: Money, locale: str) -> str:
    """ "Four hundred ninety-nine US dollars and 50/100", in lakh and crore where the locale counts so."""
    return words.in_words(amount, indian=locale.endswith("_IN"))


def _is_earned(line: LineFacts) -> bool:
    """Whether a line is part of the gross amount: what was earned, and adjustments that add to it."""
    return line.kind in GROSS_KINDS or (line.kind == "adjustment" and line.amount_minor > 0)


def _payer(snapshot: Snapshot) -> Party:
    tax = clean(snapshot.payer_tax_id)
    lines = clean_lines(snapshot.payer_address) + ((f"Tax no. {tax}",) if tax else ())
    return Party(clean(snapshot.payer_name), lines)


def _check(snapshot: Snapshot, earned: Iterable[LineFacts]) -> None:
    if not snapshot.lines:
        raise DoesNotAddUp(f"{snapshot.reference} has no lines; a statement would explain nothing.")
    all_lines = sum(line.amount_minor for line in snapshot.lines)
    if all_lines != snapshot.amount_minor:
        raise DoesNotAddUp(
            f"The lines of {snapshot.reference} add up to {Money(all_lines, snapshot.currency).plain}, "
            f"its net is {Money(snapshot.amount_minor, snapshot.currency).plain} {snapshot.currency}."
        )
    earnings = sum(line.amount_minor for line in earned)
    if earnings != snapshot.gross_minor:
        raise DoesNotAddUp(
            f"The earnings of {snapshot.reference} add up to {Money(earnings, snapshot.currency).plain}, "
            f"its gross is {Money(snapshot.gross_minor, snapshot.currency).plain} {snapshot.currency}."
        )


def _rows(lines: Iterable[LineFacts], currency: str) -> tuple[Row, ...]:
    rows: list[Row] = []
    running = Money(0, currency)
    for line in lines:
        amount = Money(line.amount_minor, currency)
        running = running + amount
        kind = KIND_TITLES.get(line.kind, "")
        item = clean(line.description) or kind or "Item"
        source = clean(line.source_label)
        rows.append(
            Row(
                occurred_on=line.occurred_on,
                item=item,
                source="" if source in item else source,
                calculation=clean(line.formula),
                amount=amount,
                running=running,
            )
        )
    return tuple(rows)


def _strip(snapshot: Snapshot, others: list[LineFacts], gross: Money, net: Money) -> tuple[Figure, ...]:
    """Earned − deductions − tax ± adjustments = net; empty where nothing stands between gross and net."""
    if not others:
        return ()
    figures = [Figure("Earned", gross, "")]
    for kind, label in (("deduction", "Deductions"), ("tax", "Tax"), ("", "Adjustments")):
        amounts = [
            Money(line.amount_minor, snapshot.currency)
            for line in others
            if line.kind == kind or (not kind and line.kind not in ("deduction", "tax"))
        ]
        if amounts:
            part = total(amounts, snapshot.currency)
            size = Money(abs(part.amount), snapshot.currency)
            figures.append(Figure(label, size, "\N{MINUS SIGN}" if part.amount < 0 else "+"))
    return (*figures, Figure("Net", net, "="))


def _basis(lines: Iterable[LineFacts]) -> tuple[str, ...]:
    """Each rate that was used, once, by its name and version: what the lines remember as "rate"."""
    labels = (clean(str(line.details.get("rate") or "")) for line in lines)
    return tuple(dict.fromkeys(label for label in labels if label))
