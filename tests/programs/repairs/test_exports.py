"""Files of the program's lists: in four formats the rows and the totals that the page has, by any filter and order."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import openpyxl
import pypdf
import pytest
from flask import Flask
from werkzeug.datastructures import MultiDict

from tests.factories import repairs as world
from tests.factories.repairs import sunday
from webapp.kernel.errors import Invalid, NotFound
from webapp.people.models import Organisation, Payee
from webapp.programs.repairs import exports
from webapp.web import listing
from webapp.web.table_files import FORMATS, pieces

NOW = datetime(2025, 10, 20, 12, tzinfo=UTC)
TODAY = date(2025, 10, 20)
FRIDAY = date(2025, 10, 10)


@pytest.fixture
def metrocab(database: Flask) -> Organisation:
    """A taxi fleet."""
    return world.metrocab(name="Metro Cab")


@pytest.fixture
def ann(metrocab: Organisation) -> Payee:
    """A driver with a repair, a loan, charges, a payment, and a receipt that pays her."""
    found = world.driver(metrocab, name="Ann Lee")
    lease = world.lease(found, 100_00)
    world.repair(lease, 500_50, description="=SUM(A1) brakes")
    world.repair(lease, 90_00)
    world.loan(found)
    world.charge(found, "taxes", 25_00, FRIDAY)
    world.earn(found, 900_00, FRIDAY)
    world.run(metrocab, sunday(0))
    world.run(metrocab, sunday(1))
    world.pay(found, 15_00, date(2025, 10, 14))
    return found


@pytest.fixture
def bob(metrocab: Organisation) -> Payee:
    """A driver who owes."""
    found = world.driver(metrocab, name="Bob Roy")
    world.repair(world.lease(found, 70_00), 1_001_00)
    return found


def parsed(what: str, here: Organisation, driver: str, args: dict[str, str]) -> dict[str, tuple[Any, Any]]:
    """Rows and totals as each format has them, in the words of JSON; what the PDF has is its text."""
    found = {}
    for format in FORMATS:
        chosen = exports.choose(what, here, MultiDict(args), TODAY, driver)
        table = exports.table(chosen, here, NOW)
        content = b"".join(pieces(table, format))
        found[format] = {"csv": _csv, "json": _json, "xlsx": _xlsx, "pdf": _pdf}[format](content, table)
    return found


def _csv(content: bytes, table: Any) -> tuple[Any, Any]:
    rows = list(csv.reader(io.StringIO(content.decode("utf-8-sig"))))
    assert rows[0] == [column.header for column in table.columns]
    return [[cell.removeprefix("'") for cell in row] for row in rows[1:]], None


def _json(content: bytes, table: Any) -> tuple[Any, Any]:
    found = json.loads(content)
    assert [column["key"] for column in found["columns"]] == [column.key for column in table.columns]
    return [[_said(cell) for cell in row.values()] for row in found["rows"]], found["totals"]


def _xlsx(content: bytes, table: Any) -> tuple[Any, Any]:
    book = openpyxl.load_workbook(io.BytesIO(content))
    rows = [
        [_said(cell).removeprefix("'") for cell in row]
        for row in book["Rows"].iter_rows(min_row=2, values_only=True)
    ]
    keys = ["currency", "count", *(key for key, _ in table.summed)]
    totals = [
        dict(zip(keys, row, strict=True)) for row in book["Totals"].iter_rows(min_row=2, values_only=True)
    ]
    return rows, totals


def _pdf(content: bytes, table: Any) -> tuple[Any, Any]:
    pages = pypdf.PdfReader(io.BytesIO(content), strict=True).pages
    return "".join("".join(page.extract_text().split()) for page in pages), None


def _said(cell: Any) -> str:
    if cell is None:
        return ""
    if isinstance(cell, datetime):
        return cell.date().isoformat()
    return f"{cell:.2f}" if isinstance(cell, float) else str(cell)


def agree(what: str, here: Organisation, args: dict[str, str], driver: str = "") -> list[list[str]]:
    """That the four files have the rows and totals of the list; returns the rows."""
    chosen = exports.choose(what, here, MultiDict(args), TODAY, driver)
    keys = [row.id for rows in listing.batches(chosen.listing, chosen.sort) for row in rows]
    on_page = {
        total.currency: {"count": total.count, **{name: each.plain for name, each in total.sums.items()}}
        for total in listing.totals(chosen.listing)
    }
    found = parsed(what, here, driver, args)
    rows, totals = found["json"]
    assert len(rows) == len(keys)
    assert found["csv"][0] == rows
    assert [[_number(cell) for cell in row] for row in found["xlsx"][0]] == [
        [_number(cell) for cell in row] for row in rows
    ]
    assert {total.pop("currency"): total for total in totals} == on_page
    for total in found["xlsx"][1]:
        for key, value in on_page[total.pop("currency")].items():
            assert Decimal(str(total[key])) == Decimal(str(value)), key
    text = found["pdf"][0]
    for row in rows:
        for cell in row:
            assert "".join(cell.split()) in text
    for currency, sums in on_page.items():
        label = dict(exports.SUMS[what])
        for key, value in sums.items():
            words = f"{value:,}row" if key == "count" else f"{label[key]} {value}"
            assert "".join(words.split()) in text, currency
    return rows


def _number(cell: str) -> Any:
    try:
        return Decimal(cell)
    except ArithmeticError:
        return cell


def test_repairs_instalments_and_receipts_agree_in_four_formats(
    metrocab: Organisation, ann: Payee, bob: Payee
) -> None:
    for what, args, n in (
        ("repairs", {}, 3),
        ("repairs", {"driver": "Ann", "sort": "-amount"}, 2),
        ("repairs", {"q": "brakes", "state": "open", "amount_from": "500.00"}, 1),
        ("repairs", {"state": "hold"}, 0),
        ("instalments", {}, 3 + 1 + 5 + 5),
        ("instalments", {"state": "unposted", "driver": ann.reference, "sort": "-week"}, 5),
        ("instalments", {"state": "due"}, 2 + 3),
        ("instalments", {"state": "paid"}, 2),
        ("receipts", {}, 2),
        ("receipts", {"sign": "negative"}, 1),
        ("receipts", {"payout": "with", "driver": ann.reference}, 1),
    ):
        rows = agree(what, metrocab, args)
        assert len(rows) == n, (what, args)


def test_the_order_of_the_page_is_the_order_of_the_file(
    metrocab: Organisation, ann: Payee, bob: Payee
) -> None:
    amounts = [row[12] for row in agree("repairs", metrocab, {"sort": "-amount"})]
    assert amounts == ["1001.00", "500.50", "90.00"]
    assert [row[12] for row in agree("repairs", metrocab, {"sort": "amount"})] == amounts[::-1]


def test_a_drivers_ledger_agrees_in_four_formats(metrocab: Organisation, ann: Payee, bob: Payee) -> None:
    rows = agree("ledger", metrocab, {}, ann.reference)
    kinds = {row[1] for row in rows}
    assert kinds == {"Charge", "Earning", "Payment or credit", "Payout"}
    assert ["2025-10-10", "Charge", "Taxes"] in [row[:3] for row in rows]
    (payment,) = agree("ledger", metrocab, {"kind": "adjustment"}, ann.reference)
    assert (payment[0], payment[2], payment[5]) == ("2025-10-14", "Payment by the driver", "15.00")
    assert agree("ledger", metrocab, {"category": "loans"}, bob.reference) == []
    with pytest.raises(NotFound):
        exports.choose("ledger", world.metrocab(), MultiDict(), TODAY, ann.reference)


def test_a_filter_that_cannot_be_read_is_no_file_of_everything(metrocab: Organisation) -> None:
    for what, args in (
        ("repairs", {"date_from": "yesterday"}),
        ("repairs", {"amount_from": "500", "amount_to": "100"}),
        ("instalments", {"state": "nonsense"}),
        ("receipts", {"week_from": "2025-10-12", "week_to": "2025-10-05"}),
    ):
        with pytest.raises(Invalid):
            exports.choose(what, metrocab, MultiDict(args), TODAY)


def test_words_of_a_filter_stand_in_the_file(metrocab: Organisation, ann: Payee) -> None:
    args = MultiDict({"state": "unposted", "driver": "Ann", "size": "25"})
    chosen = exports.choose("instalments", metrocab, args, TODAY)
    assert chosen.words == "State: Not charged yet; Driver: Ann"
    head = json.loads(b"".join(pieces(exports.table(chosen, metrocab, NOW), "json")))
    assert (head["title"], head["order"], head["made_at"]) == (
        "Instalments, Metro Cab", "week", "2025-10-20T12:00:00Z",
    )  # fmt: skip
