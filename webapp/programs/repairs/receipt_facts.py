"""What a weekly receipt on paper says, frozen: the PDF and the table attached to it are made from it. Pure.

Amounts are minor units on the driver's side: what adds to the balance is positive. A receipt that does not add up is
refused here, before a single page is drawn.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

from webapp.kernel.money import Money
from webapp.programs.repairs.states import Category
from webapp.statements.build import LETTER_COUNTRIES, DoesNotAddUp, clean_lines, in_words
from webapp.statements.frozen import seal, to_json

EARNING, CHARGE, ADJUSTMENT, CARRIED = "earning", "charge", "adjustment", "carried"
#: What the lines of a category are called on the paper.
CATEGORY_WORDS = {
    Category.TAXES.value: "Taxes and fees",
    Category.TOLLS.value: "Tolls",
    Category.LEASE.value: "Lease",
    Category.TICKETS.value: "Parking and TLC tickets",
    Category.AGENCY_FEES.value: "Agency fees",
    Category.REPAIRS.value: "Repairs",
    Category.LOANS.value: "Loans",
    Category.ADVANCES.value: "Advances",
    Category.MISCELLANEOUS.value: "Other charges",
    Category.DEPOSIT.value: "Deposit",
}


@dataclass(frozen=True)
class PaperLine:
    """One line of the receipt; `carried` ones explain the opening balance and are not added up."""

    kind: str
    category: str
    description: str
    day: date
    amount_minor: int


@dataclass(frozen=True)
class PaperTrip:
    """One trip of the log; times are the organisation's, "14:05"."""

    day: date
    picked_up: str
    dropped_off: str
    distance: str
    fare_minor: int
    extras_minor: int
    tax_minor: int
    tip_minor: int
    tolls_minor: int
    total_minor: int
    paid_by: str


@dataclass(frozen=True)
class PaperInstalment:
    """How a repair or a loan stands after this week: number `number` of `of`, what is left, when it ends."""

    about: str
    source: str
    number: int
    of: int
    amount_minor: int
    left_minor: int
    ends_on: date


@dataclass(frozen=True)
class PaperGross:
    """What the trips of the week came to; `other` is what nobody paid."""

    trips: int
    card_minor: int
    cash_minor: int
    other_minor: int
    tips_minor: int

    @property
    def total_minor(self) -> int:
        """All of them."""
        return self.card_minor + self.cash_minor + self.other_minor


@dataclass(frozen=True)
class PaperPayment:
    """Where what is due goes, as it stood when the paper was made."""

    payout: str
    destination: str
    standing: str
    reference: str = ""
    paid_on: date | None = None


@dataclass(frozen=True)
class Step:
    """One row of the way from the prior balance to the net: what it is, and what it adds."""

    label: str
    amount_minor: int


@dataclass(frozen=True)
class ReceiptFacts:
    """The whole content of a weekly receipt. Texts are cleaned; `issued_at` is aware."""

    number: str
    code: str
    issued_at: datetime
    payer_name: str
    payer_address: str
    payer_tax_id: str
    payer_email: str
    driver_name: str
    driver_reference: str
    driver_address: str
    licence: str
    country: str
    locale: str
    timezone: str
    home_currency: str
    currency: str
    lease: str
    shift: str
    vehicle: str
    medallion: str
    period_start: date
    period_end: date
    opening_minor: int
    earnings_minor: int
    charges_minor: int
    adjustments_minor: int
    net_minor: int
    paid_minor: int
    kept_minor: int
    owed_minor: int
    difference_minor: int
    lines: tuple[PaperLine, ...]
    gross: PaperGross | None = None
    payment: PaperPayment | None = None
    instalments: tuple[PaperInstalment, ...] = ()
    trips: tuple[PaperTrip, ...] = ()
    alerts: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    is_final: bool = False
    replaces_number: str = ""
    reason: str = ""
    tells: bool = True
    version: int = 1
    seal: str = ""

    @property
    def closing_minor(self) -> int:
        """What the next week begins with."""
        return self.kept_minor - self.owed_minor

    @property
    def paid(self) -> Money:
        """What is due to the driver."""
        return Money(self.paid_minor, self.currency)

    @property
    def closing(self) -> Money:
        """What is carried to the next week; below zero: owed by the driver."""
        return Money(self.closing_minor, self.currency)

    @property
    def answer(self) -> Money:
        """The one figure that the driver looks for: what is due, else what is carried forward."""
        return self.paid if self.paid_minor else self.closing

    @property
    def answer_in_words(self) -> str:
        """The same in words; what is owed without its sign."""
        return in_words(Money(abs(self.answer.amount), self.currency), self.locale)

    @property
    def page_size(self) -> str:
        """The paper that the payer's country prints on."""
        return "Letter" if self.country in LETTER_COUNTRIES else "A4"

    @property
    def payer_lines(self) -> tuple[str, ...]:
        """What stands below the payer's name."""
        tax = (f"Tax no. {self.payer_tax_id}",) if self.payer_tax_id else ()
        return clean_lines(self.payer_address) + tax

    @property
    def driver_lines(self) -> tuple[str, ...]:
        """What stands below the driver's name."""
        licence = (f"Licence {self.licence}",) if self.licence else ()
        return (*clean_lines(self.driver_address), f"Driver no. {self.driver_reference}", *licence)

    def of(self, kind: str, category: str = "") -> tuple[PaperLine, ...]:
        """The lines of a kind, and of one category of it."""
        return tuple(x for x in self.lines if x.kind == kind and (not category or x.category == category))

    @property
    def steps(self) -> tuple[Step, ...]:
        """From the prior balance by earnings, charges by category and adjustments to the net; zeros are left out."""
        rows = [Step("Balance of the week before", self.opening_minor)] if self.opening_minor else []
        rows += [Step(f"Earned: {source}", amount) for source, amount in _sums(self.of(EARNING))]
        if not self.of(EARNING):
            rows.append(Step("Earned", 0))
        by_category = dict(_sums(self.of(CHARGE)))
        for category, words in CATEGORY_WORDS.items():
            if category in by_category:
                rows.append(Step(words, by_category[category]))
        if self.of(ADJUSTMENT):
            total = sum(line.amount_minor for line in self.of(ADJUSTMENT))
            rows.append(Step("Payments, credits and corrections", total))
        return tuple(rows)

    @property
    def sections(self) -> tuple[tuple[str, tuple[PaperLine, ...]], ...]:
        """The annex: every line by what it is, each part with its title; parts without a line are left out."""
        parts = [("Earnings", self.of(EARNING))]
        parts += [(words, self.of(CHARGE, category)) for category, words in CATEGORY_WORDS.items()]
        parts.append(("Payments, credits and corrections", self.of(ADJUSTMENT)))
        return tuple((title, lines) for title, lines in parts if lines)


def _sums(lines: Iterable[PaperLine]) -> list[tuple[str, int]]:
    sums: dict[str, int] = {}
    for line in lines:
        sums[line.category] = sums.get(line.category, 0) + line.amount_minor
    return list(sums.items())


def sealed(facts: ReceiptFacts) -> ReceiptFacts:
    """The same with its seal: a hash over everything else."""
    return replace(facts, seal=seal(to_json(facts)))


def from_json(content: dict[str, Any] | None) -> ReceiptFacts:
    """What was frozen. Raises DoesNotAddUp when it is not what was frozen, or cannot be read."""
    if not content or content.get("seal") != seal(content):
        raise DoesNotAddUp("The frozen content of this receipt was changed after it was made.")
    try:
        return ReceiptFacts(
            **{
                **content,
                "issued_at": datetime.fromisoformat(content["issued_at"]),
                "period_start": date.fromisoformat(content["period_start"]),
                "period_end": date.fromisoformat(content["period_end"]),
                "lines": tuple(PaperLine(**_days(line, "day")) for line in content["lines"]),
                "trips": tuple(PaperTrip(**_days(trip, "day")) for trip in content["trips"]),
                "instalments": tuple(
                    PaperInstalment(**_days(each, "ends_on")) for each in content["instalments"]
                ),
                "gross": PaperGross(**content["gross"]) if content["gross"] else None,
                "payment": PaperPayment(**_days(content["payment"], "paid_on"))
                if content["payment"]
                else None,
                "alerts": tuple(content["alerts"]),
                "others": tuple(content["others"]),
            }
        )
    except (KeyError, TypeError, ValueError) as error:
        raise DoesNotAddUp("The frozen content of this receipt cannot be read.") from error


def _days(content: dict[str, Any], name: str) -> dict[str, Any]:
    return {**content, name: date.fromisoformat(content[name]) if content[name] else None}


def check(facts: ReceiptFacts) -> None:
    """Refuse content that contradicts itself. Raises DoesNotAddUp with the figures."""

    def say(minor: int) -> str:
        return f"{Money(minor, facts.currency).plain} {facts.currency}"

    totals = (
        (EARNING, facts.earnings_minor),
        (CHARGE, -facts.charges_minor),
        (ADJUSTMENT, facts.adjustments_minor),
    )
    for kind, total in totals:
        lines = sum(line.amount_minor for line in facts.of(kind))
        if lines != total:
            raise DoesNotAddUp(
                f"The {kind} lines of {facts.number} come to {say(lines)}, by its total {say(total)}."
            )
    net = facts.opening_minor + facts.earnings_minor - facts.charges_minor + facts.adjustments_minor
    if net != facts.net_minor:
        raise DoesNotAddUp(f"{facts.number} comes to {say(net)}; it says {say(facts.net_minor)}.")
    closing = facts.net_minor - facts.paid_minor - facts.difference_minor
    if closing != facts.closing_minor:
        raise DoesNotAddUp(
            f"{facts.number} leaves {say(closing)}; it says it carries {say(facts.closing_minor)}."
        )
