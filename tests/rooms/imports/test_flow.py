"""From the upload to the last row: columns remembered, nothing stored by a check, bad rows back as a file."""

from __future__ import annotations

import csv
import io
import json
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select

from tests.factories import installations as make
from tests.factories import people
from tests.factories.pages import counted_queries
from tests.rooms.imports.conftest import Desk, chosen
from webapp.audit.models import AuditEvent
from webapp.database import db, transaction
from webapp.imports import kinds
from webapp.imports.models import ImportChunk, ImportMapping
from webapp.kernel.clock import utc_now
from webapp.outbox.models import OutboxMessage
from webapp.people.models import Payee, UserSession
from webapp.programs.installations.models import Installation

REAL = (Path(__file__).parents[2] / "data" / "solar" / "installations.csv").read_bytes()
HOSTILE = [
    "<script>alert(1)</script>",
    "'\"><img src=x onerror=alert(1)>",
    "{{ 7*7 }}",
    "=cmd|' /C calc'!A0",
    "@SUM(1+1)",
    "-2+3+cmd|x",
    "Robert'); DROP TABLE payees;--",
]


def count(model: object) -> int:
    db.session.rollback()
    return db.session.scalar(select(func.count()).select_from(model)) or 0  # type: ignore[arg-type]


def file_to_fix(desk: Desk, reference: str) -> list[dict[str, str]]:
    answer = desk.client.get(f"/admin/imports/{reference}/to-fix.csv")
    assert answer.headers["Content-Disposition"] == f"attachment; filename={reference}-to-fix.csv"
    return list(csv.DictReader(io.StringIO(answer.data.decode("utf-8-sig"))))


def test_a_real_list_in_four_pages(desk: Desk) -> None:
    before = count(Payee)
    technicians = desk.kept("technicians", REAL)
    page = desk.client.get(f"/admin/imports/{technicians}/columns").text
    assert "Read as a list of solar installations in the columns of Tracking the Sun." in page
    assert "such as Aeonsolar" in page
    assert desk.columns(technicians).headers["Location"] == f"/admin/imports/{technicians}"
    working = desk.page(technicians)
    for words in (
        "list.csv: checking",
        'data-hx-trigger="every 2s"',
        '<meta http-equiv="refresh"',
        "leave this page",
    ):
        assert words in working
    assert desk.work(technicians)
    assert count(Payee) == before, "a check stores nothing"
    assert "Bring in 40 rows" in desk.page(technicians)
    assert desk.bring(technicians).status_code == 303
    assert desk.work(technicians)
    assert count(Payee) == before + 40
    assert "20 the same as an earlier row" in desk.page(technicians)
    jobs = desk.whole("installations", REAL)
    row = desk.row(jobs)
    assert (row.state, row.created, row.refused, row.done, row.rows) == ("done", 60, 0, 60, 60)
    page = desk.page(jobs)
    assert "Sizes are kept to 6 decimals; rounded on line 57, 58, 59, 60, 61." in page
    assert "See what is due" in page
    assert count(Installation) == 60
    made = db.session.scalars(select(Installation).where(Installation.external_ref == "2001")).one()
    assert made.created_by_id == desk.place.maker.id, "who brought it in may not approve what comes of it"


def test_a_check_leaves_nothing_behind(desk: Desk) -> None:
    events, messages = count(AuditEvent), count(OutboxMessage)
    desk.check("technicians", REAL)
    assert count(AuditEvent) == events
    assert count(OutboxMessage) == messages + 1, "the step of the check alone"
    with transaction():
        made = people.payee(desk.place.organisation, name="Next")
    assert made.reference == "PY-0003", "numbers are not used up"


def test_the_same_file_again_changes_nothing_and_says_so(desk: Desk) -> None:
    first = desk.whole("technicians", REAL)
    again = desk.check("technicians", REAL)
    assert (
        f'brought in as <a href="/admin/imports/{first}">'
        in desk.client.get(f"/admin/imports/{again}/columns").text
    )
    row = desk.row(again)
    assert (row.created, row.updated, row.unchanged) == (0, 0, 40)
    assert "there is nothing to bring in" in desk.page(again)
    assert "Bring in" not in desk.page(again)
    assert desk.client.post(f"/admin/imports/{again}/run", data={"version": str(row.version), "sha256": row.sha256,
                            "created": "0", "updated": "0", "refused": "0"}).status_code == 409  # fmt: skip


def test_columns_are_remembered_for_files_with_the_same_header(desk: Desk) -> None:
    text = "Who;Post;Extra\nAna;a@x.example;1\n"
    reference = desk.kept("technicians", text)
    page = desk.client.get(f"/admin/imports/{reference}/columns").text
    assert chosen(page)["column_name"] == ""
    refused = desk.columns(reference)
    assert refused.status_code == 422
    assert "Choose the column for name" in refused.text
    assert desk.row(reference).state == "uploaded"
    assert desk.columns(reference, column_name="Who", column_email="Post").status_code == 303
    second = desk.kept("technicians", "Extra;WHO;Post\n2;Ben;b@x.example\n".replace("WHO", "Who"))
    page = desk.client.get(f"/admin/imports/{second}/columns").text
    assert {k: v for k, v in chosen(page).items() if v and k.startswith("column_")} == {
        "column_name": "Who", "column_email": "Post",
    }  # fmt: skip
    elsewhere = people.organisation("nova")
    other = Desk(desk.place, desk.place.client(people.user(organisation=elsewhere, role="admin"), elsewhere))
    theirs = other.kept("technicians", text)
    assert chosen(other.client.get(f"/admin/imports/{theirs}/columns").text)["column_name"] == ""
    assert desk.columns(second, column_email="").status_code == 303
    assert count(ImportMapping) == 1
    assert db.session.query(ImportMapping).one().mapping == {"name": "Who"}


def test_a_column_chosen_twice_is_refused_and_the_choice_kept(desk: Desk) -> None:
    reference = desk.kept("technicians", "Who,Post\nAna,a@x.example\n")
    answer = desk.columns(reference, column_name="Who", column_email="Who")
    assert answer.status_code == 422
    assert "is chosen twice" in answer.text
    assert chosen(answer.text)["column_email"] == "Who"
    assert desk.columns(reference, column_name="Gone").status_code == 422


def test_days_and_amounts_are_shown_as_they_will_be_read(desk: Desk) -> None:
    text = "external_ref;commissioned_on;order_value;type\nJ-1;03/04/2026;1.234,50;solar\n"
    reference = desk.kept("installations", text)
    page = desk.client.get(f"/admin/imports/{reference}/columns").text
    assert (chosen(page)["dates"], chosen(page)["decimal"]) == ("mdy", ","), (
        "the locale's days, the file's amounts"
    )
    assert "4 Mar 2026" in page
    shown = desk.columns(reference, action="preview", dates="dmy")
    assert shown.status_code == 200
    assert "3 Apr 2026" in shown.text
    assert "1234.50" in shown.text
    assert desk.row(reference).state == "uploaded", "showing stores nothing"
    wrong = desk.columns(reference, action="preview", decimal=".")
    assert "is not a number, as this list writes numbers." in wrong.text
    assert "1 of the first 1 rows cannot be brought in this way, the first on line 2." in wrong.text
    assert "cannot be brought in this way" not in shown.text
    both_ways = desk.columns(reference, action="preview", dates="iso")
    assert "can be read in one way only" in both_ways.text


def test_amounts_of_another_country_are_stored_exactly(desk: Desk) -> None:
    text = "external_ref;installation_type;size;capacity_unit;order_value;commissioned_on\n"
    text += 'J-1;solar;9,99;kW;"25.000,50";31/10/2026\nJ-2;solar;9.99;kW;1;31/10/2026\n'
    reference = desk.whole("installations", text, decimal=",")
    (made,) = db.session.scalars(select(Installation))
    assert (str(made.size), made.order_value_minor, str(made.commissioned_on)) == (
        "9.99",
        2_500_050,
        "2026-10-31",
    )
    (bad,) = file_to_fix(desk, reference)
    assert (bad["external_ref"], bad["problem"]) == (
        "J-2", "size: '9.99' is not a number, as this list writes numbers. Example: 1.234,50",
    )  # fmt: skip


def test_letters_that_are_not_unicode_are_asked_about(desk: Desk) -> None:
    reference = desk.kept("technicians", "name\nJosé Ibáñez\n".encode("cp1252"))
    page = desk.client.get(f"/admin/imports/{reference}/columns").text
    assert "José Ibáñez" in page
    refused = desk.columns(reference)
    assert refused.status_code == 422
    assert "Say how the letters are written" in refused.text
    assert desk.columns(reference, encoding="windows-1252").status_code == 303
    assert desk.work(reference)
    assert desk.bring(reference).status_code == 303
    assert desk.work(reference)
    assert db.session.query(Payee).filter_by(name="José Ibáñez").count() == 1


def test_bad_rows_never_stop_the_good_ones_and_come_back_to_be_fixed(desk: Desk) -> None:
    make.known_rates(desk.place.organisation)
    text = (
        "Job,Art,Size,Unit,Who,Note\n"
        "J-1,solar,5,kW,Tomas Ek,fine\n"
        "J-2,boat,5,kW,Tomas Ek,=1+1\n"
        "J-3,solar,five,miles,Nobody,+49 30 1234\n"
        "J-4,solar,5,kW\n"
        "J-5,solar,5,kW,Ana Souza,a,b\n"
    )
    answers = {"column_external_ref": "Job", "column_installation_type": "Art", "column_size": "Size",
               "column_capacity_unit": "Unit", "column_technicians": "Who"}  # fmt: skip
    checked = desk.check("installations", text, **answers)
    page = desk.page(checked)
    assert "Bring in 1 row" in page
    for words in (
        "&#39;boat&#39; is not a type here",
        "3 cells"[1:],
        "It has 4 cells where the header has 6.",
    ):
        assert words in page
    assert len(file_to_fix(desk, checked)) == 4
    assert desk.bring(checked).status_code == 303
    assert desk.work(checked)
    row = desk.row(checked)
    assert (row.state, row.created, row.refused) == ("done", 1, 4)
    bad = file_to_fix(desk, checked)
    assert [r["Job"] for r in bad] == ["J-2", "J-3", "J-4", "J-5"]
    assert [bad[0]["Note"], bad[1]["Note"]] == ["'=1+1", "'+49 30 1234"]
    assert bad[3]["Note"] == "a, b"
    assert bad[1]["problem"] == (
        "Size: 'five' is not a number, as this list writes numbers. Example: 1,234.50 | "
        "Unit: 'miles' is not a unit. Example: kW, Mbps, units | "
        "Who: There is no technician 'Nobody'. Import the technicians first. Example: T-100; T-101"
    )
    bad[0]["Art"], bad[1]["Size"], bad[1]["Unit"], bad[1]["Who"] = "solar", "5", "kW", "Ana Souza"
    fixed = io.StringIO()
    writer = csv.DictWriter(fixed, list(bad[0]))
    writer.writeheader()
    writer.writerows([*bad[:2], {**bad[3], "problem": ""}])
    again = desk.kept("installations", "\ufeff" + fixed.getvalue())
    shown = chosen(desk.client.get(f"/admin/imports/{again}/columns").text)
    assert shown["column_technicians"] == "Who", (
        "the choice is remembered although the file has a column more"
    )
    assert desk.columns(again).status_code == 303
    assert desk.work(again)
    assert desk.row(again).refused == 0, desk.page(again)
    assert desk.bring(again).status_code == 303
    assert desk.work(again)
    assert {i.external_ref for i in db.session.scalars(select(Installation))} == {"J-1", "J-2", "J-3", "J-5"}


def test_a_file_with_our_column_gets_it_filled_not_doubled(desk: Desk) -> None:
    reference = desk.check("technicians", "problem,name,email\nold words,Ana,nowhere\n")
    (bad,) = file_to_fix(desk, reference)
    assert list(bad) == ["problem", "name", "email"]
    assert bad["problem"].startswith("email: This is not an e-mail address.")


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_inert_on_every_page_and_in_the_file(desk: Desk, text: str) -> None:
    file = io.StringIO()
    csv.writer(file).writerows([["external_ref", "name", "email"], ["T-1", text, ""], ["T-2", text, text]])
    reference = desk.kept("technicians", file.getvalue())
    pages = [desk.client.get(f"/admin/imports/{reference}/columns").text]
    assert desk.columns(reference).status_code == 303
    assert desk.work(reference)
    pages.append(desk.page(reference))
    assert desk.bring(reference).status_code == 303
    assert desk.work(reference)
    pages += [
        desk.page(reference),
        desk.client.get("/admin/imports").text,
        desk.client.get("/admin/payees").text,
    ]
    for page in pages:
        assert "<script>alert" not in page
        assert "<img src=x" not in page
        assert ">49<" not in page
    (bad,) = file_to_fix(desk, reference)
    assert not bad["name"].startswith(("=", "@", "-", "+"))
    assert not bad["email"].startswith(("=", "@", "-", "+"))
    made = db.session.query(Payee).filter_by(external_ref="T-1").one()
    assert made.name == " ".join(text.split()), "what is text stays text"


@pytest.mark.parametrize("name", ["n" * 10_000, "Ana\x07Souza", "Ana\u202eazuoS", "\x1b[31mAna"])
def test_names_that_nobody_can_have_are_refused(desk: Desk, name: str) -> None:
    file = io.StringIO()
    csv.writer(file).writerows([["external_ref", "name"], ["T-1", name], ["T-2", "Ana"]])
    reference = desk.whole("technicians", file.getvalue())
    assert (desk.row(reference).created, desk.row(reference).refused) == (1, 1)
    page = desk.page(reference)
    for hidden in ("\x07", "\u202e", "\x1b", "n" * 200):
        assert hidden not in page
    preview = desk.client.get(f"/admin/imports/{reference}/columns").text
    (bad,) = file_to_fix(desk, reference)
    for hidden in ("\x07", "\u202e", "\x1b"):
        assert hidden not in preview
        assert hidden not in bad["name"]
    assert db.session.query(Payee).filter_by(external_ref="T-1").count() == 0


def test_payees_of_every_kind(desk: Desk) -> None:
    text = "kind,external_ref,name,country\nowner,P-1,Ana,us\nPartner,P-1,Ben,de\n"
    text += "pilot,P-2,Cem,\nowner,P-1,Dee,\n,P-3,E,\n"
    reference = desk.whole("payees", text)
    made = db.session.query(Payee).filter_by(external_ref="P-1").order_by(Payee.id).all()
    assert [(p.kind, p.name, p.country) for p in made] == [("owner", "Ana", "US"), ("partner", "Ben", "DE")]
    assert [r["problem"].split(".")[0] for r in file_to_fix(desk, reference)] == [
        "kind: 'pilot' is not a kind of payee (technician, owner, practitioner, driver, partner)",
        "external_ref: Line 2 has the same reference",
        "kind: '' is not a kind of payee (technician, owner, practitioner, driver, partner)",
    ]
    again = desk.check("payees", text.replace("Ana", "Anna"))
    assert (desk.row(again).created, desk.row(again).updated, desk.row(again).unchanged) == (0, 1, 1)


def test_one_event_and_one_notice_for_an_import(desk: Desk) -> None:
    reference = desk.whole("installations", "external_ref,installation_type\nJ-1,solar\nJ-2,boat\n")
    row = desk.row(reference)
    (event,) = db.session.query(AuditEvent).filter_by(subject_type="import").all()
    assert event.tag == "imports:import:finished"
    assert (event.actor_id, event.subject_label) == (
        desk.place.maker.id,
        f"{reference} Installations from list.csv",
    )
    changes = json.loads(json.dumps(event.changes))
    assert (changes["created"], changes["refused"], changes["file"]) == (
        [None, 1],
        [None, 1],
        [None, row.sha256],
    )
    assert len(changes["digest"][1]) == 64
    (notice,) = db.session.query(OutboxMessage).filter_by(kind="notice.import_result").all()
    assert (notice.reference_id, notice.queue) == (row.id, "mail")


def test_only_the_check_that_was_seen_is_brought_in(desk: Desk) -> None:
    reference = desk.check("technicians", "name,email\nAna Maria,a@x.example\nBen,b@x.example\n")
    for wrong in (
        {"version": "1"},
        {"sha256": "0" * 64},
        {"created": "1"},
        {"refused": "7"},
        {"updated": "x"},
    ):
        answer = desk.bring(reference, **wrong)
        assert answer.status_code == 409, wrong
        assert "made anew" in answer.text
    assert desk.client.post(f"/admin/imports/{reference}/run").status_code == 409
    assert desk.row(reference).state == "checked"
    colleague = Desk(desk.place, desk.place.client(desk.place.approver))
    page = colleague.page(reference)
    assert "only they can bring it in" in page
    row = desk.row(reference)
    data = {"version": row.version, "sha256": row.sha256, "created": 2, "updated": 0, "refused": 0}
    answer = colleague.client.post(f"/admin/imports/{reference}/run", data=data)
    assert (answer.status_code, "only they can go on" in answer.text) == (409, True)
    assert colleague.columns(reference).status_code == 409
    assert desk.bring(reference).status_code == 303
    assert desk.client.post(f"/admin/imports/{reference}/run", data=data).status_code == 303, "a second click"
    assert db.session.query(OutboxMessage).filter_by(kind="import.step").count() == 2


def test_storing_needs_a_fresh_proof(desk: Desk) -> None:
    reference = desk.check("technicians", "name,email\nAna Maria,a@x.example\n")
    with transaction():
        db.session.query(UserSession).update({"reauthenticated_at": utc_now() - timedelta(minutes=11)})
    answer = desk.bring(reference)
    assert (answer.status_code, desk.row(reference).state) == (403, "checked")
    with transaction():
        db.session.query(UserSession).update({"reauthenticated_at": utc_now()})
    assert desk.bring(reference).status_code == 303


def test_columns_cannot_change_under_a_worker_or_behind_a_colleague(desk: Desk) -> None:
    reference = desk.kept("technicians", "name,email\nAna Maria,a@x.example\n")
    assert desk.columns(reference, version="7").status_code == 409
    assert desk.columns(reference).status_code == 303
    assert "is at work" in desk.columns(reference).text
    assert desk.work(reference)
    assert desk.columns(reference, column_email="").status_code == 303
    assert (desk.row(reference).version, count(ImportChunk)) == (3, 0)
    assert desk.work(reference)
    assert desk.bring(reference).status_code == 303
    assert desk.work(reference)
    assert "is done" in desk.columns(reference).text


def test_others_find_nothing(desk: Desk) -> None:
    reference = desk.check("technicians", "name\nAna Maria\n")
    elsewhere = people.organisation("nova")
    stranger = desk.place.client(people.user(organisation=elsewhere, role="admin"), elsewhere)
    for address in ("", "/columns", "/progress", "/to-fix.csv"):
        assert stranger.get(f"/admin/imports/{reference}{address}").status_code == 404
    for act in ("run", "stop", "columns"):
        assert stranger.post(f"/admin/imports/{reference}/{act}", data={"version": "2"}).status_code == 404
    assert reference not in stranger.get("/admin/imports").text
    accountant = desk.place.client(people.user(organisation=desk.place.organisation, role="accountant"))
    assert accountant.get(f"/admin/imports/{reference}").status_code == 200
    assert accountant.get(f"/admin/imports/{reference}/columns").status_code == 403
    assert accountant.post(f"/admin/imports/{reference}/stop").status_code == 403


def test_the_list_asks_few_questions_and_turns_pages(desk: Desk) -> None:
    assert "Import a list" in desk.client.get("/admin/imports").text
    references = [desk.kept("technicians", f"name\nAna {n}\n") for n in range(27)]
    with counted_queries() as statements:
        page = desk.client.get("/admin/imports?size=25").text
    assert len(statements) <= 12, statements
    assert (references[-1] in page, references[0] in page, "27 imports" in page) == (True, False, True)
    assert 'rel="next"' in page
    done = desk.check("technicians", REAL)
    with counted_queries() as statements:
        desk.page(done)
    assert len(statements) <= 20, statements


def test_kinds_need_little() -> None:
    assert [kind.code for kind in kinds.registered()][:4] == [
        "payees",
        "technicians",
        "rates",
        "installations",
    ]
    for kind in kinds.registered():
        # Drivers are known by a name or by a licence; a row that has neither is refused.
        assert kind.required or kind.code == "drivers"
        assert all(field.label and (field.example or not field.is_required) for field in kind.fields), (
            kind.code
        )
