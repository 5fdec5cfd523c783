"""Commission rules: their order, the effect before they are saved, versions that a second admin accepts."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.factories import partners
from tests.factories.people import FACTORY, stored
from tests.programs.partners.views.conftest import Partnerbase
from webapp.programs.partners import commission_rules
from webapp.programs.partners.drafts import RuleDraft
from webapp.programs.partners.models import PartnerRuleVersion

ROOT = "/admin/partners/rules"


def form(**values: Any) -> dict[str, Any]:
    """A rule as people type it."""
    return {
        "name": "Gold", "rate": "12.5", "priority": "10", "since": "2026-01", "until": "2026-Q1", "act": "save",
        "program": "", "partner_type": "", "tier": "", **values,
    }  # fmt: skip


def save(client: FlaskClient, address: str = f"{ROOT}/new", **values: Any) -> Any:
    """Look at the effect, then save exactly that."""
    looked = client.post(address, data=form(**{**values, "act": "look"}))
    assert looked.status_code == 200, looked.text
    seen = re.search(r'name="seen" type="hidden" value="(\w+)"', looked.text)
    assert seen
    return client.post(address, data=form(seen=seen[1], **values))


def rule(base: Partnerbase, name: str, rate_bp: int, **values: Any) -> PartnerRuleVersion:
    """A rule that counts."""
    with stored():
        return commission_rules.create_rule(
            organisation_id=base.organisation.id, draft=RuleDraft(name, rate_bp, **values), actor=FACTORY,
            now=partners.TODAY,
        )  # fmt: skip


def text_of(page: str) -> str:
    """What people read of a page."""
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


def test_the_rules_stand_in_the_order_in_which_they_count(
    partnerbase: Partnerbase, admin: FlaskClient
) -> None:
    rule(partnerbase, "Second", 1_000, priority=20, tier="gold")
    rule(partnerbase, "First", 500, priority=5, product="Seats")
    rule(partnerbase, "Over", 500, priority=1, valid_from=date(2026, 1, 1), is_active=False)
    page = admin.get(ROOT).text
    assert "lowest</strong> number first" in page
    assert re.findall(r"<bdi>(First|Second|Over)</bdi></a>", page) == ["First", "Second", "Over"]
    assert "Gold tier" in page
    assert "Product Seats" in page
    assert "Ended" in page


def test_a_rule_that_never_counts_says_so(partnerbase: Partnerbase, admin: FlaskClient) -> None:
    rule(partnerbase, "Everything", 1_000, priority=1)
    made = rule(partnerbase, "Gold <b>only</b>", 2_000, priority=2, tier="gold")
    assert "It counts for no deal: “Everything (version 1)” comes first" in admin.get(ROOT).text
    page = admin.get(f"{ROOT}/{made.rule_id}").text
    assert "It counts for no deal" in page
    assert "<b>only" not in page


def test_the_effect_is_shown_before_a_rule_is_saved(partnerbase: Partnerbase, admin: FlaskClient) -> None:
    base = partnerbase
    partners.won(base.program, [base.ada, base.ben])
    answer = admin.post(f"{ROOT}/new", data=form())
    assert answer.status_code == 200
    shown = text_of(answer.text)
    assert "Ben Ortiz 1 $25.00 $62.50 + $37.50" in shown
    assert "All partners 2 $50.00 $125.00 + $75.00" in shown
    assert "Nothing is saved yet" in shown
    assert "Everything" not in admin.get(ROOT).text
    assert "No rules yet" in admin.get(ROOT).text


def test_what_was_changed_after_the_effect_is_shown_again(
    partnerbase: Partnerbase, admin: FlaskClient
) -> None:
    looked = admin.post(f"{ROOT}/new", data=form(act="look"))
    seen = re.search(r'name="seen" type="hidden" value="(\w+)"', looked.text)
    assert seen
    answer = admin.post(f"{ROOT}/new", data=form(seen=seen[1], rate="99"))
    assert answer.status_code == 200
    assert "No rules yet" in admin.get(ROOT).text


def test_a_rule_is_stored_as_basis_points_and_shown_as_per_cent(
    partnerbase: Partnerbase, admin: FlaskClient
) -> None:
    base = partnerbase
    values = {
        "in_currency": "eur", "least_deal": "1,000.00", "floor": "5", "cap": "500", "retainer": "250.00",
        "months": "12",
        "program": str(base.program.id), "partner_type": "reseller", "tier": "gold", "product": " Seats ",
        "valid_from": "2026-01-01", "note": "As agreed.",
    }  # fmt: skip
    assert save(admin, **values).status_code in (302, 303)
    made: PartnerRuleVersion = base.newest(PartnerRuleVersion)
    assert (made.rate_bp, made.currency, made.least_deal_minor, made.floor_minor) == (
        1_250,
        "EUR",
        1_000_00,
        5_00,
    )
    assert (made.cap_minor, made.retainer_minor, made.months, made.priority) == (500_00, 250_00, 12, 10)
    assert (made.program_id, made.partner_type, made.tier, made.product) == (
        base.program.id,
        "reseller",
        "gold",
        "Seats",
    )
    shown = text_of(admin.get(f"{ROOT}/{made.rule_id}").text)
    assert "12.5 %, at least €5.00 EUR, at most €500.00 EUR, and €250.00 EUR for each period" in shown
    for words in (
        "Program Referrals",
        "Resellers",
        "Deals of at least €1,000.00 EUR",
        "first 12 months",
        "As agreed.",
    ):
        assert words in shown


def test_a_rule_waits_for_another_admin(partnerbase: Partnerbase, admin: FlaskClient) -> None:
    base = partnerbase
    save(admin)
    made = base.newest(PartnerRuleVersion)
    assert made.state == "proposed"
    assert "Withdraw the change" in admin.get(f"{ROOT}/{made.rule_id}").text
    assert admin.post(f"{ROOT}/{made.rule_id}/accept").status_code == 409
    sam = base.as_(base.sam)
    assert "Accept the change" in sam.get(f"{ROOT}/{made.rule_id}").text
    assert sam.post(f"{ROOT}/{made.rule_id}/withdraw").status_code == 409
    assert sam.post(f"{ROOT}/{made.rule_id}/accept").status_code in (302, 303)
    assert base.again(made).state == "in_force"
    assert sam.post(f"{ROOT}/{made.rule_id}/accept").status_code == 409


def test_a_rule_is_refused_with_a_reason(partnerbase: Partnerbase, admin: FlaskClient) -> None:
    base = partnerbase
    save(admin)
    made = base.newest(PartnerRuleVersion)
    sam = base.as_(base.sam)
    assert sam.post(f"{ROOT}/{made.rule_id}/refuse", data={"reason": " "}).status_code == 422
    sam.post(f"{ROOT}/{made.rule_id}/refuse", data={"reason": "We agreed on 10 %."})
    assert (base.again(made).state, base.again(made).decision_note) == ("refused", "We agreed on 10 %.")
    assert "We agreed on 10 %." in sam.get(f"{ROOT}/{made.rule_id}").text


def test_a_change_is_withdrawn_by_who_asked_for_it(partnerbase: Partnerbase, admin: FlaskClient) -> None:
    save(admin)
    made = partnerbase.newest(PartnerRuleVersion)
    assert admin.post(f"{ROOT}/{made.rule_id}/withdraw").status_code in (302, 303)
    assert partnerbase.again(made).state == "withdrawn"


def test_a_next_version_is_made_and_the_one_before_stays(
    partnerbase: Partnerbase, admin: FlaskClient
) -> None:
    base = partnerbase
    first = rule(base, "Ten", 1_000, floor_minor=5_00, currency="USD")
    address = f"{ROOT}/{first.rule_id}/edit"
    page = admin.get(address).text
    for value in ('value="Ten"', 'value="10"', 'value="5.00"', 'value="USD"'):
        assert value in page
    assert save(admin, address, version="1").status_code in (302, 303)
    made = base.newest(PartnerRuleVersion)
    assert (made.rule_id, made.version, made.rate_bp) == (first.rule_id, 2, 1_250)
    assert base.again(first).rate_bp == 1_000
    looked = admin.post(address, data=form(act="look"))
    assert looked.status_code == 200
    waits = save(admin, address, version="2")
    assert waits.status_code == 409
    assert "waits for a second admin already" in waits.text


def test_a_rule_ends_with_a_day(partnerbase: Partnerbase, admin: FlaskClient) -> None:
    base = partnerbase
    first = rule(base, "Ten", 1_000)
    assert admin.post(f"{ROOT}/{first.rule_id}/end", data={"last_day": "soon"}).status_code == 422
    admin.post(f"{ROOT}/{first.rule_id}/end", data={"last_day": "2026-06-30"})
    made = base.newest(PartnerRuleVersion)
    assert (made.is_active, made.valid_from) == (False, date(2026, 7, 1))
    assert "It ends." in admin.get(f"{ROOT}/{first.rule_id}").text


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("rate", "100.01", "from 0 to 100"),
        ("rate", "-1", "from 0 to 100"),
        ("rate", "7.255", "two decimals"),
        ("name", "", "Enter a name"),
        ("priority", "-1", "zero or more"),
        ("priority", "x", "whole number"),
        ("months", "0", "from 1 to 1200"),
        ("in_currency", "QQQ", "is not a currency"),
        ("in_currency", "", "in which currency"),
        ("least_deal", "-5", "zero or more"),
        ("cap", "1.00", "less than the least"),
        ("floor", "five", "is not an amount"),
        ("program", "999999", "Not a valid choice"),
        ("tier", "tin", "Not a valid choice"),
        ("since", "2026-13", "a month or a quarter"),
        ("until", "2025-12", "ends before it begins"),
        ("since", "2019-01", "at most 24 months"),
        ("valid_from", "soon", "day like"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_at_its_field(
    partnerbase: Partnerbase, admin: FlaskClient, field: str, value: str, words: str
) -> None:
    values = {"in_currency": "USD", "floor": "10.00", **{field: value}}
    answer = admin.post(f"{ROOT}/new", data=form(**values))
    assert answer.status_code == 422
    assert words in answer.text
    assert f'href="#{field}' in answer.text


def test_the_past_is_replayed_under_a_rule(partnerbase: Partnerbase, admin: FlaskClient) -> None:
    base = partnerbase
    partners.won(base.program, [base.ada])
    made = rule(base, "Ten", 1_000)
    address = f"{ROOT}/{made.rule_id}/rehearsal"
    shown = text_of(admin.get(f"{address}?since=2026-Q1&until=2026-Q1").text)
    assert "All partners 1 $50.00 $100.00 + $50.00" in shown
    assert "beside what they would have got without it" in shown
    save(admin, f"{ROOT}/{made.rule_id}/edit", version="1", rate="2")
    shown = text_of(admin.get(f"{address}?since=2026-Q1&until=2026-Q1").text)
    assert "Ada <b>Ray</b>" not in admin.get(address).text
    assert "All partners 1 $100.00 $20.00 −$80.00" in shown
    assert "by the rules as they are" in shown
    wrong = admin.get(f"{address}?since=x&until=2026-Q1")
    assert wrong.status_code == 422
    assert "Write a month or a quarter." in wrong.text


def test_another_organisations_rule_is_not_there(partnerbase: Partnerbase, admin: FlaskClient) -> None:
    other = partners.partnerbase()
    with stored():
        theirs = commission_rules.create_rule(
            organisation_id=other.id, draft=RuleDraft("Theirs", 1_000), actor=FACTORY, now=partners.TODAY
        )
    program = partners.program(other)
    for page in ("", "/edit", "/rehearsal", "/accept", "/end"):
        assert admin.get(f"{ROOT}/{theirs.rule_id}{page}").status_code == 404
    for page in ("edit", "accept", "refuse", "withdraw", "end"):
        assert admin.post(f"{ROOT}/{theirs.rule_id}/{page}", data=form()).status_code == 404
    assert "Theirs" not in admin.get(ROOT).text
    assert admin.post(f"{ROOT}/new", data=form(program=str(program.id))).status_code == 422
