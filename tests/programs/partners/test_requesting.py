"""A partner asks for a payout: only where the program allows it, netted, not below the smallest, once."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import func, select

from tests.factories import partners, people
from tests.factories.partners import CLOSED, TODAY
from tests.factories.people import FACTORY
from tests.support.books import clean
from webapp.database import db, transaction
from webapp.kernel.errors import Conflict, NotFound
from webapp.payouts.models import Payout
from webapp.people.models import Organisation, Payee
from webapp.programs.partners import calculating, requesting
from webapp.programs.partners.requesting import WhyNot


@pytest.fixture
def here(database: Flask) -> Organisation:
    return partners.partnerbase()


@pytest.fixture
def ada(here: Organisation) -> Payee:
    return partners.partner(here, name="Ada Ray")


def ask(payee: Payee, currency: str = "USD", **values: object) -> Payout:
    with transaction():
        return requesting.request_payout(
            organisation_id=payee.organisation_id, payee_id=payee.id, currency=currency,
            **{"actor": FACTORY, "now": TODAY, **values},  # type: ignore[arg-type]
        )  # fmt: skip


def count() -> int:
    db.session.rollback()
    return int(db.session.scalar(select(func.count()).select_from(Payout)) or 0)


def test_nothing_is_offered_where_the_program_does_not_allow_it(here: Organisation, ada: Payee) -> None:
    partners.won(partners.program(here), [ada])
    assert requesting.offers(here.id, ada.id, TODAY) == []
    with pytest.raises(Conflict, match="Nothing is due that you can ask for"):
        ask(ada)
    assert count() == 0


def test_each_currency_is_asked_for_by_itself_and_once(here: Organisation, ada: Payee) -> None:
    program = partners.program(here, partners_may_request=True)
    for currency in ("USD", "EUR"):
        partners.won(program, [ada], 2_000_00, currency=currency)
    offers = requesting.offers(here.id, ada.id, TODAY)
    assert [(each.amount.currency, each.amount.amount, each.why_not) for each in offers] == [
        ("EUR", 100_00, None), ("USD", 100_00, None),
    ]  # fmt: skip
    made = ask(ada, "EUR", expected_minor=100_00)
    assert (made.currency, made.amount_minor, made.state) == ("EUR", 100_00, "pending_approval")
    with pytest.raises(Conflict):
        ask(ada, "EUR")
    assert [each.amount.currency for each in requesting.offers(here.id, ada.id, TODAY)] == ["USD"]
    assert count() == 1
    assert clean(here)


def test_only_programs_that_allow_it_and_what_is_taken_back_of_any(here: Organisation, ada: Payee) -> None:
    free, strict = partners.program(here, partners_may_request=True), partners.program(here)
    gone = partners.won(strict, [ada], 1_000_00)
    (payout_id,) = partners.calculate(here).payout_ids
    with transaction():
        calculating.mark_paid(here.id, payout_id, TODAY)
    partners.lost(gone)
    partners.won(strict, [ada], 4_000_00)
    partners.won(free, [ada], 3_000_00)
    (offer,) = requesting.offers(here.id, ada.id, TODAY)
    assert offer.amount.amount == 150_00 - 50_00
    assert ask(ada).amount_minor == 100_00


def test_what_is_held_disputed_or_too_little_is_not_paid(here: Organisation, ada: Payee) -> None:
    program = partners.program(here, partners_may_request=True, minimums={"USD": 60_00})
    partners.won(program, [ada], 1_000_00)
    early = CLOSED + timedelta(days=29)
    assert requesting.offers(here.id, ada.id, early) == []
    (offer,) = requesting.offers(here.id, ada.id, TODAY)
    assert (offer.why_not, offer.least.amount) == (WhyNot.TOO_LITTLE, 60_00)
    with pytest.raises(Conflict, match="smallest payout"):
        ask(ada)
    partners.won(program, [ada], 1_000_00)
    with pytest.raises(Conflict, match="It comes to"):
        ask(ada, expected_minor=50_00)
    assert ask(ada, expected_minor=100_00).amount_minor == 100_00


def test_a_sum_below_zero_is_carried(here: Organisation, ada: Payee) -> None:
    program = partners.program(here, partners_may_request=True)
    gone = partners.won(program, [ada], 4_000_00)
    ask(ada)
    with transaction():
        calculating.mark_paid(here.id, db.session.scalars(select(Payout.id)).one(), TODAY)
    partners.lost(gone)
    partners.won(program, [ada], 1_000_00)
    (offer,) = requesting.offers(here.id, ada.id, TODAY)
    assert (offer.amount.amount, offer.why_not) == (-150_00, WhyNot.CARRIED)
    with pytest.raises(Conflict, match="carried"):
        ask(ada)


def test_another_company_s_partner_is_not_found(here: Organisation, ada: Payee) -> None:
    elsewhere = partners.partnerbase()
    partners.won(partners.program(here, partners_may_request=True), [ada])
    for call in (requesting.offers,):
        with pytest.raises(NotFound):
            call(elsewhere.id, ada.id, TODAY)
    with pytest.raises(NotFound), transaction():
        requesting.request_payout(
            organisation_id=elsewhere.id, payee_id=ada.id, currency="USD", actor=FACTORY, now=TODAY
        )
    other = people.payee(here, "technician")
    with pytest.raises(NotFound):
        requesting.offers(here.id, other.id, TODAY)
