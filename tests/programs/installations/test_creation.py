"""From installations to payouts: what is due, what is not and why, made once."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

import pytest
from flask import Flask
from sqlalchemy import func, select

from tests.factories import installations as make
from tests.factories import people
from webapp.database import db, transaction
from webapp.kernel.actor import SCHEDULER, Actor
from webapp.kernel.errors import Conflict, IllegalTransition, Invalid, StaleVersion
from webapp.kernel.money import Money
from webapp.payouts import service as payouts
from webapp.payouts.models import Payout
from webapp.people.models import Organisation, Payee
from webapp.programs.installations import creation, queries, rate_service, service
from webapp.programs.installations.drafts import InstallationDraft, RateDraft, ShareDraft
from webapp.programs.installations.models import Installation, InstallationShare
from webapp.programs.installations.subscriber import InstallationsSubscriber

TODAY = date(2026, 11, 20)


@pytest.fixture
def solaria(database: Flask) -> Organisation:
    payouts.register_subscriber("installations", InstallationsSubscriber())
    return people.organisation("solaria")


@pytest.fixture
def ana(solaria: Organisation) -> Payee:
    return people.payee(solaria, name="Ana")


@pytest.fixture
def ben(solaria: Organisation) -> Payee:
    return people.payee(solaria, name="Ben")


def pay_due(organisation: Organisation, payee: Payee, now: datetime) -> tuple[list[Payout], str]:
    with transaction():
        return creation.create_due_for(
            organisation_id=organisation.id, payee_id=payee.id, home_currency="USD", actor=SCHEDULER, now=now
        )


def pay(
    organisation: Organisation, payee: Payee, now: datetime, *references: str, **values: object
) -> Payout:
    with transaction():
        return creation.create_chosen(
            organisation_id=organisation.id,
            payee_reference=payee.reference,
            installation_references=references,
            actor=Actor(None, "test"),
            now=now,
            **values,  # type: ignore[arg-type]
        )


def draft_of(row: Installation) -> InstallationDraft:
    names = [n for n in InstallationDraft.__dataclass_fields__ if n != "shares"]
    shares = tuple(ShareDraft(s.payee_id, s.weight) for s in row.shares)
    return InstallationDraft(**{n: getattr(row, n) for n in names}, shares=shares)


def edit(row: Installation, now: datetime, *, actor: Actor | None = None, **values: object) -> Installation:
    draft = InstallationDraft(**{**draft_of(row).__dict__, **values})
    with transaction():
        return service.update_installation(
            organisation_id=row.organisation_id,
            reference=row.reference,
            draft=draft,
            expected_version=None,
            actor=actor or Actor(None, "test"),
            now=now,
        )


def count_payouts() -> int:
    return db.session.scalar(select(func.count()).select_from(Payout)) or 0


def test_one_payout_for_all_that_is_due(solaria: Organisation, ana: Payee, now: datetime) -> None:
    make.known_rates(solaria)
    for size in ("5", "9.99", "10", "10.01"):
        make.installation(solaria, ana, size=size)
    make.installation(
        solaria, ana, installation_type="starlink", capacity_unit="Mbps", size=None, commissioned_on=TODAY
    )
    (payout,), waiting = pay_due(solaria, ana, now)
    assert waiting == ""
    assert (payout.amount_minor, payout.gross_minor) == (172_495, 172_495)
    assert sorted(line.amount_minor for line in payout.lines) == [7_500, 25_000, 45_000, 45_045, 49_950]
    assert (payout.period_start, payout.period_end) == (date(2026, 1, 2), TODAY)
    line = next(line for line in payout.lines if line.amount_minor == 49_950)
    assert line.formula == "9.99 kW × 50.00 USD = 499.50 USD"
    assert (line.quantity, line.rate, line.details["rate"]) == (Decimal("9.99"), 50, "Solar A (version 1)")


def test_a_second_run_the_same_day_makes_nothing(solaria: Organisation, ana: Payee, now: datetime) -> None:
    make.known_rates(solaria)
    make.installation(solaria, ana)
    assert len(pay_due(solaria, ana, now)[0]) == 1
    assert pay_due(solaria, ana, now) == ([], "Nothing is due any more.")
    assert count_payouts() == 1


def test_several_technicians_share_one_amount(
    solaria: Organisation, ana: Payee, ben: Payee, now: datetime
) -> None:
    make.known_rates(solaria)
    make.installation(solaria, ana, ben, weights=(6000, 4000), size="3.33")
    (first,), _ = pay_due(solaria, ana, now)
    (second,), _ = pay_due(solaria, ben, now)
    assert (first.amount_minor, second.amount_minor) == (9_990, 6_660)
    assert first.lines[0].formula == "3.33 kW × 50.00 USD = 166.50 USD; share 60 % = 99.90 USD"


def test_the_parts_never_exceed_one_amount_when_a_rate_changes_between(
    solaria: Organisation, ana: Payee, ben: Payee, now: datetime
) -> None:
    configuration = make.rate(solaria)
    make.installation(solaria, ana, ben)
    (first,), _ = pay_due(solaria, ana, now)
    draft = RateDraft("Solar", "kW", "per_unit", Decimal(99), "USD", "solar")
    with transaction():
        rate_service.revise_rate(
            organisation_id=solaria.id, configuration_id=configuration.id, draft=draft,
            expected_version=1, actor=SCHEDULER, now=now,
        )  # fmt: skip
    (second,), _ = pay_due(solaria, ben, now)
    assert first.amount_minor + second.amount_minor == 25_000
    assert second.lines[0].details["rate"] == "Solar (version 1)"


def test_only_what_may_be_paid_is_due(solaria: Organisation, ana: Payee, ben: Payee, now: datetime) -> None:
    make.known_rates(solaria)
    for status in ("pending", "in_progress", "decommissioned"):
        make.installation(solaria, ana, status=status)
    make.installation(solaria, ben)
    active = make.installation(solaria, ana, status="active")
    assert [s.installation_id for s in queries.due_shares(solaria.id, TODAY, payee_id=ana.id)] == [active.id]
    other = people.organisation("other")
    assert queries.due_shares(other.id, TODAY) == []


def test_an_installation_without_a_rate_waits_with_its_reason_and_is_picked_up_later(
    solaria: Organisation, ana: Payee, now: datetime
) -> None:
    make.known_rates(solaria)
    make.installation(solaria, ana, installation_type="hybrid")
    made, reason = pay_due(solaria, ana, now)
    assert (made, reason) == ([], "No rate matches any of the installations.")
    (plan, _) = creation.due(solaria.id, "USD", now).waiting[0]
    quote = plan.without_rate[0].quote
    assert "No rate matches (hybrid, 5 kW" in quote.problem
    assert len(quote.attempts) == 3
    make.rate(solaria, "Hybrid", installation_type="hybrid", rate="10")
    assert pay_due(solaria, ana, now)[0][0].amount_minor == 5_000


def test_the_minimum_amount_is_respected(solaria: Organisation, ana: Payee, now: datetime) -> None:
    make.known_rates(solaria)
    make.installation(solaria, ana)
    with transaction():
        service.save_settings(
            organisation_id=solaria.id, range_mode="half_open", is_progressive=False, is_automatic=True,
            minimum_payout_minor=25_001, actor=SCHEDULER, now=now,
        )  # fmt: skip
    assert pay_due(solaria, ana, now) == (
        [],
        "250.00 USD is below the minimum of 250.01 USD; it waits for more.",
    )
    make.installation(solaria, ana, size="0.01")
    assert pay_due(solaria, ana, now)[0][0].amount_minor == 25_050


@pytest.mark.parametrize(("how", "word"), [("reject", "rejected"), ("cancel", "cancelled")])
def test_a_rejected_payout_is_offered_again_only_after_a_decision(
    solaria: Organisation, ana: Payee, now: datetime, how: str, word: str
) -> None:
    make.known_rates(solaria)
    make.installation(solaria, ana)
    (payout,), _ = pay_due(solaria, ana, now)
    boss = people.actor_of(people.user(organisation=solaria, role="admin"))
    with transaction():
        getattr(payouts, how)(
            organisation_id=solaria.id,
            reference=payout.reference,
            actor=boss,
            now=now,
            reason="Photo missing",
        )
    assert pay_due(solaria, ana, now)[0] == []
    (share,) = queries.blocked_shares(solaria.id)
    assert share.offer_reason == f"{payout.reference} was {word}: Photo missing"
    with pytest.raises(Conflict, match="waits for a decision"):
        pay(solaria, ana, now, share.installation.reference)
    with transaction():
        service.settle_offer(organisation_id=solaria.id, share_id=share.id, choice="fix", actor=boss, now=now)
    assert queries.blocked_shares(solaria.id) == []
    assert len(pay_due(solaria, ana, now)[0]) == 1


def test_a_dismissed_part_is_never_offered(solaria: Organisation, ana: Payee, now: datetime) -> None:
    make.known_rates(solaria)
    row = make.installation(solaria, ana)
    with transaction():
        db.session.get_one(InstallationShare, row.shares[0].id).offer = "blocked"
    boss = people.actor_of(people.user(organisation=solaria, role="admin"))
    for _ in range(2):
        with transaction():
            service.settle_offer(
                organisation_id=solaria.id, share_id=row.shares[0].id, choice="dismiss", actor=boss, now=now
            )
    assert pay_due(solaria, ana, now)[0] == []
    with pytest.raises(Conflict, match="was dismissed"):
        pay(solaria, ana, now, row.reference)


def test_every_installation_at_fault_is_named_and_nothing_is_made(
    solaria: Organisation, ana: Payee, ben: Payee, now: datetime
) -> None:
    make.known_rates(solaria)
    good = make.installation(solaria, ana)
    pending = make.installation(solaria, ana, status="pending")
    others = make.installation(solaria, ben)
    unpriced = make.installation(solaria, ana, installation_type="hybrid")
    taken = make.installation(solaria, ana)
    payout = pay(solaria, ana, now, taken.reference)
    references = [row.reference for row in (good, pending, others, unpriced, taken)]
    with pytest.raises(Conflict) as refused:
        pay(solaria, ana, now, *references, "ISR-999999")
    message = refused.value.message
    assert f"{pending.reference} is pending; only commissioned or active" in message
    assert f"{others.reference} is not assigned to Ana." in message
    assert f"{unpriced.reference} needs a rate" in message
    assert f"{taken.reference} is in payout {payout.reference} already" in message
    assert "There is no installation ISR-999999." in message
    assert good.reference not in message
    assert count_payouts() == 1


def test_the_same_form_sent_twice_makes_one_payout(solaria: Organisation, ana: Payee, now: datetime) -> None:
    make.known_rates(solaria)
    row = make.installation(solaria, ana)
    first = pay(solaria, ana, now, row.reference, idempotency_key="form-1")
    second = pay(solaria, ana, now, row.reference, idempotency_key="form-1")
    assert first.id == second.id
    with pytest.raises(Invalid, match="at least one"):
        pay(solaria, ana, now)


def test_who_entered_or_priced_may_not_approve(solaria: Organisation, ana: Payee, now: datetime) -> None:
    clerk, editor, pricer = (
        people.user(organisation=solaria, role="admin", email=f"{name}@example.com")
        for name in ("clerk", "editor", "pricer")
    )
    make.rate(solaria, actor=people.actor_of(pricer))
    row = make.installation(solaria, ana, actor=people.actor_of(clerk))
    edit(row, now, actor=people.actor_of(editor), size=Decimal(6))
    (payout,), _ = pay_due(solaria, ana, now)
    reasons = {e.user_id: e.reason for e in payout.exclusions}
    assert reasons == {
        clerk.id: f"entered or changed {row.reference}",
        editor.id: f"entered or changed {row.reference}",
        pricer.id: "set the rate Solar (version 1)",
    }


def test_figures_are_frozen_while_a_part_is_in_a_payout(
    solaria: Organisation, ana: Payee, ben: Payee, now: datetime
) -> None:
    make.known_rates(solaria)
    row = make.installation(solaria, ana, ben)
    (payout,), _ = pay_due(solaria, ana, now)
    with pytest.raises(Conflict, match=payout.reference):
        edit(row, now, size=Decimal(50))
    with pytest.raises(Conflict, match=payout.reference):
        edit(row, now, shares=(ShareDraft(ben.id),))
    with pytest.raises(Conflict, match=payout.reference), transaction():
        service.change_status(
            organisation_id=solaria.id,
            reference=row.reference,
            status="in_progress",
            actor=SCHEDULER,
            now=now,
        )
    assert edit(row, now, customer_name="Lee family").customer_name == "Lee family"


def test_status_moves_along_its_life(solaria: Organisation, ana: Payee, now: datetime) -> None:
    row = make.installation(solaria, ana, status="pending", commissioned_on=None)

    def move(status: str, day: date | None = None) -> Installation:
        with transaction():
            return service.change_status(
                organisation_id=solaria.id, reference=row.reference, status=status,
                commissioned_on=day, actor=SCHEDULER, now=now,
            )  # fmt: skip

    with pytest.raises(IllegalTransition, match=r"pending.*active"):
        move("active")
    with pytest.raises(Invalid, match="Enter the day"):
        move("commissioned")
    with pytest.raises(Invalid, match="in the future"):
        move("commissioned", date(2026, 11, 21))
    assert move("commissioned", TODAY).commissioned_on == TODAY
    assert move("commissioned").version == 2
    assert move("active").status == "active"
    with pytest.raises(Invalid, match="not a status"):
        move("sold")


def test_a_change_over_somebody_elses_is_refused(solaria: Organisation, ana: Payee, now: datetime) -> None:
    row = make.installation(solaria, ana)
    edit(row, now, site="Hill 1")
    with pytest.raises(StaleVersion), transaction():
        service.update_installation(
            organisation_id=solaria.id, reference=row.reference, draft=draft_of(row),
            expected_version=1, actor=SCHEDULER, now=now,
        )  # fmt: skip


def test_totals_are_those_of_the_database(
    solaria: Organisation, ana: Payee, ben: Payee, now: datetime
) -> None:
    make.known_rates(solaria)
    make.installation(solaria, ana)
    make.installation(solaria, ana, ben)
    pay_due(solaria, ana, now)
    rows = {row.name: row for row in queries.totals_by_technician(solaria.id, "USD")}
    assert (rows["Ana"].installations, rows["Ana"].to_approve) == (2, Money(37_500, "USD"))
    assert (rows["Ben"].installations, rows["Ben"].open) == (1, Money(0, "USD"))
    assert queries.totals_by_technician(solaria.id, "USD", period_from=TODAY) == []
