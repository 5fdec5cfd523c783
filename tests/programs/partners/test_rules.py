"""Attribution and commissions: the cases that people check by hand, and random ones that must add up."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from webapp.kernel.errors import IllegalTransition, Invalid
from webapp.kernel.money import Money
from webapp.programs.partners import rules
from webapp.programs.partners.rules import Case, Rate, Rule, Touch, attribute, commission
from webapp.programs.partners.states import DealAction, DealState, Model, TouchType, next_state

CLOSE = datetime(2026, 3, 31, 12, tzinfo=UTC)
A, B, C = 1, 2, 3


def usd(amount: str) -> Money:
    """An amount in dollars."""
    return Money(int(amount.replace(",", "").replace(".", "")), "USD")


def touch(number: int, partner: int, days: float = 0, type: str = "referral", weight: int = 1) -> Touch:
    """A touch so many days before the close."""
    return Touch(number, partner, type, CLOSE - timedelta(days=days), weight)


def shares(touches: list[Touch], model: Model, amount: str = "1,000.00", **more: object) -> dict[int, str]:
    """Partner -> amount."""
    found = attribute(usd(amount), touches, model=model, closed_at=CLOSE, **more)  # type: ignore[arg-type]
    return {share.partner_id: share.amount.plain for share in found}


THREE = [touch(1, A, 30), touch(2, B, 20), touch(3, C, 10)]


@pytest.mark.parametrize(
    ("amount", "parts"),
    [
        ("10,000.00", ["3333.34", "3333.33", "3333.33"]),
        ("100.01", ["33.34", "33.34", "33.33"]),
    ],
)
def test_three_equal_parts_to_the_cent(amount: str, parts: list[str]) -> None:
    assert list(shares(THREE, Model.EQUAL, amount).values()) == parts


def test_seven_equal_parts_are_one_cent_apart_at_most() -> None:
    seven = [touch(n, n, 10 - n) for n in range(1, 8)]
    found = attribute(usd("1,000,000.00"), seven, model=Model.EQUAL, closed_at=CLOSE)
    amounts = [share.amount.amount for share in found]
    assert (sum(amounts), max(amounts) - min(amounts)) == (100_000_000, 1)


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (Model.FIRST_TOUCH, {A: "1000.00"}),
        (Model.LAST_TOUCH, {C: "1000.00"}),
        (Model.EQUAL, {A: "333.34", B: "333.33", C: "333.33"}),
    ],
)
def test_models_that_look_at_the_order(model: Model, expected: dict[int, str]) -> None:
    assert shares(THREE, model) == expected


def test_equal_parts_are_for_partners_not_for_touches() -> None:
    assert shares([*THREE[:2], touch(4, A, 1), touch(5, A, 2)], Model.EQUAL) == {A: "500.00", B: "500.00"}


def test_a_touch_a_half_life_earlier_counts_half() -> None:
    assert shares([touch(1, A, 7), touch(2, B, 0)], Model.TIME_DECAY, "300.00") == {A: "100.00", B: "200.00"}
    assert shares([touch(1, A, 14), touch(2, B, 7), touch(3, C, 0)], Model.TIME_DECAY, "700.00") == {
        A: "100.00", B: "200.00", C: "400.00",
    }  # fmt: skip


def test_a_touch_of_years_ago_still_counts_a_little() -> None:
    found = attribute(
        usd("1,000.00"), [touch(1, A, 4000), touch(2, B)], model=Model.TIME_DECAY, closed_at=CLOSE
    )
    assert [share.partner_id for share in found] == [A, B]


@pytest.mark.parametrize(
    ("types", "amount", "expected"),
    [
        # 40, 25 and 35 of 100; then 40 and 10 of 50: absent kinds take nothing.
        (("referral", "demo", "introduction"), "1,000.00", {A: "400.00", B: "250.00", C: "350.00"}),
        (("referral", "negotiation"), "1,000.00", {A: "800.00", B: "200.00"}),
        (("sourcer", "influencer", "implementer"), "800.00", {A: "400.00", B: "200.00", C: "200.00"}),
    ],
)
def test_roles_are_weighed_against_those_that_are_there(
    types: tuple[str, ...], amount: str, expected: dict[int, str]
) -> None:
    touches = [touch(n, n, 10 - n, kind) for n, kind in enumerate(types, start=1)]
    assert shares(touches, Model.ROLE, amount) == expected


def test_touches_of_one_role_share_its_weight() -> None:
    touches = [touch(1, A, 3, "referral"), touch(2, B, 2, "referral"), touch(3, C, 1, "other")]
    assert shares(touches, Model.ROLE, "500.00") == {A: "200.00", B: "200.00", C: "100.00"}


def test_weights_of_the_touches_count() -> None:
    assert shares([touch(1, A, 2, weight=3), touch(2, B, 1, weight=1)], Model.CUSTOM) == {
        A: "750.00",
        B: "250.00",
    }


def test_who_registered_comes_first_in_first_touch_only() -> None:
    assert shares(THREE, Model.FIRST_TOUCH, registered_by=C) == {C: "1000.00"}
    assert shares(THREE, Model.LAST_TOUCH, registered_by=A) == {C: "1000.00"}


@pytest.mark.parametrize("model", list(Model))
def test_after_the_close_nobody_touches_it(model: Model) -> None:
    assert shares([touch(1, A, -1)], model) == {}
    assert shares([touch(1, A, -1)], model, registered_by=B) == {B: "1000.00"}


def test_each_part_says_why() -> None:
    [found] = attribute(usd("10.00"), [touch(7, A, 1)], model=Model.TIME_DECAY, closed_at=CLOSE)
    assert [(part.touch_id, part.why) for part in found.parts] == [(7, "1 day before the close")]


_touches = st.lists(
    st.builds(
        touch,
        st.integers(1, 10**6),
        st.integers(1, 12),
        st.floats(-3, 4000, allow_nan=False),
        st.sampled_from([str(each) for each in TouchType]),
        st.integers(0, 1000),
    ),
    max_size=25,
)


@settings(max_examples=1000)
@given(st.integers(0, 10**13), _touches, st.sampled_from(list(Model)), st.none() | st.integers(1, 12))
def test_shares_add_up_to_the_whole_and_money_to_the_amount(
    minor: int, touches: list[Touch], model: Model, registered_by: int | None
) -> None:
    found = attribute(Money(minor, "EUR"), touches, model=model, closed_at=CLOSE, registered_by=registered_by)
    if found:
        assert sum(share.millionths for share in found) == rules.WHOLE
        assert sum(share.amount.amount for share in found) == minor
    assert len({share.partner_id for share in found}) == len(found)
    assert all(share.amount.amount >= 0 and share.parts for share in found)


def test_ten_thousand_deals_are_shared_to_the_cent() -> None:
    """As above, with as many deals as a large list has; the same ones every time."""
    rng, kinds, models = random.Random(10_000), [str(each) for each in TouchType], list(Model)
    wrong = []
    for n in range(10_000):
        minor = rng.randrange(10 ** rng.randrange(1, 12))
        touches = [
            touch(t, rng.randrange(1, 9), rng.uniform(-2, 900), rng.choice(kinds), rng.randrange(100))
            for t in range(rng.randrange(9))
        ]
        model = models[n % len(models)]
        found = attribute(Money(minor, "USD"), touches, model=model, closed_at=CLOSE)
        shared = sum(share.millionths for share in found), sum(share.amount.amount for share in found)
        if found and shared != (rules.WHOLE, minor):
            wrong.append((n, model, shared))
    assert wrong == []


@settings(max_examples=500)
@given(st.integers(0, 10**13), _touches, st.sampled_from(list(Model)))
def test_the_order_in_which_touches_are_read_does_not_matter(
    minor: int, touches: list[Touch], model: Model
) -> None:
    unique = list({each.touch_id: each for each in touches}.values())
    both = [
        attribute(Money(minor, "INR"), each, model=model, closed_at=CLOSE)
        for each in (unique, list(reversed(unique)))
    ]
    assert both[0] == both[1]


@pytest.mark.parametrize(
    ("attributed", "rate", "expected"),
    [
        ("1,000.00", Rate(500), "50.00"),
        ("33.33", Rate(1_000), "3.33"),
        # Halves go to the even cent.
        ("0.50", Rate(100), "0.00"),
        ("1.50", Rate(100), "0.02"),
        ("1,000.00", Rate(500, floor_minor=75_00), "75.00"),
        ("1,000.00", Rate(500, cap_minor=20_00), "20.00"),
        ("0.00", Rate(500, floor_minor=75_00), "0.00"),
        ("1,000.00", Rate(10_000), "1000.00"),
        ("1,000.00", Rate(0), "0.00"),
    ],
)
def test_commissions(attributed: str, rate: Rate, expected: str) -> None:
    assert commission(usd(attributed), rate).plain == expected


def case(**values: object) -> Case:
    """A gold reseller's deal of 1,000.00."""
    known: dict[str, object] = {
        "program_id": 1, "partner_type": "reseller", "tier": "gold", "product": "GTX Pro", "deal": usd("1,000.00"),
        "closed_on": date(2026, 3, 31), "first_closed_on": date(2025, 12, 31),
    }  # fmt: skip
    return Case(**{**known, **values})  # type: ignore[arg-type]


def rule(number: int, **values: object) -> Rule:
    """A rule of 5 %."""
    return Rule(number, 1, f"Rule {number}", Rate(500), **values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("values", "fits"),
    [
        ({}, True),
        ({"program_id": 2}, False),
        ({"partner_type": "affiliate"}, False),
        ({"tier": "gold", "partner_type": "reseller"}, True),
        ({"product": "gtx pro"}, True),
        ({"product": "GTX Basic"}, False),
        ({"currency": "EUR"}, False),
        ({"least_deal_minor": 1_000_00}, True),
        ({"least_deal_minor": 1_000_01}, False),
        ({"months": 3}, False),
        ({"months": 4}, True),
    ],
)
def test_what_a_rule_is_for(values: dict[str, object], fits: bool) -> None:
    assert (rules.find_rule([rule(1, **values)], case()) is not None) is fits


def test_the_lowest_priority_number_wins_then_the_older_rule() -> None:
    found = rules.find_rule([rule(3, priority=5), rule(2, priority=5), rule(1, priority=9)], case())
    assert found is not None
    assert found.rule_id == 2


def test_months_end_where_the_month_is_shorter() -> None:
    assert rules.months_after(date(2025, 12, 31), 2) == date(2026, 2, 28)


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("2026-02", date(2026, 2, 1), date(2026, 2, 28)),
        ("2024-02", date(2024, 2, 1), date(2024, 2, 29)),
        ("2026-Q1", date(2026, 1, 1), date(2026, 3, 31)),
        ("2026-q4", date(2026, 10, 1), date(2026, 12, 31)),
    ],
)
def test_periods(text: str, first: date, last: date) -> None:
    found = rules.period(text)
    assert (found.first, found.last) == (first, last)


@pytest.mark.parametrize("text", ["", "2026", "2026-13", "2026-Q5", "Q1", "2026-2", "26-02", "2026-02-01"])
def test_what_is_no_period(text: str) -> None:
    with pytest.raises(Invalid) as refused:
        rules.period(text)
    assert refused.value.field == "period"


@pytest.mark.parametrize(("kind", "text"), [("month", "2026-11"), ("quarter", "2026-Q4")])
def test_the_period_of_a_day(kind: str, text: str) -> None:
    assert rules.period_of(date(2026, 11, 22), kind).text == text


ALLOWED = {
    ("open", "change"), ("open", "win"), ("open", "lose"), ("won", "change"), ("won", "lose"), ("lost", "reopen"),
}  # fmt: skip


@pytest.mark.parametrize("state", list(DealState))
@pytest.mark.parametrize("action", list(DealAction))
def test_what_can_happen_to_a_deal(state: DealState, action: DealAction) -> None:
    if (state.value, action.value) in ALLOWED:
        next_state(state.value, action, "DL-0001")
    else:
        with pytest.raises(IllegalTransition, match="DL-0001"):
            next_state(state.value, action, "DL-0001")
