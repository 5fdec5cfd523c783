"""Drivers: the list, the page, the ledger; charges, payments, credits, loans, deposits; the day a driver leaves."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select

from tests.factories import repairs
from tests.programs.repairs.views.conftest import Metrocab
from webapp.database import db
from webapp.people.models import Payee
from webapp.programs.repairs import crediting, queries
from webapp.programs.repairs.books import Adjustment, Charge
from webapp.programs.repairs.models import DriverLease, Instalment, Loan

ROOT = "/admin/repairs"
IN_DIALOG = {"HX-Request": "true", "HX-Target": "dialog"}


def count(model: Any) -> int:
    db.session.rollback()
    return int(db.session.scalar(select(func.count()).select_from(model)) or 0)


def text_of(page: str) -> str:
    """The words of a page, without its tags."""
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


def page_of(payee: Payee, act: str = "") -> str:
    return f"{ROOT}/drivers/{payee.reference}" + (f"/{act}" if act else "")


def charge(**values: str) -> dict[str, str]:
    return {
        "category": "tolls", "description": "Bridge toll", "amount": "6.94", "charged_on": "2025-10-03", "key": "k1",
        **values,
    }  # fmt: skip


# ---- The list and the page -----------------------------------------------------------------------------------


def test_the_list_says_in_words_who_owes_whom(metrocab: Metrocab, admin: FlaskClient) -> None:
    other = repairs.driver(metrocab.organisation, name="Ben Okoro")
    repairs.charge(metrocab.ada, "tickets", 240_50, repairs.DAY)
    repairs.earn(other, 12_00, repairs.DAY)
    page = text_of(admin.get(f"{ROOT}/drivers").text)
    assert "The driver owes $240.50" in page
    assert "$12.00 is kept for the driver" in page
    assert "Ben Okoro" not in text_of(admin.get(f"{ROOT}/drivers?balance=owes").text)
    assert "Ben Okoro" in text_of(admin.get(f"{ROOT}/drivers?balance=kept&lease=without").text)
    assert "Ben Okoro" not in text_of(admin.get(f"{ROOT}/drivers?lease=with").text)


def test_the_list_is_put_in_order_by_balance_and_summed(metrocab: Metrocab, admin: FlaskClient) -> None:
    other = repairs.driver(metrocab.organisation, name="Ben Okoro")
    repairs.charge(metrocab.ada, "tickets", 10_00, repairs.DAY)
    repairs.charge(other, "tickets", 30_00, repairs.DAY)
    page = text_of(admin.get(f"{ROOT}/drivers?sort=net").text)
    assert page.index("Ben Okoro") < page.index("The driver owes $10.00")
    assert "$40.00" in text_of(admin.get(f"{ROOT}/drivers/totals").text)


def test_the_page_shows_the_driver_s_money(metrocab: Metrocab, admin: FlaskClient) -> None:
    repairs.repair(metrocab.lease, 500_50)
    repairs.loan(metrocab.ada)
    repairs.charge(metrocab.ada, "tolls", 40_00, date(2025, 10, 7))
    repairs.earn(metrocab.ada, 100_00, date(2025, 10, 7))
    repairs.run(metrocab.organisation, repairs.sunday(0))
    repairs.run(metrocab.organisation, repairs.sunday(1))
    page = text_of(admin.get(page_of(metrocab.ada)).text)
    for words in ("RPR-2025-001", "LN-2025-001", "LS-0001", "DTR-2025-000001", "Tolls", "10 %", "Open debts"):
        assert words in page, words
    assert "4 of 5 to come" in page


def test_the_ledger_has_the_balance_after_each_line(metrocab: Metrocab, admin: FlaskClient) -> None:
    repairs.earn(metrocab.ada, 100_00, date(2025, 10, 6))
    repairs.charge(metrocab.ada, "tolls", 140_00, date(2025, 10, 7))
    page = text_of(admin.get(page_of(metrocab.ada, "ledger")).text)
    assert "−$140.00 −$40.00 Not yet" in page
    assert "$100.00 $100.00 Not yet" in page
    assert "Open: $140.00" in page
    filtered = admin.get(page_of(metrocab.ada, "ledger?kind=charge")).text
    assert "Card fares" not in text_of(filtered)
    assert "−$40.00" in text_of(filtered), "the balance is that of the whole ledger"
    assert f'href="{page_of(metrocab.ada, "ledger")}"' in filtered
    assert admin.get(page_of(metrocab.ada, "ledger?date_from=bad")).status_code == 422


def test_a_driver_of_another_organisation_is_not_found(metrocab: Metrocab, admin: FlaskClient) -> None:
    other = repairs.metrocab(slug="other")
    stranger = [repairs.driver(other) for _ in range(3)][-1]
    for act in ("", "ledger", "charge", "payment", "credit", "loan", "loan/plan", "deposit", "leaves"):
        assert admin.get(page_of(stranger, act)).status_code == 404, act


def test_an_accountant_sees_a_driver_without_acts(metrocab: Metrocab) -> None:
    books = metrocab.as_(metrocab.books)
    page = books.get(page_of(metrocab.ada)).text
    assert "Record a payment" not in page
    for act in ("charge", "payment", "credit", "loan", "loan/plan", "deposit", "leaves"):
        assert books.get(page_of(metrocab.ada, act)).status_code == 403, act


# ---- Charges, credits, deposits ------------------------------------------------------------------------------


def test_a_charge_is_owed_once_however_often_the_form_is_sent(metrocab: Metrocab, admin: FlaskClient) -> None:
    for _ in range(2):
        assert admin.post(page_of(metrocab.ada, "charge"), data=charge()).status_code == 303
    made = metrocab.newest(Charge)
    assert (made.category, made.amount_minor, made.charged_on) == ("tolls", 6_94, date(2025, 10, 3))
    assert count(Charge) == 1


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"category": ""}, "Choose a category."),
        ({"category": "repairs"}, "Not a valid choice"),
        ({"amount": "0"}, "more than zero"),
        ({"amount": "-1"}, "more than zero"),
        ({"amount": "1.005"}, "2 decimals"),
        ({"charged_on": "2999-01-01"}, "beyond the present week"),
        ({"description": ""}, "Enter what it is for"),
    ],
)
def test_a_charge_that_is_not_right_is_refused(
    metrocab: Metrocab, admin: FlaskClient, values: dict[str, str], words: str
) -> None:
    answer = admin.post(page_of(metrocab.ada, "charge"), data=charge(**values))
    assert answer.status_code == 422
    assert words in answer.text
    assert count(Charge) == 0


def test_a_charge_in_the_dialog_is_asked_for_there(metrocab: Metrocab, admin: FlaskClient) -> None:
    page = admin.get(page_of(metrocab.ada, "charge"), headers=IN_DIALOG).text
    assert "<!doctype" not in page.lower()
    assert "Ada &lt;b&gt;Ray&lt;/b&gt;" in page


def test_a_credit_is_given_once(metrocab: Metrocab, admin: FlaskClient) -> None:
    form = {"amount": "25.00", "reason": "Waited for the workshop", "key": "k1"}
    for _ in range(2):
        admin.post(page_of(metrocab.ada, "credit"), data=form)
    made = metrocab.newest(Adjustment)
    assert (made.kind, made.amount_minor, made.created_by_id) == ("credit", 25_00, metrocab.dana.id)
    assert count(Adjustment) == 1
    answer = admin.post(page_of(metrocab.ada, "credit"), data={**form, "amount": "26.00"})
    assert answer.status_code == 409
    assert "Waited for the workshop" in answer.text


def test_a_deposit_goes_back_and_not_more_than_it(metrocab: Metrocab, admin: FlaskClient) -> None:
    paid = repairs.charge(metrocab.ada, "deposit", 300_00, repairs.DAY)
    repairs.pay(metrocab.ada, 300_00, repairs.DAY, [(paid.id, 300_00)])
    page = admin.get(page_of(metrocab.ada, "deposit")).text
    assert 'value="300.00"' in page
    answer = admin.post(page_of(metrocab.ada, "deposit"), data={"amount": "300.01", "key": "k1"})
    assert answer.status_code == 422
    assert "The deposit is $300.00." in answer.text
    for _ in range(2):
        admin.post(page_of(metrocab.ada, "deposit"), data={"amount": "100.00", "key": "k2"})
    assert crediting.deposit_of(metrocab.again(metrocab.ada)).amount == 200_00


# ---- Payments ------------------------------------------------------------------------------------------------


def payment(**values: str) -> dict[str, str]:
    return {"amount": "100.00", "method": "cash", "received_on": "2025-10-08", "key": "k1", **values}


def test_a_payment_is_for_the_debts_chosen(metrocab: Metrocab, admin: FlaskClient) -> None:
    first = repairs.charge(metrocab.ada, "tickets", 80_00, repairs.DAY)
    second = repairs.charge(metrocab.ada, "tolls", 50_00, repairs.DAY)
    repairs.charge(metrocab.ada, "taxes", 60_00, repairs.DAY)
    page = admin.get(page_of(metrocab.ada, "payment")).text
    assert f'name="debt_{first.id}"' in page
    assert page.count('name="debt_') == 2, "taxes are covered by earnings alone"
    assert "Taxes are covered by earnings alone" in page
    form = payment(**{f"debt_{first.id}": "80.00", f"debt_{second.id}": "15.00"})
    for _ in range(2):
        answer = admin.post(page_of(metrocab.ada, "payment"), data=form)
    assert answer.status_code in (303, 409)
    assert count(Adjustment) == 1
    assert (metrocab.again(first).open_minor, metrocab.again(second).open_minor) == (0, 35_00)
    balance = queries.balance_of(metrocab.organisation.id, metrocab.ada, "USD")
    assert balance.kept.amount == 5_00


def test_what_was_paid_is_said(metrocab: Metrocab, admin: FlaskClient) -> None:
    debt = repairs.charge(metrocab.ada, "tickets", 80_00, repairs.DAY)
    answer = admin.post(
        page_of(metrocab.ada, "payment"), data=payment(**{f"debt_{debt.id}": "80.00"}), follow_redirects=True
    )
    words = text_of(answer.text)
    assert "$100.00 received, $80.00 of it for debts. $20.00 is kept for the next receipt." in words


@pytest.mark.parametrize(
    ("amount", "part", "words"),
    [
        ("50.00", "60.00", "more than the payment"),
        ("100.00", "80.01", "Of Charge"),
        ("0", "", "more than zero"),
    ],
)
def test_a_payment_that_does_not_add_up_is_refused(
    metrocab: Metrocab, admin: FlaskClient, amount: str, part: str, words: str
) -> None:
    debt = repairs.charge(metrocab.ada, "tickets", 80_00, repairs.DAY)
    form = payment(amount=amount, note="typed note", **{f"debt_{debt.id}": part})
    answer = admin.post(page_of(metrocab.ada, "payment"), data=form)
    assert answer.status_code == 422
    assert words in answer.text
    assert "typed note" in answer.text
    assert count(Adjustment) == 0


def test_a_debt_that_was_covered_meanwhile_takes_no_money_elsewhere(
    metrocab: Metrocab, admin: FlaskClient
) -> None:
    debt = repairs.charge(metrocab.ada, "tickets", 80_00, repairs.DAY)
    repairs.charge(metrocab.ada, "lease", 80_00, repairs.DAY)
    repairs.pay(metrocab.ada, 80_00, repairs.DAY, [(debt.id, 80_00)])
    answer = admin.post(page_of(metrocab.ada, "payment"), data=payment(**{f"debt_{debt.id}": "80.00"}))
    assert answer.status_code == 409
    assert "covered meanwhile" in answer.text
    assert count(Adjustment) == 1


# ---- Loans ---------------------------------------------------------------------------------------------------


def loan(**values: str) -> dict[str, str]:
    return {
        "principal": "1,200.00", "percent": "10", "lent_on": "2025-10-06", "start": "CURRENT", "key": "k1", **values,
    }  # fmt: skip


PLAN = ("$251.97", "$251.82", "$251.34", "$250.86", "$200.38")


def test_the_plan_of_a_loan_is_shown_and_nothing_is_lent(metrocab: Metrocab, admin: FlaskClient) -> None:
    page = text_of(admin.post(page_of(metrocab.ada, "loan"), data=loan(act="look")).text)
    assert all(amount in page for amount in PLAN)
    assert "5 instalments, $1,206.37 in all, $6.37 of it interest" in page
    assert count(Loan) == 0


def test_the_plan_follows_what_is_typed(metrocab: Metrocab, admin: FlaskClient) -> None:
    page = admin.get(page_of(metrocab.ada, "loan/plan"), query_string=loan()).text
    assert all(amount in page for amount in PLAN)
    assert "<!doctype" not in page.lower()
    for values in ({"principal": ""}, {"principal": "abc"}, {"lent_on": ""}):
        half = admin.get(page_of(metrocab.ada, "loan/plan"), query_string=loan(**values))
        assert half.status_code == 200
        assert "the plan stands here" in half.text
    late = admin.get(page_of(metrocab.ada, "loan/plan"), query_string=loan(lent_on="2999-01-01")).text
    assert "beyond the present week" in late


def test_a_loan_is_lent_once_with_the_plan_shown(metrocab: Metrocab, admin: FlaskClient) -> None:
    for _ in range(2):
        assert admin.post(page_of(metrocab.ada, "loan"), data=loan(act="save")).status_code == 303
    assert count(Loan) == 1
    rows = db.session.scalars(select(Instalment).order_by(Instalment.number)).all()
    assert [f"${row.amount_minor / 100:.2f}" for row in rows] == list(PLAN)
    assert rows[0].week_start == date(2025, 10, 12)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"principal": "0"}, "more than zero"),
        ({"percent": "101"}, "per cent from 0 to 100"),
        ({"lent_on": "2999-01-01"}, "beyond the present week"),
        ({"start": "LATER"}, "Not a valid choice"),
    ],
)
def test_a_loan_that_cannot_be_is_refused(
    metrocab: Metrocab, admin: FlaskClient, values: dict[str, str], words: str
) -> None:
    for act in ("look", "save"):
        answer = admin.post(page_of(metrocab.ada, "loan"), data=loan(act=act, **values))
        assert answer.status_code == 422
        assert words in answer.text
    assert count(Loan) == 0


# ---- Leaving -------------------------------------------------------------------------------------------------


def test_the_check_step_says_what_is_charged_at_once(metrocab: Metrocab, admin: FlaskClient) -> None:
    repairs.repair(metrocab.lease, 500_50)
    page = text_of(admin.get(page_of(metrocab.ada, "leaves")).text)
    assert "RPR-2025-001-01" in page
    assert "RPR-2025-001-03" in page
    assert "Charge $500.50 and end the lease" in page
    assert count(Charge) == 0


def test_a_driver_who_leaves_owes_what_was_shown(metrocab: Metrocab, admin: FlaskClient) -> None:
    repairs.repair(metrocab.lease, 500_50)
    form = {"last_day": "2025-11-01", "reason": "Moved away.", "version": str(500_50)}
    assert admin.post(page_of(metrocab.ada, "leaves"), data=form).status_code == 303
    assert queries.balance_of(metrocab.organisation.id, metrocab.ada, "USD").owed.amount == 500_50
    assert metrocab.newest(DriverLease).ends_on == date(2025, 11, 1)
    # Sent again: what was done is done, and nothing is charged twice.
    assert admin.post(page_of(metrocab.ada, "leaves"), data={**form, "version": "0"}).status_code == 303
    assert queries.balance_of(metrocab.organisation.id, metrocab.ada, "USD").owed.amount == 500_50


def test_what_changed_since_the_check_step_is_shown_again(metrocab: Metrocab, admin: FlaskClient) -> None:
    repairs.repair(metrocab.lease, 500_50)
    form = {"last_day": "2025-11-01", "reason": "typed reason", "version": "0"}
    answer = admin.post(page_of(metrocab.ada, "leaves"), data=form)
    assert answer.status_code == 409
    assert "typed reason" in answer.text
    assert 'name="version" value="50050"' in answer.text, "the next press counts for what is shown now"
    assert metrocab.again(metrocab.lease).ends_on is None
    assert count(Charge) == 0
