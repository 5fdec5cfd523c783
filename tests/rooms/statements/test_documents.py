"""Asking for documents and making them: once per state, safe to repeat, failures named."""

from __future__ import annotations

import hashlib
import io
from datetime import datetime, timedelta

import pypdf
import pytest
from flask import Flask
from sqlalchemy import select, text

from jobs import statements as jobs
from tests.factories import payouts as factory
from tests.factories import people
from webapp.audit.models import AuditEvent
from webapp.database import db, transaction
from webapp.kernel.actor import WORKER
from webapp.kernel.errors import NotFound, Unavailable
from webapp.outbox.models import OutboxMessage
from webapp.payouts import service as payouts
from webapp.payouts.models import Payout
from webapp.people.models import Organisation
from webapp.providers import storage
from webapp.statements import making, queries, render_pdf, service
from webapp.statements.models import Document


@pytest.fixture
def organisation(database: Flask) -> Organisation:
    return people.organisation("solaria", contact_email="payouts@solaria.example")


@pytest.fixture
def paid(organisation: Organisation) -> Payout:
    payout = factory.payout_ready(organisation, people.payee(organisation, name="Maya Okafor"))
    with transaction():
        payouts.mark_paid(
            organisation_id=organisation.id,
            reference=payout.reference,
            payment_reference="WIRE-77",
            paid_on=factory.WHEN.date(),
            actor=people.actor_of(people.user(organisation=organisation, role="admin")),
            now=factory.WHEN,
        )
    return payout


def ask(payout: Payout, now: datetime, actor: object = WORKER) -> Document:
    with transaction():
        return service.request_remittance(payout_id=payout.id, actor=actor, now=now)  # type: ignore[arg-type]


def reload(document: Document) -> Document:
    with transaction():
        return db.session.get_one(Document, document.id, populate_existing=True)


def messages(document: Document) -> int:
    query = select(OutboxMessage).where(
        OutboxMessage.kind == "document.render", OutboxMessage.reference_id == document.id
    )
    return len(db.session.scalars(query).all())


def test_a_statement_is_asked_for_once_per_state(paid: Payout, now: datetime) -> None:
    first = ask(paid, now)
    again = ask(paid, now + timedelta(minutes=1))
    assert first.id == again.id
    assert (first.number, first.state, first.variant) == ("RA-2026-000001", "queued", "paid:1")
    assert messages(first) == 1
    assert db.session.scalars(
        select(AuditEvent.tag).where(AuditEvent.tag.startswith("statements:"))
    ).all() == ["statements:document:requested"]


def test_it_is_made_stored_and_frozen(paid: Payout, now: datetime) -> None:
    document = ask(paid, now)
    assert making.render(document_id=document.id, now=now) is True
    made = reload(document)
    content = storage.read(made.storage_key)
    assert made.state == "ready"
    assert made.ready_at == now
    assert made.sha256 == hashlib.sha256(content).hexdigest()
    assert made.size_bytes == len(content)
    words = pypdf.PdfReader(io.BytesIO(content)).pages[0].extract_text()
    for said in ("Maya Okafor", "RA-2026-000001", paid.reference, "499.50", "WIRE-77", "Paid"):
        assert said in words
    # A job that runs again changes nothing.
    assert making.render(document_id=document.id, now=now + timedelta(hours=1)) is True
    assert reload(document).ready_at == now


def test_a_later_state_replaces_it_under_a_new_number(paid: Payout, now: datetime) -> None:
    first = ask(paid, now)
    making.render(document_id=first.id, now=now)
    with transaction():
        payouts.reverse(
            organisation_id=paid.organisation_id,
            reference=paid.reference,
            reason="Account closed",
            on=now.date(),
            actor=people.actor_of(people.user(organisation=paid.organisation, role="admin")),
            now=now,
        )
    second = ask(paid, now)
    making.render(document_id=second.id, now=now)
    made = reload(second)
    assert (made.number, made.variant, made.replaces_id) == ("RA-2026-000002", "reversed:1", first.id)
    words = pypdf.PdfReader(io.BytesIO(storage.read(made.storage_key))).pages[0].extract_text()
    assert "Replaces RA-2026-000001" in words
    assert "Returned" in words
    # The first one stays as it was.
    assert reload(first).state == "ready"


def test_a_queued_one_shows_the_payout_as_it_is_when_made(organisation: Organisation, now: datetime) -> None:
    payout = factory.payout_ready(organisation)
    document = ask(payout, now)
    assert document.variant == "approved:1"
    with transaction():
        payouts.mark_paid(
            organisation_id=organisation.id,
            reference=payout.reference,
            payment_reference="WIRE-1",
            paid_on=now.date(),
            actor=people.actor_of(people.user(organisation=organisation, role="admin")),
            now=now,
        )
    assert making.render(document_id=document.id, now=now)
    assert reload(document).variant == "paid:1"


def test_lines_that_do_not_add_up_make_no_document(paid: Payout, now: datetime) -> None:
    document = ask(paid, now)
    with transaction() as session:
        session.execute(text("UPDATE payout_lines SET amount_minor = amount_minor + 1"))
    assert making.render(document_id=document.id, now=now) is False
    failed = reload(document)
    assert failed.state == "failed"
    assert "add up to 499.51" in failed.error
    assert (failed.storage_key, failed.sha256) == ("", "")


def test_missing_pango_fails_with_the_remedy_and_a_person_can_try_again(
    paid: Payout, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing() -> None:
        raise render_pdf.EngineMissing(render_pdf.PANGO_MISSING)

    document = ask(paid, now)
    with monkeypatch.context() as patch:
        patch.setattr(render_pdf, "warm", missing)
        jobs.render(document.id)  # does not raise: trying again would not help
    assert reload(document).state == "failed"
    assert "apt-get install" in reload(document).error
    someone = people.actor_of(people.user(organisation=paid.organisation, role="admin"))
    again = ask(paid, now + timedelta(minutes=5), someone)
    assert (again.id, again.state, again.error) == (document.id, "queued", "")
    assert messages(document) == 2
    jobs.render(document.id)
    assert reload(document).state == "ready"


def test_a_full_disk_is_tried_again(paid: Payout, now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(key: str, content: bytes) -> None:
        raise Unavailable("The file could not be stored; the disk may be full.")

    document = ask(paid, now)
    with monkeypatch.context() as patch:
        patch.setattr(storage, "save", full)
        with pytest.raises(Unavailable):
            making.render(document_id=document.id, now=now)
    assert reload(document).state == "queued"
    assert "disk may be full" in reload(document).error
    assert making.render(document_id=document.id, now=now)
    assert (reload(document).state, reload(document).error) == ("ready", "")


def test_the_paid_payout_asks_by_itself(paid: Payout, now: datetime) -> None:
    query = select(OutboxMessage).where(OutboxMessage.kind == "document.remittance")
    message = db.session.scalars(query).one()
    jobs.remittance(message.reference_id)
    document = db.session.scalars(select(Document)).one()
    assert (document.payout_id, document.state) == (paid.id, "queued")


def test_an_unknown_payout_is_not_found(database: Flask, now: datetime) -> None:
    with pytest.raises(NotFound), transaction():
        service.request_remittance(payout_id=99, actor=WORKER, now=now)
    assert making.render(document_id=99, now=now) is False


@pytest.mark.parametrize("state", ["", "ready", "replaced"])
def test_a_list_finds_what_replaced_each_row_by_an_index(database: Flask, state: str) -> None:
    if db.engine.dialect.name != "sqlite":
        pytest.skip("PostgreSQL plans by the number of rows; a few are read faster than any index")
    query = queries.documents(people.organisation(), queries.DocumentFilter(state=state))
    listed = query.order_by(Document.id.desc()).limit(50)
    compiled = listed.compile(db.engine, compile_kwargs={"literal_binds": True})
    plan = [row[3] for row in db.session.execute(text(f"EXPLAIN QUERY PLAN {compiled}"))]
    about_newer = [step for step in plan if step.split()[1].startswith("documents_")]
    assert about_newer, plan
    assert all("ix_documents_replaces" in step for step in about_newer), "\n".join(plan)
