"""What a monthly statement says, frozen: PDF, CSV and XLSX are all made from it. Pure: no database, no clock.

Amounts are minor units on the payee's side: positive is owed to them. A statement that does not add up is refused
here, before a single page is drawn.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

from webapp.kernel.money import Money
from webapp.statements import sections as program_sections
from webapp.statements.build import LETTER_COUNTRIES, DoesNotAddUp, clean, clean_lines, in_words
from webapp.statements.frozen import seal, to_json
from webapp.statements.sections import Section

VERSION = 1
EARNED, DEDUCTION, TAX, ADJUSTMENT, PAID, RETURNED = (
    "earned", "deduction", "tax", "adjustment", "paid", "returned",
)  # fmt: skip
CATEGORIES = {
    EARNED: "Earned",
    DEDUCTION: "Deductions",
    TAX: "Tax",
    ADJUSTMENT: "Adjustments",
    PAID: "Paid",
    RETURNED: "Returned",
}


@dataclass(frozen=True)
class Line:
    """One movement of what is owed; `balance_minor` is what is owed after it."""

    day: date
    category: str
    item: str
    amount_minor: int
    balance_minor: int
    occurred_on: date | None = None
    payout: str = ""
    source: str = ""
    calculation: str = ""


@dataclass(frozen=True)
class Payment:
    """Money that left for the payee; `standing` says what was known of it when the statement was made."""

    day: date
    payout: str
    reference: str
    destination: str
    amount_minor: int
    standing: str


@dataclass(frozen=True)
class Figure:
    """One figure of the strip that leads from the opening to the closing balance."""

    label: str
    amount: Money
    sign: str


@dataclass(frozen=True)
class MonthlyFacts:
    """The whole content of a monthly statement. Texts are cleaned; `issued_at` is aware."""

    number: str
    code: str
    issued_at: datetime
    payer_name: str
    payer_address: str
    payer_tax_id: str
    payer_email: str
    payee_name: str
    payee_reference: str
    payee_address: str
    country: str
    locale: str
    timezone: str
    home_currency: str
    currency: str
    period_start: date
    period_end: date
    opening_minor: int
    closing_minor: int
    totals: dict[str, int]
    lines: tuple[Line, ...]
    payments: tuple[Payment, ...] = ()
    basis: tuple[str, ...] = ()
    replaces_number: str = ""
    reason: str = ""
    # Whether the payee is told by e-mail when it is ready.
    tells: bool = True
    # What programs add: their records with an account of their own.
    sections: tuple[Section, ...] = ()
    version: int = VERSION
    seal: str = ""

    @property
    def opening(self) -> Money:
        """What was owed when the month began."""
        return Money(self.opening_minor, self.currency)

    @property
    def closing(self) -> Money:
        """What is owed at the end of the month."""
        return Money(self.closing_minor, self.currency)

    @property
    def paid(self) -> Money:
        """What left for the payee, as a positive amount."""
        return Money(-self.totals[PAID], self.currency)

    @property
    def page_size(self) -> str:
        """The paper that the payer's country prints on."""
        return "Letter" if self.country in LETTER_COUNTRIES else "A4"

    @property
    def closing_in_words(self) -> str:
        """The closing balance in words."""
        return in_words(self.closing, self.locale)

    @property
    def payer_lines(self) -> tuple[str, ...]:
        """What stands below the payer's name."""
        tax = (f"Tax no. {self.payer_tax_id}",) if self.payer_tax_id else ()
        return clean_lines(self.payer_address) + tax

    @property
    def payee_lines(self) -> tuple[str, ...]:
        """What stands below the payee's name."""
        return (*clean_lines(self.payee_address), f"Payee no. {self.payee_reference}")

    @property
    def day_before(self) -> date:
        """The day at whose end the opening balance stood: the last one before the month."""
        return self.period_start - timedelta(days=1)

    @property
    def strip(self) -> tuple[Figure, ...]:
        """Opening + earned − deductions − tax ± adjustments − paid + returned = closing; what is zero is left out."""
        figures = [Figure("Opening balance", self.opening, "")]
        for category, label in CATEGORIES.items():
            amount = self.totals[category]
            if amount or category in (EARNED, PAID):
                sign = ("\N{MINUS SIGN}" if amount < 0 else "+") if amount else ""
                figures.append(Figure(label, Money(abs(amount), self.currency), sign))
        return (*figures, Figure("Closing balance", self.closing, "="))


def sealed(facts: MonthlyFacts) -> MonthlyFacts:
    """The same with its seal: a hash over everything else."""
    return replace(facts, seal=seal(to_json(facts)))


def from_json(content: dict[str, Any] | None) -> MonthlyFacts:
    """What was frozen. Raises DoesNotAddUp when it is not what was frozen, or cannot be read."""
    if not content or content.get("seal") != seal(content):
        raise DoesNotAddUp("The frozen content of this statement was changed after it was made.")
    try:
        return MonthlyFacts(
            **{
                **content,
                "issued_at": datetime.fromisoformat(content["issued_at"]),
                "period_start": date.fromisoformat(content["period_start"]),
                "period_end": date.fromisoformat(content["period_end"]),
                "lines": tuple(_line(line) for line in content["lines"]),
                "payments": tuple(
                    Payment(**{**payment, "day": date.fromisoformat(payment["day"])})
                    for payment in content["payments"]
                ),
                "basis": tuple(content["basis"]),
                # Statements of before there were sections have none.
                "sections": tuple(map(program_sections.from_json, content.get("sections", ()))),
            }
        )
    except (KeyError, TypeError, ValueError) as error:
        raise DoesNotAddUp("The frozen content of this statement cannot be read.") from error


def _line(content: dict[str, Any]) -> Line:
    occurred_on = content["occurred_on"]
    days = {
        "day": date.fromisoformat(content["day"]),
        "occurred_on": date.fromisoformat(occurred_on) if occurred_on else None,
    }
    return Line(**{**content, **days})


def check(facts: MonthlyFacts) -> None:
    """Refuse content that contradicts itself. Raises DoesNotAddUp with the figures."""

    def say(minor: int) -> str:
        return f"{Money(minor, facts.currency).plain} {facts.currency}"

    balance, sums = facts.opening_minor, dict.fromkeys(CATEGORIES, 0)
    for line in facts.lines:
        balance += line.amount_minor
        sums[line.category] += line.amount_minor
        if line.balance_minor != balance:
            raise DoesNotAddUp(
                f"The running balance of {facts.number} is {say(line.balance_minor)} after “{line.item}”; "
                f"the lines up to there come to {say(balance)}."
            )
        if not facts.period_start <= line.day <= facts.period_end:
            raise DoesNotAddUp(f"“{line.item}” of {facts.number} is of {line.day}, outside its month.")
    if balance != facts.closing_minor:
        raise DoesNotAddUp(
            f"{facts.number} opens with {say(facts.opening_minor)} and its lines lead to {say(balance)}; "
            f"it says it closes with {say(facts.closing_minor)}."
        )
    for category, amount in sums.items():
        if facts.totals.get(category) != amount:
            raise DoesNotAddUp(
                f"“{CATEGORIES[category]}” of {facts.number} comes to {say(amount)} by its lines, "
                f"to {say(facts.totals.get(category) or 0)} by its total."
            )
    if -sum(payment.amount_minor for payment in facts.payments) != facts.totals[PAID]:
        raise DoesNotAddUp(f"The payments listed on {facts.number} do not come to what was paid.")
    for section in facts.sections:
        program_sections.check(section, facts.currency, facts.period_start, facts.period_end)


def with_balances(lines: list[Line], opening_minor: int) -> tuple[Line, ...]:
    """The lines in their order, each with the balance after it."""
    balance, made = opening_minor, []
    for line in lines:
        balance += line.amount_minor
        made.append(replace(line, balance_minor=balance))
    return tuple(made)


def totals_of(lines: tuple[Line, ...]) -> dict[str, int]:
    """Signed sum of each category."""
    sums = dict.fromkeys(CATEGORIES, 0)
    for line in lines:
        sums[line.category] += line.amount_minor
    return sums


__all__ = [
    "CATEGORIES", "Figure", "Line", "MonthlyFacts", "Payment", "check", "clean", "from_json", "sealed", "to_json",
    "totals_of", "with_balances",
]  # fmt: skip
