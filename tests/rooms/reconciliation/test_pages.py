"""The pages: upload, dry run, compare, settle with two people; what is refused says why and keeps what was typed."""

from __future__ import annotations

import io
import re

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from tests import factories
from tests.rooms.reconciliation.world import DAY, Entry, World, camt, world
from webapp.database import db
from webapp.ledger.models import JournalEntry
from webapp.reconciliation.models import ColumnMapping, Finding, StatementFile, StatementLine

BANK_CSV = (
    "Txn Date,Narration,Chq/Ref Number,Withdrawal Amt,Deposit Amt,Closing Balance\n"
    '20/11/2026,NEFT OUT,HDFCN26112000017,"1,200.00",,8800.00\n'
    "21/11/2026,INTEREST,,,12.50,8812.50\n"
)


@pytest.fixture
def place(database: Flask) -> World:
    """An organisation."""
    return world()


@pytest.fixture
def admin(place: World, database: Flask) -> FlaskClient:
    """The first admin's browser."""
    client = database.test_client()
    factories.sign_in(client, place.first, place.organisation)
    return client


@pytest.fixture
def second(place: World, database: Flask) -> FlaskClient:
    """The second admin's browser."""
    client = database.test_client()
    factories.sign_in(client, place.second, place.organisation)
    return client


def upload(client: FlaskClient, data: bytes, name: str = "statement.xml", what: str = "") -> str:
    """Send a file; the address that follows."""
    answer = client.post(
        "/admin/reconciliation/upload",
        data={"file": (io.BytesIO(data), name), "what": what},
        content_type="multipart/form-data",
    )
    assert answer.status_code == 303, answer.text
    return answer.headers["Location"]


def compare(client: FlaskClient, address: str, **values: str) -> str:
    """Compare an uploaded file; the address of the result."""
    version = re.search(r'name="version"[^>]*value="(\d+)"', client.get(address).text)
    assert version is not None
    answer = client.post(f"{address}/run", data={"version": version[1], **values})
    assert answer.status_code == 303, answer.text
    return answer.headers["Location"]


def test_the_dry_run_says_what_would_be_found_and_stores_nothing(place: World, admin: FlaskClient) -> None:
    transfer = place.paid(1_000)
    address = upload(admin, camt([Entry(-1_000, end_to_end=transfer.transfer_id), Entry(-50, text="Fee")]))
    page = admin.get(address).text
    assert "Dry run: what would be found" in page
    assert re.search(r"Matched</span>\s*<span[^>]*>1<", page) or "Matched" in page
    assert db.session.scalar(select(StatementLine)) is None
    assert db.session.scalar(select(Finding)) is None
    result = admin.get(compare(admin, address)).text
    assert "Theirs only" in result
    assert len(place.lines()) == 2


def test_the_same_file_leads_to_what_is_there(place: World, admin: FlaskClient) -> None:
    data = camt([Entry(-50, text="Fee")])
    address = upload(admin, data)
    compare(admin, address)
    assert upload(admin, data) == address
    assert "What was found" in admin.get(address).text


def test_balances_are_shown_to_the_cent_with_what_lies_between(place: World, admin: FlaskClient) -> None:
    place.paid(1_000)
    compare(admin, upload(admin, camt([Entry(-50, text="Fee")], opening=5_000)))
    page = admin.get("/admin/reconciliation").text
    for words in ("-$10.00", "$49.50", "Only on their statement", "Only in our ledger", "$59.50"):
        assert words.replace("-", "\N{MINUS SIGN}") in page or words in page, words


def test_a_correction_is_shown_before_and_after_proposed_and_confirmed_by_another(
    place: World, admin: FlaskClient, second: FlaskClient
) -> None:
    compare(admin, upload(admin, camt([Entry(-590, text="Fee")], opening=0)))
    (finding,) = place.findings()
    address = f"/admin/reconciliation/findings/{finding.id}/settle"
    shown = admin.get(f"{address}?how=book&account=expense:bank_fees").text
    assert "Exactly this entry" in shown
    assert "$5.90" in shown
    assert db.session.scalar(select(JournalEntry)) is None
    sent = {
        "how": "book",
        "account": "expense:bank_fees",
        "version": str(finding.version),
        "note": "Monthly fee",
    }
    assert admin.post(address, data=sent).status_code == 303
    db.session.expire_all()
    assert place.findings()[0].state == "proposed"
    version = str(place.findings()[0].version)
    alone = admin.post(address, data={"how": "book", "step": "confirm", "version": version})
    assert alone.status_code == 409
    assert "second person must confirm" in alone.text
    assert (
        second.post(address, data={"how": "book", "step": "confirm", "version": version}).status_code == 303
    )
    db.session.expire_all()
    assert place.findings() == []
    assert place.tie().difference == 0
    assert "Booked as a correction" in second.get(f"/admin/reconciliation/findings/{finding.id}").text


def test_an_explanation_needs_a_reason_and_can_be_taken_back(place: World, admin: FlaskClient) -> None:
    compare(admin, upload(admin, camt([Entry(-590, text="Fee")])))
    (finding,) = place.findings()
    address = f"/admin/reconciliation/findings/{finding.id}"
    refused = admin.post(f"{address}/settle", data={"how": "explain", "note": "ok", "version": "1"})
    assert refused.status_code == 422
    assert "ok</textarea>" in refused.text
    reason = {"how": "explain", "note": "The fee of October", "version": "1"}
    assert admin.post(f"{address}/settle", data=reason).status_code == 303
    assert place.findings() == []
    late = admin.post(f"{address}/settle", data={**reason, "note": "Another reason"})
    assert late.status_code == 409
    assert "Another reason" in late.text
    assert admin.post(f"{address}/reopen", data={}).status_code == 303
    assert [f.state for f in place.findings()] == ["open"]


def test_a_suggested_pair_is_accepted_by_a_person(place: World, admin: FlaskClient) -> None:
    place.paid(4_321)
    compare(admin, upload(admin, camt([Entry(-4_321, text="transfer")])))
    theirs = place.findings("theirs_only")[0]
    page = admin.get(f"/admin/reconciliation/findings/{theirs.id}/settle?how=link").text
    assert "(suggested)" in page
    sent = {"how": "link", "half": str(theirs.suggested_entry_id), "version": str(theirs.version)}
    assert admin.post(f"/admin/reconciliation/findings/{theirs.id}/settle", data=sent).status_code == 303
    db.session.expire_all()
    assert place.findings() == []
    assert place.tie().difference == 0


def test_an_owner_is_an_admin_of_the_organisation(place: World, admin: FlaskClient) -> None:
    compare(admin, upload(admin, camt([Entry(-590, text="Fee")])))
    (finding,) = place.findings()
    address = f"/admin/reconciliation/findings/{finding.id}/owner"
    stranger = factories.user(organisation=factories.organisation(slug="other"), role="admin")
    assert admin.post(address, data={"owner": str(stranger.id), "version": "1"}).status_code == 422
    assert admin.post(address, data={"owner": str(place.second.id), "version": "1"}).status_code == 303
    mine = admin.get("/admin/reconciliation/findings?owner=me").text
    assert "Nothing differs here" in mine
    assert place.second.email in admin.get("/admin/reconciliation/findings").text


def test_a_bank_s_list_is_read_by_columns_that_are_kept(place: World, admin: FlaskClient) -> None:
    address = upload(admin, BANK_CSV.encode(), "november.csv")
    page = admin.get(address)
    assert "Which column is which" in page.text
    chosen = {
        "column_booked_on": "Txn Date", "column_debit": "Withdrawal Amt", "column_credit": "Deposit Amt",
        "column_balance": "Closing Balance", "column_text": "Narration", "column_utr": "Chq/Ref Number",
        "dates": "dmy", "decimal": ".", "version": "1",
    }  # fmt: skip
    refused = admin.post(address, data={**chosen, "name": "HDFC"})
    assert refused.status_code == 422
    assert "which account the list is of" in refused.text
    assert admin.post(address, data={**chosen, "name": "HDFC", "account": "HDFC 4821"}).status_code == 303
    compare(admin, address)
    assert [(line.amount_minor, line.utr) for line in place.lines()] == [
        (-120_000, "HDFCN26112000017"),
        (1_250, ""),
    ]
    tie = place.tie()
    assert (tie.theirs, tie.difference - sum(tie.parts)) == (881_250, 0)
    assert db.session.scalars(select(ColumnMapping)).one().name == "HDFC"
    again = upload(admin, (BANK_CSV + "22/11/2026,FEE,,1.00,,8811.50\n").encode(), "later.csv")
    assert "Dry run" in admin.get(again).text
    compare(admin, again)
    assert len(place.lines()) == 3


def test_another_account_is_not_compared_before_a_person_says_so(place: World, admin: FlaskClient) -> None:
    compare(admin, upload(admin, camt([Entry(-50, text="Fee")])))
    address = upload(admin, camt([Entry(-70, text="Fee")], account="DE02120300000000202051"))
    page = admin.get(address).text
    assert "is compared with ••3000" in page
    version = re.search(r'name="version"[^>]*value="(\d+)"', page)
    assert version is not None
    assert admin.post(f"{address}/run", data={"version": version[1]}).status_code == 422
    compare(admin, address, switch="y")
    assert place.tie().label == "••2051"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "The file is empty."),
        (b"%PDF-1.4 whatever", "a PDF"),
        (b"<?xml version='1.0'?><!DOCTYPE a [<!ENTITY x 'y'>]><Document>&x;</Document>", "defines entities"),
        (b"<?xml version='1.0'?><Document><BkToCstmrAcctRpt/></Document>", "camt.052"),
        (b"<?xml version='1.0'?><Document><BkToCstmrStmt>", "not whole XML"),
        (b"\x00\x01\x02\x03", "bytes that no text has"),
        (b"x" * (10 * 1024 * 1024 + 1), "larger than 10 MB"),
    ],
    ids=["empty", "pdf", "entities", "camt052", "cut", "binary", "huge"],
)
def test_what_is_no_statement_is_refused_before_anything_is_stored(
    place: World, admin: FlaskClient, data: bytes, words: str
) -> None:
    answer = admin.post(
        "/admin/reconciliation/upload",
        data={"file": (io.BytesIO(data), "statement.xml")},
        content_type="multipart/form-data",
    )
    assert answer.status_code == 422
    assert words in answer.text
    assert db.session.scalar(select(StatementFile)) is None


def test_a_file_of_another_kind_than_it_was_said_to_be_is_refused(place: World, admin: FlaskClient) -> None:
    answer = admin.post(
        "/admin/reconciliation/upload",
        data={"file": (io.BytesIO(camt([Entry(-1)])), "a.xml"), "what": "mt940"},
        content_type="multipart/form-data",
    )
    assert answer.status_code == 422
    assert "not SWIFT MT940" in answer.text


def test_the_export_is_exactly_the_filter(place: World, admin: FlaskClient) -> None:
    transfer = place.paid(1_000)
    place.paid(777)
    compare(
        admin,
        upload(admin, camt([Entry(-1_000, end_to_end=transfer.transfer_id), Entry(-50, text="=1+1 fee")])),
    )
    rows = admin.get("/admin/reconciliation/findings.csv?kind=theirs_only").text.splitlines()
    assert len(rows) == 2
    assert "theirs_only" in rows[1]
    assert ",'=1+1 fee," in rows[1]
    assert "-0.50" in rows[1]
    matched = admin.get("/admin/reconciliation/findings.csv?kind=matched").text
    assert transfer.transfer_id in matched
    assert transfer.transfer_id not in admin.get("/admin/reconciliation/findings.csv").text


def test_lists_of_findings_need_few_queries_and_show_every_kind(place: World, admin: FlaskClient) -> None:
    matched, differs, failed = place.paid(100), place.paid(200), place.sent(300)
    place.paid(400)
    compare(
        admin,
        upload(
            admin,
            camt(
                [
                    Entry(-100, end_to_end=matched.transfer_id),
                    Entry(-250, end_to_end=differs.transfer_id),
                    Entry(-300, end_to_end=failed.transfer_id),
                    Entry(-9_999, text="Nobody knows"),
                ],
                on=DAY,
            ),
        ),
    )
    page = admin.get("/admin/reconciliation/findings").text
    for words in ("Theirs only", "Ours only", "Amount differs", "State differs", "Nobody knows"):
        assert words in page
    agreed = admin.get("/admin/reconciliation/findings?kind=matched").text
    assert matched.transfer_id in agreed or place.payout(matched).reference in agreed


def test_an_accountant_looks_and_changes_nothing(place: World, admin: FlaskClient, database: Flask) -> None:
    compare(admin, upload(admin, camt([Entry(-50, text="Fee")])))
    (finding,) = place.findings()
    client = database.test_client()
    factories.sign_in(
        client, factories.user(organisation=place.organisation, role="accountant"), place.organisation
    )
    assert client.get(f"/admin/reconciliation/findings/{finding.id}").status_code == 200
    assert client.get(f"/admin/reconciliation/findings/{finding.id}/settle").status_code == 403
    assert client.post(f"/admin/reconciliation/findings/{finding.id}/settle", data={}).status_code == 403
