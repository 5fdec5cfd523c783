"""Everything that is wrong with a row is told at once: in the preview at the cell, on the page, in the file."""

from __future__ import annotations

import csv
import io
import re

import pytest
from sqlalchemy import func, select

from tests.factories import people
from tests.rooms.imports.conftest import Desk
from webapp.database import db, transaction
from webapp.imports.cells import BadCells, Cells, same
from webapp.imports.columns import Row
from webapp.imports.kinds import ChecksCells, registered
from webapp.imports.payees import PayeeImport
from webapp.kernel.errors import Invalid
from webapp.people.models import Payee
from webapp.programs.installations.drafts import RateDraft

INSTALLATIONS = (
    "external_ref,installation_type,size,capacity_unit,order_value,status,commissioned_on,quality_check,"
    "technicians,shares,currency\n"
    "J-1,solar,5,kW,100,commissioned,2026-01-02,passed,Tomas Ek,100,EUR\n"
    ",boat,five,miles,1.234567,gone,03.04.2026 x,maybe,Nobody,60;30,EURO\n"
)
RATES = (
    "name,installation_type,capacity_unit,min_size,max_size,rate_type,rate,bonus,priority,active,effective_from,"
    "effective_to,currency\n"
    "Good,solar,kW,0,10,per_unit,50,,1,yes,,,USD\n"
    ",boat,miles,-1,none,each,many,-5,first,perhaps,soon,2026-02-30,EURO\n"
)
PAYEES = (
    "kind,external_ref,name,email,phone,address,country\n"
    "owner,P-1,Ana,a@x.example,,,US\n"
    f"pilot,,,nowhere,{'1' * 121},,Germany\n"
)


def problems_in_file(desk: Desk, reference: str) -> list[str]:
    answer = desk.client.get(f"/admin/imports/{reference}/to-fix.csv")
    rows = list(csv.DictReader(io.StringIO(answer.data.decode("utf-8-sig"))))
    return [row["problem"] for row in rows]


@pytest.mark.parametrize(
    ("kind", "text", "columns"),
    [
        ("installations", INSTALLATIONS, INSTALLATIONS.split("\n")[0].split(",")),
        ("rates", RATES, RATES.split("\n")[0].split(",")),
        ("payees", PAYEES, ["kind", "external_ref", "name", "email", "phone", "country"]),
        ("technicians", PAYEES, ["external_ref", "name", "email", "phone", "country"]),
    ],
)
def test_every_bad_cell_of_a_row_is_named_with_an_example(
    desk: Desk, kind: str, text: str, columns: list[str]
) -> None:
    reference = desk.kept(kind, text)
    preview = desk.client.get(f"/admin/imports/{reference}/columns").text
    assert "1 of the first 2 rows cannot be brought in this way, the first on line 3." in preview
    assert preview.count('<span class="field-error">') == len(columns), "one at each bad cell"
    assert desk.columns(reference).status_code == 303
    assert desk.work(reference)
    row = desk.row(reference)
    assert (row.created, row.refused, row.rows) == (1, 1, 2), (
        "a row is refused once, whatever is wrong with it"
    )
    page = desk.page(reference)
    listed = re.findall(r'<th scope="row" class="num">3</th><td class="wrap"><bdi>([^<]+)</bdi>', page)
    assert listed == columns
    (said,) = problems_in_file(desk, reference)
    for column in columns:
        assert f"{column}: " in said, said
    assert said.count("Example: ") >= len(columns) - 1, "only a length needs no example"


def test_what_follows_from_an_unreadable_cell_is_not_told(desk: Desk) -> None:
    text = "external_ref;installation_type;size;capacity_unit;status;commissioned_on\n"
    text += "J\x07;solar;12.50;kW;commissioned;31/31/2026\nJ-2;solar;1,5;kW;commissioned;31/12/2025\n"
    reference = desk.check("installations", text, decimal=",", dates="dmy")
    (said,) = problems_in_file(desk, reference)
    assert "no reference" not in said
    assert "needs its date" not in said
    assert [part.split(":")[0] for part in said.split(" | ")] == [
        "external_ref", "size", "commissioned_on",
    ]  # fmt: skip


def test_a_row_with_too_few_cells_says_that_alone(desk: Desk) -> None:
    reference = desk.check("technicians", "external_ref,name,email\nT-1,Ana\n")
    assert problems_in_file(desk, reference) == [
        "It has 2 cells where the header has 3. Example: text with the delimiter in it stands in quotes"
    ]


def test_what_only_the_database_knows_comes_when_the_cells_are_fine(desk: Desk) -> None:
    with transaction():
        people.payee(desk.place.organisation, name="Old", external_ref="T-1")
    text = "external_ref,name,email\nT-1,Ana,a@x.example\nT-2,Ben,nowhere\nT-2,Ben,b@x.example\nT-2,Cem,nowhere\n"
    reference = desk.check("technicians", text)
    row = desk.row(reference)
    assert (row.updated, row.created, row.refused) == (1, 1, 2)
    assert problems_in_file(desk, reference) == [
        "email: This is not an e-mail address. Example: maya@example.com",
        "external_ref: Line 4 has the same reference. Example: T-101 | "
        "email: This is not an e-mail address. Example: maya@example.com",
    ]


def test_the_preview_shows_bad_rows_further_down_and_stores_nothing(desk: Desk) -> None:
    lines = [f"T-{n},Person {n},{'nowhere' if n in (90, 95) else ''}" for n in range(1, 101)]
    text = "external_ref,name,email\n" + "\n".join([*lines, "T-7,Again,"]) + "\n"
    before = db.session.scalar(select(func.count()).select_from(Payee))
    page = desk.client.get(f"/admin/imports/{desk.kept('technicians', text)}/columns").text
    assert "3 of the first 101 rows cannot be brought in this way, the first on line 91." in page
    assert re.findall(r'<th scope="row" class="num">(\d+)</th>', page) == [
        "2",
        "3",
        "4",
        "5",
        "6",
        "91",
        "96",
        "102",
    ]
    assert "Line 8 has the same reference." in page
    assert "Shown are the first rows, and the first of those to fix." in page
    short = desk.kept("technicians", "name\nAna\nBen\n")
    good = desk.client.get(f"/admin/imports/{short}/columns").text
    assert "All 2 rows are good as far as their cells tell." in good
    assert db.session.scalar(select(func.count()).select_from(Payee)) == before


def test_a_bug_in_looking_at_cells_costs_its_row_alone(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def check(self: PayeeImport, row: Row) -> tuple[Invalid, ...]:
        raise ZeroDivisionError

    reference = desk.kept("technicians", "name\nA\x07na\nBen\n")
    assert desk.columns(reference).status_code == 303
    monkeypatch.setattr(PayeeImport, "check", check)
    assert desk.work(reference)
    said = problems_in_file(desk, reference)
    assert "hidden character" in said[0]
    assert "Something went wrong on our side" in said[0]


def test_every_kind_can_say_all_that_is_wrong_with_a_row(desk: Desk) -> None:
    with desk.place.app.app_context():
        for kind in registered():
            table_of = kind.importer.func if hasattr(kind.importer, "func") else kind.importer
            assert issubclass(table_of, ChecksCells), kind.code  # type: ignore[arg-type]


def test_a_check_that_stops_at_the_first_thing_is_asked_again() -> None:
    draft = RateDraft(name="", capacity_unit="kW", rate_type="flat", rate=-1, currency="USD", priority=5000)  # type: ignore[arg-type]

    def check(each: RateDraft) -> None:
        for field, is_bad in (
            ("name", not each.name),
            ("rate", each.rate < 0),
            ("priority", each.priority > 9),
        ):
            if is_bad:
                raise Invalid(field, "Wrong.")

    cells = Cells(Row(2, {}, unread=frozenset({"rate"})))
    cells.examine(
        draft, check, {"name": same(name="x"), "rate": same(rate=1), "priority": same(priority=9999)}
    )
    assert [error.field for error in cells.errors] == ["name", "priority"], (
        "and no loop where the change is no help"
    )
    with pytest.raises(BadCells, match=r"Wrong\. Wrong\."):
        cells.finish()
