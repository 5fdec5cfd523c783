"""Invoices with their smart actions, payments, payouts one by one and many at once, refunds, rules, wallets."""

from __future__ import annotations

import io
import re
from typing import Any

from flask.testing import FlaskClient
from sqlalchemy import func, select

from tests.factories import clinic, people
from tests.programs.clinic.views.conftest import Carepoint
from tests.web.test_uploads import PDF
from webapp.database import db
from webapp.payouts.models import Payout
from webapp.programs.clinic.models import (
    ClinicTransaction,
    CommissionRuleVersion,
    Customer,
    Invoice,
)
from webapp.runs import service as runs
from webapp.runs.models import Run, RunRow

ROOT = "/admin/clinic"
IN_DRAWER = {"HX-Request": "true", "HX-Target": "drawer"}


def payment(**values: Any) -> dict[str, Any]:
    return {"amount": "40.00", "method": "pos", "happened_on": "2026-11-10", "key": "k1", **values}


def row_of(page: str, number: str) -> str:
    """The row of an invoice in the list."""
    return next(row for row in page.split("<tr>") if f">{number}</a>" in row)


# ---- The smart actions ---------------------------------------------------------------------------------------


def test_an_unpaid_invoice_offers_to_record_its_payment(carepoint: Carepoint, admin: FlaskClient) -> None:
    invoice = clinic.invoice(carepoint.organisation, [carepoint.mina])
    row = row_of(admin.get(f"{ROOT}/invoices").text, invoice.number)
    assert "Record payment" in row
    assert "Create payout" not in row
    assert "View transactions" not in row


def test_a_paid_invoice_offers_its_payout(carepoint: Carepoint, admin: FlaskClient) -> None:
    invoice = clinic.paid(carepoint.organisation, [carepoint.mina])
    row = row_of(admin.get(f"{ROOT}/invoices").text, invoice.number)
    assert "Create payout" in row
    assert "View transactions" in row
    assert "Record payment" not in row


def test_an_order_offers_no_payout(carepoint: Carepoint, admin: FlaskClient) -> None:
    invoice = clinic.paid(carepoint.organisation, None)
    assert "Create payout" not in row_of(admin.get(f"{ROOT}/invoices").text, invoice.number)


def test_an_accountant_sees_the_list_without_acts(carepoint: Carepoint) -> None:
    clinic.paid(carepoint.organisation, [carepoint.mina])
    page = carepoint.as_(carepoint.books).get(f"{ROOT}/invoices").text
    assert "Create payout" not in page
    assert "New invoice" not in page


def test_the_filter_of_ready_ones_leaves_out_what_is_paid_out(
    carepoint: Carepoint, admin: FlaskClient
) -> None:
    first = clinic.paid(carepoint.organisation, [carepoint.mina])
    second = clinic.paid(carepoint.organisation, [carepoint.theo])
    admin.post(f"{ROOT}/invoices/{first.number}/payout")
    page = admin.get(f"{ROOT}/invoices?payout=ready").text
    assert second.number in page
    assert f">{first.number}</a>" not in page


# ---- Payments ------------------------------------------------------------------------------------------------


def test_the_payment_form_begins_with_the_rest(carepoint: Carepoint, admin: FlaskClient) -> None:
    invoice = clinic.invoice(carepoint.organisation, [carepoint.mina])
    clinic.pay(invoice, 30_00)
    assert 'value="70.00"' in admin.get(f"{ROOT}/invoices/{invoice.number}/payment").text


def test_two_parts_make_it_paid(carepoint: Carepoint, admin: FlaskClient) -> None:
    invoice = clinic.invoice(carepoint.organisation, [carepoint.mina])
    admin.post(f"{ROOT}/invoices/{invoice.number}/payment", data=payment())
    assert carepoint.again(invoice).state == "partial"
    admin.post(f"{ROOT}/invoices/{invoice.number}/payment", data=payment(amount="60.00", key="k2"))
    assert carepoint.again(invoice).state == "paid"
    assert carepoint.holds() == 100_00


def test_the_same_form_sent_twice_is_one_payment(carepoint: Carepoint, admin: FlaskClient) -> None:
    invoice = clinic.invoice(carepoint.organisation, [carepoint.mina])
    for _ in range(2):
        admin.post(f"{ROOT}/invoices/{invoice.number}/payment", data=payment())
    assert carepoint.holds() == 40_00


def test_more_than_the_rest_is_refused_and_the_rest_named(carepoint: Carepoint, admin: FlaskClient) -> None:
    invoice = clinic.invoice(carepoint.organisation, [carepoint.mina])
    clinic.pay(invoice, 30_00)
    answer = admin.post(
        f"{ROOT}/invoices/{invoice.number}/payment", data=payment(amount="70.01", note="typed")
    )
    assert answer.status_code == 422
    assert "70.00" in answer.text
    assert "typed" in answer.text
    assert carepoint.holds() == 30_00


def test_a_proof_is_kept_and_comes_back_as_a_download(carepoint: Carepoint, admin: FlaskClient) -> None:
    invoice = clinic.invoice(carepoint.organisation, [carepoint.mina])
    admin.post(
        f"{ROOT}/invoices/{invoice.number}/payment",
        data=payment(method="cash", file=(io.BytesIO(PDF), "receipt.pdf")),
    )
    made = carepoint.newest(ClinicTransaction)
    answer = admin.get(f"{ROOT}/transactions/{made.reference}/proof")
    assert answer.data == PDF
    assert answer.headers["Content-Disposition"].startswith("attachment")


def test_a_file_of_another_kind_is_refused_before_anything_is_recorded(
    carepoint: Carepoint, admin: FlaskClient
) -> None:
    invoice = clinic.invoice(carepoint.organisation, [carepoint.mina])
    answer = admin.post(
        f"{ROOT}/invoices/{invoice.number}/payment",
        data=payment(file=(io.BytesIO(b"<script>"), "receipt.pdf")),
    )
    assert answer.status_code == 422
    assert carepoint.holds() == 0


# ---- Payouts -------------------------------------------------------------------------------------------------


def test_the_check_step_says_the_real_numbers(carepoint: Carepoint, admin: FlaskClient) -> None:
    invoice = clinic.paid(carepoint.organisation, [carepoint.mina], 99_99)
    page = admin.get(f"{ROOT}/invoices/{invoice.number}/payout").text
    assert "Pay 89.99 to Dr &lt;b&gt;Mina&lt;/b&gt; Osei and keep 10.00 (10 %)?" in page
    assert carepoint.holds(carepoint.mina) == 0


def test_the_button_moves_the_money_once(carepoint: Carepoint, admin: FlaskClient) -> None:
    invoice = clinic.paid(carepoint.organisation, [carepoint.mina])
    first = admin.post(f"{ROOT}/invoices/{invoice.number}/payout", follow_redirects=True)
    again = admin.post(f"{ROOT}/invoices/{invoice.number}/payout", follow_redirects=True)
    assert first.status_code == again.status_code == 200
    assert "has its payout already" in again.text
    assert carepoint.holds(carepoint.mina) == 90_00
    assert db.session.scalar(select(func.count()).select_from(Payout)) == 1


def test_an_invoice_that_is_not_paid_says_which_rest_is_missing(
    carepoint: Carepoint, admin: FlaskClient
) -> None:
    invoice = clinic.invoice(carepoint.organisation, [carepoint.mina])
    answer = admin.post(f"{ROOT}/invoices/{invoice.number}/payout")
    assert answer.status_code == 409
    assert "is still to be paid by the customer" in answer.text


def test_an_order_s_invoice_is_not_paid_out(carepoint: Carepoint, admin: FlaskClient) -> None:
    invoice = clinic.paid(carepoint.organisation, None)
    answer = admin.get(f"{ROOT}/invoices/{invoice.number}/payout")
    assert answer.status_code == 409
    assert "is not about an appointment" in answer.text


def test_the_drawer_has_a_summary_and_a_card_for_each_movement(
    carepoint: Carepoint, admin: FlaskClient
) -> None:
    invoice = clinic.paid(carepoint.organisation, [carepoint.mina])
    admin.post(f"{ROOT}/invoices/{invoice.number}/payout")
    drawer = admin.get(f"{ROOT}/invoices/{invoice.number}/transactions", headers=IN_DRAWER).text
    assert "<html" not in drawer
    assert "Commission kept" in drawer
    assert drawer.count('class="panel"') == 3
    assert "Wallet of" in drawer


# ---- Many at once --------------------------------------------------------------------------------------------


def test_many_are_checked_with_what_is_left_out_and_why(carepoint: Carepoint, admin: FlaskClient) -> None:
    ready = clinic.paid(carepoint.organisation, [carepoint.mina])
    order = clinic.paid(carepoint.organisation, None)
    answer = admin.post(
        f"{ROOT}/invoices/payouts", data={"ids": [ready.number, order.number]}, follow_redirects=True
    )
    assert "Nothing has moved yet" in answer.text
    assert f"{order.number}: " in answer.text
    assert "is not about an appointment" in answer.text
    assert carepoint.holds(carepoint.mina) == 0


def test_the_run_pays_what_was_ready(carepoint: Carepoint, admin: FlaskClient) -> None:
    for _ in range(3):
        clinic.paid(carepoint.organisation, [carepoint.mina])
    admin.post(f"{ROOT}/invoices/payouts", data={"is_all": "1"})
    run = carepoint.newest(Run)
    admin.post(f"{ROOT}/invoices/payouts/{run.reference}/confirm")
    while runs.step(run_id=run.id):
        pass
    assert carepoint.holds(carepoint.mina) == 270_00
    outcomes = db.session.scalars(select(RunRow.outcome).where(RunRow.run_id == run.id)).all()
    assert outcomes == ["done"] * 3


def test_nothing_chosen_makes_nothing(carepoint: Carepoint, admin: FlaskClient) -> None:
    answer = admin.post(f"{ROOT}/invoices/payouts", data={"ids": ["INV-999"]}, follow_redirects=True)
    assert "Nothing was made" in answer.text
    assert db.session.scalar(select(func.count()).select_from(Run)) == 0


# ---- Refunds and write-offs ----------------------------------------------------------------------------------


def test_a_refund_above_what_was_paid_is_refused(carepoint: Carepoint, admin: FlaskClient) -> None:
    invoice = clinic.paid(carepoint.organisation, [carepoint.mina])
    answer = admin.post(
        f"{ROOT}/invoices/{invoice.number}/refund",
        data={"amount": "100.01", "method": "pos", "happened_on": "2026-11-11", "reason": "Cancelled."},
    )
    assert answer.status_code == 422
    assert carepoint.holds() == 100_00


def test_a_refund_after_the_payout_takes_the_practitioner_s_part_back(
    carepoint: Carepoint, admin: FlaskClient
) -> None:
    invoice = clinic.paid(carepoint.organisation, [carepoint.mina])
    admin.post(f"{ROOT}/invoices/{invoice.number}/payout")
    answer = admin.post(
        f"{ROOT}/invoices/{invoice.number}/refund",
        data={"amount": "50.00", "method": "pos", "happened_on": "2026-11-11", "reason": "Half of it."},
        follow_redirects=True,
    )
    assert answer.status_code == 200
    assert carepoint.holds(carepoint.mina) == 45_00


def test_the_rest_is_written_off_with_a_reason(carepoint: Carepoint, admin: FlaskClient) -> None:
    invoice = clinic.invoice(carepoint.organisation, [carepoint.mina])
    assert admin.post(f"{ROOT}/invoices/{invoice.number}/write-off", data={}).status_code == 422
    admin.post(f"{ROOT}/invoices/{invoice.number}/write-off", data={"reason": "Moved away."})
    assert carepoint.again(invoice).state == "written_off"


# ---- Records -------------------------------------------------------------------------------------------------


def test_an_invoice_is_made_from_lines_of_text(carepoint: Carepoint, admin: FlaskClient) -> None:
    made = clinic.appointment(carepoint.organisation, [carepoint.mina])
    admin.post(
        f"{ROOT}/invoices/new",
        data={
            "about": "appointment", "customer": made.customer.reference, "appointment": made.reference,
            "issued_on": "2026-11-10", "lines": "Assessment; 1.5; 90.00; 5.00; 13\nTape; 4.50",
        },
    )  # fmt: skip
    invoice = carepoint.newest(Invoice)
    assert invoice.number == "INV-001"
    assert (invoice.subtotal_minor, invoice.discount_minor, invoice.tax_minor) == (139_50, 5_00, 16_90)
    assert invoice.total_minor == 151_40


def test_a_line_that_cannot_be_read_is_named(carepoint: Carepoint, admin: FlaskClient) -> None:
    customer = clinic.customer(carepoint.organisation)
    answer = admin.post(
        f"{ROOT}/invoices/new",
        data={
            "about": "other", "customer": customer.reference, "issued_on": "2026-11-10",
            "lines": "Tape; 4.50\nAssessment; one; 90.00",
        },
    )  # fmt: skip
    assert answer.status_code == 422
    assert "Line 2 cannot be read" in answer.text
    assert "Assessment; one; 90.00" in answer.text
    assert db.session.scalar(select(func.count()).select_from(Invoice)) == 0


def test_a_customer_is_added_and_changed(carepoint: Carepoint, admin: FlaskClient) -> None:
    admin.post(f"{ROOT}/customers/new", data={"name": "Meera Iyer", "email": "m@example.com"})
    customer = carepoint.newest(Customer)
    stale = {"name": "Meera I.", "version": str(customer.version + 5)}
    assert admin.post(f"{ROOT}/customers/{customer.reference}/edit", data=stale).status_code == 409
    admin.post(
        f"{ROOT}/customers/{customer.reference}/edit",
        data={"name": "Meera R. Iyer", "version": str(customer.version)},
    )
    assert carepoint.again(customer).name == "Meera R. Iyer"


def test_an_appointment_of_two_takes_their_shares(carepoint: Carepoint, admin: FlaskClient) -> None:
    customer = clinic.customer(carepoint.organisation)
    answer = admin.post(
        f"{ROOT}/appointments/new",
        data={
            "customer": customer.reference, "held_on": "2026-11-12", "starts_at": "14:30", "category": "Massage",
            "practitioners": f"{carepoint.mina.reference} 60\n{carepoint.theo.reference} 40",
        },
        follow_redirects=True,
    )  # fmt: skip
    assert "Massage" in answer.text
    assert "Osei, Theo Tremblay" in answer.text


def test_an_unknown_practitioner_is_named(carepoint: Carepoint, admin: FlaskClient) -> None:
    customer = clinic.customer(carepoint.organisation)
    answer = admin.post(
        f"{ROOT}/appointments/new",
        data={
            "customer": customer.reference, "held_on": "2026-11-12", "starts_at": "14:30",
            "practitioners": "PY-9999",
        },
    )  # fmt: skip
    assert answer.status_code == 422
    assert "PY-9999 is no practitioner" in answer.text


# ---- Rules, wallets ------------------------------------------------------------------------------------------


def rule(**values: Any) -> dict[str, Any]:
    return {
        "name": "Massage", "payee": "", "category": "", "percent": "20", "priority": "5", "valid_from": "2026-11-01",
        "act": "save", **values,
    }  # fmt: skip


def test_the_effect_on_last_month_is_shown_before_anything_is_saved(
    carepoint: Carepoint, admin: FlaskClient
) -> None:
    answer = admin.post(f"{ROOT}/rules/new", data=rule(act="look"))
    assert answer.status_code == 200
    assert "Effect on last month" in answer.text
    assert db.session.scalar(select(func.count()).select_from(CommissionRuleVersion)) == 0


def test_a_rule_waits_for_the_other_admin(carepoint: Carepoint, admin: FlaskClient) -> None:
    other = people.user("bo@carepoint.example", organisation=carepoint.organisation, role="admin")
    admin.post(f"{ROOT}/rules/new", data=rule())
    made = carepoint.newest(CommissionRuleVersion)
    assert made.state == "proposed"
    assert admin.post(f"{ROOT}/rules/{made.rule_id}/accept").status_code == 409
    carepoint.as_(other).post(f"{ROOT}/rules/{made.rule_id}/accept")
    assert carepoint.again(made).state == "in_force"


def test_a_rule_above_a_hundred_per_cent_is_refused(carepoint: Carepoint, admin: FlaskClient) -> None:
    answer = admin.post(f"{ROOT}/rules/new", data=rule(percent="100.01"))
    assert answer.status_code == 422
    assert "from 0 to 100" in answer.text


def test_a_wallet_shows_every_movement_with_the_balance_after_it(
    carepoint: Carepoint, admin: FlaskClient
) -> None:
    invoice = clinic.paid(carepoint.organisation, [carepoint.mina])
    admin.post(f"{ROOT}/invoices/{invoice.number}/payout")
    index = admin.get(f"{ROOT}/wallets").text
    href = re.search(rf'href="({ROOT}/wallets/\d+)"><bdi>Dr', index)
    assert href
    page = admin.get(href[1]).text
    assert page.count("90.00") >= 2


def test_a_wallet_is_not_emptied_below_zero_by_hand(carepoint: Carepoint, admin: FlaskClient) -> None:
    clinic.paid(carepoint.organisation, [carepoint.mina])
    index = admin.get(f"{ROOT}/wallets").text
    href = re.search(rf'href="({ROOT}/wallets/\d+)"><bdi>The clinic', index)
    assert href
    answer = admin.post(f"{href[1]}/adjust", data={"direction": "out", "amount": "100.01", "reason": "Till."})
    assert answer.status_code == 409
    assert carepoint.holds() == 100_00


def test_the_file_of_the_list_has_the_same_rows(carepoint: Carepoint, admin: FlaskClient) -> None:
    clinic.paid(carepoint.organisation, [carepoint.mina])
    clinic.invoice(carepoint.organisation, [carepoint.theo])
    text = admin.get(f"{ROOT}/invoices/export.csv?state=paid").text
    lines = [line for line in text.splitlines() if line.startswith("INV-")]
    assert len(lines) == 1
    assert "100.00" in lines[0]


def test_every_page_of_the_clinic_can_be_opened(carepoint: Carepoint, admin: FlaskClient) -> None:
    clinic.paid(carepoint.organisation, [carepoint.mina])
    for page in (
        "",
        "/invoices",
        "/appointments",
        "/customers",
        "/wallets",
        "/rules",
        "/deductions",
        "/settings",
    ):
        assert admin.get(f"{ROOT}{page}").status_code == 200, page
