"""From a received rent to the owners' payouts: shared out once, each owner paid by one payout per rent.

Sharing out and paying are steps of their own, so that whatever keeps a payout from being made never undoes that the
rent is there: the share then waits with a reason, and is tried again.
"""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import exists, select, update

from webapp import queue
from webapp.audit import service as audit
from webapp.database import db, lock_row
from webapp.kernel.actor import Actor
from webapp.kernel.checks import need_reason
from webapp.kernel.clock import local_date
from webapp.kernel.errors import Conflict, Invalid
from webapp.kernel.money import Money
from webapp.notices import wanted
from webapp.outbox import service as outbox
from webapp.payouts import service as payouts
from webapp.payouts.drafts import ExclusionDraft, LineDraft, SourceDraft
from webapp.payouts.models import Payout
from webapp.people.models import Organisation
from webapp.people.numbers import next_number
from webapp.programs.rentals import entries, holding, reroutes, terms
from webapp.programs.rentals.drafts import PROGRAM, SOURCE_TYPE
from webapp.programs.rentals.models import (
    Distribution,
    DistributionShare,
    PaymentState,
    Property,
    PropertyBill,
    RentPayment,
    RentReturn,
)
from webapp.programs.rentals.rules import Distribution as Shared
from webapp.programs.rentals.rules import Owner, Part, Received, distribute
from webapp.programs.rentals.service import settings_of

NO_OWNERS = "The property has no owners. Enter them, and the rent is shared out."


def ask(payment: RentPayment, now: datetime, part: str = "") -> None:
    """Have a worker share a rent out and pay the owners."""
    outbox.add(
        kind="rent.share",
        reference_id=payment.id,
        dedupe_key=f"rent.share:{payment.id}{part}",
        to_queue=queue.MONEY,
        organisation_id=payment.organisation_id,
        now=now,
    )


def share_out(*, payment_id: int, actor: Actor, now: datetime) -> Distribution | None:
    """Share a completed rent out, once.

    None: it is not completed, went back wholly or is going back, or nobody owns the property.
    """
    payment = lock_row(RentPayment, RentPayment.id == payment_id)
    if payment.state != PaymentState.COMPLETED:
        return None
    if payment.distribution is not None:
        return payment.distribution
    if holding.is_going_back(payment.id):
        return None
    # The property's row keeps two rents from taking the same bill or filling the same reserve.
    place = lock_row(Property, Property.id == payment.charge.lease.unit.property_id)
    if not place.shares or payment.returned_minor == payment.amount_minor:
        return None
    on = payment.received_on or local_date(now, _organisation(payment).timezone)
    received = _received(payment, place, on)
    shared = distribute(received)
    row = _store(payment, place, received, shared, now)
    _take_bills(place, shared, payment, now, actor)
    entries.shared_out(row, place.reference, on, actor, now)
    audit.record(
        tag="rentals:rent_payment:shared_out",
        actor=actor,
        now=now,
        organisation_id=payment.organisation_id,
        subject_type="rent_payment",
        subject_id=payment.id,
        subject_label=payment.reference,
        changes={"owners": [None, row.distributable_minor], "fee": [None, row.fee_minor]},
    )
    return row


def _organisation(payment: RentPayment) -> Organisation:
    return db.session.get_one(Organisation, payment.organisation_id)


def _received(payment: RentPayment, place: Property, on: date) -> Received:
    return Received(
        Money(payment.amount_minor - payment.returned_minor, payment.currency),
        tuple(Owner(share.payee_id, share.payee.name, share.weight) for share in place.shares),
        terms.terms_on(place.organisation_id, place.id, on),
        terms.withholdings_on(place.organisation_id, payment.charge.lease_id, on),
        terms.open_bills(place.id),
        terms.reserve_missing(place),
    )


def _store(
    payment: RentPayment, place: Property, received: Received, shared: Shared, now: datetime
) -> Distribution:
    row = Distribution(
        organisation_id=payment.organisation_id,
        payment=payment,
        property_id=place.id,
        currency=payment.currency,
        rent_minor=shared.rent.amount,
        fee_minor=shared.fee.amount,
        fee_tax_minor=shared.fee_tax.amount,
        withheld_minor=shared.withheld.amount,
        bills_minor=shared.bills.amount,
        reserve_minor=shared.reserve.amount,
        distributable_minor=shared.distributable.amount,
        details={
            "terms": {
                "fee_percent": f"{received.terms.fee_percent:f}",
                "fee_flat": received.terms.fee_flat_minor,
                "fee_tax_percent": f"{received.terms.fee_tax_percent:f}",
            },
            "withheld": {section: amount.amount for section, amount in shared.withheld_by_section},
            "bills": {str(bill_id): amount.amount for bill_id, amount in shared.bills_taken},
            "parts": {str(part.owner.payee_id): _part_said(part) for part in shared.parts},
        },
        created_at=now,
        shares=[
            DistributionShare(payee_id=p.owner.payee_id, weight=p.owner.weight, amount_minor=p.net.amount)
            for p in shared.parts
        ],
    )
    db.session.add(row)
    db.session.flush()
    return row


def _part_said(part: Part) -> dict[str, int]:
    names = ("gross", "fee", "fee_tax", "withheld", "bills", "reserve", "net")
    return {name: getattr(part, name).amount for name in names}


def _take_bills(place: Property, shared: Shared, payment: RentPayment, now: datetime, actor: Actor) -> None:
    """Count what of the bills is paid by this rent; a fee that it did not cover becomes a bill of its own."""
    for bill_id, amount in shared.bills_taken:
        bill = lock_row(PropertyBill, PropertyBill.id == bill_id)
        bill.taken_minor += amount.amount
        if bill.taken_minor == bill.amount_minor:
            bill.state = "taken"
    if shared.fee_owed:
        db.session.add(
            PropertyBill(
                organisation_id=place.organisation_id,
                reference=next_number(place.organisation_id, "BL"),
                property_id=place.id,
                description=f"Management fee of {payment.reference} that the rent did not cover",
                billed_on=payment.received_on or now.date(),
                currency=place.currency,
                amount_minor=shared.fee_owed.amount,
                created_by_id=actor.user_id,
                created_by_label=actor.label,
                created_at=now,
            )
        )
    db.session.flush()


def pay_owners(*, payment_id: int, actor: Actor, now: datetime) -> list[Payout]:
    """A payout for each owner of a shared-out rent who has none; what stands in the way is written to the share.

    A share whose payout was rejected or cancelled is left to a person. While the rent is going back nobody is paid.
    """
    payment = lock_row(RentPayment, RentPayment.id == payment_id)
    distribution = payment.distribution
    if distribution is None:
        return []
    if holding.is_going_back(payment.id):
        holding.hold_back(payment, actor, now)
        return []
    holding.settle_returned(payment, actor, now)
    if not settings_of(payment.organisation_id).is_automatic:
        return []
    made = []
    for share in distribution.shares:
        if share.payout_id is None and share.offer == "open" and share.amount_minor > share.netted_minor:
            try:
                payout = pay_share(share=share, payment=payment, actor=actor, now=now)
            except (Invalid, Conflict) as reason:
                share.waits_for = reason.message[:300]
                continue
            if payout is not None:
                made.append(payout)
    db.session.flush()
    return made


def pay_share(
    *, share: DistributionShare, payment: RentPayment, actor: Actor, now: datetime
) -> Payout | None:
    """One owner's payout for one rent, less what they owe; None when all of it goes against that.

    Raises Invalid or Conflict, and then nothing of it is done.
    """
    with db.session.begin_nested():
        holding.net(share, payment, actor, now)
        share.waits_for = ""
        if share.amount_minor == share.netted_minor:
            return None
        charge, place = payment.charge, payment.charge.lease.unit.property
        is_rerouted = reroutes.is_waiting(place, now)
        payout = payouts.create(
            organisation_id=payment.organisation_id,
            program=PROGRAM,
            payee_id=share.payee_id,
            currency=payment.currency,
            lines=_lines(share, payment),
            sources=[SourceDraft(SOURCE_TYPE, payment.id)],
            period_start=charge.period_start,
            period_end=charge.period_end,
            cost_account=f"held:{share.payee.reference}",
            exclusions=_exclusions(payment, now),
            is_automatic=not is_rerouted,
            note=f"{place.reference} has other owners or terms since a short while: a person approves it."
            if is_rerouted
            else "",
            actor=actor,
            now=now,
        )
        share.payout_id = payout.id
        db.session.flush()
        wanted.ask(share.payee, now)
        return payout


def _exclusions(payment: RentPayment, now: datetime) -> list[ExclusionDraft]:
    """Who decided what is paid may not approve it: entered or verified the rent, changed the property."""
    place = payment.charge.lease.unit.property
    changed = f"changed the owners or terms of {place.reference}"
    found = [
        (payment.entered_by_id, f"entered {payment.reference}"),
        (payment.verified_by_id, f"verified {payment.reference}"),
        (place.edited_by_id, f"changed {place.reference}, its owners, terms or bills"),
        (place.rerouted_by_id, changed),
        *((user_id, changed) for user_id in sorted(reroutes.changers(place, now))),
    ]
    return [ExclusionDraft(user_id, reason) for user_id, reason in found if user_id is not None]


def _lines(share: DistributionShare, payment: RentPayment) -> list[LineDraft]:
    charge, place = payment.charge, payment.charge.lease.unit.property
    part, how = share.part, _formulas(share)
    unsent = min(share.netted_minor, holding.unsent_of(share, payment))
    unit = f"{place.name}, {payment.charge.lease.unit.name}"
    common: dict[str, Any] = {
        "occurred_on": payment.received_on,
        "source_type": SOURCE_TYPE,
        "source_id": payment.id,
        "source_label": payment.reference,
    }
    lines = [
        LineDraft(
            "earning",
            f"Rent of {unit}, {charge.period_start:%B %Y}",
            part["gross"],
            formula=how["gross"],
            **common,
        ),
        LineDraft("deduction", "Management fee", -part["fee"], formula=how["fee"], **common),
        LineDraft("tax", "Tax on the fee", -part["fee_tax"], formula=how["fee_tax"], **common),
        LineDraft("tax", "Tax withheld", -part["withheld"], formula=how["withheld"], **common),
        LineDraft("deduction", "Bills of the property", -part["bills"], formula=how["bills"], **common),
        LineDraft(
            "deduction", "Kept for the property's reserve", -part["reserve"], formula=how["reserve"], **common
        ),
        LineDraft("adjustment", "Went back to the tenant before it was paid out", -unsent, **common),
        LineDraft(
            "adjustment",
            "Against rent that went back after it was paid out",
            unsent - share.netted_minor,
            **common,
        ),
    ]
    return [line for line in lines if line.amount_minor]


def _formulas(share: DistributionShare) -> dict[str, str]:
    """How each line came about, in words that stay with the payout; the owner's part of it where there are several."""
    row = share.distribution
    terms_used = row.details.get("terms", {})
    total = sum(each.weight for each in row.shares)
    mine = "" if len(row.shares) == 1 else f", your part {share.weight} of {total}"

    def say(minor: int) -> str:
        return Money(minor, row.currency).plain

    flat = f" and {say(terms_used['fee_flat'])}" if terms_used.get("fee_flat") else ""
    percent, tax = (_percent(terms_used.get(name)) for name in ("fee_percent", "fee_tax_percent"))
    sections = ", ".join(row.details.get("withheld", {}))
    return {
        "gross": f"Rent of {say(row.rent_minor)}{mine}" if mine else "",
        "fee": f"{percent} % of {say(row.rent_minor)}{flat}{mine}" if percent else "",
        "fee_tax": f"{tax} % of {say(row.fee_minor)}{mine}" if tax else "",
        "withheld": f"Section {sections}{mine}" if sections else "",
        "bills": f"Bills of {say(row.bills_minor)}{mine}",
        "reserve": f"{say(row.reserve_minor)} kept{mine}",
    }


def _percent(text: str | None) -> str:
    """ "8" of "8.0000"; empty where it is not known any more."""
    return f"{Decimal(text).normalize():f}" if text else ""


def ask_after_failure(payout: Payout, now: datetime) -> None:
    """A payout came to nothing: where its rent went back meanwhile, a worker takes it back or sets its share off."""
    going = exists().where(RentReturn.payment_id == RentPayment.id, RentReturn.state != "failed")
    for payment in db.session.scalars(
        select(RentPayment)
        .join(RentPayment.distribution)
        .join(DistributionShare)
        .where(DistributionShare.payout_id == payout.id, going)
    ):
        ask(payment, now, part=f":failed:{payout.id}:{payout.version}")


def block_share(payout: Payout, reason: str) -> None:
    """A payout that will not be made leaves its share waiting until a person pays it again or dismisses it."""
    db.session.execute(
        update(DistributionShare)
        .where(DistributionShare.payout_id == payout.id)
        .values(payout_id=None, offer="blocked", waits_for=reason[:300])
        .execution_options(synchronize_session="fetch")
    )


def decide_blocked(
    *, organisation_id: int, share_id: int, is_paid_again: bool, reason: str, actor: Actor, now: datetime
) -> DistributionShare:
    """A person's word on a share whose payout was rejected or cancelled: pay it again, or dismiss it with a reason.

    What is dismissed stays held for the owner. Raises NotFound, Conflict, Invalid without a reason.
    """
    payment_id = db.session.scalar(
        select(RentPayment.id)
        .join(RentPayment.distribution)
        .join(DistributionShare)
        .where(DistributionShare.id == share_id, RentPayment.organisation_id == organisation_id)
    )
    payment = lock_row(RentPayment, RentPayment.id == (payment_id or 0))
    share = lock_row(DistributionShare, DistributionShare.id == share_id)
    if share.offer != "blocked":
        raise Conflict("Somebody has decided already, or there is nothing to decide.")
    reason = need_reason(reason, "The property's terms are right now.", "rent")
    share.offer, share.waits_for = ("open", "") if is_paid_again else ("dismissed", reason[:300])
    audit.record(
        tag=f"rentals:rent_share:{'reopened' if is_paid_again else 'dismissed'}",
        actor=actor,
        now=now,
        organisation_id=organisation_id,
        subject_type="rent_payment",
        subject_id=payment.id,
        subject_label=f"{payment.reference} {share.payee.name}",
        note=reason,
    )
    if is_paid_again:
        ask(payment, now, part=f":again:{share.id}:{int(now.timestamp())}")
    db.session.flush()
    return share
