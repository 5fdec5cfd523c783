"""Vehicles, medallions, leases: lists, new ones, a lease's end, another vehicle; settings and the payment matrix."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select

from tests.factories import repairs
from tests.programs.repairs.views.conftest import Metrocab
from webapp.database import db, transaction
from webapp.people.models import UserSession
from webapp.programs.repairs import settings
from webapp.programs.repairs.models import DriverLease, MatrixVersion, Medallion, Vehicle
from webapp.programs.repairs.states import Category

ROOT = "/admin/repairs"


def count(model: Any) -> int:
    db.session.rollback()
    return int(db.session.scalar(select(func.count()).select_from(model)) or 0)


# ---- Vehicles and medallions ---------------------------------------------------------------------------------


def test_a_vehicle_is_added_and_listed_as_free(metrocab: Metrocab, admin: FlaskClient) -> None:
    admin.post(f"{ROOT}/vehicles/new", data={"plate": "t99c", "vin": "1ftyr14u9wpa12345"})
    page = admin.get(f"{ROOT}/vehicles?q=T99C").text
    assert "T99C" in page
    assert "1FTYR14U9WPA12345" in page
    assert "Free" in page


def test_a_plate_that_is_there_is_refused_and_stays_typed(metrocab: Metrocab, admin: FlaskClient) -> None:
    plate = metrocab.lease.vehicle.plate
    answer = admin.post(f"{ROOT}/vehicles/new", data={"plate": plate, "vin": "TYPED"})
    assert answer.status_code == 422
    assert "There is a vehicle" in answer.text
    assert "TYPED" in answer.text
    assert count(Vehicle) == 1


def test_the_list_says_who_drives_a_vehicle(metrocab: Metrocab, admin: FlaskClient) -> None:
    plate, reference = metrocab.lease.vehicle.plate, metrocab.lease.reference
    page = admin.get(f"{ROOT}/vehicles?use=leased").text
    assert plate in page
    assert reference in page
    assert "Ada &lt;b&gt;Ray&lt;/b&gt;" in page
    assert plate not in admin.get(f"{ROOT}/vehicles?use=free").text.split('id="results"')[1]


def test_a_medallion_is_added_once(metrocab: Metrocab, admin: FlaskClient) -> None:
    assert admin.post(f"{ROOT}/medallions/new", data={"number": "5y21"}).status_code == 303
    assert admin.post(f"{ROOT}/medallions/new", data={"number": "5Y21"}).status_code == 422
    assert "5Y21" in admin.get(f"{ROOT}/medallions").text
    assert count(Medallion) == 1


# ---- Leases --------------------------------------------------------------------------------------------------


def lease_form(metrocab: Metrocab, **values: Any) -> dict[str, Any]:
    other = repairs.driver(metrocab.organisation, name="Ben Okoro")
    vehicle = repairs.vehicle(metrocab.organisation)
    return {
        "driver": other.reference.lower(), "vehicle": vehicle.plate.lower(), "medallion": "", "shift": "full",
        "weekly": "500.00", "starts_on": "2025-10-05", "takes_repairs": "y", **values,
    }  # fmt: skip


def test_a_lease_is_made_by_number_and_plate(metrocab: Metrocab, admin: FlaskClient) -> None:
    answer = admin.post(f"{ROOT}/leases/new", data=lease_form(metrocab), follow_redirects=True)
    assert "Ben Okoro" in answer.text
    made = metrocab.newest(DriverLease)
    assert (made.weekly_minor, made.takes_repairs, made.starts_on) == (500_00, True, date(2025, 10, 5))


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("driver", "PY-9999", "There is no driver with this number"),
        ("vehicle", "NONE", "There is no vehicle with this plate"),
        ("medallion", "9Z99", "There is no medallion with this number"),
        ("weekly", "-5", "zero or more"),
        ("weekly", "500.005", "2 decimals"),
        ("ends_on", "2025-10-01", "It ends before it begins"),
    ],
)
def test_what_is_not_right_in_a_lease_is_said_at_its_field(
    metrocab: Metrocab, admin: FlaskClient, field: str, value: str, words: str
) -> None:
    before = count(DriverLease)
    form = lease_form(metrocab, **{field: value})
    answer = admin.post(f"{ROOT}/leases/new", data=form)
    assert answer.status_code == 422
    assert words in answer.text
    assert form["starts_on"] in answer.text
    assert count(DriverLease) == before


def test_a_driver_who_has_a_lease_gets_no_second_one(metrocab: Metrocab, admin: FlaskClient) -> None:
    answer = admin.post(f"{ROOT}/leases/new", data=lease_form(metrocab, driver=metrocab.ada.reference))
    assert answer.status_code == 409
    assert metrocab.lease.reference in answer.text
    assert "2025-10-05" in answer.text


def test_a_driver_of_another_organisation_is_not_known(metrocab: Metrocab, admin: FlaskClient) -> None:
    form = lease_form(metrocab)
    other = repairs.metrocab(slug="other")
    form["driver"] = [repairs.driver(other).reference for _ in range(3)][-1]
    answer = admin.post(f"{ROOT}/leases/new", data=form)
    assert answer.status_code == 422
    assert "There is no driver with this number" in answer.text


def test_a_lease_ends_with_a_reason(metrocab: Metrocab, admin: FlaskClient) -> None:
    reference = metrocab.lease.reference
    form = {"last_day": "2025-11-01", "reason": "The driver moved away.", "version": "1"}
    page = admin.post(f"{ROOT}/leases/{reference}/end", data=form, follow_redirects=True).text
    assert "The driver moved away." in page
    assert "Ended" in page
    assert metrocab.again(metrocab.lease).ends_on == date(2025, 11, 1)


def test_a_lease_that_somebody_changed_meanwhile_is_left_alone(
    metrocab: Metrocab, admin: FlaskClient
) -> None:
    form = {"last_day": "2025-11-01", "reason": "typed reason", "version": "0"}
    answer = admin.post(f"{ROOT}/leases/{metrocab.lease.reference}/end", data=form)
    assert answer.status_code == 409
    assert "typed reason" in answer.text
    assert metrocab.again(metrocab.lease).ends_on is None


def test_another_vehicle_comes_onto_a_lease(metrocab: Metrocab, admin: FlaskClient) -> None:
    other, first = repairs.vehicle(metrocab.organisation).plate, metrocab.lease.vehicle.plate
    address = f"{ROOT}/leases/{metrocab.lease.reference}"
    form = {"vehicle": other, "from_on": "2025-10-15", "version": "1"}
    page = admin.post(f"{address}/vehicle", data=form, follow_redirects=True).text
    assert other in page
    assert "14 Oct 2025" in page
    assert admin.post(f"{address}/vehicle", data={**form, "version": "2"}).status_code == 409
    assert first in admin.get(address).text


def test_an_accountant_sees_leases_and_changes_nothing(metrocab: Metrocab) -> None:
    books = metrocab.as_(metrocab.books)
    assert "New lease" not in books.get(f"{ROOT}/leases").text
    assert books.get(f"{ROOT}/leases/new").status_code == 403


def test_the_list_of_leases_is_narrowed(metrocab: Metrocab, admin: FlaskClient) -> None:
    reference = metrocab.lease.reference
    assert reference in admin.get(f"{ROOT}/leases?state=running").text
    assert reference not in admin.get(f"{ROOT}/leases?state=ended").text
    assert reference in admin.get(f"{ROOT}/leases?q={metrocab.lease.vehicle.plate}").text
    assert admin.get(f"{ROOT}/leases?state=lost").status_code == 422


# ---- Settings ------------------------------------------------------------------------------------------------


def settings_form(**values: str) -> dict[str, str]:
    places = {f"place_{each}": str(n) for n, each in enumerate(Category, start=1)}
    return {**places, "protected": "", "excess_to": "lease", "is_one_a_week": "y", "version": "0", **values}


def test_settings_are_saved(metrocab: Metrocab, admin: FlaskClient) -> None:
    form = settings_form(
        place_repairs="1", place_taxes="6", cap_repairs="250.00", protected="200.00", excess_to="credit"
    )
    assert admin.post(f"{ROOT}/settings", data=form).status_code == 303
    row = settings.settings_of(metrocab.organisation.id)
    assert (row.category_order[0], row.category_order[5]) == ("repairs", "taxes")
    assert (row.weekly_caps, row.protected_minor, row.excess_to) == ({"repairs": 250_00}, 200_00, "credit")
    page = admin.get(f"{ROOT}/settings").text
    assert 'value="250.00"' in page
    assert page.index("Place of repairs") < page.index("Place of taxes")


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"place_tolls": "1"}, "Place 1 is that of taxes already."),
        ({"place_tolls": "11"}, "Enter a place from 1 to 10."),
        ({"place_tolls": "first"}, "Enter a whole number."),
        ({"cap_tolls": "-1"}, "zero or more"),
        ({"protected": "much"}, "much is not an amount"),
    ],
)
def test_settings_that_cannot_be_are_refused(
    metrocab: Metrocab, admin: FlaskClient, values: dict[str, str], words: str
) -> None:
    answer = admin.post(f"{ROOT}/settings", data=settings_form(**values))
    assert answer.status_code == 422
    assert words in answer.text


def test_settings_of_an_older_page_are_refused(metrocab: Metrocab, admin: FlaskClient) -> None:
    repairs.set_up(metrocab.organisation, protected_minor=100_00)
    answer = admin.post(f"{ROOT}/settings", data=settings_form(protected="77.00"))
    assert answer.status_code == 409
    assert "77.00" in answer.text


def test_an_accountant_reads_the_settings(metrocab: Metrocab) -> None:
    page = metrocab.as_(metrocab.books).get(f"{ROOT}/settings").text
    assert "The driver keeps at least" in page
    assert "Save" not in page


# ---- The matrix ----------------------------------------------------------------------------------------------


def matrix(*bands: tuple[str, str], **values: str) -> dict[str, str]:
    form = {"rows": str(len(bands)), "version": "0", "act": "look"}
    for n, (over, weekly) in enumerate(bands):
        form |= {f"over_{n}": over, f"weekly_{n}": weekly}
    return {**form, **values}


def test_the_usual_matrix_says_what_it_makes_of_the_amounts_people_know(
    metrocab: Metrocab, admin: FlaskClient
) -> None:
    page = admin.get(f"{ROOT}/settings/matrix").text
    for words in (
        "2 × 100.00 + 0.50", "4 × 100.00 + 50.00", "2 × 200.00 + 100.50", "4 × 250.00 + 1.00", "12 × 250.00",
        "10 × 300.00 + 0.50", "16 × 300.00 + 200.00",
    ):  # fmt: skip
        assert f">{words}<" in page, words


def test_another_matrix_is_shown_beside_the_one_that_counts_and_not_stored(
    metrocab: Metrocab, admin: FlaskClient
) -> None:
    page = admin.post(f"{ROOT}/settings/matrix", data=matrix(("0", ""), ("200", "150.00"))).text
    assert "Nothing is stored yet" in page
    assert "150.00 + 50.50" in page
    assert "3 × 150.00" in page
    assert page.count("Stays") == 1  # 200.00 alone
    assert count(MatrixVersion) == 0


def test_a_stored_matrix_is_a_version_and_counts_for_new_plans(
    metrocab: Metrocab, admin: FlaskClient
) -> None:
    before = repairs.repair(metrocab.lease, 450_00)
    stays = [each.amount_minor for each in before.instalments]
    form = matrix(("0", ""), ("200", "150.00"), ("", ""), act="save", fold_below="10.00")
    assert admin.post(f"{ROOT}/settings/matrix", data=form).status_code == 303
    page = admin.get(f"{ROOT}/settings/matrix").text
    assert "version 1" in page
    assert "0.00: in full, 200.00: 150.00" in page
    assert "dana@metrocab.example" in page
    made = repairs.repair(metrocab.lease, 455_00)
    assert [each.amount_minor for each in made.instalments] == [150_00, 150_00, 155_00]
    assert [each.amount_minor for each in metrocab.again(before).instalments] == stays


@pytest.mark.parametrize(
    ("bands", "words"),
    [
        ((("100", "50"),), "The bands begin at zero"),
        ((("0", ""), ("0", "50")), "each bound stands once"),
        ((("0", "0"),), "A weekly amount is more than zero."),
        ((("0", ""), ("", "50")), "Say from which amount on this counts."),
        ((("0", ""), ("many", "50")), "many is not an amount"),
    ],
)
def test_a_matrix_that_cannot_be_is_refused(
    metrocab: Metrocab, admin: FlaskClient, bands: tuple[tuple[str, str], ...], words: str
) -> None:
    for act in ("look", "save"):
        answer = admin.post(f"{ROOT}/settings/matrix", data=matrix(*bands, act=act))
        assert answer.status_code == 422
        assert words in answer.text
    assert count(MatrixVersion) == 0


def test_two_people_do_not_store_a_matrix_over_one_another(metrocab: Metrocab, admin: FlaskClient) -> None:
    first = matrix(("0", ""), ("200", "150.00"), act="save")
    admin.post(f"{ROOT}/settings/matrix", data=first)
    answer = admin.post(f"{ROOT}/settings/matrix", data=matrix(("0", ""), ("300", "75.00"), act="save"))
    assert answer.status_code == 409
    assert "75.00" in answer.text
    assert count(MatrixVersion) == 1


def test_more_rows_keep_what_was_typed(metrocab: Metrocab, admin: FlaskClient) -> None:
    page = admin.post(f"{ROOT}/settings/matrix", data=matrix(("0", ""), ("123", "45"), act="more")).text
    assert 'value="123"' in page
    assert 'name="over_3"' in page
    assert 'name="over_4"' not in page


def test_a_matrix_is_stored_by_somebody_who_proved_who_they_are(
    metrocab: Metrocab, admin: FlaskClient
) -> None:
    with transaction():
        for row in db.session.scalars(select(UserSession)):
            row.reauthenticated_at -= timedelta(minutes=11)
    answer = admin.post(f"{ROOT}/settings/matrix", data=matrix(("0", ""), act="save"))
    assert answer.status_code == 403
    assert count(MatrixVersion) == 0
