"""Lists of a clinic: what is stored, what is refused at which cell, and the same file again changes nothing."""

from __future__ import annotations

import io
import json
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from flask import Flask
from sqlalchemy import func, select

from tests.factories import clinic, people
from tests.factories.people import actor_of
from tests.programs.clinic.test_flow import clean, click
from webapp.audit.models import AuditEvent
from webapp.database import db, transaction
from webapp.imports import kinds
from webapp.imports.columns import Reading, map_exactly
from webapp.imports.commands import import_file
from webapp.imports.perform import perform, template, template_rows
from webapp.imports.reading import read
from webapp.imports.report import Report
from webapp.ledger.models import JournalEntry
from webapp.people.models import Organisation, Payee
from webapp.programs.clinic import paying
from webapp.programs.clinic.importing import KINDS
from webapp.programs.clinic.models import Appointment, ClinicTransaction, Customer, Invoice
from webapp.web.exports import write_xlsx

PRACTITIONERS = (
    "external_ref,name,email\nPR-1,Dr Ada Bell,ada@example.com\nPR-2,Theo Tremblay,theo@example.com\n"
)
CUSTOMERS = (
    "external_ref,name,email,phone\nC-1,Alex Morgan,alex@example.com,+1 416 555 0100\nC-2,आशा मेहता,,\n"
)
APPOINTMENTS = (
    "external_ref,customer,day,time,category,practitioners,weights\n"
    "A-1,C-1,2026-11-03,09:30,Physiotherapy,PR-1; theo@example.com,60; 40\n"
    "A-2,आशा मेहता,2026-11-04,,,PR-2,\n"
)
INVOICES = (
    "external_ref,customer,appointment,issued_on,due_on,description,quantity,unit_price,discount,tax_percent,"
    "order_reference\n"
    "I-1,,A-1,2026-11-03,2026-11-20,Initial assessment; Taping,1; 2,90.00; 15.00,0; 5.00,13,\n"
    "I-2,C-2,,2026-11-05,,Foam roller,,24.50,,,SH-1001\n"
)
PAYMENTS = (
    "external_ref,invoice,amount,method,happened_on,provider_reference,fee\n"
    "P-1,I-1,60.00,gateway,2026-11-04,ch_3001,2.10\n"
    "P-2,INV-002,24.50,cash,2026-11-05,,\n"
)
ALL = {
    "practitioners": PRACTITIONERS, "customers": CUSTOMERS, "appointments": APPOINTMENTS, "invoices": INVOICES,
    "payments": PAYMENTS,
}  # fmt: skip
MODELS = (Payee, Customer, Appointment, Invoice, ClinicTransaction, JournalEntry)


@pytest.fixture
def care(database: Flask) -> Organisation:
    return clinic.carepoint()


def bring(care: Organisation, kind: str, text: str = "", **values: Any) -> Report:
    return perform(
        kind=kinds.get_kind(kind), data=(text or ALL[kind]).encode(), organisation=care, now=clinic.WHEN,
        audit_tag=f"clinic:{kind}:imported", **{"actor": people.FACTORY, **values},
    )  # fmt: skip


def bring_up_to(care: Organisation, last: str) -> None:
    for kind in ALL:
        report = bring(care, kind)
        assert not report.problems, report.problems
        if kind == last:
            return


def one(model: Any, external_ref: str) -> Any:
    db.session.rollback()
    return db.session.scalars(select(model).where(model.external_ref == external_ref)).one()


def counts() -> dict[Any, int]:
    return {model: db.session.scalar(select(func.count()).select_from(model)) or 0 for model in MODELS}


def test_everything_in_order_and_the_same_files_again_change_nothing(care: Organisation) -> None:
    first = {kind: bring(care, kind) for kind in ALL}
    assert {
        kind: (r.created, r.updated, r.refused, r.problems) for kind, r in first.items()
    } == dict.fromkeys(ALL, (2, 0, 0, []))
    before, events = counts(), db.session.query(AuditEvent).count()
    again = {kind: bring(care, kind) for kind in ALL}
    assert {
        kind: (r.unchanged, r.created + r.updated + r.refused) for kind, r in again.items()
    } == dict.fromkeys(ALL, (2, 0))
    assert (counts(), db.session.query(AuditEvent).count()) == (before, events)
    assert (before[ClinicTransaction], before[JournalEntry]) == (2, 2)

    visit = one(Appointment, "A-1")
    assert (visit.held_on, visit.category, visit.starts_at.isoformat()) == (
        date(2026, 11, 3), "Physiotherapy", "2026-11-03T14:30:00+00:00",
    )  # fmt: skip
    assert [(p.payee.name, p.weight, p.is_primary) for p in visit.practitioners] == [
        ("Dr Ada Bell", 60, True), ("Theo Tremblay", 40, False),
    ]  # fmt: skip
    invoice = one(Invoice, "I-1")
    # 90.00 + 11.70 tax; 2 × 15.00 − 5.00 + 3.25 tax.
    assert [(line.description, line.quantity, line.total_minor) for line in invoice.lines] == [
        ("Initial assessment", Decimal(1), 101_70), ("Taping", Decimal(2), 28_25),
    ]  # fmt: skip
    assert (invoice.number, invoice.total_minor, invoice.tax_minor, invoice.due_on) == (
        "INV-001", 129_95, 14_95, date(2026, 11, 20),
    )  # fmt: skip
    assert (invoice.state, invoice.received_minor, invoice.gateway_fee_minor) == ("partial", 60_00, 2_10)
    order = one(Invoice, "I-2")
    assert (order.about, order.order_reference, order.state) == ("order", "SH-1001", "paid_manual")
    assert clinic.holds(care) == 84_50
    assert clean(care)


def test_what_was_brought_in_can_be_paid_out(care: Organisation) -> None:
    bring_up_to(care, "payments")
    rest = "external_ref,invoice,amount,method,happened_on\nP-3,INV-001,69.95,pos,2026-11-09\n"
    assert bring(care, "payments", rest).created == 1
    invoice = one(Invoice, "I-1")
    made = click(invoice, clinic.WHEN)
    assert (made.payouts[0].gross_minor, made.payouts[0].amount_minor) == (115_00, 103_50)
    # Who is paid for it stays; the same file is no change.
    assert bring(care, "appointments").unchanged == 2
    report = bring(care, "appointments", APPOINTMENTS.replace("60; 40", "50; 50"))
    assert "is in a payout already" in report.problems[0].reason
    assert clean(care)


def test_whoever_brings_payments_in_does_not_approve_the_payout(care: Organisation) -> None:
    clerk = people.user("clerk@example.com", organisation=care, role="admin")
    bring_up_to(care, "invoices")
    bring(care, "payments", actor=actor_of(clerk))
    assert paying.recorders_of([one(Invoice, "I-1").id]) == {one(Invoice, "I-1").id: [clerk.id]}


def test_what_changed_is_updated(care: Organisation) -> None:
    bring_up_to(care, "invoices")
    assert bring(care, "customers", CUSTOMERS.replace("555 0100", "555 0101")).updated == 1
    later = APPOINTMENTS.replace("09:30", "10:00").replace("60; 40", "33.3; 66.7")
    assert bring(care, "appointments", later).updated == 1
    assert [p.weight for p in one(Appointment, "A-1").practitioners] == [333_000, 667_000]
    assert bring(care, "appointments", later).unchanged == 2


def test_columns_that_a_file_lacks_keep_what_is_stored(care: Organisation) -> None:
    bring_up_to(care, "appointments")
    assert bring(care, "customers", "external_ref,name\nC-1,Alex Morgan\nC-2,आशा मेहता\n").unchanged == 2
    short = "external_ref,customer,day\nA-1,C-1,2026-11-03\nA-2,C-2,2026-11-04\n"
    assert bring(care, "appointments", short).unchanged == 2


def test_part_payments_of_one_file_are_counted_together(care: Organisation) -> None:
    bring_up_to(care, "invoices")
    text = (
        "external_ref,invoice,amount,method,happened_on\n"
        "P-1,I-2,20.00,pos,2026-11-05\nP-2,I-2,4.50,pos,2026-11-06\nP-3,I-2,0.01,pos,2026-11-06\n"
        "P-4,I-1,129.96,pos,2026-11-06\n"
    )
    report = bring(care, "payments", text)
    assert (report.created, report.refused) == (2, 2)
    assert [(p.column, p.reason) for p in report.problems] == [
        ("invoice", "INV-002 is not paid any more: nothing is left to pay."),
        ("amount", "CA$129.95 of INV-001 is left to pay; not more."),
    ]


BAD = [
    ("customers", "external_ref,name,email,phone\n,,no address,1234567890123456789012345678901234567890123\n",
     {"external_ref", "name", "email", "phone"}),
    ("customers", "external_ref,name\nC-9,\nC-8,A\nC-8,B\n", {"name", "external_ref"}),
    ("appointments", "external_ref,customer,day,time,category,practitioners,weights\n"
     f"A-9,Nobody,31 Feb 2026,late,{'x' * 121},Nobody,1\nA-8,C-1,,25:00,,PR-1; PR-1,60; 40\n",
     {"customer", "day", "time", "category", "practitioners"}),
    ("appointments", "external_ref,customer,day,practitioners,weights\nA-9,C-1,2026-11-03,PR-1,60; 40\n"
     "A-8,C-1,2026-11-03,PR-1; PR-2,-1; 2\nA-7,C-1,2026-11-03,PR-1,NaN\n", {"weights"}),
    ("invoices", "external_ref,customer,appointment,issued_on,due_on,description,quantity,unit_price,discount,"
     "tax_percent,about,currency\n"
     "I-9,Nobody,A-9,soon,,A; B,many,5.001; 1,1,200; x; 3,gift,dollars\n",
     {"customer", "appointment", "issued_on", "quantity", "unit_price", "discount", "tax_percent", "about",
      "currency"}),
    ("invoices", "external_ref,customer,appointment,issued_on,due_on,description,unit_price,discount,about\n"
     "I-9,C-2,A-1,2026-11-03,,,5.00,,\nI-8,C-1,,2026-11-03,2026-11-01,A,5.00,,appointment\n"
     "I-7,C-1,,2026-11-03,2026-11-01,A,5.00,,\nI-6,C-1,,2026-11-03,,A,5.00,6.00,\nI-5,C-1,,2026-11-03,,A,0,,\n",
     {"customer", "description", "appointment", "due_on", "discount", "unit_price"}),
    ("invoices", INVOICES.replace("90.00", "91.00").replace("2026-11-05", "2026-11-06").replace("Taping", "Tape"),
     {"unit_price", "description", "issued_on"}),
    ("payments", "external_ref,invoice,amount,method,happened_on,provider_reference,fee\n"
     "P-9,Nothing,0,barter,soon,ch_3001,-1\nP-8,I-1,5.00,cash,2027-01-01,,1.00\nP-7,I-2,1.00,pos,2026-11-06,,\n",
     {"invoice", "amount", "method", "happened_on", "provider_reference", "fee"}),
    ("payments", PAYMENTS.replace("60.00", "61.00").replace("cash", "pos").replace("2.10", "2.20")
     .replace("2026-11-05", "2026-11-06"), {"amount", "method", "fee", "happened_on"}),
    ("payments", PAYMENTS.replace("INV-002", "I-1"), {"invoice"}),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "text", "columns"), BAD)
def test_every_bad_cell_is_named_and_nothing_of_the_row_is_stored(
    care: Organisation, kind: str, text: str, columns: set[str]
) -> None:
    bring_up_to(care, "payments")
    before = counts()
    report = bring(care, kind, text)
    good = report.created
    assert {problem.column for problem in report.problems} == columns
    assert all(problem.reason for problem in report.problems)
    assert sum(counts().values()) == sum(before.values()) + good
    # The preview, which stores nothing, says the same of the first row.
    importer_kind = kinds.get_kind(kind)
    table = read(text.encode())
    mapped = map_exactly(importer_kind, table, {name: name for name in table.header}, Reading())
    importer = importer_kind.importer(care, mapped, people.FACTORY, clinic.WHEN)
    rows = list(mapped.rows())
    importer.prepare(rows)
    said = {error.field for error in importer.check(rows[0])} | {  # type: ignore[attr-defined]
        problem.column for problem in rows[0].problems
    }
    assert said == {p.column for p in report.problems if p.line == 2}


def test_a_dry_run_reports_all_and_stores_nothing(care: Organisation) -> None:
    bring_up_to(care, "invoices")
    before, held = counts(), clinic.holds(care)
    report = bring(care, "payments", is_dry_run=True)
    assert (report.created, counts(), clinic.holds(care)) == (2, before, held)
    assert bring(care, "payments").created == 2


def test_another_organisation_is_not_seen(care: Organisation) -> None:
    bring_up_to(care, "payments")
    other = clinic.carepoint()
    for kind in ("appointments", "payments"):
        assert bring(other, kind).refused == 2
    assert bring(other, "customers").created == 2


def test_days_and_amounts_of_another_country(care: Organisation) -> None:
    bring_up_to(care, "appointments")
    text = (
        "external_ref;appointment;issued_on;description;unit_price;tax_percent\n"
        'I-1;A-1;03.11.2026;"Initial assessment; Taping";"1.090,50; 15,00";"12,5"\n'
    )
    table, kind = read(text.encode()), kinds.get_kind("invoices")
    mapped = map_exactly(kind, table, {name: name for name in table.header}, Reading("dmy", ","))
    importer = kind.importer(care, mapped, people.FACTORY, clinic.WHEN)
    rows = list(mapped.rows())
    with transaction():
        importer.prepare(rows)
        assert importer.apply(rows[0]) == "created"
    invoice = one(Invoice, "I-1")
    assert (invoice.issued_on, invoice.subtotal_minor, invoice.tax_minor) == (
        date(2026, 11, 3), 1_105_50, 138_19,
    )  # fmt: skip


@pytest.mark.parametrize("code", sorted(KINDS))
def test_templates_can_be_brought_in_as_csv_and_as_a_workbook(care: Organisation, code: str) -> None:
    kind = KINDS[code]
    file = io.BytesIO()
    write_xlsx(file, *template_rows(kind))
    for data in (template(kind).encode(), file.getvalue()):
        table = read(data)
        assert list(table.header) == [field.name for field in kind.template]
        assert len(table.rows) == 1
        assert set(kind.required) <= set(table.header)


def test_the_templates_themselves_fit_together(care: Organisation) -> None:
    clinic.practitioner(care, name="Second", external_ref="PR-2")
    for code, kind in KINDS.items():
        report = bring(care, code, template(kind))
        assert (report.created, report.problems) == (1, []), code


def test_the_command_knows_the_lists_of_the_organisation(care: Organisation, tmp_path: Path) -> None:
    slug = care.slug
    for kind, text in ALL.items():
        path = tmp_path / f"{kind}.csv"
        path.write_text(text, encoding="utf-8")
        done = CliRunner().invoke(import_file, [kind, str(path), "--organisation", slug, "--json"])
        assert (done.exit_code, json.loads(done.stdout)["created"]) == (0, 2), done.output
    refused = CliRunner().invoke(import_file, ["rates", str(path), "--organisation", slug])
    assert refused.exit_code == 2
    assert "It imports: payees, practitioners, customers, appointments, invoices, payments." in refused.stderr
    tags = set(db.session.scalars(select(AuditEvent.tag).where(AuditEvent.tag.like("%:imported"))))
    assert tags == {f"clinic:{kind}:imported" for kind in ALL}


def test_a_payment_of_the_future_is_none_today(care: Organisation) -> None:
    bring_up_to(care, "invoices")
    # Ten at night in Toronto is the next day in UTC.
    late = datetime.fromisoformat("2026-11-11T03:00:00+00:00")
    text = "external_ref,invoice,amount,method,happened_on\nP-1,I-1,5.00,pos,2026-11-11\n"
    report = perform(
        kind=kinds.get_kind("payments"), data=text.encode(), organisation=care, now=late,
        audit_tag="clinic:payments:imported", actor=people.FACTORY,
    )  # fmt: skip
    assert [problem.column for problem in report.problems] == ["happened_on"]
