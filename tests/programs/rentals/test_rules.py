"""What becomes of a received rent, by tables of cases and in ten thousand random ones."""

from __future__ import annotations

import random
from datetime import date, timedelta
from decimal import Decimal
from itertools import accumulate, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webapp.kernel.errors import Invalid
from webapp.kernel.money import Money
from webapp.programs.rentals import rules
from webapp.programs.rentals.rules import Band, OpenBill, Owner, Received, Terms, Withholding

BANDS = (Band(10_000_00, Decimal("2.00")), Band(None, Decimal("2.50")))
GRIHA = Terms(Decimal(8), 0, Decimal(18))
ALONE = (Owner(1, "Asha", 1),)
TWO = (Owner(1, "Asha", 60), Owner(2, "Ravi", 40))


def rupees(text: str) -> Money:
    """An amount in rupees, as a person writes it."""
    return Money(int(Decimal(text).scaleb(2)), "INR")


@pytest.mark.parametrize(
    ("rent", "charge"),
    [
        ("8000", "160.00"),
        ("10000", "200.00"),
        ("10000.01", "250.00"),
        ("10000.20", "250.01"),  # 250.005 is rounded up
        ("0.25", "0.01"),  # half a paisa is rounded up
        ("12345678.90", "308641.97"),
    ],
)
def test_charge_of_the_gateway(rent: str, charge: str) -> None:
    assert rules.gateway_charge(rupees(rent), BANDS) == rupees(charge)


def test_no_bands_no_charge() -> None:
    assert rules.gateway_charge(rupees("8000"), ()) == rupees("0")


def test_a_rent_above_every_band_has_no_charge() -> None:
    with pytest.raises(ValueError, match="above every band"):
        rules.gateway_charge(rupees("10000.01"), BANDS[:1])


@pytest.mark.parametrize(
    ("bands", "what"),
    [
        (BANDS[:1], "no upper limit"),
        ((*BANDS, Band(None, Decimal(3))), "same amount"),
        ((*BANDS, Band(10_000_00, Decimal(3))), "same amount"),
    ],
)
def test_bands_that_leave_a_question_are_refused(bands: tuple[Band, ...], what: str) -> None:
    with pytest.raises(Invalid, match=what):
        rules.check_bands(bands)


def test_bands_that_cover_everything_are_taken() -> None:
    rules.check_bands(BANDS)
    rules.check_bands(())


def test_fee_and_its_tax_come_off() -> None:
    shared = rules.distribute(Received(rupees("10000"), ALONE, GRIHA))
    assert (shared.fee, shared.fee_tax, shared.distributable) == (
        rupees("800"),
        rupees("144"),
        rupees("9056"),
    )


def test_two_owners_share_by_weight() -> None:
    parts = rules.distribute(Received(rupees("10000"), TWO, GRIHA)).parts
    assert [part.net for part in parts] == [rupees("5433.60"), rupees("3622.40")]


def test_without_terms_the_owner_gets_the_full_rent() -> None:
    assert rules.distribute(Received(rupees("8000"), ALONE)).parts[0].net == rupees("8000")


def test_order_of_the_deductions() -> None:
    received = Received(
        rupees("10000"),
        ALONE,
        GRIHA,
        (Withholding("194-I", Decimal(10)),),
        (OpenBill(7, "Lift repair", 1_000_00),),
        reserve_missing_minor=500_00,
    )
    shared = rules.distribute(received)
    assert shared.withheld_by_section == (("194-I", rupees("1000")),)
    assert shared.bills_taken == ((7, rupees("1000")),)
    assert (shared.reserve, shared.distributable) == (rupees("500"), rupees("6556"))


def test_a_deduction_takes_no_more_than_is_left() -> None:
    received = Received(
        rupees("1000"), ALONE, GRIHA, (), (OpenBill(1, "Roof", 700_00), OpenBill(2, "Paint", 700_00)), 100_00
    )
    shared = rules.distribute(received)
    assert shared.bills_taken == ((1, rupees("700")), (2, rupees("205.60")))
    assert (shared.reserve, shared.distributable) == (rupees("0"), rupees("0"))


def test_a_flat_fee_above_the_rent_is_owed() -> None:
    shared = rules.distribute(Received(rupees("1000"), ALONE, Terms(Decimal(0), 1_500_00, Decimal(18))))
    assert (shared.fee, shared.fee_tax, shared.distributable) == (rupees("1000"), rupees("0"), rupees("0"))
    assert shared.fee_owed == rupees("770")  # 500 of the fee, and the tax on all of it


@pytest.mark.parametrize(
    ("rent", "before", "untaxed", "tax"),
    [
        ("50000", "0", "0", "0"),  # at the threshold: free
        ("50000.01", "0", "0", "5000.00"),  # above it: all of it
        ("20000", "40000", "40000", "6000.00"),  # what was free before is made up for
        ("20000", "60000", "0", "2000.00"),
    ],
)
def test_withheld_tax_by_threshold(rent: str, before: str, untaxed: str, tax: str) -> None:
    rule = Withholding("194-IB", Decimal(10), 50_000_00, rupees(before).amount, rupees(untaxed).amount)
    assert rules.distribute(Received(rupees(rent), ALONE, Terms(), (rule,))).withheld == rupees(tax)


@pytest.mark.parametrize(("amount", "owners"), [("0", ALONE), ("-1", ALONE), ("100", ())])
def test_nonsense_is_not_shared_out(amount: str, owners: tuple[Owner, ...]) -> None:
    with pytest.raises(ValueError, match="positive"):
        rules.distribute(Received(rupees(amount), owners))


_PERCENT = st.decimals(0, 100, places=4)
_MINOR = st.integers(0, 10**9)
_RECEIVED = st.builds(
    Received,
    st.integers(1, 10**11).map(lambda amount: Money(amount, "INR")),
    st.lists(st.integers(1, 10_000), min_size=1, max_size=7).map(
        lambda weights: tuple(Owner(n, f"Owner {n}", weight) for n, weight in enumerate(weights))
    ),
    st.builds(Terms, _PERCENT, _MINOR, _PERCENT),
    st.lists(st.builds(Withholding, st.just("194-I"), _PERCENT, _MINOR, _MINOR), max_size=2).map(tuple),
    st.lists(st.builds(OpenBill, st.just(1), st.just("Bill"), _MINOR), max_size=3).map(tuple),
    _MINOR,
)


def _adds_up(received: Received) -> None:
    shared = rules.distribute(received)
    names = ("fee", "fee_tax", "withheld", "bills", "reserve")
    for name in names:
        assert sum(getattr(part, name).amount for part in shared.parts) == getattr(shared, name).amount
    assert sum(part.gross.amount for part in shared.parts) == received.rent.amount
    assert sum(part.net.amount for part in shared.parts) == shared.distributable.amount
    for part in shared.parts:
        assert part.gross.amount == part.net.amount + sum(getattr(part, name).amount for name in names)
        assert part.net.amount >= 0


@given(_RECEIVED)
def test_parts_add_up_to_the_rent_to_the_last_paisa(received: Received) -> None:
    _adds_up(received)


def test_parts_add_up_in_ten_thousand_random_rents() -> None:
    chance = random.Random(20260401)
    for _ in range(10_000):
        owners = tuple(Owner(n, "", chance.randrange(1, 10_000)) for n in range(chance.randrange(1, 7)))
        terms = Terms(
            Decimal(chance.randrange(0, 2000)) / 100,
            chance.choice((0, 0, 99_99)),
            Decimal(chance.randrange(0, 2800)) / 100,
        )
        withheld = (
            Withholding("194-I", Decimal(chance.choice((0, 2, 5, 10))), chance.choice((0, 50_000_00))),
        )
        bills = (OpenBill(1, "", chance.randrange(0, 5_000_00)),)
        rent = Money(chance.randrange(1, 10 ** chance.randrange(2, 10)), "INR")
        _adds_up(Received(rent, owners, terms, withheld, bills, chance.randrange(0, 1_000_00)))


@pytest.mark.parametrize(
    ("day", "first", "last"),
    [
        (date(2026, 3, 31), date(2025, 4, 1), date(2026, 3, 31)),
        (date(2026, 4, 1), date(2026, 4, 1), date(2027, 3, 31)),
    ],
)
def test_tax_year_begins_in_april(day: date, first: date, last: date) -> None:
    assert rules.tax_year_of(day) == (first, last)


def test_polls_as_the_gateway_asks_for() -> None:
    asked = list(accumulate(rules.next_poll(n) for n in range(31)))
    assert asked[:3] == [20, 23, 26]
    assert (asked[10], asked[20], asked[26], asked[28], asked[29]) == (50, 110, 170, 230, 290)


_WEIGHTS = st.lists(st.integers(0, 10**10), min_size=1, max_size=9).filter(sum)


@given(_WEIGHTS, st.lists(st.integers(0, 10**11), max_size=12))
def test_parts_of_many_returns_add_up_however_they_are_cut(weights: list[int], cuts: list[int]) -> None:
    whole, taken = sum(weights), [0] * len(weights)
    sums = [0, *sorted(cut % (whole + 1) for cut in cuts), whole]
    for before, after in pairwise(sums):
        earlier, later = rules.nested_parts(weights, before), rules.nested_parts(weights, after)
        parts = [b - a for a, b in zip(earlier, later, strict=True)]
        assert min(parts) >= 0
        assert sum(parts) == after - before
        taken = [n + part for n, part in zip(taken, parts, strict=True)]
    assert taken == weights


def test_each_next_paisa_takes_nothing_from_anybody() -> None:
    weights = [800_00, 144_00, 0, 5_433_61, 3_622_39]
    before = [0] * len(weights)
    for amount in (*range(1, 2_000), *range(sum(weights) - 500, sum(weights) + 1)):
        after = rules.nested_parts(weights, amount)
        assert sum(after) == amount
        assert all(b >= a for a, b in zip(before, after, strict=True))
        exact = [amount * weight / sum(weights) for weight in weights]
        assert all(abs(n - wanted) < 1 for n, wanted in zip(after, exact, strict=True))
        before = after
    assert before == weights


@pytest.mark.parametrize(("weights", "amount"), [([1, 2], 4), ([1, 2], -1), ([3, -1], 1), ([], 1)])
def test_what_cannot_be_shared_out_in_parts(weights: list[int], amount: int) -> None:
    with pytest.raises(ValueError, match="from zero to the sum"):
        rules.nested_parts(weights, amount)


@pytest.mark.parametrize(
    ("checks", "hours", "seconds"), [(0, 0, 20), (40, 0.5, 60), (40, 2, 900), (0, 25, 3600)]
)
def test_polls_of_a_refund(checks: int, hours: float, seconds: int) -> None:
    assert rules.next_refund_poll(checks, timedelta(hours=hours)) == seconds
