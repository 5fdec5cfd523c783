"""A payout that was cancelled after something of it was released or charged: the next one pays nothing twice."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from tests.factories import installations as make
from tests.factories import people
from tests.programs.installations.test_retention import (
    COMMISSIONED,
    LATER,
    TERMS,
    charge,
    held,
    hold,
    paid,
    pay_due,
    release,
)
from webapp.database import db, transaction
from webapp.kernel.actor import SCHEDULER
from webapp.kernel.errors import Conflict
from webapp.kernel.money import Money
from webapp.ledger import check
from webapp.payouts import service as payouts
from webapp.payouts.models import Payout
from webapp.people.models import Organisation, Payee
from webapp.programs.installations import carrying, held_lines, retaining, service
from webapp.programs.installations.drafts import InstallationDraft, ShareDraft
from webapp.programs.installations.models import InstallationShare
from webapp.programs.installations.retention_rules import Earlier, HeldBack, RetentionTerms, bear
from webapp.programs.installations.subscriber import InstallationsSubscriber

EARLIER = Earlier(
    1, 1, Money(25_00, "USD"), Money(10_00, "USD"), 1_000, date(2027, 1, 30), "PO-1", "", "Twice", None
)
WAITS = HeldBack(Money(25_00, "USD"), 1_000, date(2027, 1, 30))


@pytest.fixture
def solaria(database: Flask, now: datetime) -> Organisation:
    """Installers whose organisation holds back a tenth for 90 days."""
    payouts.register_subscriber("installations", InstallationsSubscriber())
    solaria = people.organisation("solaria")
    make.known_rates(solaria)
    hold(solaria, TERMS, now)
    return solaria


@pytest.fixture
def ana(solaria: Organisation) -> Payee:
    """A technician with one installation of 250.00."""
    ana = people.payee(solaria, name="Ana")
    make.installation(solaria, ana, commissioned_on=COMMISSIONED)
    return ana


def cancelled(payout: Payout, now: datetime, *, is_returned: bool = True) -> None:
    """The bank returns it, and it is not paid again; or it was not paid at all."""
    organisation = db.session.get_one(Organisation, payout.organisation_id)
    boss = people.actor_of(people.user(organisation=organisation, role="admin"))
    here: dict[str, Any] = {
        "organisation_id": organisation.id,
        "reference": payout.reference,
        "actor": boss,
        "now": now,
    }
    if is_returned:
        with transaction():
            payouts.reverse(**here, reason="The account is closed", on=now.date())
    with transaction():
        payouts.cancel(**here, reason="The wrong amount")


def paid_again(payee: Payee, now: datetime) -> Payout:
    """The payout of what a person offers again."""
    organisation = db.session.get_one(Organisation, payee.organisation_id)
    boss = people.actor_of(people.user(organisation=organisation, role="admin"))
    share = db.session.scalars(select(InstallationShare).where(InstallationShare.payee_id == payee.id)).one()
    with transaction():
        service.settle_offer(
            organisation_id=payee.organisation_id, share_id=share.id, choice="fix", actor=boss, now=now
        )
    (payout,) = pay_due(payee, now)
    return payout


def test_what_was_released_is_not_paid_again(solaria: Organisation, ana: Payee, now: datetime) -> None:
    later = now + LATER
    first = paid(pay_due(ana, now)[0], now)
    (second,), _ = release(ana, later)
    paid(second, later)
    cancelled(first, later)
    again = paid_again(ana, later)
    assert again.amount_minor == 225_00
    assert [(line.description.split(" ", 1)[1], line.formula) for line in again.lines[1:]] == [
        (f"released already with {second.reference}", f"25.00 USD held back with {first.reference}")
    ]
    (row,) = held(ana)
    assert (row.state, row.payout_id, row.release_payout_id) == ("released", again.id, second.id)
    cancelled(again, later, is_returned=False)
    third = paid_again(ana, later)
    assert (third.amount_minor, held(ana)[0].payout_id) == (225_00, third.id)
    paid(third, later)
    assert release(ana, later)[0] == []
    assert check.run(solaria.id).findings == []


def test_a_release_that_did_not_happen_after_all_is_made_up_for(ana: Payee, now: datetime) -> None:
    later = now + LATER
    first = paid(pay_due(ana, now)[0], now)
    (second,), _ = release(ana, later)
    cancelled(first, later)
    again = paid(paid_again(ana, later), later)
    cancelled(second, later, is_returned=False)
    (row,) = held(ana)
    assert (row.state, row.offer, row.payout_id) == ("held", "blocked", again.id)
    with transaction():
        retaining.set_day(
            organisation_id=ana.organisation_id, retention_id=row.id, release_on=later.date(), reason="It is fine",
            actor=SCHEDULER, now=later,
        )  # fmt: skip
    assert [payout.amount_minor for payout in release(ana, later)[0]] == [25_00]


def test_both_cancelled_leave_nothing(ana: Payee, now: datetime) -> None:
    later = now + LATER
    first = paid(pay_due(ana, now)[0], now)
    (second,), _ = release(ana, later)
    cancelled(first, later)
    cancelled(second, later, is_returned=False)
    (row,) = held(ana)
    assert (row.state, row.release_payout_id) == ("cancelled", None)
    assert paid_again(ana, later).amount_minor == 250_00


def test_nothing_is_kept_before_the_payout_is_paid(ana: Payee, now: datetime) -> None:
    (payout,) = pay_due(ana, now)
    with pytest.raises(Conflict, match=f"{payout.reference} is not paid"):
        charge(ana, 20_00, now)
    db.session.rollback()
    assert held(ana)[0].charged_minor == 0
    paid(payout, now)
    assert charge(ana, 20_00, now).charged_minor == 20_00


def test_a_charge_stays_with_the_next_payout(ana: Payee, now: datetime) -> None:
    first = paid(pay_due(ana, now)[0], now)
    charge(ana, 20_00, now)
    cancelled(first, now)
    assert held(ana)[0].state == "cancelled"
    again = paid(paid_again(ana, now), now)
    assert again.amount_minor == 225_00
    assert again.lines[1].description.endswith("held back until 2027-01-30")
    assert again.lines[1].formula == "250.00 USD × 10 % = 25.00 USD; 20.00 USD charged back: A second visit"
    (row,) = held(ana)
    assert (row.state, row.payout_id, row.charged_minor) == ("held", again.id, 20_00)
    assert [payout.amount_minor for payout in release(ana, now + LATER)[0]] == [5_00]


@pytest.mark.parametrize("amount", [20_00, 25_00])
def test_a_charge_stays_when_nothing_is_held_back_any_more(ana: Payee, now: datetime, amount: int) -> None:
    later = now + LATER
    first = paid(pay_due(ana, now)[0], now)
    charge(ana, amount, now)
    cancelled(first, later)
    again = paid(paid_again(ana, later), later)
    assert again.amount_minor == 250_00 - amount
    assert again.lines[1].description.endswith(" charged back")
    assert "A second visit" in again.lines[1].formula
    (row,) = held(ana)
    assert (row.state, row.amount_minor, row.payout_id) == ("charged", amount, again.id)
    assert release(ana, later)[0] == []


def test_a_charge_of_all_is_a_part_of_what_is_held_back(
    solaria: Organisation, ana: Payee, now: datetime
) -> None:
    first = paid(pay_due(ana, now)[0], now)
    charge(ana, 25_00, now)
    cancelled(first, now)
    hold(solaria, RetentionTerms(2_000, 90), now)
    assert paid_again(ana, now).amount_minor == 200_00
    (row,) = held(ana)
    assert (row.state, row.amount_minor, row.charged_minor) == ("held", 50_00, 25_00)


def test_who_charged_does_not_approve_what_bears_it(solaria: Organisation, ana: Payee, now: datetime) -> None:
    boss = people.actor_of(people.user(organisation=solaria, role="admin"))
    first = paid(pay_due(ana, now)[0], now)
    charge(ana, 20_00, now, actor=boss)
    cancelled(first, now)
    reasons = {each.user_id: each.reason for each in paid_again(ana, now).exclusions}
    assert reasons == {boss.user_id: "changed what was held back"}


def test_another_technicians_part_bears_nothing(solaria: Organisation, now: datetime) -> None:
    ben, cleo = people.payee(solaria, name="Ben"), people.payee(solaria, name="Cleo")
    make.installation(solaria, ben, cleo, commissioned_on=COMMISSIONED)
    first = paid(pay_due(ben, now)[0], now)
    charge(ben, 10_00, now)
    cancelled(first, now)
    (of_cleo,) = pay_due(cleo, now)
    assert of_cleo.lines[1].amount_minor == -12_50
    assert held(cleo)[0].charged_minor == 0


def test_a_share_that_was_moved_after_its_release_is_paid_in_full(
    solaria: Organisation, ana: Payee, now: datetime
) -> None:
    later = now + LATER
    first = paid(pay_due(ana, now)[0], now)
    paid(release(ana, later)[0][0], later)
    cancelled(first, later)
    ben, row = people.payee(solaria, name="Ben"), held(ana)[0].installation
    draft = InstallationDraft(
        installation_type="solar", capacity_unit="kW", size=row.size, currency="USD", status="commissioned",
        commissioned_on=COMMISSIONED, shares=(ShareDraft(ben.id, 1),),
    )  # fmt: skip
    with transaction():
        service.update_installation(
            organisation_id=solaria.id, reference=row.reference, draft=draft, expected_version=None, actor=SCHEDULER,
            now=later,
        )  # fmt: skip
    assert [payout.amount_minor for payout in pay_due(ben, later)] == [250_00]
    assert held(ben) == []
    # Who had it before keeps what was released.
    assert [(each.state, each.amount_minor) for each in held(ana)] == [("released", 25_00)]
    assert pay_due(ana, later) == []
    assert check.run(solaria.id).findings == []


def test_its_currency_stays(solaria: Organisation, ana: Payee, now: datetime) -> None:
    first = paid(pay_due(ana, now)[0], now)
    charge(ana, 20_00, now)
    cancelled(first, now)
    row = held(ana)[0].installation
    draft = InstallationDraft(
        installation_type="solar", capacity_unit="kW", size=row.size, currency="EUR", status="commissioned",
        commissioned_on=COMMISSIONED, shares=(ShareDraft(ana.id, 1),),
    )  # fmt: skip
    with pytest.raises(Conflict, match="its currency cannot change"), transaction():
        service.update_installation(
            organisation_id=solaria.id, reference=row.reference, draft=draft, expected_version=None, actor=SCHEDULER,
            now=now,
        )  # fmt: skip


def test_what_has_just_changed_is_not_taken_over(ana: Payee, now: datetime) -> None:
    first = paid(pay_due(ana, now)[0], now)
    charge(ana, 20_00, now)
    cancelled(first, now)
    (row,) = held(ana)
    earlier = carrying.earlier_of(ana.organisation_id, [row.installation_id])[row.installation_id, ana.id]
    stale = replace(earlier, version=earlier.version - 1)
    with pytest.raises(Conflict, match="has just changed"), transaction():
        carrying.take_over(first, replace(WAITS, earlier=stale), stale, now)


def test_nothing_is_borne_of_payouts_that_stand(ana: Payee, now: datetime) -> None:
    paid(pay_due(ana, now)[0], now)
    charge(ana, 20_00, now)
    assert carrying.earlier_of(ana.organisation_id, [held(ana)[0].installation_id]) == {}


@pytest.mark.parametrize(
    ("waits", "earlier", "amount", "words"),
    [
        (WAITS, None, 25_00, "held back until 2027-01-30"),
        (WAITS, EARLIER, 25_00, "held back until 2027-01-30"),
        (None, EARLIER, 10_00, "charged back"),
        (replace(WAITS, amount=Money(9_00, "USD")), EARLIER, 10_00, "charged back"),
        (replace(WAITS, amount=Money(10_00, "USD")), EARLIER, 10_00, "charged back"),
        (WAITS, replace(EARLIER, released_with="PO-2"), 25_00, "released already with PO-2"),
        (None, replace(EARLIER, released_with="PO-2"), 25_00, "released already with PO-2"),
    ],
)
def test_what_is_taken_off(waits: HeldBack | None, earlier: Earlier | None, amount: int, words: str) -> None:
    found = bear(waits, earlier)
    assert found is not None
    assert (found.amount.amount, held_lines.words(found)) == (amount, words)


def test_where_nothing_is_held_back_and_nothing_was_nothing_is_taken_off() -> None:
    assert bear(None, None) is None
