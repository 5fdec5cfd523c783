"""The bytes of each format: figures, letters, and what is refused before anything is written."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from datetime import date, datetime
from typing import Any
from xml.etree import ElementTree

import pytest

from tests.factories.bankfiles import COLUMNS, NACHA, PAIN001
from webapp.bankfiles import columns, letters, nacha, pain001, setups
from webapp.bankfiles.writing import Entry, Making, Setup, Unwritable, next_business_day
from webapp.kernel.errors import Invalid
from webapp.kernel.money import Money

MAKING = Making("PDABCDEF0123456789ABCDEF01", datetime(2026, 11, 20, 9, 5), 1, date(2026, 11, 23), "USD")
IBAN = {"iban": "DE89370400440532013000"}
US = {"account_number": "000123456", "routing_number": "021000021"}
INDIA = {"account_number": "00040501234567", "ifsc": "HDFC0001234"}


def _setup(file_format: str, **values: Any) -> Setup:
    base = {"nacha": NACHA, "pain001": PAIN001, "columns": COLUMNS}[file_format]
    checked, account = setups.CHECKS[file_format]({**base, **values})
    return Setup(file_format, checked, account)


def _entry(n: int = 1, amount: int = 49_950, **values: Any) -> Entry:
    defaults: dict[str, Any] = {
        "transfer_row_id": n,
        "transfer_id": f"PD{n:024d}",
        "payout_id": n,
        "reference": f"PO-2026-{n:06d}",
        "amount_minor": amount,
        "currency": "USD",
        "name": "Maya Fernández",
        "scheme": "aba",
        "masked": "••3456",
        "details": US,
    }
    return Entry(**{**defaults, **values})


# ---- NACHA ----------------------------------------------------------------------------------------------


def _records(*entries: Entry, **values: Any) -> list[str]:
    data = nacha.write(_setup("nacha", **values), entries, MAKING).data.decode("ascii")
    return data.removesuffix("\r\n").split("\r\n")


def test_an_ach_file_is_what_the_network_asks_for() -> None:
    lines = _records(_entry(1), _entry(2, 1, details={**US, "routing_number": "011401533"}))
    assert all(len(line) == 94 for line in lines)
    assert len(lines) == 10
    assert [line[0] for line in lines] == ["1", "5", "6", "6", "8", "9", "9", "9", "9", "9"]
    assert lines[0] == (
        "101 02100002111234567892611200905A094101FIRST BANK             SOLARIA INC                    "
    )
    assert lines[1] == (
        "5220SOLARIA INC                         1123456789PPDPAYOUT    261120261123   1021000020000001"
    )
    assert lines[2] == (
        "622021000021000123456        0000049950PO-2026-000001 MAYA FERNANDEZ          0021000020000001"
    )
    entry_hash = 2_100_002 + 1_140_153
    assert lines[4] == (f"8220000002{entry_hash:010d}{0:012d}{49951:012d}1123456789{' ' * 25}021000020000001")
    assert lines[5] == f"9000001000001{2:08d}{entry_hash:010d}{0:012d}{49951:012d}" + " " * 39
    assert lines[6:] == ["9" * 94] * 4


@pytest.mark.parametrize(("count", "blocks"), [(6, 1), (7, 2), (16, 2), (17, 3)])
def test_blocks_of_ten_lines_are_filled(count: int, blocks: int) -> None:
    lines = _records(*(_entry(n + 1) for n in range(count)))
    assert len(lines) == blocks * 10
    control = next(line for line in lines if line[0] == "9" and line != "9" * 94)
    assert int(control[7:13]) == blocks


def test_the_hash_keeps_its_last_ten_digits() -> None:
    entries = [_entry(n + 1, 1, details={**US, "routing_number": "322271627"}) for n in range(400)]
    lines = _records(*entries)
    control = next(line for line in lines if line[0] == "9" and line != "9" * 94)
    assert control[21:31] == str(32_227_162 * 400)[-10:]
    assert 32_227_162 * 400 > 10**10


def test_traces_rise_whatever_the_order() -> None:
    lines = _records(_entry(9), _entry(3), _entry(5))
    traces = [line[79:94] for line in lines if line[0] == "6"]
    assert traces == sorted(traces) == ["021000020000003", "021000020000005", "021000020000009"]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"scheme": "iban", "details": IBAN}, "United States only"),
        ({"currency": "EUR"}, "in USD"),
        ({"amount_minor": 10**10}, "larger than an ACH entry"),
        ({"details": {**US, "routing_number": "021000022"}}, "check digit"),
        ({"details": {**US, "account_number": "1" * 18}}, "up to 17 signs"),
        ({"kind": "upi"}, "United States only"),
    ],
)
def test_what_does_not_fit_an_ach_file(values: dict[str, Any], words: str) -> None:
    assert words in nacha.why_not(_setup("nacha"), _entry(**values))
    assert nacha.why_not(_setup("nacha"), _entry()) == ""


def test_a_37th_ach_file_of_a_day_is_refused() -> None:
    late = Making(MAKING.message_id, MAKING.made_at, 37, MAKING.execute_on, "USD")
    with pytest.raises(Unwritable, match="36 ACH files a day"):
        nacha.write(_setup("nacha"), [_entry()], late)


# ---- pain.001 -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", pain001.VERSIONS)
@pytest.mark.parametrize(
    ("scheme", "details", "currency", "own"),
    [
        ("iban", IBAN, "EUR", {"service": "SEPA", "currency": "EUR"}),
        ("ifsc", INDIA, "INR",
         {"service": "NEFT", "currency": "INR", "iban": "", "bic": "", "account_number": "000405001234",
          "bank_code": "ICIC0000405"}),
        ("aba", US, "USD", {"bic": ""}),
    ],
)  # fmt: skip
def test_every_kind_of_account_satisfies_the_schema(
    version: str, scheme: str, details: dict[str, str], currency: str, own: dict[str, str]
) -> None:
    setup = _setup("pain001", version=version, **own)
    entry = _entry(scheme=scheme, details=details, currency=currency)
    making = Making(MAKING.message_id, MAKING.made_at, 1, MAKING.execute_on, currency)
    assert pain001.why_not(setup, entry) == ""
    written = pain001.write(
        setup, [entry, _entry(2, 5, scheme=scheme, details=details, currency=currency)], making
    )
    pain001.check(written.data, version)
    root = ElementTree.fromstring(written.data)
    space = {"p": f"urn:iso:std:iso:20022:tech:xsd:{version}"}
    assert [e.text for e in root.iterfind(".//p:NbOfTxs", space)] == ["2", "2"]
    assert [e.text for e in root.iterfind(".//p:CtrlSum", space)] == ["499.55", "499.55"]
    assert [e.text for e in root.iterfind(".//p:EndToEndId", space)] == [entry.transfer_id, f"PD{2:024d}"]
    assert [e.text for e in root.iterfind(".//p:CdtTrfTxInf/p:Cdtr/p:Nm", space)] == ["Maya Fernandez"] * 2
    day = root.find(".//p:ReqdExctnDt", space)
    assert day is not None
    assert "".join(day.itertext()).strip() == "2026-11-23"


def test_a_currency_without_decimals_has_none() -> None:
    setup = _setup("pain001", currency="JPY")
    making = Making(MAKING.message_id, MAKING.made_at, 1, MAKING.execute_on, "JPY")
    entry = _entry(amount=1234, currency="JPY", scheme="iban", details=IBAN)
    data = pain001.write(setup, [entry], making).data
    assert b'<InstdAmt Ccy="JPY">1234</InstdAmt>' in data


def test_what_breaks_the_schema_does_not_leave() -> None:
    data = pain001.write(_setup("pain001"), [_entry()], MAKING).data
    with pytest.raises(Unwritable, match=r"line \d+"):
        pain001.check(data.replace(b"<PmtMtd>TRF", b"<PmtMtd>XXX"), "pain.001.001.09")
    with pytest.raises(Unwritable, match="no XML"):
        pain001.check(data[:-20], "pain.001.001.09")
    with pytest.raises(Unwritable, match="no schema"):
        pain001.check(data, "../../etc/passwd")


def test_text_cannot_become_markup() -> None:
    entry = _entry(name='<Amt>&"Robert"; drop</Amt>')
    data = pain001.write(_setup("pain001"), [entry], MAKING).data
    assert b"<Nm>AmtRobert drop/Amt</Nm>" in data


def test_sepa_needs_an_iban_and_euros() -> None:
    setup = _setup("pain001", service="SEPA", currency="EUR")
    assert "needs an IBAN" in pain001.why_not(setup, _entry(currency="EUR"))
    assert "in EUR" in pain001.why_not(setup, _entry(scheme="iban", details=IBAN))


# ---- column files ---------------------------------------------------------------------------------------


def _rupees(n: int = 1, amount: int = 10_000_050, **values: Any) -> Entry:
    return _entry(n, amount, **{"currency": "INR", "scheme": "ifsc", "details": INDIA, **values})


def _rows(entries: list[Entry], **values: Any) -> list[list[str]]:
    making = Making(MAKING.message_id, MAKING.made_at, 1, MAKING.execute_on, "INR")
    data = columns.write(_setup("columns", **values), entries, making).data.decode("ascii")
    delimiter = {"tab": "\t"}.get(values.get("delimiter", ","), values.get("delimiter", ","))
    return list(csv.reader(io.StringIO(data, newline=""), delimiter=delimiter))


def test_the_shipped_template() -> None:
    own = _rupees(2, 1, details={**INDIA, "ifsc": "ICIC0000001"})
    large = _rupees(3, 20_000_000)
    header, *rows = _rows([_rupees(), own, large])
    assert len(header) == 19
    assert header[:7] == [
        "PYMT_PROD_TYPE_CODE",
        "PYMT_MODE",
        "DEBIT_ACC_NO",
        "BNF_NAME",
        "BENE_ACC_NO",
        "BENE_IFSC",
        "AMOUNT",
    ]
    assert rows[0][:7] == [
        "PAB_VENDOR",
        "NEFT",
        "000405001234",
        "Maya Fernandez",
        "00040501234567",
        "HDFC0001234",
        "100000.50",
    ]
    assert rows[0][12] == "23-11-2026"
    assert rows[0][13] == f"PD{1:024d}"
    assert (rows[1][1], rows[1][5]) == ("FT", "")
    assert rows[2][1] == "RTGS"


def test_ways_to_write_amounts_and_days() -> None:
    template = "A | account\nB | amount\nC | date\nD | reference"
    ways = {"columns": template, "delimiter": ";", "has_header": False}
    assert _rows([_rupees()], **ways, amounts="comma", dates="%Y%m%d")[0][1:3] == ["100000,50", "20261123"]
    assert _rows([_rupees()], **ways, amounts="minor", dates="%m/%d/%Y")[0][1:3] == ["10000050", "11/23/2026"]
    assert columns.amount_text(Money(1234, "JPY"), "point") == "1234"


def test_the_second_try_has_a_reference_of_its_own() -> None:
    template = "A | account\nB | amount\nD | reference"
    making = Making(MAKING.message_id, MAKING.made_at, 1, MAKING.execute_on, "INR")
    again = _entry(7, 5, currency="INR", scheme="ifsc", details=INDIA)
    second = replace(again, n=2)
    written = columns.write(_setup("columns", columns=template), [again, second], making)
    assert [line.key for line in written.lines] == ["PO-2026-000007", "PO-2026-000007-2"]


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("A | account", "Exactly one column must hold “amount”"),
        ("A | account\nB | account\nC | amount\nD | reference", "Exactly one column must hold “account”"),
        ("A | account\nC | amount", "“reference” or “transfer”"),
        ("A | account\nC | amount\nD | secret", "Line 3"),
        ("A | account\nC | amount\nD | reference | 0", "Line 3: the longest"),
        (
            'A | account\nC | amount\nD | reference\nE | "000405001234"',
            "Line 4: a fixed text has no long number",
        ),
        ('A | account\nC | amount\nD | reference\nE | "=1+1"', "Line 4: use letters"),
        ("=A | account\nC | amount\nD | reference", "is no heading"),
        ("just words", "Line 1: write heading, content"),
    ],
)
def test_a_template_that_cannot_be(template: str, words: str) -> None:
    with pytest.raises(Invalid) as found:
        columns.parse(template)
    assert words in found.value.message
    assert "Example:" in found.value.message


def test_an_account_is_never_cut() -> None:
    template = "A | account | 5\nB | amount\nD | reference"
    setup = _setup("columns", columns=template)
    assert "longer than the 5 signs" in columns.why_not(setup, _rupees())


# ---- letters --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "allowed", "found"),
    [
        ("Łukasz Żółć", letters.ISO, "Lukasz Zolc"),
        ("Straße & Söhne", letters.ISO, "Strasse Sohne"),
        ("Müller & Co.", letters.NACHA, "MULLER & CO."),
        ("=HYPERLINK(1)", letters.PLAIN, "HYPERLINK1"),
        ("+-@=1", letters.PLAIN, "1"),
        ("a,b;c|d\te\nf", letters.PLAIN, "abcd e f"),
        ("//x//", letters.ISO, "x"),
        ("राज", letters.ISO, "raaj"),
    ],
)
def test_names_in_the_letters_of_a_bank(text: str, allowed: frozenset[str], found: str) -> None:
    cleaned = letters.clean(text, allowed, 40)
    assert cleaned.text == found
    assert set(cleaned.text) <= allowed


def test_upper_case_is_no_change() -> None:
    assert not letters.clean("Maya Fernandez", letters.NACHA, 22).is_changed
    assert letters.clean("Maya Fernández", letters.NACHA, 22).is_changed
    assert letters.clean("A very long name of a company", letters.NACHA, 22).is_changed


@pytest.mark.parametrize(
    ("day", "ahead", "found"),
    [
        (date(2026, 11, 20), 0, date(2026, 11, 20)),
        (date(2026, 11, 20), 1, date(2026, 11, 23)),
        (date(2026, 11, 21), 0, date(2026, 11, 23)),
        (date(2026, 11, 21), 1, date(2026, 11, 23)),
        (date(2026, 11, 18), 3, date(2026, 11, 23)),
    ],
)
def test_banks_work_on_weekdays(day: date, ahead: int, found: date) -> None:
    assert next_business_day(day, ahead) == found


# ---- settings -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("file_format", "values", "field"),
    [
        ("nacha", {"odfi_routing": "021000022"}, "odfi_routing"),
        ("nacha", {"destination_routing": "12"}, "destination_routing"),
        ("nacha", {"company_id": "12"}, "company_id"),
        ("nacha", {"company_name": "A name that is too long"}, "company_name"),
        ("nacha", {"entry_class": "XYZ"}, "entry_class"),
        ("nacha", {"days_ahead": 11}, "days_ahead"),
        ("pain001", {"iban": "DE00 3704 0044 0532 0130 00"}, "iban"),
        ("pain001", {"bic": "NOBIC"}, "bic"),
        ("pain001", {"currency": "XX"}, "currency"),
        ("pain001", {"service": "SEPA"}, "currency"),
        ("pain001", {"version": "pain.001.001.01"}, "version"),
        ("pain001", {"initiator": "Ünïcode ☂"}, "initiator"),
        ("columns", {"bank_code": "nope"}, "bank_code"),
        ("columns", {"own_bank": "12"}, "own_bank"),
        ("columns", {"amounts": "comma"}, "amounts"),
        ("columns", {"answer_paid": ""}, "answer_paid"),
    ],
)
def test_settings_say_what_is_wrong(file_format: str, values: dict[str, Any], field: str) -> None:
    base = {"nacha": NACHA, "pain001": PAIN001, "columns": COLUMNS}[file_format]
    with pytest.raises(Invalid) as found:
        setups.CHECKS[file_format]({**base, **values})
    assert found.value.field == field
