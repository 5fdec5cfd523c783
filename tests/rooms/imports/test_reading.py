"""Days, numbers and letters as lists write them; what nobody can read is refused."""

from __future__ import annotations

import pytest

from webapp.imports import values
from webapp.imports.columns import (
    Reading,
    guess,
    guess_reading,
    header_digest,
    map_exactly,
    visible,
)
from webapp.imports.forms import reading_of_locale
from webapp.imports.kinds import find_kind
from webapp.imports.reading import encoding_of, read
from webapp.kernel.errors import Invalid
from webapp.programs.installations.importing.kinds import INSTALLATIONS, RATES
from webapp.web.exports import defuse


@pytest.mark.parametrize(
    ("text", "order", "day"),
    [
        ("31/12/2026", "dmy", "2026-12-31"),
        ("31.12.2026", "dmy", "2026-12-31"),
        ("1-2-26", "dmy", "2026-02-01"),
        ("12/31/2026", "mdy", "2026-12-31"),
        ("12/31/2026 00:00:00", "mdy", "2026-12-31"),
        ("2026-12-31", "dmy", "2026-12-31"),
        ("31 Dec 2026", "mdy", "31 Dec 2026"),
        ("03/04/2026", "iso", "03/04/2026"),
    ],
)
def test_days_by_the_order_of_the_list(text: str, order: str, day: str) -> None:
    assert values.plain_day("day", text, order) == day


@pytest.mark.parametrize(
    ("text", "order"), [("31/12/2026", "mdy"), ("12/31/2026", "dmy"), ("30.02.2026", "dmy")]
)
def test_a_day_that_does_not_exist_is_refused(text: str, order: str) -> None:
    with pytest.raises(Invalid, match="no such day"):
        values.plain_day("day", text, order)


@pytest.mark.parametrize(
    ("text", "decimal", "plain"),
    [
        ("1,234.50", ".", "1234.50"),
        ("1.234,50", ",", "1234.50"),
        ("1 234,50 €", ",", "1234.50"),
        ("₹ 1,23,456.70", ".", "123456.70"),
        ("-5", ".", "-5"),
        ("\N{MINUS SIGN}5,5", ",", "-5.5"),
        ("1'234.5", ".", "1234.5"),
        ("60%", ".", "60"),
        ("1.234", ",", "1234"),
        ("1,234", ".", "1234"),
    ],
)
def test_numbers_by_the_sign_of_the_list(text: str, decimal: str, plain: str) -> None:
    assert values.plain_number("n", text, decimal) == plain


@pytest.mark.parametrize(
    ("text", "decimal"),
    [("12.50", ","), ("12,50", "."), ("1,2,3", "."), ("1e400", "."), ("nan", "."), ("five", "."), ("1.5.2", "."),
     ("", "."), ("-", ","), ("1,23.5", ".")],
)  # fmt: skip
def test_a_number_of_another_country_is_refused_not_guessed(text: str, decimal: str) -> None:
    with pytest.raises(Invalid, match="is not a number"):
        values.plain_number("n", text, decimal)


@pytest.mark.parametrize(
    ("locale", "dates", "decimal"),
    [
        ("en_US", "mdy", "."),
        ("en_GB", "dmy", "."),
        ("de_DE", "dmy", ","),
        ("hi_IN", "dmy", "."),
        ("sv_SE", "iso", ","),
    ],
)
def test_the_locale_says_what_is_usual(locale: str, dates: str, decimal: str) -> None:
    assert reading_of_locale(locale) == Reading(dates, decimal)


def test_the_file_says_more_than_the_locale() -> None:
    table = read(b"ref;size;on\nA;6,44;31/12/2025\nB;1.000,5;01/02/2026\n")
    assert guess_reading(table, Reading("mdy", ".")) == Reading("dmy", ",")
    table = read(b'ref,size,on\nA,7,01/02/2026\nB,"1,234",02/02/2026\n')
    assert guess_reading(table, Reading("mdy", ",")) == Reading("mdy", ",")
    table = read(b"ref,size,on\nA,6.44,12/31/2025\n")
    assert guess_reading(table, Reading("dmy", ",")) == Reading("mdy", ".")


def test_cells_are_read_as_the_list_writes_them() -> None:
    chosen = {"external_ref": "ref", "size": "Größe", "commissioned_on": "Tag", "shares": "Anteile"}
    table = read('ref;Größe;Tag;Anteile\nA;1.234,5;03/04/2026;"33,3; 66,7"\nB;12.50;12/31/2026;\n'.encode())
    good, bad = map_exactly(INSTALLATIONS, table, chosen, Reading("dmy", ",")).rows()
    assert dict(good.cells) == {
        "external_ref": "A", "size": "1234.5", "commissioned_on": "2026-04-03", "shares": "33.3; 66.7",
    }  # fmt: skip
    assert [(p.line, p.column, p.value, p.example) for p in bad.problems] == [
        (3, "Größe", "12.50", "1.234,50"),
        (3, "Tag", "12/31/2026", "31/12/2026"),
    ]


def test_a_mapping_names_what_is_missing_or_there_twice() -> None:
    table = read(b"a,b\n1,2\n")
    for chosen, name in (({"name": "a"}, "rate_type"), ({"name": "a", "rate_type": "a"}, "rate_type"),
                         ({"name": "gone"}, "name")):  # fmt: skip
        with pytest.raises(Invalid) as refused:
            map_exactly(RATES, table, chosen, Reading())
        assert refused.value.field == name


def test_names_in_common_use_are_guessed() -> None:
    kind = find_kind("payees")
    assert kind is not None
    table = read(b"Role,Full name,E-Mail,Telephone,Your reference,Colour\nowner,Ana,a@x.example,1,P-1,red\n")
    assert guess(kind, table) == {
        "kind": "Role", "name": "Full name", "email": "E-Mail", "phone": "Telephone",
        "external_ref": "Your reference",
    }  # fmt: skip


def test_the_order_of_columns_and_our_own_column_do_not_make_another_header() -> None:
    first, second = read(b"a,b\n1,2\n"), read(b"B,A,problem\n2,1,wrong\n")
    assert header_digest(first) == header_digest(second)
    assert header_digest(first) != header_digest(read(b"a,c\n1,2\n"))


@pytest.mark.parametrize(
    "text", ["=1+2", "+1 555 0100", "-x", "@now", "  =1", "'quoted'", "plain", "-5", "'s"]
)
def test_what_our_files_do_to_formulas_is_undone(text: str) -> None:
    assert values.clean("n", defuse(text)) == " ".join(text.split())


@pytest.mark.parametrize("hidden", ["\x07", "\x1b", "\x7f", "\u202e", "\u2066", "\x9b", "\ufffd"])
def test_hidden_characters_are_refused_with_their_number(hidden: str) -> None:
    with pytest.raises(Invalid, match=f"U\\+{ord(hidden):04X}"):
        values.clean("name", f"Ana{hidden}Souza")


def test_marks_that_print_nothing_are_dropped_and_letters_of_every_script_stay() -> None:
    assert values.clean("name", "\u200fמאיה\u200e  כהן\n") == "מאיה כהן"
    assert values.clean("name", "می\u200cخواهم") == "می\u200cخواهم", "a joiner is part of the spelling"
    with pytest.raises(Invalid, match="10,000 characters"):
        values.clean("name", "x" * 10_000)
    assert visible("a\u202eb") == "a\\u202eb"


def test_the_encoding_is_known_or_asked_for() -> None:
    text = "name\nÁna\n"
    assert [encoding_of(text.encode(e)) for e in ("utf-8", "utf-8-sig", "utf-16", "cp1252")] == [
        "utf-8", "utf-8", "utf-16", "",
    ]  # fmt: skip
    assert read(text.encode("cp1252"), "windows-1252").rows[0][1] == ("Ána",)
    assert "Windows-1252" in read(text.encode("cp1252")).notes[0]
