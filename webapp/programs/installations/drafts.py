"""What a person or a file says about an installation or a rate, checked before anything is stored. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from webapp.kernel.errors import Invalid
from webapp.kernel.money import exponent
from webapp.programs.installations.models import (
    CAPACITY_UNITS,
    InstallationStatus,
    QualityCheck,
    RateType,
)
from webapp.programs.installations.terms import FLAT, PER_UNIT, PERCENTAGE

MAXIMUM_SIZE = Decimal(1_000_000)
MAXIMUM_RATE = Decimal(100_000_000)
PLACES = 6


@dataclass(frozen=True)
class ShareDraft:
    """A technician and the weight of their part; 1 and 1 is half each, 6000 and 4000 is 60/40."""

    payee_id: int
    weight: int = 1


@dataclass(frozen=True)
class InstallationDraft:
    """The fields of an installation. Amounts in minor units of `currency`."""

    installation_type: str
    capacity_unit: str
    currency: str
    size: Decimal | None = None
    customer_name: str = ""
    site: str = ""
    order_value_minor: int | None = None
    status: str = InstallationStatus.PENDING.value
    commissioned_on: date | None = None
    quality_check: str = QualityCheck.NOT_DONE.value
    external_ref: str | None = None
    shares: tuple[ShareDraft, ...] = field(default=())

    def check(self, *, types: set[str], today: date) -> None:
        """Raises Invalid for the first thing that cannot be."""
        if self.installation_type not in types:
            known = ", ".join(sorted(types))
            raise Invalid(
                "installation_type", f"{self.installation_type!r} is not a type here ({known}).", "solar"
            )
        if self.capacity_unit not in ("", *CAPACITY_UNITS):
            raise Invalid(
                "capacity_unit", f"{self.capacity_unit!r} is not a unit.", ", ".join(CAPACITY_UNITS)
            )
        _check_number("size", self.size, MAXIMUM_SIZE, "The size")
        if self.size is not None and not self.capacity_unit:
            raise Invalid("capacity_unit", "A size needs a unit.", "kW")
        if self.order_value_minor is not None and self.order_value_minor < 0:
            raise Invalid("order_value", "The order value is not negative.", "12500.00")
        _check_length("customer_name", self.customer_name, 200)
        _check_length("site", self.site, 300)
        _check_length("external_ref", self.external_ref or "", 120)
        self._check_status(today)
        self._check_shares()

    def _check_status(self, today: date) -> None:
        if self.status not in list(InstallationStatus):
            example = ", ".join(member.value for member in InstallationStatus)
            raise Invalid("status", f"{self.status!r} is not a status.", example)
        if self.quality_check not in list(QualityCheck):
            example = ", ".join(member.value for member in QualityCheck)
            raise Invalid("quality_check", f"{self.quality_check!r} is not an outcome.", example)
        if self.commissioned_on is not None and self.commissioned_on > today:
            raise Invalid("commissioned_on", f"{self.commissioned_on} lies in the future.", str(today))
        is_done = self.status in (InstallationStatus.COMMISSIONED, InstallationStatus.ACTIVE)
        if is_done and self.commissioned_on is None:
            raise Invalid("commissioned_on", "A commissioned installation needs its date.", str(today))

    def _check_shares(self) -> None:
        ids = [share.payee_id for share in self.shares]
        if len(ids) != len(set(ids)):
            raise Invalid("shares", "A technician is named twice.", "one line for each technician")
        if any(share.weight < 1 for share in self.shares):
            raise Invalid("shares", "Every share is above zero.", "60 and 40")


@dataclass(frozen=True)
class RateDraft:
    """The fields of a rate version. `rate` in major units, or per cent; the bonus in minor units."""

    name: str
    capacity_unit: str
    rate_type: str
    rate: Decimal
    currency: str
    installation_type: str | None = None
    min_size: Decimal | None = None
    max_size: Decimal | None = None
    has_bonus: bool = False
    bonus_minor: int = 0
    is_active: bool = True
    priority: int = 1
    effective_from: date | None = None
    effective_to: date | None = None

    def check(self, *, types: set[str]) -> None:
        """Raises Invalid for the first thing that cannot be."""
        if not self.name.strip() or len(self.name) > 120:
            raise Invalid("name", "Enter a name of up to 120 characters.", "Solar up to 10 kW")
        if self.installation_type is not None and self.installation_type not in types:
            known = ", ".join(sorted(types))
            raise Invalid(
                "installation_type", f"{self.installation_type!r} is not a type here ({known}).", "solar"
            )
        if self.rate_type not in list(RateType):
            raise Invalid(
                "rate_type", f"{self.rate_type!r} is not a rate type.", "flat, per_unit or percentage"
            )
        _check_number("rate", self.rate, MAXIMUM_RATE, "The rate")
        if self.rate_type == PERCENTAGE and self.rate > 100:
            raise Invalid("rate", "A percentage is at most 100.", "2.5")
        if self.rate_type == FLAT and self.rate != round(self.rate, exponent(self.currency)):
            places = exponent(self.currency)
            raise Invalid("rate", f"A flat amount in {self.currency} has at most {places} decimals.", "75.00")
        if not 0 <= self.priority <= 1000:
            raise Invalid("priority", "A priority is a whole number from 0 to 1000; the highest wins.", "1")
        if self.bonus_minor < 0 or (self.has_bonus and self.bonus_minor == 0):
            raise Invalid("bonus", "A bonus that is on needs an amount above zero.", "25.00")
        self._check_range()

    def _check_range(self) -> None:
        if self.capacity_unit not in ("", *CAPACITY_UNITS):
            raise Invalid(
                "capacity_unit", f"{self.capacity_unit!r} is not a unit.", ", ".join(CAPACITY_UNITS)
            )
        has_range = self.min_size is not None or self.max_size is not None
        if not self.capacity_unit and (has_range or self.rate_type == PER_UNIT):
            raise Invalid("capacity_unit", "A rate per unit or with a size range needs a unit.", "kW")
        _check_number("min_size", self.min_size, MAXIMUM_SIZE, "The minimum size", may_be_zero=True)
        _check_number("max_size", self.max_size, MAXIMUM_SIZE, "The maximum size")
        if self.min_size is not None and self.max_size is not None and self.max_size < self.min_size:
            raise Invalid("max_size", "The maximum is below the minimum.", "0 to 10")
        if self.effective_from and self.effective_to and self.effective_to < self.effective_from:
            raise Invalid("effective_to", "It ends before it begins.", str(self.effective_from))


def _check_length(name: str, text: str, limit: int) -> None:
    if len(text) > limit:
        raise Invalid(name, f"Use at most {limit} characters.")


def _check_number(
    name: str, value: Decimal | None, limit: Decimal, words: str, *, may_be_zero: bool = False
) -> None:
    if value is None:
        return
    if not value.is_finite() or value > limit or value < 0 or (value == 0 and not may_be_zero):
        above = "0 or more" if may_be_zero else "above 0"
        raise Invalid(name, f"{words} must be {above} and at most {limit:,}.", "9.99")
    exponent_of = value.as_tuple().exponent
    if isinstance(exponent_of, int) and -exponent_of > PLACES and value != round(value, PLACES):
        raise Invalid(name, f"{words} has at most {PLACES} decimals.", "9.99")


_PLAIN = re.compile(r"[+-]?(?:\d+|\d{1,3}(?:,\d{2,3})*,\d{3}|(?=\.\d))(?:\.\d*)?")
# One comma that cannot group thousands is the decimal sign.
_WITH_COMMA = re.compile(r"[+-]?\d+,(?:\d{1,2}|\d{4,})")


def parse_decimal(name: str, text: str, example: str = "9.99") -> Decimal:
    """A plain or grouped decimal ("9.99", "1,250.5") as people and files write it. Raises Invalid."""
    cleaned = text.strip().replace("\N{MINUS SIGN}", "-").replace(" ", "").replace("\u00a0", "")
    if len(cleaned) <= 30 and cleaned.isascii():
        if _WITH_COMMA.fullmatch(cleaned):
            return Decimal(cleaned.replace(",", "."))
        if _PLAIN.fullmatch(cleaned):
            return Decimal(cleaned.replace(",", ""))
    # Nothing is guessed: "1.234,50" and "1e3" could mean different numbers to different people.
    raise Invalid(name, f"{text.strip()[:60]!r} is not a number.", example)
