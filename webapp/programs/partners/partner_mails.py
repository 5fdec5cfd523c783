"""Mails about deals that partners register and commissions that they do not agree with: to admins, and the answer."""

from __future__ import annotations

from webapp.database import db
from webapp.kernel.errors import NotFound
from webapp.kernel.money import Money
from webapp.notices.compose import say_day, say_money
from webapp.notices.delivery import to_admins, to_payee
from webapp.notices.letters import Letter
from webapp.notices.models import Email
from webapp.notices.service import Desk
from webapp.people.models import Organisation, Payee
from webapp.programs.partners.models import Commission, CommissionDispute, Registration
from webapp.programs.partners.states import DisputeState, RegistrationState

MADE, REGISTERED = "registration_made", "registration_decided"
DISPUTED, ANSWERED = "commission_disputed", "commission_decided"


def _registration(registration_id: int) -> tuple[Registration, Organisation]:
    row = db.session.get(Registration, registration_id)
    if row is None:
        raise NotFound
    return row, db.session.get_one(Organisation, row.organisation_id)


def _expected(row: Registration, organisation: Organisation) -> str:
    money = Money(row.expected_minor, row.currency)
    return say_money(money, home_currency=organisation.currency, locale=organisation.locale)


def registration_made(registration_id: int, *, desk: Desk) -> list[Email]:
    """Tell the admins that a partner registered a deal; nobody when it is decided or withdrawn. Raises NotFound."""
    row, organisation = _registration(registration_id)
    if row.state != RegistrationState.PENDING:
        return []
    letter = Letter(
        folder=MADE,
        organisation=organisation.name,
        reference=row.reference,
        rows=(
            ("Partner", f"{row.payee.name}, {row.payee.reference}"),
            ("Customer", row.customer),
            ("Product", row.product),
            ("Expected", _expected(row, organisation)),
            ("Program", row.program.name),
            ("They say", row.note),
        ),
        values={"partner": row.payee.name, "customer": row.customer},
        link=f"{desk.public_url}/admin/partners/registrations/{row.reference}",
    )
    return to_admins(letter, f"{MADE}:{row.id}", organisation, desk)


def registration_decided(registration_id: int, *, desk: Desk) -> Email | None:
    """Tell a partner whether a deal is theirs, and why not; None when nobody knows an address. Raises NotFound."""
    row, organisation = _registration(registration_id)
    if row.state not in (RegistrationState.APPROVED, RegistrationState.REJECTED):
        return None
    is_accepted = row.state == RegistrationState.APPROVED
    letter = Letter(
        folder=REGISTERED,
        organisation=organisation.name,
        reference=row.reference,
        rows=(
            ("Customer", row.customer),
            ("Product", row.product),
            ("Deal", row.deal.reference if row.deal else ""),
            ("Reason", "" if is_accepted else row.reason),
        ),
        values={"customer": row.customer, "is_accepted": is_accepted},
        link=_own_page(row.payee, f"registrations/{row.reference}", desk),
    )
    return to_payee(letter, row.payee, f"{REGISTERED}:{row.id}", organisation, desk)


def _dispute(dispute_id: int) -> tuple[CommissionDispute, Commission, Organisation, str]:
    """The dispute, the commission, whose it is, and over how much it is, in words."""
    row = db.session.get(CommissionDispute, dispute_id)
    if row is None:
        raise NotFound
    organisation = db.session.get_one(Organisation, row.organisation_id)
    money = Money(row.commission.amount_minor, row.commission.currency)
    amount = say_money(money, home_currency=organisation.currency, locale=organisation.locale)
    return row, row.commission, organisation, amount


def _about(commission: Commission) -> str:
    """What a commission is for: its deal, or its month or quarter."""
    return commission.deal.name if commission.deal else f"Retainer {commission.period}"


def commission_disputed(dispute_id: int, *, desk: Desk) -> list[Email]:
    """Tell the admins that a partner does not agree with a commission; nobody when it is decided. Raises NotFound."""
    row, commission, organisation, amount = _dispute(dispute_id)
    if row.state != DisputeState.OPEN:
        return []
    letter = Letter(
        folder=DISPUTED,
        organisation=organisation.name,
        reference=commission.reference,
        rows=(
            ("Partner", f"{commission.payee.name}, {commission.payee.reference}"),
            ("Commission", _about(commission)),
            ("Of", say_day(commission.earned_on)),
            ("Amount", amount),
            ("Why", row.reason),
        ),
        values={"partner": commission.payee.name, "amount": amount},
        link=f"{desk.public_url}/admin/partners/disputes",
    )
    return to_admins(letter, f"{DISPUTED}:{row.id}", organisation, desk)


def commission_decided(dispute_id: int, *, desk: Desk) -> Email | None:
    """Tell a partner what was decided about a commission; None when nobody knows an address. Raises NotFound."""
    row, commission, organisation, amount = _dispute(dispute_id)
    if row.state == DisputeState.OPEN:
        return None
    letter = Letter(
        folder=ANSWERED,
        organisation=organisation.name,
        reference=commission.reference,
        rows=(
            ("Commission", _about(commission)),
            ("Of", say_day(commission.earned_on)),
            ("Amount", amount),
            ("You said", row.reason),
            ("Decision", DisputeState(row.state).label),
            ("Answer", row.answer),
        ),
        values={"amount": amount, "is_accepted": row.state == DisputeState.ACCEPTED},
        link=_own_page(commission.payee, f"commissions/{commission.reference}", desk),
    )
    return to_payee(letter, commission.payee, f"{ANSWERED}:{row.id}", organisation, desk)


def _own_page(payee: Payee, page: str, desk: Desk) -> str:
    """A page of the partner's portal; empty for who cannot sign in."""
    return f"{desk.public_url}/{payee.kind}/{page}" if payee.user_id else ""
