"""Files of the lists from their pages, long ones by a worker; the page of statistics."""

from __future__ import annotations

import csv
import io
import json
import re
from datetime import timedelta

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select, update

from tests.factories import people, repairs
from tests.factories.pages import counted_queries
from tests.factories.repairs import sunday
from tests.programs.repairs.views.conftest import Metrocab
from tests.support.worker import work_off
from webapp.audit.models import AuditEvent
from webapp.database import db, transaction
from webapp.kernel.clock import utc_now
from webapp.programs.repairs import file_runs
from webapp.providers import storage
from webapp.runs import service as runs
from webapp.runs.models import Run
from webapp.web.table_files import TYPES

ROOT = "/admin/repairs"


@pytest.fixture
def plan(metrocab: Metrocab) -> str:
    """The number of a repair whose first instalment is charged."""
    made = repairs.repair(metrocab.lease, 500_50).reference
    repairs.draft(metrocab.lease, 90_00)
    repairs.run(metrocab.organisation, sunday(0))
    return str(made)


def rows_of(text: str) -> list[list[str]]:
    """The rows of a CSV file below its head."""
    return list(csv.reader(io.StringIO(text.removeprefix("\ufeff"))))[1:]


def notes(tag: str) -> list[str]:
    """What the trail says of who took which file."""
    db.session.rollback()
    return list(
        db.session.scalars(select(AuditEvent.note).where(AuditEvent.tag == tag).order_by(AuditEvent.id))
    )


def test_each_list_links_files_of_exactly_its_filter(
    metrocab: Metrocab, admin: FlaskClient, plan: str
) -> None:
    for path, query in (
        ("repairs", "state=open&sort=-amount"),
        ("instalments", "state=unposted&driver=Ada&size=25"),
        ("receipts", "week_from=2025-09-01"),
    ):
        text = admin.get(f"{ROOT}/{path}?{query}").text
        for format in ("csv", "xlsx", "json", "pdf"):
            (link,) = re.findall(rf'href="({ROOT}/{path}/export\.{format}\?[^"]*)"', text)
            answer = admin.get(link.replace("&amp;", "&"))
            assert (answer.status_code, answer.mimetype) == (200, TYPES[format]), link
            assert answer.headers["Cache-Control"] == "no-store"
            assert f"{path}-metrocab.{format}" in answer.headers["Content-Disposition"]
    found = json.loads(admin.get(f"{ROOT}/repairs/export.json?state=open").text)
    assert [row["reference"] for row in found["rows"]] == [plan]
    unposted = rows_of(admin.get(f"{ROOT}/instalments/export.csv?state=unposted").text)
    assert [row[0] for row in unposted] == [f"{plan}-02", f"{plan}-03"]
    assert notes("repairs:repairs:exported")[-1] == "JSON of the list, filtered by state=open"
    assert notes("repairs:instalments:exported")[-1] == "CSV of the list, filtered by state=unposted"


def test_a_drivers_ledger_as_a_file(metrocab: Metrocab, admin: FlaskClient, plan: str) -> None:
    page = admin.get(f"{ROOT}/drivers/{metrocab.ada.reference}/ledger").text
    assert f"{ROOT}/drivers/{metrocab.ada.reference}/ledger.pdf" in page
    rows = rows_of(admin.get(f"{ROOT}/drivers/{metrocab.ada.reference}/ledger.csv").text)
    assert [row[:3] for row in rows] == [["2025-10-05", "Charge", "Repairs"]]
    assert admin.get(f"{ROOT}/drivers/PY-9999/ledger.csv").status_code == 404
    assert admin.get(f"{ROOT}/repairs/export.exe").status_code == 404
    assert notes("repairs:ledger:exported") == ["CSV of the whole list"]


def test_a_filter_that_cannot_be_read_gives_no_file(
    metrocab: Metrocab, admin: FlaskClient, plan: str
) -> None:
    assert admin.get(f"{ROOT}/repairs/export.csv?amount_from=lots").status_code == 422
    assert admin.get(f"{ROOT}/instalments/export.pdf?state=nonsense").status_code == 422
    assert notes("repairs:repairs:exported") == []


def test_a_long_file_is_made_by_a_worker(
    metrocab: Metrocab, admin: FlaskClient, plan: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_runs, "LARGE", 2)
    short = admin.get(f"{ROOT}/instalments/export.csv?state=unposted")
    assert short.mimetype == "text/csv"
    offered = admin.get(f"{ROOT}/instalments/export.csv?repair={plan}&sort=-week")
    assert offered.mimetype == "text/html"
    assert "more than 2 rows" in offered.text
    # Whoever does not want to wait for a worker takes it at once.
    (at_once,) = re.findall(r'href="([^"]*now=1[^"]*)"', offered.text)
    direct = admin.get(at_once.replace("&amp;", "&"))
    assert direct.mimetype == "text/csv"
    (action,) = re.findall(rf'action="({ROOT}/files/[^"]*)"', offered.text)
    answer = admin.post(action.replace("&amp;", "&"))
    assert answer.status_code == 303
    run_id = metrocab.newest(Run).id
    assert admin.get(f"{ROOT}/files/{metrocab.newest(Run).reference}").status_code == 404
    work_off(run_id)
    run = metrocab.newest(Run)
    assert (run.state, run.done, run.failed) == ("finished", 1, 0)
    page = admin.get(f"/admin/runs/{run.reference}").text
    assert "Download the file" in page
    assert "3 rows, 1 KB" in page
    taken = admin.get(f"{ROOT}/files/{run.reference}")
    assert (taken.mimetype, taken.text) == ("text/csv", direct.text)
    assert [row[0] for row in rows_of(taken.text)] == [f"{plan}-0{n}" for n in (3, 2, 1)]
    assert len(notes("repairs:file:taken")) == 1
    # It is made once: a second worker finds nothing to do.
    assert runs.step(run_id=run_id) is False
    # Another organisation's people do not get it.
    other = repairs.metrocab(slug="other")
    stranger = people.user("x@other.example", organisation=other, role="admin")
    people.sign_in(metrocab.browser, stranger, other)
    assert metrocab.browser.get(f"{ROOT}/files/{run.reference}").status_code == 404


def made(metrocab: Metrocab, admin: FlaskClient, what: str = "repairs") -> Run:
    """A run that made its file."""
    assert admin.post(f"{ROOT}/files/{what}.json").status_code == 303
    run: Run = metrocab.newest(Run)
    work_off(run.id)
    return metrocab.again(run)  # type: ignore[no-any-return]


def test_old_files_are_gone(metrocab: Metrocab, admin: FlaskClient, plan: str) -> None:
    run = made(metrocab, admin)
    key = f"exports/{run.id}.json"
    assert storage.exists(key)
    with transaction():
        long_ago = utc_now() - file_runs.KEPT - timedelta(minutes=1)
        db.session.execute(update(Run).where(Run.id == run.id).values(finished_at=long_ago))
    assert admin.get(f"{ROOT}/files/{run.reference}").status_code == 404
    made(metrocab, admin)
    assert not storage.exists(key)


def test_a_file_that_cannot_be_stored_is_a_failed_row_that_can_be_tried_again(
    metrocab: Metrocab, admin: FlaskClient, plan: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(key: str, content: bytes) -> None:
        assert not db.session().in_transaction()
        raise OSError("no room")

    with monkeypatch.context() as patch:
        patch.setattr(storage, "save", broken)
        run = made(metrocab, admin)
    assert (run.done, run.failed) == (0, 1)
    assert "Download the file" not in admin.get(f"/admin/runs/{run.reference}").text
    assert admin.post(f"/admin/runs/{run.reference}/retry").status_code == 303
    again: Run = metrocab.newest(Run)
    assert again.id != run.id
    work_off(again.id)
    assert admin.get(f"{ROOT}/files/{again.reference}").mimetype == "application/json"


def test_an_accountant_takes_files_and_has_none_made(
    metrocab: Metrocab, plan: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_runs, "LARGE", 1)
    books = metrocab.as_(metrocab.books)
    text = books.get(f"{ROOT}/instalments/export.xlsx").text
    assert "Have it made" not in text
    (at_once,) = re.findall(r'href="([^"]*now=1[^"]*)"', text)
    assert books.get(at_once.replace("&amp;", "&")).mimetype == TYPES["xlsx"]
    assert books.post(f"{ROOT}/files/instalments.xlsx").status_code == 403


def test_statistics_with_their_filter(metrocab: Metrocab, admin: FlaskClient, plan: str) -> None:
    admin.get(f"{ROOT}/statistics")
    with counted_queries() as queries:
        page = admin.get(f"{ROOT}/statistics")
    assert len(queries) <= 15
    text = " ".join(re.sub(r"<[^>]+>", " ", page.text).split())
    # Two more weeks are long over.
    assert "33.3 %" in text
    assert "Due and not charged 2 ($300.50)" in text
    assert "Open 1 $500.50" in text
    assert "See what is due" in text
    none = admin.get(f"{ROOT}/statistics?driver=nobody").text
    assert "Nothing was to be charged yet" in none
    alone = admin.get(
        f"{ROOT}/statistics?lease={metrocab.lease.reference}", headers={"HX-Request": "true"}
    ).text
    assert "33.3 %" in alone
    assert "<html" not in alone
    assert admin.get(f"{ROOT}/statistics?date_from=2025-10-12&date_to=2025-10-05").status_code == 422
