"""What is held back: taken off the payout, released after its day, charged back with a reason, or given up."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from tests.factories import installations as make
from tests.factories import people
from webapp.database import db, transaction
from webapp.kernel.actor import SCHEDULER
from webapp.kernel.errors import Conflict, Invalid, NotFound, StaleVersion
from webapp.kernel.money import Money
from webapp.ledger import check
from webapp.payouts import policies
from webapp.payouts import service as payouts
from webapp.payouts.models import Payout
from webapp.people.models import Organisation, Payee
from webapp.programs.installations import creation, retaining, service, work
from webapp.programs.installations.retention_models import Retention
from webapp.programs.installations.retention_rules import RetentionTerms, hold_back
from webapp.programs.installations.subscriber import InstallationsSubscriber
from webapp.runs.models import RunRow

TODAY = date(2026, 11, 20)
COMMISSIONED = date(2026, 11, 1)
#: 90 days after it.
RELEASED = date(2027, 1, 30)
LATER = timedelta(days=72)
TERMS = RetentionTerms(1_000, 90)


@pytest.mark.parametrize(
    ("amount", "terms", "commissioned", "held"),
    [
        (250_00, TERMS, COMMISSIONED, 25_00),
        (110_99, TERMS, COMMISSIONED, 11_10),
        # Half a cent goes to the even one.
        (10_05, RetentionTerms(1_000, 90), COMMISSIONED, 1_00),
        (10_15, RetentionTerms(1_000, 90), COMMISSIONED, 1_02),
        (250_00, RetentionTerms(), COMMISSIONED, None),
        (250_00, TERMS, None, None),
        # Its day is over already.
        (250_00, TERMS, TODAY - timedelta(days=90), None),
        (250_00, TERMS, TODAY - timedelta(days=89), 25_00),
        (0, TERMS, COMMISSIONED, None),
        (4, TERMS, COMMISSIONED, None),
    ],
)
def test_what_is_held_back(
    amount: int, terms: RetentionTerms, commissioned: date | None, held: int | None
) -> None:
    found = hold_back(Money(amount, "USD"), commissioned, terms, TODAY)
    assert (found.amount.amount if found else None) == held


@given(amount=st.integers(1, 10**12), points=st.integers(0, 5_000))
def test_never_more_than_half(amount: int, points: int) -> None:
    found = hold_back(Money(amount, "USD"), COMMISSIONED, RetentionTerms(points, 90), TODAY)
    assert found is None or 0 < found.amount.amount <= (amount + 1) // 2


@pytest.fixture
def solaria(database: Flask, now: datetime) -> Organisation:
    payouts.register_subscriber("installations", InstallationsSubscriber())
    solaria = people.organisation("solaria")
    make.known_rates(solaria)
    hold(solaria, TERMS, now)
    return solaria


@pytest.fixture
def ana(solaria: Organisation) -> Payee:
    return people.payee(solaria, name="Ana")


def hold(organisation: Organisation, terms: RetentionTerms, now: datetime) -> None:
    with transaction():
        service.save_settings(
            organisation_id=organisation.id, range_mode="half_open", is_progressive=False, is_automatic=True,
            minimum_payout_minor=0, retention=terms, actor=SCHEDULER, now=now,
        )  # fmt: skip


def pay_due(payee: Payee, now: datetime) -> list[Payout]:
    with transaction():
        made, _ = creation.create_due_for(
            organisation_id=payee.organisation_id,
            payee_id=payee.id,
            home_currency="USD",
            actor=SCHEDULER,
            now=now,
        )
    return made


def paid(payout: Payout, now: datetime) -> Payout:
    organisation = db.session.get_one(Organisation, payout.organisation_id)
    boss = people.actor_of(people.user(organisation=organisation, role="admin"))
    if payout.payee.current_method is None:
        people.method(payout.payee)
    if payout.state == "pending_approval":
        with transaction():
            payouts.approve(organisation_id=organisation.id, reference=payout.reference, actor=boss, now=now)
    with transaction():
        payouts.mark_paid(
            organisation_id=organisation.id, reference=payout.reference, payment_reference=f"UTR {payout.reference}",
            paid_on=now.date(), actor=boss, now=now,
        )  # fmt: skip
    return payout


def release(payee: Payee, now: datetime) -> tuple[list[Payout], str]:
    with transaction():
        return retaining.release_for(
            organisation_id=payee.organisation_id, payee_id=payee.id, actor=SCHEDULER, now=now
        )


def held(payee: Payee) -> list[Retention]:
    query = select(Retention).where(Retention.payee_id == payee.id).order_by(Retention.id)
    return list(db.session.scalars(query.execution_options(populate_existing=True)))


def test_a_payout_is_less_by_what_is_held_back(solaria: Organisation, ana: Payee, now: datetime) -> None:
    make.installation(solaria, ana, commissioned_on=COMMISSIONED)
    (payout,) = pay_due(ana, now)
    assert [(line.kind, line.amount_minor) for line in payout.lines] == [
        ("earning", 250_00),
        ("deduction", -25_00),
    ]
    assert payout.amount_minor == 225_00
    assert payout.lines[1].formula == "250.00 USD × 10 % = 25.00 USD"
    (row,) = held(ana)
    assert (row.amount_minor, row.release_on, row.state, row.payout_id) == (
        25_00,
        RELEASED,
        "held",
        payout.id,
    )


def test_shared_work_holds_back_of_each_part(solaria: Organisation, ana: Payee, now: datetime) -> None:
    ben = people.payee(solaria, name="Ben")
    make.installation(solaria, ana, ben, weights=(2, 1), commissioned_on=COMMISSIONED)
    assert [pay_due(each, now)[0].amount_minor for each in (ana, ben)] == [150_00, 75_00]
    assert [held(each)[0].amount_minor for each in (ana, ben)] == [16_67, 8_33]


def test_it_is_released_after_its_day_once(solaria: Organisation, ana: Payee, now: datetime) -> None:
    make.installation(solaria, ana, commissioned_on=COMMISSIONED)
    paid(pay_due(ana, now)[0], now)
    assert release(ana, now) == ([], "Nothing is to be released any more.")
    (payout,), _ = release(ana, now + LATER)
    assert (payout.amount_minor, payout.program, payout.state) == (25_00, "installations", "approved")
    assert held(ana)[0].state == "released"
    assert release(ana, now + LATER)[0] == []
    paid(payout, now + LATER)
    assert check.run(solaria.id).findings == []


def test_it_waits_while_the_payout_is_not_paid(solaria: Organisation, ana: Payee, now: datetime) -> None:
    make.installation(solaria, ana, commissioned_on=COMMISSIONED)
    pay_due(ana, now)
    assert release(ana, now + LATER)[0] == []


def test_a_part_is_charged_back(solaria: Organisation, ana: Payee, now: datetime) -> None:
    make.installation(solaria, ana, commissioned_on=COMMISSIONED)
    paid(pay_due(ana, now)[0], now)
    charge(ana, 10_00, now)
    (payout,), _ = release(ana, now + LATER)
    assert payout.amount_minor == 15_00
    assert payout.lines[0].formula == "25.00 USD − 10.00 USD charged back: A second visit"


def charge(payee: Payee, amount: int, now: datetime, **values: object) -> Retention:
    with transaction():
        return retaining.charge(
            organisation_id=payee.organisation_id, retention_id=held(payee)[0].id, amount_minor=amount,
            now=now, **{"reason": "A second visit", "actor": SCHEDULER, **values},  # type: ignore[arg-type]
        )  # fmt: skip


def test_all_of_it_is_charged_back(solaria: Organisation, ana: Payee, now: datetime) -> None:
    make.installation(solaria, ana, commissioned_on=COMMISSIONED)
    paid(pay_due(ana, now)[0], now)
    assert charge(ana, 25_00, now).state == "charged"
    assert release(ana, now + LATER)[0] == []
    with pytest.raises(Conflict, match="charged back already"):
        charge(ana, 1, now)


@pytest.mark.parametrize("amount", [0, -1, 25_01])
def test_an_amount_that_is_not_there_is_refused(
    solaria: Organisation, ana: Payee, now: datetime, amount: int
) -> None:
    make.installation(solaria, ana, commissioned_on=COMMISSIONED)
    paid(pay_due(ana, now)[0], now)
    with pytest.raises(Invalid) as refused:
        charge(ana, amount, now)
    assert refused.value.field == "amount"


def test_a_charge_needs_a_reason_and_what_was_seen(solaria: Organisation, ana: Payee, now: datetime) -> None:
    make.installation(solaria, ana, commissioned_on=COMMISSIONED)
    paid(pay_due(ana, now)[0], now)
    with pytest.raises(Invalid):
        charge(ana, 1_00, now, reason=" ")
    with pytest.raises(StaleVersion):
        charge(ana, 1_00, now, expected_version=7)


def test_a_rejected_payout_holds_nothing_back(solaria: Organisation, ana: Payee, now: datetime) -> None:
    make.installation(solaria, ana, commissioned_on=COMMISSIONED)
    (payout,) = pay_due(ana, now)
    reject(payout, now)
    assert [row.state for row in held(ana)] == ["cancelled"]


def reject(payout: Payout, now: datetime) -> None:
    boss = people.actor_of(people.user(organisation=db.session.get_one(Organisation, payout.organisation_id),
                                       role="admin"))  # fmt: skip
    with transaction():
        payouts.reject(
            organisation_id=payout.organisation_id, reference=payout.reference, reason="A photo is missing",
            actor=boss, now=now,
        )  # fmt: skip


def test_a_cancelled_release_waits_for_a_person(solaria: Organisation, ana: Payee, now: datetime) -> None:
    make.installation(solaria, ana, commissioned_on=COMMISSIONED)
    paid(pay_due(ana, now)[0], now)
    (payout,), _ = release(ana, now + LATER)
    with transaction():
        payouts.cancel(
            organisation_id=solaria.id,
            reference=payout.reference,
            reason="Not yet",
            actor=SCHEDULER,
            now=now + LATER,
        )
    (row,) = held(ana)
    assert (row.state, row.offer, row.release_payout_id) == ("held", "blocked", None)
    assert release(ana, now + LATER)[0] == []
    with transaction():
        retaining.set_day(
            organisation_id=solaria.id, retention_id=row.id, release_on=(now + LATER).date(), reason="It is fine",
            actor=SCHEDULER, now=now + LATER,
        )  # fmt: skip
    assert release(ana, now + LATER)[0][0].amount_minor == 25_00


def test_a_day_that_is_over_is_refused(solaria: Organisation, ana: Payee, now: datetime) -> None:
    make.installation(solaria, ana, commissioned_on=COMMISSIONED)
    pay_due(ana, now)
    with pytest.raises(Invalid, match="This day is over"), transaction():
        retaining.set_day(
            organisation_id=solaria.id, retention_id=held(ana)[0].id, release_on=TODAY - timedelta(days=1),
            reason="Earlier", actor=SCHEDULER, now=now,
        )  # fmt: skip


def test_another_organisation_cannot_touch_it(solaria: Organisation, ana: Payee, now: datetime) -> None:
    make.installation(solaria, ana, commissioned_on=COMMISSIONED)
    pay_due(ana, now)
    ident, other = held(ana)[0].id, people.organisation("lunaria")
    with pytest.raises(NotFound), transaction():
        retaining.charge(
            organisation_id=other.id,
            retention_id=ident,
            amount_minor=1,
            reason="Mine now",
            actor=SCHEDULER,
            now=now,
        )


@pytest.mark.parametrize(
    ("terms", "field"),
    [(RetentionTerms(5_001, 90), "retention"), (RetentionTerms(-1, 90), "retention"),
     (RetentionTerms(1_000, 0), "retention_days"), (RetentionTerms(1_000, 3_651), "retention_days")],
)  # fmt: skip
def test_terms_that_make_no_sense_are_refused(
    solaria: Organisation, now: datetime, terms: RetentionTerms, field: str
) -> None:
    with pytest.raises(Invalid) as refused:
        hold(solaria, terms, now)
    assert refused.value.field == field


def test_the_database_refuses_more_than_was_held(solaria: Organisation, ana: Payee, now: datetime) -> None:
    make.installation(solaria, ana, commissioned_on=COMMISSIONED)
    pay_due(ana, now)
    with pytest.raises(IntegrityError), transaction():
        held(ana)[0].charged_minor = 25_01


def test_a_run_releases_for_each_technician(solaria: Organisation, ana: Payee, now: datetime) -> None:
    make.installation(solaria, ana, commissioned_on=COMMISSIONED)
    paid(pay_due(ana, now)[0], now)
    with transaction():
        assert work.start_release(organisation_id=solaria.id, actor=SCHEDULER, now=now) is None
        run = work.start_release(organisation_id=solaria.id, actor=SCHEDULER, now=now + LATER)
    assert run is not None
    assert run.title == "Release what was held back for 1 technician"
    with transaction():
        done = work.release_row(run, db.session.scalars(select(RunRow)).one(), SCHEDULER, now + LATER)
    assert "over 25.00 USD" in done.message


def test_no_run_for_who_waits_for_the_smallest_payout(
    solaria: Organisation, ana: Payee, now: datetime
) -> None:
    make.installation(solaria, ana, commissioned_on=COMMISSIONED)
    paid(pay_due(ana, now)[0], now)
    minimum(solaria, 25_01, now)
    assert release(ana, now + LATER)[0] == []
    assert retaining.payees_due(solaria.id, now + LATER) == []
    minimum(solaria, 25_00, now)
    assert retaining.payees_due(solaria.id, now + LATER) == [ana]
    charge(ana, 1, now)
    assert retaining.payees_due(solaria.id, now + LATER) == []


def minimum(organisation: Organisation, amount: int, now: datetime) -> None:
    """The smallest payout that the policy allows."""
    policy, _ = policies.current_policy(organisation.id)
    rules = policy.model_dump(mode="json") | {"minimum_minor": amount}
    with transaction():
        policies.change_policy(organisation_id=organisation.id, rules=rules, actor=SCHEDULER, now=now)


@pytest.fixture
def admin(client: FlaskClient, solaria: Organisation) -> FlaskClient:
    people.sign_in(client, people.user(organisation=solaria, role="admin"), solaria)
    return client


def test_the_list_and_its_acts(solaria: Organisation, ana: Payee, admin: FlaskClient, now: datetime) -> None:
    make.installation(solaria, ana, commissioned_on=date(2026, 1, 2), now=now)
    hold(solaria, RetentionTerms(1_000, 3_650), now)
    paid(pay_due(ana, now)[0], now)
    row = held(ana)[0]
    page = admin.get("/admin/installations/held-back").text
    assert "Held back" in page
    assert "$25.00" in page
    charge_page = f"/admin/installations/held-back/{row.id}/charge"
    assert charge_page in page
    assert 'value="25.00"' in admin.get(charge_page).text
    assert admin.post(charge_page, data={"amount": "30", "reason": "Twice"}).status_code == 422
    answer = admin.post(charge_page, data={"amount": "5", "reason": "Twice", "version": str(row.version)})
    assert answer.status_code == 303
    assert held(ana)[0].charged_minor == 5_00
    assert "Still held" in admin.get("/admin/installations/held-back/totals").text
    assert "25.00" in admin.get("/admin/installations/held-back.csv").text


def test_nothing_is_charged_back_before_it_is_paid(
    solaria: Organisation, ana: Payee, admin: FlaskClient, now: datetime
) -> None:
    make.installation(solaria, ana, commissioned_on=date(2026, 1, 2), now=now)
    hold(solaria, RetentionTerms(1_000, 3_650), now)
    pay_due(ana, now)
    charge_page = f"/admin/installations/held-back/{held(ana)[0].id}/charge"
    assert charge_page not in admin.get("/admin/installations/held-back").text
    answer = admin.post(charge_page, data={"amount": "5", "reason": "Twice", "version": "1"})
    assert answer.status_code == 409
    assert "is not paid" in answer.text
    assert held(ana)[0].charged_minor == 0


def test_a_technician_sees_their_own(
    solaria: Organisation, ana: Payee, client: FlaskClient, now: datetime
) -> None:
    ben = people.payee(solaria, name="Ben")
    for each in (ana, ben):
        make.installation(solaria, each, commissioned_on=COMMISSIONED)
        paid(pay_due(each, now)[0], now)
    charge(ana, 10_00, now)
    user = people.user(organisation=solaria, role="technician")
    with transaction():
        db.session.get_one(Payee, ben.id).user_id = user.id
    people.sign_in(client, user, solaria)
    page = client.get("/technician/installations/held-back").text
    assert page.count("$25.00") == 2  # the row and the sum
    assert "A second visit" not in page
