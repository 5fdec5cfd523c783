"""The form of a repair: the plan that follows the typing, a new draft, a draft changed."""

from __future__ import annotations

import io
from datetime import date, timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.factories import repairs
from tests.programs.repairs.views.conftest import Metrocab
from tests.programs.repairs.views.hands import ROOT, act, cells, count, this_day, typed
from tests.web.test_uploads import PDF
from webapp.kernel.errors import NotFound
from webapp.programs.repairs.models import Repair
from webapp.providers import storage

# ---- The form and its plan -----------------------------------------------------------------------------------


def preview(browser: FlaskClient, **values: Any) -> str:
    return browser.get(f"{ROOT}/preview", query_string=typed(**values), headers={"HX-Request": "true"}).text


def test_the_plan_follows_what_is_typed(metrocab: Metrocab, admin: FlaskClient) -> None:
    page = preview(admin)
    assert cells(page)[-12:] == [
        "1", "5–11 Oct 2025", "$200.00", "$300.50",
        "2", "12–18 Oct 2025", "$200.00", "$100.50",
        "3", "19–25 Oct 2025", "$100.50", "$0.00",
    ]  # fmt: skip
    assert "3 instalments of $200.00 a week, the last one of $100.50, due on 25 Oct 2025." in page
    assert "12–18 Oct 2025" in cells(preview(admin, start="NEXT"))[5]


@pytest.mark.parametrize(
    ("amount", "words"),
    [
        ("200", "One instalment of $200.00, due on 11 Oct 2025."),
        ("200.50", "3 instalments of $100.00 a week, the last one of $0.50, due on 25 Oct 2025."),
        ("500", "5 instalments of $100.00 a week, the last one due on 8 Nov 2025."),
        ("3,001", "11 instalments of $300.00 a week, the last one of $1.00, due on 20 Dec 2025."),
    ],
)
def test_the_plan_is_said_in_a_sentence(
    metrocab: Metrocab, admin: FlaskClient, amount: str, words: str
) -> None:
    assert words in preview(admin, amount=amount)


@pytest.mark.parametrize("values", [{"amount": "5o"}, {"amount": ""}, {"invoice_date": "2025-1"}])
def test_what_cannot_be_read_yet_is_no_error(
    metrocab: Metrocab, admin: FlaskClient, values: dict[str, str]
) -> None:
    page = preview(admin, **values)
    assert "Enter the amount and the date of the invoice" in page
    assert "<table" not in page


def test_the_plan_says_what_part_of_a_usual_week_it_takes(metrocab: Metrocab, admin: FlaskClient) -> None:
    repairs.earn(metrocab.ada, 400_00, date(2025, 9, 30))
    repairs.run(metrocab.organisation, repairs.sunday(0))
    assert "A week takes 50 % of what the driver&#39;s usual week leaves after its charges: $400.00." in (
        preview(admin)
    )


def test_the_plan_warns_where_the_lease_takes_no_repairs(metrocab: Metrocab, admin: FlaskClient) -> None:
    other = repairs.driver(metrocab.organisation)
    repairs.lease(other, takes_repairs=False)
    assert "repairs are not charged to the driver" in preview(admin, driver=other.reference)


def test_without_javascript_a_button_shows_the_plan_and_stores_nothing(
    metrocab: Metrocab, admin: FlaskClient
) -> None:
    answer = admin.post(f"{ROOT}/new", data=typed(invoice_number="", description="typed", preview="1"))
    assert answer.status_code == 200
    assert "19–25 Oct 2025" in answer.text
    assert "typed" in answer.text
    assert "There is a problem" not in answer.text
    assert count(Repair) == 0


def test_the_button_says_what_the_plan_cannot_be_made_of(metrocab: Metrocab, admin: FlaskClient) -> None:
    answer = admin.post(f"{ROOT}/new", data=typed(amount="10.005", preview="1"))
    assert answer.status_code == 422
    assert "10.005" in answer.text


def test_a_repair_is_stored_as_a_draft_with_its_invoice(metrocab: Metrocab, admin: FlaskClient) -> None:
    answer = admin.post(f"{ROOT}/new", data=typed(document=(io.BytesIO(PDF), "../bill.pdf")))
    made = metrocab.newest(Repair)
    assert answer.status_code == 303
    assert answer.location.endswith(f"{ROOT}/{made.reference}")
    assert (made.state, made.amount_minor, made.payee_id) == ("draft", 500_50, metrocab.ada.id)
    assert [each.amount_minor for each in made.instalments] == [200_00, 200_00, 100_50]
    file = admin.get(f"{ROOT}/{made.reference}/invoice")
    assert file.data == PDF
    assert file.headers["Content-Disposition"] == "attachment; filename=bill.pdf"
    assert "Brake pads" in admin.get(f"{ROOT}/{made.reference}").text


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"amount": "0"}, "more than zero"),
        ({"amount": "-5"}, "more than zero"),
        ({"amount": "10.005"}, "10.005"),
        ({"amount": "ten"}, "ten"),
        ({"amount": ""}, "Enter an amount"),
        ({"invoice_date": "2025-13-01"}, "Enter a day like"),
        ({"invoice_number": " "}, "Enter the workshop"),
        ({"start": "LATER"}, "Not a valid choice"),
        ({"driver": "PY-0099"}, "There is no driver with this number"),
        ({"vehicle": "ZZZ"}, "There is no vehicle with this plate"),
        ({"invoice_date": "2025-09-01"}, "has no lease on 1 Sep 2025"),
    ],
)  # fmt: skip
def test_bad_input_is_refused_and_kept(
    metrocab: Metrocab, admin: FlaskClient, values: dict[str, str], words: str
) -> None:
    answer = admin.post(f"{ROOT}/new", data=typed(**{"description": "what I typed", **values}))
    assert answer.status_code == 422
    assert words in answer.text
    assert "what I typed" in answer.text
    assert 'role="alert"' in answer.text
    assert count(Repair) == 0


def test_an_invoice_from_beyond_this_week_is_refused(metrocab: Metrocab, admin: FlaskClient) -> None:
    later = this_day(metrocab) + timedelta(days=7)
    answer = admin.post(f"{ROOT}/new", data=typed(invoice_date=later.isoformat()))
    assert answer.status_code == 422
    assert "beyond the present week" in answer.text
    assert f'value="{later.isoformat()}"' in answer.text


def test_a_file_of_another_kind_is_refused_before_anything_is_stored(
    metrocab: Metrocab, admin: FlaskClient
) -> None:
    answer = admin.post(f"{ROOT}/new", data=typed(document=(io.BytesIO(b"<script>"), "bill.pdf")))
    assert answer.status_code == 422
    assert "not a whole JPEG, PNG or PDF" in answer.text
    assert count(Repair) == 0


def test_the_same_invoice_is_refused_and_leads_to_the_repair_that_has_it(
    metrocab: Metrocab, admin: FlaskClient
) -> None:
    admin.post(f"{ROOT}/new", data=typed())
    first = metrocab.newest(Repair).reference
    answer = admin.post(f"{ROOT}/new", data=typed(amount="77.00", invoice_number=" W-1042 "))
    assert answer.status_code == 409
    assert f"{first} has this invoice already" in answer.text
    assert f'href="{ROOT}/{first}"' in answer.text
    assert 'value="77.00"' in answer.text
    assert count(Repair) == 1


def test_a_file_that_no_repair_names_is_not_kept(
    metrocab: Metrocab, admin: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[str] = []
    save = storage.save
    monkeypatch.setattr(storage, "save", lambda key, data: (kept.append(key), save(key, data)))
    for _ in range(2):
        admin.post(f"{ROOT}/new", data=typed(document=(io.BytesIO(PDF), "bill.pdf")))
    assert metrocab.newest(Repair).document_key == kept[0]
    assert storage.read(kept[0]) == PDF
    with pytest.raises(NotFound):
        storage.read(kept[1])


# ---- A draft changed -----------------------------------------------------------------------------------------


def test_a_draft_is_shown_as_it_is_and_changed(metrocab: Metrocab, admin: FlaskClient) -> None:
    admin.post(f"{ROOT}/new", data=typed(document=(io.BytesIO(PDF), "bill.pdf")))
    made = metrocab.newest(Repair)
    form = admin.get(f"{ROOT}/{made.reference}/edit").text
    assert 'value="500.50"' in form
    assert 'value="W-1042"' in form
    assert "It takes the place of bill.pdf." in form
    before = made.document_key
    admin.post(f"{ROOT}/{made.reference}/edit", data=typed(amount="450", version="1"))
    changed = metrocab.again(made)
    assert [each.amount_minor for each in changed.instalments] == [100_00] * 4 + [50_00]
    assert changed.document_key == before
    admin.post(
        f"{ROOT}/{made.reference}/edit",
        data=typed(amount="450", version="2", document=(io.BytesIO(PDF), "new.pdf")),
    )
    assert metrocab.again(made).document_name == "new.pdf"
    with pytest.raises(NotFound):
        storage.read(before)


def test_a_draft_that_somebody_changed_meanwhile_is_not_overwritten(
    metrocab: Metrocab, admin: FlaskClient
) -> None:
    made = repairs.draft(metrocab.lease)
    assert act(admin, made.reference, "edit", **typed(amount="450", version="1")).status_code == 303
    answer = act(admin, made.reference, "edit", **typed(amount="777", version="1"))
    assert answer.status_code == 409
    assert 'value="777"' in answer.text
    assert f"See {made.reference} as it is now" in answer.text
    assert metrocab.again(made).amount_minor == 450_00


def test_what_is_confirmed_is_not_changed_any_more(metrocab: Metrocab, admin: FlaskClient) -> None:
    made = repairs.repair(metrocab.lease)
    assert admin.get(f"{ROOT}/{made.reference}/edit").status_code == 409
    answer = admin.post(f"{ROOT}/{made.reference}/edit", data=typed(amount="777"))
    assert answer.status_code == 409
    assert "it is not possible to change it" in answer.text
    assert 'value="777"' in answer.text
    assert ">Change</a>" not in admin.get(f"{ROOT}/{made.reference}").text
