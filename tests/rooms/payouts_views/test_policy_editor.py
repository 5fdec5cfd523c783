"""The pages that change the approval rules."""

from __future__ import annotations

from typing import Any

import pytest

from tests.factories import people, sign_in, user
from tests.factories.pages import Place
from webapp.payouts import policies, policy_changes

EDIT = "/admin/settings/rules"


def _form(**changes: Any) -> dict[str, Any]:
    values = {
        "version": "0",
        "template": "default",
        "tiers-0-up_to": "10,000.00", "tiers-0-currency": "USD",
        "tiers-0-applies": "automatic", "tiers-0-approvals": "0",
        "tiers-1-up_to": "100,000.00", "tiers-1-currency": "USD", "tiers-1-applies": "all", "tiers-1-approvals": "1",
        "tiers-2-up_to": "", "tiers-2-currency": "USD", "tiers-2-applies": "all", "tiers-2-approvals": "2",
        "tiers-3-up_to": "", "tiers-3-currency": "USD", "tiers-3-applies": "all", "tiers-3-approvals": "",
        "cool_off_hours": "72", "method_editor_days": "30", "retry_minutes": "5, 15, 45",
        "use_manual": "y", "use_sandbox": "y", "solo_delay_hours": "12",
        "cut_offs-0-program": "installations", "cut_offs-0-at": "17:30",
        "note": "We grew",
    }  # fmt: skip
    return {key: value for key, value in {**values, **changes}.items() if value is not None}


def test_form_shows_the_rules_in_force(place: Place) -> None:
    html = place.client(place.maker).get(EDIT).text
    assert 'value="10,000.00"' in html
    assert 'value="48"' in html


def test_check_shows_what_changes_and_who_could_approve_and_saves_nothing(place: Place) -> None:
    answer = place.client(place.maker).post(EDIT, data=_form(check="1"))
    assert answer.status_code == 200
    assert "Nothing is paid to them for 72 hours." in answer.text
    assert "Who can approve this?" in answer.text
    assert "Payouts can be stopped until 17:30." in answer.text
    assert policy_changes.pending(place.organisation.id) is None


def test_saving_asks_another_admin_who_accepts(place: Place) -> None:
    maker, approver = place.client(place.maker), place.client(place.approver)
    assert maker.post(EDIT, data=_form(save="1")).status_code == 303
    assert "waits for another admin" in maker.get("/admin/settings").text
    row = policy_changes.pending(place.organisation.id)
    assert row is not None
    page = approver.get("/admin/settings/rules/proposal")
    assert "72 hours" in page.text
    assert (
        maker.post(f"/admin/settings/rules/proposal/{row.id}", data={"decision": "accept"}).status_code == 409
    )
    done = approver.post(f"/admin/settings/rules/proposal/{row.id}", data={"decision": "accept"})
    assert done.status_code == 303
    policy, version = policies.current_policy(place.organisation.id)
    assert (policy.cool_off_hours, policy.cut_off, version) == (72, {"installations": "17:30"}, 1)
    assert "Version 1" in approver.get("/admin/settings/rules/history").text


def test_refusing_without_a_reason_says_so(place: Place) -> None:
    place.client(place.maker).post(EDIT, data=_form(save="1"))
    row = policy_changes.pending(place.organisation.id)
    assert row is not None
    answer = place.client(place.approver).post(
        f"/admin/settings/rules/proposal/{row.id}", data={"decision": "refuse", "reason": ""}
    )
    assert answer.status_code == 422
    assert "Say why not" in answer.text


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"tiers-1-up_to": "lots"}, "lots"),
        ({"tiers-1-up_to": "-5"}, "zero or more"),
        ({"tiers-2-approvals": ""}, "ne tier without an upper amount"),
        ({"tiers-1-approvals": "0"}, "Only payouts that a program makes by itself"),
        ({"tiers-3-up_to": "9.00"}, "Choose how many people approve"),
        ({"tiers-3-currency": "1", "tiers-3-approvals": "1"}, "three letters"),
        ({"tiers-1-approvals": "77"}, "Not a valid choice"),
        ({"cool_off_hours": "many"}, "whole number from 0 to 720"),
        ({"cool_off_hours": "9999"}, "whole number from 0 to 720"),
        ({"retry_minutes": "5, soon"}, "whole numbers of minutes"),
        ({"use_manual": None, "use_sandbox": None}, "at least one way to pay"),
        ({"cut_offs-0-at": "25:00"}, "a time such as 17:30"),
        ({"note": " "}, "Write a reason"),
        ({"separate_payer_above": "x"}, "x"),
    ],
)
def test_bad_rules_are_refused_at_their_field_and_kept(
    place: Place, changes: dict[str, Any], said: str
) -> None:
    answer = place.client(place.maker).post(EDIT, data=_form(check="1", **changes))
    assert answer.status_code == 422
    assert said in answer.text
    assert 'value="100,000.00"' in answer.text or "tiers-1-up_to" in changes
    assert policies.current_policy(place.organisation.id)[1] == 0


def test_old_page_conflicts_and_keeps_what_was_typed(place: Place) -> None:
    answer = place.client(place.maker).post(EDIT, data=_form(save="1", version="7"))
    assert answer.status_code == 409
    assert "We grew" in answer.text


def test_program_of_somebody_else_gets_no_cut_off(place: Place) -> None:
    data = _form(save="1", **{"cut_offs-0-program": "banking"})
    place.client(place.maker).post(EDIT, data=data)
    row = policy_changes.pending(place.organisation.id)
    assert row is not None
    assert row.rules["cut_off"] == {}


def test_accountant_looks_and_changes_nothing(place: Place) -> None:
    reader = user(organisation=place.organisation, role="accountant")
    client = place.client(reader)
    assert client.get(EDIT).status_code == 403
    assert client.post(EDIT, data=_form(save="1")).status_code == 403
    assert policy_changes.pending(place.organisation.id) is None


def test_page_of_a_payout_says_who_can_approve_it(place: Place) -> None:
    payout = place.payout()
    html = place.client(place.maker).get(f"/admin/payouts/{payout.reference}/who-can-approve").text
    assert "They created this payout" in html
    assert place.approver.name in html


def test_another_organisation_does_not_see_the_proposal(place: Place) -> None:
    place.client(place.maker).post(EDIT, data=_form(save="1"))
    row = policy_changes.pending(place.organisation.id)
    assert row is not None
    elsewhere = people.organisation("elsewhere")
    client = place.client(place.maker)
    sign_in(client, user(organisation=elsewhere, role="admin"), elsewhere)
    assert client.get("/admin/settings/rules/proposal").status_code == 303
    assert (
        client.post(f"/admin/settings/rules/proposal/{row.id}", data={"decision": "accept"}).status_code
        == 404
    )
