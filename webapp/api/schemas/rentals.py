"""Properties, leases, rents and rent payments as the API shows and takes them."""

from __future__ import annotations

from datetime import date
from typing import Literal

from pydantic import Field

from webapp.api.schemas.common import (
    Amount,
    AmountIn,
    Day,
    In,
    Instant,
    Note,
    Out,
    PageQuery,
    PayeeRef,
    Reason,
    Text,
    Version,
)

LeaseWord = Literal["active", "ended"]
RentWord = Literal["open", "part", "paid", "waived"]
RentFilterWord = Literal["open", "part", "paid", "waived", "late"]
PaymentWord = Literal["pending", "to_verify", "completed", "failed", "cancelled", "refunded"]
SourceWord = Literal["phonepe", "manual"]

_search = Field(None, max_length=120, description="A part of a reference or a name.", examples=["Banyan"])
_external = Field(None, min_length=1, max_length=120, examples=["GR-118"])


class PropertyQuery(PageQuery):
    """Which properties, and which page of them."""

    search: Text | None = _search


class Ownership(Out):
    """An owner's part. Weights 60 and 40 are 60 % and 40 %."""

    owner: PayeeRef
    weight: int = Field(examples=[60])


class OwnershipIn(In):
    """An owner's part."""

    owner: Text = Field(
        min_length=1, max_length=120, description="Reference of the owner.", examples=["PY-0001"]
    )
    weight: int = Field(1, ge=1, le=10**9, examples=[60])


class UnitOut(Out):
    """What can be let."""

    reference: str = Field(examples=["UN-0001"])
    name: str = Field(examples=["Flat 4B"])


class PropertyOut(Out):
    """A property, its owners and its units."""

    reference: str = Field(examples=["PR-0001"])
    external_ref: str | None = Field(examples=["GR-118"])
    name: str = Field(examples=["Banyan Court"])
    address: str = Field(examples=["12 MG Road, Bengaluru 560001"])
    currency: str = Field(examples=["INR"])
    reserve_target: Amount = Field(description="Kept back from rents until the reserve holds it.")
    owners: list[Ownership]
    units: list[UnitOut]
    version: int = Field(examples=[1])
    created_at: Instant = Field(examples=["2026-11-03T09:00:00.000Z"])


class PropertyPage(Out):
    """One page of properties, the newest first."""

    items: list[PropertyOut]
    next_cursor: str | None = Field(examples=[None])


class PropertyCreate(In):
    """A new property. Without owners its rents wait."""

    name: Text = Field(min_length=1, max_length=200, examples=["Banyan Court"])
    address: Text = Field("", max_length=500, examples=["12 MG Road, Bengaluru 560001"])
    reserve_target: AmountIn | None = Field(
        None, description="In the organisation's currency; none when left out."
    )
    owners: list[OwnershipIn] = Field([], max_length=100)
    external_ref: Text | None = _external


class PropertyChange(In):
    """The property as it shall be; rents that were shared out stay as they are."""

    version: Version = Field(description="Of the property as you saw it; another one answers 409.")
    name: Text = Field(min_length=1, max_length=200, examples=["Banyan Court"])
    address: Text = Field("", max_length=500, examples=["12 MG Road, Bengaluru 560001"])
    reserve_target: AmountIn | None = Field(None, description="None when left out.")
    owners: list[OwnershipIn] = Field(min_length=1, max_length=100)


class UnitCreate(In):
    """A new unit of a property."""

    name: Text = Field(min_length=1, max_length=120, examples=["Flat 4B"])


class TenantOut(Out):
    """Who rents."""

    reference: str = Field(examples=["TN-0001"])
    name: str = Field(examples=["Asha Iyer"])
    email: str = Field(examples=["asha@example.com"])


class TenantIn(In):
    """Who rents; the mails with the pay links go to the address."""

    name: Text = Field(min_length=1, max_length=200, examples=["Asha Iyer"])
    email: Text = Field("", max_length=254, examples=["asha@example.com"])
    phone: Text = Field("", max_length=40, examples=["+91 98450 12345"])
    external_ref: Text | None = _external


class LeaseQuery(PageQuery):
    """Which leases, and which page of them."""

    state: LeaseWord | None = Field(None, examples=["active"])
    search: Text | None = _search


class LeaseOut(Out):
    """A unit let to tenants for a rent."""

    reference: str = Field(examples=["LS-0001"])
    external_ref: str | None = Field(examples=["GR-118"])
    state: LeaseWord = Field(examples=["active"])
    property: str = Field(description="Reference.", examples=["PR-0001"])
    unit: UnitOut
    tenants: list[TenantOut]
    rent: Amount = Field(description="What was agreed at first.")
    deposit: Amount
    due_day: int = Field(description="Day of the month.", examples=[5])
    start_on: date = Field(examples=["2026-11-01"])
    end_on: date | None = Field(examples=[None])
    version: int = Field(examples=[1])
    created_at: Instant = Field(examples=["2026-11-03T09:00:00.000Z"])


class LeasePage(Out):
    """One page of leases, the newest first."""

    items: list[LeaseOut]
    next_cursor: str | None = Field(examples=[None])


class LeaseCreate(In):
    """A new lease of a unit that is free, with its tenants."""

    unit: Text = Field(min_length=1, max_length=120, description="Reference.", examples=["UN-0001"])
    tenants: list[TenantIn] = Field(min_length=1, max_length=20)
    rent: AmountIn
    deposit: AmountIn | None = Field(None, description="None when left out.")
    due_day: int = Field(5, ge=1, le=31, examples=[5])
    start_on: Day = Field(examples=["2026-12-01"])
    end_on: Day | None = Field(None, examples=["2027-11-30"])
    external_ref: Text | None = _external


class LeaseEnd(In):
    """When a lease ends."""

    end_on: Day = Field(description="Its last day.", examples=["2999-12-31"])


class RentQuery(PageQuery):
    """Which rents, and which page of them."""

    state: RentFilterWord | None = Field(
        None, description="late: due and not paid in full.", examples=["late"]
    )
    due_from: Day | None = Field(None, examples=["2026-11-01"])
    due_to: Day | None = Field(None, examples=["2026-11-30"])
    search: Text | None = _search


class RentOut(Out):
    """The rent of one month."""

    reference: str = Field(examples=["RC-2026-000001"])
    lease: str = Field(description="Reference.", examples=["LS-0001"])
    property: str = Field(description="Reference.", examples=["PR-0001"])
    unit: UnitOut
    tenants: list[TenantOut]
    state: RentWord = Field(examples=["open"])
    period_start: date = Field(examples=["2026-11-01"])
    period_end: date = Field(examples=["2026-11-30"])
    due_on: date = Field(examples=["2026-11-05"])
    amount: Amount
    paid: Amount
    version: int = Field(examples=[1])


class RentPage(Out):
    """One page of rents, the newest first."""

    items: list[RentOut]
    next_cursor: str | None = Field(examples=[None])


class RentPaymentQuery(PageQuery):
    """Which payments of rent, and which page of them."""

    state: PaymentWord | None = Field(None, examples=["completed"])
    source: SourceWord | None = Field(None, examples=["phonepe"])
    search: Text | None = _search


class ShareOut(Out):
    """What one owner gets of a rent."""

    owner: PayeeRef
    amount: Amount
    payout: str | None = Field(description="Reference.", examples=["PO-2026-000001"])
    waits_for: str = Field(description="Why there is no payout yet.", examples=[""])


class RentPaymentOut(Out):
    """Money that a tenant paid, or is about to."""

    reference: str = Field(examples=["RP-2026-000001"])
    rent: str = Field(description="Reference.", examples=["RC-2026-000001"])
    state: PaymentWord = Field(examples=["completed"])
    source: SourceWord = Field(examples=["phonepe"])
    amount: Amount
    gateway_charge: Amount = Field(description="What the tenant pays on top for the gateway.")
    returned: Amount = Field(description="Refunded, or taken back by a chargeback.")
    utr: str = Field(examples=["412345678901"])
    received_on: date | None = Field(examples=["2026-11-05"])
    proof_reference: str | None = Field(description="Of a payment that was entered by hand.", examples=[None])
    problem: str = Field(description="What went wrong, and who must act.", examples=[""])
    version: int = Field(examples=[1])
    created_at: Instant = Field(examples=["2026-11-03T09:00:00.000Z"])
    completed_at: Instant | None = Field(examples=["2026-11-03T09:01:00.000Z"])


class RentPaymentDetail(RentPaymentOut):
    """One payment with what its owners get."""

    shares: list[ShareOut]


class RentPaymentPage(Out):
    """One page of payments, the newest first."""

    items: list[RentPaymentOut]
    next_cursor: str | None = Field(examples=[None])


class RentPaymentCreate(In):
    """Rent that came outside the gateway. It counts when a second person has verified it."""

    rent: Text = Field(min_length=1, max_length=120, description="Reference.", examples=["RC-2026-000001"])
    amount: AmountIn
    received_on: Day = Field(description="Not in the future.", examples=["2026-11-05"])
    proof_reference: Text = Field(
        min_length=1, max_length=120, description="The bank's reference; proves one payment only.",
        examples=["UTR N325123456789"],
    )  # fmt: skip


class VersionSeen(In):
    """What was looked at."""

    version: Version = Field(description="Of the record as you saw it; another one answers 409.")


class WithReason(VersionSeen):
    """Why, for the trail."""

    reason: Reason = Field(examples=["The proof belongs to another tenant."])


class Waive(In):
    """Why a rent is no longer asked for."""

    reason: Note = Field(min_length=1, examples=["The flat was flooded."])
