"""Example records for the addresses of the API; all of them are the technician's."""

from __future__ import annotations

from sqlalchemy import select

from tests.factories import FACTORY, actor_of, destination, installations, rentals
from tests.factories.payouts import WHEN, payout
from tests.house.town import Arguments, House, example
from webapp.database import db
from webapp.kernel.clock import utc_now
from webapp.kernel.ids import new_uid
from webapp.payouts.models import Payout
from webapp.people.access import tokens
from webapp.people.changes import service as changes
from webapp.programs.rentals import payments
from webapp.programs.rentals.models import RentCharge
from webapp.statements import service as statements


def _payout(house: House) -> Payout:
    return payout(house.organisation, house.payees["technician"])


@example("api.payouts", "api.payout_actions")
def a_payout(house: House, kind: str) -> list[Arguments]:
    """A payout that waits for approval."""
    return [{"reference": _payout(house).reference}]


@example("api.installations")
def an_installation(house: House, kind: str) -> list[Arguments]:
    """An installation of the technician."""
    made = installations.installation(house.organisation, house.payees["technician"])
    return [{"reference": made.reference}]


@example("api.rates")
def a_rate(house: House, kind: str) -> list[Arguments]:
    """A rate configuration."""
    return [{"configuration_id": installations.rate(house.organisation).id}]


@example("api.properties")
def a_property(house: House, kind: str) -> list[Arguments]:
    """A property of the owner."""
    return [{"reference": rentals.property_of(house.organisation, [(house.payees["owner"], 1)]).reference}]


@example("api.leases")
def a_lease(house: House, kind: str) -> list[Arguments]:
    """A lease in a property of the owner."""
    place = rentals.property_of(house.organisation, [(house.payees["owner"], 1)])
    return [{"reference": rentals.lease(place).reference}]


def _rent(house: House) -> RentCharge:
    return rentals.charge(rentals.property_of(house.organisation, [(house.payees["owner"], 1)]))


@example("api.rents")
def a_rent(house: House, kind: str) -> list[Arguments]:
    """A month's rent."""
    return [{"reference": _rent(house).reference}]


@example("api.rent_payments")
def a_rent_payment(house: House, kind: str) -> list[Arguments]:
    """A payment that somebody entered by hand."""
    made = payments.enter_by_hand(
        organisation_id=house.organisation.id,
        charge_reference=_rent(house).reference,
        amount_minor=10_000_00,
        received_on=WHEN.date(),
        proof_reference=f"UTR {new_uid()}",
        proof_key=None,
        proof_name="",
        actor=FACTORY,
        now=WHEN,
    )
    return [{"reference": made.reference}]


@example("api.payees")
def a_payee(house: House, kind: str) -> list[Arguments]:
    """The technician."""
    return [{"reference": house.payees["technician"].reference}]


@example("api.bank_changes")
def an_asked_for_change(house: House, kind: str) -> list[Arguments]:
    """New details that the technician asked for."""
    asked = changes.ask(
        organisation_id=house.organisation.id,
        payee_id=house.payees["technician"].id,
        destination=destination(),
        source="payee",
        actor=actor_of(house.users["technician"]),
        now=WHEN,
    )
    return [{"reference": asked.reference}]


@example("api.statements")
def a_statement(house: House, kind: str) -> list[Arguments]:
    """A statement that was asked for."""
    payout_id = db.session.scalar(select(Payout.id).where(Payout.id == _payout(house).id))
    made = statements.request_remittance(payout_id=payout_id, actor=FACTORY, now=WHEN)
    return [{"number": made.number}]


@example("public.tokens", "admin.tokens")
def a_token(house: House, kind: str) -> list[Arguments]:
    """A token of the admin."""
    admin = house.users["admin"]
    _, row = tokens.create(
        user_id=admin.id, organisation_id=house.organisation.id, actor=actor_of(admin), now=utc_now()
    )
    return [{"token_id": row.id}]
