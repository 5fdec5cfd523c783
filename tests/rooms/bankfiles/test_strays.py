"""The bank speaks of payments that it cannot have: of a cancelled file, or of one that nobody marked as uploaded."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest

from tests import factories
from tests.factories import bankfiles
from tests.factories.pages import Place
from tests.factories.payouts import WHEN
from tests.factories.people import actor_of
from tests.rooms.bankfiles.conftest import answer_all, items, payout, transfers
from webapp.bankfiles import answers, making, queries, service
from webapp.bankfiles.answers import Spoken
from webapp.bankfiles.models import BankFile
from webapp.bankfiles.states import Word
from webapp.database import db, transaction
from webapp.kernel.errors import Conflict, NotAllowed
from webapp.ledger import check
from webapp.payouts import policies
from webapp.payouts import service as payouts

LATER = WHEN + timedelta(hours=1)


def _say(place: Place, *words: Spoken, data: bytes = b"") -> dict[str, int]:
    db.session.rollback()
    row = bankfiles.returned(place.organisation, data or repr(words).encode(), *words, now=LATER)
    counts = dict(row.counts)
    answer_all()
    return counts


def _downloaded(place: Place, file_format: str = "nacha") -> BankFile:
    made = bankfiles.make(place.organisation, place.maker, file_format)
    return bankfiles.download(bankfiles.approve(made, place.approver), place.maker)


def _cancel(file: BankFile, *people: Any) -> None:
    for person in people:
        db.session.rollback()
        fresh = queries.get_file(file.organisation_id, file.reference)
        with transaction():
            service.cancel(
                organisation_id=fresh.organisation_id, reference=fresh.reference, reason="Not uploaded.",
                actor=actor_of(person), now=WHEN, expected_version=fresh.version,
            )  # fmt: skip


def _fresh(file: BankFile) -> BankFile:
    db.session.rollback()
    return queries.get_file(file.organisation_id, file.reference)


def _reasons(place: Place) -> list[tuple[str, str]]:
    db.session.rollback()
    return [(switch.rail, switch.reason) for switch in policies.halts(place.organisation.id)]


def _lift(place: Place) -> None:
    with transaction():
        policies.lift_halt(
            organisation_id=place.organisation.id, rail="bank_file", reason="Looked at.", actor=factories.FACTORY,
            now=LATER,
        )  # fmt: skip


def _settle(place: Place, reference: str, finding: str) -> None:
    for person in (place.maker, place.approver):
        with transaction():
            payouts.settle_review(
                organisation_id=place.organisation.id, reference=reference, finding=finding,
                note="Looked at the bank's page.", actor=actor_of(person), now=LATER,
            )  # fmt: skip


@pytest.mark.parametrize("word", [Word.ACCEPTED, Word.PAID, Word.RETURNED])
def test_the_bank_has_a_file_that_was_cancelled(place: Place, word: Word) -> None:
    reference = bankfiles.waiting(place.organisation, 10_000).reference
    other = bankfiles.waiting(place.organisation, 20_000).reference
    file = _downloaded(place)
    _cancel(file, place.maker, place.approver)
    key = items(file)[0].key
    assert _say(place, Spoken(key=key, word=word)) == {"was_cancelled": 1}
    ((rail, reason),) = _reasons(place)
    assert rail == "bank_file"
    assert reason.startswith(f"{reference}: The bank says {word.label.lower()}")
    assert f"{file.reference}, which was cancelled here" in reason
    assert [t.state for t in transfers()] == ["review", "queued"]
    # Known by now; and lifting the halt does not let it go into another file.
    assert _say(place, Spoken(key=key, word=word), data=b"again") == {"repeated": 1}
    _lift(place)
    again = bankfiles.make(place.organisation, place.maker)
    assert [item.payout.reference for item in items(again)] == [other]
    _settle(place, reference, "moved" if word is Word.PAID else "not_moved")
    answer_all()
    assert payout(reference).state == ("paid" if word is Word.PAID else "failed")
    assert check.run(place.organisation.id).findings == []


def test_what_people_found_before_is_not_asked_again(place: Place) -> None:
    reference = bankfiles.waiting(place.organisation).reference
    file = _downloaded(place)
    _cancel(file, place.maker, place.approver)
    key = items(file)[0].key
    assert _say(place, Spoken(key=key, word=Word.ACCEPTED)) == {"was_cancelled": 1}
    _settle(place, reference, "moved")
    _lift(place)
    assert _say(place, Spoken(key=key, word=Word.PAID)) == {"information": 1}
    assert (transfers()[0].state, payout(reference).state, _reasons(place)) == ("succeeded", "paid", [])
    # The opposite of what they found is.
    assert _say(place, Spoken(key=key, word=Word.REFUSED)) == {"information": 1}
    assert _say(place, Spoken(key=key, word=Word.RETURNED)) == {"was_cancelled": 1}
    assert transfers()[0].state == "review"


def test_a_refused_payment_of_a_cancelled_file_stops_nothing(place: Place) -> None:
    bankfiles.waiting(place.organisation)
    file = _downloaded(place)
    _cancel(file, place.maker, place.approver)
    assert _say(place, Spoken(key=items(file)[0].key, word=Word.REFUSED, code="R03")) == {"information": 1}
    assert items(file)[0].word == "refused"
    assert _reasons(place) == []
    assert bankfiles.uploaded(place.organisation, place.maker, place.approver).state == "sent"


def test_a_word_on_all_of_a_cancelled_file(place: Place) -> None:
    bankfiles.setup(place.organisation, "pain001")
    for _ in range(2):
        bankfiles.waiting(place.organisation)
    file = _downloaded(place, "pain001")
    _cancel(file, place.maker, place.approver)
    said = Spoken(message_id=f"PD{file.uid[:24].upper()}", word=Word.PAID)
    assert _say(place, said) == {"was_cancelled": 2}
    assert [t.state for t in transfers()] == ["review", "review"]


@pytest.mark.parametrize("step", ["approve", "download"])
def test_the_next_file_with_the_same_payment_does_not_leave(place: Place, step: str) -> None:
    reference = bankfiles.waiting(place.organisation).reference
    first = _downloaded(place)
    _cancel(first, place.maker, place.approver)
    second = bankfiles.make(place.organisation, place.maker)
    if step == "download":
        second = bankfiles.approve(second, place.approver)
    assert _say(place, Spoken(key=items(first)[0].key, word=Word.PAID)) == {"was_cancelled": 1}
    _lift(place)
    act = bankfiles.approve if step == "approve" else bankfiles.download
    with pytest.raises(NotAllowed, match=f"{reference} is under review"):
        act(_fresh(second), place.approver)
    assert _fresh(second).first_downloaded_at is None


def test_a_payout_that_is_tried_anew_does_not_leave_while_the_first_try_is_looked_at(place: Place) -> None:
    reference = bankfiles.waiting(place.organisation).reference
    first = _downloaded(place)
    _cancel(first, place.maker, place.approver)
    common: dict[str, Any] = {"organisation_id": place.organisation.id, "now": WHEN}
    with transaction():
        service.take_back(**common, transfer_row_id=transfers()[0].id, actor=actor_of(place.maker))
    with transaction():
        payouts.retry(**common, reference=reference, actor=factories.FACTORY, rail="bank_file")
    shown = making.draft(organisation=place.organisation, file_format="nacha", now=WHEN)
    assert _say(place, Spoken(key=items(first)[0].key, word=Word.PAID)) == {"was_cancelled": 1}
    assert [t.state for t in transfers()] == ["review", "queued"]
    _lift(place)
    draft = making.draft(organisation=place.organisation, file_format="nacha", now=WHEN)
    assert draft.written is None
    assert "under review" in draft.left[0].reason
    # Whoever had the page open before cannot make it either.
    with pytest.raises(Conflict, match="changed since"), transaction():
        making._lock_unchanged(place.organisation.id, [line.entry for line in shown.lines], WHEN)


def test_the_bank_names_the_cancelled_file_while_the_next_one_is_out(place: Place) -> None:
    bankfiles.setup(place.organisation, "pain001")
    reference = bankfiles.waiting(place.organisation).reference
    other = bankfiles.waiting(place.organisation).reference
    first = _downloaded(place, "pain001")
    _cancel(first, place.maker, place.approver)
    second = _downloaded(place, "pain001")
    one = items(first)[0]
    assert one.key == items(second)[0].key
    said = Spoken(key=one.key, word=Word.PAID, about=f"PD{first.uid[:24].upper()}")
    assert _say(place, said) == {"was_cancelled": 1}
    _lift(place)
    with pytest.raises(NotAllowed, match="under review"):
        bankfiles.download(_fresh(second), place.maker)
    # It was uploaded too: that can be said, and what people look at stays with them.
    bankfiles.send(_fresh(second), place.maker)
    assert [t.state for t in transfers()] == ["review", "accepted"]
    _settle(place, reference, "moved")
    assert (payout(reference).state, payout(other).state) == ("paid", "processing")
    assert check.run(place.organisation.id).findings == []


def test_the_pages_say_what_people_must_look_at(place: Place) -> None:
    reference = bankfiles.waiting(place.organisation).reference
    file = _downloaded(place)
    _cancel(file, place.maker, place.approver)
    _say(place, Spoken(key=items(file)[0].key, word=Word.PAID))
    client = place.client(place.maker)
    page = client.get("/admin/bank-files/returns").text
    # Lines, taken, to look at.
    assert re.findall(r'<td class="num">(\d+)</td>', page) == ["1", "0", "1"]
    page = client.get("/admin/bank-files/returns/BR-2026-0001").text
    assert "Its file was cancelled here: two people must settle it" in page
    assert "which was cancelled here" in client.get(f"/admin/payouts/{reference}").text


def test_a_status_report_names_the_file_of_each_payment() -> None:
    data = (
        b'<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.002.001.03"><CstmrPmtStsRpt><OrgnlGrpInfAndSts>'
        b"<OrgnlMsgId>PD1</OrgnlMsgId></OrgnlGrpInfAndSts><OrgnlPmtInfAndSts><TxInfAndSts>"
        b"<OrgnlEndToEndId>K</OrgnlEndToEndId><TxSts>ACSC</TxSts></TxInfAndSts></OrgnlPmtInfAndSts>"
        b"</CstmrPmtStsRpt></Document>"
    )
    (one,) = answers.read(data, None).spoken
    assert (one.key, one.about, one.message_id) == ("K", "PD1", "")


@pytest.mark.parametrize("word", [Word.ACCEPTED, Word.PAID, Word.RETURNED])
def test_a_file_that_is_answered_before_it_is_marked_as_uploaded(place: Place, word: Word) -> None:
    reference = bankfiles.waiting(place.organisation).reference
    file = _downloaded(place)
    (item,) = items(file)
    said = Spoken(key=item.key, word=word)
    assert _say(place, said) == {"not_sent": 1}
    assert (items(file)[0].word, transfers()[0].state) == ("none", "queued")
    ((_, reason),) = _reasons(place)
    assert reference in reason
    assert "not marked as uploaded" in reason
    _lift(place)
    with pytest.raises(NotAllowed, match="mark it as uploaded and bring the answer in again"):
        bankfiles.download(_fresh(file), place.maker)
    bankfiles.send(_fresh(file), place.maker)
    # The very same file, brought in again, is taken now.
    assert _say(place, said) == {"applied": 1}
    assert items(file)[0].code == ""
    after = {Word.ACCEPTED: "processing", Word.PAID: "paid", Word.RETURNED: "reversed"}
    assert payout(reference).state == after[word]
    assert bankfiles.download(_fresh(file), place.maker).downloads == 2


@pytest.mark.parametrize("step", ["approve", "download"])
def test_a_file_that_is_answered_before_anybody_had_it_does_not_leave(place: Place, step: str) -> None:
    reference = bankfiles.waiting(place.organisation).reference
    file = bankfiles.make(place.organisation, place.maker)
    if step == "download":
        file = bankfiles.approve(file, place.approver)
    assert _say(place, Spoken(key=items(file)[0].key, word=Word.PAID)) == {"not_sent": 1}
    assert len(_reasons(place)) == 1
    _lift(place)
    act = bankfiles.approve if step == "approve" else bankfiles.download
    with pytest.raises(NotAllowed, match=f"The bank has answered {reference} of this file"):
        act(_fresh(file), place.approver)
    # Cancelled, its payment goes to two people, and into no other file.
    _cancel(file, place.maker)
    assert transfers()[0].state == "review"
    assert payout(reference).state == "processing"
    _settle(place, reference, "not_moved")
    assert payout(reference).state == "failed"
    assert check.run(place.organisation.id).findings == []


def test_a_refusal_before_the_upload_is_marked_stops_nothing(place: Place) -> None:
    reference = bankfiles.waiting(place.organisation).reference
    file = _downloaded(place)
    said = Spoken(key=items(file)[0].key, word=Word.REFUSED, code="R03")
    assert _say(place, said) == {"not_sent": 1}
    assert _reasons(place) == []
    bankfiles.send(bankfiles.download(_fresh(file), place.maker), place.maker)
    assert _say(place, said) == {"applied": 1}
    assert payout(reference).state == "failed"


def test_opposite_words_halt_at_once_and_say_which(place: Place) -> None:
    reference = bankfiles.waiting(place.organisation).reference
    file = bankfiles.uploaded(place.organisation, place.maker, place.approver)
    key = items(file)[0].key
    db.session.rollback()
    for word in (Word.PAID, Word.REFUSED):
        bankfiles.returned(place.organisation, word.value.encode(), Spoken(key=key, word=word))
    ((_, reason),) = _reasons(place)
    assert reason.startswith(f"{reference}: Paid by BR-")
    assert "refused by BR-" in reason
    answer_all()
    assert transfers()[0].state == "review"
