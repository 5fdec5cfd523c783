"""The pages of monthly statements: lists, one of them, issuing again, downloads; strangers find nothing."""

from __future__ import annotations

import io
import zipfile
from datetime import date

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.factories import payouts as factory
from tests.factories import people
from tests.factories.pages import counted_queries
from tests.factories.statements import PDF, owed, ready, ready_statement, statement
from webapp.database import db, transaction
from webapp.kernel.actor import WORKER
from webapp.people.models import Organisation, Payee, User
from webapp.statements import facts, service, tables
from webapp.statements.models import Document


@pytest.fixture
def organisation(database: Flask) -> Organisation:
    return people.organisation("solaria")


@pytest.fixture
def maya(organisation: Organisation) -> User:
    return people.user("maya@example.com", name="Maya")


@pytest.fixture
def payee(organisation: Organisation, maya: User) -> Payee:
    return people.payee(organisation, user=maya, name="Maya Okafor")


@pytest.fixture
def admin(client: FlaskClient, organisation: Organisation) -> FlaskClient:
    people.sign_in(client, people.user(organisation=organisation, role="admin"), organisation)
    return client


def test_the_list_is_narrowed_by_payee_month_kind_and_state(
    admin: FlaskClient, organisation: Organisation, payee: Payee
) -> None:
    october = ready_statement(organisation, payee)
    payout = factory.payout_ready(organisation, payee)
    with transaction():
        remittance = service.request_remittance(payout_id=payout.id, actor=WORKER, now=factory.WHEN)

    def shown(query: str) -> set[str]:
        text = admin.get(f"/admin/statements?{query}").text
        return {n for n in (october.number, remittance.number) if f"/admin/statements/{n}" in text}

    both = {october.number, remittance.number}
    assert shown("") == both
    assert shown("kind=monthly") == {october.number}
    assert shown("kind=remittance") == {remittance.number}
    assert shown("state=ready") == {october.number}
    assert shown("state=queued") == {remittance.number}
    assert shown("state=replaced") == shown("state=failed") == set()
    assert shown("month=2026-10") == {october.number}
    assert shown("month=2026-11") == {remittance.number}
    assert shown("q=okafor") == both
    assert shown(f"q={payout.reference}") == {remittance.number}
    assert shown(f"payee={payee.reference}") == both
    assert shown("q=nobody") == set()
    assert admin.get("/admin/statements?payee=PY-9999").status_code == 404
    assert admin.get("/admin/statements?kind=weekly").status_code == 422


def test_the_page_of_one_shows_figures_hash_and_issues(
    admin: FlaskClient, organisation: Organisation, payee: Payee
) -> None:
    first = ready_statement(organisation, payee)
    text = admin.get(f"/admin/statements/{first.number}").text
    for said in (
        "Maya Okafor",
        "$499.50",
        first.sha256,
        first.code,
        "Issue again…",
        "Download the PDF",
        "XLSX",
    ):
        assert str(said) in text, said
    assert f"{first.sha256[:8]}<wbr>{first.sha256[8:16]}<wbr>" in text  # it breaks on a phone
    assert "entries were posted late" not in text
    owed(organisation, payee, 700, date(2026, 10, 31))
    assert "entries were posted late" in admin.get(f"/admin/statements/{first.number}").text
    form = admin.get(f"/admin/statements/{first.number}/reissue").text
    assert "The ledger now" in form
    assert "$506.50" in form
    refused = admin.post(f"/admin/statements/{first.number}/reissue", data={"reason": "  "})
    assert refused.status_code == 422
    long = admin.post(f"/admin/statements/{first.number}/reissue", data={"reason": "y" * 501})
    assert (long.status_code, "y" * 501 in long.text) == (422, True)
    answer = admin.post(f"/admin/statements/{first.number}/reissue", data={"reason": "A late entry"})
    assert (answer.status_code, answer.location) == (303, "/admin/statements/ST-2026-000002")
    second = db.session.scalars(db.select(Document).where(Document.number == "ST-2026-000002")).one()
    assert (second.closing_minor, second.replaces_id) == (50_650, first.id)
    assert (
        admin.post(f"/admin/statements/{first.number}/reissue", data={"reason": "Again"}).status_code == 409
    )
    ready(second)
    old = admin.get(f"/admin/statements/{first.number}").text
    assert f"Replaced by {second.number}." in old
    assert "Issue again…" not in old
    assert admin.get(f"/admin/documents/{first.id}").data == PDF


def test_files_are_those_of_the_frozen_content(
    admin: FlaskClient, organisation: Organisation, payee: Payee
) -> None:
    document = ready_statement(organisation, payee)
    frozen = facts.from_json(document.facts)
    sheet = admin.get(f"/admin/statements/{document.number}/lines.csv")
    assert sheet.data == tables.csv_file(frozen)
    assert sheet.headers["Content-Disposition"] == f'attachment; filename="{document.number}.csv"'
    assert admin.get(f"/admin/statements/{document.number}/lines.xlsx").data == tables.xlsx_file(frozen)
    assert admin.get(f"/admin/statements/{document.number}/lines.pdf").status_code == 404
    with transaction():
        row = db.session.get_one(Document, document.id)
        row.facts = {**(row.facts or {}), "closing_minor": 1}
    assert admin.get(f"/admin/statements/{document.number}/lines.csv").status_code == 503
    assert "was changed after it was made" in admin.get(f"/admin/statements/{document.number}").text


def test_one_that_failed_says_why_and_is_tried_again(
    admin: FlaskClient, organisation: Organisation, payee: Payee
) -> None:
    owed(organisation, payee, 100, date(2026, 10, 5))
    document = statement(organisation, payee)
    early = admin.get(f"/admin/statements/{document.number}/lines.csv")
    assert (early.status_code, early.location) == (303, f"/admin/statements/{document.number}")
    with transaction():
        service.record_problem(
            document_id=document.id, reason="Pango is missing.", is_final=True, now=factory.WHEN
        )
    page = admin.get(f"/admin/statements/{document.number}").text
    assert "Pango is missing." in page
    assert "Try again" in page
    answer = admin.post(f"/admin/statements/{document.number}/try-again")
    assert answer.status_code == 303
    assert "Being made" in admin.get(answer.location).text
    ready(document)
    assert admin.post(f"/admin/statements/{document.number}/try-again").status_code == 409


def test_a_payee_has_their_months_and_their_year(
    client: FlaskClient, organisation: Organisation, payee: Payee, maya: User
) -> None:
    document = ready_statement(organisation, payee)
    people.sign_in(client, maya, organisation)
    text = client.get("/technician/statements").text
    for said in (document.number, "$499.50", "Everything of the month", "/technician/statements/2026.zip",
                 "The next monthly statement comes on"):  # fmt: skip
        assert said in text, said
    assert document.number in client.get("/technician/statements?kind=monthly").text
    assert "None of this kind yet" in client.get("/technician/statements?kind=remittance").text
    assert client.get(f"/technician/statements/{document.id}").data == PDF
    assert client.get(f"/technician/statements/{document.id}/lines.csv").status_code == 200
    answer = client.get("/technician/statements/2026.zip")
    assert (
        answer.headers["Content-Disposition"]
        == f'attachment; filename="statements-{payee.reference}-2026.zip"'
    )
    with zipfile.ZipFile(io.BytesIO(answer.data)) as opened:
        assert opened.namelist() == [f"{document.number}.pdf", f"{document.number}.csv", "index.csv"]
        assert opened.read(f"{document.number}.pdf") == PDF
    for empty in ("2025", "1066", "99999"):
        assert client.get(f"/technician/statements/{empty}.zip").status_code == 404


def test_others_find_nothing(client: FlaskClient, organisation: Organisation, payee: Payee) -> None:
    document = ready_statement(organisation, payee)
    neighbour = people.user()
    people.payee(organisation, user=neighbour)
    people.sign_in(client, neighbour, organisation)
    for path in (f"{document.id}", f"{document.id}/lines.csv", f"{document.id}/lines.xlsx", "2026.zip"):
        assert client.get(f"/technician/statements/{path}").status_code == 404, path
    elsewhere = people.organisation("griha")
    people.sign_in(client, people.user(organisation=elsewhere, role="admin"), elsewhere)
    for path in (f"statements/{document.number}", f"statements/{document.number}/lines.csv",
                 f"statements/{document.number}/reissue", f"statements/of/{payee.reference}/2026.zip",
                 "statements/month/2026-10.zip", f"documents/{document.id}"):  # fmt: skip
        assert client.get(f"/admin/{path}").status_code == 404, path
    for path in ("reissue", "try-again"):
        data = {"reason": "mine"}
        assert client.post(f"/admin/statements/{document.number}/{path}", data=data).status_code == 404, path


def test_archives_for_admins(admin: FlaskClient, organisation: Organisation, payee: Payee) -> None:
    document = ready_statement(organisation, payee)
    for path in (f"of/{payee.reference}/2026.zip", "month/2026-10.zip"):
        answer = admin.get(f"/admin/statements/{path}")
        assert answer.status_code == 200
        assert f"{document.number}.pdf" in zipfile.ZipFile(io.BytesIO(answer.data)).namelist()
    assert admin.get("/admin/statements/month/2026-09.zip").status_code == 404
    assert admin.get("/admin/statements/month/never.zip").status_code == 404


def test_pages_ask_the_database_a_fixed_number_of_times(
    admin: FlaskClient, organisation: Organisation, payee: Payee
) -> None:
    number = ready_statement(organisation, payee).number
    for _ in range(4):
        ready_statement(organisation, people.payee(organisation))
    for path, limit in (("", 12), ("?kind=monthly&month=2026-10", 12), (f"/{number}", 20), ("/month", 20)):
        with counted_queries() as statements:
            assert admin.get(f"/admin/statements{path}").status_code == 200
        assert len(statements) <= limit, (path, len(statements))
