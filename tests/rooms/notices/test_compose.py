"""The words of the mails: complete in text, small in HTML, nothing secret, nothing alive."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
import tinyhtml5

from webapp.notices.compose import EVENTS, WALLET, NoticeFacts, NoticeLine, compose, destination

FACTS = NoticeFacts(
    event="paid",
    organisation="Solaria",
    contact="payouts@solaria.example",
    payee_name="Maya Okafor",
    reference="PO-2026-000123",
    currency="USD",
    home_currency="USD",
    gross_minor=101_000,
    amount_minor=91_000,
    period_start=date(2026, 10, 1),
    period_end=date(2026, 10, 31),
    locale="en_US",
    timezone="America/Los_Angeles",
    lines=tuple(
        NoticeLine(f"Installation {n}", "9.99 kW × 50.00 USD = 499.50 USD", 49_950) for n in range(40)
    ),
    destination="bank account ••4821",
    payment_reference="SBX1",
    paid_on=date(2026, 11, 3),
    cause="Account closed",
    decided_by="Ana Ruiz",
    next_try_at=datetime(2026, 11, 20, 12, tzinfo=UTC),
    link="https://pay.example.org/technician/payouts/PO-2026-000123",
)
EXPECTED = {
    "approved": ("Approved: $910.00 – PO-2026-000123", ["bank account ••4821", "9.99 kW × 50.00 USD = 499.50 USD",
                 "And 30 more lines.", "Net to pay", "$1,010.00", "−$100.00"]),
    "paid": ("Paid: $910.00 – PO-2026-000123", ["3 Nov 2026", "SBX1", "Net paid", "$1,010.00", "−$100.00"]),
    "failed": ("We could not pay PO-2026-000123", ["Account closed", "We try again on 20 Nov 2026, 04:00 PST",
               "stays owed to you"]),
    "rejected": ("PO-2026-000123 needs a change", ["Account closed", "Ana Ruiz"]),
    "reversed": ("The bank returned PO-2026-000123", ["Account closed", "stays owed to you"]),
}  # fmt: skip


def words_of(html: str) -> str:
    """What a reader sees of an HTML mail."""
    body = tinyhtml5.parse(html, namespace_html_elements=False).find("body")
    return " ".join("".join(body.itertext()).split())


@pytest.mark.parametrize("event", EVENTS)
def test_subject_text_and_html_say_the_same(event: str) -> None:
    mail = compose(replace(FACTS, event=event))
    subject, words = EXPECTED[event]
    assert mail.subject == subject
    seen = words_of(mail.html)
    for said in (
        *words,
        "Hello Maya Okafor,",
        "We never ask for bank details by e-mail.",
        "payouts@solaria.example",
    ):
        assert said in " ".join(mail.text.split()), said
        assert said in seen, said
    assert FACTS.link in mail.text
    assert f'href="{FACTS.link}"' in mail.html


@pytest.mark.parametrize("event", EVENTS)
def test_html_is_small_readable_and_without_parts_to_load(event: str) -> None:
    html = compose(replace(FACTS, event=event)).html
    assert len(html.encode()) <= 20_000
    assert '<html lang="en" dir="ltr">' in html
    assert '<meta name="color-scheme" content="light dark">' in html
    assert not re.search(r"<(img|script|link|style|iframe|form|object)\b|url\(|\bsrc=|class=", html)
    tables = re.findall(r"<table[^>]*>", html)
    figures = [table for table in tables if 'role="presentation"' not in table]
    assert len(figures) >= 1
    assert len(re.findall(r"<th ", html)) == len(re.findall(r'<th scope="(?:row|col)"', html)) > 0


@pytest.mark.parametrize("event", EVENTS)
def test_no_text_of_people_becomes_markup_or_another_line(event: str) -> None:
    hostile = '<script>alert(1)</script>\r\nBcc: x@y "><img src=x> {{ 7 * 7 }}'
    mail = compose(
        replace(
            FACTS, event=event, organisation=hostile, payee_name=hostile, cause=hostile, decided_by=hostile,
            destination=hostile, payment_reference=hostile, contact=hostile,
            lines=(NoticeLine(hostile, hostile, 1),),
        )
    )  # fmt: skip
    assert "<script>" not in mail.html
    assert "<img" not in mail.html
    assert "{{ 7 * 7 }}" in mail.html
    assert "\nBcc:" not in mail.text
    assert "\n" not in mail.subject
    assert "\r" not in mail.text


def test_without_a_page_of_their_own_there_is_no_link() -> None:
    mail = compose(replace(FACTS, link=""))
    assert 'href="http' not in mail.html
    assert "See the payout" not in mail.text
    assert "under Statements" not in mail.text


def test_without_a_destination_the_mail_asks_for_one() -> None:
    mail = compose(replace(FACTS, event="approved", destination=""))
    assert "Add your payment details" in mail.text
    assert "Add your payment details" in words_of(mail.html)


def test_without_a_next_try_the_mail_says_what_to_do() -> None:
    mail = compose(replace(FACTS, event="failed", next_try_at=None, cause=""))
    assert "check that your payment details are right" in mail.text
    assert "It gave no reason." in mail.text


def test_a_foreign_currency_is_named_and_decimals_follow_it() -> None:
    facts = replace(FACTS, currency="KWD", amount_minor=1_234_567, gross_minor=1_234_567)
    assert compose(facts).subject == "Paid: KWD1,234.567 – PO-2026-000123"
    assert "¥1,234,567 JPY" in compose(replace(facts, currency="JPY")).text
    rupees = replace(facts, currency="INR", home_currency="INR", locale="en_IN", amount_minor=1_234_567_850)
    assert "₹1,23,45,678.50" in compose(rupees).subject


def test_destinations() -> None:
    assert destination("bank_account", "••4821") == "bank account ••4821"
    assert destination("upi", "m•••@okbank") == "UPI address m•••@okbank"
    assert destination("manual", "") == "by hand"
    assert destination("bank_account", "") == ""


def test_an_event_without_a_mail_is_an_error() -> None:
    with pytest.raises(ValueError, match="cancelled"):
        compose(replace(FACTS, event="cancelled"))


def test_what_is_paid_into_a_wallet_speaks_of_no_bank() -> None:
    mail = compose(replace(FACTS, destination=WALLET, payment_reference=""))
    for words in (mail.text, words_of(mail.html)):
        assert "to your wallet on 3 Nov 2026" in words
        assert "You can have it sent to your bank from your wallet." in words
        assert "How it was calculated" in words
        assert "working days" not in words
