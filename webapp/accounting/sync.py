"""Bring the books in line with one payout: look first, make what is missing, never twice.

Nothing is made before it was looked for, every id is written down at once, and what no answer came to is looked for
again the next time. No transaction is open while the books are asked.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from datetime import datetime
from typing import Any

import structlog

from webapp.accounting import pace, rules, service, vendors
from webapp.accounting.service import Job
from webapp.accounting.states import Wanted
from webapp.database import db, transaction
from webapp.kernel.clock import utc_now
from webapp.kernel.money import Money
from webapp.outbox.service import Later
from webapp.providers import accounts
from webapp.providers.bookkeeping import Bill, BillOrder, Bookkeeper, BooksError, PaymentOrder, Trouble
from webapp.providers.zoho.books import ZohoBooks

log = structlog.get_logger()
Clock = Callable[[], datetime]


def work(payout_id: int, *, clock: Clock = utc_now, worker: str = "") -> Later | None:
    """Bring the books in line with a payout, if that is asked for. Opens its own transactions; safe to repeat."""
    with transaction():
        job = service.claim(payout_id, worker or f"{socket.gethostname()}:{os.getpid()}", clock())
    if not isinstance(job, Job):
        return job
    turns = pace.Turns(job.organisation_id, job.calls_a_day, clock)
    try:
        _align(_keeper(job, lambda: _before(job, turns, clock)), job, clock)
    except BooksError as error:
        log.warning(
            "accounting.not_in_line", payout=job.reference, trouble=error.trouble.value, code=error.code
        )
        with transaction():
            turns.give_back()
            return service.failed(job, error, clock())
    except Exception as error:
        db.session.rollback()
        log.exception("accounting.broke", payout=job.reference)
        broken = BooksError(Trouble.UNKNOWN, f"Paydesk could not finish it ({type(error).__name__}).")
        with transaction():
            turns.give_back()
            return service.failed(job, broken, clock())
    with transaction():
        turns.give_back()
        return service.done(job, clock())


def _before(job: Job, turns: pace.Turns, clock: Clock) -> None:
    """Before each call: the row must be ours until it is over, and a turn free. Raises BooksError."""
    if clock() > job.lease_until - rules.NEARLY_OVER:
        raise BooksError(Trouble.UNKNOWN, "It took too long.")
    turns.take()


def _keeper(job: Job, before: Callable[[], None]) -> Bookkeeper:
    access = accounts.find_access(job.organisation_id, service.PROVIDER)
    if access is None:
        raise BooksError(Trouble.NO_ACCESS, "The connection to Zoho Books is off, or has no keys.")
    return ZohoBooks(access, job.books_id, before=before)


def _align(books: Bookkeeper, job: Job, clock: Clock) -> None:
    if job.wanted is Wanted.VOID:
        _void(books, job, clock)
        return
    vendor_id = _vendor(books, job, clock)
    bill = _bill(books, job, vendor_id)
    if job.wanted is Wanted.PAID:
        _pay(books, job, bill, clock)
    else:
        _owe(books, job, bill, clock)


# ---------------------------------------------------------------- vendor


def _vendor(books: Bookkeeper, job: Job, clock: Clock) -> str:
    """The payee's vendor: known, found by its name, or made."""
    with transaction():
        known = vendors.vendor_of(job)
    if known:
        return known
    for name in rules.vendor_names(job.payee_name, job.payee_reference, job.currency):
        if found := _vendor_named(books, job, name, clock):
            return found
        try:
            made = books.add_vendor(name, job.currency, f"Paydesk {job.payee_reference}")
        except BooksError as error:
            if error.trouble is not Trouble.TAKEN:
                raise
            # A try of before may have come through after all; else it is somebody of another kind.
            if found := _vendor_named(books, job, name, clock):
                return found
            continue
        with transaction():
            kept = vendors.keep_vendor(job, made.id, made.name, was_found=False, now=clock())
        if kept:
            return kept
    raise BooksError(
        Trouble.REFUSED, f"Every name that {job.payee_name} could have in the books belongs to somebody else."
    )


def _vendor_named(books: Bookkeeper, job: Job, name: str, clock: Clock) -> str:
    """A vendor of exactly this name and currency that is nobody else's yet; empty when there is not just one."""
    found = books.vendors_named(name)
    if len(found) != 1 or found[0].currency != job.currency:
        return ""
    with transaction():
        if vendors.is_somebody_elses(job, found[0].id):
            return ""
        return vendors.keep_vendor(job, found[0].id, found[0].name, was_found=True, now=clock())


# ---------------------------------------------------------------- bill


def _find_bill(books: Bookkeeper, job: Job) -> Bill | None:
    """The bill by its id, whatever a bookkeeper calls it by now; else by its number, if it carries our mark."""
    if job.bill_id:
        try:
            return books.bill(job.bill_id)
        except BooksError as error:
            if error.trouble is not Trouble.MISSING:
                raise
    found = books.bill_numbered(job.reference)
    return found if found is None or found.mark == job.mark else None


def _bill(books: Bookkeeper, job: Job, vendor_id: str) -> Bill:
    """The bill of the payout, made if it is not there."""
    bill = _find_bill(books, job)
    if bill is None:
        try:
            bill = books.add_bill(_order(job, vendor_id))
        except BooksError as error:
            if error.trouble is Trouble.MISSING and not books.has_vendor(vendor_id):
                _forget_vendor(job)
            if error.trouble is Trouble.MISSING:
                # It is something else that is gone: the account that bills are booked to.
                raise BooksError(Trouble.REFUSED, error.message, code=error.code) from error
            if error.trouble is not Trouble.TAKEN:
                raise
            bill = _numbered(books, job, error)
    if bill.id == job.bill_id and bill.vendor_id != vendor_id:
        # A bookkeeper has put two vendors together: the bill says which one is left.
        with transaction():
            vendors.move_vendor(job, bill.vendor_id)
        vendor_id = bill.vendor_id
    _check(job, bill, vendor_id)
    with transaction():
        service.note(job, bill_id=bill.id, vendor_id=bill.vendor_id)
    return bill


def _numbered(books: Bookkeeper, job: Job, error: BooksError) -> Bill:
    """Our bill, of which the books say that it is there already. Raises BooksError where it is somebody else's."""
    bill = books.bill_numbered(job.reference)
    if bill is None:
        raise BooksError(Trouble.UNKNOWN, error.message, code=error.code) from error
    if bill.mark != job.mark:
        raise BooksError(
            Trouble.REFUSED,
            f"Another bill in the books has the number {job.reference}; it is not Paydesk's. Give it another number.",
        ) from error
    return bill


def _forget_vendor(job: Job) -> None:
    with transaction():
        vendors.forget_vendor(job)
    raise BooksError(Trouble.UNKNOWN, "The vendor is not in the books any more; it is looked for again.")


def _order(job: Job, vendor_id: str) -> BillOrder:
    return BillOrder(
        number=job.reference, vendor_id=vendor_id, currency=job.currency, day=job.day, due_day=job.due_day,
        account_id=job.bill_account_id, lines=rules.bill_lines(job.lines), mark=job.mark,
        notes=f"Paydesk payout {job.reference}",
    )  # fmt: skip


def _check(job: Job, bill: Bill, vendor_id: str) -> None:
    """A bill that says something else than ours, or counts no more: a person looks. Raises BooksError."""
    _check_says(job, bill, vendor_id)
    if bill.is_void:
        raise BooksError(
            Trouble.REFUSED, f"The bill {bill.number} was made void in the books, and is owed here."
        )


def _check_says(job: Job, bill: Bill, vendor_id: str) -> None:
    """A bill of another amount or vendor is not ours to change. Raises BooksError."""
    said = Money(bill.total_minor, bill.currency)
    if said != Money(job.amount_minor, job.currency):
        raise BooksError(
            Trouble.REFUSED, f"The bill {bill.number} in the books is of {said.plain} {bill.currency}."
        )
    if bill.vendor_id != vendor_id:
        raise BooksError(Trouble.REFUSED, f"The bill {bill.number} in the books is another vendor's.")


def _void(books: Bookkeeper, job: Job, clock: Clock) -> None:
    """Whatever there is of our bill counts no more; one that only has its number is left as it is."""
    bill = _find_bill(books, job)
    if bill is None:
        return
    if bill.id != job.bill_id:
        with transaction():
            vendor_id = vendors.vendor_of(job)
        _check_says(job, bill, vendor_id)
    with transaction():
        service.note(job, bill_id=bill.id, vendor_id=bill.vendor_id)
    _take_back(books, job, bill, clock)
    if not bill.is_void:
        books.void_bill(bill.id)


# ---------------------------------------------------------------- payment


def _pay(books: Bookkeeper, job: Job, bill: Bill, clock: Clock) -> None:
    """The payment of the bill, made if it is not there. One of an earlier round is taken back first."""
    if job.sent_reference and job.sent_reference != job.payment_reference:
        bill = _take_back(books, job, bill, clock)
    found = books.payments(bill.vendor_id, job.payment_reference, job.currency)
    if found:
        if found[0].amount_minor != job.amount_minor:
            said = Money(found[0].amount_minor, job.currency).plain
            raise BooksError(
                Trouble.REFUSED, f"The payment {job.payment_reference} in the books is of {said}."
            )
        if bill.balance_minor != 0:
            raise BooksError(
                Trouble.REFUSED,
                f"The payment {job.payment_reference} in the books does not pay the bill {bill.number}.",
            )
        # One that we did not send is a bookkeeper's, and is never deleted.
        if job.sent_reference == job.payment_reference:
            _note_payment(job, found[0].id)
        return
    if bill.balance_minor == 0:
        # Somebody entered the payment in the books by hand; there is nothing left to pay.
        return
    _note_payment(job, "", payment_sent_at=clock())
    paid_on = job.paid_on or job.day
    made = books.add_payment(
        PaymentOrder(
            vendor_id=bill.vendor_id, bill_id=bill.id, currency=job.currency, amount_minor=job.amount_minor,
            day=paid_on, reference=job.payment_reference, paid_through_id=job.paid_through_id,
        )
    )  # fmt: skip
    _note_payment(job, made.id)


def _note_payment(job: Job, payment_id: str, **more: Any) -> None:
    """Before a payment is sent its reference stands here: one whose answer was lost is found by it."""
    with transaction():
        service.note(job, payment_id=payment_id, payment_reference=job.payment_reference, **more)


def _take_back(books: Bookkeeper, job: Job, bill: Bill, clock: Clock) -> Bill:
    """Payments of the bill that we sent, or may have sent, are deleted: the money came back.

    Returns the bill as it is then. Raises BooksError (busy) while one may still be on its way.
    """
    if not job.sent_reference:
        return bill
    found = books.payments(bill.vendor_id, job.sent_reference, job.currency)
    for payment in found:
        _delete(books, job, bill, payment.id)
    if not found and not job.payment_id and job.payment_sent_at is not None:
        left = (job.payment_sent_at + rules.ON_ITS_WAY - clock()).total_seconds()
        if left > 0:
            raise BooksError(
                Trouble.BUSY, "A payment whose answer was lost may still arrive.", wait_seconds=left
            )
    with transaction():
        service.note(job, payment_id="", payment_reference="", payment_sent_at=None)
    return books.bill(bill.id)


def _delete(books: Bookkeeper, job: Job, bill: Bill, payment_id: str) -> None:
    """Delete a payment of the bill; one of other bills is left alone, whatever its reference."""
    try:
        if bill.id not in books.payment(payment_id, job.currency).bill_ids:
            return
        with transaction():
            service.note(job, payment_id=payment_id)
        books.delete_payment(payment_id)
    except BooksError as error:
        if error.trouble is not Trouble.MISSING:
            raise


def _owe(books: Bookkeeper, job: Job, bill: Bill, clock: Clock) -> None:
    """Nothing of the bill is paid. A payment that we did not send is not ours to delete. Raises BooksError."""
    bill = _take_back(books, job, bill, clock)
    if bill.balance_minor != bill.total_minor:
        raise BooksError(
            Trouble.REFUSED, f"The bill {bill.number} has a payment in the books that Paydesk did not send."
        )
