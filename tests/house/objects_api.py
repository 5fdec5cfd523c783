"""Example records for the addresses of the API: the technician's, and for a clinic the practitioner's."""

from __future__ import annotations

from sqlalchemy import select

from tests.factories import FACTORY, actor_of, clinic, destination, installations, rentals
from tests.factories.payouts import WHEN, payout
from tests.house.town import Arguments, House, example
from webapp.database import db
from webapp.kernel.clock import utc_now
from webapp.kernel.ids import new_uid
from webapp.payouts.models import Payout
from webapp.people.access import tokens
from webapp.people.changes import service as changes
from webapp.programs.clinic import bulk, commission_rules, withdrawing
from webapp.programs.clinic.drafts import RuleDraft
from webapp.programs.clinic.models import ClinicTransaction, Invoice
from webapp.programs.rentals import payments
from webapp.programs.rentals.models import RentCharge
from webapp.runs.models import Run
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


@example("api.customers")
def a_customer(house: House, kind: str) -> list[Arguments]:
    """A customer."""
    return [{"reference": clinic.customer(house.organisation).reference}]


@example("api.appointments")
def an_appointment(house: House, kind: str) -> list[Arguments]:
    """An appointment of the practitioner."""
    made = clinic.appointment(house.organisation, [house.payees["practitioner"]])
    return [{"reference": made.reference}]


def _paid(house: House) -> Invoice:
    return clinic.paid(house.organisation, [house.payees["practitioner"]])


@example("api.invoices", "api.invoice_money", "api.invoice_payouts")
def an_invoice(house: House, kind: str) -> list[Arguments]:
    """A paid invoice for an appointment of the practitioner."""
    return [{"number": _paid(house).number}]


def _run(house: House) -> Run:
    return bulk.draft_run(
        organisation_id=house.organisation.id, invoice_ids=[_paid(house).id],
        actor=actor_of(house.users["admin"]), now=clinic.WHEN,
    )  # fmt: skip


@example("api.payout_runs", "api.runs")
def a_run(house: House, kind: str) -> list[Arguments]:
    """Payouts that the admin chose."""
    return [{"reference": _run(house).reference}]


def _withdrawal(house: House) -> Payout:
    """What the practitioner asked for of the payout of an invoice."""
    practitioner = house.payees["practitioner"]
    clinic.pay_out(_paid(house))
    return withdrawing.request_withdrawal(
        organisation_id=house.organisation.id, payee_id=practitioner.id, amount_minor=10_00,
        actor=actor_of(house.users["practitioner"]), now=clinic.WHEN,
    )  # fmt: skip


@example("api.transactions")
def a_transaction(house: House, kind: str) -> list[Arguments]:
    """A movement of the practitioner's wallet."""
    asked = _withdrawal(house).id
    query = select(ClinicTransaction.reference).where(ClinicTransaction.payout_id == asked)
    return [{"reference": db.session.scalars(query).one()}]


@example("api.withdrawals")
def a_withdrawal(house: House, kind: str) -> list[Arguments]:
    """A withdrawal of the practitioner."""
    return [{"reference": _withdrawal(house).reference}]


@example("api.wallets")
def a_wallet(house: House, kind: str) -> list[Arguments]:
    """The practitioner's."""
    clinic.pay_out(_paid(house))
    return [{"reference": house.payees["practitioner"].reference}]


@example("api.commission_rules")
def a_commission_rule(house: House, kind: str) -> list[Arguments]:
    """A rule that the accountant asked for and an admin decides about."""
    made = commission_rules.create_rule(
        organisation_id=house.organisation.id, draft=RuleDraft("Physiotherapy"),
        actor=actor_of(house.users["accountant"]), now=clinic.WHEN,
    )  # fmt: skip
    return [{"rule_id": made.rule_id}]


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
