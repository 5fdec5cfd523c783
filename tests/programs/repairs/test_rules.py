"""Every figure that the rules are known by, and what holds for all amounts and days."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webapp.programs.repairs.rules import (
    Band,
    Debt,
    LeaseFacts,
    Matrix,
    Receipt,
    Week,
    active_days,
    allocate,
    current_week,
    default_matrix,
    first_week,
    instalments,
    interest,
    loan_schedule,
    plan_amounts,
    pool_of,
    prorated,
    schedule,
    to_pay,
    week_of,
    weeks_late,
    why_not_charged,
)

SUNDAY = 6
MATRIX = default_matrix("USD")
ORDER = ("taxes", "tolls", "lease", "tickets", "agency_fees", "repairs", "loans", "miscellaneous", "deposit")


@pytest.mark.parametrize(
    ("amount", "parts"),
    [
        ("200", ["200"]),
        ("200.50", ["100", "100", "0.50"]),
        ("201", ["100", "100", "1"]),
        ("450", ["100"] * 4 + ["50"]),
        ("500", ["100"] * 5),
        ("500.50", ["200", "200", "100.50"]),
        ("501", ["200", "200", "101"]),
        ("1000", ["200"] * 5),
        ("1001", ["250"] * 4 + ["1"]),
        ("1200", ["250"] * 4 + ["200"]),
        ("1500", ["250"] * 6),
        ("3000", ["250"] * 12),
        ("3000.50", ["300"] * 10 + ["0.50"]),
        ("3001", ["300"] * 10 + ["1"]),
        ("5000", ["300"] * 16 + ["200"]),
        ("0.01", ["0.01"]),
        ("200.01", ["100", "100", "0.01"]),
    ],
)
def test_the_payment_matrix(amount: str, parts: list[str]) -> None:
    assert plan_amounts(int(Decimal(amount) * 100), MATRIX) == [int(Decimal(part) * 100) for part in parts]


@pytest.mark.parametrize(
    ("currency", "amount", "parts"),
    [("JPY", 450, [100] * 4 + [50]), ("KWD", 200_500, [100_000, 100_000, 500])],
)
def test_the_matrix_counts_in_whole_units_of_the_currency(
    currency: str, amount: int, parts: list[int]
) -> None:
    assert plan_amounts(amount, default_matrix(currency)) == parts


def test_a_small_remainder_joins_the_instalment_before_it() -> None:
    folding = Matrix(MATRIX.bands, fold_below_minor=1_00)
    assert plan_amounts(200_50, folding) == [100_00, 100_50]
    assert plan_amounts(201_00, folding) == [100_00, 100_00, 1_00]
    assert plan_amounts(50, folding) == [50]


def test_bands_may_come_in_any_order() -> None:
    bands = (Band(500_00, 200_00), Band(0, None), Band(200_00, 100_00))
    assert plan_amounts(500_50, Matrix(bands)) == [200_00, 200_00, 100_50]


@given(st.integers(1, 150_000_00))
def test_parts_add_up_and_only_the_last_is_less(amount: int) -> None:
    parts = plan_amounts(amount, MATRIX)
    assert sum(parts) == amount
    assert len(set(parts[:-1])) <= 1
    assert 0 < parts[-1] <= parts[0]


@pytest.mark.parametrize(("amount", "weekly"), [(0, 1), (-1, 1), (1, 0), (521, 1)])
def test_what_is_no_plan(amount: int, weekly: int) -> None:
    with pytest.raises(ValueError, match=r"."):
        instalments(amount, weekly)


@pytest.mark.parametrize(
    ("day", "start", "first"),
    [
        (date(2025, 10, 1), "CURRENT", date(2025, 10, 5)),
        (date(2025, 10, 1), "NEXT", date(2025, 10, 12)),
        (date(2025, 10, 5), "CURRENT", date(2025, 10, 5)),
        (date(2025, 10, 5), "NEXT", date(2025, 10, 12)),
        (date(2025, 10, 4), "CURRENT", date(2025, 10, 5)),
        (date(2025, 12, 31), "CURRENT", date(2026, 1, 4)),
    ],
)
def test_current_and_next(day: date, start: str, first: date) -> None:
    assert first_week(day, start, SUNDAY) == Week(first)


def test_another_word_is_no_start() -> None:
    with pytest.raises(ValueError, match="LATER"):
        first_week(date(2025, 10, 1), "LATER", SUNDAY)


DAYS = st.dates(date(2000, 1, 1), date(2060, 12, 31))


@given(DAYS, st.integers(0, 6))
def test_weeks_begin_on_their_day_and_hold_theirs(day: date, week_start: int) -> None:
    inside, coming = week_of(day, week_start), current_week(day, week_start)
    assert inside.start.weekday() == coming.start.weekday() == week_start
    assert inside.start <= day <= inside.end
    assert timedelta(0) <= coming.start - day < timedelta(days=7)


@pytest.mark.parametrize(
    ("start", "hours"),
    [(date(2025, 10, 26), 168), (date(2025, 11, 2), 169), (date(2026, 3, 8), 167), (date(2026, 3, 1), 168)],
)
def test_a_change_of_the_clocks_moves_no_week(start: date, hours: int) -> None:
    week = Week(start)
    begins, ends = week.instants("America/New_York")
    assert (ends - begins).total_seconds() == hours * 3600
    assert ends == week.following().instants("America/New_York")[0]


def test_a_schedule_has_weeks_due_days_and_balances() -> None:
    planned = schedule(plan_amounts(500_50, MATRIX), first_week(date(2025, 10, 1), "NEXT", SUNDAY))
    assert [(p.number, p.week.start, p.due_on, p.amount, p.balance_after) for p in planned] == [
        (1, date(2025, 10, 12), date(2025, 10, 18), 200_00, 300_50),
        (2, date(2025, 10, 19), date(2025, 10, 25), 200_00, 100_50),
        (3, date(2025, 10, 26), date(2025, 11, 1), 100_50, 0),
    ]


@given(st.integers(1, 150_000_00), DAYS)
def test_a_schedule_goes_on_week_by_week(amount: int, day: date) -> None:
    planned = schedule(plan_amounts(amount, MATRIX), current_week(day, SUNDAY), number=4)
    assert planned[0].number == 4
    assert planned[-1].balance_after == 0
    for one, two in pairwise(planned):
        assert two.week == one.week.following()
        assert two.balance_after == one.balance_after - two.amount


def test_the_loan_with_interest_on_what_is_left() -> None:
    planned = loan_schedule(
        plan_amounts(1_200_00, MATRIX),
        Week(date(2025, 10, 12)),
        percent=Decimal(10),
        lent_on=date(2025, 10, 6),
        currency="USD",
    )
    assert [p.amount for p in planned] == [251_97, 251_82, 251_34, 250_86, 200_38]
    assert [p.interest for p in planned] == [1_97, 1_82, 1_34, 86, 38]
    assert [p.balance_after for p in planned] == [950_00, 700_00, 450_00, 200_00, 0]


@given(st.integers(1, 150_000_00), DAYS, st.integers(0, 20))
def test_a_loan_without_interest_is_its_principal(amount: int, lent_on: date, later: int) -> None:
    first = current_week(lent_on, SUNDAY).following(later)
    planned = loan_schedule(
        plan_amounts(amount, MATRIX), first, percent=Decimal(0), lent_on=lent_on, currency="USD"
    )
    assert sum(p.amount for p in planned) == amount
    assert all(p.interest == 0 for p in planned)


def test_interest_is_never_counted_backwards() -> None:
    planned = loan_schedule(
        [100_00], Week(date(2025, 10, 5)), percent=Decimal(10), lent_on=date(2025, 10, 8), currency="USD"
    )
    assert planned[0].interest == 0
    assert interest(365_00, Decimal(10), 10, "USD") == 1_00


@pytest.mark.parametrize(
    ("weekly", "days", "amount"),
    [(700_00, 4, 400_00), (500_00, 4, 285_71), (500_00, 7, 500_00), (500_00, 0, 0), (100_00, 1, 14_29)],
)
def test_a_part_of_a_week(weekly: int, days: int, amount: int) -> None:
    assert prorated(weekly, days, "USD") == amount


def test_a_week_has_seven_days() -> None:
    with pytest.raises(ValueError, match="seven"):
        prorated(1, 8, "USD")


@pytest.mark.parametrize(
    ("starts", "ends", "days"),
    [
        (date(2025, 1, 1), None, 7),
        (date(2025, 10, 8), None, 4),
        (date(2025, 1, 1), date(2025, 10, 8), 4),
        (date(2025, 10, 8), date(2025, 10, 8), 1),
        (date(2025, 1, 1), date(2025, 10, 4), 0),
        (date(2025, 10, 12), None, 0),
    ],
)
def test_active_days(starts: date, ends: date | None, days: int) -> None:
    assert active_days(Week(date(2025, 10, 5)), starts, ends) == days


@pytest.mark.parametrize(
    ("open_week", "earliest", "weeks"),
    [(date(2025, 10, 5), date(2025, 10, 26), 3), (date(2025, 10, 26), date(2025, 10, 5), 0)],
)
def test_what_is_left_of_a_plan_moves_forward_only(open_week: date, earliest: date, weeks: int) -> None:
    assert weeks_late(Week(open_week), Week(earliest)) == weeks


def debts(*rows: tuple[str, int]) -> list[Debt]:
    """Debts of categories and amounts, each a day younger than the one before."""
    return [
        Debt(n, name, date(2025, 10, 1) + timedelta(days=n), amount) for n, (name, amount) in enumerate(rows)
    ]


EXAMPLE = debts(
    ("miscellaneous", 10_00), ("loans", 105_50), ("repairs", 100_00), ("tickets", 25_00), ("lease", 500_00),
    ("tolls", 40_00), ("taxes", 60_00),
)  # fmt: skip


def test_categories_come_in_their_order_and_the_last_is_covered_in_part() -> None:
    covered = allocate(600_00, EXAMPLE, order=ORDER)
    assert covered == [(6, 60_00), (5, 40_00), (4, 500_00)]
    assert allocate(610_00, EXAMPLE, order=ORDER)[-1] == (3, 10_00)
    assert allocate(600_00, EXAMPLE, order=("repairs", "taxes"))[:2] == [(2, 100_00), (6, 60_00)]


def test_the_oldest_of_a_category_comes_first() -> None:
    rows = [Debt(1, "repairs", date(2025, 10, 12), 50), Debt(2, "repairs", date(2025, 10, 5), 50)]
    assert allocate(60, rows, order=ORDER) == [(2, 50), (1, 10)]


def test_the_driver_keeps_the_protected_part_and_caps_hold() -> None:
    assert (
        sum(amount for _, amount in allocate(600_00, EXAMPLE, order=ORDER, protected_minor=100_00)) == 500_00
    )
    assert allocate(50_00, EXAMPLE, order=ORDER, protected_minor=100_00) == []
    capped = dict(allocate(1_000_00, EXAMPLE, order=ORDER, weekly_caps={"lease": 300_00, "tickets": 0}))
    assert capped[4] == 300_00
    assert 3 not in capped
    two = [Debt(1, "lease", date(2025, 10, 5), 200), Debt(2, "lease", date(2025, 10, 12), 200)]
    assert allocate(1_000, two, order=ORDER, weekly_caps={"lease": 300}) == [(1, 200), (2, 100)]


ROWS = st.lists(st.tuples(st.sampled_from(ORDER), st.integers(1, 1_000)), max_size=12)


@given(
    st.integers(0, 5_000),
    ROWS,
    st.integers(0, 2_000),
    st.dictionaries(st.sampled_from(ORDER), st.integers(0, 500)),
)
def test_allocation_takes_no_more_than_there_is_owed_or_allowed(
    available: int, rows: list[tuple[str, int]], protected: int, caps: dict[str, int]
) -> None:
    open_ones = debts(*rows)
    covered = allocate(available, open_ones, order=ORDER, weekly_caps=caps, protected_minor=protected)
    by_id = {debt.id: debt for debt in open_ones}
    assert len({debt_id for debt_id, _ in covered}) == len(covered)
    assert all(0 < amount <= by_id[debt_id].open_minor for debt_id, amount in covered)
    taken = sum(amount for _, amount in covered)
    assert taken <= max(0, available - protected)
    by_category = Counter[str]()
    for debt_id, amount in covered:
        by_category[by_id[debt_id].category] += amount
    assert all(by_category[name] <= cap for name, cap in caps.items())
    if not caps:
        assert taken == min(max(0, available - protected), sum(debt.open_minor for debt in open_ones))


def figures(
    earnings: int, charges: int, *, credit: int = 0, debt: int = 0, adjustments: int = 0, applied: int = 0,
    protected: int = 0, least: int = 0,
) -> Receipt:  # fmt: skip
    """A week in which everything owed is one debt."""
    pool = pool_of(credit, earnings, adjustments, applied)
    allocated = min(max(0, pool - protected), debt + charges - applied)
    paid = to_pay(pool - allocated, least)
    return Receipt(credit, debt, earnings, charges, adjustments, applied, allocated, paid)


def test_the_receipt_with_money_for_the_driver() -> None:
    found = figures(1_000_00, 840_50)
    assert (found.net, found.paid, found.closing) == (159_50, 159_50, 0)


def test_the_receipt_of_a_driver_who_owes() -> None:
    found = figures(600_00, 840_50)
    assert (found.net, found.paid, found.closing, found.closing_debt) == (-240_50, 0, -240_50, 240_50)
    following = figures(1_000_00, 500_00, debt=found.closing_debt)
    assert (following.opening, following.net, following.paid) == (-240_50, 259_50, 259_50)


def test_too_little_to_pay_out_is_carried_as_it_is() -> None:
    found = figures(20_00, 15_00, least=10_00)
    assert (found.net, found.paid, found.closing, found.closing_credit) == (5_00, 0, 5_00, 5_00)


def test_a_protected_part_is_paid_although_something_is_owed() -> None:
    found = figures(600_00, 840_50, protected=100_00)
    assert (found.net, found.paid, found.closing) == (-240_50, 100_00, -340_50)


@given(
    st.lists(
        st.tuples(st.integers(0, 900), st.integers(0, 900), st.integers(0, 100), st.integers(0, 200)),
        min_size=1,
        max_size=12,
    ),
    st.integers(0, 50),
)
def test_weeks_follow_one_another_without_losing_a_cent(weeks: list[tuple[int, ...]], least: int) -> None:
    credit = debt = total = 0
    for earnings, charges, adjustments, protected in weeks:
        applied = min(adjustments, debt + charges)
        found = figures(
            earnings, charges, credit=credit, debt=debt, adjustments=adjustments, applied=applied,
            protected=protected, least=least,
        )  # fmt: skip
        assert found.opening + earnings - charges + adjustments - found.paid == found.closing
        assert found.closing_credit - found.closing_debt == found.closing
        assert min(found.closing_credit, found.closing_debt, found.paid) >= 0
        credit, debt = found.closing_credit, found.closing_debt
        total += earnings - charges + adjustments - found.paid
    assert total == credit - debt


def facts(takes: bool = True, *days: tuple[date, date | None]) -> LeaseFacts:
    """A lease of October 2025."""
    on = days or ((date(2025, 10, 1), None),)
    return LeaseFacts(takes, date(2025, 10, 1), date(2025, 10, 31), on)


@pytest.mark.parametrize(
    ("lease", "day", "word"),
    [
        (facts(), date(2025, 10, 5), ""),
        (facts(False), date(2025, 10, 5), "not charged"),
        (facts(), date(2025, 9, 30), "does not run"),
        (facts(), date(2025, 11, 1), "does not run"),
        (facts(True, (date(2025, 10, 1), date(2025, 10, 4))), date(2025, 10, 5), "was not on this lease"),
        (
            facts(True, (date(2025, 10, 1), date(2025, 10, 4)), (date(2025, 10, 5), None)),
            date(2025, 10, 5),
            "",
        ),
    ],
)
def test_may_this_be_charged_under_this_lease(lease: LeaseFacts, day: date, word: str) -> None:
    found = why_not_charged(lease, day)
    assert word in found
    assert bool(word) is bool(found)
