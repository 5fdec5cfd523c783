"""Which vendor of the books a payee is: known, kept, moved, forgotten. Never commits."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select, update

from webapp.accounting.models import AccountingVendor
from webapp.accounting.service import Job, note
from webapp.database import db, insert_ignoring_conflict


def vendor_of(job: Job) -> str:
    """The vendor that the payee is known as; empty while nobody has looked."""
    found = db.session.scalar(
        select(AccountingVendor.vendor_id).where(
            AccountingVendor.organisation_id == job.organisation_id,
            AccountingVendor.books_id == job.books_id,
            AccountingVendor.payee_id == job.payee_id,
            AccountingVendor.currency == job.currency,
        )
    )
    return found or ""


def is_somebody_elses(job: Job, vendor_id: str) -> bool:
    """Whether a vendor is another payee already, or this one in another currency."""
    found = select(AccountingVendor.id).where(
        AccountingVendor.organisation_id == job.organisation_id,
        AccountingVendor.books_id == job.books_id,
        AccountingVendor.vendor_id == vendor_id,
    )
    return db.session.scalar(found.limit(1)) is not None


def keep_vendor(job: Job, vendor_id: str, name: str, *, was_found: bool, now: datetime) -> str:
    """Remember which vendor a payee is. Returns the one that stands, as another worker may have been first.

    Empty: the vendor is another payee's by now.
    """
    values = {
        "organisation_id": job.organisation_id, "books_id": job.books_id, "payee_id": job.payee_id,
        "currency": job.currency, "vendor_id": vendor_id, "vendor_name": name[:250], "was_found": was_found,
        "created_at": now,
    }  # fmt: skip
    insert_ignoring_conflict(db.session(), AccountingVendor, values)
    return vendor_of(job)


def move_vendor(job: Job, vendor_id: str) -> None:
    """The payee is another vendor by now. One that is somebody else's here stays theirs alone."""
    if is_somebody_elses(job, vendor_id):
        return
    db.session.execute(
        update(AccountingVendor)
        .where(
            AccountingVendor.organisation_id == job.organisation_id,
            AccountingVendor.books_id == job.books_id,
            AccountingVendor.payee_id == job.payee_id,
            AccountingVendor.currency == job.currency,
        )
        .values(vendor_id=vendor_id)
        .execution_options(synchronize_session=False)
    )


def forget_vendor(job: Job) -> None:
    """The books do not know the vendor any more."""
    db.session.execute(
        AccountingVendor.__table__.delete().where(  # type: ignore[attr-defined]
            AccountingVendor.organisation_id == job.organisation_id,
            AccountingVendor.books_id == job.books_id,
            AccountingVendor.payee_id == job.payee_id,
            AccountingVendor.currency == job.currency,
        )
    )
    note(job, vendor_id="")
