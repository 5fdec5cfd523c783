"""Installations and rate configurations as the API shows and takes them."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from webapp.api.schemas.common import (
    Amount,
    AmountIn,
    CurrencyCode,
    Day,
    DecimalText,
    ExactOut,
    In,
    Instant,
    Out,
    PageQuery,
    PayeeRef,
    Text,
    Version,
    _plain,
)  # fmt: skip

StatusWord = Literal["pending", "in_progress", "commissioned", "active", "decommissioned"]
QualityWord = Literal["not_done", "passed", "not_passed"]
RateTypeWord = Literal["flat", "per_unit", "percentage"]
UnitWord = Literal["", "kW", "Mbps", "units"]
PaymentWord = Literal["due", "in_payout", "blocked", "unassigned"]


class InstallationQuery(PageQuery):
    """Which installations, and which page of them."""

    status: StatusWord | None = Field(None, examples=["commissioned"])
    installation_type: str | None = Field(None, max_length=120, examples=["solar"])
    technician: str | None = Field(
        None, max_length=120, description="Reference, or a part of the name.", examples=["PY-0001"]
    )
    commissioned_from: Day | None = Field(None, examples=["2026-11-01"])
    commissioned_to: Day | None = Field(None, examples=["2026-11-30"])
    payment: PaymentWord | None = Field(None, description="Whether it is paid for.", examples=["due"])
    search: Annotated[str, AfterValidator(_plain)] | None = Field(
        None, max_length=120, description="A part of a reference, customer or site.", examples=["ISR-0000"]
    )


class Share(Out):
    """A technician's part. Weights 1 and 1 are half each, 60 and 40 are 60 % and 40 %."""

    technician: PayeeRef
    weight: int = Field(examples=[1])


class ShareIn(In):
    """A technician's part."""

    technician: Text = Field(
        min_length=1, max_length=120, description="Reference of the technician.", examples=["PY-0001"]
    )
    weight: int = Field(1, ge=1, le=10**9, examples=[1])


class InstallationOut(Out):
    """An installed system."""

    reference: str = Field(examples=["ISR-000042"])
    external_ref: str | None = Field(description="Your own name for it.", examples=["JOB-7781"])
    installation_type: str = Field(examples=["solar"])
    status: StatusWord = Field(examples=["commissioned"])
    customer_name: str = Field(examples=["Harbour School"])
    site: str = Field(examples=["12 Quay Street"])
    size: ExactOut | None = Field(examples=["9.99"])
    capacity_unit: str = Field(examples=["kW"])
    currency: str = Field(examples=["USD"])
    order_value: Amount | None
    commissioned_on: date | None = Field(examples=["2026-11-03"])
    quality_check: QualityWord = Field(examples=["passed"])
    shares: list[Share] = Field(description="A technician sees their own.")
    created_at: Instant = Field(examples=["2026-11-03T09:00:00.000Z"])
    version: int = Field(examples=[1])


class InstallationPage(Out):
    """One page of installations, the newest first."""

    items: list[InstallationOut]
    next_cursor: str | None = Field(examples=[None])


class InstallationCreate(In):
    """A new installation. Who enters it does not approve its payout."""

    installation_type: Text = Field(min_length=1, max_length=120, examples=["solar"])
    capacity_unit: UnitWord = Field("", examples=["kW"])
    currency: CurrencyCode | None = Field(
        None, description="The organisation's own when left out.", examples=["USD"]
    )
    size: DecimalText | None = Field(None, examples=["9.99"])
    customer_name: Text = Field("", max_length=200, examples=["Harbour School"])
    site: Text = Field("", max_length=300, examples=["12 Quay Street"])
    order_value: AmountIn | None = Field(None, description="In the currency of the installation.")
    status: StatusWord = Field("pending", examples=["commissioned"])
    commissioned_on: Day | None = Field(None, description="Not in the future.", examples=["2026-11-03"])
    quality_check: QualityWord = Field("not_done", examples=["passed"])
    external_ref: Text | None = Field(None, min_length=1, max_length=120, examples=["JOB-7781"])
    shares: list[ShareIn] = Field([], max_length=100)


class InstallationChange(In):
    """What is to change; what is left out stays. The status has its own address."""

    version: Version | None = Field(
        None, description="Of the installation as you saw it; another one answers 409."
    )
    installation_type: Text | None = Field(None, min_length=1, max_length=120, examples=["solar"])
    capacity_unit: UnitWord | None = Field(None, examples=["kW"])
    size: DecimalText | None = Field(None, examples=["9.99"])
    customer_name: Text | None = Field(None, max_length=200, examples=["Harbour School"])
    site: Text | None = Field(None, max_length=300, examples=["12 Quay Street"])
    order_value: AmountIn | None = Field(None, description="In the currency of the installation.")
    commissioned_on: Day | None = Field(None, examples=["2026-11-03"])
    quality_check: QualityWord | None = Field(None, examples=["passed"])
    external_ref: Text | None = Field(None, min_length=1, max_length=120, examples=["JOB-7781"])
    shares: list[ShareIn] | None = Field(None, max_length=100)


class StatusChange(In):
    """A step in the life of an installation."""

    status: StatusWord = Field(examples=["commissioned"])
    commissioned_on: Day | None = Field(
        None, description="Needed when it is commissioned.", examples=["2026-11-03"]
    )


class RateQuery(PageQuery):
    """Which rate configurations, and which page of them."""

    installation_type: str | None = Field(None, max_length=120, examples=["solar"])
    rate_type: RateTypeWord | None = Field(None, examples=["per_unit"])


class RateOut(Out):
    """A rate configuration in its newest version."""

    id: int = Field(examples=[7])
    version: int = Field(examples=[2])
    name: str = Field(examples=["Solar up to 10 kW"])
    installation_type: str | None = Field(description="null: any type.", examples=["solar"])
    capacity_unit: str = Field(examples=["kW"])
    min_size: ExactOut | None = Field(examples=["0"])
    max_size: ExactOut | None = Field(examples=["10"])
    rate_type: RateTypeWord = Field(examples=["per_unit"])
    rate: ExactOut = Field(description="Major units of the currency, or per cent.", examples=["50"])
    currency: str = Field(examples=["USD"])
    bonus: Amount | None = Field(description="Paid when the quality check passed; null: none.")
    is_active: bool = Field(examples=[True])
    is_in_force: bool = Field(
        description="Active, and today lies between its first and last day.", examples=[True]
    )
    priority: int = Field(description="The highest wins.", examples=[1])
    effective_from: date | None = Field(examples=[None])
    effective_to: date | None = Field(description="The last day on which it counts.", examples=[None])
    external_ref: str | None = Field(examples=[None])
    created_by: str = Field(examples=["admin@solaria.example"])
    created_at: Instant = Field(examples=["2026-11-01T09:00:00.000Z"])


class RateDetail(RateOut):
    """A rate configuration with the versions before the newest."""

    earlier_versions: list[RateOut]


class RatePage(Out):
    """One page of rate configurations, the newest first."""

    items: list[RateOut]
    next_cursor: str | None = Field(examples=[None])


class RateCreate(In):
    """What a rate says."""

    name: Text = Field(min_length=1, max_length=120, examples=["Solar up to 10 kW"])
    installation_type: Text | None = Field(
        None, min_length=1, max_length=120, description="null: any type.", examples=["solar"]
    )
    capacity_unit: UnitWord = Field("", examples=["kW"])
    min_size: DecimalText | None = Field(None, examples=["0"])
    max_size: DecimalText | None = Field(None, examples=["10"])
    rate_type: RateTypeWord = Field(examples=["per_unit"])
    rate: DecimalText = Field(description="Major units of the currency, or per cent.", examples=["50.00"])
    currency: CurrencyCode | None = Field(
        None, description="The organisation's own when left out.", examples=["USD"]
    )
    bonus: AmountIn | None = Field(None, description="In the same currency; left out: none.")
    is_active: bool = Field(True, examples=[True])
    priority: int = Field(1, ge=0, le=1000, examples=[1])
    effective_from: Day | None = Field(None, examples=["2026-12-01"])
    effective_to: Day | None = Field(None, examples=["2027-11-30"])


class RateNew(RateCreate):
    """A new rate configuration."""

    external_ref: Text | None = Field(
        None, min_length=1, max_length=120, description="Your own name for it.", examples=["RATE-12"]
    )


class RateRevision(RateCreate):
    """The next version, in full: what is left out is empty in it."""

    version: Version | None = Field(None, description="The version that you saw; another one answers 409.")


class RateEnd(In):
    """The last day of a rate."""

    last_day: Day = Field(examples=["2026-12-31"])
