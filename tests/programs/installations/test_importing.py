"""Files from outside: real lists, bad rows named, repeatable, nothing half-done."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select

from tests.factories import people
from webapp.audit.models import AuditEvent
from webapp.database import db
from webapp.imports.reading import read
from webapp.kernel.actor import Actor
from webapp.kernel.errors import Invalid
from webapp.people.models import Organisation, Payee
from webapp.programs.installations import importing
from webapp.programs.installations.models import Installation, RateVersion

SOLAR = Path(__file__).parents[2] / "data" / "solar"
REAL = (SOLAR / "installations.csv").read_bytes()
PUBLISHED = (SOLAR / "installations_as_published.csv").read_bytes()


@pytest.fixture
def solaria(database: Flask) -> Organisation:
    return people.organisation("solaria")


def bring(
    organisation: Organisation, now: datetime, kind: str, data: bytes | str, **values: Any
) -> importing.Report:
    return importing.perform(
        kind=kind,
        data=data.encode() if isinstance(data, str) else data,
        organisation=organisation,
        actor=Actor(None, "test"),
        now=now,
        **values,
    )


def count(model: Any) -> int:
    return db.session.scalar(select(func.count()).select_from(model)) or 0


def test_a_real_list_comes_in_as_it_is(solaria: Organisation, now: datetime) -> None:
    technicians = bring(solaria, now, "technicians", REAL)
    report = bring(solaria, now, "installations", REAL)
    assert technicians.problems == report.problems == []
    assert technicians.created == count(Payee) == 40
    assert (report.created, report.rows) == (60, 60)
    row = db.session.scalars(select(Installation).where(Installation.external_ref == "2001")).one()
    assert (row.installation_type, row.size, row.capacity_unit) == ("solar", Decimal("6.44"), "kW")
    assert (row.order_value_minor, row.currency) == (5_931_258, "USD")
    assert (row.site, row.status, str(row.commissioned_on)) == (
        "Flushing, NY 11355",
        "commissioned",
        "2009-06-30",
    )
    assert [share.payee.name for share in row.shares] == ["Aeonsolar"]


def test_sizes_with_nine_decimals_are_kept_to_six_and_that_is_said(
    solaria: Organisation, now: datetime
) -> None:
    bring(solaria, now, "technicians", REAL)
    report = bring(solaria, now, "installations", REAL)
    assert report.notes[-1] == "Sizes are kept to 6 decimals; rounded on line 57, 58, 59, 60, 61."
    sizes = db.session.scalars(select(Installation.size).order_by(Installation.id.desc()).limit(5)).all()
    assert str(sizes[-1]) == "8.265204", "8.265204082 in the file"


def test_a_second_import_changes_nothing(solaria: Organisation, now: datetime) -> None:
    for kind in ("technicians", "installations"):
        first = bring(solaria, now, kind, REAL)
        events = count(AuditEvent)
        again = bring(solaria, now, kind, REAL)
        assert (again.created, again.updated, again.unchanged) == (0, 0, first.created)
        assert count(AuditEvent) == events


def test_a_dry_run_leaves_no_trace(solaria: Organisation, now: datetime) -> None:
    events = count(AuditEvent)
    report = bring(solaria, now, "technicians", REAL, is_dry_run=True)
    assert report.created == 40
    assert report.summary == (
        "40 rows read: 40 would be created, 0 would be updated, 0 unchanged, 0 with a problem."
    )
    assert count(Payee) == 0
    assert count(AuditEvent) == events
    assert bring(solaria, now, "technicians", REAL).created == 40
    assert db.session.scalars(select(Payee.reference).order_by(Payee.id)).first() == "PY-0001"


def test_installations_before_their_technicians_name_what_is_missing(
    solaria: Organisation, now: datetime
) -> None:
    report = bring(solaria, now, "installations", REAL)
    assert (report.created, len(report.problems)) == (0, 60)
    assert report.problems[0].text == (
        "Line 2, column installer ('Aeonsolar'): There is no technician 'Aeonsolar'. "
        "Import the technicians first. Example: T-100; T-101"
    )


def test_the_published_list_with_its_faults(solaria: Organisation, now: datetime) -> None:
    technicians = bring(solaria, now, "technicians", PUBLISHED)
    assert technicians.created > 10
    assert {p.column for p in technicians.problems} <= {"installer_clean"}
    report = bring(solaria, now, "installations", PUBLISHED)
    assert report.created + report.refused == report.rows
    assert report.refused == len({p.line for p in report.problems})
    assert any(p.column == "program1ProjectID" and "no reference" in p.reason for p in report.problems)
    assert any(p.column == "PTODate_orProxy_" and "needs its date" in p.reason for p in report.problems)
    stored = db.session.scalars(select(Installation)).all()
    assert len(stored) == report.created > 10
    assert all(row.size and row.size > 0 and row.commissioned_on for row in stored)
    assert any(row.order_value_minor is None for row in stored), "a missing price is not a price of -1"


INSTALLATIONS = (
    "external_ref,installation_type,size,capacity_unit,technicians,shares,commissioned_on,status\n"
)


@pytest.mark.parametrize(
    ("line", "column", "reason"),
    [
        (",solar,5,kW,Ana,,2026-01-02,", "external_ref", "no reference"),
        ("J1,boat,5,kW,Ana,,2026-01-02,", "installation_type", "'boat' is not a type here"),
        ("J1,solar,five,kW,Ana,,2026-01-02,", "size", "not a number"),
        ("J1,solar,-5,kW,Ana,,2026-01-02,", "size", "above 0"),
        ("J1,solar,0,kW,Ana,,2026-01-02,", "size", "above 0"),
        ("J1,solar,1e400,kW,Ana,,2026-01-02,", "size", "is not a number"),
        ("J1,solar,nan,kW,Ana,,2026-01-02,", "size", "not a number"),
        ("J1,solar,5,miles,Ana,,2026-01-02,", "capacity_unit", "not a unit"),
        ("J1,solar,5,,Ana,,2026-01-02,", "capacity_unit", "needs a unit"),
        ("J1,solar,5,kW,Nobody,,2026-01-02,", "technicians", "no technician 'Nobody'"),
        ("J1,solar,5,kW,Ana;Ana,,2026-01-02,", "shares", "named twice"),
        ("J1,solar,5,kW,Ana;Ben,60;30,2026-01-02,", "shares", "add up to 90"),
        ("J1,solar,5,kW,Ana;Ben,60,2026-01-02,", "shares", "2 technicians and 1 shares"),
        ("J1,solar,5,kW,Ana,,03/04/2026,", "commissioned_on", "one way only"),
        ("J1,solar,5,kW,Ana,,2026-02-30,", "commissioned_on", "one way only"),
        ("J1,solar,5,kW,Ana,,2030-01-01,", "commissioned_on", "in the future"),
        ("J1,solar,5,kW,Ana,,,commissioned", "commissioned_on", "needs its date"),
        ("J1,solar,5,kW,Ana,,2026-01-02,done", "status", "not a status"),
        ("J1,solar,5,kW,Ana,,2026-01-02", "", "7 cells where the header has 8"),
        ("J0,solar,5,kW,Ana,,2026-01-02,", "external_ref", "Line 2 has the same reference"),
    ],
)
def test_a_bad_row_is_named_and_the_others_are_stored(
    solaria: Organisation, now: datetime, line: str, column: str, reason: str
) -> None:
    for name in ("Ana", "Ben"):
        people.payee(solaria, name=name)
    good = "J0,solar,5,kW,Ana;Ben,60;40,2026-01-02,active\n"
    report = bring(solaria, now, "installations", INSTALLATIONS + good + line + "\n")
    (problem,) = report.problems
    assert (problem.line, problem.column) == (3, column)
    assert reason in problem.reason
    assert (report.rows, report.created) == (2, 1)
    (row,) = db.session.scalars(select(Installation))
    assert (row.external_ref, [s.weight for s in row.shares]) == ("J0", [6000, 4000])


def test_changed_rows_update_and_keep_what_the_file_does_not_say(
    solaria: Organisation, now: datetime
) -> None:
    people.payee(solaria, name="Ana")
    bring(solaria, now, "installations", INSTALLATIONS + "J1,solar,5,kW,Ana,,2026-01-02,active\n")
    report = bring(solaria, now, "installations", "external_ref,size\nJ1,6\n")
    assert (report.updated, report.problems) == (1, [])
    (row,) = db.session.scalars(select(Installation))
    assert (row.size, row.status, len(row.shares), str(row.commissioned_on)) == (6, "active", 1, "2026-01-02")


def test_a_mapping_brings_columns_of_other_names(solaria: Organisation, now: datetime) -> None:
    text = "Auftrag,Groesse,Art,Einheit\nA-1,5,solar,kW\n"
    mapping = {
        "Auftrag": "external_ref",
        "Groesse": "size",
        "Art": "installation_type",
        "Einheit": "capacity_unit",
    }
    assert bring(solaria, now, "installations", text, mapping=mapping).created == 1
    with pytest.raises(Invalid, match="no column 'Nix'"):
        bring(solaria, now, "installations", text, mapping={"Nix": "size"})
    with pytest.raises(Invalid, match="is not a column here"):
        bring(solaria, now, "installations", text, mapping={"Auftrag": "colour"})


@pytest.mark.parametrize(
    "data",
    [
        "\ufeffname;email\nÁna;a@example.com\n".encode(),
        "name\temail\nÁna\ta@example.com\n".encode("utf-16"),
        "name|email\r\nÁna|a@example.com\r\n".encode("cp1252"),
        'name,email\n"Ána",a@example.com\n\n\n'.encode(),
    ],
)
def test_encodings_and_delimiters(solaria: Organisation, now: datetime, data: bytes) -> None:
    report = bring(solaria, now, "technicians", data)
    assert (report.created, report.problems) == (1, [])
    assert db.session.scalars(select(Payee.name)).one() == "Ána"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"   \n", "empty"),
        (b"PK\x03\x04rest", "workbook is damaged"),
        (b"%PDF-1.7", "a PDF"),
        (b"\x89PNG\r\n\x1a\n", "a picture"),
        (b'{"a": 1}', "JSON"),
        (b"<!doctype html><p>", "a web page"),
        (b"name\x00,email\n", "no text has"),
        (b"1,2,3\n4,5,6\n", "must name the columns"),
        (b"name,name\na,b\n", "twice"),
        (b"colour,weight\nred,2\n", "has no column name"),
        (b'name,email\n"Ana,a@example.com\n', "cannot be read from line 2"),
        (b"name\n" + b"x" * (10 * 1024 * 1024), "larger than 10 MB"),
    ],
)
def test_what_is_no_list_is_refused_whole(
    solaria: Organisation, now: datetime, data: bytes, words: str
) -> None:
    with pytest.raises(Invalid, match=words):
        bring(solaria, now, "technicians", data)
    assert count(Payee) == 0


RATES = (
    "external_ref,name,installation_type,capacity_unit,min_size,max_size,rate_type,rate,bonus,priority\n"
    "a,Solar A,solar,kW,0,10,per_unit,50.00,,1\n"
    "b,Solar B,solar,kW,10,,per_unit,45.00,,2\n"
    "s,Starlink,starlink,,,,flat,75.00,,1\n"
)


def test_rates_become_versions(solaria: Organisation, now: datetime) -> None:
    assert bring(solaria, now, "rates", RATES).created == 3
    assert bring(solaria, now, "rates", RATES).unchanged == 3
    report = bring(solaria, now, "rates", RATES.replace("45.00", "46.00"))
    assert (report.updated, report.unchanged) == (1, 2)
    versions = db.session.scalars(select(RateVersion).where(RateVersion.name == "Solar B")).all()
    assert sorted((v.version, v.rate) for v in versions) == [(1, Decimal(45)), (2, Decimal(46))]


@pytest.mark.parametrize(
    ("line", "column", "reason"),
    [
        ("x,X,solar,kW,0,10,per_day,50,,1", "rate_type", "not a rate type"),
        ("x,X,solar,kW,0,10,per_unit,free,,1", "rate", "not a number"),
        ("x,X,solar,kW,0,10,per_unit,0,,1", "rate", "above 0"),
        ("x,X,solar,kW,10,5,per_unit,50,,1", "max_size", "below the minimum"),
        ("x,X,solar,,,,per_unit,50,,1", "capacity_unit", "needs a unit"),
        ("x,X,solar,kW,,,percentage,101,,1", "rate", "at most 100"),
        ("x,X,solar,kW,,,flat,75.005,,1", "rate", "2 decimals"),
        ("x,X,solar,kW,,,flat,75,,high", "priority", "whole number"),
        ("x,X,solar,kW,,,flat,75,-5,1", "bonus", "0 or more"),
        ("x,,solar,kW,,,flat,75,,1", "name", "Enter a name"),
    ],
)
def test_bad_rates_are_named(
    solaria: Organisation, now: datetime, line: str, column: str, reason: str
) -> None:
    report = bring(solaria, now, "rates", RATES + line + "\n")
    (problem,) = report.problems
    assert (problem.line, problem.column, report.created) == (5, column, 3)
    assert reason in problem.reason


def test_the_templates_can_be_imported(solaria: Organisation, now: datetime) -> None:
    people.payee(solaria, name="Second", external_ref="T-101")
    for kind in importing.KINDS:
        report = bring(solaria, now, kind, importing.template(kind))
        assert (report.created, report.problems) == (1, []), kind


def test_lines_are_counted_through_quoted_line_breaks() -> None:
    table = read(b'name,note\n"a","two\nlines"\nb,c\n')
    assert [line for line, _ in table.rows] == [2, 4]
