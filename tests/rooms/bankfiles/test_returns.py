"""The bank's answers: read in each form, taken once, and what they do to payout and ledger."""

from __future__ import annotations

import io
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests import factories
from tests.factories import bankfiles
from tests.factories.pages import Place
from tests.factories.payouts import WHEN
from tests.factories.people import actor_of
from tests.rooms.bankfiles.conftest import answer_all, items, payout, transfers
from webapp.bankfiles import answers, queries, returns, service
from webapp.bankfiles.answers import Spoken
from webapp.bankfiles.models import BankFile, BankReturn
from webapp.bankfiles.states import Word
from webapp.database import db, transaction
from webapp.kernel.errors import Conflict, Invalid
from webapp.ledger import check
from webapp.ledger.models import Account
from webapp.outbox.models import OutboxMessage
from webapp.payouts import service as payouts
from webapp.people import accounts


def _uploaded(place: Place, count: int = 2) -> BankFile:
    for n in range(count):
        bankfiles.waiting(place.organisation, 10_000 * (n + 1))
    return bankfiles.uploaded(place.organisation, place.maker, place.approver)


def _say(place: Place, *words: Spoken, data: bytes = b"") -> dict[str, int]:
    db.session.rollback()
    row = bankfiles.returned(place.organisation, data or repr(words).encode(), *words)
    counts = dict(row.counts)
    answer_all()
    return counts


def _state(file: BankFile) -> str:
    db.session.rollback()
    return queries.get_file(file.organisation_id, file.reference).state


def _balance(place: Place, code: str) -> int:
    db.session.rollback()
    found = db.session.query(Account).filter_by(organisation_id=place.organisation.id, code=code).one()
    return found.balance_minor


def test_paid_refused_and_returned(place: Place) -> None:
    file = _uploaded(place, 3)
    keys = [item.key for item in items(file)]
    references = [item.payout.reference for item in items(file)]
    assert _balance(place, "in_transit") == -60_000
    counts = _say(
        place,
        Spoken(key=keys[0], word=Word.PAID, utr="UTR1"),
        Spoken(key=keys[1], word=Word.REFUSED, code="AC04", text="The account is closed."),
        Spoken(key=keys[2], word=Word.ACCEPTED),
    )
    assert counts == {"applied": 3}
    assert [payout(r).state for r in references] == ["paid", "failed", "processing"]
    assert payout(references[0]).payment_reference == "UTR1"
    assert payout(references[1]).reason == "The account is closed."
    assert _state(file) == "partly_refused"
    assert _say(
        place, Spoken(key=keys[2], word=Word.PAID), Spoken(key=keys[0], word=Word.RETURNED, code="R03")
    ) == {"applied": 2}
    assert [payout(r).state for r in references] == ["reversed", "failed", "paid"]
    assert _state(file) == "closed"
    assert check.run(place.organisation.id).findings == []


def test_the_same_again_and_late_words_change_nothing(place: Place) -> None:
    file = _uploaded(place, 1)
    (item,) = items(file)
    said = Spoken(key=item.key, word=Word.PAID)
    assert _say(place, said) == {"applied": 1}
    events = len(transfers()[0].events)
    assert _say(place, said, data=b"another file, same word") == {"repeated": 1}
    assert _say(place, Spoken(key=item.key, word=Word.ACCEPTED)) == {"repeated": 1}
    assert _say(place, said) == {"repeated": 1}
    assert db.session.query(BankReturn).count() == 3
    answer_all()
    assert payout(item.payout.reference).state == "paid"
    assert len([e for e in transfers()[0].events if e.from_state != e.to_state]) <= events
    assert db.session.query(OutboxMessage).filter_by(kind="notice.payout.paid").count() == 1
    assert check.run(place.organisation.id).findings == []


@pytest.mark.parametrize(("first", "second"), [(Word.PAID, Word.REFUSED), (Word.REFUSED, Word.PAID)])
def test_the_opposite_of_before_is_for_two_people(place: Place, first: Word, second: Word) -> None:
    file = _uploaded(place, 1)
    (item,) = items(file)
    _say(place, Spoken(key=item.key, word=first, code="X"))
    assert _say(place, Spoken(key=item.key, word=second, code="Y")) == {"contradicts": 1}
    assert transfers()[0].state == "review"
    assert payout(item.payout.reference).state == ("paid" if first is Word.PAID else "failed")
    # The rail halts until it is settled: no other file leaves meanwhile.
    with pytest.raises(Conflict, match="halted"):
        bankfiles.make(place.organisation)
    assert check.run(place.organisation.id).findings == []


@pytest.mark.parametrize(
    ("words", "mark"),
    [
        ((Word.PAID, Word.REFUSED), "PAID, THEN REFUSED"),
        ((Word.REFUSED, Word.PAID), "REFUSED, THEN PAID"),
        ((Word.REFUSED, Word.PAID, Word.REFUSED), "REFUSED, THEN PAID"),
        ((Word.PAID, Word.REFUSED, Word.PAID, Word.ACCEPTED), "PAID, THEN REFUSED"),
        ((Word.REFUSED, Word.PAID, Word.RETURNED), "REFUSED, THEN PAID"),
    ],
)
def test_opposite_words_before_a_worker_asks_are_for_two_people(
    place: Place, words: tuple[Word, ...], mark: str
) -> None:
    file = _uploaded(place, 1)
    (item,) = items(file)
    reference = item.payout.reference
    for n, word in enumerate(words):
        db.session.rollback()
        bankfiles.returned(place.organisation, b"%d" % n, Spoken(key=item.key, word=word, code="AC04"))
    (item,) = items(file)
    assert item.code == mark
    assert "Paid by BR-" in item.message or "paid by BR-" in item.message
    answer_all()
    (transfer,) = transfers()
    assert (transfer.state, payout(reference).state) == ("review", "processing")
    with pytest.raises(Conflict, match="halted"):
        bankfiles.make(place.organisation)
    # What two people find stands: the same words, asked for again, open nothing anew.
    for person in (place.maker, place.approver):
        with transaction():
            payouts.settle_review(
                organisation_id=place.organisation.id, reference=reference, finding="not_moved",
                note="No debit on the statement.", actor=actor_of(person), now=WHEN,
            )  # fmt: skip
    answer_all()
    assert (transfers()[0].state, payout(reference).state) == ("failed", "failed")
    assert check.run(place.organisation.id).findings == []


def test_a_return_after_people_settled_opposite_words_is_one_like_any_other(place: Place) -> None:
    file = _uploaded(place, 1)
    (item,) = items(file)
    reference = item.payout.reference
    _say(place, Spoken(key=item.key, word=Word.PAID))
    _say(place, Spoken(key=item.key, word=Word.REFUSED))
    for person in (place.maker, place.approver):
        with transaction():
            payouts.settle_review(
                organisation_id=place.organisation.id, reference=reference, finding="moved",
                note="The debit is on the statement.", actor=actor_of(person), now=WHEN,
            )  # fmt: skip
    db.session.rollback()
    later = WHEN + timedelta(days=1)
    bankfiles.returned(place.organisation, b"r", Spoken(key=item.key, word=Word.RETURNED), now=later)
    answer_all()
    assert (transfers()[0].state, payout(reference).state) == ("reversed", "reversed")
    assert check.run(place.organisation.id).findings == []


@pytest.mark.parametrize("is_settled", [True, False])
def test_another_amount_after_paid_is_for_two_people(place: Place, is_settled: bool) -> None:
    file = _uploaded(place, 1)
    (item,) = items(file)
    if is_settled:
        with transaction():
            service.settle(
                organisation_id=file.organisation_id, reference=file.reference, statement="2026-11-20/7",
                actor=actor_of(place.maker), now=WHEN, expected_version=file.version,
            )  # fmt: skip
        answer_all()
    else:
        _say(place, Spoken(key=item.key, word=Word.PAID))
    # The same amount is kept, and is nothing new.
    assert _say(place, Spoken(key=item.key, word=Word.PAID, amount="100.00")) == {"repeated": 1}
    assert (items(file)[0].booked_minor, transfers()[0].state) == (10_000, "succeeded")
    assert _say(place, Spoken(key=item.key, word=Word.PAID, amount="99.99")) == {"other_amount": 1}
    assert items(file)[0].booked_minor == 9_999
    assert transfers()[0].state == "review"
    with pytest.raises(Conflict, match="halted"):
        bankfiles.make(place.organisation)
    # What people look at is not overwritten by a third amount.
    assert _say(place, Spoken(key=item.key, word=Word.PAID, amount="98.00")) == {"repeated": 1}
    assert items(file)[0].booked_minor == 9_999


def test_another_amount_is_for_two_people(place: Place) -> None:
    file = _uploaded(place, 1)
    (item,) = items(file)
    assert _say(place, Spoken(key=item.key, word=Word.PAID, amount="99.99")) == {"other_amount": 1}
    assert transfers()[0].state == "review"
    assert payout(item.payout.reference).state == "processing"


def test_the_amount_in_another_currency_or_unreadable_changes_nothing(place: Place) -> None:
    file = _uploaded(place, 1)
    (item,) = items(file)
    words = [
        Spoken(key=item.key, word=Word.PAID, amount="100.00", currency="EUR"),
        Spoken(key=item.key, word=Word.PAID, amount="100.001"),
        Spoken(key=item.key, word=Word.PAID, amount="unreadable"),
        Spoken(key=item.key, code="WAIT"),
    ]
    assert _say(place, *words) == {"unreadable": 4}
    assert items(file)[0].word == "none"


@pytest.mark.parametrize(
    "said", ["Infinity", "-Infinity", "NaN", "sNaN", "1E+30", "1E+999999", "10000000000000.01", "-1", "1e"]
)
def test_what_is_no_amount_of_money_is_refused_with_a_sentence(place: Place, said: str) -> None:
    file = _uploaded(place, 2)
    one, other = items(file)
    words = Spoken(key=one.key, word=Word.PAID, amount=said), Spoken(key=other.key, word=Word.PAID)
    db.session.rollback()
    row = bankfiles.returned(place.organisation, said.encode(), *words)
    assert row.counts == {"unreadable": 1, "applied": 1}
    assert row.lines[0]["text"] == f"{said!r} is no amount in USD. Ask the bank what was booked."
    assert [item.word for item in items(file)] == ["none", "paid"]


def test_the_largest_amount_is_one() -> None:
    assert answers.minor_of("10000000000000.00", "USD") == 10**15
    assert answers.minor_of("0.0100", "USD") == 1
    assert answers.minor_of("1E+2", "JPY") == 100


def test_answers_about_others_are_not_ours(place: Place) -> None:
    file = _uploaded(place, 1)
    (item,) = items(file)
    key = item.key
    other = factories.organisation()
    row = bankfiles.returned(
        other, b"x", Spoken(key=key, word=Word.PAID), Spoken(message_id="PD" + "A" * 24, word=Word.PAID)
    )
    assert row.counts == {"not_ours": 2}
    assert items(file)[0].word == "none"
    with pytest.raises(Exception, match="nothing at this address"):
        queries.get_file(other.id, file.reference)


def test_a_word_on_the_whole_message_is_for_those_without_their_own(place: Place) -> None:
    bankfiles.setup(place.organisation, "pain001")
    for _ in range(3):
        bankfiles.waiting(place.organisation)
    file = bankfiles.uploaded(place.organisation, place.maker, place.approver, "pain001")
    keys = [item.key for item in items(file)]
    data = _pain002(f"PD{file.uid[:24].upper()}", "ACSC", [(keys[1], "RJCT", "AC04")])
    words = answers.read(data, None).spoken
    assert _say(place, *words) == {"applied": 3}
    assert [item.word for item in items(file)] == ["paid", "refused", "paid"]
    assert items(file)[1].message == "The account is closed."
    assert _state(file) == "closed"


def test_a_refused_message_fails_all_of_it(place: Place) -> None:
    bankfiles.setup(place.organisation, "pain001")
    references = [bankfiles.waiting(place.organisation).reference for _ in range(2)]
    file = bankfiles.uploaded(place.organisation, place.maker, place.approver, "pain001")
    data = _pain002(f"PD{file.uid[:24].upper()}", "RJCT", [], reason="AM10")
    assert _say(place, *answers.read(data, None).spoken) == {"applied": 2}
    assert {payout(r).state for r in references} == {"failed"}
    assert payout(references[0]).reason == "The control sum is wrong."
    assert check.run(place.organisation.id).findings == []


def test_a_bank_that_is_silent_about_what_it_pays(place: Place) -> None:
    file = _uploaded(place, 3)
    _say(place, Spoken(key=items(file)[0].key, word=Word.REFUSED, code="R03"))
    fresh = queries.get_file(file.organisation_id, file.reference)
    arguments: dict[str, Any] = {
        "organisation_id": file.organisation_id, "reference": file.reference, "actor": actor_of(place.maker),
        "now": WHEN, "expected_version": fresh.version,
    }  # fmt: skip
    with pytest.raises(Invalid), transaction():
        service.settle(**arguments, statement=" ")
    with transaction():
        service.settle(**arguments, statement="2026-11-20/7")
    answer_all()
    assert [item.word for item in items(file)] == ["refused", "paid", "paid"]
    assert sorted(t.state for t in transfers()) == ["failed", "succeeded", "succeeded"]
    assert _state(file) == "closed"
    with pytest.raises(Conflict, match="every payment"), transaction():
        service.settle(**{**arguments, "expected_version": None}, statement="again")
    # A return that comes later is one like any other.
    assert _say(place, Spoken(key=items(file)[1].key, word=Word.RETURNED, code="R02")) == {"applied": 1}
    assert payout(items(file)[1].payout.reference).state == "reversed"
    assert check.run(place.organisation.id).findings == []


def test_a_failed_payout_goes_into_another_file_under_another_key(place: Place) -> None:
    file = _uploaded(place, 1)
    (item,) = items(file)
    _say(place, Spoken(key=item.key, word=Word.REFUSED, code="R03"))
    reference, organisation_id = item.payout.reference, place.organisation.id
    with transaction():
        payouts.retry(
            organisation_id=organisation_id,
            reference=reference,
            actor=factories.FACTORY,
            now=WHEN,
            rail="bank_file",
        )
    again = bankfiles.uploaded(place.organisation, place.maker, place.approver)
    assert items(again)[0].key != item.key
    assert items(again)[0].payout_id == items(file)[0].payout_id
    # A late "paid" of the first try, after the second left: it is the first transfer's, and two people look at it.
    assert _say(place, Spoken(key=item.key, word=Word.PAID)) == {"contradicts": 1}
    assert [t.state for t in transfers()] == ["review", "accepted"]


# ---- Readers --------------------------------------------------------------------------------------------


def _pain002(
    message_id: str, group: str, transactions: list[tuple[str, str, str]], reason: str = ""
) -> bytes:
    why = f"<StsRsnInf><Rsn><Cd>{reason}</Cd></Rsn></StsRsnInf>" if reason else ""
    rows = "".join(
        f"<TxInfAndSts><OrgnlEndToEndId>{key}</OrgnlEndToEndId><TxSts>{status}</TxSts>"
        f"<StsRsnInf><Rsn><Cd>{code}</Cd></Rsn></StsRsnInf>"
        f"<AcctSvcrRef>BANK-{key[-4:]}</AcctSvcrRef></TxInfAndSts>"
        for key, status, code in transactions
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.002.001.03"><CstmrPmtStsRpt>'
        "<GrpHdr><MsgId>STAT-001</MsgId><CreDtTm>2026-11-20T09:30:00</CreDtTm></GrpHdr>"
        f"<OrgnlGrpInfAndSts><OrgnlMsgId>{message_id}</OrgnlMsgId><OrgnlMsgNmId>pain.001</OrgnlMsgNmId>"
        f"<GrpSts>{group}</GrpSts>{why}</OrgnlGrpInfAndSts>"
        f"<OrgnlPmtInfAndSts><OrgnlPmtInfId>P-1</OrgnlPmtInfId>{rows}</OrgnlPmtInfAndSts>"
        "</CstmrPmtStsRpt></Document>"
    ).encode()


def test_a_status_report_is_read() -> None:
    spoken = answers.read(
        _pain002("PDX", "PART", [("K1", "RJCT", "AC04"), ("K2", "ACSP", ""), ("K3", "XXXX", "")]), None
    )
    assert spoken.kind == "pain.002"
    first, second, third = spoken.spoken
    assert (first.key, first.word, first.code, first.text) == (
        "K1",
        Word.REFUSED,
        "AC04",
        "The account is closed.",
    )
    assert (second.key, second.word) == ("K2", Word.ACCEPTED)
    assert (third.word, third.code) == (None, "XXXX")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"<Document><broken>", "cannot be read"),
        (
            b"<Document xmlns='urn:iso:std:iso:20022:tech:xsd:camt.053.001.02'><BkToCstmrStmt/></Document>",
            "no payment status",
        ),
        (b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><x>&a;</x>', "cannot be read"),
        (b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><x>&b;</x>', "cannot be read"),
        (b"one,two\n1,2\n", "columns in the settings"),
    ],
)
def test_what_is_no_return_file(data: bytes, words: str) -> None:
    with pytest.raises(Invalid, match=words):
        answers.read(data, None)


def test_account_numbers_in_the_bank_s_own_words_are_masked() -> None:
    data = _pain002("PDX", "RJCT", [], reason="NARR").replace(
        b"</Rsn></StsRsnInf></Orgnl",
        b"</Rsn><AddtlInf>Account 123456789012 unknown</AddtlInf></StsRsnInf></Orgnl",
    )
    (one,) = answers.read(data, None).spoken
    assert "123456789012" not in one.text
    assert "9012" in one.text


def _ach_return(traces: list[tuple[str, str]], count: int | None = None) -> bytes:
    """A return file as an ODFI hands it on: entry and addenda per return."""
    rows = ["101 02100002111234567892611230800A094101" + "FIRST BANK".ljust(54)]
    rows.append(("5220SOLARIA INC".ljust(20) + " " * 20 + "1123456789PPDPAYOUT").ljust(94))
    for n, (trace, code) in enumerate(traces, 1):
        kind = "98" if code.startswith("C") else "99"
        rows.append(
            ("621021000021000123456        0000010000PO-2026-000001 MAYA".ljust(78) + "1" + f"{n:015d}")[:94]
        )
        rows.append((f"7{kind}{code}{trace}      02100002" + " " * 44 + f"{n:015d}")[:94].ljust(94))
    rows.append("8".ljust(94))
    total = count if count is not None else 2 * len(traces)
    rows.append(f"9000001000001{total:08d}".ljust(94))
    return "\n".join(row.ljust(94) for row in rows).encode()


def test_ach_returns_are_read_and_applied(place: Place) -> None:
    file = _uploaded(place, 2)
    keys = [item.key for item in items(file)]
    data = _ach_return([(keys[0], "R03"), (keys[1], "C01"), ("099999990000001", "R02")])
    found = answers.read(data, None)
    assert found.kind == "NACHA return"
    assert [one.amount for one in found.spoken] == ["100.00", "", "100.00"]
    assert _say(place, *found.spoken) == {"applied": 1, "information": 1, "not_ours": 1}
    # It was debited and came back: both are booked.
    first = payout(items(file)[0].payout.reference)
    assert (first.state, first.reason) == ("reversed", "There is no such account, or it is somebody else's.")
    assert (items(file)[1].word, "should be corrected" in items(file)[1].message) == ("none", True)
    assert check.run(place.organisation.id).findings == []


def test_a_cut_off_ach_file_is_refused() -> None:
    with pytest.raises(Invalid, match="cut off"):
        answers.read(_ach_return([("021000020000001", "R03")], count=4), None)


def test_a_bank_s_csv_by_its_columns(place: Place) -> None:
    columns = {"key": "Customer Ref No", "status": "STATUS", "reason": "Rejection Reason", "utr": "UTR NO",
               "amount": "AMOUNT", "paid": "Paid, Success", "refused": "Rejected", "returned": "Returned",
               "accepted": "Pending"}  # fmt: skip
    data = (
        b"S No,customer ref no,STATUS,Rejection Reason,UTR NO,AMOUNT\r\n"
        b'1,PD1,PAID,,ICIN123,"1,00,000.50"\r\n2,PD2,Rejected,=cmd|A1 account 123456789012,,10\r\n'
        b"3,PD3,Whatever,,,\r\n,,,,,\r\n"
    )
    found = answers.read(data, columns)
    one, two, three = found.spoken
    assert (one.key, one.word, one.utr, one.minor("INR")) == ("PD1", Word.PAID, "ICIN123", 10_000_050)
    assert (two.word, two.code) == (Word.REFUSED, "BANK_REFUSED")
    assert "123456789012" not in two.text
    assert two.text.startswith("The bank says:")
    assert (three.word, three.code) == (None, "Whatever")
    with pytest.raises(Invalid, match=r"no column 'Customer Ref No'\. It has: A, B"):
        answers.read(b"A,B\n1,2\n", columns)


def test_an_indian_file_and_its_answer(database: Flask, place: Place) -> None:
    organisation = factories.organisation(currency="INR", timezone="Asia/Kolkata")
    bankfiles.switch_on(organisation)
    bankfiles.setup(organisation, "columns")
    where = accounts.ifsc_account(
        account_number="00040501234567", ifsc="HDFC0001234", name_at_bank="Ravi Łal"
    )
    made = bankfiles.waiting(organisation, 10_000_050, where=where)
    people = [factories.user(organisation=organisation, role="admin") for _ in range(2)]
    file = bankfiles.uploaded(organisation, *people, "columns")
    assert b"100000.50" in bankfiles.bytes_of(file)
    assert items(file)[0].changes == [["name", "Ravi Łal", "Ravi Lal"]]
    (transfer,) = [t for t in transfers() if t.organisation_id == organisation.id]
    header = "Customer Ref No,STATUS,UTR NO,Rejection Reason,AMOUNT"
    data = f"{header}\n{transfer.transfer_id},Success,N1,,100000.50\n".encode()
    words = answers.read(data, returns.answer_columns(organisation.id)).spoken
    bankfiles.returned(organisation, data, *words)
    answer_all()
    assert (payout(made.reference).state, payout(made.reference).payment_reference) == ("paid", "N1")


# ---- Pages ----------------------------------------------------------------------------------------------


def _upload(client: FlaskClient, data: bytes, name: str = "answer.ach") -> Any:
    return client.post("/admin/bank-files/returns/new", data={"file": (io.BytesIO(data), name)})


def test_a_return_file_by_the_page(place: Place) -> None:
    file = _uploaded(place, 1)
    data = _ach_return([(items(file)[0].key, "R02"), ("099999990000001", "R02")])
    client = place.client(place.maker)
    answer = _upload(client, data)
    assert answer.status_code == 303
    page = client.get(answer.headers["Location"]).text
    assert "The account is closed." in page
    assert "No payment of ours has this reference" in page
    assert answer.headers["Location"].rsplit("/", 1)[1] in client.get("/admin/bank-files/returns").text
    again = _upload(client, data)
    assert again.headers["Location"] == answer.headers["Location"]
    assert "brought in before" in client.get(again.headers["Location"]).text
    db.session.rollback()
    assert db.session.query(BankReturn).count() == 1
    refused = _upload(client, b"<x/>", "a.xml")
    assert refused.status_code == 422
    assert "no payment status report" in refused.text
    assert _upload(client, b"", "a.xml").status_code == 422
