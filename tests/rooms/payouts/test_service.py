"""The rules around creating, approving, editing and paying, on the real database."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import pytest
from flask import Flask

from tests import factories
from tests.factories.payouts import line, payout, payout_ready
from webapp.audit.models import AuditEvent
from webapp.database import db, transaction
from webapp.kernel.actor import SCHEDULER, Actor
from webapp.kernel.errors import Conflict, Invalid, NotAllowed, NotFound, StaleVersion
from webapp.ledger import check
from webapp.ledger.models import Account
from webapp.outbox.models import OutboxMessage
from webapp.payouts import explain, service
from webapp.payouts.drafts import ExclusionDraft, SourceDraft
from webapp.payouts.models import Approval, Payout, SourceClaim, Transfer
from webapp.payouts.policy import default_rules, strict_rules
from webapp.people.models import Organisation, Payee, PayoutMethod


@pytest.fixture
def house(database: Flask) -> Organisation:
    """An organisation with nothing in it."""
    return factories.organisation()


@pytest.fixture
def maya(house: Organisation) -> Payee:
    """A payee with a bank account."""
    payee = factories.payee(house, name="Maya")
    factories.method(payee)
    return payee


def admin(house: Organisation) -> Actor:
    return factories.actor_of(factories.user(organisation=house, role="admin"))


def do(function: Any, found: Payout, actor: Actor, now: datetime, **arguments: Any) -> service.Result:
    with transaction():
        result: service.Result = function(
            organisation_id=found.organisation_id,
            reference=found.reference,
            actor=actor,
            now=now,
            **arguments,
        )
    return result


def balance(code: str) -> int:
    row = db.session.query(Account).filter_by(code=code).one_or_none()
    return row.balance_minor if row else 0


def kinds() -> list[str]:
    return [m.kind for m in db.session.query(OutboxMessage).order_by(OutboxMessage.id)]


# ------------------------------------------------------------------ create


def test_create_adds_its_lines_up_and_numbers_it(house: Organisation, maya: Payee, now: datetime) -> None:
    lines = [
        line(40_000),
        line(10_000, kind="bonus"),
        line(-5_000, kind="deduction"),
        line(-1_000, kind="tax"),
        line(500, kind="adjustment"),
    ]
    made = payout(house, maya, lines=lines)
    assert (made.gross_minor, made.amount_minor) == (50_500, 44_500)
    assert made.reference == "PO-2026-000001"
    assert [found.position for found in made.lines] == [1, 2, 3, 4, 5]
    assert payout(house, maya).reference == "PO-2026-000002"


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"lines": []}, "lines"),
        ({"lines": [line(-1, kind="deduction")]}, "amount"),
        ({"lines": [line(5), line(-5, kind="deduction")]}, "amount"),
        ({"lines": [line(5, kind="gift")]}, "lines"),
        ({"period_end": date(2026, 1, 1)}, "period_end"),
    ],
)
def test_create_refuses_what_is_no_payout(
    house: Organisation, maya: Payee, values: dict[str, Any], field: str
) -> None:
    with pytest.raises(Invalid) as refused:
        payout(house, maya, **values)
    assert refused.value.field == field
    assert db.session.query(Payout).count() == 0


def test_create_refuses_another_organisation_s_payee(house: Organisation) -> None:
    with pytest.raises(NotFound):
        payout(house, factories.payee(factories.organisation()))


def test_a_record_is_in_one_live_payout_and_free_again_after_a_rejection(
    house: Organisation, maya: Payee, now: datetime
) -> None:
    first, second = line(), line()
    made = payout(house, maya, lines=[first])
    with pytest.raises(Conflict) as refused:
        payout(house, maya, lines=[second, first])
    assert f"{first.source_label} is in {made.reference}" in refused.value.message
    assert second.source_label not in refused.value.message
    do(service.reject, made, admin(house), now, reason="wrong size")
    assert payout(house, maya, lines=[second, first]).state == "pending_approval"
    assert db.session.query(SourceClaim).filter_by(released_at=None).count() == 2


def test_a_shared_record_is_paid_to_each_payee_once(house: Organisation, maya: Payee) -> None:
    shared = line()
    payout(house, maya, lines=[shared])
    assert payout(house, factories.payee(house), lines=[shared]).id


def test_a_claim_that_slipped_in_between_is_a_conflict(
    house: Organisation, maya: Payee, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = line()
    payout(house, maya, lines=[taken])
    monkeypatch.setattr("webapp.payouts.queries.live_claims", lambda *_: [])
    with pytest.raises(Conflict, match="has just been made"):
        payout(house, maya, lines=[taken])
    assert db.session.query(Payout).count() == 1


def test_the_same_key_makes_one_payout(house: Organisation, maya: Payee) -> None:
    made = payout(house, maya, idempotency_key="installations:2026-11:1")
    assert payout(house, maya, idempotency_key="installations:2026-11:1").id == made.id
    with pytest.raises(Conflict):
        payout(house, maya, 1, idempotency_key="installations:2026-11:1")


# ------------------------------------------------------------------ approve


def test_a_small_automatic_payout_is_approved_by_the_policy(
    house: Organisation, maya: Payee, now: datetime
) -> None:
    made = payout(house, maya, actor=SCHEDULER, is_automatic=True)
    assert made.state == "approved"
    (given,) = made.approvals
    assert (given.approver_id, given.approver_label) == (None, "policy")
    assert balance(f"payable:{maya.reference}") == 49_950
    assert kinds() == ["notice.payout.approved"]
    assert payout(house, maya, 1_000_001, actor=SCHEDULER, is_automatic=True).state == "pending_approval"


def test_the_policy_waits_for_payment_details_and_approves_then(house: Organisation, now: datetime) -> None:
    from webapp.payouts import recovery

    payee = factories.payee(house)
    made = payout(house, payee, actor=SCHEDULER, is_automatic=True)
    assert made.state == "pending_approval"
    assert "has no payout method" in " ".join(explain.why_not_paid(made, now))
    db.session.rollback()
    assert recovery.sweep(clock=lambda: now) == 0
    factories.method(payee)
    assert recovery.sweep(clock=lambda: now) == 1
    db.session.expire_all()
    assert made.state == "approved"


def test_automatic_payouts_below_the_minimum_are_not_made(
    house: Organisation, maya: Payee, now: datetime, someone: Actor
) -> None:
    with transaction():
        service.change_policy(
            organisation_id=house.id,
            rules={**default_rules("USD"), "minimum_minor": 50_000},
            actor=someone,
            now=now,
        )
    with pytest.raises(Invalid, match="smallest payout"):
        payout(house, maya, is_automatic=True)
    assert payout(house, maya).state == "pending_approval"


def test_the_creator_is_refused_and_a_second_person_accepted(
    house: Organisation, maya: Payee, now: datetime
) -> None:
    creator, other = admin(house), admin(house)
    made = payout(house, maya, actor=creator)
    with pytest.raises(NotAllowed, match="You created this payout"):
        do(service.approve, made, creator, now)
    result = do(service.approve, made, other, now, note="fine")
    assert (result.payout.state, result.is_repeat) == ("approved", False)
    assert made.fingerprint
    assert made.method_id == maya.current_method.id
    assert balance("expense:installations") == 49_950


def test_excluded_people_the_payee_and_the_editor_of_the_details_are_refused(
    house: Organisation, now: datetime
) -> None:
    importer, editor = admin(house), admin(house)
    user = factories.user(organisation=house, role="admin")
    payee = factories.payee(house, user=user)
    factories.method(payee, actor=editor, now=now - timedelta(days=3))
    made = payout(house, payee, exclusions=[ExclusionDraft(importer.user_id or 0, "imported ISR-0001")])
    for person, words in (
        (importer, "You imported ISR-0001"),
        (editor, "You entered the payment details"),
        (factories.actor_of(user), "This payout is to you"),
    ):
        with pytest.raises(NotAllowed, match=words):
            do(service.approve, made, person, now)
    assert do(service.approve, made, admin(house), now).payout.state == "approved"


def test_a_large_payout_needs_two_different_people(house: Organisation, maya: Payee, now: datetime) -> None:
    made = payout(house, maya, 10_000_001)
    first, second = admin(house), admin(house)
    assert do(service.approve, made, first, now).payout.state == "pending_approval"
    again = do(service.approve, made, first, now)
    assert (again.is_repeat, again.payout.state) == (True, "pending_approval")
    assert db.session.query(Approval).count() == 1
    assert do(service.approve, made, second, now).payout.state == "approved"
    assert do(service.approve, made, first, now).is_repeat


def test_an_approval_for_older_details_does_not_count(
    house: Organisation, maya: Payee, now: datetime
) -> None:
    made = payout(house, maya, 10_000_001)
    first, second = admin(house), admin(house)
    do(service.approve, made, first, now)
    factories.method(maya)
    assert do(service.approve, made, second, now).payout.state == "pending_approval"
    assert do(service.approve, made, first, now).payout.state == "approved"


def test_repeating_is_said_and_coming_late_names_who_was_first(
    house: Organisation, maya: Payee, now: datetime
) -> None:
    made = payout(house, maya)
    first, late = admin(house), admin(house)
    do(service.approve, made, first, now)
    version = made.version
    repeated = do(service.approve, made, first, now + timedelta(minutes=1))
    assert repeated.is_repeat
    assert "already" in repeated.message
    with pytest.raises(Conflict) as refused:
        do(service.approve, made, late, now + timedelta(minutes=1))
    assert first.label in refused.value.message
    assert "20 Nov 2026, 07:00 EST" in refused.value.message
    with pytest.raises(Conflict):
        do(service.reject, made, late, now, reason="too late")
    db.session.expire_all()
    assert made.version == version
    assert kinds().count("notice.payout.approved") == 1


def test_what_a_person_saw_must_be_what_there_is(house: Organisation, maya: Payee, now: datetime) -> None:
    made = payout(house, maya)
    seen = made.version
    do(service.edit, made, admin(house), now, note="look again")
    with pytest.raises(StaleVersion):
        do(service.approve, made, admin(house), now, expected_version=seen)
    assert do(service.approve, made, admin(house), now, expected_version=seen + 1).payout.state == "approved"


def test_a_single_operator_approves_their_own_after_the_delay(
    house: Organisation, maya: Payee, now: datetime, someone: Actor
) -> None:
    rules = {**default_rules("USD"), "single_operator": {"is_on": True, "daily_cap_minor": 80_000}}
    with transaction():
        service.change_policy(organisation_id=house.id, rules=rules, actor=someone, now=now)
    me = admin(house)
    made = payout(house, maya, actor=me)
    with pytest.raises(NotAllowed, match="waits 12 hours"):
        do(service.approve, made, me, now + timedelta(hours=11))
    later = now + timedelta(hours=12)
    assert do(service.approve, made, me, later).payout.state == "approved"
    assert made.approvals[0].is_single_operator
    event = db.session.query(AuditEvent).filter_by(tag="payouts:payout:approved").one()
    assert "single operator" in event.note
    second = payout(house, maya, actor=me)
    with pytest.raises(NotAllowed, match="within 24 hours"):
        do(service.approve, second, me, later)
    assert do(service.approve, second, me, later + timedelta(hours=25)).payout.state == "approved"


# ------------------------------------------------------------------ edit


def test_editing_excludes_the_editor_and_new_lines_void_approvals(
    house: Organisation, maya: Payee, now: datetime
) -> None:
    made = payout(house, maya, 10_000_001)
    approver, editor = admin(house), admin(house)
    do(service.approve, made, approver, now)
    do(service.edit, made, editor, now, lines=[line(10_000_002)])
    assert made.amount_minor == 10_000_002
    with pytest.raises(NotAllowed, match="You changed what this payout is made of"):
        do(service.approve, made, editor, now)
    assert not do(service.approve, made, approver, now).is_repeat
    assert do(service.approve, made, admin(house), now).payout.state == "approved"


def test_a_note_excludes_only_its_last_writer(house: Organisation, maya: Payee, now: datetime) -> None:
    made = payout(house, maya)
    first, second = admin(house), admin(house)
    do(service.edit, made, first, now, note="one")
    do(service.edit, made, second, now, note="two")
    with pytest.raises(NotAllowed, match="You edited this payout last"):
        do(service.approve, made, second, now)
    assert do(service.approve, made, first, now).payout.state == "approved"
    with pytest.raises(Conflict):
        do(service.edit, made, first, now, note="three")


# ------------------------------------------------------------------ hold, cancel


def test_a_held_payout_is_not_paid_until_it_is_released(
    house: Organisation, maya: Payee, now: datetime
) -> None:
    made, person = payout_ready(house, maya), admin(house)
    do(service.hold, made, person, now, reason="complaint")
    assert do(service.hold, made, person, now, reason="complaint").is_repeat
    for function, arguments in (
        (service.submit, {}),
        (service.mark_paid, {"payment_reference": "A", "paid_on": now.date()}),
    ):
        with pytest.raises(NotAllowed, match="on hold: complaint"):
            do(function, made, person, now, **arguments)
    do(service.release, made, person, now)
    assert do(service.submit, made, person, now).payout.state == "processing"


def test_cancelling_takes_the_ledger_entry_back(house: Organisation, maya: Payee, now: datetime) -> None:
    made = payout_ready(house, maya)
    with pytest.raises(Invalid):
        do(service.cancel, made, admin(house), now, reason="  ")
    do(service.cancel, made, admin(house), now, reason="paid twice")
    assert balance(f"payable:{maya.reference}") == 0
    assert balance("expense:installations") == 0
    assert check.run(house.id).findings == []


# ------------------------------------------------------------------ pay


def test_mark_paid_needs_a_unique_reference_and_a_day_that_has_come(
    house: Organisation, maya: Payee, now: datetime
) -> None:
    first, second, person = payout_ready(house, maya), payout_ready(house, maya), admin(house)
    today = date(2026, 11, 20)
    with pytest.raises(Invalid):
        do(service.mark_paid, first, person, now, payment_reference=" ", paid_on=today)
    with pytest.raises(Invalid, match="in the future"):
        do(service.mark_paid, first, person, now, payment_reference="CHQ-1", paid_on=date(2026, 11, 21))
    do(service.mark_paid, first, person, now, payment_reference="CHQ-1", paid_on=today)
    with pytest.raises(Conflict, match=first.reference):
        do(service.mark_paid, second, person, now, payment_reference="CHQ-1", paid_on=today)
    assert balance("bank") == -49_950
    assert balance(f"payable:{maya.reference}") == 49_950
    assert kinds()[-2:] == ["notice.payout.paid", "document.remittance"]
    again = do(service.mark_paid, first, person, now, payment_reference="CHQ-1", paid_on=today)
    assert again.is_repeat


def test_a_payment_by_hand_can_come_back_and_be_issued_again(
    house: Organisation, maya: Payee, now: datetime
) -> None:
    made, person = payout_ready(house, maya), admin(house)
    today = date(2026, 11, 20)
    do(service.mark_paid, made, person, now, payment_reference="CHQ-1", paid_on=today)
    do(service.reverse, made, person, now, reason="account closed", on=today)
    assert balance("bank") == 0
    factories.method(maya)
    do(service.reissue, made, person, now)
    assert (made.state, made.round) == ("approved", 2)
    do(service.mark_paid, made, person, now, payment_reference="CHQ-1", paid_on=today)
    assert made.state == "paid"
    assert check.run(house.id).findings == []


def test_the_creator_cannot_reissue(house: Organisation, maya: Payee, now: datetime) -> None:
    creator = admin(house)
    made = payout_ready(house, maya, actor=creator)
    today = date(2026, 11, 20)
    do(service.mark_paid, made, creator, now, payment_reference="CHQ-1", paid_on=today)
    do(service.reverse, made, creator, now, reason="returned", on=today)
    with pytest.raises(NotAllowed, match="You created"):
        do(service.reissue, made, creator, now)


def test_submit_queues_one_transfer_and_repeating_adds_none(
    house: Organisation, maya: Payee, now: datetime
) -> None:
    made, person = payout_ready(house, maya), admin(house)
    do(service.submit, made, person, now)
    assert do(service.submit, made, person, now).is_repeat
    transfer = db.session.query(Transfer).one()
    assert (transfer.state, transfer.n, transfer.rail, len(transfer.transfer_id)) == (
        "queued",
        1,
        "sandbox",
        26,
    )
    assert kinds().count("transfer.send") == 1
    assert balance("in_transit") == -49_950
    with pytest.raises(Conflict):
        do(service.submit, made, admin(house), now)


def test_changed_details_must_be_confirmed_by_somebody_else(
    house: Organisation, maya: Payee, now: datetime
) -> None:
    made, editor, person = payout_ready(house, maya), admin(house), admin(house)
    factories.method(maya, actor=editor, now=now)
    with pytest.raises(NotAllowed, match="changed after the approval"):
        do(service.submit, made, person, now)
    with pytest.raises(NotAllowed, match="You entered the payment details"):
        do(service.submit, made, editor, now, confirm_method=True)
    do(service.submit, made, person, now, confirm_method=True)
    newest = db.session.query(PayoutMethod).filter_by(is_current=True).one()
    transfer = db.session.query(Transfer).one()
    assert (made.method_id, transfer.method_id) == (newest.id, newest.id)
    assert transfer.fingerprint == made.fingerprint


def test_details_in_their_cool_off_are_not_paid(house: Organisation, maya: Payee, now: datetime) -> None:
    made, person = payout_ready(house, maya), admin(house)
    factories.method(maya, now=now, cool_off_hours=48)
    with pytest.raises(NotAllowed, match="nothing is paid before 22 Nov 2026, 07:00 EST"):
        do(service.submit, made, person, now, confirm_method=True)
    later = now + timedelta(hours=48)
    assert do(service.submit, made, person, later, confirm_method=True).payout.state == "processing"


def test_who_gave_the_last_approval_does_not_pay_in_the_strict_template(
    house: Organisation, maya: Payee, now: datetime, someone: Actor
) -> None:
    with transaction():
        service.change_policy(organisation_id=house.id, rules=strict_rules("USD"), actor=someone, now=now)
    made, approver = payout(house, maya, 1_000_001), admin(house)
    do(service.approve, made, approver, now)
    with pytest.raises(NotAllowed, match="a different person must pay it"):
        do(service.submit, made, approver, now)
    assert do(service.submit, made, admin(house), now).payout.state == "processing"


def test_a_halt_stops_paying_until_it_is_lifted(
    house: Organisation, maya: Payee, now: datetime, someone: Actor
) -> None:
    made, person = payout_ready(house, maya), admin(house)
    common: dict[str, Any] = {"organisation_id": house.id, "actor": someone, "now": now}
    with transaction():
        assert service.halt(rail="*", reason="Month end.", **common)
        assert not service.halt(rail="*", reason="Month end.", **common)
    with pytest.raises(NotAllowed, match=r"halted: Month end\."):
        do(service.submit, made, person, now)
    with transaction():
        service.lift_halt(rail="*", reason="Done.", **common)
    with pytest.raises(Conflict), transaction():
        service.lift_halt(rail="*", reason="Done.", **common)
    assert do(service.submit, made, person, now).payout.state == "processing"


# ------------------------------------------------------------------ around


def test_the_program_hears_of_its_payouts_in_the_same_transaction(
    house: Organisation, maya: Payee, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[tuple[str, str]] = []

    class Ear:
        def __getattr__(self, name: str) -> Any:
            return lambda found, at: heard.append((name, found.reference))

    from webapp.payouts import records

    monkeypatch.setitem(records._subscribers, "test", Ear())
    paid = payout_ready(house, maya, program="test")
    dropped = payout_ready(house, maya, program="test")
    refused = payout(house, maya, program="test")
    do(service.mark_paid, paid, admin(house), now, payment_reference="A", paid_on=date(2026, 11, 20))
    do(service.reverse, paid, admin(house), now, reason="back", on=date(2026, 11, 20))
    do(service.cancel, dropped, admin(house), now, reason="twice")
    do(service.reject, refused, admin(house), now, reason="wrong")
    assert heard == [
        ("on_paid", paid.reference),
        ("on_reversed", paid.reference),
        ("on_cancelled", dropped.reference),
        ("on_rejected", refused.reference),
    ]


def test_policies_are_versioned_and_the_first_writer_wins(
    house: Organisation, now: datetime, someone: Actor
) -> None:
    common: dict[str, Any] = {"organisation_id": house.id, "actor": someone, "now": now}
    with transaction():
        assert service.change_policy(rules=strict_rules("USD"), expected_version=0, **common).version == 1
    with pytest.raises(StaleVersion), transaction():
        service.change_policy(rules=default_rules("USD"), expected_version=0, **common)
    with pytest.raises(Invalid), transaction():
        service.change_policy(rules=default_rules("EUR"), **common)
    with transaction():
        assert service.change_policy(rules=default_rules("USD"), **common).version == 2


def test_another_organisation_s_payout_is_not_there(house: Organisation, maya: Payee, now: datetime) -> None:
    made = payout(house, maya)
    other = factories.organisation()
    with pytest.raises(NotFound), transaction():
        service.approve(organisation_id=other.id, reference=made.reference, actor=admin(other), now=now)


def test_the_check_names_a_payout_whose_ledger_position_is_wrong(
    house: Organisation, maya: Payee, now: datetime
) -> None:
    made = payout_ready(house, maya)
    assert check.run(house.id).findings == []
    db.session.rollback()
    with transaction() as session:
        session.get_one(Payout, made.id).state = "processing"
    rules = {(f.rule, f.subject) for f in check.run(house.id).findings}
    assert ("payout position", made.reference) in rules


def test_claims_name_each_source_once(house: Organisation, maya: Payee) -> None:
    twice = [SourceDraft("installation", 5), SourceDraft("installation", 5)]
    payout(house, maya, sources=twice)
    assert db.session.query(SourceClaim).count() == 1
