"""Example records of a clinic: a paid invoice, one that is open, a customer, an appointment, rules, wallets."""

from __future__ import annotations

import hashlib

from sqlalchemy import select

from tests.factories import FACTORY, actor_of, clinic
from tests.house.town import Arguments, House, example
from webapp.database import db
from webapp.kernel.ids import new_uid
from webapp.ledger.models import Account
from webapp.programs.clinic import bulk, commission_rules, deductions, payments, wallets
from webapp.programs.clinic.drafts import DeductionDraft, RuleDraft
from webapp.programs.clinic.models import Invoice
from webapp.providers import storage
from webapp.providers.keeping import Kept
from webapp.web.uploads import Upload


def _paid(house: House) -> Invoice:
    return clinic.paid(house.organisation, [house.payees["practitioner"]])


@example("admin.clinic.invoices_export")
def formats_of_invoices(house: House, kind: str) -> list[Arguments]:
    """Both file formats."""
    return [{"format": "csv"}, {"format": "xlsx"}]


@example("admin.clinic.invoice", "admin.clinic.transactions", "admin.clinic.create_payout", "admin.clinic.refund",
         "admin.clinic.decide")  # fmt: skip
def a_paid_invoice(house: House, kind: str) -> list[Arguments]:
    """An invoice for an appointment that the customer has paid."""
    return [{"number": _paid(house).number}]


@example("admin.clinic.record_payment", "admin.clinic.write_off")
def an_open_invoice(house: House, kind: str) -> list[Arguments]:
    """An invoice that nobody has paid."""
    return [{"number": clinic.invoice(house.organisation, [house.payees["practitioner"]]).number}]


@example("admin.clinic.proof")
def a_proof(house: House, kind: str) -> list[Arguments]:
    """A payment by hand with its receipt."""
    invoice, key = clinic.invoice(house.organisation, [house.payees["practitioner"]]), f"clinic/{new_uid()}"
    data = b"%PDF-1.7 receipt %%EOF"
    upload = Upload("receipt.pdf", "application/pdf", data, hashlib.sha256(data).hexdigest())
    storage.save(key, data)
    made = payments.record_payment(
        organisation_id=house.organisation.id, number=invoice.number, amount_minor=50_00, method="cash",
        happened_on=clinic.DAY, proof=Kept(key, upload), actor=FACTORY, now=clinic.WHEN,
    )  # fmt: skip
    return [{"reference": made.transaction.reference}]


@example("admin.clinic.check_many", "admin.clinic.confirm_many")
def a_draft_of_payouts(house: House, kind: str) -> list[Arguments]:
    """What the admin ticked to be paid out."""
    run = bulk.draft_run(
        organisation_id=house.organisation.id, invoice_ids=[_paid(house).id],
        actor=actor_of(house.users["admin"]), now=clinic.WHEN,
    )  # fmt: skip
    return [{"reference": run.reference}]


@example("admin.clinic.edit_customer")
def a_customer(house: House, kind: str) -> list[Arguments]:
    """A customer."""
    return [{"reference": clinic.customer(house.organisation).reference}]


@example("admin.clinic.edit_appointment", "admin.clinic.cancel_appointment")
def an_appointment(house: House, kind: str) -> list[Arguments]:
    """An appointment of the practitioner."""
    made = clinic.appointment(house.organisation, [house.payees["practitioner"]])
    return [{"reference": made.reference}]


@example("admin.clinic.wallet", "admin.clinic.adjust_wallet")
def the_clinic_s_wallet(house: House, kind: str) -> list[Arguments]:
    """The clinic's wallet, filled by a payment."""
    _paid(house)
    found = db.session.scalars(
        select(Account.id).where(
            Account.organisation_id == house.organisation.id, Account.code == wallets.CLINIC
        )
    ).first()
    return [{"account_id": found}]


@example("admin.clinic.end_deduction")
def a_deduction(house: House, kind: str) -> list[Arguments]:
    """Room rent of the practitioner."""
    draft = DeductionDraft(house.payees["practitioner"].id, "Room rent", 250_00, clinic.DAY)
    made = deductions.add_deduction(
        organisation_id=house.organisation.id, draft=draft, actor=FACTORY, now=clinic.WHEN
    )
    return [{"deduction_id": made.id}]


@example("admin.clinic.rule", "admin.clinic.revise_rule", "admin.clinic.accept_rule", "admin.clinic.refuse_rule",
         "admin.clinic.withdraw_rule", "admin.clinic.end_rule")  # fmt: skip
def a_rule(house: House, kind: str) -> list[Arguments]:
    """A rule that the accountant asked for and an admin decides about."""
    made = commission_rules.create_rule(
        organisation_id=house.organisation.id, draft=RuleDraft("Physiotherapy"),
        actor=actor_of(house.users["accountant"]), now=clinic.WHEN,
    )  # fmt: skip
    return [{"rule_id": made.rule_id}]
