"""The public page: what a code stands for, a file compared, and nothing for those who guess."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from tests.factories import payouts as factory
from tests.factories import people
from tests.factories.statements import PDF, WHEN, ready, ready_statement
from webapp.database import Base, db, transaction
from webapp.kernel.actor import WORKER
from webapp.people.models import Organisation, Payee
from webapp.people.throttle import limiter
from webapp.statements import codes, monthly, service
from webapp.statements.models import Document
from webapp.statements.views.verification import initials


@pytest.fixture
def organisation(database: Flask) -> Organisation:
    return people.organisation("solaria", legal_name="Solaria Installations Inc.")


@pytest.fixture
def payee(organisation: Organisation) -> Payee:
    return people.payee(organisation, name="Maya Okafor", email="maya@example.com")


def page(client: FlaskClient, code: str | None) -> str:
    answer = client.get(f"/v/{code}")
    assert answer.status_code == 200
    assert answer.headers["X-Robots-Tag"].startswith("noindex")
    assert answer.headers["Cache-Control"] == "no-store"
    return re.sub(r"\s+", " ", re.sub(r"<wbr>", "", answer.text))


def test_codes_have_a_hundred_bits_and_forgive_how_they_are_typed() -> None:
    made = {codes.new_code() for _ in range(1_000)}
    assert len(made) == 1_000
    assert len(set(codes.ALPHABET)) ** (codes.GROUPS * codes.GROUP) == 2**100
    for code in made:
        assert re.fullmatch(r"([2-9A-HJ-NP-Z]{4}-){4}[2-9A-HJ-NP-Z]{4}", code)
        assert codes.normalise(code.lower().replace("-", " ")) == code
    for wrong in (
        "",
        "7KQ2",
        "7KQ2-M9XA-BCDE-FGHJ-234O",
        "7KQ2-M9XA-BCDE-FGHJ-23456",
        "x" * 10_000,
        "٣" * 20,
    ):
        assert codes.normalise(wrong) is None


def test_a_valid_one_says_what_is_on_the_paper_and_no_more(client: FlaskClient, organisation: Organisation,
                                                           payee: Payee) -> None:  # fmt: skip
    document = ready_statement(organisation, payee)
    words = page(client, document.code)
    for said in ("ST-2026-000001", "Monthly statement", "Valid", "2 Nov 2026", "1 Oct 2026", "31 Oct 2026",
                 "$499.50 USD", "M. O.", document.sha256):  # fmt: skip
        assert said in words, said
    for hidden in ("Okafor", "Maya", "maya@", payee.reference, "Solaria", "/admin", document.storage_key):
        assert hidden not in words, hidden
    assert page(client, str(document.code).lower()) is not None


def test_a_replaced_one_names_the_number_that_replaced_it(client: FlaskClient, organisation: Organisation,
                                                          payee: Payee) -> None:  # fmt: skip
    first = ready_statement(organisation, payee)
    with transaction():
        second = monthly.reissue(organisation_id=organisation.id, number=first.number, reason="Address",
                                 actor=people.FACTORY, now=WHEN)  # fmt: skip
    assert "Valid" in page(client, first.code)  # as long as the new one is not there
    assert client.get(f"/v/{second.code}").status_code == 404
    ready(second)
    assert f"{second.number} has replaced it" in page(client, first.code)
    assert "Valid" not in page(client, first.code)
    assert "Valid" in page(client, second.code)


def test_a_remittance_has_a_code_too_and_one_of_old_keeps_working(client: FlaskClient, organisation: Organisation,
                                                                  payee: Payee) -> None:  # fmt: skip
    payout = factory.payout_ready(organisation, payee)
    with transaction():
        document = service.request_remittance(payout_id=payout.id, actor=WORKER, now=WHEN)
    ready(document)
    words = page(client, document.code)
    assert "Payout statement" in words
    assert "Net" in words
    with transaction():
        db.session.get_one(Document, document.id).code = None
    people.sign_in(client, people.user(organisation=organisation, role="admin"), organisation)
    assert client.get(f"/admin/documents/{document.id}").data == PDF
    assert "made before there were codes" in client.get(f"/admin/statements/{document.number}").text


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("7KQ2-M9XA-BCDE-FGHJ-2345", "No statement was issued under this code"),
        ("ST-2026-000001", "not a whole code"),
        ("<script>alert(1)", "not a whole code"),
        ("x" * 5_000, "not a whole code"),
        ("%00", ""),
    ],
)
def test_an_unknown_or_malformed_code_says_what_to_do(
    client: FlaskClient, organisation: Organisation, payee: Payee, code: str, words: str
) -> None:
    ready_statement(organisation, payee)
    answer = client.get(f"/v/{code}")
    assert answer.status_code in ((404,) if words else (400, 404))
    assert "<script>alert" not in answer.text
    if words:
        assert words in answer.text
        assert "ask whoever it names as the payer" in answer.text


def test_what_is_not_issued_is_not_known(
    client: FlaskClient, organisation: Organisation, payee: Payee
) -> None:
    payout = factory.payout_ready(organisation, payee)
    with transaction():
        document = service.request_remittance(payout_id=payout.id, actor=WORKER, now=WHEN)
    assert client.get(f"/v/{document.code}").status_code == 404


def test_typing_a_code_leads_to_its_page(client: FlaskClient) -> None:
    assert "five groups" in client.get("/v").text
    assert client.get("/v?code=7kq2+m9xa+bcde+fghj+2345").location == "/v/7KQ2-M9XA-BCDE-FGHJ-2345"
    answer = client.get("/v?code=//evil.example")
    assert answer.location.startswith("/v/")


def _rows() -> dict[str, int]:
    return {t.name: len(db.session.execute(select(t)).all()) for t in Base.metadata.sorted_tables}


def test_a_file_is_compared_and_kept_nowhere(client: FlaskClient, organisation: Organisation, payee: Payee,
                                             settings: object) -> None:  # fmt: skip
    document = ready_statement(organisation, payee)
    folder = settings.files_folder  # type: ignore[attr-defined]
    before = (_rows(), sorted(folder.rglob("*")))
    address = f"/v/{document.code}"

    def send(**fields: object) -> tuple[int, str]:
        answer = client.post(address, data=fields, content_type="multipart/form-data")
        return answer.status_code, answer.text

    code, text = send(file=(io.BytesIO(PDF), "statement.pdf"))
    assert (code, "the one that was issued, unchanged" in text) == (200, True)
    code, text = send(file=(io.BytesIO(PDF + b" "), "statement.pdf"))
    assert (code, "not the file that was issued" in text) == (200, True)
    code, text = send(sha256=" ".join(document.sha256.upper()[n : n + 8] for n in range(0, 64, 8)))
    assert (code, "unchanged" in text) == (200, True)
    code, text = send(sha256="0" * 64)
    assert (code, "Do not rely on it" in text) == (200, True)
    for wrong in ({}, {"sha256": "not a hash"}, {"file": (io.BytesIO(b""), "")}):
        code, text = send(**wrong)
        assert (code, "Choose the PDF file" in text) == (422, True)
    assert (_rows(), sorted(folder.rglob("*"))) == before


@pytest.fixture
def counted() -> Iterator[None]:
    was = limiter.enabled
    limiter.enabled = True
    limiter.reset()
    yield
    limiter.reset()
    limiter.enabled = was


def test_twenty_tries_a_minute(
    client: FlaskClient, organisation: Organisation, payee: Payee, counted: None
) -> None:
    document = ready_statement(organisation, payee)
    answers = [client.get(f"/v/{codes.new_code()}").status_code for _ in range(18)]
    assert set(answers) == {404}
    assert client.get("/v").status_code == 200
    assert client.post(f"/v/{document.code}").status_code == 422
    late = client.get(f"/v/{document.code}")
    assert late.status_code == 429
    assert "ST-2026" not in late.text
    elsewhere = client.get(f"/v/{document.code}", environ_base={"REMOTE_ADDR": "192.0.2.7"})
    assert elsewhere.status_code == 200


@pytest.mark.parametrize(
    ("name", "letters"),
    [("Maya Okafor", "M. O."), ("मीरा शर्मा", "म. श."), ("  ", ""), ("“Acme” & sons 24 Ltd Co", "A. S. 2. L."),
     ("x" * 10_000, "X.")],
)  # fmt: skip
def test_initials(name: str, letters: str) -> None:
    assert initials(name) == letters
