"""Building blocks: amounts, decimals as text, days, instants, pages, references."""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    WithJsonSchema,
    model_validator,
)

from webapp.api.paging import DEFAULT_LIMIT, MAXIMUM_LIMIT
from webapp.kernel.money import MAXIMUM_MINOR, Money, exponent
from webapp.people.models import Payee, PayoutMethod

FIRST_DAY, LAST_DAY = date(1970, 1, 1), date(2999, 12, 31)
_DECIMAL = re.compile(r"\d{1,12}(\.\d{1,6})?")


class Out(BaseModel):
    """What is answered."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class In(BaseModel):
    """What is taken: nothing unknown, nothing guessed (true is not 1, 1 is not "1")."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Query(BaseModel):
    """What is taken from the query string, where everything is text."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def _plain(text: str) -> str:
    if any(unicodedata.category(sign) in ("Cc", "Cs") and sign not in "\n\r\t" for sign in text):
        raise ValueError("This text holds a sign that cannot be stored. Remove it.")
    return text


def _day(day: date) -> date:
    if not FIRST_DAY <= day <= LAST_DAY:
        raise ValueError(f"This day is not between {FIRST_DAY} and {LAST_DAY}.")
    return day


def _decimal(value: Any) -> Any:
    if not isinstance(value, str) or not _DECIMAL.fullmatch(value):
        raise ValueError(
            "This must be a decimal as text, with at most 12 digits before and 6 behind the point."
        )
    return Decimal(value)


def _whole(value: Any) -> Any:
    if isinstance(value, str) and not re.fullmatch(r"[0-9]{1,18}", value):
        raise ValueError("This must be a whole number.")
    return int(value) if isinstance(value, str) else value


def _say(value: Decimal) -> str:
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _utc(value: datetime) -> str:
    return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _moment(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise ValueError("Say the offset, too, such as 2026-11-21T09:00:00Z.")
    # Compared before it is converted: the first and last days of the calendar cannot be.
    if not FIRST_DAY < value.date() < LAST_DAY:
        raise ValueError(f"This is not between {FIRST_DAY} and {LAST_DAY}.")
    return value.astimezone(UTC)


Text = Annotated[str, AfterValidator(_plain)]
Note = Annotated[str, AfterValidator(_plain), Field(max_length=2000)]
Reason = Annotated[str, AfterValidator(_plain), Field(min_length=1, max_length=2000)]
Day = Annotated[date, AfterValidator(_day)]
DecimalText = Annotated[
    Decimal,
    BeforeValidator(_decimal),
    PlainSerializer(_say, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": r"^\d{1,12}(\.\d{1,6})?$"}),
]
# Decimals that the database gave: exact, as text.
ExactOut = Annotated[
    Decimal,
    PlainSerializer(_say, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": r"^-?\d+(\.\d+)?$"}),
]
Instant = Annotated[
    datetime,
    PlainSerializer(_utc, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
InstantIn = Annotated[datetime, AfterValidator(_moment)]
Whole = Annotated[int, BeforeValidator(_whole)]
CurrencyCode = Annotated[str, Field(pattern=r"^[A-Z]{3}$", examples=["USD"])]
Version = Annotated[int, Field(ge=0, le=2**31 - 1, examples=[3])]

MethodKindWord = Literal["bank_account", "upi", "manual"]
PayeeKindWord = Literal["technician", "owner", "practitioner", "driver", "partner"]


class PageQuery(Query):
    """Which page of a list."""

    limit: Whole = Field(
        DEFAULT_LIMIT, ge=1, le=MAXIMUM_LIMIT, description="Records on a page.", examples=[50]
    )
    cursor: str | None = Field(
        None, max_length=100, description="`next_cursor` of the page before; left out for the first page."
    )


class Amount(Out):
    """An exact amount: whole minor units, and the same as decimal text. Never a floating-point number."""

    amount_minor: int = Field(description="Minor units, such as cents.", examples=[49950])
    currency: str = Field(description="ISO 4217.", examples=["USD"])
    amount: str = Field(description="Major units as exact decimal text.", examples=["499.50"])

    @staticmethod
    def of(minor: int, currency: str) -> Amount:
        """An amount out of what the database keeps."""
        return Amount(amount_minor=minor, currency=currency, amount=Money(minor, currency).plain)


class AmountIn(In):
    """An amount: `amount` as decimal text or `amount_minor`; where both are given they must agree."""

    currency: CurrencyCode = Field(description="ISO 4217.", examples=["USD"])
    amount: DecimalText | None = Field(None, description="Major units as text.", examples=["12500.00"])
    amount_minor: int | None = Field(
        None, ge=0, le=MAXIMUM_MINOR, description="Minor units.", examples=[1250000]
    )

    @model_validator(mode="after")
    def _agree(self) -> AmountIn:
        if self.amount is None and self.amount_minor is None:
            raise ValueError("Give amount or amount_minor.")
        if self.amount is not None:
            minor = self.amount.scaleb(exponent(self.currency))
            if minor != minor.to_integral_value() or minor > MAXIMUM_MINOR:
                raise ValueError(
                    f"{self.currency} has {exponent(self.currency)} decimals, and amounts have an end."
                )
            if self.amount_minor not in (None, int(minor)):
                raise ValueError("amount and amount_minor are not the same.")
        return self

    @property
    def minor(self) -> int:
        """Whole minor units."""
        if self.amount_minor is not None:
            return self.amount_minor
        return int((self.amount or Decimal(0)).scaleb(exponent(self.currency)))


class PayeeRef(Out):
    """A payee in a few words."""

    reference: str = Field(examples=["PY-0001"])
    name: str = Field(examples=["Maya Fernandez"])
    kind: PayeeKindWord = Field(examples=["technician"])

    @staticmethod
    def of(payee: Payee) -> PayeeRef:
        """The words for a payee."""
        return PayeeRef.model_validate({"reference": payee.reference, "name": payee.name, "kind": payee.kind})


class PaymentDetails(Out):
    """Where money goes, masked: clear numbers never leave Paydesk by the API."""

    version: int = Field(description="Counts up with every change.", examples=[2])
    kind: MethodKindWord = Field(examples=["bank_account"])
    scheme: str = Field(description="aba, ifsc or iban for a bank account.", examples=["aba"])
    masked: str = Field(examples=["••4821"])
    name_at_bank: str = Field(examples=["Maya Fernandez"])
    bank_name: str = Field(examples=["First Bank"])
    cool_off_until: Instant | None = Field(
        description="Changed details are not paid to before this.", examples=["2026-11-23T09:00:00.000Z"]
    )
    created_at: Instant = Field(examples=["2026-11-21T09:00:00.000Z"])

    @staticmethod
    def of(method: PayoutMethod | None) -> PaymentDetails | None:
        """A version of a payee's details; None for none."""
        if method is None:
            return None
        names = (
            "version",
            "kind",
            "scheme",
            "masked",
            "name_at_bank",
            "bank_name",
            "cool_off_until",
            "created_at",
        )
        return PaymentDetails(**{name: getattr(method, name) for name in names})
