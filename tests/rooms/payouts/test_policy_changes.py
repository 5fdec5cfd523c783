"""Changing the approval rules, and who can approve: two admins, races, payouts that nobody may approve."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask

from tests.factories import actor_of, method, organisation, payee, stored, user
from tests.factories.payouts import WHEN, payout
from webapp.audit.models import AuditEvent
from webapp.database import db, transaction
from webapp.kernel.errors import Conflict, Invalid, NotAllowed, NotFound, StaleVersion
from webapp.kernel.money import Money
from webapp.outbox.models import OutboxMessage
from webapp.payouts import approval_queue, approvers, policies, policy_changes, service, stuck
from webapp.payouts.models import ApprovalPolicy, PolicyProposal
from webapp.payouts.policy import default_rules, from_rules, strict_rules
from webapp.people import members, users
from webapp.people.models import Organisation, User


@pytest.fixture
def place(database: Flask) -> Organisation:
    return organisation()


def _admin(place: Organisation) -> User:
    return user(organisation=place, role="admin")


def _rules(**changes: Any) -> dict[str, Any]:
    return {**default_rules("USD"), **changes}


def _propose(place: Organisation, who: User, version: int = 0, **changes: Any) -> Any:
    with transaction():
        return policy_changes.propose(
            organisation_id=place.id,
            rules=_rules(**(changes or {"cool_off_hours": 72})),
            note="We grew",
            expected_version=version,
            actor=actor_of(who),
            now=WHEN,
        )


def _accept(place: Organisation, row: PolicyProposal, who: User) -> Any:
    with transaction():
        return policy_changes.accept(
            organisation_id=place.id, proposal_id=row.id, actor=actor_of(who), now=WHEN
        )


def test_alone_the_change_is_in_force_at_once(place: Organisation) -> None:
    made = _propose(place, _admin(place))
    assert isinstance(made, ApprovalPolicy)
    assert policies.current_policy(place.id)[0].cool_off_hours == 72


def test_with_another_admin_nothing_changes_before_they_accept(place: Organisation) -> None:
    first, second = _admin(place), _admin(place)
    row = _propose(place, first)
    assert isinstance(row, PolicyProposal)
    assert policies.current_policy(place.id)[1] == 0
    _accept(place, row, second)
    assert policies.current_policy(place.id)[0].cool_off_hours == 72


def test_who_proposed_cannot_accept(place: Organisation) -> None:
    first, _ = _admin(place), _admin(place)
    row = _propose(place, first)
    with pytest.raises(NotAllowed, match="a different admin"):
        _accept(place, row, first)
    assert policies.current_policy(place.id)[1] == 0


def test_single_operator_cannot_be_switched_on_by_one_of_two(place: Organisation) -> None:
    first, _ = _admin(place), _admin(place)
    row = _propose(place, first, single_operator={"is_on": True})
    assert isinstance(row, PolicyProposal)
    assert not policies.current_policy(place.id)[0].single_operator.is_on


def test_accepting_twice_is_one_version_and_another_person_is_told_who(place: Organisation) -> None:
    first, second, third = _admin(place), _admin(place), _admin(place)
    row = _propose(place, first)
    _accept(place, row, second)
    assert _accept(place, row, second) is None
    with pytest.raises(Conflict, match=second.email):
        _accept(place, row, third)
    assert policies.current_policy(place.id)[1] == 1


def test_second_proposal_waits_for_the_first(place: Organisation) -> None:
    first, second = _admin(place), _admin(place)
    _propose(place, first)
    with pytest.raises(Conflict, match="waits already"):
        _propose(place, second, cool_off_hours=96)


def test_proposal_of_an_older_version_is_refused(place: Organisation) -> None:
    first, second = _admin(place), _admin(place)
    row = _propose(place, first)
    with transaction():
        policies.change_policy(
            organisation_id=place.id, rules=_rules(cool_off_hours=24), actor=actor_of(second), now=WHEN
        )
    with pytest.raises(StaleVersion):
        _accept(place, row, second)
    assert policies.current_policy(place.id)[0].cool_off_hours == 24


@pytest.mark.parametrize(
    ("changes", "note", "version", "error"),
    [
        ({"cool_off_hours": 72}, " ", 0, Invalid),
        ({}, "Nothing", 0, Invalid),
        ({"cool_off_hours": -1}, "Wrong", 0, Invalid),
        ({"cool_off_hours": 72}, "Late", 3, StaleVersion),
    ],
)
def test_bad_proposals_change_nothing(
    place: Organisation, changes: dict[str, Any], note: str, version: int, error: type[Exception]
) -> None:
    who = _admin(place)
    with pytest.raises(error), transaction():
        policy_changes.propose(
            organisation_id=place.id, rules=_rules(**changes), note=note, expected_version=version,
            actor=actor_of(who), now=WHEN,
        )  # fmt: skip
    assert policies.current_policy(place.id)[1] == 0


def test_refusing_needs_a_reason_and_withdrawing_none(place: Organisation) -> None:
    first, second = _admin(place), _admin(place)
    row = _propose(place, first)
    with pytest.raises(Invalid), transaction():
        policy_changes.refuse(
            organisation_id=place.id, proposal_id=row.id, reason="", actor=actor_of(second), now=WHEN
        )
    with transaction():
        policy_changes.refuse(
            organisation_id=place.id, proposal_id=row.id, reason="", actor=actor_of(first), now=WHEN
        )
    assert policy_changes.pending(place.id) is None
    assert db.session.get_one(PolicyProposal, row.id).state == "withdrawn"


def test_proposal_of_another_organisation_is_not_there(place: Organisation) -> None:
    elsewhere = organisation("elsewhere")
    first, _ = _admin(place), _admin(place)
    row = _propose(place, first)
    with pytest.raises(NotFound):
        _accept(elsewhere, row, user(organisation=elsewhere, role="admin"))


def test_all_admins_are_told(place: Organisation) -> None:
    first, second = _admin(place), _admin(place)
    _accept(place, _propose(place, first), second)
    kinds = set(db.session.scalars(db.select(OutboxMessage.kind)))
    assert {"notice.policy.proposed", "notice.policy.changed"} <= kinds


# ---- Who can approve ------------------------------------------------------------------------------


def _waiting(place: Organisation, maker: User, amount: int = 50_000) -> Any:
    who = payee(place)
    method(who)
    return payout(place, who, amount, actor=actor_of(maker))


def test_each_admin_is_listed_with_the_reason(place: Organisation) -> None:
    maker, other = _admin(place), _admin(place)
    answer = approvers.who_can_approve(_waiting(place, maker), WHEN)
    assert {v.user.id: v.can for v in answer.verdicts} == {maker.id: False, other.id: True}
    assert answer.is_enough
    (reason,) = next(v.reasons for v in answer.verdicts if not v.can)
    assert reason.startswith("They created this payout")


def test_disabled_admin_does_not_count(place: Organisation) -> None:
    maker, other = _admin(place), _admin(place)
    made = _waiting(place, maker)
    with stored():
        other.is_active = False
    answer = approvers.who_can_approve(made, WHEN)
    assert not answer.is_enough
    assert "wait for ever" in answer.sentence


@pytest.mark.parametrize(
    ("rules", "amount", "automatic", "needed"),
    [
        (default_rules("USD"), 50_000, True, 0),
        (default_rules("USD"), 50_000, False, 1),
        (strict_rules("USD"), 99_999_999_99, False, 2),
        ({**strict_rules("USD"), "single_operator": {"is_on": True}}, 99_999_999_99, False, 1),
    ],
)
def test_rules_that_are_not_in_force_can_be_tried(
    place: Organisation, rules: dict[str, Any], amount: int, automatic: bool, needed: int
) -> None:
    people = [_admin(place), _admin(place)]
    answer = approvers.who_could_approve(
        from_rules(rules),
        people,
        amount=Money(amount, "USD"),
        is_automatic=automatic,
        creator_id=people[0].id,
    )
    assert answer.needed == needed


def test_payouts_that_nobody_may_approve_are_counted_and_noted(place: Organisation) -> None:
    maker = _admin(place)
    _waiting(place, maker)
    assert stuck.look(place.id, WHEN, WHEN) == 1
    event = db.session.scalar(db.select(AuditEvent).where(AuditEvent.tag == "payouts:approval:impossible"))
    assert event is not None
    with stored():
        _admin(place)
    assert stuck.look(place.id, WHEN, WHEN) == 0


def test_half_approved_payout_is_stuck_when_the_second_person_is_missing(place: Organisation) -> None:
    maker, first = _admin(place), _admin(place)
    with transaction():
        policies.change_policy(
            organisation_id=place.id, rules=strict_rules("USD"), actor=actor_of(maker), now=WHEN
        )
    made = _waiting(place, maker, 30_000_000)
    assert stuck.look(place.id, WHEN, WHEN) == 1
    with transaction():
        service.approve(organisation_id=place.id, reference=made.reference, actor=actor_of(first), now=WHEN)
    assert stuck.look(place.id, WHEN, WHEN) == 1
    with stored():
        _admin(place)
    assert stuck.look(place.id, WHEN, WHEN) == 0


@pytest.mark.parametrize("hours", [0, 1, 800])
def test_database_and_sentences_agree_about_who_may(place: Organisation, hours: int) -> None:
    """The nightly count is the twin of the sentences: the same payouts, found in two ways."""
    maker, editor, other = _admin(place), _admin(place), _admin(place)
    made = []
    for amount, entered_by in ((10_000, editor), (20_000, other), (30_000, maker)):
        who = payee(place)
        method(who, actor=actor_of(entered_by))
        made.append(payout(place, who, amount, actor=actor_of(maker)))
    with stored():
        other.is_active = False
    now = WHEN + timedelta(hours=hours)
    by_sentence = sum(not approvers.who_can_approve(one, now).is_enough for one in made)
    assert stuck.look(place.id, now, now) == by_sentence


def _take_away(place: Organisation, who: User, by: User, how: str) -> None:
    arguments: dict[str, Any] = {
        "organisation_id": place.id, "user_id": who.id, "actor": actor_of(by), "now": WHEN,
    }  # fmt: skip
    with transaction():
        if how == "demote":
            users.change_roles(roles=["accountant"], **arguments)
        else:
            getattr(users, how)(**arguments)


@pytest.mark.parametrize("how", ["disable", "remove", "demote"])
def test_taking_the_other_admin_away_does_not_make_one_person_alone_enough(
    place: Organisation, how: str
) -> None:
    first, second = _admin(place), _admin(place)
    _take_away(place, second, first, how)
    with pytest.raises(Conflict, match=second.email):
        _propose(place, first)
    db.session.rollback()
    assert policies.current_policy(place.id)[1] == 0
    with transaction():
        made = policy_changes.propose(
            organisation_id=place.id, rules=_rules(cool_off_hours=72), note="Alone since a week",
            expected_version=0, actor=actor_of(first), now=WHEN + policy_changes.ALONE_AFTER,
        )  # fmt: skip
    assert isinstance(made, ApprovalPolicy)


def test_an_admin_who_has_not_accepted_the_invitation_is_nobody_to_ask(place: Organisation) -> None:
    first = _admin(place)
    with transaction():
        users.invite(
            organisation_id=place.id, email="new@example.com", name="", roles=["admin"],
            actor=actor_of(first), now=WHEN,
        )  # fmt: skip
    assert [user.id for user in members.active_admins(place.id)] == [first.id]
    assert isinstance(_propose(place, first), ApprovalPolicy)


def test_an_invitation_that_was_taken_back_makes_nobody_wait(place: Organisation) -> None:
    first = _admin(place)
    with transaction():
        invited = users.invite(
            organisation_id=place.id, email="new@example.com", name="", roles=["admin"],
            actor=actor_of(first), now=WHEN,
        )  # fmt: skip
        invited_id = invited.id
    with transaction():
        users.revoke_invitation(organisation_id=place.id, user_id=invited_id, actor=actor_of(first), now=WHEN)
    assert isinstance(_propose(place, first), ApprovalPolicy)


def test_an_approval_for_former_payment_details_bars_nobody_and_counts_for_nothing(
    place: Organisation,
) -> None:
    first, second, third = (_admin(place) for _ in range(3))
    maya = payee(place)
    method(maya, now=WHEN)
    made = payout(place, maya, 10_000_001)
    arguments: dict[str, Any] = {"organisation_id": place.id, "reference": made.reference}
    with transaction():
        service.approve(**arguments, actor=actor_of(first), now=WHEN + timedelta(hours=1))
    later = WHEN + timedelta(hours=2)

    def ready(who: User) -> int:
        db.session.rollback()
        return approval_queue.ready_count(
            approval_queue.approver(organisation=place, user_id=who.id, now=later)
        )

    noor = payee(place)
    method(noor, now=later)
    payout(place, noor, actor=actor_of(first))
    assert (ready(first), ready(second)) == (0, 2), "another payee's details do not matter"
    with transaction():
        service.reject(
            organisation_id=place.id, reference="PO-2026-000002", reason="Not needed", actor=actor_of(second),
            now=later,
        )  # fmt: skip
    method(maya, now=later)
    assert (ready(first), ready(second)) == (1, 1), "all begin anew, the first one, too"
    assert stuck.look(place.id, later, later) == 0
    for gone in (second, third):
        _take_away(place, gone, first, "disable")
    assert stuck.look(place.id, later, later) == 1
