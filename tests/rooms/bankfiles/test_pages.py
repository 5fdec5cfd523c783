"""The pages as people without JavaScript use them."""

from __future__ import annotations

import html
import re
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests import factories
from tests.factories import bankfiles
from tests.factories.pages import Place, counted_queries
from tests.rooms.bankfiles.conftest import answer_all, payout, transfers
from webapp.audit.models import AuditEvent
from webapp.bankfiles.models import BankFile, BankFileItem, BankFileSetup
from webapp.database import db, transaction
from webapp.people.models import UserSession

HIDDEN = re.compile(r'<input type="hidden" name="(version|sha256|seen)" value="([^"]*)"')
ROOT = "/admin/bank-files"


def _hidden(page: str) -> dict[str, str]:
    found = dict(HIDDEN.findall(page))
    other = re.findall(r'<input[^>]*name="(version)"[^>]*value="([^"]*)"', page)
    return {**dict(other), **{name: html.unescape(value) for name, value in found.items()}}


def _made(client: FlaskClient) -> str:
    page = client.get(f"{ROOT}/new").text
    answer = client.post(f"{ROOT}/new/nacha", data=_hidden(page))
    assert answer.status_code == 303, answer.text
    return str(answer.headers["Location"].rsplit("/", 1)[1])


def _act(client: FlaskClient, reference: str, slug: str, **values: str) -> Any:
    page = client.get(f"{ROOT}/{reference}/{slug}")
    return client.post(f"{ROOT}/{reference}/{slug}", data={**_hidden(page.text), **values})


def test_the_whole_way(place: Place) -> None:
    one = bankfiles.waiting(place.organisation, 123_456_789).reference
    bankfiles.waiting(place.organisation, 100)
    maker, approver = place.client(place.maker), place.client(place.approver)
    assert "2 payouts of" in maker.get(ROOT).text
    page = maker.get(f"{ROOT}/new").text
    assert "$1,234,568.89" in page
    assert "SHA-256" in page
    shown = re.search(r"[0-9a-f]{64}", page.replace("<wbr>", ""))
    reference = _made(maker)
    file = db.session.query(BankFile).one()
    assert shown is not None
    assert shown.group() == file.sha256
    page = maker.get(f"{ROOT}/{reference}").text
    assert "You made this file; a different person must approve it." in page
    assert "Approve…" not in page
    assert maker.get(f"{ROOT}/{reference}/approve").status_code == 200
    assert _act(maker, reference, "approve", is_compared="y").status_code in (409, 422)
    page = approver.get(f"{ROOT}/{reference}/approve").text
    assert file.sha256 in page.replace("<wbr>", "")
    assert "Entry hash" in page
    assert one in page
    assert _act(approver, reference, "approve").status_code == 422
    assert _act(approver, reference, "approve", is_compared="y").status_code == 303
    first = maker.post(f"{ROOT}/{reference}/download")
    assert first.status_code == 200
    assert first.headers["Content-Disposition"] == f"attachment; filename={reference}.ach"
    assert first.headers["Cache-Control"] == "no-store"
    second = approver.post(f"{ROOT}/{reference}/download")
    assert second.data == first.data == bankfiles.bytes_of(db.session.query(BankFile).one())
    db.session.rollback()
    assert db.session.query(AuditEvent).filter_by(tag="bankfiles:file:downloaded").count() == 2
    assert _act(maker, reference, "sent").status_code == 422
    assert _act(maker, reference, "sent", is_uploaded="y", bank_reference="U-7").status_code == 303
    assert {t.state for t in transfers()} == {"accepted"}
    assert _act(maker, reference, "settled", is_debited="y", statement="S-1").status_code == 303
    answer_all()
    assert payout(one).state == "paid"
    page = maker.get(f"{ROOT}/{reference}").text
    assert "Closed" in page
    assert "Debited by the statement: S-1" in page
    page = maker.get(f"/admin/payouts/{one}").text
    assert f"{ROOT}/{reference}" in page
    assert "The bank's answer: paid." in html.unescape(page)


def test_the_same_page_twice_makes_one_file(place: Place) -> None:
    bankfiles.waiting(place.organisation)
    client = place.client(place.maker)
    seen = _hidden(client.get(f"{ROOT}/new").text)
    first = client.post(f"{ROOT}/new/nacha", data=seen)
    again = client.post(f"{ROOT}/new/nacha", data=seen)
    assert first.headers["Location"] == again.headers["Location"]
    assert db.session.query(BankFile).count() == 1
    assert len(bankfiles.bytes_of(db.session.query(BankFile).one())) > 900


def test_a_page_that_is_out_of_date_makes_nothing(place: Place) -> None:
    bankfiles.waiting(place.organisation)
    client = place.client(place.maker)
    seen = _hidden(client.get(f"{ROOT}/new").text)
    bankfiles.waiting(place.organisation, 777)
    answer = client.post(f"{ROOT}/new/nacha", data=seen)
    assert answer.status_code == 409
    assert "changed since this page was shown" in answer.text
    assert "$507.27" in answer.text
    assert client.post(f"{ROOT}/new/nacha", data={"seen": "forged"}).status_code == 409
    assert client.post(f"{ROOT}/new/nacha", data={}).status_code == 409
    assert client.post(f"{ROOT}/new/other", data=seen).status_code == 404
    assert db.session.query(BankFile).count() == 0


@pytest.mark.parametrize("slug", ["approve", "sent", "cancel", "settled"])
def test_every_action_asks_who_is_there(place: Place, slug: str) -> None:
    bankfiles.waiting(place.organisation)
    reference = bankfiles.make(place.organisation, place.maker).reference
    client = place.client(place.approver)
    with transaction():
        for row in db.session.query(UserSession):
            row.reauthenticated_at -= timedelta(minutes=11)
    assert client.get(f"{ROOT}/{reference}/{slug}").status_code == 303
    assert client.post(f"{ROOT}/{reference}/{slug}", data={"version": "1"}).status_code == 403
    assert client.post(f"{ROOT}/{reference}/download").status_code == 403
    assert client.get(f"{ROOT}/settings/nacha").status_code == 303
    assert client.get(f"{ROOT}/returns/new").status_code == 303


def test_a_download_that_is_not_possible_says_why(place: Place) -> None:
    made = bankfiles.waiting(place.organisation)
    file = bankfiles.approve(bankfiles.make(place.organisation, place.maker), place.approver)
    factories.method(made.payee, factories.destination())
    client = place.client(place.maker)
    answer = client.post(f"{ROOT}/{file.reference}/download", follow_redirects=True)
    assert "payment details of this payee changed" in answer.text
    assert db.session.query(BankFile).one().state == "approved"


def test_two_people_cancel_by_the_pages(place: Place) -> None:
    bankfiles.waiting(place.organisation)
    made = bankfiles.make(place.organisation, place.maker)
    file = bankfiles.download(bankfiles.approve(made, place.approver), place.maker)
    maker, approver = place.client(place.maker), place.client(place.approver)
    refused = _act(maker, file.reference, "cancel", reason="Wrong columns.")
    assert refused.status_code == 422
    assert "Wrong columns." in refused.text
    assert (
        _act(maker, file.reference, "cancel", reason="Wrong columns.", is_not_uploaded="y").status_code == 303
    )
    assert "says that it was not uploaded" in approver.get(f"{ROOT}/{file.reference}").text
    again = _act(maker, file.reference, "cancel", reason="Once more.", is_not_uploaded="y")
    assert again.status_code == 409
    assert "Once more." in again.text
    assert _act(approver, file.reference, "cancel", reason="True.", is_not_uploaded="y").status_code == 303
    assert not db.session.query(BankFileItem).one().is_live


def test_taking_a_payout_back(place: Place) -> None:
    made = bankfiles.waiting(place.organisation, where=factories.destination())
    factories.method(made.payee, factories.destination())
    client = place.client(place.maker)
    page = client.get(f"{ROOT}/new").text
    assert "None of the payouts that wait can go into this file" in page
    address = re.search(r'action="([^"]+take-back)"', page)
    assert address is not None
    answer = client.post(address.group(1))
    assert answer.headers["Location"] == f"/admin/payouts/{made.reference}"
    assert payout(made.reference).state == "failed"


def test_settings_keep_the_account_secret(place: Place) -> None:
    client = place.client(place.maker)
    values = {name: str(value) for name, value in bankfiles.PAIN001.items()}
    values["schema"] = values.pop("version")
    page = client.get(f"{ROOT}/settings/pain001").text
    wrong = client.post(f"{ROOT}/settings/pain001", data={**values, **_hidden(page), "iban": "DE00 1234"})
    assert wrong.status_code == 422
    assert "This is not an IBAN" in wrong.text
    assert "DE89 3704" in wrong.text
    assert client.post(f"{ROOT}/settings/pain001", data={**values, **_hidden(page)}).status_code == 303
    row = db.session.query(BankFileSetup).filter_by(format="pain001").one()
    assert row.account_masked == "••3000"
    assert "0532" not in str(row.values)
    page = client.get(f"{ROOT}/settings/pain001").text
    assert "370400440532013000" not in page
    assert "••3000" in page
    # An empty account keeps the one that is there; an old page is told so.
    kept = {**values, "iban": "", "debtor": "Solaria Two"}
    assert client.post(f"{ROOT}/settings/pain001", data={**kept, "version": "1"}).status_code == 303
    stale = client.post(f"{ROOT}/settings/pain001", data={**kept, "debtor": "Solaria Three", "version": "1"})
    assert stale.status_code == 409
    assert "Solaria Three" in stale.text
    db.session.rollback()
    row = db.session.query(BankFileSetup).filter_by(format="pain001").one()
    assert (row.values["debtor"], row.account_masked) == ("Solaria Two", "••3000")
    events = db.session.query(AuditEvent).filter_by(tag="bankfiles:setup:changed", subject_id=row.id).all()
    assert all("370400440532013000" not in str(event.changes) for event in events)


@pytest.mark.parametrize("kind", ["pain001", "nacha", "columns"])
def test_settings_begin_with_an_example(place: Place, kind: str) -> None:
    page = place.client(place.maker).get(f"{ROOT}/settings/{kind}")
    assert page.status_code == 200
    assert "For example," in page.text


def test_an_accountant_looks_and_changes_nothing(place: Place) -> None:
    bankfiles.waiting(place.organisation)
    reference = bankfiles.make(place.organisation, place.maker).reference
    accountant = factories.user(organisation=place.organisation, role="accountant")
    client = place.client(accountant)
    page = client.get(f"{ROOT}/{reference}")
    assert page.status_code == 200
    assert "<form" not in page.text.split("<main")[1]
    assert client.post(f"{ROOT}/{reference}/download").status_code == 403


def test_lists_ask_little(place: Place) -> None:
    for _ in range(12):
        bankfiles.waiting(place.organisation)
    reference = bankfiles.make(place.organisation, place.maker).reference
    for _ in range(12):
        bankfiles.waiting(place.organisation)
    client = place.client(place.maker)
    for address, most in (
        (ROOT, 12),
        (f"{ROOT}/{reference}", 20),
        (f"{ROOT}/new", 20),
        (f"{ROOT}/returns", 12),
    ):
        client.get(address)
        with counted_queries() as statements:
            assert client.get(address).status_code == 200
        assert len(statements) <= most, (address, len(statements), statements)


def test_names_are_text_on_the_page_and_in_the_file(place: Place) -> None:
    payee = factories.payee(place.organisation, name="<b>Eve</b> =1+1")
    bankfiles.waiting(place.organisation, payee=payee)
    client = place.client(place.maker)
    reference = _made(client)
    page = client.get(f"{ROOT}/{reference}").text
    assert "<b>Eve" not in page
    assert "&lt;b&gt;Eve" in page


def test_the_payout_s_page_says_who_must_act(place: Place) -> None:
    reference = bankfiles.waiting(place.organisation).reference
    client = place.client(place.maker)
    page = html.unescape(client.get(f"/admin/payouts/{reference}").text)
    assert "It leaves with a bank file. An admin makes the file, and another approves it." in page
    assert "Try 1 by bank file" in page
    assert "A worker sends it within seconds" not in page
    assert "The bank has been asked" not in page
    bankfiles.uploaded(place.organisation, place.maker, place.approver)
    page = html.unescape(client.get(f"/admin/payouts/{reference}").text)
    assert "An admin brings in the bank's answer." in page
