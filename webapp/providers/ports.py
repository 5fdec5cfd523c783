"""What Paydesk asks of whoever moves money: send a transfer, say what became of it. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

_LONG_NUMBER = re.compile(r"\b[A-Z]{0,4}\d{7,34}\b")


class Outcome(StrEnum):
    """What an answer of a provider means for the money."""

    ACCEPTED = "accepted"  # the provider has it and works on it
    SUCCEEDED = "succeeded"  # the money has left
    FAILED = "failed"  # a definite no; nothing was moved
    REVERSED = "reversed"  # it had left and came back
    UNKNOWN = "unknown"  # time-out, server error, unreadable answer: anything may have happened
    NOT_SENT = "not_sent"  # certain that nothing reached the provider
    NOT_FOUND = "not_found"  # the provider does not know this transfer id


# Codes that mean something to us whatever the provider calls them.
DUPLICATE = "DUPLICATE"  # the id is there already: ask for it
CREDENTIALS = "CREDENTIALS"  # our key or address is not let in: the rail halts
CREDITED = "CREDITED"  # the payee's bank confirms the credit
UNREADABLE = "UNREADABLE"  # a word that the adapter does not know: kept as it came, looked at again


@dataclass(frozen=True)
class TransferOrder:
    """One transfer to be made. `transfer_id` is our own random id, the provider's idempotency key."""

    organisation_id: int
    transfer_id: str
    amount_minor: int
    currency: str
    beneficiary: str
    account_masked: str
    remarks: str
    # Names the version of the payment details at the provider: other details, other key.
    beneficiary_key: str = ""
    # The clear account; never printed, logged or kept.
    details: Mapping[str, str] = field(repr=False, default_factory=dict)

    def masked(self) -> dict[str, Any]:
        """What is kept of the request."""
        return {
            "transfer_id": self.transfer_id,
            "amount_minor": self.amount_minor,
            "currency": self.currency,
            "beneficiary": self.beneficiary,
            "account": self.account_masked,
            "remarks": self.remarks,
        }


@dataclass(frozen=True)
class Answer:
    """What a provider said. `raw` is masked; `amount_minor` and `currency` are what the provider has booked.

    `booked_to` names the destination as booked: keys of payment details (`TransferOrder.beneficiary_key`) or masked
    accounts (`account_masked`), any of which may be ours; None when the provider does not say.
    """

    outcome: Outcome
    provider_reference: str = ""
    utr: str = ""
    code: str = ""
    message: str = ""
    amount_minor: int | None = None
    currency: str | None = None
    booked_to: tuple[str, ...] | None = None
    raw: Mapping[str, Any] = field(default_factory=dict)


class Rail(Protocol):
    """A way that money takes. Adapters never raise for what a provider answers: they name the outcome."""

    name: str
    # Whether `send` needs the clear account, or the masked one is enough.
    needs_details: bool

    def send(self, order: TransferOrder) -> Answer:
        """Ask for the transfer, once. Called outside any database transaction."""

    def status(self, organisation_id: int, transfer_id: str) -> Answer:
        """What became of a transfer of an organisation. Changes nothing at the provider."""

    def balance(self, organisation_id: int, currency: str) -> int | None:
        """Minor units that can be spent; None when the provider does not say."""


class CollectionState(StrEnum):
    """What a collecting provider's answer means for money that is asked of a payer."""

    PENDING = "pending"  # the payer has not finished
    COMPLETED = "completed"  # the money was taken
    FAILED = "failed"  # a definite no, or the order ran out
    UNKNOWN = "unknown"  # time-out, server error, unreadable answer
    NOT_SENT = "not_sent"  # certain that nothing reached the provider
    NOT_FOUND = "not_found"  # the provider does not know this order


@dataclass(frozen=True)
class CollectionOrder:
    """Money to be asked of a payer. `order_id` is our own, unique at the provider for ever."""

    organisation_id: int
    order_id: str
    amount_minor: int
    currency: str
    message: str
    # Where the browser comes back to; says nothing about success.
    return_url: str
    expires_in_seconds: int = 1200


@dataclass(frozen=True)
class CollectionAnswer:
    """What a collecting provider said about an order or a refund. `raw` is masked."""

    state: CollectionState
    provider_reference: str = ""
    # The provider's own page where the payer pays, of a new order.
    pay_url: str = ""
    amount_minor: int | None = None
    method: str = ""
    utr: str = ""
    expires_at: datetime | None = None
    code: str = ""
    message: str = ""
    raw: Mapping[str, Any] = field(default_factory=dict)


class Collector(Protocol):
    """A provider that takes money in. Never raises for what a provider answers: it names the state."""

    name: str

    def create(self, order: CollectionOrder) -> CollectionAnswer:
        """Open an order, once; the same id again is answered by the order that is there."""

    def status(self, organisation_id: int, order_id: str) -> CollectionAnswer:
        """What became of an order. Changes nothing at the provider."""

    def refund(
        self, organisation_id: int, refund_id: str, order_id: str, amount_minor: int
    ) -> CollectionAnswer:
        """Give money back, wholly or in part; `refund_id` is our own."""

    def refund_status(self, organisation_id: int, refund_id: str) -> CollectionAnswer:
        """What became of a refund. Changes nothing at the provider."""


def mask(value: Any) -> Any:
    """A copy of an answer's JSON with every long number reduced to its last four characters."""
    if isinstance(value, Mapping):
        return {str(k): mask(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [mask(v) for v in value]
    if isinstance(value, str):
        # Nothing shorter is a long number.
        return value if len(value) < 7 else _LONG_NUMBER.sub(lambda found: "••" + found.group()[-4:], value)
    return value
