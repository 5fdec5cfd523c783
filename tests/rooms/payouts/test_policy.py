"""The approval policy: tiers, reasons, fingerprints. Pure, so no database."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webapp.kernel.errors import Invalid
from webapp.kernel.money import Money
from webapp.payouts import policy as rules
from webapp.payouts.policy import ApprovalFacts, PaymentFacts, PersonFacts, Policy
from webapp.payouts.states import PayoutState

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
DEFAULT = rules.from_rules(rules.default_rules("USD"))
STRICT = rules.from_rules(rules.strict_rules("USD"))
PERSON = PersonFacts(user_id=1, creator_id=2, payee_user_id=3)
APPROVAL = ApprovalFacts(
    person=PERSON, state="pending_approval", amount=Money(49_950, "USD"), payee_name="Maya", has_method=True,
    now=NOW, timezone="America/New_York", created_at=NOW - timedelta(days=2),
)  # fmt: skip
PAYMENT = PaymentFacts(
    person=PERSON, state="approved", amount=Money(49_950, "USD"), payee_name="Maya", rail="sandbox", now=NOW,
    timezone="America/New_York", method_kind="bank_account",
)  # fmt: skip


@pytest.mark.parametrize(
    ("amount", "automatic", "needed"),
    [
        (1, True, 0), (1_000_000, True, 0), (1_000_001, True, 1), (1, False, 1), (10_000_000, False, 1),
        (10_000_000, True, 1), (10_000_001, False, 2), (10_000_001, True, 2), (10**14, False, 2),
    ],
)  # fmt: skip
def test_the_default_tiers(amount: int, automatic: bool, needed: int) -> None:
    assert rules.approvals_needed(DEFAULT, Money(amount, "USD"), automatic) == needed


def test_tiers_follow_the_currency_s_decimals_and_the_given_limit() -> None:
    yen = rules.from_rules(rules.default_rules("JPY"))
    assert rules.approvals_needed(yen, Money(10_000, "JPY"), True) == 0
    assert rules.approvals_needed(yen, Money(10_001, "JPY"), True) == 1
    rent = rules.from_rules(rules.default_rules("INR", automatic_limit_minor=50_000_000))
    assert rules.approvals_needed(rent, Money(50_000_000, "INR"), True) == 0
    none = rules.from_rules(rules.default_rules("USD", automatic_limit_minor=0))
    assert rules.approvals_needed(none, Money(1, "USD"), True) == 1


def test_a_currency_without_tiers_needs_the_most() -> None:
    assert rules.approvals_needed(DEFAULT, Money(1, "EUR"), True) == 2
    own = {**DEFAULT.rules, "tiers": [*DEFAULT.rules["tiers"], {"approvals": 1, "currency": "EUR"}]}
    assert rules.approvals_needed(rules.from_rules(own), Money(10**9, "EUR"), False) == 1


def test_the_strict_template_lets_nothing_go_alone() -> None:
    assert rules.approvals_needed(STRICT, Money(1, "USD"), True) == 1
    assert rules.approvals_needed(STRICT, Money(20_000_001, "USD"), True) == 2
    assert STRICT.separate_payer_above_minor == 1_000_000


@given(amounts=st.tuples(st.integers(1, 10**12), st.integers(1, 10**12)), automatic=st.booleans())
def test_a_larger_amount_never_needs_fewer_people(amounts: tuple[int, int], automatic: bool) -> None:
    small, large = (Money(a, "USD") for a in sorted(amounts))
    assert rules.approvals_needed(DEFAULT, small, automatic) <= rules.approvals_needed(
        DEFAULT, large, automatic
    )


@given(amount=st.integers(1, 10**13))
def test_only_automatic_payouts_go_without_a_person(amount: int) -> None:
    assert rules.approvals_needed(DEFAULT, Money(amount, "USD"), False) >= 1


@given(
    limits=st.lists(st.integers(0, 10**9), max_size=5),
    approvals=st.integers(1, 5),
    amount=st.integers(1, 10**10),
)
def test_any_policy_that_is_accepted_answers_and_survives_storage(
    limits: list[int], approvals: int, amount: int
) -> None:
    tiers = [{"up_to_minor": limit, "approvals": approvals} for limit in limits]
    policy = rules.from_rules({"currency": "USD", "tiers": [*tiers, {"up_to_minor": None, "approvals": 2}]})
    assert rules.from_rules(policy.rules) == policy
    assert rules.approvals_needed(policy, Money(amount, "USD"), False) in (approvals, 2)


@pytest.mark.parametrize(
    "change",
    [
        {"tiers": []},
        {"tiers": [{"up_to_minor": 5, "approvals": 1}]},
        {"tiers": [{"up_to_minor": None, "approvals": 0}]},
        {"tiers": [{"up_to_minor": None, "approvals": -1}]},
        {"rails": ["sandbox", "teleport"]},
        {"cut_off": {"installations": "25:00"}},
        {"retry_minutes": [0]},
        {"currency": "dollars"},
        {"unknown": 1},
        {"single_operator": {"is_on": True, "delay_hours": 0}},
    ],
)
def test_rules_that_make_no_sense_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(Invalid):
        rules.from_rules({**DEFAULT.rules, **change})


def test_the_fingerprint_changes_with_each_of_its_parts() -> None:
    base = (Money(100, "USD"), 1, 7)
    prints = {
        rules.fingerprint(*base),
        rules.fingerprint(Money(101, "USD"), 1, 7),
        rules.fingerprint(Money(100, "EUR"), 1, 7),
        rules.fingerprint(Money(100, "USD"), 2, 7),
        rules.fingerprint(Money(100, "USD"), 1, 8),
        rules.fingerprint(Money(100, "USD"), 1, None),
    }
    assert len(prints) == 6
    assert rules.fingerprint(*base) in prints


def _approve(policy: Policy = DEFAULT, person: PersonFacts = PERSON, **changes: object) -> list[str]:
    return rules.why_not_approve(policy, replace(APPROVAL, person=person, **changes))  # type: ignore[arg-type]


def test_a_person_without_any_reason_can_approve() -> None:
    assert _approve() == []


@pytest.mark.parametrize(
    ("person", "words"),
    [
        (replace(PERSON, creator_id=1), "You created this payout"),
        (replace(PERSON, payee_user_id=1), "This payout is to you"),
        (replace(PERSON, exclusions=((1, "imported the installation"),)), "You imported the installation"),
        (
            replace(PERSON, method_editor_id=1, method_changed_at=NOW - timedelta(days=29)),
            "You entered the payment details",
        ),
    ],
)
def test_persons_who_had_a_hand_in_it_cannot_approve(person: PersonFacts, words: str) -> None:
    (reason,) = _approve(person=person)
    assert reason.startswith(words)
    assert "must approve" in reason


def test_what_concerns_others_does_not_stop_this_person() -> None:
    other = replace(
        PERSON,
        exclusions=((9, "imported the installation"),),
        method_editor_id=1,
        method_changed_at=NOW - timedelta(days=31),
    )
    assert _approve(person=other) == []


@pytest.mark.parametrize("state", [s for s in PayoutState if s is not PayoutState.PENDING_APPROVAL])
def test_only_a_waiting_payout_can_be_approved(state: PayoutState) -> None:
    (reason,) = _approve(state=state.value)
    assert state.label.lower() in reason


def test_missing_things_are_named_with_who_must_act() -> None:
    assert _approve(has_method=False) == ["Maya has no payout method. Add one on the payee's page first."]
    assert "switched off" in _approve(is_payee_active=False)[0]
    (reason,) = _approve(approved_at=NOW - timedelta(hours=1))
    assert reason == "You approved it on 20 Nov 2026, 06:00 EST; another person must approve it too."


def test_reasons_come_together_the_person_s_first() -> None:
    person = replace(PERSON, creator_id=1, exclusions=((1, "edited the rate used"),))
    reasons = _approve(person=person, has_method=False)
    assert [r.split()[1] for r in reasons] == ["created", "edited", "has"]


def _solo(**values: object) -> Policy:
    return DEFAULT.model_copy(
        update={"single_operator": rules.SingleOperator(is_on=True, **values)}  # type: ignore[arg-type]
    )


def test_a_single_operator_waits_and_has_a_daily_cap_instead_of_a_second_person() -> None:
    own = replace(PERSON, creator_id=1, payee_user_id=1)
    assert _approve(_solo(), own) == []
    fresh = NOW - timedelta(hours=11)
    (reason,) = _approve(_solo(), own, created_at=fresh)
    assert "waits 12 hours. It can be approved from 20 Nov 2026, 08:00 EST." in reason
    assert _approve(_solo(daily_cap_minor=49_950), own) == []
    (reason,) = _approve(_solo(daily_cap_minor=49_950), own, approved_today_minor=1)
    assert "$499.50" in reason


def _pay(policy: Policy = DEFAULT, **changes: object) -> list[str]:
    return rules.why_not_paid(policy, replace(PAYMENT, **changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"state": "pending_approval"}, "It is not approved yet."),
        ({"state": "processing"}, "This payout is sending"),
        ({"state": "paid"}, "This payout is paid"),
        ({"state": "cancelled"}, "This payout is cancelled"),
        ({"state": "failed", "rail": "manual"}, "it cannot be paid by hand now"),
        ({"has_review": True}, "under review"),
        ({"is_held": True, "hold_reason": "Complaint."}, "It is on hold: Complaint."),
        (
            {"halt_reasons": ("The bank is away.",)},
            "Payments are halted: The bank is away. An admin resumes them in the settings.",
        ),
        ({"method_kind": ""}, "Maya has no payout method"),
        ({"method_kind": "manual"}, "Maya is paid by hand"),
        ({"is_payee_active": False}, "switched off as a payee"),
        ({"rail": "teleport"}, "The rail “teleport” is switched off"),
        ({"is_fingerprint_valid": False}, "The payment details changed after the approval."),
        ({"cool_off_until": NOW + timedelta(hours=1)}, "nothing is paid before 20 Nov 2026, 08:00 EST."),
    ],
)
def test_each_reason_why_it_is_not_paid(changes: dict[str, object], words: str) -> None:
    (reason,) = _pay(**changes)
    assert words in reason


def test_nothing_stops_what_is_ready() -> None:
    assert _pay() == []
    assert _pay(state="failed") == []
    assert _pay(state="retry_scheduled") == []
    assert _pay(cool_off_until=NOW) == []
    assert _pay(rail="manual", method_kind="manual") == []


def test_the_last_approver_does_not_pay_above_the_limit() -> None:
    assert _pay(STRICT, last_approver_id=1) == []
    large = Money(1_000_001, "USD")
    assert _pay(STRICT, last_approver_id=2, amount=large) == []
    assert "a different person must pay it" in _pay(STRICT, last_approver_id=1, amount=large)[0]
    assert _pay(STRICT, last_approver_id=1, amount=large, person=PersonFacts(None)) == []


def test_automatic_payouts_below_the_minimum_wait() -> None:
    least = DEFAULT.model_copy(update={"minimum_minor": 50_000})
    assert _pay(least) == []
    assert "$500.00" in _pay(least, is_automatic=True)[0]


def test_the_cut_off_is_today_s_local_time() -> None:
    policy = DEFAULT.model_copy(update={"cut_off": {"installations": "17:30"}})
    at = rules.stoppable_until(policy, "installations", NOW, "America/New_York")
    assert at is not None
    assert at.astimezone(UTC) == datetime(2026, 11, 20, 22, 30, tzinfo=UTC)
    assert rules.stoppable_until(policy, "rentals", NOW, "America/New_York") is None
