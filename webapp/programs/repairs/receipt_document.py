"""The paper of weekly receipts: asked for when they are issued, frozen, drawn by workers, checked before it is drawn.

The run of a week makes receipts and asks for their papers with one message; a worker freezes what they say, batch by
batch, and each is drawn for itself. A receipt that has its paper is left alone, so everything here can be repeated.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from sqlalchemy import select

from webapp import queue
from webapp.database import among, db, transaction
from webapp.kernel.actor import WORKER, Actor
from webapp.kernel.money import Money
from webapp.outbox import service as outbox
from webapp.programs.repairs import receipt_collecting, receipt_facts, receipt_paper, trail
from webapp.programs.repairs.books import Receipt, WeeklyRun
from webapp.programs.repairs.receipt_facts import ReceiptFacts
from webapp.programs.repairs.rules import Week
from webapp.statements import codes, kinds
from webapp.statements import service as statements
from webapp.statements.build import DoesNotAddUp
from webapp.statements.models import Document
from webapp.web.i18n import N_

KIND = "receipt"
OF_A_RUN, OF_ONE = "receipt.documents", "receipt.document"
MAIL = "notice.receipt"
#: Receipts that are frozen in one transaction.
BATCH = 100


def ask_for_run(run: WeeklyRun, now: datetime) -> None:
    """Have workers make the papers of the receipts that a run issued; with the present transaction."""
    _ask(OF_A_RUN, run.organisation_id, run.id, now)


def ask_for(receipt: Receipt, now: datetime) -> None:
    """Have a worker make the paper of one receipt, such as a correction; with the present transaction."""
    _ask(OF_ONE, receipt.organisation_id, receipt.id, now)


def _ask(kind: str, organisation_id: int, reference_id: int, now: datetime) -> None:
    outbox.add(
        kind=kind,
        reference_id=reference_id,
        dedupe_key=f"{kind}:{reference_id}:{now.timestamp():.6f}",
        to_queue=queue.DOCUMENTS,
        organisation_id=organisation_id,
        now=now,
    )


def make_of_run(*, run_id: int, now: datetime) -> int:
    """Freeze the papers of every receipt of a run's week that has none, batch by batch; returns how many.

    Opens its own transactions. What is frozen is drawn through the outbox.
    """
    with transaction():
        run = db.session.get_one(WeeklyRun, run_id)
        organisation_id, before = run.organisation_id, Week(run.week_start).following(-1)
    made = after = 0
    while True:
        with transaction():
            ids = _without_paper(organisation_id, before, after)
            made += len(freeze(organisation_id=organisation_id, receipt_ids=ids, actor=WORKER, now=now))
        if len(ids) < BATCH:
            return made
        after = ids[-1]


def make_one(*, receipt_id: int, now: datetime) -> None:
    """Freeze the paper of one receipt unless it has one. Opens its own transaction."""
    with transaction():
        receipt = db.session.get_one(Receipt, receipt_id)
        freeze(organisation_id=receipt.organisation_id, receipt_ids=[receipt.id], actor=WORKER, now=now)


def _without_paper(organisation_id: int, week: Week, after: int) -> list[int]:
    """Receipts of a week without a paper, by id after one of them."""
    has_paper = (
        select(Document.id)
        .where(Document.organisation_id == organisation_id, Document.number == Receipt.number)
        .exists()
    )
    return list(
        db.session.scalars(
            select(Receipt.id)
            .where(
                Receipt.organisation_id == organisation_id,
                Receipt.week_start == week.start,
                Receipt.id > after,
                ~has_paper,
            )
            .order_by(Receipt.id)
            .limit(BATCH)
        )
    )


def freeze(
    *, organisation_id: int, receipt_ids: Sequence[int], actor: Actor, now: datetime, tells: bool = True
) -> list[Document]:
    """Write down what receipts say, and have workers draw them; those that have a paper are left alone.

    Raises DoesNotAddUp for a receipt that contradicts itself: none of them is frozen then.
    """
    if not receipt_ids:
        return []
    rows = receipt_collecting.receipts_of(organisation_id, receipt_ids)
    # Two workers that freeze the same receipts wait for each other here.
    trail.lock_drivers(organisation_id, {row.payee_id for row in rows})
    there = {
        document.number: document
        for document in db.session.scalars(
            select(Document).where(
                Document.organisation_id == organisation_id,
                Document.kind == KIND,
                among(Document.payee_id, sorted({row.payee_id for row in rows})),
                Document.period_start.in_({row.week_start for row in rows}),
            )
        )
    }
    rows = [row for row in rows if row.number not in there]
    if not rows:
        return []
    with_ = receipt_collecting.around(trail.organisation(organisation_id), rows)
    made = [_document(row, with_, there, tells, now) for row in rows]
    statements.add_all(
        made, organisation_id=organisation_id, actor=actor, now=now, note="Weekly receipts of drivers"
    )
    return made


def _document(
    row: Receipt,
    with_: receipt_collecting.Around,
    there: dict[str, Document],
    tells: bool,
    now: datetime,
) -> Document:
    facts = receipt_collecting.facts_of(row, with_, codes.new_code(), tells=tells)
    receipt_facts.check(facts)
    sealed = receipt_facts.sealed(facts)
    replaced = there.get(sealed.replaces_number)
    return Document(
        organisation_id=row.organisation_id,
        kind=KIND,
        number=row.number,
        payee_id=row.payee_id,
        variant=f"{row.lease_id}:{row.revision}",
        period_start=sealed.period_start,
        period_end=sealed.period_end,
        currency=row.currency,
        opening_minor=row.opening_minor,
        closing_minor=row.net_minor,
        code=sealed.code,
        facts=receipt_facts.to_json(sealed),
        reissue_reason=sealed.reason[:500],
        replaces_id=replaced.id if replaced else None,
        created_at=now,
    )


def order(*, organisation_id: int, receipt: Receipt, actor: Actor, now: datetime) -> Document | None:
    """Somebody wants the paper of a receipt that has none, or whose paper could not be made; nobody is mailed.

    Returns the document that is made now; None when it is there or on its way. Raises DoesNotAddUp.
    """
    document = find(receipt)
    if document is None:
        made = freeze(
            organisation_id=organisation_id, receipt_ids=[receipt.id], actor=actor, now=now, tells=False
        )
        return made[0] if made else None
    if document.state == "failed":
        statements.queue_again(document, actor, now, f"Weekly receipt {receipt.number}")
        return document
    return None


def find(receipt: Receipt) -> Document | None:
    """The paper of a receipt, in whatever state; None while nobody has asked for it."""
    return db.session.scalar(
        select(Document).where(
            Document.organisation_id == receipt.organisation_id,
            Document.number == receipt.number,
            Document.kind == KIND,
        )
    )


def checked(document: Document) -> ReceiptFacts:
    """The frozen content, if the receipt still says the same. Raises DoesNotAddUp with the figures."""
    frozen = receipt_facts.from_json(document.facts)
    receipt_facts.check(frozen)
    row = db.session.scalar(
        select(Receipt).where(
            Receipt.organisation_id == document.organisation_id, Receipt.number == document.number
        )
    )
    if row is None or document.number != frozen.number:
        raise DoesNotAddUp(f"There is no weekly receipt {document.number}.")
    booked = (row.opening_minor, row.net_minor, row.paid_minor, row.closing_minor)
    said = (frozen.opening_minor, frozen.net_minor, frozen.paid_minor, frozen.closing_minor)
    if booked != said:
        was, is_ = (", ".join(Money(each, row.currency).plain for each in parts) for parts in (said, booked))
        raise DoesNotAddUp(f"{row.number} has opening, net, paid and closing of {is_}; its paper says {was}.")
    return frozen


def draw(document: Document, public_url: str) -> Callable[[], bytes]:
    """How a paper is drawn, without a transaction. Raises DoesNotAddUp."""
    frozen = checked(document)
    return lambda: receipt_paper.render(frozen, public_url)


kinds.register(
    KIND,
    kinds.Kind(
        label=N_("Weekly receipt"),
        about=N_("A week of a lease"),
        draw=draw,
        mail=MAIL,
        portal="driver",
        tab=N_("By week"),
    ),
)
