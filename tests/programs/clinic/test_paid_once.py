"""Money that goes into a wallet and from there to the bank is paid to a practitioner once."""

from __future__ import annotations

from flask import Flask

from tests.factories import clinic, people
from tests.factories.clinic import DAY, WHEN
from tests.factories.people import FACTORY
from webapp.database import transaction
from webapp.kernel.money import Money
from webapp.payouts import figures
from webapp.payouts import service as payouts
from webapp.programs.clinic import paying, withdrawing


def test_sums_of_what_was_paid_count_it_when_it_leaves(database: Flask) -> None:
    care = clinic.carepoint()
    theo = clinic.practitioner(care)
    people.method(theo)
    approver = people.actor_of(people.user(organisation=care, role="admin"))
    number = clinic.paid(care, [theo], 100_00).number
    scope = {"organisation_id": care.id, "payee_id": theo.id}
    with transaction():
        paying.create_payout(organisation_id=care.id, number=number, actor=FACTORY, now=WHEN)
    assert clinic.holds(care, theo) == 90_00
    assert figures.year_to_date(**scope, today=DAY) == []
    with transaction():
        payout = withdrawing.request_withdrawal(**scope, amount_minor=60_00, actor=FACTORY, now=WHEN)
        common = {"organisation_id": care.id, "reference": payout.reference, "now": WHEN}
        payouts.approve(**common, actor=approver)
        payouts.mark_paid(**common, actor=approver, payment_reference="EFT-1", paid_on=DAY)
    paid = Money(60_00, "CAD")
    assert figures.year_to_date(**scope, today=DAY) == [paid]
    assert [each.amount for each in figures.earned_by_month(**scope, today=DAY)] == [paid]
    sums = figures.paid_by_month(organisation_id=care.id, currency="CAD", today=DAY)
    assert [each.amount for each in sums] == [paid]
