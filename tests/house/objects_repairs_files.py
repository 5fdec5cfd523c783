"""Example records for the files of repairs: every format, a driver's ledger, a file that a worker made."""

from __future__ import annotations

from datetime import date

from sqlalchemy import select
from werkzeug.datastructures import MultiDict

from tests.factories import actor_of, repairs
from tests.house.objects_drivers import lease_of
from tests.house.town import Arguments, House, example
from webapp.database import db
from webapp.kernel.clock import utc_now
from webapp.programs.repairs import exports, file_runs
from webapp.providers import storage
from webapp.runs.models import RowOutcome, RunRow
from webapp.web.table_files import FORMATS


@example("admin.repairs.repairs_file", "admin.repairs.instalments_file", "admin.repairs.receipts_file")
def formats(house: House, kind: str) -> list[Arguments]:
    """Every format of the files of lists."""
    repairs.repair(lease_of(house.payees["driver"]))
    return [{"format": name} for name in FORMATS]


@example("admin.repairs.ledger_file")
def a_ledger(house: House, kind: str) -> list[Arguments]:
    """A driver whose ledger is taken as a file."""
    payee = house.payees["driver"]
    lease_of(payee)
    repairs.charge(payee, "tickets", 25_00, repairs.DAY)
    return [{"reference": payee.reference, "format": name} for name in FORMATS]


@example("admin.repairs.make_file")
def wanted(house: House, kind: str) -> list[Arguments]:
    """A list whose file a worker makes."""
    return [{"kind": "repairs", "format": "csv"}]


@example("admin.repairs.made_file")
def a_made_file(house: House, kind: str) -> list[Arguments]:
    """A file that a worker made."""
    chosen = exports.choose("repairs", house.organisation, MultiDict(), date(2025, 10, 1))
    run = file_runs.start(
        organisation_id=house.organisation.id, chosen=chosen, args={}, driver="", format="csv",
        actor=actor_of(house.users["admin"]), now=utc_now(),
    )  # fmt: skip
    row = db.session.scalars(select(RunRow).where(RunRow.run_id == run.id)).one()
    row.outcome = RowOutcome.DONE.value
    storage.save(f"exports/{run.id}.csv", b"Repair,Invoice")
    return [{"reference": run.reference}]
