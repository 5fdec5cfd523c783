"""A payee's own payouts, and the settings page with its halt switch."""

from __future__ import annotations

import csv
import io
from datetime import date

import pytest

from tests.factories import people
from tests.factories.pages import Place, counted_queries
from tests.rooms.payouts_views.conftest import HOUR
from webapp.audit.models import AuditEvent
from webapp.database import db, transaction
from webapp.payouts import policies, service

# ---- A payee's own payouts -----------------------------------------------------------------------


def test_payee_sees_their_own_payouts_only(place: Place) -> None:
    mine, theirs = place.payout(place.payee, 12_345), place.payout(place.other, 99_900)
    client = place.client(place.technician)
    html = client.get("/technician/payouts").text
    assert mine.reference in html
    assert "$123.45" in html
    assert theirs.reference not in html
    assert client.get(f"/technician/payouts/{mine.reference}").status_code == 200
    for address in (theirs.reference, "PO-2026-999999"):
        assert client.get(f"/technician/payouts/{address}").status_code == 404
    assert client.get("/admin/payouts").status_code == 403


def test_payee_never_sees_what_is_for_admins(place: Place) -> None:
    payout = place.approved(note="Keep an eye on him")
    with transaction():
        service.hold(
            organisation_id=place.organisation.id,
            reference=payout.reference,
            reason="We suspect a double claim",
            actor=people.actor_of(place.maker),
            now=HOUR,
        )
    client = place.client(place.technician)
    html = client.get(f"/technician/payouts/{payout.reference}").text
    assert "On hold" in html
    for secret in (
        "Keep an eye",
        "double claim",
        "maya@example.com",
        "ravi@example.com",
        "payable:",
        "/admin/",
    ):
        assert secret not in html
    assert "Put on hold" in html


def test_payee_is_told_why_it_was_rejected(place: Place) -> None:
    payout = place.payout()
    with transaction():
        service.reject(
            organisation_id=place.organisation.id,
            reference=payout.reference,
            reason="The size of ISR-0042 is wrong",
            actor=people.actor_of(place.approver),
            now=HOUR,
        )
    html = place.client(place.technician).get(f"/technician/payouts/{payout.reference}").text
    assert "The size of ISR-0042 is wrong. It is not paid as it is." in html


def test_payee_filters_and_takes_the_same_as_csv(place: Place) -> None:
    place.payout(place.payee, 10_000)
    old = place.payout(place.payee, 20_000, period_start=date(2026, 9, 1), period_end=date(2026, 9, 30))
    place.payout(place.other, 30_000)
    client = place.client(place.technician)
    query = "period_to=2026-09-30&status=pending_approval"
    html = client.get(f"/technician/payouts?{query}").text
    assert old.reference in html
    assert "$100.00" not in html
    answer = client.get(f"/technician/payouts/export.csv?{query}")
    rows = list(csv.DictReader(io.StringIO(answer.data.decode("utf-8-sig"))))
    assert [row["Reference"] for row in rows] == [old.reference]
    assert client.get("/technician/payouts?period_from=soon").status_code == 422


def test_user_without_a_payee_record_sees_an_empty_list(place: Place) -> None:
    place.payout()
    lost = people.user(organisation=place.organisation, role="technician")
    client = place.client(lost)
    assert "No payouts yet" in client.get("/technician/payouts").text
    assert client.get("/technician/payouts/PO-2026-000001").status_code == 404
    assert "PO-" not in client.get("/technician/payouts/export.csv").text


def test_payees_list_asks_few_questions(place: Place) -> None:
    for _ in range(30):
        place.payout()
    client = place.client(place.technician)
    with counted_queries() as statements:
        client.get("/technician/payouts")
    assert len(statements) <= 12, statements


# ---- Settings ------------------------------------------------------------------------------------


def test_settings_say_the_rules_in_force(place: Place) -> None:
    html = place.client(place.maker).get("/admin/settings").text
    for text in (
        "$100,000.00",
        "Two different people",
        "48 hours",
        "5 min, 15 min, 45 min",
        "template “default”",
    ):
        assert text in html
    assert "One person runs this organisation" not in html


def test_settings_warn_when_one_person_runs_it(place: Place) -> None:
    rules = policies.current_policy(place.organisation.id)[0].rules
    rules["single_operator"] = {"is_on": True, "delay_hours": 12, "daily_cap_minor": 500_000}
    with transaction():
        service.change_policy(
            organisation_id=place.organisation.id, rules=rules, actor=people.FACTORY, now=HOUR
        )
    html = place.client(place.maker).get("/admin/settings").text
    assert "One person runs this organisation. A delay of 12 hours" in html
    assert "$5,000.00" in html
    assert "Version 1" in html


@pytest.mark.parametrize(("rail", "prefix"), [("*", "every-"), ("sandbox", "sandbox-")])
def test_halt_and_resume_need_a_reason_and_are_kept(place: Place, rail: str, prefix: str) -> None:
    client = place.client(place.maker)
    empty = client.post("/admin/settings/halt", data={"rail": rail, f"{prefix}reason": " "})
    assert empty.status_code == 422
    assert policies.halts(place.organisation.id) == []
    data = {"rail": rail, f"{prefix}reason": "The bank reports an outage"}
    assert client.post("/admin/settings/halt", data=data).status_code == 303
    assert [switch.rail for switch in policies.halts(place.organisation.id)] == [rail]
    page = client.get("/admin/settings").text
    assert "Halted" in page
    assert "The bank reports an outage" in page
    assert "Payments are halted" in client.get("/admin/").text
    data[f"{prefix}reason"] = "It is over"
    assert client.post("/admin/settings/resume", data=data).status_code == 303
    assert policies.halts(place.organisation.id) == []
    late = client.post("/admin/settings/resume", data=data)
    assert late.status_code == 409
    assert "It is over" in late.text
    tags = [event.tag for event in db.session.query(AuditEvent).order_by(AuditEvent.id)]
    assert tags[-2:] == ["payouts:rail:halted", "payouts:rail:halt_lifted"]


def test_unknown_rail_is_refused(place: Place) -> None:
    answer = place.client(place.maker).post(
        "/admin/settings/halt", data={"rail": "pigeon", "pigeon-reason": "x"}
    )
    assert answer.status_code == 422


def test_accountant_cannot_halt(place: Place) -> None:
    accountant = people.user(organisation=place.organisation, role="accountant")
    client = place.client(accountant)
    assert "Halt…" not in client.get("/admin/settings").text
    assert client.post("/admin/settings/halt", data={"rail": "*", "every-reason": "x"}).status_code == 403
