"""Reads of single records and of all that belongs to them. `get_` raises NotFound, `find_` may be None."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import exists, func, or_, select
from sqlalchemy.orm import selectinload

from webapp.database import db, get_row
from webapp.kernel.money import Money
from webapp.ledger.models import Account
from webapp.payouts.models import Payout
from webapp.people.models import Payee, Role
from webapp.programs.clinic import entries, wallets
from webapp.programs.clinic.models import (
    Appointment,
    AppointmentPractitioner,
    Clawback,
    ClinicPayout,
    ClinicTransaction,
    Customer,
    Deduction,
    DeductionCharge,
    Invoice,
    PractitionerDebt,
)


def find_customer(organisation_id: int, reference: str) -> Customer | None:
    """A customer by its reference (CU-0001) or its outside name."""
    return db.session.scalar(
        select(Customer)
        .where(
            Customer.organisation_id == organisation_id,
            or_(Customer.reference == reference, Customer.external_ref == reference),
        )
        .order_by(Customer.reference != reference)
        .limit(1)
    )


def get_customer(organisation_id: int, reference: str) -> Customer:
    """A customer by its reference. Raises NotFound."""
    return get_row(
        select(Customer).where(Customer.organisation_id == organisation_id, Customer.reference == reference)
    )


def find_appointment(organisation_id: int, reference: str) -> Appointment | None:
    """An appointment by its reference (AP-0001) or its outside name."""
    return db.session.scalar(
        select(Appointment)
        .where(
            Appointment.organisation_id == organisation_id,
            or_(Appointment.reference == reference, Appointment.external_ref == reference),
        )
        .order_by(Appointment.reference != reference)
        .limit(1)
    )


def get_appointment(organisation_id: int, reference: str, payee_id: int | None = None) -> Appointment:
    """An appointment by its reference; with `payee_id` only one at which that practitioner works. Raises NotFound."""
    query = select(Appointment).where(
        Appointment.organisation_id == organisation_id, Appointment.reference == reference
    )
    if payee_id is not None:
        query = query.where(works_at(payee_id, Appointment.id))
    return get_row(query)


def works_at(payee_id: int, appointment_id: Any) -> Any:
    """Condition: the practitioner works at an appointment."""
    return exists().where(
        AppointmentPractitioner.appointment_id == appointment_id, AppointmentPractitioner.payee_id == payee_id
    )


def find_invoice(organisation_id: int, number: str) -> Invoice | None:
    """An invoice by its number (INV-001) or its outside name."""
    return db.session.scalar(
        select(Invoice)
        .where(
            Invoice.organisation_id == organisation_id,
            or_(Invoice.number == number, Invoice.external_ref == number),
        )
        .order_by(Invoice.number != number)
        .limit(1)
    )


def get_invoice(organisation_id: int, number: str, payee_id: int | None = None) -> Invoice:
    """An invoice by its number; with `payee_id` only one of an appointment of that practitioner. Raises NotFound."""
    query = select(Invoice).where(Invoice.organisation_id == organisation_id, Invoice.number == number)
    if payee_id is not None:
        query = query.where(works_at(payee_id, Invoice.appointment_id))
    return get_row(query)


def get_transaction(organisation_id: int, reference: str, payee_id: int | None = None) -> ClinicTransaction:
    """A movement by its reference; with `payee_id` only one of that practitioner's. Raises NotFound."""
    query = select(ClinicTransaction).where(
        ClinicTransaction.organisation_id == organisation_id, ClinicTransaction.reference == reference
    )
    if payee_id is not None:
        query = query.where(ClinicTransaction.payee_id == payee_id)
    return get_row(query)


def transactions_of(invoice_id: int) -> Sequence[ClinicTransaction]:
    """The movements of an invoice, the oldest first, with who gets them."""
    return db.session.scalars(
        select(ClinicTransaction)
        .where(ClinicTransaction.invoice_id == invoice_id)
        .options(selectinload(ClinicTransaction.payee))
        .order_by(ClinicTransaction.id)
    ).all()


@dataclass(frozen=True)
class PaidOut:
    """What pays for an invoice: this program's record with the payout."""

    row: ClinicPayout
    payout: Payout


def payouts_of(invoice_id: int) -> list[PaidOut]:
    """The payouts of an invoice, the dropped ones too, the oldest first."""
    rows = db.session.execute(
        select(ClinicPayout, Payout)
        .join(Payout, Payout.id == ClinicPayout.payout_id)
        .where(ClinicPayout.invoice_id == invoice_id)
        .options(selectinload(ClinicPayout.payee))
        .order_by(ClinicPayout.id)
    )
    return [PaidOut(row, payout) for row, payout in rows]


def find_record_of(payout_id: int) -> ClinicPayout | None:
    """This program's record of a payout; None for a withdrawal."""
    return db.session.scalar(select(ClinicPayout).where(ClinicPayout.payout_id == payout_id))


def practitioners(organisation_id: int) -> Sequence[Payee]:
    """The clinic's practitioners, by name."""
    return db.session.scalars(
        select(Payee)
        .where(Payee.organisation_id == organisation_id, Payee.kind == Role.PRACTITIONER.value)
        .order_by(Payee.name, Payee.id)
    ).all()


@dataclass(frozen=True)
class Wallet:
    """A wallet in one currency; the clinic's has no payee. Account None: nothing ever came in."""

    payee: Payee | None
    account: Account | None
    balance: Money
    # Asked for and not at the bank yet; owed to the clinic and set off against what comes next.
    held: Money
    owed: Money


def clinic_wallet(organisation_id: int, currency: str) -> Wallet:
    """The clinic's own wallet."""
    account = _account(organisation_id, wallets.CLINIC, currency)
    zero = Money(0, currency)
    return Wallet(None, account, Money(account.balance_minor, currency) if account else zero, zero, zero)


def wallet_of(payee: Payee, currency: str) -> Wallet:
    """A practitioner's wallet."""
    return wallets_of(payee.organisation_id, currency, [payee])[0]


def wallets_of(organisation_id: int, currency: str, payees: Sequence[Payee]) -> list[Wallet]:
    """The wallets of practitioners, in their order, by one query."""
    codes = {
        payee.id: [wallets.code_of(payee), entries.held(payee).code, entries.owed_by(payee).code]
        for payee in payees
    }
    found = {
        account.code: account
        for account in db.session.scalars(
            select(Account).where(
                Account.organisation_id == organisation_id,
                Account.currency == currency,
                Account.code.in_([code for three in codes.values() for code in three]),
            )
        )
    }

    def holds(code: str) -> Money:
        return Money(found[code].balance_minor if code in found else 0, currency)

    return [
        Wallet(payee, found.get(codes[payee.id][0]), *(holds(code) for code in codes[payee.id]))
        for payee in payees
    ]


def _account(organisation_id: int, code: str, currency: str) -> Account | None:
    return db.session.scalar(
        select(Account).where(
            Account.organisation_id == organisation_id, Account.code == code, Account.currency == currency
        )
    )


def open_debts(payee_id: int) -> Sequence[PractitionerDebt]:
    """What a practitioner still owes, the oldest first."""
    return db.session.scalars(
        select(PractitionerDebt)
        .where(
            PractitionerDebt.payee_id == payee_id,
            PractitionerDebt.set_off_minor < PractitionerDebt.amount_minor,
        )
        .order_by(PractitionerDebt.id)
    ).all()


def paid_between(payee_id: int, start: date, end: date) -> list[PaidOut]:
    """What a practitioner was paid for invoices within days, with invoice and appointment; the oldest first."""
    rows = db.session.execute(
        select(ClinicPayout, Payout)
        .join(Payout, Payout.id == ClinicPayout.payout_id)
        .where(ClinicPayout.payee_id == payee_id, Payout.state == "paid", Payout.paid_on.between(start, end))
        .options(selectinload(ClinicPayout.invoice).selectinload(Invoice.appointment))
        .order_by(ClinicPayout.id)
    )
    return [PaidOut(row, payout) for row, payout in rows]


def taken_back_between(payee_id: int, start: date, end: date) -> Sequence[Clawback]:
    """What refunds took back from a practitioner within days, with payout and invoice; the oldest first."""
    return db.session.scalars(
        select(Clawback)
        .where(Clawback.payee_id == payee_id, Clawback.happened_on.between(start, end))
        .options(
            selectinload(Clawback.clinic_payout).selectinload(ClinicPayout.invoice),
            selectinload(Clawback.refund),
        )
        .order_by(Clawback.id)
    ).all()


def charged_between(payee_id: int, start: date, end: date) -> Sequence[DeductionCharge]:
    """The periods of recurring deductions that began within days; the oldest first."""
    return db.session.scalars(
        select(DeductionCharge)
        .where(DeductionCharge.payee_id == payee_id, DeductionCharge.period_start.between(start, end))
        .options(selectinload(DeductionCharge.deduction))
        .order_by(DeductionCharge.id)
    ).all()


def deductions_of(organisation_id: int, payee_id: int | None = None) -> Sequence[Deduction]:
    """The recurring deductions of the clinic, or of one practitioner; the newest first."""
    query = select(Deduction).where(Deduction.organisation_id == organisation_id)
    if payee_id is not None:
        query = query.where(Deduction.payee_id == payee_id)
    return db.session.scalars(
        query.options(selectinload(Deduction.payee)).order_by(Deduction.id.desc())
    ).all()


def not_paid_out(payee_id: int, start: date, end: date) -> Sequence[Invoice]:
    """Invoices of a practitioner's appointments within days that no live payout to them pays for, the oldest first."""
    paid = exists().where(
        ClinicPayout.invoice_id == Invoice.id,
        ClinicPayout.payee_id == payee_id,
        ClinicPayout.released_at.is_(None),
    )
    return db.session.scalars(
        select(Invoice)
        .join(Appointment, Appointment.id == Invoice.appointment_id)
        .where(Appointment.held_on.between(start, end), works_at(payee_id, Appointment.id), ~paid)
        .options(selectinload(Invoice.appointment).selectinload(Appointment.customer))
        .order_by(Invoice.id)
    ).all()


def categories(organisation_id: int) -> list[str]:
    """The service categories in use, by name."""
    rows = db.session.scalars(
        select(Appointment.category)
        .where(Appointment.organisation_id == organisation_id, Appointment.category != "")
        .group_by(Appointment.category)
        .order_by(func.lower(Appointment.category))
    )
    return list(rows)
