"""A statement adds up, or there is none."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.rooms.statements.samples import DEDUCTIONS, earning, snapshot
from webapp.kernel.money import Money
from webapp.statements.build import DoesNotAddUp, LineFacts, build, clean, in_words


def test_lines_gross_deductions_and_net_agree() -> None:
    statement = build(snapshot(earning(1), earning(2), *DEDUCTIONS))
    assert statement.gross == Money(99_900, "USD")
    assert statement.other_total == Money(-11_005, "USD")
    assert statement.net == Money(88_895, "USD")
    assert [row.running.amount for row in statement.earned_rows] == [49_950, 99_900]
    assert [row.running.amount for row in statement.other_rows] == [-10_000, -11_000, -11_005]
    assert [(f.label, f.sign, f.amount.amount) for f in statement.strip] == [
        ("Earned", "", 99_900),
        ("Deductions", "−", 10_000),
        ("Tax", "−", 1_000),
        ("Adjustments", "−", 5),
        ("Net", "=", 88_895),
    ]


def test_an_adjustment_that_adds_is_earned() -> None:
    statement = build(snapshot(earning(1), LineFacts("adjustment", "Forgotten visit", 700)))
    assert statement.gross.amount == 50_650
    assert statement.other_rows == ()
    assert statement.strip == ()


@pytest.mark.parametrize("field", ["gross_minor", "amount_minor"])
def test_one_cent_off_is_refused_and_named(field: str) -> None:
    good = snapshot(earning(1), *DEDUCTIONS)
    with pytest.raises(DoesNotAddUp, match="PO-2026-000123") as raised:
        build(replace(good, **{field: getattr(good, field) + 1}))
    assert "add up to" in raised.value.message


def test_no_lines_is_refused() -> None:
    with pytest.raises(DoesNotAddUp, match="no lines"):
        build(replace(snapshot(), lines=(), gross_minor=0, amount_minor=0))


def test_each_rate_is_named_once() -> None:
    other = earning(3, details={"rate": "Battery (version 1)"})
    assert build(snapshot(earning(1), earning(2), other)).basis == (
        "Solar national (version 3)",
        "Battery (version 1)",
    )
    assert build(snapshot(earning(1, details={}))).basis == ()


@pytest.mark.parametrize(
    ("state", "stamp", "shows_payment"),
    [("paid", "Paid", True), ("approved", "Not yet paid", False), ("reversed", "Returned", False),
     ("rejected", "Rejected", False)],
)  # fmt: skip
def test_the_stamp_says_the_state(state: str, stamp: str, shows_payment: bool) -> None:
    statement = build(snapshot(state=state, reason="account closed"))
    assert statement.stamp == stamp
    assert bool(statement.paid_on) is bool(statement.payment_reference) is shows_payment
    assert statement.reason == ("account closed" if state in ("reversed", "rejected") else "")


def test_paper_follows_the_country() -> None:
    assert build(snapshot(country="US")).page_size == "Letter"
    assert build(snapshot(country="IN")).page_size == "A4"


@pytest.mark.parametrize(
    ("amount", "locale", "words"),
    [
        (Money(49_950, "USD"), "en_US", "Four hundred and ninety-nine US dollars and 50/100"),
        (Money(100, "USD"), "en_US", "One US dollar and 00/100"),
        (Money(1_500, "JPY"), "ja_JP", "One thousand, five hundred Japanese yen"),
        (Money(1_500, "KWD"), "ar_KW", "One Kuwaiti dinar and 500/1000"),
        (Money(12_345_678_950, "INR"), "en_IN",
         "Twelve crore, thirty-four lakh, fifty-six thousand, seven hundred and eighty-nine Indian rupees and 50/100"),
        (Money(-100, "USD"), "en_US", "Minus one US dollar and 00/100"),
    ],
)  # fmt: skip
def test_the_net_in_words(amount: Money, locale: str, words: str) -> None:
    assert in_words(amount, locale) == words


def test_words_fall_back_to_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: object, **_kwargs: object) -> str:
        raise NotImplementedError

    monkeypatch.setattr("webapp.kernel.words.num2words", refuse)
    assert in_words(Money(49_950, "USD"), "en_US") == "USD 499.50"


def test_names_are_one_printable_line() -> None:
    assert clean("  Evil\x00\r\nName\u202e054.1$\u2066 ") == "Evil Name054.1$"
    assert clean("Zoë مايا कमला") == "Zoë مايا कमला"


def test_the_masked_account_is_all_that_is_said() -> None:
    assert build(snapshot()).destination == "bank account ••4821"
    assert (
        build(snapshot(method_kind="upi", method_masked="m•••@okbank")).destination
        == "UPI address m•••@okbank"
    )
    assert build(snapshot(method_kind="manual", method_masked="")).destination == "by hand"
    assert build(snapshot(method_kind="", method_masked="")).destination == ""
