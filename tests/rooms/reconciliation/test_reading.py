"""Statements as banks publish them, and what is refused with its reason."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from tests.rooms.reconciliation.world import Entry, camt
from webapp.imports.columns import Reading
from webapp.imports.reading import read as read_list
from webapp.kernel.errors import Invalid
from webapp.reconciliation import columns, reading, rules
from webapp.reconciliation.lines import Keyed, Line
from webapp.reconciliation.states import FileFormat, Source

DATA = Path(__file__).parents[2] / "data" / "bank_statements"
MT940 = [
    ("cmxl_mt940", [("DEM", 11, 8434974, 8443704), ("EUR", 2, 218795, 438795), ("PLN", 3, 4000000, 5004000)]),
    ("jejik_abnamro", [("EUR", 8, 323628, 87684), ("EUR", 2, 287684, 184975)]),
    ("jejik_generic", [("EUR", 1, 10000, 9000), ("EUR", 1, 9000, 8000)]),
    ("jejik_rabobank-iban", [("EUR", 2, 100000, 96500), ("EUR", 2, 96500, 93000)]),
    ("self-provided_february_30", [("EUR", 1, 120000, 119400)]),
    ("betterplace_sepa_snippet", [("EUR", 4, 76665649, 112525040), ("EUR", 7, -197043187, -447204909)]),
]


@pytest.mark.parametrize(("name", "statements"), MT940, ids=[name for name, _ in MT940])
def test_published_mt940_is_read_statement_by_statement(
    name: str, statements: list[tuple[str, int, int, int]]
) -> None:
    parsed = reading.read((DATA / "mt940" / f"{name}.sta").read_bytes()).parsed
    assert parsed is not None
    found = [(p.currency, len(p.lines), p.opening_minor, p.closing_minor) for p in parsed.statements]
    assert found == statements


def test_lines_that_do_not_lead_to_the_closing_balance_are_said() -> None:
    parsed = reading.read((DATA / "mt940" / "jejik_abnamro.sta").read_bytes()).parsed
    assert parsed is not None
    assert "differ by -2038.00 EUR" in parsed.notes[0]
    whole = reading.read((DATA / "mt940" / "jejik_generic.sta").read_bytes()).parsed
    assert whole is not None
    assert whole.notes == ()


def test_a_balance_without_a_currency_is_refused() -> None:
    with pytest.raises(Invalid, match="name no one currency"):
        reading.read((DATA / "mt940" / "self-provided_raphaelm.sta").read_bytes())


def test_a_credit_that_is_taken_back_goes_out() -> None:
    text = ":20:A\n:25:1\n:28C:1\n:60F:C261119EUR10,00\n:61:2611201120RC4,00NTRFNONREF\n:62F:C261120EUR6,00\n"
    parsed = reading.read(text.encode()).parsed
    assert parsed is not None
    assert [line.amount_minor for line in parsed.statements[0].lines] == [-400]
    assert parsed.notes == ()


def test_published_camt_is_read() -> None:
    parsed = reading.read((DATA / "camt" / "pain001pkg_camt053_sample.xml").read_bytes()).parsed
    assert parsed is not None
    (part,) = parsed.statements
    assert (part.account, part.currency, part.opening_minor) == ("DE89370400440532013000", "EUR", None)
    assert part.lines[0].text == "Incoming transfer from Jane Subscriber"


@pytest.mark.parametrize("version", ["02", "04", "08", "14"])
def test_every_version_of_camt_says_the_same(version: str) -> None:
    data = camt(
        [Entry(-1_234, "R1"), Entry(500, "R2"), Entry(-1, status="PDNG")], opening=100, version=version
    )
    parsed = reading.read(data).parsed
    assert parsed is not None
    (part,) = parsed.statements
    assert [line.amount_minor for line in part.lines] == [-1_234, 500]
    assert (part.opening_minor, part.closing_minor, part.imbalance) == (100, -634, 0)
    assert parsed.notes == ("1 entries that the bank has not booked yet are left out.",)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ((b'Ccy="USD">12.34', b'Ccy="USD">12.345'), "USD has 2 decimals"),
        ((b'Ccy="USD">12.34', b'Ccy="USD">NaN'), "larger than Paydesk accepts"),
        ((b'Ccy="USD">12.34', b'Ccy="USD">1e99'), "larger than Paydesk accepts"),
        ((b'Ccy="USD">12.34', b'Ccy="USD">twelve'), "where an amount belongs"),
        ((b'Ccy="USD">12.34', b'Ccy="EUR">12.34'), "the account is in USD"),
        ((b"<BookgDt><Dt>2026-11-20", b"<BookgDt><Dt>2026-02-30"), "where a day belongs"),
        ((b"DBIT", b"????"), "a credit or a debit"),
        ((b"<IBAN>DE89370400440532013000</IBAN>", b""), "which account"),
    ],
)
def test_a_damaged_statement_is_refused_as_a_whole(change: tuple[bytes, bytes], words: str) -> None:
    data = camt([Entry(-1_234, "R1")], opening=None)
    assert change[0] in data
    with pytest.raises(Invalid, match="".join(words)):
        reading.read(data.replace(*change))


def test_a_bomb_of_entities_is_refused_at_once() -> None:
    entities = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10))
    bomb = f'<?xml version="1.0"?><!DOCTYPE b [<!ENTITY a0 "x">{entities}]><Document>&a9;</Document>'
    with pytest.raises(Invalid, match="defines entities"):
        reading.read(bomb.encode())


def test_an_excerpt_of_the_running_day_is_refused() -> None:
    text = ":20:A\n:25:1\n:28C:1\n:34F:EUR0,\n:61:2611201120C4,00NTRFNONREF\n:90C:1EUR4,00\n"
    with pytest.raises(Invalid, match="MT942"):
        reading.read(text.encode())


@pytest.mark.parametrize(
    ("text", "utr"),
    [
        ("NEFT DR-HDFCN26112000017-ASHA RAO", "HDFCN26112000017"),
        ("RTGS UTIBR52026112000012345 OUT", "UTIBR52026112000012345"),
        ("UPI/432112345678/ASHA", "432112345678"),
        ("UTR: SBIN226324123456 done", "SBIN226324123456"),
        ("Salary of November", ""),
        ("CARD PURCHASE AMSTERDAM", ""),
    ],
)
def test_the_bank_s_number_is_found_in_what_it_says(text: str, utr: str) -> None:
    assert rules.find_references((text,)).utr == utr


def test_equal_lines_have_keys_of_their_own_that_stay_the_same() -> None:
    line = Line(date(2026, 11, 20), -500, "USD", text="Fee")
    first, second = Keyed(), Keyed()
    keys = [first.line("1", line).key for _ in range(3)]
    assert len(set(keys)) == 3
    assert [second.line("1", line).key for _ in range(3)] == keys
    assert Keyed().line("2", line).key != keys[0]


def _list(text: str, source: Source = Source.BANK, decimal: str = ".", **chosen: str) -> list[Line]:
    parsed = columns.read(
        read_list(text.encode()), source=source, chosen=chosen, reading=Reading("dmy", decimal),
        home_currency="USD", account="A", provider="cashfree",
    )  # fmt: skip
    return [line for part in parsed.statements for line in part.lines]


def test_a_list_newest_first_gives_the_same_balances() -> None:
    text = "Date,Amount,Balance\n21/11/2026,-5.00,15.00\n20/11/2026,10.00,20.00\n"
    table = read_list(text.encode())
    chosen = {"booked_on": "Date", "amount": "Amount", "balance": "Balance"}
    parsed = columns.read(
        table,
        source=Source.BANK,
        chosen=chosen,
        reading=Reading("dmy", "."),
        home_currency="USD",
        account="A",
    )
    (part,) = parsed.statements
    assert (part.opening_minor, part.closing_minor, part.imbalance) == (1_000, 1_500, 0)


def test_balances_that_do_not_follow_are_not_used() -> None:
    text = "Date,Amount,Balance\n20/11/2026,10.00,20.00\n21/11/2026,-5.00,16.00\n"
    chosen = {"booked_on": "Date", "amount": "Amount", "balance": "Balance"}
    parsed = columns.read(
        read_list(text.encode()), source=Source.BANK, chosen=chosen, reading=Reading("dmy", "."),
        home_currency="USD", account="A",
    )  # fmt: skip
    assert parsed.statements[0].opening_minor is None
    assert "do not follow" in parsed.notes[0]


def test_amounts_with_a_comma_and_two_columns_are_read() -> None:
    text = "Datum;Soll;Haben\n20.11.2026;1.234,50;\n21.11.2026;;7,00\n"
    found = _list(text, decimal=",", booked_on="Datum", debit="Soll", credit="Haben")
    assert [line.amount_minor for line in found] == [-123_450, 700]


def test_one_bad_row_refuses_the_list_and_names_its_line() -> None:
    with pytest.raises(Invalid, match=r"Line 3.*no such day"):
        _list("Date,Amount\n20/11/2026,10.00\n31/02/2026,5.00\n", booked_on="Date", amount="Amount")


def test_cashfree_s_report_is_known_by_its_columns() -> None:
    text = (
        "Transfer Id,Cashfree Transfer Id,Amount,Status,UTR,Added On,Transfer Mode\n"
        "PD22222222222222222222222A,CF1,12.50,SUCCESS,HDFCN26112000017,2026-11-20 10:15:00,banktransfer\n"
    )
    found = reading.read(text.encode())
    assert found.is_cashfree
    assert found.table is not None
    guessed, written = columns.guessed(columns.PROVIDER_LIST, found.table, Reading("iso", "."))
    parsed = columns.read(
        found.table, source=Source.PROVIDER, chosen=guessed, reading=written, home_currency="INR",
        provider="cashfree",
    )  # fmt: skip
    assert parsed.format is FileFormat.CASHFREE
    (line,) = parsed.statements[0].lines
    assert (line.our_id, line.amount_minor, line.status, line.utr, line.bank_reference) == (
        "PD22222222222222222222222A", -1_250, "SUCCESS", "HDFCN26112000017", "CF1",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("word", "state", "says_the_same"),
    [
        ("SUCCESS", "succeeded", True),
        ("SUCCESS", "failed", False),
        ("REVERSED", "succeeded", False),
        ("MANUALLY_REJECTED", "failed", True),
        ("PENDING", "accepted", True),
        ("PENDING", "succeeded", False),
        ("A WORD NOBODY KNOWS", "unknown", True),
        ("A WORD NOBODY KNOWS", "failed", False),
    ],
)
def test_a_provider_s_word_is_compared_by_what_it_means(word: str, state: str, says_the_same: bool) -> None:
    assert rules.agrees(rules.meaning(word), state) is says_the_same
