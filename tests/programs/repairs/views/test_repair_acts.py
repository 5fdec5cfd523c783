"""What is done with a repair on its pages."""

from __future__ import annotations

from datetime import date

import pytest
from flask.testing import FlaskClient

from tests.factories import repairs
from tests.programs.repairs.views.conftest import Metrocab
from tests.programs.repairs.views.hands import ROOT, act, count, this_day
from webapp.programs.repairs.books import Adjustment, Charge
from webapp.programs.repairs.models import Instalment, Replan


def test_from_a_draft_to_open_and_not_twice(metrocab: Metrocab, admin: FlaskClient) -> None:
    made = repairs.draft(metrocab.lease)
    page = admin.get(f"{ROOT}/{made.reference}/confirm").text
    assert "$200.00 a week: 3 instalments, until 25 Oct 2025" in page
    assert act(admin, made.reference, "confirm").status_code == 303
    assert metrocab.again(made).state == "open"
    assert act(admin, made.reference, "confirm").status_code == 409


def test_held_with_a_reason_and_released(metrocab: Metrocab, admin: FlaskClient) -> None:
    made = repairs.repair(metrocab.lease)
    assert act(admin, made.reference, "hold", reason="").status_code == 422
    assert act(admin, made.reference, "hold", reason="The invoice is wrong.").status_code == 303
    page = admin.get(f"{ROOT}/{made.reference}").text
    assert "The invoice is wrong." in page
    assert "Release…" in page
    assert "Hold…" not in page
    assert act(admin, made.reference, "release").status_code == 303
    again = metrocab.again(made)
    assert again.state == "open"
    assert again.instalments[0].week_start >= this_day(metrocab)


def test_an_act_that_comes_too_late_keeps_what_was_written(metrocab: Metrocab, admin: FlaskClient) -> None:
    made = repairs.repair(metrocab.lease)
    act(admin, made.reference, "cancel", reason="Entered twice.")
    answer = act(admin, made.reference, "hold", reason="my long reason")
    assert answer.status_code == 409
    assert "my long reason" in answer.text
    assert admin.get(f"{ROOT}/{made.reference}/hold").status_code == 409


def test_an_instalment_moves_to_the_end(metrocab: Metrocab, admin: FlaskClient) -> None:
    made = repairs.repair(metrocab.lease)
    path = f"{ROOT}/{made.reference}/instalments/{made.reference}-01/skip"
    assert "5–11 Oct 2025" in admin.get(path).text
    assert admin.post(path, data={"reason": ""}).status_code == 422
    assert admin.post(path, data={"reason": "Ill"}).status_code == 303
    last = metrocab.newest(Instalment)
    assert (last.reference, last.week_start) == (f"{made.reference}-04", date(2025, 10, 26))
    answer = admin.post(path, data={"reason": "Again"})
    assert answer.status_code == 409
    assert "Again" in answer.text


def test_an_instalment_of_another_repair_is_not_there(metrocab: Metrocab, admin: FlaskClient) -> None:
    one, other = repairs.repair(metrocab.lease), repairs.repair(metrocab.lease)
    assert admin.get(f"{ROOT}/{one.reference}/instalments/{other.reference}-01/skip").status_code == 404


def test_settled_with_exactly_what_is_left(metrocab: Metrocab, admin: FlaskClient) -> None:
    made = repairs.repair(metrocab.lease)
    assert 'value="500.50"' in admin.get(f"{ROOT}/{made.reference}/settle").text
    day = this_day(metrocab).isoformat()
    values = {"method": "cash", "received_on": day, "note": "at the desk"}
    answer = act(admin, made.reference, "settle", amount="500.49", **values)
    assert answer.status_code == 422
    assert "500.50" in answer.text
    assert "at the desk" in answer.text
    assert act(admin, made.reference, "settle", amount="500.50", **values).status_code == 303
    again = metrocab.again(made)
    assert (again.state, again.paid_minor) == ("closed", 500_50)
    assert act(admin, made.reference, "settle", amount="500.50", **values).status_code == 409
    assert count(Adjustment) == 1


@pytest.mark.parametrize(
    ("posted", "is_open", "credited"), [("keep", 200_00, 0), ("reverse", 0, 200_00), ("write_off", 0, 200_00)]
)
def test_cancelled_with_what_becomes_of_the_charged_part(
    metrocab: Metrocab, admin: FlaskClient, posted: str, is_open: int, credited: int
) -> None:
    made = repairs.repair(metrocab.lease)
    repairs.run(metrocab.organisation, repairs.sunday(0))
    page = admin.get(f"{ROOT}/{made.reference}/cancel").text
    assert "Write off what is not paid" in page
    assert act(admin, made.reference, "cancel", posted=posted, reason=" ").status_code == 422
    answer = act(admin, made.reference, "cancel", posted=posted, reason="Wrong driver.")
    assert answer.status_code == 303
    charge = metrocab.newest(Charge)
    assert (charge.open_minor, charge.credited_minor) == (is_open, credited)
    assert metrocab.again(made).state == "cancelled"
    page = admin.get(f"{ROOT}/{made.reference}").text
    assert "Wrong driver." in page
    assert "Cancelled, taken back or written off" in page


def test_a_draft_is_cancelled_without_that_question(metrocab: Metrocab, admin: FlaskClient) -> None:
    made = repairs.draft(metrocab.lease)
    assert "Write off" not in admin.get(f"{ROOT}/{made.reference}/cancel").text
    assert act(admin, made.reference, "cancel", reason="Typed wrong.").status_code == 303
    assert metrocab.again(made).state == "cancelled"


def test_a_new_plan_needs_a_second_person(metrocab: Metrocab, admin: FlaskClient) -> None:
    made = repairs.repair(metrocab.lease)
    assert act(admin, made.reference, "plan", weekly="0", reason="Less work").status_code == 422
    assert act(admin, made.reference, "plan", weekly="50", reason="Less work").status_code == 303
    row = metrocab.newest(Replan)
    page = admin.get(f"{ROOT}/{made.reference}").text
    assert "Another person accepts or refuses it." in page
    assert act(admin, made.reference, "plan", weekly="60", reason="Again").status_code == 409
    assert act(admin, made.reference, f"plan/{row.id}", choice="accept").status_code == 403
    assert len(metrocab.again(made).instalments) == 3
    browser = metrocab.as_(metrocab.sam)
    assert made.reference in browser.get("/admin/repairs/plans").text
    assert "$50.00 a week: 11 instalments, until 20 Dec 2025" in (
        browser.get(f"{ROOT}/{made.reference}/plan/{row.id}").text
    )
    assert act(browser, made.reference, f"plan/{row.id}", choice="").status_code == 422
    assert act(browser, made.reference, f"plan/{row.id}", choice="accept").status_code == 303
    assert metrocab.again(made).weekly_minor == 50_00
    assert act(browser, made.reference, f"plan/{row.id}", choice="refuse").status_code == 409
    assert "New plan accepted" in browser.get(f"{ROOT}/{made.reference}").text


def test_a_plan_of_another_repair_is_not_there(metrocab: Metrocab, admin: FlaskClient) -> None:
    one, other = repairs.repair(metrocab.lease), repairs.repair(metrocab.lease)
    act(admin, one.reference, "plan", weekly="50", reason="Less work")
    row = metrocab.newest(Replan)
    assert metrocab.as_(metrocab.sam).get(f"{ROOT}/{other.reference}/plan/{row.id}").status_code == 404
