"""Properties, units, terms, bills, tenants and leases: added, changed; 422 with an example, 409 with the text kept."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select

from tests.factories import rentals
from tests.programs.rentals.views.conftest import Griha
from webapp.database import db, transaction
from webapp.kernel.clock import utc_now
from webapp.people.models import UserSession
from webapp.programs.rentals import charging, terms
from webapp.programs.rentals.models import (
    GatewayBand,
    Lease,
    ManagementTerms,
    Property,
    PropertyBill,
    Tenant,
    Unit,
    WithholdingRule,
)
from webapp.programs.rentals.service import settings_of

ROOT = "/admin/rentals"


def count(model: Any) -> int:
    db.session.rollback()
    return db.session.scalar(select(func.count()).select_from(model)) or 0


def property_form(griha: Griha, **values: Any) -> dict[str, Any]:
    return {
        "name": "Lake View", "address": "14 Lake Road", "reserve_target": "5,000.00", "external_ref": "",
        "owner": [griha.meera.reference, griha.anil.reference, ""], "share": ["60", "40", ""], **values,
    }  # fmt: skip


def test_a_property_is_added_with_its_owners(griha: Griha, admin: FlaskClient) -> None:
    answer = admin.post(f"{ROOT}/properties/new", data=property_form(griha))
    assert answer.status_code == 303
    place = griha.newest(Property)
    assert (place.name, place.reserve_target_minor, place.currency) == ("Lake View", 5_000_00, "INR")
    assert [(share.payee_id, share.weight) for share in place.shares] == [
        (griha.meera.id, 60),
        (griha.anil.id, 40),
    ]
    page = admin.get(answer.location).text
    assert "60 %" in page
    assert "Lake View" in page


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"name": ""}, "Enter the name of the property. Example: Lake View Residency"),
        ({"reserve_target": "much"}, "Example:"),
        ({"share": ["60", "", ""]}, "Give every owner a share, or none for equal parts. Example: 60 and 40"),
        ({"share": ["60", "x", ""]}, "A share is a number. Example: 60 and 40"),
        ({"share": ["-1", "40", ""]}, "Example: 33.34"),
        ({"owner": ["PY-9999", "", ""], "share": ["", "", ""]}, "PY-9999 is not an active owner."),
        ({"owner": ["", "", ""], "share": ["5", "", ""]}, "A share has no owner."),
    ],
)
def test_what_cannot_be_is_said_with_an_example(
    griha: Griha, admin: FlaskClient, values: dict[str, Any], words: str
) -> None:
    before = count(Property)
    answer = admin.post(f"{ROOT}/properties/new", data=property_form(griha, **values))
    assert answer.status_code == 422
    assert words in answer.text
    assert "14 Lake Road" in answer.text
    assert count(Property) == before


def test_an_owner_twice_and_a_number_twice_are_refused(griha: Griha, admin: FlaskClient) -> None:
    twice = property_form(griha, owner=[griha.meera.reference] * 2, share=["1", "2"])
    assert "An owner is named twice." in admin.post(f"{ROOT}/properties/new", data=twice).text
    data = property_form(griha, external_ref="P-1")
    assert admin.post(f"{ROOT}/properties/new", data=data).status_code == 303
    answer = admin.post(f"{ROOT}/properties/new", data=data)
    assert answer.status_code == 422
    assert "There is a property" in answer.text


def test_another_row_is_offered_and_nothing_is_saved(griha: Griha, admin: FlaskClient) -> None:
    before = count(Property)
    answer = admin.post(f"{ROOT}/properties/new", data=property_form(griha, more="yes"))
    assert answer.status_code == 200
    assert 'id="owner-4"' in answer.text
    assert count(Property) == before


def test_who_is_slower_is_told_and_keeps_the_text(griha: Griha, admin: FlaskClient) -> None:
    address = f"{ROOT}/properties/{griha.place.reference}/edit"
    assert admin.post(address, data=property_form(griha, version="1")).status_code == 303
    answer = admin.post(address, data=property_form(griha, name="Another name", version="1"))
    assert answer.status_code == 409
    assert "changed since you opened this page" in answer.text
    assert 'value="Another name"' in answer.text
    assert griha.again(griha.place).name == "Lake View"
    again = admin.post(address, data=property_form(griha, name="Another name", version="2"))
    assert again.status_code == 303
    assert griha.again(griha.place).edited_by_id == griha.asha.id


def test_a_unit_is_added_once(griha: Griha, admin: FlaskClient) -> None:
    address = f"{ROOT}/properties/{griha.place.reference}/units"
    assert admin.post(address, data={"name": "Flat 9"}).status_code == 303
    assert griha.newest(Unit).name == "Flat 9"
    answer = admin.post(address, data={"name": "Flat 9"})
    assert answer.status_code == 422
    assert "has a unit" in answer.text
    assert "Example: Flat 4B" in admin.post(address, data={"name": ""}).text


def test_a_bill_is_added_and_taken_back(griha: Griha, admin: FlaskClient) -> None:
    address = f"{ROOT}/properties/{griha.place.reference}/bills"
    data = {"description": "Lift repair", "amount": "1,250.00", "billed_on": "2026-11-18"}
    assert admin.post(address, data=data).status_code == 303
    bill = griha.newest(PropertyBill)
    assert (bill.amount_minor, bill.state) == (1_250_00, "open")
    assert "Lift repair" in admin.get(f"{ROOT}/properties/{griha.place.reference}").text
    assert admin.post(address, data={**data, "amount": "0"}).status_code == 422
    cancel = f"{ROOT}/bills/{bill.reference}/cancel"
    assert admin.post(cancel, data={"reason": ""}).status_code == 422
    assert admin.post(cancel, data={"reason": "Entered twice."}).status_code == 303
    assert griha.again(bill).state == "cancelled"
    answer = admin.post(cancel, data={"reason": "Again."})
    assert answer.status_code == 409
    assert "Again." in answer.text


TERMS = {"valid_from": "2026-12-01", "fee_percent": "7.5", "fee_flat": "500", "fee_tax_percent": "18"}


def test_terms_count_from_their_day_on(griha: Griha, admin: FlaskClient) -> None:
    assert admin.post(f"{ROOT}/terms/fee", data=TERMS).status_code == 303
    own = {**TERMS, "fee_percent": "6", "fee_flat": ""}
    assert admin.post(f"{ROOT}/properties/{griha.place.reference}/terms", data=own).status_code == 303
    of = griha.organisation.id
    assert terms.terms_on(of, None, date(2026, 11, 30)).fee_percent == 8
    assert terms.terms_on(of, None, date(2026, 12, 1)).fee_percent == Decimal("7.5")
    assert terms.terms_on(of, None, date(2026, 12, 1)).fee_flat_minor == 500_00
    assert terms.terms_on(of, griha.place.id, date(2026, 12, 1)).fee_percent == 6
    page = admin.get(f"{ROOT}/terms").text
    assert "Begins later" in page
    assert "7.5 % and ₹500.00" in page
    answer = admin.post(f"{ROOT}/terms/fee", data=TERMS)
    assert answer.status_code == 422
    assert "Choose another day" in answer.text
    assert count(ManagementTerms) == 3


@pytest.mark.parametrize("act", ["fee", "withheld-tax", "gateway-charge"])
def test_terms_of_all_properties_need_a_fresh_proof(griha: Griha, admin: FlaskClient, act: str) -> None:
    before = [count(model) for model in (ManagementTerms, WithholdingRule, GatewayBand)]
    with transaction():
        db.session.query(UserSession).update({"reauthenticated_at": utc_now() - timedelta(minutes=11)})
    data = {**TERMS, "section": "194-IB", "rate_percent": "2", "threshold_per": "month", "bands": "above 3"}
    answer = admin.post(f"{ROOT}/terms/{act}", data=data)
    assert answer.status_code == 403
    assert [count(model) for model in (ManagementTerms, WithholdingRule, GatewayBand)] == before


@pytest.mark.parametrize("percent", ["101", "-1", "abc", "8.12345", "NaN", "Infinity", ""])
def test_a_fee_is_a_percentage(griha: Griha, admin: FlaskClient, percent: str) -> None:
    answer = admin.post(f"{ROOT}/terms/fee", data={**TERMS, "fee_percent": percent})
    assert answer.status_code == 422
    assert "Example: 8" in answer.text


def test_a_rule_of_withheld_tax(griha: Griha, admin: FlaskClient) -> None:
    data = {
        "section": "194-IB", "rate_percent": "2", "threshold": "50,000", "threshold_per": "month",
        "valid_from": "2026-12-01", "valid_to": "",
    }  # fmt: skip
    assert admin.post(f"{ROOT}/terms/withheld-tax", data=data).status_code == 303
    rule = griha.newest(WithholdingRule)
    assert (rule.section, rule.threshold_minor, rule.threshold_per) == ("194-IB", 50_000_00, "month")
    answer = admin.post(f"{ROOT}/terms/withheld-tax", data={**data, "valid_to": "2026-01-01"})
    assert answer.status_code == 422
    assert "The rule ends before it begins." in answer.text


def test_bands_are_lines(griha: Griha, admin: FlaskClient) -> None:
    data = {"valid_from": "2026-12-01", "bands": "20,000.00 1.5\nabove 3 %".replace(" %", "")}
    assert admin.post(f"{ROOT}/terms/gateway-charge", data=data).status_code == 303
    found = db.session.execute(
        select(GatewayBand.up_to_minor, GatewayBand.rate_percent)
        .where(GatewayBand.valid_from == date(2026, 12, 1))
        .order_by(GatewayBand.id)
    ).all()
    assert [tuple(row) for row in found] == [(20_000_00, Decimal("1.5")), (None, Decimal(3))]
    assert "₹20,000.00" in admin.get(f"{ROOT}/terms").text


@pytest.mark.parametrize(
    ("bands", "words"),
    [
        ("2.5", "has no rate"),
        ("many 2", "is not an amount"),
        ("10,000 2", "The last band has no upper limit"),
        ("above 200", "is not a rate"),
        ("10,000 2\n10,000 3\nabove 3", "Two bands end at the same amount"),
        ("", "Enter at least one band"),
    ],
)
def test_bands_that_leave_a_rent_without_a_rate(
    griha: Griha, admin: FlaskClient, bands: str, words: str
) -> None:
    answer = admin.post(f"{ROOT}/terms/gateway-charge", data={"valid_from": "2026-12-01", "bands": bands})
    assert answer.status_code == 422
    assert words in answer.text
    assert bands.splitlines()[0] in answer.text if bands else True


def test_settings_are_saved(griha: Griha, admin: FlaskClient) -> None:
    address = f"{ROOT}/terms/asking"
    assert 'value="5"' in admin.get(address).text
    assert admin.post(address, data={"charge_days_before": "9"}).status_code == 303
    stored = settings_of(griha.organisation.id)
    assert (stored.charge_days_before, stored.is_automatic) == (9, False)
    for wrong in ("29", "soon", ""):
        answer = admin.post(address, data={"charge_days_before": wrong})
        assert answer.status_code == 422
        assert "Example: 5" in answer.text


def test_a_tenant_is_added_and_changed(griha: Griha, admin: FlaskClient) -> None:
    data = {
        "name": "Meera Rao",
        "email": "meera@example.com",
        "phone": "+91 98200 12345",
        "external_ref": "T-1",
    }
    assert admin.post(f"{ROOT}/tenants/new", data=data).status_code == 303
    tenant = griha.newest(Tenant)
    address = f"{ROOT}/tenants/{tenant.reference}/edit"
    assert admin.post(address, data={**data, "phone": "1", "version": "1"}).status_code == 303
    answer = admin.post(address, data={**data, "phone": "222", "version": "1"})
    assert answer.status_code == 409
    assert 'value="222"' in answer.text
    assert griha.again(tenant).phone == "1"
    wrong = admin.post(f"{ROOT}/tenants/new", data={**data, "email": "nobody", "external_ref": ""})
    assert wrong.status_code == 422
    assert "Example: meera@example.com" in wrong.text


def lease_form(unit: Unit, who: Tenant, **values: Any) -> dict[str, Any]:
    return {
        "unit": unit.reference, "tenant": who.reference, "rent": "25,000.00", "deposit": "", "due_day": "5",
        "start_on": "2026-12-01", "end_on": "", "external_ref": "", **values,
    }  # fmt: skip


def _free_unit(griha: Griha, admin: FlaskClient) -> Unit:
    admin.post(f"{ROOT}/properties/{griha.place.reference}/units", data={"name": "Flat 9"})
    unit: Unit = griha.newest(Unit)
    return unit


def test_a_unit_is_let(griha: Griha, admin: FlaskClient) -> None:
    unit, tenant = _free_unit(griha, admin), griha.newest(Tenant)
    form = admin.get(f"{ROOT}/leases/new?unit={unit.reference}&tenant={tenant.reference}").text
    assert f'<option selected value="{unit.reference}">' in form
    answer = admin.post(f"{ROOT}/leases/new", data=lease_form(unit, tenant))
    assert answer.status_code == 303
    lease = griha.newest(Lease)
    assert (lease.rent_minor, lease.due_day, lease.state) == (25_000_00, 5, "active")
    # The unit is not offered any more: it is let.
    assert admin.post(f"{ROOT}/leases/new", data=lease_form(unit, tenant)).status_code == 422


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"tenant": "TN-9999"}, "There is no tenant TN-9999. Example: TN-0001"),
        ({"rent": "0"}, "Example: 25,000.00"),
        ({"rent": ""}, "Enter an amount. Example: 25,000.00"),
        ({"due_day": "31"}, "Enter a day of the month from 1 to 28. Example: 5"),
        ({"start_on": "tomorrow"}, "Enter a day like 2026-10-31."),
        ({"end_on": "2026-01-01"}, "The lease ends before it begins."),
    ],
)
def test_a_lease_that_cannot_be(griha: Griha, admin: FlaskClient, values: dict[str, Any], words: str) -> None:
    unit, tenant = _free_unit(griha, admin), griha.newest(Tenant)
    answer = admin.post(f"{ROOT}/leases/new", data=lease_form(unit, tenant, **values))
    assert answer.status_code == 422
    assert words in answer.text
    assert count(Lease) == 1


def test_the_rent_changes_from_a_month_on(griha: Griha, admin: FlaskClient) -> None:
    address = f"{ROOT}/leases/{griha.lease.reference}/rent"
    early = admin.post(address, data={"rent": "12,000", "valid_from": "2026-11-15"})
    assert early.status_code == 422
    assert "asked for already" in early.text
    assert admin.post(address, data={"rent": "12,000", "valid_from": "2027-01-10"}).status_code == 303
    lease = griha.again(griha.lease)
    assert charging.rent_on(lease, date(2026, 12, 31)) == 10_000_00
    assert charging.rent_on(lease, date(2027, 1, 1)) == 12_000_00
    with transaction():
        made = charging.make_charges(
            organisation_id=griha.organisation.id,
            today=date(2027, 1, 3),
            actor=rentals.FACTORY,
            now=rentals.WHEN,
        )
        assert [charge.amount_minor for charge in made] == [10_000_00, 12_000_00]
    assert "The rent over time" in admin.get(f"{ROOT}/leases/{griha.lease.reference}").text
    twice = admin.post(address, data={"rent": "13,000", "valid_from": "2027-01-20"})
    assert twice.status_code == 422


def test_a_lease_ends_once(griha: Griha, admin: FlaskClient) -> None:
    address = f"{ROOT}/leases/{griha.lease.reference}/end"
    before = admin.post(address, data={"end_on": "2026-10-01"})
    assert before.status_code == 422
    assert "Example: 2026-11-01" in before.text
    assert admin.post(address, data={"end_on": "2026-11-30"}).status_code == 303
    assert griha.again(griha.lease).state == "ended"
    assert admin.post(address, data={"end_on": "2026-12-31"}).status_code == 409
    late = admin.post(
        f"{ROOT}/leases/{griha.lease.reference}/rent", data={"rent": "12,000", "valid_from": "2027-02-01"}
    )
    assert late.status_code == 409
    assert "12,000" in late.text
