"""A clinic's rows as the API says them. Practitioners get initials instead of customers, and nothing clinical."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from webapp.api import clinic_queries
from webapp.api.bearer import Caller
from webapp.api.schemas.clinic import (
    AppointmentOut,
    AppointmentShare,
    CustomerRef,
    InvoiceDetail,
    InvoiceLineOut,
    InvoiceOut,
    InvoicePayoutOut,
    TakenBackOut,
    TransactionDetail,
    TransactionOut,
)
from webapp.api.schemas.common import Amount, PayeeRef
from webapp.payouts.models import Payout
from webapp.programs.clinic.models import (
    Appointment,
    Clawback,
    ClinicPayout,
    ClinicTransaction,
    Customer,
    Invoice,
    InvoiceLine,
)

_INVOICE = ("number", "about", "state", "offer", "issued_on", "due_on", "paid_at", "version", "created_at")
_AMOUNTS = ("subtotal", "discount", "tax", "total", "received", "refunded", "written_off", "remaining")
_TRANSACTION = ("reference", "kind", "method", "state", "from_wallet", "to_wallet", "happened_on", "created_at",
                "completed_at")  # fmt: skip


def customer_ref(row: Customer, who: Caller) -> CustomerRef:
    """A customer; by initials alone for practitioners."""
    staff = who.sees_all
    return CustomerRef(
        reference=row.reference if staff else None, name=row.name if staff else None, initials=row.initials
    )


def shares_of(row: Appointment | None, who: Caller) -> list[AppointmentShare]:
    """Who works at an appointment; practitioners see themselves."""
    people = row.practitioners if row else []
    return [
        AppointmentShare(practitioner=PayeeRef.of(p.payee), weight=p.weight, is_primary=p.is_primary)
        for p in people
        if who.sees_all or p.payee_id in who.payee_ids
    ]


def appointment_of(row: Appointment, who: Caller) -> AppointmentOut:
    """An appointment."""
    staff = who.sees_all
    names = ("reference", "starts_at", "held_on", "is_cancelled", "version", "created_at")
    return AppointmentOut(
        **{name: getattr(row, name) for name in names},
        external_ref=row.external_ref if staff else None,
        customer=customer_ref(row.customer, who),
        category=row.category if staff else None,
        practitioners=shares_of(row, who),
    )


def paid_out(row: ClinicPayout, payout: Payout) -> InvoicePayoutOut:
    """What one practitioner was paid for an invoice."""
    taken = row.taken_base_minor - row.taken_commission_minor
    return InvoicePayoutOut(
        payout=payout.reference,
        state=payout.state,
        practitioner=PayeeRef.of(row.payee),
        part=row.part,
        base=Amount.of(row.base_minor, row.currency),
        commission=Amount.of(row.commission_minor, row.currency),
        amount=Amount.of(row.amount_minor, row.currency),
        percent=row.percent,
        rule=row.rule_label,
        taken_back=Amount.of(taken, row.currency),
        is_dropped=row.released_at is not None,
    )


def _invoice_fields(
    row: Invoice, who: Caller, payouts: Sequence[tuple[ClinicPayout, Payout]]
) -> dict[str, Any]:
    staff = who.sees_all
    return {
        **{name: getattr(row, name) for name in _INVOICE},
        **{name: Amount.of(getattr(row, f"{name}_minor"), row.currency) for name in _AMOUNTS},
        "external_ref": row.external_ref if staff else None,
        "customer": customer_ref(row.customer, who),
        "appointment": row.appointment.reference if row.appointment else None,
        "order_reference": row.order_reference if staff else None,
        "practitioners": shares_of(row.appointment, who),
        "payouts": [paid_out(*each) for each in payouts],
    }


def invoice_of(row: Invoice, who: Caller, payouts: Sequence[tuple[ClinicPayout, Payout]]) -> InvoiceOut:
    """An invoice as lists show it, with the payouts that live."""
    return InvoiceOut(**_invoice_fields(row, who, payouts))


def invoice_now(number: str, who: Caller) -> InvoiceOut:
    """An invoice as it is after an act."""
    row = clinic_queries.invoice(who.viewer, number)
    return invoice_of(row, who, clinic_queries.payouts_of(who.viewer, [row.id]).get(row.id, []))


def invoice_detail(row: Invoice, who: Caller) -> InvoiceDetail:
    """An invoice as its own address shows it."""
    payouts = clinic_queries.payouts_of(who.viewer, [row.id], with_dropped=True).get(row.id, [])
    return InvoiceDetail(
        **_invoice_fields(row, who, payouts),
        lines=[_line(line, row.currency) for line in row.lines] if who.sees_all else [],
        transactions=transactions_of(clinic_queries.transactions_of(who.viewer, row), who),
        note=row.note if who.sees_all else None,
    )


def _line(row: InvoiceLine, currency: str) -> InvoiceLineOut:
    names = ("position", "description", "quantity", "tax_percent")
    amounts = ("unit_price", "discount", "tax", "total")
    values = {name: getattr(row, name) for name in names}
    values |= {name: Amount.of(getattr(row, f"{name}_minor"), currency) for name in amounts}
    return InvoiceLineOut(**values)


def transactions_of(rows: Sequence[ClinicTransaction], who: Caller) -> list[TransactionOut]:
    """Transactions, with the references of their payouts by one query."""
    known = clinic_queries.payout_references([row.payout_id for row in rows])
    return [TransactionOut(**_transaction(row, who, known)) for row in rows]


def _transaction(row: ClinicTransaction, who: Caller, known: dict[int | None, str]) -> dict[str, Any]:
    staff = who.sees_all
    return {
        **{name: getattr(row, name) for name in _TRANSACTION},
        "amount": Amount.of(row.amount_minor, row.currency),
        "fee": Amount.of(row.fee_minor, row.currency) if staff else None,
        "invoice": row.invoice.number if row.invoice else None,
        "practitioner": PayeeRef.of(row.payee) if row.payee else None,
        "payout": known.get(row.payout_id),
        "provider_reference": row.provider_reference if staff else None,
        "proof": (row.proof_name or None) if staff else None,
        "note": row.note if staff else None,
        "created_by": row.created_by_label if staff else None,
    }


def transaction_of(row: ClinicTransaction, who: Caller) -> TransactionOut:
    """One transaction."""
    return transactions_of([row], who)[0]


def transaction_detail(row: ClinicTransaction, who: Caller) -> TransactionDetail:
    """One transaction; a refund with what it took back, which is nobody's but the staff's to see."""
    taken = clinic_queries.clawbacks_of(row.id) if who.sees_all else []
    known = clinic_queries.payout_references(
        [row.payout_id, *(each.clinic_payout.payout_id for each in taken)]
    )
    return TransactionDetail(
        **_transaction(row, who, known),
        taken_back=[_taken_back(each, known[each.clinic_payout.payout_id]) for each in taken],
    )


def _taken_back(row: Clawback, payout: str) -> TakenBackOut:
    names = {"base": "base", "commission": "commission", "amount": "amount", "fee": "fee",
             "from_wallet": "taken", "carried": "carried"}  # fmt: skip
    return TakenBackOut(
        payout=payout,
        practitioner=PayeeRef.of(row.clinic_payout.payee),
        **{name: Amount.of(getattr(row, f"{column}_minor"), row.currency) for name, column in names.items()},
    )
