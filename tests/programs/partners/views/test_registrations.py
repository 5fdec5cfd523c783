"""Registrations on admins' pages: the list, one claim with what speaks against it, accepting and refusing it."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.factories import partners
from tests.factories.partners import TODAY
from tests.factories.people import FACTORY, stored
from tests.programs.partners.views.conftest import Partnerbase
from tests.programs.partners.views.hands import cells, count
from webapp.people.models import Payee
from webapp.programs.partners import registering
from webapp.programs.partners.drafts import RegistrationDraft
from webapp.programs.partners.models import Commission, Deal, Registration

ROOT = "/admin/partners/registrations"


def claim(base: Partnerbase, payee: Payee, customer: str = "Acme", **values: Any) -> Registration:
    """A partner's claim on a deal with a customer."""
    draft = RegistrationDraft(base.program.id, customer, "USD", 5_000_00, **values)
    with stored():
        return registering.register(
            organisation_id=base.organisation.id, payee_id=payee.id, draft=draft, actor=FACTORY, now=TODAY
        )


@pytest.mark.parametrize(
    ("query", "is_found"),
    [
        ("state=pending", True), ("state=approved", False), ("q=acme", True), ("q=hat", False), ("partner=Ben", True),
        ("partner=Ada", False), ("program=PP-0001", True), ("date_from=2026-03-31", True),
        ("date_from=2026-04-01", False),
    ],
)  # fmt: skip
def test_the_list_is_narrowed(
    partnerbase: Partnerbase, admin: FlaskClient, query: str, is_found: bool
) -> None:
    row = claim(partnerbase, partnerbase.ben, product="Seats")
    page = admin.get(f"{ROOT}?{query}")
    assert page.status_code == 200
    assert (f">{row.reference}</a>" in page.text) is is_found


def test_totals_and_files_are_those_of_the_filter(partnerbase: Partnerbase, admin: FlaskClient) -> None:
    claim(partnerbase, partnerbase.ben)
    claim(partnerbase, partnerbase.ada, "=cmd()")
    fragment = admin.get(f"{ROOT}/totals?partner=Ben", headers={"HX-Request": "true"}).text
    assert cells(fragment)[-3:] == ["USD", "1", "$5,000.00"]
    assert "'=cmd()" in admin.get(f"{ROOT}/export.csv").text
    found = admin.get(f"{ROOT}/export.json?partner=Ben").json
    assert [row["customer"] for row in found["rows"]] == ["Acme"]
    assert admin.get(f"{ROOT}/export.csv?date_from=x").status_code == 422


def test_what_speaks_against_it_is_shown_with_links(partnerbase: Partnerbase, admin: FlaskClient) -> None:
    deal = partners.deal(partnerbase.program, [], customer="ACME")
    first = claim(partnerbase, partnerbase.ada)
    row = claim(partnerbase, partnerbase.ben)
    page = admin.get(f"{ROOT}/{row.reference}").text
    assert (
        f'There are deals with this customer already: <a href="/admin/partners/deals/{deal.reference}">'
        in page
    )
    assert f'registered by others, too: <a href="{ROOT}/{first.reference}">' in page
    own = claim(partnerbase, partnerbase.ben, partnerbase.ben.name)
    assert "they would be paid for buying" in admin.get(f"{ROOT}/{own.reference}/accept").text
    free = claim(partnerbase, partnerbase.ben, "Nobody else")
    assert (
        "No other deal or registration with this customer is open."
        in admin.get(f"{ROOT}/{free.reference}").text
    )


def test_accepting_makes_a_deal_and_no_money(partnerbase: Partnerbase, admin: FlaskClient) -> None:
    row = claim(partnerbase, partnerbase.ada, "<i>Acme</i>", note="<b>They called.</b>")
    assert "&lt;b&gt;They called." in admin.get(f"{ROOT}/{row.reference}").text
    sent = admin.post(f"{ROOT}/{row.reference}/accept", data={"deal": "new", "version": str(row.version)})
    assert sent.status_code == 303
    deal, done = partnerbase.newest(Deal), partnerbase.again(row)
    assert (done.state, done.deal_id, deal.registered_by_id) == ("approved", deal.id, partnerbase.ada.id)
    assert count(Commission) == 0
    page = admin.get(f"{ROOT}/{row.reference}").text
    assert deal.reference in page
    assert "Accept…" not in page
    assert row.reference in admin.get(f"/admin/partners/deals/{deal.reference}").text
    assert admin.get(f"{ROOT}/{row.reference}/refuse").status_code == 409
    assert admin.post(f"{ROOT}/{row.reference}/accept", data={"deal": "new"}).status_code == 409


def test_accepting_names_the_partner_in_a_deal_that_is_there(
    partnerbase: Partnerbase, admin: FlaskClient
) -> None:
    deal = partners.deal(partnerbase.program, [], customer="Acme")
    taken = partners.deal(partnerbase.program, [], customer="Acme", registered_by_id=partnerbase.ben.id)
    row = claim(partnerbase, partnerbase.ada)
    page = admin.get(f"{ROOT}/{row.reference}/accept").text
    assert f'value="{deal.reference}"' in page
    assert f'value="{taken.reference}"' not in page
    # Only what is offered can be chosen.
    assert admin.post(f"{ROOT}/{row.reference}/accept", data={"deal": taken.reference}).status_code == 422
    assert admin.post(f"{ROOT}/{row.reference}/accept", data={"deal": deal.reference}).status_code == 303
    assert partnerbase.again(deal).registered_by_id == partnerbase.ada.id
    assert count(Deal) == 2


def test_refusing_needs_a_reason_that_is_kept(partnerbase: Partnerbase, admin: FlaskClient) -> None:
    row = claim(partnerbase, partnerbase.ada)
    refused = admin.post(f"{ROOT}/{row.reference}/refuse", data={"reason": " "})
    assert refused.status_code == 422
    assert 'id="reason-error"' in refused.text
    late = admin.post(f"{ROOT}/{row.reference}/refuse", data={"reason": "Ours", "version": "99"})
    assert late.status_code == 409
    done = admin.post(f"{ROOT}/{row.reference}/refuse", data={"reason": "We know them <b>well</b>"})
    assert done.status_code == 303
    assert partnerbase.again(row).state == "rejected"
    assert "&lt;b&gt;well" in admin.get(f"{ROOT}/{row.reference}").text
    assert "&lt;b&gt;well" in admin.get(ROOT).text


def test_an_accountant_reads_and_decides_nothing(partnerbase: Partnerbase) -> None:
    row = claim(partnerbase, partnerbase.ada)
    browser = partnerbase.as_(partnerbase.books)
    assert "Accept<" not in browser.get(ROOT).text
    assert "Accept…" not in browser.get(f"{ROOT}/{row.reference}").text
    assert browser.post(f"{ROOT}/{row.reference}/accept", data={"deal": "new"}).status_code == 403


def test_without_registrations_the_page_says_where_they_come_from(
    partnerbase: Partnerbase, admin: FlaskClient
) -> None:
    assert "Partners register deals in their portal" in admin.get(ROOT).text
    assert admin.get(f"{ROOT}/DR-9999").status_code == 404
