"""From gross to net: every amount of the months, adding up, by one statement."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

import pytest
import time_machine
from flask import Flask

from tests.factories import clinic, people
from tests.factories.pages import counted_queries
from tests.factories.people import FACTORY
from tests.programs.clinic.test_flow import click
from tests.programs.clinic.test_going_back import refund
from webapp.database import transaction
from webapp.people.models import Organisation, Payee
from webapp.programs.clinic import deductions, figures, lists, own_lists
from webapp.programs.clinic.drafts import DeductionDraft

NOW = datetime.fromisoformat("2026-11-20T15:00:00+00:00")
SINCE = date(2026, 6, 1)


@pytest.fixture
def care(database: Flask) -> Organisation:
    return clinic.carepoint(locale="en_CA")


@pytest.fixture
def ada(care: Organisation) -> Payee:
    return clinic.practitioner(care, name="Dr Ada Bell")


@pytest.fixture
def busy(care: Organisation, ada: Payee) -> Organisation:
    """100.00 with 13.00 tax paid out, half of another refunded after its payout, an order, a fee, rent."""
    taxed = clinic.invoice(care, [ada], 100_00, tax_percent=Decimal(13))
    clinic.pay(taxed, fee_minor=3_00)
    click(taxed, NOW)
    halved = clinic.paid(care, [ada], 80_00)
    click(halved, NOW)
    with time_machine.travel(NOW, tick=False):
        refund(halved, 40_00, NOW)
    clinic.paid(care, None, 24_50)
    with transaction():
        row = deductions.add_deduction(
            organisation_id=care.id, draft=DeductionDraft(ada.id, "Room rent", 20_00, date(2026, 11, 1)),
            actor=FACTORY, now=NOW,
        )  # fmt: skip
        ident = row.id
    with transaction():
        deductions.charge_due(
            organisation_id=care.id, deduction_id=ident, today=NOW.date(), actor=FACTORY, now=NOW
        )
    return care


def test_the_amounts_add_up(busy: Organisation, ada: Payee) -> None:
    ident = busy.id
    with counted_queries() as statements:
        found = figures.flow(ident, "CAD", SINCE)
    assert len(statements) == 1
    assert found == figures.Flow(
        received_minor=217_50,
        refunded_minor=40_00,
        tax_minor=13_00,
        base_minor=140_00,
        commission_minor=14_00,
        charged_minor=20_00,
        gateway_minor=3_00,
    )
    # The order is what nobody is paid for.
    assert (found.not_paid_out_minor, found.to_practitioners_minor) == (24_50, 106_00)
    assert clinic.holds(busy, ada) == 106_00


def test_a_month_counts_what_stayed(busy: Organisation) -> None:
    with transaction():
        found = lists.months(busy.id, "CAD", SINCE)
    assert found == [
        lists.Month("2026-11", collected_minor=177_50, outstanding_minor=0, paid_out_minor=126_00)
    ]


def test_nothing_and_others_money(busy: Organisation) -> None:
    assert figures.flow(busy.id, "USD", SINCE) is None
    assert figures.flow(busy.id, "CAD", date(2027, 1, 1)) is None
    assert figures.flow(clinic.carepoint().id, "CAD", SINCE) is None


def test_the_page_draws_it_with_its_table_in_few_queries(busy: Organisation, database: Flask) -> None:
    client = database.test_client()
    with time_machine.travel(NOW, tick=False):
        people.sign_in(client, people.user(organisation=busy, role="admin"), busy)
        client.get("/admin/clinic")
        with counted_queries() as statements:
            html = client.get("/admin/clinic").text
    assert len(statements) <= 15, statements
    assert "Of $217.50 that customers paid, $106.00 went to practitioners and $14.00 is commission" in html
    for row in (
        "Received",
        "Refunded",
        "Tax",
        "Not paid out",
        "Commission",
        "Rent and fees",
        "To practitioners",
    ):
        assert row in html, row
    assert "From gross to net in 6 months, CAD" in html
    assert "$177.50 came in, $126.00 of it went into practitioners" in html


def test_a_clinic_without_payments_has_no_plot(care: Organisation, database: Flask) -> None:
    client = database.test_client()
    people.sign_in(client, people.user(organisation=care, role="accountant"), care)
    assert "From gross to net" not in client.get("/admin/clinic").text


def test_a_practitioner_s_own_months_are_what_came_in_and_what_was_paid_of_it(
    busy: Organisation, ada: Payee
) -> None:
    other = clinic.practitioner(busy, name="Dr Theo Lim")
    click(clinic.paid(busy, [other], 500_00), NOW)
    organisation_id, own, theirs = busy.id, ada.id, other.id
    with counted_queries() as statements:
        months = own_lists.months(organisation_id, own, "CAD", SINCE)
    assert len(statements) == 1
    (month,) = months
    # 113.00 with tax and 80.00, of which 40.00 went back; 90.00 and 72.00 were paid, and 36.00 taken back.
    assert month == own_lists.OwnMonth("2026-11", 153_00, 126_00)
    assert own_lists.months(organisation_id, theirs, "CAD", SINCE) == [
        own_lists.OwnMonth("2026-11", 500_00, 450_00)
    ]
