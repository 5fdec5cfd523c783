"""Example records of the reconciliation: a file that was not compared, one that was, a finding, saved columns."""

from __future__ import annotations

from sqlalchemy import select

from tests.factories import FACTORY
from tests.factories.payouts import WHEN
from tests.house.town import Arguments, House, example
from webapp.database import db
from webapp.kernel.ids import new_uid
from webapp.providers import storage
from webapp.reconciliation import reading, service
from webapp.reconciliation.models import ColumnMapping, Finding, StatementFile
from webapp.reconciliation.states import FileFormat, Source

STATEMENT = """:20:HOUSE{n}
:25:12345678
:28C:{n}/1
:60F:C261119USD0,00
:61:2611201120C10,00NTRFNONREF//{slug}{n}
:86:Interest
:62F:C261120USD10,00
"""


def _file(house: House, n: int) -> StatementFile:
    data = STATEMENT.format(n=n, slug=house.organisation.slug[:8]).encode()
    organisation_id = house.organisation.id
    known = db.session.scalar(
        select(StatementFile).where(
            StatementFile.organisation_id == organisation_id, StatementFile.sha256 == service.sha256(data)
        )
    )
    if known is not None:
        return known
    key = f"reconciliation/{organisation_id}/{new_uid()}.bin"
    storage.save(key, data)
    return service.add_file(
        organisation_id=organisation_id, file_name="house.sta", data=data, storage_key=key, source=Source.BANK,
        file_format=FileFormat.MT940, provider="", lines=1, actor=FACTORY, now=WHEN,
    )  # fmt: skip


def _finding(house: House) -> Finding:
    of_house = (Finding.organisation_id == house.organisation.id, Finding.kind == "theirs_only")
    query = select(Finding).where(*of_house).order_by(Finding.id).limit(1)
    if (found := db.session.scalar(query)) is not None:
        return found
    file = _file(house, 1)
    parsed = reading.read(storage.read(file.storage_key)).parsed
    assert parsed is not None
    service.compare(file=file, parsed=parsed, switch=False, actor=FACTORY, now=WHEN)
    return db.session.scalars(query).one()


@example("admin.reconciliation.preview", "admin.reconciliation.run", "admin.reconciliation.drop")
def a_statement_file(house: House, kind: str) -> list[Arguments]:
    """A file that was looked at and not compared."""
    return [{"reference": _file(house, 2).reference}]


@example("admin.reconciliation.result")
def a_comparison(house: House, kind: str) -> list[Arguments]:
    """A comparison of one file."""
    _finding(house)
    return [{"reference": "CM-0001"}]


@example(
    "api.findings",
    "admin.reconciliation.finding",
    "admin.reconciliation.assign",
    "admin.reconciliation.resolve",
)
def a_finding(house: House, kind: str) -> list[Arguments]:
    """A line that we know nothing of."""
    return [{"finding_id": _finding(house).id}]


@example("admin.reconciliation.act")
def what_is_taken_back(house: House, kind: str) -> list[Arguments]:
    """A proposal or an explanation that is taken back."""
    return [{"finding_id": _finding(house).id, "word": word} for word in ("withdraw", "reopen")]


@example("admin.reconciliation.forget_columns")
def saved_columns(house: House, kind: str) -> list[Arguments]:
    """Columns that were saved."""
    row = ColumnMapping(
        organisation_id=house.organisation.id, name=f"Columns {new_uid()[:8]}", source="bank",
        header_digest=new_uid(), columns={}, reading={}, changed_at=WHEN,
    )  # fmt: skip
    db.session.add(row)
    db.session.flush()
    return [{"mapping_id": row.id}]
