"""A file of somebody else's book as values, whatever it was written in. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal

from webapp.kernel.errors import Invalid
from webapp.kernel.money import MAXIMUM_MINOR, Money, exponent
from webapp.reconciliation import rules
from webapp.reconciliation.states import FileFormat, Source

# Of narratives so much is kept: references are read out of all of it.
TEXT_LENGTH = 500


@dataclass(frozen=True)
class Line:
    """One movement as the other side booked it. Amounts in minor units: in > 0, out < 0."""

    booked_on: date
    amount_minor: int
    currency: str
    value_on: date | None = None
    # Our own transfer id, a payout's reference, the bank's number: wherever the line says them.
    our_id: str = ""
    payout_reference: str = ""
    utr: str = ""
    # The other side's own number of the movement, and what we gave it to carry along.
    bank_reference: str = ""
    end_to_end: str = ""
    # Of a line for many transfers: the name of the batch, and how many it says there are.
    batch_reference: str = ""
    batch_count: int = 0
    counterparty: str = ""
    text: str = ""
    # A provider's own word for the state, kept as it came; bank lines have none.
    status: str = ""
    key: str = ""


@dataclass(frozen=True)
class StatementPart:
    """One statement of one account: its lines, and its balances where it says them."""

    account: str
    currency: str
    lines: tuple[Line, ...]
    number: str = ""
    opening_minor: int | None = None
    opening_on: date | None = None
    closing_minor: int | None = None
    closing_on: date | None = None

    @property
    def imbalance(self) -> int:
        """What its lines and its balances differ by; 0 where it says no balances."""
        if self.opening_minor is None or self.closing_minor is None:
            return 0
        return self.closing_minor - self.opening_minor - sum(line.amount_minor for line in self.lines)


@dataclass(frozen=True)
class Parsed:
    """A whole file. `provider` names whose list it is; empty for a bank's statement."""

    source: Source
    format: FileFormat
    statements: tuple[StatementPart, ...]
    notes: tuple[str, ...] = ()
    provider: str = ""
    # A list of all transfers of its period, so that what is not in it is missing there.
    is_complete: bool = True

    @property
    def line_count(self) -> int:
        """How many lines it has."""
        return sum(len(part.lines) for part in self.statements)


@dataclass
class Keyed:
    """Gives lines their keys: the nth of several equal ones has the same key in every file."""

    seen: dict[str, int] = field(default_factory=dict)

    def line(self, account: str, line: Line) -> Line:
        """The line with its references and its key."""
        texts = (line.end_to_end, line.bank_reference, line.utr, line.text)
        found = rules.find_references(texts)
        whole = replace(
            line,
            our_id=line.our_id or found.our_id,
            payout_reference=line.payout_reference or found.payout,
            utr=line.utr or found.utr,
            text=line.text[:TEXT_LENGTH],
            counterparty=line.counterparty[:200],
        )
        own = (line.bank_reference, line.end_to_end, line.batch_reference) if line.bank_reference else (
            line.end_to_end, line.counterparty[:200], line.text[:TEXT_LENGTH])  # fmt: skip
        parts = (line.currency, line.our_id, line.utr, line.status, *own)
        first = rules.line_key(account, line.booked_on, line.amount_minor, parts, 0)
        ordinal = self.seen[first] = self.seen.get(first, -1) + 1
        if ordinal == 0:
            return replace(whole, key=first)
        return replace(whole, key=rules.line_key(account, line.booked_on, line.amount_minor, parts, ordinal))


def minor(amount: Decimal, currency: str, where: str) -> int:
    """An exact amount as minor units. Raises Invalid("file", …) for a wrong currency or too many decimals."""
    try:
        places = exponent(currency)
    except ValueError:
        raise Invalid("file", f"{where} is in {currency[:10]!r}, which is no currency code.") from None
    if not amount.is_finite() or amount.copy_abs() > Decimal(MAXIMUM_MINOR).scaleb(-places):
        raise Invalid("file", f"{where} has an amount that is larger than Paydesk accepts.")
    scaled = amount.scaleb(places)
    if scaled != scaled.to_integral_value():
        raise Invalid("file", f"{where} has the amount {amount}; {currency} has {places} decimals.")
    return int(scaled)


def balance_notes(parts: Sequence[StatementPart]) -> tuple[str, ...]:
    """A sentence for every statement whose lines do not lead from its opening to its closing balance."""
    return tuple(
        f"Statement {part.number or number}: its lines and its balances differ by "
        f"{Money(part.imbalance, part.currency).plain} {part.currency}; a line may be missing."
        for number, part in enumerate(parts, start=1)
        if part.imbalance
    )
