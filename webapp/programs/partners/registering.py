"""Partners' own claims on deals. Accepting one names the partner in the deal; it creates no money."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, func, or_, select

from webapp.database import db, lock_row
from webapp.kernel.actor import Actor
from webapp.kernel.checks import need_reason
from webapp.kernel.errors import Conflict, Invalid
from webapp.outbox import service as outbox
from webapp.people.models import Payee
from webapp.people.numbers import next_number
from webapp.programs.partners import deals, editors, trail
from webapp.programs.partners.drafts import DealDraft, RegistrationDraft
from webapp.programs.partners.models import Deal, PartnerProgram, Registration
from webapp.programs.partners.partners import get_partner
from webapp.programs.partners.states import DealState, RegistrationState

MADE, DECIDED = "notice.registration.made", "notice.registration.decided"


@dataclass(frozen=True)
class Warnings:
    """What an admin should look at before accepting: others about the customer, and whether it is their own."""

    same_deals: tuple[str, ...]
    same_registrations: tuple[str, ...]
    is_own: bool

    @property
    def sentences(self) -> list[str]:
        """The same for people."""
        said = []
        if self.same_deals:
            said.append(f"There are deals with this customer already: {', '.join(self.same_deals)}.")
        if self.same_registrations:
            said.append(f"Others registered this customer, too: {', '.join(self.same_registrations)}.")
        if self.is_own:
            said.append("The customer is the partner: they would be paid for buying.")
        return said


def register(
    *, organisation_id: int, payee_id: int, draft: RegistrationDraft, actor: Actor, now: datetime
) -> Registration:
    """A partner says that they bring a deal. Raises NotFound, Invalid; Conflict when they said so before."""
    draft.check()
    get_partner(organisation_id, payee_id)
    program = db.session.get(PartnerProgram, draft.program_id)
    if program is None or program.organisation_id != organisation_id or not program.is_active:
        raise Invalid("program", "There is no such program.", "PP-0001")
    customer, product = " ".join(draft.customer.split()), " ".join(draft.product.split())
    known = db.session.scalar(
        select(Registration.reference).where(
            Registration.payee_id == payee_id,
            Registration.state == RegistrationState.PENDING.value,
            func.lower(Registration.customer) == customer.lower(),
            func.lower(Registration.product) == product.lower(),
        )
    )
    if known is not None:
        raise Conflict(
            f"{known} is about this customer and product and waits for a decision. Nothing was entered."
        )
    row = Registration(
        organisation_id=organisation_id,
        reference=next_number(organisation_id, "DR"),
        payee_id=payee_id,
        program_id=program.id,
        customer=customer,
        product=product,
        currency=draft.currency,
        expected_minor=draft.expected_minor,
        note=draft.note.strip(),
        created_at=now,
    )
    db.session.add(row)
    db.session.flush()
    trail.record("registration", "made", row, row.reference, actor, now, {"customer": [None, customer]})
    outbox.ask_mail(kind=MADE, reference_id=row.id, organisation_id=organisation_id, now=now)
    return row


def warnings_of(row: Registration) -> Warnings:
    """What speaks against accepting a registration."""
    customer = row.customer.lower()
    same_deals = select(Deal.reference).where(
        Deal.organisation_id == row.organisation_id,
        Deal.state == DealState.OPEN.value,
        func.lower(Deal.customer) == customer,
    )
    others = select(Registration.reference).where(
        Registration.organisation_id == row.organisation_id,
        Registration.state == RegistrationState.PENDING.value,
        Registration.id != row.id,
        func.lower(Registration.customer) == customer,
    )
    own = select(Payee.id).where(
        Payee.id == row.payee_id, or_(func.lower(Payee.name) == customer, func.lower(Payee.email) == customer)
    )
    return Warnings(
        tuple(db.session.scalars(same_deals.order_by(Deal.id).limit(20))),
        tuple(db.session.scalars(others.order_by(Registration.id).limit(20))),
        db.session.scalar(own) is not None,
    )


def _pending(
    organisation_id: int, reference: str, expected_version: int | None, *conditions: ColumnElement[bool]
) -> Registration:
    row = lock_row(
        Registration,
        Registration.organisation_id == organisation_id,
        Registration.reference == reference,
        *conditions,
    )
    trail.check_version(row, reference, expected_version)
    if row.state != RegistrationState.PENDING:
        label = RegistrationState(row.state).label.lower()
        raise Conflict(f"{reference} is {label} already, by {row.decided_by_label}. Nothing was done.")
    return row


def accept(
    *,
    organisation_id: int,
    reference: str,
    actor: Actor,
    now: datetime,
    deal_reference: str | None = None,
    expected_version: int | None = None,
) -> Registration:
    """Make a deal of a registration, or name the partner in an open one that is there. No money is made.

    Raises NotFound, StaleVersion; Conflict when it is decided, or the deal is closed or registered by another partner.
    """
    row = _pending(organisation_id, reference, expected_version)
    if deal_reference is None:
        deal = deals.create_deal(
            organisation_id=organisation_id,
            draft=DealDraft(
                row.program_id, f"{row.customer} {row.product}".strip()[:200], row.currency, row.expected_minor,
                row.created_at, row.customer, row.product, row.payee_id,
            ),
            actor=actor,
            now=now,
        )  # fmt: skip
    else:
        deal = _name_in(organisation_id, deal_reference, row, actor, now)
    row.deal_id = deal.id
    editors.remember([deal.id], actor)
    _decide(row, RegistrationState.APPROVED, actor, now, f"{deal.reference}")
    outbox.ask_mail(kind=DECIDED, reference_id=row.id, organisation_id=organisation_id, now=now)
    return row


def _name_in(
    organisation_id: int, deal_reference: str, row: Registration, actor: Actor, now: datetime
) -> Deal:
    deal = deals.get_deal(organisation_id, deal_reference)
    if deal.state != DealState.OPEN:
        raise Conflict(
            f"{deal_reference} is {DealState(deal.state).label.lower()}; it takes no registration."
        )
    if deal.registered_by_id not in (None, row.payee_id):
        raise Conflict(f"Another partner registered {deal_reference} already. Nothing was done.")
    draft = DealDraft(
        deal.program_id, deal.name, deal.currency, deal.amount_minor, deal.opened_at, deal.customer, deal.product,
        row.payee_id,
    )  # fmt: skip
    return deals.change_deal(
        organisation_id=organisation_id, reference=deal_reference, draft=draft, actor=actor, now=now
    )


def refuse(
    *,
    organisation_id: int,
    reference: str,
    reason: str,
    actor: Actor,
    now: datetime,
    expected_version: int | None = None,
) -> Registration:
    """Refuse a registration. Raises NotFound, Invalid without a reason, StaleVersion, Conflict when it is decided."""
    row = _pending(organisation_id, reference, expected_version)
    row.reason = need_reason(reason, "We talk to this customer ourselves.", "registration")
    _decide(row, RegistrationState.REJECTED, actor, now, row.reason)
    outbox.ask_mail(kind=DECIDED, reference_id=row.id, organisation_id=organisation_id, now=now)
    return row


def withdraw(
    *,
    organisation_id: int,
    payee_id: int,
    reference: str,
    actor: Actor,
    now: datetime,
    expected_version: int | None = None,
) -> Registration:
    """The partner takes a registration back. Raises NotFound, StaleVersion, Conflict when it is decided already."""
    row = _pending(organisation_id, reference, expected_version, Registration.payee_id == payee_id)
    _decide(row, RegistrationState.WITHDRAWN, actor, now, "")
    return row


def _decide(row: Registration, state: RegistrationState, actor: Actor, now: datetime, note: str) -> None:
    row.state = state.value
    row.decided_by_id, row.decided_by_label, row.decided_at = actor.user_id, actor.label, now
    row.version += 1
    db.session.flush()
    trail.record("registration", state.value, row, row.reference, actor, now, {}, note)
