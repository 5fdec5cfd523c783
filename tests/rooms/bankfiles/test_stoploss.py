"""A file of which too much fails stops the next one: none is made, approved or downloaded before somebody looked."""

from __future__ import annotations

import pytest

from tests.factories import bankfiles
from tests.factories.pages import Place
from tests.factories.payouts import WHEN
from tests.factories.people import actor_of
from tests.rooms.bankfiles.conftest import answer_all, items
from webapp.bankfiles import queries, service
from webapp.bankfiles.answers import Spoken
from webapp.bankfiles.models import BankFile
from webapp.bankfiles.states import RAIL, Word
from webapp.database import db, transaction
from webapp.kernel.errors import Conflict, NotAllowed
from webapp.payouts import policies, stoploss
from webapp.payouts.brakes.models import Alert


def _answered(place: Place, *words: Word, more: int = 0) -> BankFile:
    """A file whose payments get these words; `more` payouts wait for the next one."""
    for n in range(len(words)):
        bankfiles.waiting(place.organisation, 10_000 * (n + 1))
    file = bankfiles.uploaded(place.organisation, place.maker, place.approver)
    for _ in range(more):
        bankfiles.waiting(place.organisation, 500)
    spoken = [
        Spoken(key=item.key, word=word, code="AC04" if word is Word.REFUSED else "", text="Said.")
        for item, word in zip(items(file), words, strict=True)
    ]
    db.session.rollback()
    bankfiles.returned(place.organisation, repr(spoken).encode(), *spoken)
    answer_all()
    return file


def _halts(place: Place) -> tuple[str, ...]:
    db.session.rollback()
    return policies.halt_reasons(place.organisation.id, RAIL)


def test_no_file_is_made_after_four_refusals_in_a_row(place: Place) -> None:
    _answered(place, *[Word.REFUSED] * stoploss.IN_A_ROW)
    # Nothing waited when the bank answered; what comes next is what is stopped.
    (reason,) = _halts(place)
    assert reason.startswith("4 transfers in a row failed")
    assert "no file is made or approved before somebody has looked" in reason
    assert [row.kind for row in db.session.query(Alert)] == ["stop_loss"]
    db.session.rollback()
    with pytest.raises(Conflict, match="halted"):
        bankfiles.make(place.organisation)
    with transaction():
        policies.lift_halt(
            organisation_id=place.organisation.id, rail=RAIL, reason="Wrong branch codes.",
            actor=actor_of(place.approver), now=WHEN,
        )  # fmt: skip
    bankfiles.waiting(place.organisation, 700)
    assert bankfiles.make(place.organisation).item_count == 1


def test_a_file_that_was_made_before_is_not_approved(place: Place) -> None:
    for n in range(stoploss.IN_A_ROW):
        bankfiles.waiting(place.organisation, 10_000 + n)
    first = bankfiles.uploaded(place.organisation, place.maker, place.approver)
    bankfiles.waiting(place.organisation, 500)
    second = bankfiles.make(place.organisation)
    reference, sha256, version = second.reference, second.sha256, second.version
    spoken = [Spoken(key=item.key, word=Word.REFUSED, code="AC04") for item in items(first)]
    db.session.rollback()
    bankfiles.returned(place.organisation, b"refused", *spoken)
    answer_all()
    with pytest.raises(NotAllowed, match="Payments are halted"), transaction():
        service.approve(
            organisation_id=place.organisation.id, reference=reference, sha256=sha256,
            actor=actor_of(place.approver), now=WHEN, expected_version=version,
        )  # fmt: skip
    assert queries.get_file(place.organisation.id, reference).state == "made"


@pytest.mark.parametrize(
    "words",
    [
        [Word.REFUSED] * (stoploss.IN_A_ROW - 1),
        [Word.REFUSED, Word.REFUSED, Word.PAID, Word.REFUSED, Word.REFUSED],
        [Word.REFUSED, Word.REFUSED, Word.ACCEPTED, Word.REFUSED, Word.REFUSED],
    ],
)
def test_some_refusals_stop_nothing(place: Place, words: list[Word]) -> None:
    _answered(place, *words, more=1)
    assert _halts(place) == ()
