"""Lists of rentals: what is stored, what is refused at which cell, and the same file again changes nothing."""

from __future__ import annotations

import io
import json
from datetime import date
from pathlib import Path

import pytest
from click.testing import CliRunner
from flask import Flask
from sqlalchemy import func, select

from tests.factories import people, rentals
from tests.factories.people import actor_of
from webapp.audit.models import AuditEvent
from webapp.database import db, transaction
from webapp.imports import kinds
from webapp.imports.columns import Reading, map_exactly
from webapp.imports.commands import import_file
from webapp.imports.perform import perform, template, template_rows
from webapp.imports.reading import read
from webapp.imports.report import Report
from webapp.people.models import Organisation
from webapp.programs.rentals import charging, letting
from webapp.programs.rentals.importing import KINDS
from webapp.programs.rentals.models import Lease, Property, RentCharge, ShareChange, Tenant, Unit
from webapp.web.exports import write_xlsx

OWNERS = "external_ref,name,email\nO-1,Asha Rao,asha@example.com\nO-2,Vikram Singh,vikram@example.com\n"
PROPERTIES = (
    "external_ref,name,address,units,reserve_target\n"
    'H-1,Lake View,"14 Lake Road, Pune",Flat 1A; Flat 1B,5000.00\n'
    "H-2,Hill House,,Shop,\n"
)
SHARES = "property,owners,shares\nH-1,O-1; O-2,60; 40\nHill House,vikram@example.com,\n"
TENANTS = (
    "external_ref,name,email,phone\n"
    "T-1,Meera Iyer,meera@example.com,+91 98200 12345\n"
    "T-2,आशा मेहता,asha.mehta@example.com,\n"
)
LEASES = (
    "external_ref,property,unit,tenants,rent,later_rents,start_on,due_day,deposit\n"
    "L-1,H-1,Flat 1A,T-1,25000.00,2027-04-01: 27500.00; 2028-04-01: 30000,2026-09-01,5,50000\n"
    "L-2,Hill House,shop,T-2; meera@example.com,10000.01,,2026-11-01,,\n"
)
OPEN = "lease,month,amount,due_on\nL-1,2026-07,12000.50,\nL-1,2026-08-01,25000,2026-08-10\n"
ALL = {
    "owners": OWNERS, "properties": PROPERTIES, "shares": SHARES, "tenants": TENANTS, "leases": LEASES,
    "open_rents": OPEN,
}  # fmt: skip


@pytest.fixture
def griha(database: Flask) -> Organisation:
    return rentals.griha()


def bring(griha: Organisation, kind: str, text: str = "", **values: object) -> Report:
    return perform(
        kind=kinds.get_kind(kind), data=(text or ALL[kind]).encode(), organisation=griha, now=rentals.WHEN,
        audit_tag=f"rentals:{kind}:imported", **{"actor": people.FACTORY, **values},  # type: ignore[arg-type]
    )  # fmt: skip


def bring_up_to(griha: Organisation, last: str) -> None:
    for kind in ALL:
        report = bring(griha, kind)
        assert not report.problems, report.problems
        if kind == last:
            return


def one(model: type, external_ref: str) -> object:
    db.session.rollback()
    return db.session.scalars(select(model).where(model.external_ref == external_ref)).one()  # type: ignore[attr-defined]


def count(model: type) -> int:
    return db.session.scalar(select(func.count()).select_from(model)) or 0


def test_everything_in_order_and_the_same_files_again_change_nothing(griha: Organisation) -> None:
    first = {kind: bring(griha, kind) for kind in ALL}
    assert {kind: (r.created, r.updated, r.refused) for kind, r in first.items()} == dict.fromkeys(
        ALL, (2, 0, 0)
    )
    versions = [(p.id, p.version) for p in db.session.query(Property).order_by(Property.id)]
    events = count(AuditEvent)
    again = {kind: bring(griha, kind) for kind in ALL}
    assert {
        kind: (r.unchanged, r.created + r.updated + r.refused) for kind, r in again.items()
    } == dict.fromkeys(ALL, (2, 0))
    assert [(p.id, p.version) for p in db.session.query(Property).order_by(Property.id)] == versions
    assert count(AuditEvent) == events
    assert (count(Unit), count(Lease), count(RentCharge)) == (3, 2, 2)
    # The first owners of a property are no change that has to be looked at again and again.
    assert count(ShareChange) <= 3

    place = one(Property, "H-1")
    assert isinstance(place, Property)
    assert (place.address, place.reserve_target_minor) == ("14 Lake Road, Pune", 5_000_00)
    assert [(s.payee.name, s.weight) for s in place.shares] == [("Asha Rao", 6000), ("Vikram Singh", 4000)]
    lease = one(Lease, "L-1")
    assert isinstance(lease, Lease)
    assert (lease.rent_minor, lease.deposit_minor, lease.due_day) == (25_000_00, 50_000_00, 5)
    assert [(r.valid_from, r.rent_minor) for r in lease.rents] == [
        (date(2027, 4, 1), 27_500_00), (date(2028, 4, 1), 30_000_00),
    ]  # fmt: skip
    assert charging.rent_on(lease, date(2027, 5, 1)) == 27_500_00
    second = one(Lease, "L-2")
    assert isinstance(second, Lease)
    assert [t.tenant.name for t in second.tenants] == ["आशा मेहता", "Meera Iyer"]
    charges = db.session.query(RentCharge).order_by(RentCharge.period_start).all()
    assert [(c.period_start, c.amount_minor, c.due_on, c.state) for c in charges] == [
        (date(2026, 7, 1), 12_000_50, date(2026, 7, 5), "open"),
        (date(2026, 8, 1), 25_000_00, date(2026, 8, 10), "open"),
    ]


def test_open_rent_stays_beside_what_is_asked_for_by_itself(griha: Organisation) -> None:
    bring_up_to(griha, "open_rents")
    with transaction():
        charging.make_charges(
            organisation_id=griha.id, today=date(2026, 11, 20), actor=people.FACTORY, now=rentals.WHEN
        )
    lease = one(Lease, "L-1")
    assert isinstance(lease, Lease)
    months = db.session.scalars(
        select(RentCharge.period_start)
        .where(RentCharge.lease_id == lease.id)
        .order_by(RentCharge.period_start)
    ).all()
    assert [month.month for month in months] == [7, 8, 9, 10, 11]
    # A month that Paydesk asked for itself is not asked for twice.
    report = bring(griha, "open_rents", "lease,month,amount\nL-1,2026-10-01,25000\nL-1,2026-09-01,24000\n")
    assert (report.unchanged, report.refused) == (1, 1)
    assert "asks for 25000.00 of this month already" in report.problems[0].reason


def test_whoever_brings_open_rent_or_shares_in_is_an_editor(griha: Organisation) -> None:
    clerk = people.user("clerk@example.com", organisation=griha, role="admin")
    bring_up_to(griha, "leases")
    bring(griha, "open_rents", actor=actor_of(clerk))
    place = one(Property, "H-1")
    assert isinstance(place, Property)
    assert place.edited_by_id == clerk.id


def test_what_changed_is_updated(griha: Organisation) -> None:
    bring_up_to(griha, "leases")
    changed = PROPERTIES.replace("Lake View", "Lake View Residency").replace("Flat 1B", "Flat 1B; Flat 2")
    assert (bring(griha, "properties", changed).updated, count(Unit)) == (1, 4)
    assert bring(griha, "shares", SHARES.replace("60; 40", "50; 50")).updated == 1
    assert bring(griha, "shares", "property,owners\nH-1,O-2; O-1\nH-2,O-2\n").unchanged == 2
    assert bring(griha, "tenants", TENANTS.replace("+91 98200 12345", "+91 98200 12346")).updated == 1
    more = LEASES.replace("2028-04-01: 30000", "2028-04-01: 30000; 2029-04-01: 32000")
    assert bring(griha, "leases", more).updated == 1
    ended = LEASES.replace("start_on", "end_on,start_on").replace("30000,2026", "30000,2027-03-31,2026")
    ended = ended.replace("10000.01,,2026", "10000.01,,,2026")
    assert (bring(griha, "leases", ended).updated, one(Lease, "L-1").state) == (1, "ended")  # type: ignore[attr-defined]
    assert bring(griha, "leases", ended).unchanged == 2


def test_columns_that_a_file_lacks_keep_what_is_stored(griha: Organisation) -> None:
    bring_up_to(griha, "tenants")
    assert bring(griha, "properties", "external_ref,name\nH-1,Lake View\nH-2,Hill House\n").unchanged == 2
    assert bring(griha, "tenants", "external_ref,name\nT-1,Meera Iyer\n").unchanged == 1


BAD = [
    ("properties", "external_ref,name,units,reserve_target\n,,Flat; flat,lots\n",
     {"external_ref", "name", "units", "reserve_target"}),
    ("properties", "external_ref,name,currency\nH-1,Lake View,USD\nH-9,A,ZZZ\nH-8,A,\nH-8,B,\n",
     {"currency", "external_ref"}),
    ("shares", "property,owners,shares\nNowhere,O-1; Nobody,60; 50\nH-1,O-1; O-2,70; 40\nH-1,O-1; O-1,\n",
     {"property", "owners", "shares"}),
    ("shares", "property,owners,shares\nH-1,O-1; O-2,100\nH-2,O-1,-5\nH-2,O-1,NaN\n", {"shares"}),
    ("tenants", "external_ref,name,email,phone\nT-1,,no address,1234567890123456789012345678901234567890123\n",
     {"name", "email", "phone"}),
    ("leases", "external_ref,property,unit,tenants,rent,later_rents,start_on,end_on,due_day,deposit\n"
     "L-9,H-1,Attic,Nobody,-1,soon: 5,31 Feb 2026,,31,none\n",
     {"unit", "tenants", "rent", "later_rents", "start_on", "due_day", "deposit"}),
    ("leases", "external_ref,property,unit,tenants,rent,start_on,end_on\nL-9,H-1,Flat 1B,T-1,5,2026-11-01,2026-10-01\n"
     "L-1,H-1,Flat 1B,T-2,26000,2026-10-01,\n", {"end_on", "unit", "tenants", "rent", "start_on"}),
    ("leases", "external_ref,property,unit,tenants,rent,later_rents,start_on\n"
     "L-9,H-1,Flat 1B,T-1,5,2026-11-15: 6; 2026-12-01: 7; 2026-12-20: 8,2026-11-01\n"
     "L-1,H-1,Flat 1A,T-1,25000,2027-04-01: 28000,2026-09-01\n", {"later_rents"}),
    ("open_rents", "lease,month,amount,due_on\nL-9,soon,0,never\nL-1,2027-01-01,5,\nL-1,2026-08-01,5,2026-07-31\n"
     "L-2,2026-08-01,5.001,\n", {"lease", "month", "amount", "due_on"}),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "text", "columns"), BAD)
def test_every_bad_cell_is_named_and_nothing_of_the_row_is_stored(
    griha: Organisation, kind: str, text: str, columns: set[str]
) -> None:
    bring_up_to(griha, "leases")
    before = {model: count(model) for model in (Property, Unit, Tenant, Lease, RentCharge)}
    report = bring(griha, kind, text)
    good = report.created
    assert {problem.column for problem in report.problems} == columns
    assert all(problem.reason for problem in report.problems)
    after = {model: count(model) for model in (Property, Unit, Tenant, Lease, RentCharge)}
    assert sum(after.values()) == sum(before.values()) + good
    # The preview, which stores nothing, says the same of the first row.
    importer_kind = kinds.get_kind(kind)
    table = read(text.encode())
    mapped = map_exactly(importer_kind, table, {name: name for name in table.header}, Reading())
    importer = importer_kind.importer(griha, mapped, people.FACTORY, rentals.WHEN)
    rows = list(mapped.rows())
    importer.prepare(rows)
    said = {error.field for error in importer.check(rows[0])} | {  # type: ignore[attr-defined]
        problem.column for problem in rows[0].problems
    }
    assert said == {p.column for p in report.problems if p.line == 2}


def test_another_lease_of_the_same_unit_is_refused(griha: Organisation) -> None:
    bring_up_to(griha, "leases")
    report = bring(
        griha, "leases",
        "external_ref,property,unit,tenants,rent,start_on\nL-7,H-1,Flat 1A,T-2,5,2026-11-01\n",
    )  # fmt: skip
    assert "is let already under" in report.problems[0].reason


def test_another_organisation_is_not_seen(griha: Organisation) -> None:
    bring_up_to(griha, "leases")
    other = rentals.griha()
    for kind in ("shares", "leases", "open_rents"):
        assert bring(other, kind).refused == 2
    assert bring(other, "properties").created == 2


def test_days_and_amounts_of_another_country(griha: Organisation) -> None:
    bring_up_to(griha, "tenants")
    text = (
        "external_ref;property;unit;tenants;rent;later_rents;start_on\n"
        'L-1;H-1;Flat 1A;T-1;25.000,50;"01.04.2027: 27.500,00";01.09.2026\n'
    )
    table, kind = read(text.encode()), kinds.get_kind("leases")
    mapped = map_exactly(kind, table, {name: name for name in table.header}, Reading("dmy", ","))
    importer = kind.importer(griha, mapped, people.FACTORY, rentals.WHEN)
    rows = list(mapped.rows())
    with transaction():
        importer.prepare(rows)
        assert importer.apply(rows[0]) == "created"
    lease = one(Lease, "L-1")
    assert isinstance(lease, Lease)
    assert (lease.rent_minor, lease.start_on) == (25_000_50, date(2026, 9, 1))
    assert [(r.valid_from, r.rent_minor) for r in lease.rents] == [(date(2027, 4, 1), 27_500_00)]


@pytest.mark.parametrize("code", sorted(KINDS))
def test_templates_can_be_brought_in_as_csv_and_as_a_workbook(griha: Organisation, code: str) -> None:
    kind = KINDS[code]
    file = io.BytesIO()
    write_xlsx(file, *template_rows(kind))
    for data in (template(kind).encode(), file.getvalue()):
        table = read(data)
        assert list(table.header) == [field.name for field in kind.template]
        assert len(table.rows) == 1
        assert set(kind.required) <= set(table.header)


def test_the_command_knows_the_lists_of_the_organisation(griha: Organisation, tmp_path: Path) -> None:
    slug = griha.slug
    for kind, text in ALL.items():
        path = tmp_path / f"{kind}.csv"
        path.write_text(text, encoding="utf-8")
        done = CliRunner().invoke(import_file, [kind, str(path), "--organisation", slug, "--json"])
        assert (done.exit_code, json.loads(done.stdout)["created"]) == (0, 2), done.output
    refused = CliRunner().invoke(import_file, ["rates", str(path), "--organisation", slug])
    assert refused.exit_code == 2
    assert "It imports: payees, owners, properties, shares, tenants, leases, open_rents." in refused.stderr
    tags = set(db.session.scalars(select(AuditEvent.tag).where(AuditEvent.tag.like("%:imported"))))
    assert tags == {f"rentals:{kind}:imported" for kind in ALL}


def test_a_lease_is_not_let_to_its_end_by_a_bad_end(griha: Organisation) -> None:
    bring_up_to(griha, "leases")
    lease = one(Lease, "L-1")
    assert isinstance(lease, Lease)
    with transaction():
        letting.end_lease(
            organisation_id=griha.id, reference=lease.reference, end_on=date(2027, 1, 31), actor=people.FACTORY,
            now=rentals.WHEN,
        )  # fmt: skip
    text = LEASES.replace("start_on", "end_on,start_on").replace("30000,2026", "30000,2027-03-31,2026")
    text = text.replace("10000.01,,2026", "10000.01,,,2026")
    report = bring(griha, "leases", text)
    assert "ended on 2027-01-31" in report.problems[0].reason
