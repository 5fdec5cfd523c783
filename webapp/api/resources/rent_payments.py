"""Payments of rent: through the gateway, or entered by hand and verified by a second person."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from webapp.api import paging
from webapp.api.bearer import Caller
from webapp.api.operations import Resource
from webapp.api.resources.acts import act_of
from webapp.api.resources.amounts import minor_in
from webapp.api.schemas.common import Amount, PayeeRef
from webapp.api.schemas.rentals import (
    RentPaymentCreate,
    RentPaymentDetail,
    RentPaymentOut,
    RentPaymentPage,
    RentPaymentQuery,
    ShareOut,
    VersionSeen,
    WithReason,
)
from webapp.database import db
from webapp.kernel.clock import utc_now
from webapp.payouts.models import Payout
from webapp.people.access.tokens import Scope
from webapp.programs.rentals import lists, payments
from webapp.programs.rentals.models import RentPayment

resource = Resource(
    "rent_payments",
    "/rent-payments",
    title="Rent payments",
    about="A received payment is shared out among the owners, and each owner's payout leaves by itself.",
)
_read, _write = {"scope": Scope.RENTALS_READ}, {"scope": Scope.RENTALS_WRITE, "answers": RentPaymentDetail}
_AS_IT_IS = (
    "reference", "state", "source", "utr", "received_on", "proof_reference", "version", "created_at",
    "completed_at",
)  # fmt: skip


def _fields(row: RentPayment) -> dict[str, Any]:
    return {
        **{name: getattr(row, name) for name in _AS_IT_IS},
        "rent": row.charge.reference,
        "amount": Amount.of(row.amount_minor, row.currency),
        "gateway_charge": Amount.of(row.gateway_charge_minor, row.currency),
        "returned": Amount.of(row.returned_minor, row.currency),
        "problem": row.error_message,
    }


def _detail(row: RentPayment) -> RentPaymentDetail:
    _, shares = lists.shares_of(row)
    ids = [share.payout_id for share in shares if share.payout_id]
    references: dict[int, str] = dict(
        db.session.execute(select(Payout.id, Payout.reference).where(Payout.id.in_(ids))).all()
    )
    return RentPaymentDetail(
        **_fields(row),
        shares=[
            ShareOut(
                owner=PayeeRef.of(share.payee),
                amount=Amount.of(share.amount_minor, row.currency),
                payout=references.get(share.payout_id) if share.payout_id else None,
                waits_for=share.waits_for,
            )
            for share in shares
        ],
    )


@resource.get("", summary="List payments of rent", query=RentPaymentQuery, answers=RentPaymentPage, **_read)
def index(who: Caller, query: RentPaymentQuery) -> RentPaymentPage:
    """The payments that match, the newest first."""
    chosen = lists.PaymentFilter(query.search or "", query.state or "", query.source or "")
    found = lists.list_payments(who.organisation_id, chosen)
    rows, following = paging.page(found, RentPayment.id, limit=query.limit, cursor=query.cursor)
    return RentPaymentPage(items=[RentPaymentOut(**_fields(row)) for row in rows], next_cursor=following)


@resource.get("/<reference>", summary="Get a payment of rent", answers=RentPaymentDetail,
              scope=Scope.RENTALS_READ)  # fmt: skip
def show(who: Caller, reference: str) -> RentPaymentDetail:
    """One payment, and what its owners get of it."""
    return _detail(lists.get_payment(who.organisation_id, reference))


@resource.post("", summary="Enter a payment of rent", body=RentPaymentCreate, status=201,
               location="/rent-payments/{reference}", **_write)  # fmt: skip
def create(who: Caller, body: RentPaymentCreate) -> RentPaymentDetail:
    """Rent that came outside the gateway: another person verifies it, then it counts."""
    rent = lists.get_charge(who.organisation_id, body.rent)
    made = payments.enter_by_hand(
        organisation_id=who.organisation_id,
        charge_reference=rent.reference,
        amount_minor=minor_in(body.amount, rent.currency, "amount"),
        received_on=body.received_on,
        proof_reference=body.proof_reference,
        proof_key=None,
        proof_name="",
        actor=who.actor,
        now=utc_now(),
    )
    return _detail(made)


@resource.post("/<reference>/verify", summary="Verify a payment of rent", body=VersionSeen, **_write)
def verify(who: Caller, reference: str, body: VersionSeen) -> RentPaymentDetail:
    """The second person's yes: the rent counts and is shared out. Who entered it cannot verify it."""
    done = payments.verify(
        reference=reference,
        **act_of(who, body.version),
    )
    return _detail(done)


@resource.post("/<reference>/cancel", summary="Take back a payment of rent", body=WithReason, **_write)
def cancel(who: Caller, reference: str, body: WithReason) -> RentPaymentDetail:
    """For one that was entered by hand and is not verified."""
    done = payments.cancel(
        reference=reference,
        reason=body.reason,
        **act_of(who, body.version),
    )
    return _detail(done)
