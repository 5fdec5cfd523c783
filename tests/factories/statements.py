"""Monthly statements for tests: something owed in the ledger, and the statement of it, drawn or not."""

from __future__ import annotations

from datetime import UTC, date, datetime
from hashlib import sha256
from itertools import count
from typing import Any

from tests.factories import ledger
from tests.factories.people import FACTORY, stored
from webapp.database import db
from webapp.people.models import Organisation, Payee
from webapp.providers import storage
from webapp.statements import monthly, service
from webapp.statements.models import Document

WHEN = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
OCTOBER = date(2026, 10, 1)
PDF = b"%PDF-1.7 a statement of the tests %%EOF"
_numbers = count(1)


def owed(organisation: Organisation, payee: Payee, amount: int, day: date, **values: Any) -> None:
    """Book `amount` minor units as owed to a payee (negative: as taken off) on a day."""
    n = next(_numbers)
    with stored():
        ledger.entry(
            organisation.id,
            f"owed:{n}",
            ledger.leg("expense:installations", amount),
            ledger.leg(f"payable:{payee.reference}", -amount, payee.id),
            effective_on=day,
            **{"source_id": n, "currency": organisation.currency, **values},
        )


def statement(
    organisation: Organisation, payee: Payee, month: date = OCTOBER, *, now: datetime = WHEN, **values: Any
) -> Document:
    """The statement of a month, queued."""
    values = {"currency": organisation.currency, "actor": FACTORY, **values}
    with stored():
        return monthly.create(
            organisation_id=organisation.id, payee_id=payee.id, month=month, now=now, **values
        ).document


def ready(document: Document, content: bytes = PDF, now: datetime = WHEN) -> Document:
    """The same with a file that was not drawn: the pages are tested, not the picture."""
    with stored():
        key = f"documents/{document.id}-test.pdf"
        storage.save(key, content)
        service.record_ready(
            document_id=document.id,
            storage_key=key,
            content=content,
            sha256=sha256(content).hexdigest(),
            now=now,
        )
        return db.session.get_one(Document, document.id, populate_existing=True)


def ready_statement(organisation: Organisation, payee: Payee, amount: int = 49_950) -> Document:
    """A ready statement of October with one line."""
    owed(organisation, payee, amount, date(2026, 10, 5))
    return ready(statement(organisation, payee))
