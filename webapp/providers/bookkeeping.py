"""What Paydesk asks of whoever keeps an organisation's books: vendors, bills, payments of bills. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Protocol


class Trouble(StrEnum):
    """Why something was not done, as far as it is known."""

    REFUSED = "refused"  # a definite no: a person must change something
    TAKEN = "taken"  # the name or number is there already: look for it
    MISSING = "missing"  # there is no such record
    UNKNOWN = "unknown"  # time-out, server error, unreadable answer: anything may have happened
    THROTTLED = "throttled"  # too many calls, says the keeper: everybody stays away
    BUSY = "busy"  # nothing was asked yet, because of ourselves: later
    NO_ACCESS = "no_access"  # the consent is gone, or does not reach this far


class BooksError(Exception):
    """A call that was not done, or of which nobody knows. `message` is the keeper's own words, with its code."""

    def __init__(self, trouble: Trouble, message: str, *, code: str = "", wait_seconds: float = 0) -> None:
        super().__init__(message)
        self.trouble, self.message, self.code, self.wait_seconds = trouble, message, code, wait_seconds


@dataclass(frozen=True)
class Organisation:
    """A set of books that the consent reaches."""

    id: str
    name: str
    currency: str


@dataclass(frozen=True)
class Account:
    """An account in a chart of accounts."""

    id: str
    name: str
    kind: str


@dataclass(frozen=True)
class Vendor:
    """Somebody who sends bills."""

    id: str
    name: str
    currency: str


@dataclass(frozen=True)
class BillLine:
    """A part of a bill, in minor units; below zero where it is taken off."""

    name: str
    description: str
    amount_minor: int


@dataclass(frozen=True)
class BillOrder:
    """A bill to be made. Its number is our own reference, which no two bills have."""

    number: str
    vendor_id: str
    currency: str
    day: date
    due_day: date
    account_id: str
    lines: Sequence[BillLine]
    # Tells our own bill from somebody else's of the same number.
    mark: str
    notes: str = ""

    @property
    def total_minor(self) -> int:
        """What is owed, in minor units."""
        return sum(line.amount_minor for line in self.lines)


@dataclass(frozen=True)
class Bill:
    """A bill as the books have it."""

    id: str
    number: str
    vendor_id: str
    currency: str
    total_minor: int
    balance_minor: int
    is_void: bool
    # What it was given as a mark, or what a person wrote in its place.
    mark: str


@dataclass(frozen=True)
class PaymentOrder:
    """A payment of one bill to be recorded, in minor units. `reference` is the bank's own."""

    vendor_id: str
    bill_id: str
    currency: str
    amount_minor: int
    day: date
    reference: str
    paid_through_id: str


@dataclass(frozen=True)
class Payment:
    """A payment as the books have it."""

    id: str
    vendor_id: str
    reference: str
    amount_minor: int
    # Of the bills that it pays; known of one that was asked for by its id.
    bill_ids: frozenset[str] = frozenset()


class Bookkeeper(Protocol):
    """Somebody's books. Every call may raise BooksError; none is made while a transaction is open.

    What is searched for is answered exactly: the same name, the same number, the same reference.
    """

    def organisations(self) -> list[Organisation]:
        """The books that the consent reaches."""

    def accounts(self) -> list[Account]:
        """The accounts of the books."""

    def vendors_named(self, name: str) -> list[Vendor]:
        """Vendors of a display name."""

    def has_vendor(self, vendor_id: str) -> bool:
        """Whether there is a vendor of the keeper's own id."""

    def add_vendor(self, name: str, currency: str, notes: str) -> Vendor:
        """A new vendor."""

    def bill_numbered(self, number: str) -> Bill | None:
        """The bill of a number, void ones too."""

    def bill(self, bill_id: str) -> Bill:
        """A bill by the keeper's own id."""

    def add_bill(self, order: BillOrder) -> Bill:
        """A new bill, which is owed from now on."""

    def void_bill(self, bill_id: str) -> None:
        """A bill counts no more."""

    def payments(self, vendor_id: str, reference: str, currency: str) -> list[Payment]:
        """Payments to a vendor with a reference."""

    def payment(self, payment_id: str, currency: str) -> Payment:
        """A payment by the keeper's own id, with the bills that it pays."""

    def add_payment(self, order: PaymentOrder) -> Payment:
        """A new payment."""

    def delete_payment(self, payment_id: str) -> None:
        """A payment is taken back: its bill is owed again."""
