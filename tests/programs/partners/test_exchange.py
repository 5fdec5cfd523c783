"""Exchange rates by day, totals in the base currency, and what payouts in other currencies cost more or less."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from flask import Flask
from sqlalchemy import func, select

from tests.factories import partners as factory
from tests.factories import people
from tests.factories.people import FACTORY
from tests.rooms.payouts.test_races import together
from tests.support.books import clean
from webapp.database import db, transaction
from webapp.kernel.errors import Conflict, Invalid, NotFound
from webapp.kernel.money import Money
from webapp.ledger import check
from webapp.ledger.models import Account, JournalEntry
from webapp.outbox.models import OutboxMessage
from webapp.payouts import service as payouts
from webapp.payouts.models import Payout
from webapp.people.models import Organisation
from webapp.programs.partners import base_view, exchange, exchange_rates, rate_lists
from webapp.programs.partners.exchange_rates import RateDraft, in_base, parse_rate
from webapp.programs.partners.models_rates import ExchangeDifference, ExchangeRate

APPROVED, PAID = datetime(2026, 3, 31, 15, tzinfo=UTC), datetime(2026, 4, 8, 15, tzinfo=UTC)
LATER = datetime(2026, 5, 1, 15, tzinfo=UTC)


def enter(
    organisation: Organisation,
    rate: str,
    day: date,
    currency: str = "EUR",
    now: datetime = LATER,
    reason: str = "",
) -> tuple[ExchangeRate, str]:
    """The rate of a day."""
    with transaction():
        return exchange_rates.enter(
            organisation_id=organisation.id, draft=RateDraft(currency, Decimal(rate), day), actor=FACTORY, now=now,
            reason=reason,
        )  # fmt: skip


def payout_in(organisation: Organisation, currency: str = "EUR") -> Payout:
    """A payout of 50.00 in a currency, approved."""
    ann = factory.partner(organisation)
    factory.won(factory.program(organisation), [ann], 1_000_00, currency=currency)
    [ident] = factory.calculate(organisation, now=APPROVED).payout_ids
    people.method(ann)
    payout = db.session.get_one(Payout, ident)
    # An amount in another currency than the policy's takes two people.
    while payout.state == "pending_approval":
        boss = people.actor_of(people.user(organisation=organisation, role="admin"))
        with transaction():
            payouts.approve(
                organisation_id=organisation.id, reference=payout.reference, now=APPROVED, actor=boss
            )
    return payout


def pay(payout: Payout, day: datetime = PAID, word: str = "A") -> None:
    """Paid by hand."""
    boss = people.user(organisation=db.session.get_one(Organisation, payout.organisation_id), role="admin")
    with transaction():
        payouts.mark_paid(
            organisation_id=payout.organisation_id, reference=payout.reference, now=day, paid_on=day.date(),
            payment_reference=f"UTR-{payout.id}-{word}", actor=people.actor_of(boss),
        )  # fmt: skip


def take_back(payout: Payout, day: datetime) -> None:
    """The bank returned it."""
    boss = people.user(organisation=db.session.get_one(Organisation, payout.organisation_id), role="admin")
    with transaction():
        payouts.reverse(
            organisation_id=payout.organisation_id, reference=payout.reference, reason="Account closed.",
            on=day.date(), actor=people.actor_of(boss), now=day,
        )  # fmt: skip


def book(organisation: Organisation, now: datetime = LATER) -> int:
    """What the worker does."""
    return exchange.book_all(organisation_id=organisation.id, actor=FACTORY, now=now)


def differences(organisation: Organisation) -> list[ExchangeDifference]:
    """All of an organisation, read anew."""
    db.session.rollback()
    query = select(ExchangeDifference).where(ExchangeDifference.organisation_id == organisation.id)
    return list(
        db.session.scalars(query.order_by(ExchangeDifference.id).execution_options(populate_existing=True))
    )


def balance(organisation: Organisation, code: str, currency: str = "USD") -> int:
    """Of an account, on its normal side; nothing where it was never used."""
    query = select(Account.balance_minor).where(
        Account.organisation_id == organisation.id, Account.code == code, Account.currency == currency
    )
    return db.session.scalar(query) or 0


# ------------------------------------------------------------------------------------------------- rates
@pytest.mark.parametrize("text", ["0", "-1", "x", "", "NaN", "Infinity", "100000001", "1.00000000001"])
def test_what_is_no_rate_is_refused(text: str) -> None:
    with pytest.raises(Invalid) as caught:
        parse_rate(text)
    assert caught.value.field == "rate"


@pytest.mark.parametrize("text", ["1", "0.0000385112", "83.4105", "100000000", "0.0000000001", "1.50"])
def test_a_rate_is_kept_exactly(base: Organisation, text: str) -> None:
    enter(base, text, date(2026, 2, 1), "VND")
    db.session.rollback()
    assert db.session.scalars(select(ExchangeRate.rate)).one() == Decimal(text)


@pytest.mark.parametrize(
    ("draft", "field"),
    [
        (RateDraft("USD", Decimal(1), date(2026, 2, 1)), "currency"),
        (RateDraft("XQQ", Decimal(1), date(2026, 2, 1)), "currency"),
        (RateDraft("EUR", Decimal(0), date(2026, 2, 1)), "rate"),
        (RateDraft("EUR", Decimal(1), date(2026, 5, 2)), "valid_from"),
        (RateDraft("EUR", Decimal(1), date(1989, 12, 31)), "valid_from"),
        (RateDraft("EUR", Decimal(1), date(2026, 2, 1), "x" * 2001), "note"),
    ],
)
def test_bad_input_names_the_field(base: Organisation, draft: RateDraft, field: str) -> None:
    with pytest.raises(Invalid) as caught, transaction():
        exchange_rates.enter(organisation_id=base.id, draft=draft, actor=FACTORY, now=LATER)
    assert caught.value.field == field


def test_the_same_rate_again_changes_nothing(base: Organisation) -> None:
    day = date(2026, 2, 1)
    assert enter(base, "1.08", day)[1] == "created"
    assert enter(base, "1.080", day)[1] == "unchanged"
    assert db.session.scalar(select(func.count()).select_from(ExchangeRate)) == 1


def test_a_correction_is_the_next_version_and_needs_a_reason(base: Organisation) -> None:
    day = date(2026, 2, 1)
    first, _ = enter(base, "1.08", day)
    with pytest.raises(Invalid) as caught:
        enter(base, "1.09", day)
    assert caught.value.field == "reason"
    second, word = enter(base, "1.09", day, reason="A typing error.")
    assert (word, second.version, second.note) == ("updated", 2, "A typing error.")
    db.session.rollback()
    before = db.session.get_one(ExchangeRate, first.id)
    assert (before.rate, before.is_current, before.ended_at) == (Decimal("1.08"), False, LATER)


def test_a_rate_counts_from_its_day_until_the_next(base: Organisation) -> None:
    enter(base, "1.08", date(2026, 2, 1))
    enter(base, "1.10", date(2026, 3, 1))
    found = {
        day: exchange_rates.rates_on(base.id, "USD", ["EUR"], day)
        for day in (date(2026, 1, 31), date(2026, 2, 1), date(2026, 2, 28), date(2026, 3, 1))
    }
    assert [str(rates["EUR"].rate) if rates else None for rates in found.values()] == [
        None,
        "1.08",
        "1.08",
        "1.1",
    ]


def test_a_withdrawn_rate_counts_no_more_and_can_be_entered_again(base: Organisation) -> None:
    enter(base, "1.08", date(2026, 2, 1))
    wrong, _ = enter(base, "10.8", date(2026, 3, 1))
    with transaction():
        exchange_rates.withdraw(
            organisation_id=base.id, rate_id=wrong.id, reason="Ten times too much.", actor=FACTORY, now=LATER
        )
    assert exchange_rates.rates_on(base.id, "USD", ["EUR"], date(2026, 3, 9))["EUR"].rate == Decimal("1.08")
    with pytest.raises(Conflict), transaction():
        exchange_rates.withdraw(
            organisation_id=base.id, rate_id=wrong.id, reason="Again.", actor=FACTORY, now=LATER
        )
    again, word = enter(base, "1.11", date(2026, 3, 1))
    assert (word, again.version) == ("created", 2)


def test_another_organisations_rates_do_not_count(base: Organisation) -> None:
    other = factory.partnerbase()
    theirs, _ = enter(other, "1.08", date(2026, 2, 1))
    assert exchange_rates.rates_on(base.id, "USD", ["EUR"], date(2026, 3, 1)) == {}
    with pytest.raises(NotFound), transaction():
        exchange_rates.withdraw(
            organisation_id=base.id, rate_id=theirs.id, reason="Not ours.", actor=FACTORY, now=LATER
        )


def test_two_who_enter_a_day_at_once_leave_one_rate(database: Flask, base: Organisation) -> None:
    base_id = base.id

    def one(rate: str) -> str:
        draft = RateDraft("EUR", Decimal(rate), date(2026, 2, 1))
        with transaction():
            return exchange_rates.enter(organisation_id=base_id, draft=draft, actor=FACTORY, now=LATER)[1]

    answers = together(database, [lambda: one("1.08"), lambda: one("1.09")])
    assert sum(answer == "created" for answer in answers) == 1
    assert all(answer == "created" or isinstance(answer, Conflict | Invalid) for answer in answers)


@pytest.mark.parametrize(
    ("amount", "rate", "base", "value"),
    [
        (Money(100_00, "EUR"), "1.0832", "USD", 108_32),
        (Money(1, "EUR"), "0.5", "USD", 0),
        (Money(3, "EUR"), "0.5", "USD", 2),
        (Money(1_000, "JPY"), "0.0067125", "USD", 671),
        (Money(12_345, "KWD"), "3.2501", "USD", 40_12),
        (Money(100_00, "USD"), "151.255", "JPY", 15_126),
        (Money(10**15, "EUR"), "0.9999999999", "USD", 999_999_999_900_000),
        (Money(-100_05, "EUR"), "1.1", "USD", -110_06),
    ],
)
def test_amounts_are_rounded_once_half_to_even(amount: Money, rate: str, base: str, value: int) -> None:
    assert in_base(amount, Decimal(rate), base) == Money(value, base)


# ------------------------------------------------------------------------------------------------- totals
def test_totals_stand_beside_their_values_with_rate_and_day(base: Organisation) -> None:
    enter(base, "1.08", date(2026, 2, 1))
    amounts = [Money(100_00, "USD"), Money(50_00, "EUR"), Money(50_00, "EUR"), Money(900_00, "INR")]
    view = base_view.totals(base.id, amounts, date(2026, 3, 1))
    dollars, euros, rupees = view.lines
    assert (dollars.base, dollars.rate, dollars.words) == (Money(100_00, "USD"), None, "")
    assert (euros.amount, euros.base, euros.day) == (
        Money(100_00, "EUR"),
        Money(108_00, "USD"),
        date(2026, 2, 1),
    )
    assert euros.words == "1 EUR = 1.08 USD"
    assert (rupees.base, view.missing) == (None, ("INR",))
    assert (view.together, view.is_needed) == (Money(208_00, "USD"), True)


def test_a_rate_of_long_ago_is_marked(base: Organisation) -> None:
    enter(base, "1.08", date(2026, 1, 1))
    [young] = base_view.totals(base.id, [Money(1, "EUR")], date(2026, 2, 5)).lines
    [old] = base_view.totals(base.id, [Money(1, "EUR")], date(2026, 2, 6)).lines
    assert (young.is_old, old.is_old) == (False, True)


def test_what_is_in_the_base_currency_alone_needs_no_view(base: Organisation) -> None:
    assert not base_view.totals(base.id, [Money(1, "USD")], date(2026, 2, 5)).is_needed


# ------------------------------------------------------------------------------------------------- differences
@pytest.mark.parametrize(("then", "cost", "gain"), [("1.10", 1_00, 0), ("1.05", 0, 1_50), ("1.08", 0, 0)])
def test_the_difference_between_approval_and_payment_is_booked_once(
    base: Organisation, then: str, cost: int, gain: int
) -> None:
    enter(base, "1.08", date(2026, 3, 31))
    enter(base, then, date(2026, 4, 8))
    pay(payout_in(base))
    [row] = differences(base)
    assert (row.state, row.amount_minor, row.approved_on, row.paid_on) == (
        "waiting", 50_00, date(2026, 3, 31), date(2026, 4, 8),
    )  # fmt: skip
    assert [book(base), book(base)] == [1, 0]
    [row] = differences(base)
    assert (row.state, row.approved_value_minor, row.difference_minor) == ("booked", 54_00, cost - gain)
    assert balance(base, "expense:exchange_difference") == cost
    assert balance(base, "income:exchange_difference") == gain
    assert balance(base, "exchange") == cost - gain
    assert clean(base)


def test_paying_asks_a_worker_to_book_it(base: Organisation) -> None:
    pay(payout_in(base))
    [row] = differences(base)
    asked = db.session.scalars(select(OutboxMessage).where(OutboxMessage.kind == "partners.exchange")).one()
    assert asked.reference_id == row.id
    enter(base, "1.08", date(2026, 3, 1))
    exchange.work(difference_id=asked.reference_id, now=LATER)
    assert differences(base)[0].state == "booked"


def test_without_a_rate_it_waits_and_is_said(base: Organisation) -> None:
    pay(payout_in(base))
    assert book(base) == 0
    assert rate_lists.wanted(base.id) == [rate_lists.Wanted("EUR", 1, date(2026, 3, 31))]
    # The rate of the payment alone is not enough.
    enter(base, "1.10", date(2026, 4, 1))
    assert book(base) == 0
    enter(base, "1.08", date(2026, 3, 1))
    assert (book(base), rate_lists.wanted(base.id)) == (1, [])
    assert balance(base, "expense:exchange_difference") == 1_00


def test_what_is_booked_stays_when_its_rate_is_corrected(base: Organisation) -> None:
    rate, _ = enter(base, "1.08", date(2026, 3, 1))
    enter(base, "1.10", date(2026, 4, 8))
    pay(payout_in(base))
    book(base)
    assert rate_lists.booked_with(rate.id) == 1
    enter(base, "1.00", date(2026, 3, 1), reason="A typing error.")
    assert book(base) == 0
    assert balance(base, "expense:exchange_difference") == 1_00


def test_money_that_comes_back_takes_the_difference_back(base: Organisation) -> None:
    enter(base, "1.08", date(2026, 3, 1))
    enter(base, "1.10", date(2026, 4, 8))
    payout = payout_in(base)
    pay(payout)
    book(base)
    take_back(payout, PAID + timedelta(days=2))
    assert [row.state for row in differences(base)] == ["returning"]
    # Until it is booked the ledger has what was booked before.
    assert clean(base)
    assert [book(base), book(base)] == [1, 0]
    assert [row.state for row in differences(base)] == ["returned"]
    assert (balance(base, "expense:exchange_difference"), balance(base, "exchange")) == (0, 0)
    assert clean(base)


def test_what_comes_back_before_it_was_booked_is_never_booked(base: Organisation) -> None:
    payout = payout_in(base)
    pay(payout)
    take_back(payout, PAID + timedelta(days=2))
    enter(base, "1.08", date(2026, 3, 1))
    assert (book(base), [row.state for row in differences(base)]) == (0, ["void"])
    assert clean(base)


def test_paid_again_it_is_booked_by_the_second_payment(base: Organisation) -> None:
    for day, rate in ((date(2026, 3, 1), "1.08"), (date(2026, 4, 8), "1.10"), (date(2026, 4, 20), "1.12")):
        enter(base, rate, day)
    payout = payout_in(base)
    pay(payout)
    book(base)
    take_back(payout, PAID + timedelta(days=2))
    boss = people.actor_of(people.user(organisation=base, role="admin"))
    again = datetime(2026, 4, 20, 15, tzinfo=UTC)
    with transaction():
        payouts.reissue(
            organisation_id=base.id,
            reference=payout.reference,
            actor=boss,
            now=again,
            note="New account.",
        )
    pay(payout, again, "B")
    book(base)
    assert [(row.round, row.state, row.difference_minor) for row in differences(base)] == [
        (1, "returned", 1_00), (2, "booked", 2_00),
    ]  # fmt: skip
    assert balance(base, "expense:exchange_difference") == 2_00
    assert clean(base)


def test_a_payout_in_the_base_currency_has_no_difference(base: Organisation) -> None:
    pay(payout_in(base, "USD"))
    assert differences(base) == []


def test_two_workers_at_once_book_it_once(database: Flask, base: Organisation) -> None:
    enter(base, "1.08", date(2026, 3, 1))
    enter(base, "1.10", date(2026, 4, 8))
    pay(payout_in(base))
    [row] = differences(base)
    ident, base_id = row.id, base.id
    together(database, [lambda: exchange.work(difference_id=ident, now=LATER)] * 4)
    query = select(func.count()).where(
        JournalEntry.organisation_id == base_id, JournalEntry.kind == "partners.exchange"
    )
    assert db.session.scalar(query) == 1


def test_one_that_dies_before_the_commit_leaves_it_to_the_next(
    base: Organisation, monkeypatch: pytest.MonkeyPatch
) -> None:
    enter(base, "1.08", date(2026, 3, 1))
    pay(payout_in(base))
    [row] = differences(base)
    with monkeypatch.context() as patch:
        patch.setattr(exchange.trail, "record", lambda *given: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            exchange.work(difference_id=row.id, now=LATER)
    assert [each.state for each in differences(base)] == ["waiting"]
    assert book(base) == 1


def test_the_ledgers_check_names_a_difference_that_is_not_booked(base: Organisation) -> None:
    enter(base, "1.08", date(2026, 3, 1))
    enter(base, "1.10", date(2026, 4, 8))
    payout = payout_in(base)
    pay(payout)
    book(base)
    with transaction():
        differences_of = db.session.scalars(select(ExchangeDifference)).one()
        differences_of.difference_minor = 7_77
    [finding] = check.run(base.id).findings
    assert (finding.rule, finding.subject) == ("exchange differences", payout.reference)
    assert "7.77 USD" in finding.message


def test_another_organisations_differences_are_not_touched(base: Organisation) -> None:
    other = factory.partnerbase()
    pay(payout_in(other))
    enter(base, "1.08", date(2026, 3, 1))
    assert (book(base), rate_lists.wanted(base.id), len(differences(base))) == (0, [], 0)
