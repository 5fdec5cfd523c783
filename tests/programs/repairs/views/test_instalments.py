"""Instalments on admins' pages: what is not charged yet, chosen ones and all that are due charged by hand."""

from __future__ import annotations

import re
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.factories import repairs
from tests.programs.repairs.views.conftest import Metrocab
from tests.programs.repairs.views.hands import act, cells, count, this_day, typed
from webapp.programs.repairs.books import Charge
from webapp.programs.repairs.models import Repair
from webapp.runs import lists as run_lists
from webapp.runs import service as runs
from webapp.runs.models import Run

ROOT = "/admin/repairs/instalments"


def numbers(page: str) -> list[str]:
    """The numbers of the instalments that a page lists."""
    return [text for text in cells(page) if text.startswith(("RPR-", "LN-"))]


def chosen(browser: FlaskClient, **data: Any) -> str:
    """The address of the check step of what was chosen."""
    answer = browser.post(f"{ROOT}/post", data=data)
    assert answer.status_code == 303
    return str(answer.location)


def charged(metrocab: Metrocab, browser: FlaskClient, check: str) -> str:
    """Confirm a check step and let a worker do it; the page of the run."""
    answer = browser.post(f"{check}/confirm")
    assert answer.status_code == 303
    worked(check.rpartition("/")[2], metrocab)
    return browser.get(answer.location).text


def worked(reference: str, metrocab: Metrocab) -> None:
    """What a worker does of a run: its rows, and then finding out that it is over."""
    run = run_lists.get_run(organisation_id=metrocab.organisation.id, reference=reference)
    run_id = run.id
    assert any(runs.step(run_id=run_id) for _ in range(5))


def planned_ahead(metrocab: Metrocab, browser: FlaskClient) -> Repair:
    """An open repair whose first week has not begun."""
    made = repairs.draft(metrocab.lease)
    values = typed(invoice_number="W-9", invoice_date=this_day(metrocab).isoformat(), start="NEXT")
    assert act(browser, made.reference, "edit", **values).status_code == 303
    assert act(browser, made.reference, "confirm").status_code == 303
    return made


# ---- The list ------------------------------------------------------------------------------------------------


def test_the_list_begins_with_what_is_not_charged(metrocab: Metrocab, admin: FlaskClient) -> None:
    made = repairs.repair(metrocab.lease)
    repairs.draft(metrocab.lease)
    repairs.run(metrocab.organisation, repairs.sunday(0))
    page = admin.get(ROOT).text
    assert numbers(page) == [f"{made.reference}-02", f"{made.reference}-03"]
    assert "12–18 Oct 2025" in cells(page)
    assert f"{made.reference}-01" in numbers(admin.get(f"{ROOT}?state=").text)
    assert numbers(admin.get(f"{ROOT}?state=posted").text) == [f"{made.reference}-01"]


def test_the_list_is_narrowed_by_driver_day_and_vehicle(metrocab: Metrocab, admin: FlaskClient) -> None:
    made = repairs.repair(metrocab.lease)
    other = repairs.driver(metrocab.organisation)
    theirs = repairs.repair(repairs.lease(other))
    plate = metrocab.again(metrocab.lease).vehicle.plate
    mine = [f"{made.reference}-0{n}" for n in (1, 2, 3)]
    assert numbers(admin.get(f"{ROOT}?driver=PY-0001").text) == mine
    assert numbers(admin.get(f"{ROOT}?vehicle={plate}").text) == mine
    assert numbers(admin.get(f"{ROOT}?date_from=2025-10-18&date_to=2025-10-18").text) == [
        mine[1], f"{theirs.reference}-02",
    ]  # fmt: skip
    assert admin.get(f"{ROOT}?date_from=2025-10-18&date_to=2025-10-17").status_code == 422


def test_only_what_can_be_charged_today_can_be_ticked(metrocab: Metrocab, admin: FlaskClient) -> None:
    due, later = repairs.repair(metrocab.lease), planned_ahead(metrocab, admin)
    page = admin.get(ROOT).text
    assert f'value="{due.reference}-01"' in page
    assert f'value="{later.reference}-01"' not in page
    assert f"{later.reference}-01" in numbers(page)
    act(admin, due.reference, "hold", reason="The invoice is wrong.")
    page = admin.get(f"{ROOT}?state=scheduled").text
    assert f'value="{due.reference}-01"' not in page
    assert "Repair: on hold" in page


def test_an_accountant_ticks_nothing(metrocab: Metrocab) -> None:
    made = repairs.repair(metrocab.lease)
    page = metrocab.as_(metrocab.books).get(ROOT).text
    assert f"{made.reference}-01" in numbers(page)
    assert "checkbox" not in page
    assert "Charge all" not in page


def test_nothing_is_left_to_be_charged(metrocab: Metrocab, admin: FlaskClient) -> None:
    assert "Nothing is left to be charged" in admin.get(ROOT).text


def test_the_totals_are_those_of_the_filter(metrocab: Metrocab, admin: FlaskClient) -> None:
    repairs.repair(metrocab.lease)
    repairs.run(metrocab.organisation, repairs.sunday(0))
    page = admin.get(f"{ROOT}/totals", headers={"HX-Request": "true"}).text
    assert cells(page)[-4:] == ["USD", "2", "$0.00", "$300.50"]


def test_the_files_have_the_rows_of_the_page(metrocab: Metrocab, admin: FlaskClient) -> None:
    made = repairs.repair(metrocab.lease)
    repairs.run(metrocab.organisation, repairs.sunday(0))
    for query, n in (("", 2), ("?state=posted", 1), ("?state=", 3)):
        page = admin.get(f"{ROOT}{query}").text
        link = re.search(r'href="([^"]+/instalments/export.csv[^"]*)"', page)
        assert link
        lines = admin.get(link[1].replace("&amp;", "&")).text.splitlines()
        assert sum(f"{made.reference}-0" in line for line in lines) == len(numbers(page)) == n


# ---- Charged by hand -----------------------------------------------------------------------------------------


def test_the_ticked_ones_are_shown_before_they_are_charged(metrocab: Metrocab, admin: FlaskClient) -> None:
    made = repairs.repair(metrocab.lease)
    check = chosen(admin, ids=[f"{made.reference}-01", f"{made.reference}-02"])
    page = admin.get(check).text
    assert "Charge 2 instalments" in page
    assert "$400.00" in page
    assert count(Charge) == 0
    page = charged(metrocab, admin, check)
    assert f"{made.reference}-01 is charged." in page
    assert f"{made.reference}-02 is charged." in page
    assert count(Charge) == 2
    assert metrocab.newest(Charge).amount_minor == 200_00


def test_all_that_is_due_is_one_of_each_plan(metrocab: Metrocab, admin: FlaskClient) -> None:
    first, second = repairs.repair(metrocab.lease), repairs.repair(metrocab.lease, 300_00)
    loan = repairs.loan(metrocab.ada)
    page = admin.get(chosen(admin, is_all="1")).text
    assert numbers(page) == [f"{first.reference}-01", f"{second.reference}-01", f"{loan.reference}-01"]


def test_all_that_is_due_once_a_week(metrocab: Metrocab, admin: FlaskClient) -> None:
    repairs.repair(metrocab.lease)
    charged(metrocab, admin, chosen(admin, is_all="1"))
    assert count(Charge) == 1
    assert chosen(admin, is_all="1").endswith(ROOT)
    assert "Nothing is due" in admin.get(ROOT).text
    assert count(Charge) == 1


def test_all_weeks_at_once_where_the_settings_say_so(metrocab: Metrocab, admin: FlaskClient) -> None:
    repairs.set_up(metrocab.organisation, is_one_a_week=False)
    repairs.repair(metrocab.lease)
    charged(metrocab, admin, chosen(admin, is_all="1"))
    assert count(Charge) == 3


def test_nothing_chosen_is_said(metrocab: Metrocab, admin: FlaskClient) -> None:
    repairs.repair(metrocab.lease)
    assert chosen(admin, ids=["RPR-1999-001-01", ""]).endswith(ROOT)
    assert "No instalment was chosen" in admin.get(ROOT).text


def test_the_good_ones_are_charged_and_the_others_say_why_not(metrocab: Metrocab, admin: FlaskClient) -> None:
    good, later = repairs.repair(metrocab.lease), planned_ahead(metrocab, admin)
    held = repairs.repair(metrocab.lease)
    check = chosen(admin, ids=[f"{row.reference}-01" for row in (good, later, held)])
    act(admin, held.reference, "hold", reason="The invoice is wrong.")
    page = admin.get(check).text
    assert "Not included (2)" in page
    assert "Charge 1 instalment" in page
    page = charged(metrocab, admin, check)
    assert f"{good.reference}-01 is charged." in page
    assert f"{later.reference}-01 is not charged before" in page
    assert f"Its repair is on hold; {held.reference}-01 is not charged." in page
    assert count(Charge) == 1


def test_what_is_charged_is_not_charged_again(metrocab: Metrocab, admin: FlaskClient) -> None:
    made = repairs.repair(metrocab.lease)
    ids = [f"{made.reference}-01"]
    one, other = chosen(admin, ids=ids), chosen(admin, ids=ids)
    charged(metrocab, admin, one)
    # The same check step again leads to the run that did it, another one finds nothing to do.
    assert admin.get(one).status_code == 303
    assert "is charged already" in admin.get(other).text
    assert "is charged already" in charged(metrocab, admin, other)
    assert count(Charge) == 1


def test_only_who_prepared_it_can_start_it(metrocab: Metrocab, admin: FlaskClient) -> None:
    made = repairs.repair(metrocab.lease)
    check = chosen(admin, ids=[f"{made.reference}-01"])
    browser = metrocab.as_(metrocab.sam)
    assert "Only the admin who prepared it" in browser.get(check).text
    assert browser.post(f"{check}/confirm").status_code == 409
    assert metrocab.newest(Run).state == "draft"


@pytest.mark.parametrize("is_mine", [True, False])
def test_another_fleet_s_instalments_are_not_charged(
    metrocab: Metrocab, admin: FlaskClient, is_mine: bool
) -> None:
    where = metrocab.organisation if is_mine else repairs.metrocab(slug="other")
    made = repairs.repair(repairs.lease(repairs.driver(where)))
    reference = metrocab.again(made.instalments[0]).reference
    answer = admin.post(f"{ROOT}/post", data={"ids": [reference]})
    assert answer.location.endswith(ROOT) is not is_mine
    assert count(Run) == int(is_mine)


def test_a_run_of_something_else_is_not_there(metrocab: Metrocab, admin: FlaskClient) -> None:
    assert admin.get(f"{ROOT}/post/BA-9999").status_code == 404
