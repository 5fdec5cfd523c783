"""What reconciliation says is what the commissions say one by one, and what the ledger says."""

from __future__ import annotations

from tests.factories import partners as factory
from tests.factories import people
from tests.factories.partners import TODAY, commissions
from tests.factories.people import actor_of, user
from tests.support.books import clean
from webapp.database import db, transaction
from webapp.kernel.money import Money
from webapp.payouts import service as payouts
from webapp.payouts.models import Payout
from webapp.people.models import Organisation, Payee
from webapp.programs.partners import figures, reconciling
from webapp.programs.partners.rules import period
from webapp.web import listing


def paid(organisation: Organisation, payee: Payee) -> Payout:
    """The payout of what is due to a partner, paid by hand."""
    people.method(payee)
    [payout_id] = factory.calculate(organisation, payees=[payee]).payout_ids
    payout = db.session.get_one(Payout, payout_id)
    clerk = actor_of(user(organisation=organisation, role="admin"))
    with transaction():
        if payout.state == "pending_approval":
            payouts.approve(
                organisation_id=organisation.id, reference=payout.reference, actor=clerk, now=TODAY
            )
    with transaction():
        payouts.mark_paid(
            organisation_id=organisation.id, reference=payout.reference, payment_reference=payout.reference,
            paid_on=TODAY.date(), actor=clerk, now=TODAY,
        )  # fmt: skip
    return payout


def sums(organisation: Organisation, **how: object) -> dict[str, tuple[int, int, int]]:
    """Currency → owed, paid, outstanding."""
    found = reconciling.per_partner(organisation.id, **how)  # type: ignore[arg-type]
    return {
        each.currency: (each.sums["owed"].amount, each.sums["paid"].amount, each.sums["outstanding"].amount)
        for each in listing.totals(found)
    }


def test_owed_is_paid_and_outstanding_commission_by_commission(base: Organisation) -> None:
    program = factory.program(base)
    ann, ben = factory.partner(base), factory.partner(base)
    factory.won(program, [ann, ben], 1_000_01)
    factory.won(program, [ann], 700_00, currency="EUR")
    paid(base, ben)
    rows = [row for payee in (ann, ben) for row in commissions(payee)]
    for currency, (owed, settled, left) in sums(base).items():
        mine = [row for row in rows if row.currency == currency]
        assert owed == sum(row.amount_minor for row in mine)
        assert settled == sum(row.amount_minor for row in mine if row.state == "paid")
        assert left == owed - settled
    assert sums(base, period=period("2026-Q2")) == {}
    assert clean(base)


def test_the_ledger_agrees_through_paying_and_taking_back(base: Organisation) -> None:
    ann, program = factory.partner(base), factory.program(base)
    deal = factory.won(program, [ann], 400_00)
    paid(base, ann)
    [usd] = reconciling.with_ledger(base.id)
    assert (usd.approved, usd.payable, usd.is_equal) == (Money(20_00, "USD"), Money(0, "USD"), True)
    factory.lost(deal)
    factory.won(program, [ann], 1_000_00)
    assert sums(base) == {"USD": (50_00, 20_00, 30_00)}
    factory.calculate(base)
    [usd] = reconciling.with_ledger(base.id)
    assert usd.is_equal
    assert usd.approved.amount in (20_00, 50_00)
    assert clean(base)


def test_a_difference_to_the_ledger_is_seen(base: Organisation) -> None:
    ann = factory.partner(base)
    row = commissions(factory.won(factory.program(base), [ann]))[0]
    paid(base, ann)
    with transaction():
        db.session.merge(row).amount_minor += 1
    assert [each.is_equal for each in reconciling.with_ledger(base.id)] == [False]


def test_what_is_cancelled_or_dismissed_is_not_owed(base: Organisation) -> None:
    ann, program = factory.partner(base), factory.program(base)
    for _ in range(3):
        factory.won(program, [ann])
    first, second, _ = commissions(ann)
    with transaction():
        first.state, second.offer = "cancelled", "dismissed"
    assert sums(base) == {"USD": (50_00, 0, 50_00)}


def test_the_figures_of_the_first_page_are_those_of_the_payouts(base: Organisation) -> None:
    ann, ben, program = (
        factory.partner(base, name="Ann"),
        factory.partner(base, name="Ben"),
        factory.program(base),
    )
    factory.won(program, [ann])
    factory.won(program, [ben], 3_000_00)
    for payee in (ann, ben):
        paid(base, payee)
    cards = {card.key: (card.count, card.sums) for card in figures.cards(base.id)}
    assert cards["paid"] == cards["all"] == (2, (Money(200_00, "USD"),))
    assert cards["pending"] == cards["approved"] == (0, ())
    assert [(each.name, each.amount.amount) for each in figures.most_paid(base.id, "USD")] == [
        ("Ben", 150_00), ("Ann", 50_00),
    ]  # fmt: skip
    assert figures.paid_currencies(base.id) == ["USD"]


def test_the_expected_payouts_are_those_of_the_next_calculation(base: Organisation) -> None:
    factory.won(factory.program(base), [factory.partner(base)])
    found = figures.next_payouts(base.id, "USD", "America/New_York", TODAY)
    assert {day.isoformat(): minor for day, minor in found.items()} == {"2026-04-01": 50_00}
    assert figures.next_payouts(base.id, "EUR", "America/New_York", TODAY) == {}
