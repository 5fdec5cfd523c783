"""Reads of a clinic's records for the API, narrowed to what the caller may see."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Select, or_, select
from sqlalchemy.orm import joinedload, selectinload

from webapp.api import queries
from webapp.api.queries import Viewer
from webapp.api.schemas.clinic import AppointmentQuery, InvoiceQuery, TransactionQuery
from webapp.database import db, like
from webapp.kernel.errors import Invalid, NotFound
from webapp.ledger.models import Account
from webapp.payouts import lists as payout_lists
from webapp.payouts.models import Payout
from webapp.people.models import Payee, Role
from webapp.programs.clinic import lists, wallets
from webapp.programs.clinic.lists import InvoiceFilter
from webapp.programs.clinic.models import (
    Appointment,
    AppointmentPractitioner,
    Clawback,
    ClinicPayout,
    ClinicTransaction,
    CommissionRule,
    CommissionRuleVersion,
    Customer,
    Invoice,
)
from webapp.programs.clinic.states import TransactionKind

#: What a practitioner's token cannot narrow by: the answer would tell who a customer or colleague is.
STAFF_ONLY = ("customer", "practitioner", "provider_reference")
EVERY_APPOINTMENT = AppointmentQuery.model_validate({})
EVERY_INVOICE = InvoiceQuery.model_validate({})
EVERY_TRANSACTION = TransactionQuery.model_validate({})


def _refuse_staff_filters(viewer: Viewer, chosen: Any) -> None:
    if viewer.payee_ids is None:
        return
    for name in STAFF_ONLY:
        if getattr(chosen, name, None):
            raise Invalid(name, "Only staff can narrow by this.")


def _worked_by(payee_ids: Sequence[int] | Select[Any]) -> Select[Any]:
    return select(AppointmentPractitioner.appointment_id).where(
        AppointmentPractitioner.payee_id.in_(payee_ids)
    )


def _customer_ids(viewer: Viewer, reference: str) -> Select[Any]:
    return select(Customer.id).where(
        Customer.organisation_id == viewer.organisation_id, Customer.reference == reference
    )


def _payee_ids(viewer: Viewer, reference: str) -> Select[Any]:
    return select(Payee.id).where(
        Payee.organisation_id == viewer.organisation_id, Payee.reference == reference
    )


def appointments(viewer: Viewer, chosen: AppointmentQuery) -> Select[Any]:
    """The appointments that match. Practitioners' searches look at references only. Raises Invalid."""
    _refuse_staff_filters(viewer, chosen)
    text, own = (chosen.search or "").strip(), viewer.payee_ids
    query = lists.list_appointments(
        viewer.organisation_id, "" if own is not None else text, chosen.held_from, chosen.held_to
    )
    if own is not None:
        query = query.where(Appointment.id.in_(_worked_by(own)))
        if text:
            query = query.where(like(Appointment.reference, text))
    if chosen.customer:
        query = query.where(Appointment.customer_id.in_(_customer_ids(viewer, chosen.customer)))
    if chosen.practitioner:
        theirs = _payee_ids(viewer, chosen.practitioner)
        query = query.where(Appointment.id.in_(_worked_by(theirs)))
    return query


def appointment(viewer: Viewer, reference: str) -> Appointment:
    """One appointment. Raises NotFound, also for one that is not the viewer's."""
    query = appointments(viewer, EVERY_APPOINTMENT).where(Appointment.reference == reference)
    found: Appointment = _one(query)
    return found


def _one(query: Select[Any]) -> Any:
    row = db.session.scalars(query).unique().one_or_none()
    if row is None:
        raise NotFound
    return row


def invoices(viewer: Viewer, chosen: InvoiceQuery) -> Select[Any]:
    """The invoices that match. Practitioners' searches look at numbers only. Raises Invalid."""
    _refuse_staff_filters(viewer, chosen)
    text, own = (chosen.search or "").strip(), viewer.payee_ids
    query = lists.list_invoices(
        viewer.organisation_id,
        InvoiceFilter(
            text="" if own is not None else text,
            state=chosen.state or "",
            practitioner=chosen.practitioner or "",
            payout=chosen.payout or "",
            issued_from=chosen.issued_from,
            issued_to=chosen.issued_to,
        ),
    )
    if own is not None:
        query = query.where(Invoice.appointment_id.in_(_worked_by(own)))
        if text:
            query = query.where(like(Invoice.number, text))
    if chosen.customer:
        query = query.where(Invoice.customer_id.in_(_customer_ids(viewer, chosen.customer)))
    if chosen.number:
        query = query.where(Invoice.number == chosen.number)
    return query


def invoice(viewer: Viewer, number: str) -> Invoice:
    """One invoice. Raises NotFound, also for one that is not of the viewer's appointments."""
    query = invoices(viewer, EVERY_INVOICE).where(Invoice.number == number)
    found: Invoice = _one(query.execution_options(populate_existing=True))
    return found


def payouts_of(viewer: Viewer, invoice_ids: Sequence[int], *, with_dropped: bool = False) -> dict[int, Any]:
    """Invoice id -> [(record, payout)] of what pays for it; practitioners' own. The dropped ones where asked for."""
    query = (
        select(ClinicPayout, Payout)
        .join(Payout, Payout.id == ClinicPayout.payout_id)
        .where(ClinicPayout.invoice_id.in_(invoice_ids))
        .options(joinedload(ClinicPayout.payee, innerjoin=True))
        .order_by(ClinicPayout.id)
    )
    if not with_dropped:
        query = query.where(ClinicPayout.released_at.is_(None))
    if viewer.payee_ids is not None:
        query = query.where(ClinicPayout.payee_id.in_(viewer.payee_ids))
    found: dict[int, list[Any]] = {}
    for row, payout in db.session.execute(query):
        found.setdefault(row.invoice_id, []).append((row, payout))
    return found


def transactions(viewer: Viewer, chosen: TransactionQuery) -> Select[Any]:
    """The transactions that match; a practitioner's are those between their wallet and others. Raises Invalid."""
    _refuse_staff_filters(viewer, chosen)
    row = ClinicTransaction
    query = (
        select(row)
        .where(row.organisation_id == viewer.organisation_id)
        .options(joinedload(row.invoice), joinedload(row.payee))
    )
    if viewer.payee_ids is not None:
        query = query.where(row.payee_id.in_(viewer.payee_ids))
    for name in ("kind", "state", "method", "provider_reference"):
        if value := getattr(chosen, name):
            query = query.where(getattr(row, name) == value)
    if chosen.invoice:
        number = select(Invoice.id).where(
            Invoice.organisation_id == viewer.organisation_id, Invoice.number == chosen.invoice
        )
        query = query.where(row.invoice_id.in_(number))
    if chosen.practitioner:
        query = query.where(row.payee_id.in_(_payee_ids(viewer, chosen.practitioner)))
    if chosen.happened_from:
        query = query.where(row.happened_on >= chosen.happened_from)
    if chosen.happened_to:
        query = query.where(row.happened_on <= chosen.happened_to)
    return query


def transaction(viewer: Viewer, reference: str) -> ClinicTransaction:
    """One transaction. Raises NotFound, also for one that is not the viewer's."""
    query = transactions(viewer, EVERY_TRANSACTION).where(ClinicTransaction.reference == reference)
    found: ClinicTransaction = _one(query)
    return found


def transactions_of(viewer: Viewer, invoice: Invoice) -> Sequence[ClinicTransaction]:
    """The transactions of an invoice that the viewer may see, the oldest first."""
    chosen = EVERY_TRANSACTION.model_copy(update={"invoice": invoice.number})
    query = transactions(viewer, chosen).order_by(ClinicTransaction.id)
    return db.session.scalars(query).unique().all()


def payout_references(ids: Sequence[int | None]) -> dict[int | None, str]:
    """Id -> reference of payouts."""
    wanted = [each for each in ids if each is not None]
    if not wanted:
        return {}
    return dict(db.session.execute(select(Payout.id, Payout.reference).where(Payout.id.in_(wanted))).all())


def clawbacks_of(refund_id: int) -> Sequence[Clawback]:
    """What a refund took back, with its payouts' records."""
    return db.session.scalars(
        select(Clawback)
        .where(Clawback.refund_id == refund_id)
        .options(joinedload(Clawback.clinic_payout).joinedload(ClinicPayout.payee))
        .order_by(Clawback.id)
    ).all()


def practitioner_ids(organisation_id: int, references: Sequence[str], field: str) -> dict[str, int]:
    """Reference -> id of practitioners. Raises Invalid that names one who is none."""
    query = select(Payee.reference, Payee.id).where(
        Payee.organisation_id == organisation_id,
        Payee.kind == Role.PRACTITIONER.value,
        Payee.reference.in_(references),
    )
    found: dict[str, int] = dict(db.session.execute(query).all())
    for reference in references:
        if reference not in found:
            raise Invalid(field, f"{reference} is not a practitioner of this organisation.", "PY-0001")
    return found


def practitioner(viewer: Viewer, reference: str) -> Payee:
    """A practitioner. Raises NotFound, also for one that the viewer is not."""
    payee = queries.payee(viewer, reference)
    if payee.kind != Role.PRACTITIONER.value:
        raise NotFound
    return payee


def wallet_accounts(viewer: Viewer, currency: str | None) -> Select[Any]:
    """(account, payee or None) of the wallets that the viewer may see."""
    query: Any = (
        select(Account, Payee)
        .outerjoin(Payee, Payee.id == Account.payee_id)
        .where(
            Account.organisation_id == viewer.organisation_id,
            or_(
                Account.code == wallets.CLINIC,
                (Account.code == "wallet:" + Payee.reference) & (Payee.kind == Role.PRACTITIONER.value),
            ),
        )
    )
    if viewer.payee_ids is not None:
        query = query.where(Account.payee_id.in_(viewer.payee_ids))
    if currency:
        query = query.where(Account.currency == currency)
    narrowed: Select[Any] = query
    return narrowed


def withdrawals(viewer: Viewer, *, state: str | None = None, practitioner: str | None = None) -> Select[Any]:
    """The payouts that bring wallet money to a bank and that the viewer may see."""
    asked = select(ClinicTransaction.payout_id).where(
        ClinicTransaction.organisation_id == viewer.organisation_id,
        ClinicTransaction.kind == TransactionKind.WITHDRAWAL.value,
    )
    query = select(Payout).where(Payout.organisation_id == viewer.organisation_id, Payout.id.in_(asked))
    if viewer.payee_ids is not None:
        query = query.where(Payout.payee_id.in_(viewer.payee_ids))
    if state:
        query = query.where(Payout.state == state)
    if practitioner:
        query = query.where(Payout.payee_id.in_(_payee_ids(viewer, practitioner)))
    return payout_lists.with_approval_facts(query)


def withdrawal(viewer: Viewer, reference: str) -> Payout:
    """One withdrawal with everything about it. Raises NotFound, also for a payout that is none."""
    known = db.session.scalar(
        withdrawals(viewer).with_only_columns(Payout.id).where(Payout.reference == reference)
    )
    if known is None:
        raise NotFound
    return queries.payout(viewer, reference)


def rules(organisation_id: int) -> Select[Any]:
    """The commission rules with their versions."""
    return (
        select(CommissionRule)
        .where(CommissionRule.organisation_id == organisation_id)
        .options(selectinload(CommissionRule.versions).joinedload(CommissionRuleVersion.payee))
    )
