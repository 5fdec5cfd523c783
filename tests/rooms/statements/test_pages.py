"""Statements on pages: downloads for those they belong to, states in words, one button to make one."""

from __future__ import annotations

from datetime import datetime

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.factories import payouts as factory
from tests.factories import people
from webapp.database import db, transaction
from webapp.kernel.actor import WORKER
from webapp.payouts.models import Payout
from webapp.people.models import Organisation, User
from webapp.providers import storage
from webapp.statements import making, service
from webapp.statements.models import Document


@pytest.fixture
def organisation(database: Flask) -> Organisation:
    return people.organisation("solaria")


@pytest.fixture
def maya(organisation: Organisation) -> User:
    return people.user("maya@example.com", name="Maya")


@pytest.fixture
def payout(organisation: Organisation, maya: User) -> Payout:
    return factory.payout_ready(organisation, people.payee(organisation, user=maya, name="Maya Okafor"))


def make(payout: Payout, now: datetime, *, is_ready: bool = True) -> Document:
    with transaction():
        document = service.request_remittance(payout_id=payout.id, actor=WORKER, now=now)
    if is_ready:
        assert making.render(document_id=document.id, now=now)
    with transaction():
        return db.session.get_one(Document, document.id, populate_existing=True)


def test_a_payee_downloads_their_own(client: FlaskClient, maya: User, payout: Payout, organisation: Organisation,
                                     now: datetime) -> None:  # fmt: skip
    document = make(payout, now)
    people.sign_in(client, maya, organisation)
    page = client.get("/technician/statements").get_data(as_text=True)
    assert document.number in page
    assert f"/technician/statements/{document.id}" in page
    answer = client.get(f"/technician/statements/{document.id}")
    assert answer.status_code == 200
    assert answer.mimetype == "application/pdf"
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{document.number}.pdf"'
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.data == storage.read(document.storage_key)
    own = client.get(f"/technician/payouts/{payout.reference}").get_data(as_text=True)
    assert f"/technician/statements/{document.id}" in own


def test_others_get_404(
    client: FlaskClient, payout: Payout, organisation: Organisation, now: datetime
) -> None:
    document = make(payout, now)
    stranger = people.user()
    people.payee(organisation, user=stranger)
    people.sign_in(client, stranger, organisation)
    assert client.get(f"/technician/statements/{document.id}").status_code == 404
    assert document.number not in client.get("/technician/statements").get_data(as_text=True)
    assert client.get(f"/admin/documents/{document.id}").status_code == 403
    elsewhere = people.organisation("griha")
    admin = people.user(organisation=elsewhere, role="admin")
    people.sign_in(client, admin, elsewhere)
    assert client.get(f"/admin/documents/{document.id}").status_code == 404
    assert client.post(f"/admin/documents/{payout.reference}").status_code == 404


def test_an_admin_makes_one_and_downloads_it(client: FlaskClient, payout: Payout, organisation: Organisation,
                                             now: datetime) -> None:  # fmt: skip
    people.sign_in(client, people.user(organisation=organisation, role="admin"), organisation)
    shown = f"/admin/payouts/{payout.reference}"
    assert "Make the statement" in client.get(shown).get_data(as_text=True)
    answer = client.post(f"/admin/documents/{payout.reference}")
    assert (answer.status_code, answer.location) == (303, shown)
    document = db.session.scalars(db.select(Document)).one()
    page = client.get(shown).get_data(as_text=True)
    assert "Being made" in page
    assert "Make the statement" not in page
    # Not there yet: the page of the payout says so.
    early = client.get(f"/admin/documents/{document.id}")
    assert (early.status_code, early.location) == (303, shown)
    making.render(document_id=document.id, now=now)
    assert client.get(f"/admin/documents/{document.id}").data.startswith(b"%PDF-1.7")
    # Once more gets the same one.
    client.post(f"/admin/documents/{payout.reference}")
    assert len(db.session.scalars(db.select(Document)).all()) == 1
    assert f"/admin/documents/{document.id}" in client.get("/admin/payouts").get_data(as_text=True)


def test_an_accountant_reads_and_makes_nothing(client: FlaskClient, payout: Payout, organisation: Organisation,
                                               now: datetime) -> None:  # fmt: skip
    document = make(payout, now)
    people.sign_in(client, people.user(organisation=organisation, role="accountant"), organisation)
    assert client.get(f"/admin/documents/{document.id}").status_code == 200
    assert client.post(f"/admin/documents/{payout.reference}").status_code == 403


def test_a_failure_is_explained_to_admins_only(client: FlaskClient, payout: Payout, maya: User,
                                               organisation: Organisation, now: datetime) -> None:  # fmt: skip
    document = make(payout, now, is_ready=False)
    with transaction():
        service.record_problem(document_id=document.id, reason="Pango is missing.", is_final=True, now=now)
    people.sign_in(client, people.user(organisation=organisation, role="admin"), organisation)
    page = client.get(f"/admin/payouts/{payout.reference}").get_data(as_text=True)
    assert "Pango is missing." in page
    assert "Make it again" in page
    people.sign_in(client, maya, organisation)
    own = client.get("/technician/statements").get_data(as_text=True)
    assert "Pango" not in own
    assert f"Ask {organisation.name} for it." in own
    answer = client.get(f"/technician/statements/{document.id}")
    assert (answer.status_code, answer.location) == (303, "/technician/statements")


def test_a_changed_or_lost_file_is_not_handed_out(client: FlaskClient, payout: Payout, maya: User,
                                                  organisation: Organisation, now: datetime) -> None:  # fmt: skip
    document = make(payout, now)
    people.sign_in(client, maya, organisation)
    storage.save(document.storage_key, b"%PDF-1.7 another amount")
    answer = client.get(f"/technician/statements/{document.id}")
    assert answer.status_code == 503
    assert b"another amount" not in answer.data
    with transaction():
        db.session.get_one(Document, document.id).storage_key = "documents/lost.pdf"
    assert client.get(f"/technician/statements/{document.id}").status_code == 503


def test_the_list_says_what_is_going_on(client: FlaskClient, payout: Payout, maya: User,
                                        organisation: Organisation, now: datetime) -> None:  # fmt: skip
    people.sign_in(client, maya, organisation)
    assert "No statements yet" in client.get("/technician/statements").get_data(as_text=True)
    make(payout, now, is_ready=False)
    page = client.get("/technician/statements").get_data(as_text=True)
    assert "Being made" in page
    assert ">Refresh</a>" in page
    assert '<noscript><meta http-equiv="refresh"' in page
    plain = people.user(organisation=organisation, role="technician")
    people.sign_in(client, plain, organisation)
    assert "No statements here" in client.get("/technician/statements").get_data(as_text=True)
    assert client.get("/technician/statements/1").status_code == 404


def test_a_replaced_one_says_so(client: FlaskClient, payout: Payout, organisation: Organisation,
                                now: datetime) -> None:  # fmt: skip
    first = make(payout, now)
    with transaction():
        db.session.get_one(Payout, payout.id).round = 2
    second = make(payout, now)
    people.sign_in(client, people.user(organisation=organisation, role="admin"), organisation)
    page = client.get(f"/admin/payouts/{payout.reference}").get_data(as_text=True)
    assert f"Replaced by {second.number}." in page
    assert f"/admin/documents/{first.id}" in page
