"""The pages: every one opens, forms answer 422 and 409 with the text kept, nobody sees what is not theirs."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from flask.testing import FlaskClient
from openpyxl import load_workbook
from sqlalchemy import func, select

from tests.factories import installations as make
from tests.factories import people
from tests.web.test_uploads import PDF
from webapp.database import db, transaction
from webapp.payouts.models import Payout
from webapp.programs.installations.models import (
    Installation,
    InstallationFile,
    InstallationSettings,
    InstallationShare,
    RateVersion,
)
from webapp.runs.models import Run

SOLAR = Path(__file__).parents[2] / "data" / "solar"


@pytest.fixture
def world(client: FlaskClient) -> SimpleNamespace:
    """An organisation with rates, two technicians and installations of every kind; another organisation."""
    solaria = people.organisation("solaria")
    admin = people.user("admin@example.com", organisation=solaria, role="admin")
    ana_user = people.user("ana@example.com")
    ana = people.payee(solaria, name="Ana =1+1", user=ana_user)
    ben = people.payee(solaria, name="Ben")
    rates = make.known_rates(solaria)
    due = make.installation(solaria, ana, customer_name="Lee <b>family</b>", size="9.99")
    shared = make.installation(solaria, ana, ben, weights=(6000, 4000))
    unpriced = make.installation(solaria, ana, installation_type="hybrid")
    pending = make.installation(solaria, ben, status="pending", commissioned_on=None)
    other = people.organisation("other")
    foreign = make.installation(other, people.payee(other, name="Zed"))
    foreign_rate = make.rate(other)
    return SimpleNamespace(
        solaria=solaria, admin=admin, ana=ana, ana_user=ana_user, ben=ben, rates=rates, due=due, shared=shared,
        unpriced=unpriced, pending=pending, other=other, foreign=foreign, foreign_rate=foreign_rate, client=client,
    )  # fmt: skip


@pytest.fixture
def admin(world: SimpleNamespace) -> FlaskClient:
    people.sign_in(world.client, world.admin, world.solaria)
    return world.client  # type: ignore[no-any-return]


@pytest.fixture
def technician(world: SimpleNamespace) -> FlaskClient:
    people.sign_in(world.client, world.ana_user, world.solaria)
    return world.client  # type: ignore[no-any-return]


PAGES: list[Callable[[SimpleNamespace], str]] = [
    lambda w: "/admin/installations",
    lambda w: "/admin/installations?q=lee&type=solar&status=commissioned&technician=Ana&payment=due",
    lambda w: (
        "/admin/installations?commissioned_from=2026-01-01&commissioned_to=2026-12-31&payment=unassigned"
    ),
    lambda w: f"/admin/installations/{w.due.reference}",
    lambda w: f"/admin/installations/{w.shared.reference}",
    lambda w: f"/admin/installations/{w.unpriced.reference}",
    lambda w: f"/admin/installations/{w.pending.reference}",
    lambda w: "/admin/installations/needs-a-rate",
    lambda w: "/admin/installations/rejected",
    lambda w: "/admin/installations/pay",
    lambda w: f"/admin/installations/pay/{w.ana.reference}",
    lambda w: "/admin/installations/totals",
    lambda w: "/admin/installations/totals.csv",
    lambda w: "/admin/installations/export.csv",
    lambda w: "/admin/installations/export.xlsx",
    lambda w: "/admin/rates",
    lambda w: f"/admin/rates/{w.rates[0].id}",
    lambda w: f"/admin/rates/{w.rates[0].id}/rehearse?months=12",
    lambda w: "/admin/imports/templates/rates.csv",
]
FORMS: list[Callable[[SimpleNamespace], str]] = [
    lambda w: "/admin/installations/new",
    lambda w: f"/admin/installations/{w.due.reference}/edit",
    lambda w: "/admin/imports/new/installations",
    lambda w: "/admin/installations/settings",
    lambda w: "/admin/rates/new",
    lambda w: f"/admin/rates/{w.rates[1].id}/revise",
]


@pytest.mark.parametrize("number", range(len(PAGES) + len(FORMS)))
def test_every_page_opens_for_admins(world: SimpleNamespace, admin: FlaskClient, number: int) -> None:
    answer = admin.get([*PAGES, *FORMS][number](world))
    assert answer.status_code == 200
    if answer.mimetype == "text/html":
        assert "<b>family</b>" not in answer.text


def test_accountants_look_and_change_nothing(world: SimpleNamespace) -> None:
    accountant = people.user("books@example.com", organisation=world.solaria, role="accountant")
    people.sign_in(world.client, accountant, world.solaria)
    for address in PAGES:
        assert world.client.get(address(world)).status_code == 200
    for address in FORMS:
        assert world.client.get(address(world)).status_code == 403
    assert world.client.post("/admin/installations/pay/all").status_code == 403


@pytest.mark.parametrize(
    "address",
    [
        lambda w: f"/admin/installations/{w.foreign.reference}x",
        lambda w: "/admin/installations/ISR-999999",
        lambda w: "/admin/installations/ISR-999999/edit",
        lambda w: "/admin/installations/pay/PY-9999",
        lambda w: f"/admin/rates/{w.foreign_rate.id}",
        lambda w: f"/admin/rates/{w.foreign_rate.id}/revise",
        lambda w: f"/admin/rates/{w.foreign_rate.id}/rehearse",
        lambda w: f"/admin/installations/{w.due.reference}/files/1",
    ],
)
def test_what_is_not_theirs_is_not_there(
    world: SimpleNamespace, admin: FlaskClient, address: Callable[[SimpleNamespace], str]
) -> None:
    assert admin.get(address(world)).status_code == 404


def test_an_installation_of_another_organisation_is_not_shown(
    world: SimpleNamespace, admin: FlaskClient
) -> None:
    people.sign_in(world.client, people.user(organisation=world.other, role="admin"), world.other)
    assert "Lee" not in admin.get("/admin/installations").text
    assert admin.get(f"/admin/installations/{world.pending.reference}").status_code == 404


def test_the_detail_explains_every_line(world: SimpleNamespace, admin: FlaskClient) -> None:
    text = admin.get(f"/admin/installations/{world.due.reference}").text
    assert "9.99 kW × 50.00 USD = 499.50 USD" in text
    assert "$499.50" in text
    text = admin.get(f"/admin/installations/{world.shared.reference}").text
    assert "$150.00" in text
    assert "60 %" in text
    text = admin.get(f"/admin/installations/{world.unpriced.reference}").text
    assert "No rate matches (hybrid, 5 kW" in text
    assert "It is for the type solar, not hybrid." in text


def test_a_filter_that_cannot_be_read_is_said(admin: FlaskClient) -> None:
    answer = admin.get("/admin/installations?commissioned_from=soon")
    assert answer.status_code == 422
    assert "Enter a day like 2026-10-31." in answer.text
    assert admin.get("/admin/installations/export.csv?status=sold").status_code == 422


def test_files_hold_exactly_the_filter_and_no_formula(world: SimpleNamespace, admin: FlaskClient) -> None:
    body = admin.get("/admin/installations/export.csv?type=solar&status=commissioned").get_data(as_text=True)
    rows = list(csv.DictReader(io.StringIO(body.lstrip("\ufeff"))))
    assert [row["Reference"] for row in rows] == [world.shared.reference, world.due.reference]
    assert rows[0]["Technicians"] == "Ana =1+1; Ben"
    assert rows[0]["Shares"] == "60 %; 40 %"
    own = admin.get("/admin/installations/totals.csv").get_data(as_text=True)
    assert "Ana =1+1" in own
    workbook = load_workbook(io.BytesIO(admin.get("/admin/installations/export.xlsx").data))
    assert workbook.active is not None
    assert workbook.active.max_row == 5


# ---------------------------------------------------------------- forms


def form(**values: Any) -> dict[str, Any]:
    defaults = {
        "installation_type": "solar", "size": "7.5", "capacity_unit": "kW", "customer_name": "Kim", "site": "",
        "order_value": "12,500.00", "status": "commissioned", "commissioned_on": "2026-02-03",
        "quality_check": "passed", "external_ref": "",
    }  # fmt: skip
    return {**defaults, **values}


def count(model: Any) -> int:
    return db.session.scalar(select(func.count()).select_from(model)) or 0


def test_an_installation_is_added_with_shares(world: SimpleNamespace, admin: FlaskClient) -> None:
    data = form(technician=[world.ana.reference, world.ben.reference, ""], percent=["70", "30", ""])
    answer = admin.post("/admin/installations/new", data=data)
    assert answer.status_code == 303
    row = db.session.scalars(select(Installation).order_by(Installation.id.desc())).first()
    assert row is not None
    assert (str(row.size), row.order_value_minor, row.created_by_id) == ("7.5", 1_250_000, world.admin.id)
    assert [share.weight for share in row.shares] == [7000, 3000]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"size": "large"}, "is not a number"),
        ({"size": "-1"}, "The size must be above 0"),
        ({"order_value": "lots"}, "is not an amount"),
        ({"commissioned_on": "2099-01-01"}, "lies in the future"),
        ({"commissioned_on": ""}, "needs its date"),
        ({"commissioned_on": "yesterday"}, "Enter a day like"),
        ({"installation_type": "boat"}, "Not a valid choice"),
        ({"technician": ["PY-0001", "PY-0002"], "percent": ["50", "20"]}, "add up to 70"),
        ({"technician": ["PY-0001", "PY-0002"], "percent": ["50", ""]}, "Give every technician a share"),
        ({"technician": ["PY-0001", "PY-0001"], "percent": ["", ""]}, "named twice"),
        ({"technician": ["PY-7777"], "percent": [""]}, "is not an active technician"),
    ],
)
def test_a_bad_form_keeps_the_text(
    world: SimpleNamespace, admin: FlaskClient, values: dict[str, Any], words: str
) -> None:
    before = count(Installation)
    answer = admin.post("/admin/installations/new", data=form(**values))
    assert answer.status_code == 422
    assert words in answer.text
    assert 'value="Kim"' in answer.text
    assert "<title>Error: " in answer.text
    assert count(Installation) == before


def test_more_rows_for_technicians_without_javascript(world: SimpleNamespace, admin: FlaskClient) -> None:
    answer = admin.post(
        "/admin/installations/new", data=form(technician=["PY-0001"], percent=[""], more="yes")
    )
    assert answer.status_code == 200
    assert answer.text.count('name="technician"') == 3


def test_a_late_change_is_a_conflict_with_the_text_kept(world: SimpleNamespace, admin: FlaskClient) -> None:
    address = f"/admin/installations/{world.due.reference}/edit"
    data = form(version="1", size="9.99", technician=[world.ana.reference], percent=[""])
    assert admin.post(address, data={**data, "customer_name": "First"}).status_code == 303
    answer = admin.post(address, data={**data, "customer_name": "Second"})
    assert answer.status_code == 409
    assert 'value="Second"' in answer.text
    assert "Somebody changed" in answer.text


def test_status_steps(world: SimpleNamespace, admin: FlaskClient) -> None:
    address = f"/admin/installations/{world.pending.reference}/status"
    assert admin.post(address, data={"status": "commissioned", "commissioned_on": ""}).status_code == 422
    answer = admin.post(address, data={"status": "decommissioned"})
    assert answer.status_code == 409
    assert "This installation is pending" in answer.text
    assert (
        admin.post(address, data={"status": "commissioned", "commissioned_on": "2026-03-01"}).status_code
        == 303
    )
    assert db.session.get_one(Installation, world.pending.id).commissioned_on == date(2026, 3, 1)


def test_files_are_looked_at_stored_apart_and_only_downloaded(
    world: SimpleNamespace, admin: FlaskClient
) -> None:
    address = f"/admin/installations/{world.due.reference}/files"
    refused = admin.post(address, data={"file": (io.BytesIO(b"<script>alert(1)</script>"), "photo.png")})
    assert refused.status_code == 422
    assert count(InstallationFile) == 0
    for _ in range(2):
        assert admin.post(address, data={"file": (io.BytesIO(PDF), "Report.pdf")}).status_code == 303
    row = db.session.scalars(select(InstallationFile)).one()
    assert "Report" not in row.storage_key
    answer = admin.get(f"{address}/{row.id}")
    assert answer.data == PDF
    assert answer.headers["Content-Disposition"] == "attachment; filename=Report.pdf"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


# ---------------------------------------------------------------- payouts


def test_a_payout_by_hand_is_checked_first_and_made_once(world: SimpleNamespace, admin: FlaskClient) -> None:
    address = f"/admin/installations/pay/{world.ana.reference}"
    ids = [world.due.reference, world.shared.reference]
    check = admin.post(address, data={"ids": ids})
    assert check.status_code == 200
    assert "$649.50" in check.text
    assert count(Payout) == 0
    for _ in range(2):
        answer = admin.post(address, data={"ids": ids, "act": "create", "key": "k1", "note": "as agreed"})
        assert answer.status_code == 303
    payout = db.session.scalars(select(Payout)).one()
    assert (payout.amount_minor, payout.note, payout.created_by_id) == (64_950, "as agreed", world.admin.id)
    again = admin.post(address, data={"ids": ids})
    assert again.status_code == 409
    assert f"{world.due.reference} is in payout {payout.reference} already" in again.text
    assert admin.post(address, data={}).status_code == 422


def _expected(html: str) -> str:
    found = re.search(r'name="expected" value="([^"]*)"', html)
    assert found is not None
    return found[1]


def test_the_button_starts_a_run_for_everybody(world: SimpleNamespace, admin: FlaskClient) -> None:
    page = admin.get("/admin/installations/pay").text
    assert "Create 2 payouts ($749.50)" in page
    assert _expected(page) == "USD:2:74950"
    answer = admin.post("/admin/installations/pay/all", data={"expected": _expected(page)})
    run = db.session.scalars(select(Run)).one()
    assert (answer.status_code, answer.location) == (303, f"/admin/runs/{run.reference}")
    assert (run.total, run.state) == (2, "queued")


@pytest.mark.parametrize("expected", ["", "USD:2:1", "USD:1:74950", "EUR:2:74950", "x" * 5_000])
def test_what_is_due_is_looked_at_again_when_it_is_not_what_was_seen(
    world: SimpleNamespace, admin: FlaskClient, expected: str
) -> None:
    answer = admin.post("/admin/installations/pay/all", data={"expected": expected})
    assert answer.status_code == 409
    assert "Now 2 payouts are due, $749.50." in answer.text
    assert "Nothing was created." in answer.text
    assert count(Run) == 0
    again = admin.post("/admin/installations/pay/all", data={"expected": _expected(answer.text)})
    assert again.status_code == 303
    assert count(Run) == 1


def test_what_became_due_since_is_not_paid_unseen(world: SimpleNamespace, admin: FlaskClient) -> None:
    seen = _expected(admin.get("/admin/installations/pay").text)
    with transaction():
        make.installation(world.solaria, world.ben, size="1")
    answer = admin.post("/admin/installations/pay/all", data={"expected": seen})
    assert answer.status_code == 409
    assert "Now 2 payouts are due, $799.50." in answer.text
    assert count(Run) == 0


def test_nothing_due_any_more_creates_nothing(world: SimpleNamespace, admin: FlaskClient) -> None:
    seen = _expected(admin.get("/admin/installations/pay").text)
    with transaction():
        for share in db.session.scalars(select(InstallationShare)):
            share.offer = "dismissed"
    answer = admin.post("/admin/installations/pay/all", data={"expected": seen})
    assert (answer.status_code, answer.location) == (303, "/admin/installations/pay")
    assert "Nothing is due" in admin.get(answer.location).text
    assert count(Run) == 0


def test_a_rejected_part_is_offered_again_or_dismissed(world: SimpleNamespace, admin: FlaskClient) -> None:
    with transaction():
        for row in (world.due, world.unpriced):
            share = db.session.get_one(InstallationShare, row.shares[0].id)
            share.offer, share.offer_reason = "blocked", "PO-1 was rejected: Photo missing"
    page = admin.get("/admin/installations/rejected").text
    assert page.count("Photo missing") == 2
    fix = f"/admin/installations/rejected/{world.due.shares[0].id}"
    assert admin.post(fix, data={"choice": "perhaps"}).status_code == 422
    assert admin.post(fix, data={"choice": "fix"}).status_code == 303
    other = f"/admin/installations/rejected/{world.unpriced.shares[0].id}"
    assert admin.post(other, data={"choice": "dismiss", "note": "not ours"}).status_code == 303
    offers = {s.id: s.offer for s in db.session.scalars(select(InstallationShare))}
    assert offers[world.due.shares[0].id] == "open"
    assert offers[world.unpriced.shares[0].id] == "dismissed"
    assert (
        admin.post(
            f"/admin/installations/rejected/{world.foreign.shares[0].id}", data={"choice": "fix"}
        ).status_code
        == 404
    )


# ---------------------------------------------------------------- rates


def rate_form(**values: Any) -> dict[str, Any]:
    defaults = {
        "name": "Solar C", "installation_type": "solar", "capacity_unit": "kW", "min_size": "5", "max_size": "8",
        "rate_type": "per_unit", "rate": "60", "priority": "0", "is_active": "y",
    }  # fmt: skip
    return {**defaults, **values}


def test_a_rate_is_checked_before_it_is_saved(world: SimpleNamespace, admin: FlaskClient) -> None:
    check = admin.post("/admin/rates/new", data=rate_form(step="check"))
    assert check.status_code == 200
    assert "Solar C can never win" in check.text
    assert "overlap for solar: 5 up to, not including, 8 kW" in check.text
    assert "Effect on last month" in check.text
    assert count(RateVersion) == 4
    assert admin.post("/admin/rates/new", data=rate_form(step="save")).status_code == 303
    assert count(RateVersion) == 5


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"name": ""}, "Enter a name"),
        ({"rate": "free"}, "is not a number"),
        ({"rate": "0"}, "The rate must be above 0"),
        ({"max_size": "4"}, "The maximum is below the minimum"),
        ({"capacity_unit": ""}, "needs a unit"),
        ({"priority": "first"}, "whole number"),
        ({"has_bonus": "y"}, "needs an amount above zero"),
        ({"effective_from": "2026-05-01", "effective_to": "2026-04-01"}, "ends before it begins"),
    ],
)
@pytest.mark.parametrize("step", ["check", "save"])
def test_a_bad_rate_is_refused(
    world: SimpleNamespace, admin: FlaskClient, values: dict[str, Any], words: str, step: str
) -> None:
    answer = admin.post("/admin/rates/new", data=rate_form(step=step, **values))
    assert answer.status_code == 422
    assert words in answer.text
    assert count(RateVersion) == 4


def test_a_revision_is_a_version_and_late_ones_conflict(world: SimpleNamespace, admin: FlaskClient) -> None:
    address = f"/admin/rates/{world.rates[0].id}/revise"
    data = rate_form(name="Solar A", min_size="0", max_size="10", rate="55", priority="1", version="1")
    assert "Save the new version" in admin.post(address, data={**data, "step": "check"}).text
    assert 'value="55"' in admin.post(address, data={**data, "step": "back"}).text
    assert admin.post(address, data={**data, "step": "save"}).status_code == 303
    late = admin.post(address, data={**data, "rate": "56", "step": "save"})
    assert late.status_code == 409
    assert 'value="56"' in late.text
    page = admin.get(f"/admin/rates/{world.rates[0].id}").text
    assert "55.00 USD per kW" in page
    assert "50.00 USD per kW" in page


def test_a_rate_ends(world: SimpleNamespace, admin: FlaskClient) -> None:
    address = f"/admin/rates/{world.rates[0].id}/end"
    assert admin.post(address, data={"last_day": "never"}).status_code == 422
    assert admin.post(address, data={"last_day": "2026-06-30"}).status_code == 303
    assert admin.post(address, data={"last_day": "2026-07-30"}).status_code == 409
    assert "Ended" in admin.get("/admin/rates").text


def test_a_rehearsal_shows_the_difference_and_stores_nothing(
    world: SimpleNamespace, admin: FlaskClient
) -> None:
    data = {**rate_form(name="Solar A", min_size="0", max_size="10", rate="60", priority="1"), "months": "24"}
    answer = admin.get(f"/admin/rates/{world.rates[0].id}/rehearse", query_string=data)
    assert answer.status_code == 200
    assert "$129.90" in answer.text
    assert count(RateVersion) == 4


# ---------------------------------------------------------------- set-up


def test_the_former_address_of_imports_leads_to_the_new_one(admin: FlaskClient) -> None:
    answer = admin.get("/admin/installations/import")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/admin/imports/new")


def test_settings_and_types(world: SimpleNamespace, admin: FlaskClient) -> None:
    data = {
        "range_mode": "inclusive",
        "is_progressive": "y",
        "minimum_payout": "50.00",
        "retention": "10",
        "retention_days": "90",
    }
    assert admin.post("/admin/installations/settings", data=data).status_code == 303
    row = db.session.get_one(InstallationSettings, world.solaria.id)
    assert (row.range_mode, row.is_progressive, row.is_automatic, row.minimum_payout_minor) == (
        "inclusive", True, False, 5_000,
    )  # fmt: skip
    assert (
        admin.post("/admin/installations/settings", data={**data, "minimum_payout": "x"}).status_code == 422
    )
    types = "/admin/installations/settings/types"
    assert admin.post(types, data={"code": "battery", "label": "Battery"}).status_code == 303
    assert admin.post(types, data={"code": "battery", "label": "Battery"}).status_code == 422
    assert "Battery" in admin.get("/admin/installations/new").text


# ---------------------------------------------------------------- technicians


def test_a_technician_sees_only_their_own_part(world: SimpleNamespace, technician: FlaskClient) -> None:
    text = technician.get("/technician/installations").text
    assert world.due.reference in text
    assert world.shared.reference in text
    assert world.pending.reference not in text
    assert "$150.00" in text
    assert "Ben" not in text
    shown = technician.get(f"/technician/installations/{world.shared.reference}").text
    assert "share 60 % = 150.00 USD" in shown
    assert "Ben" not in shown
    assert (
        "No rate matches" not in technician.get(f"/technician/installations/{world.unpriced.reference}").text
    )
    for row in (world.pending,):
        assert technician.get(f"/technician/installations/{row.reference}").status_code == 404
    assert technician.get("/admin/installations").status_code == 403


def test_a_technician_takes_their_list_along(world: SimpleNamespace, technician: FlaskClient) -> None:
    body = technician.get("/technician/installations/export.csv").get_data(as_text=True)
    rows = list(csv.DictReader(io.StringIO(body.lstrip("\ufeff"))))
    assert {row["Reference"]: row["Your amount"] for row in rows} == {
        world.due.reference: "499.50",
        world.shared.reference: "150.00",
        world.unpriced.reference: "",
    }
    assert technician.get("/technician/installations/export.xlsx").status_code == 200


def test_reasons_between_admins_stay_there(world: SimpleNamespace, technician: FlaskClient) -> None:
    with transaction():
        share = db.session.get_one(InstallationShare, world.due.shares[0].id)
        share.offer, share.offer_reason = "blocked", "we doubt the photo"
    text = technician.get(f"/technician/installations/{world.due.reference}").text
    assert "looks into it" in text
    assert "doubt" not in text
