"""The page of one payout and the actions on it."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from tests.factories import people
from tests.factories.pages import Place, counted_queries
from tests.factories.payouts import line, payout_sent
from tests.rooms.payouts_views.conftest import HOUR
from webapp.audit import service as audit
from webapp.database import db, transaction
from webapp.payouts import panels, policies, service
from webapp.payouts.models import Payout, Transfer
from webapp.payouts.states import PAYOUT_TRANSITIONS, PayoutState
from webapp.payouts.views import plans

HTMX = {"HX-Request": "true", "HX-Target": "dialog"}


def _act(payout: Payout, action: str) -> str:
    return f"/admin/payouts/{payout.reference}/{action}"


def _do(place: Place, function: object, payout: Payout, **values: object) -> None:
    with transaction():
        function(  # type: ignore[operator]
            organisation_id=place.organisation.id,
            reference=payout.reference,
            actor=people.actor_of(place.maker),
            now=HOUR,
            **values,
        )


def test_page_explains_the_amount_and_adds_up(place: Place) -> None:
    lines = [
        line(49_950, description="Roof in Pune", formula="9.99 kW × 50.00 USD = 499.50 USD"),
        line(
            2_500, kind="bonus", description="Quality bonus", quantity=Decimal("1"), unit="check", formula=""
        ),
        line(-10_000, kind="deduction", description="Advance of 3 Nov"),
        line(-450, kind="tax", description="Tax withheld"),
    ]
    payout = place.payout(lines=lines)
    html = place.client(place.approver).get(f"/admin/payouts/{payout.reference}").text
    for text in (
        "9.99 kW × 50.00 USD = 499.50 USD",
        "1 check",
        "$524.50",
        "−$104.50",
        "$420.00",
        "Quality bonus",
    ):
        assert text in html
    assert "$524.50 gross less $104.50 leaves $420.00." in html
    assert "0 of 1 given; 1 more person must approve it." in html


def test_page_says_why_not_approved_and_why_not_paid(place: Place) -> None:
    payout = place.payout()
    html = place.client(place.maker).get(f"/admin/payouts/{payout.reference}").text
    assert "Why can I not approve this?" in html
    assert "You created this payout; a different person must approve it." in html
    assert "Why not paid yet?" in html
    assert _act(payout, "approve") not in html
    assert _act(payout, "reject") in html
    other = place.client(place.approver).get(f"/admin/payouts/{payout.reference}").text
    assert "Why can I not approve this?" not in other
    assert f'href="{_act(payout, "approve")}" class="btn btn-primary"' in other


def test_page_shows_trail_transfers_and_ledger(place: Place) -> None:
    payout = payout_sent(place.organisation, payee=place.payee, approver=place.approver, now=HOUR)
    html = place.client(place.approver).get(f"/admin/payouts/{payout.reference}").text
    transfer = db.session.query(Transfer).one()
    for text in (
        "Sent for payment",
        "Approved",
        "ravi@example.com",
        transfer.transfer_id,
        "in_transit",
        "expense:",
    ):
        assert text in html
    assert "data-hx-get" in html
    assert "every 3s" in html
    assert "••" in html


def test_page_asks_few_questions(place: Place) -> None:
    payout = place.approved()
    client = place.client(place.approver)
    with counted_queries() as statements:
        assert client.get(f"/admin/payouts/{payout.reference}").status_code == 200
    assert len(statements) <= 20, statements


def test_status_is_asked_until_the_bank_has_answered(place: Place) -> None:
    sent = payout_sent(place.organisation, payee=place.payee, approver=place.approver, now=HOUR)
    client = place.client(place.approver)
    moving = client.get(f"/admin/payouts/{sent.reference}/status")
    assert moving.status_code == 200
    assert "every 3s" in moving.text
    assert "<html" not in moving.text
    still = place.payout(place.other)
    answer = client.get(f"/admin/payouts/{still.reference}/status")
    assert answer.status_code == 286
    assert "every 3s" not in answer.text


def test_every_action_of_people_has_a_page(place: Place) -> None:
    by_people = {action for _, action in PAYOUT_TRANSITIONS} - {"succeed", "fail", "schedule_retry"}
    assert {plan.done for plan in plans.PLANS.values()} - {None} == by_people
    payout = place.payout()
    client = place.client(place.approver)
    for slug in plans.PLANS:
        page = client.get(_act(payout, slug))
        assert page.status_code == 200
        assert "<html" in page.text
        fragment = client.get(_act(payout, slug), headers=HTMX).text
        assert "<html" not in fragment
        assert 'id="dialog-heading"' in fragment
    assert client.get(_act(payout, "explode")).status_code == 404


def test_approve_needs_the_check_page_and_names_the_amount(place: Place) -> None:
    payout = place.payout(amount=123_450)
    client = place.client(place.approver)
    page = client.get(_act(payout, "approve")).text
    assert "Approve $1,234.50" in page
    assert "First payout" in page
    answer = client.post(_act(payout, "approve"), data={"version": payout.version, "note": "Seen"})
    assert answer.status_code == 303
    shown = client.get(answer.headers["Location"]).text
    assert "is approved. It can be paid now." in shown
    assert "Seen" in shown


def test_repeated_action_is_no_error(place: Place) -> None:
    payout = place.payout()
    client = place.client(place.approver)
    for _ in range(2):
        answer = client.post(_act(payout, "approve"), data={"version": 1})
        assert answer.status_code == 303
    assert "already; nothing was changed" in client.get(answer.headers["Location"]).text


def test_late_action_names_who_was_first_and_keeps_the_text(place: Place) -> None:
    payout = place.payout()
    _do(place, service.reject, payout, reason="Wrong size")
    answer = place.client(place.approver).post(
        _act(payout, "reject"), data={"version": 1, "reason": "I think so too"}
    )
    assert answer.status_code == 409
    assert "maya@example.com" in answer.text
    assert "I think so too" in answer.text
    assert "Nothing was changed." in answer.text


def test_stale_page_is_refused_and_can_be_sent_again(place: Place) -> None:
    payout = place.payout()
    _do(place, service.edit, payout, note="Look at the roof")
    client = place.client(place.approver)
    answer = client.post(_act(payout, "reject"), data={"version": 1, "reason": "Wrong"}, headers=HTMX)
    assert answer.status_code == 409
    assert "changed since you opened this page" in answer.text
    assert 'name="version" value="2"' in answer.text
    again = client.post(_act(payout, "reject"), data={"version": 2, "reason": "Wrong"}, headers=HTMX)
    assert again.headers["HX-Redirect"] == f"/admin/payouts/{payout.reference}"


def test_maker_cannot_approve_by_address_either(place: Place) -> None:
    payout = place.payout()
    answer = place.client(place.maker).post(_act(payout, "approve"), data={"version": 1, "note": "Mine"})
    assert answer.status_code == 409
    assert "You created this payout" in answer.text
    assert "Mine" in answer.text
    db.session.refresh(payout)
    assert payout.state == PayoutState.PENDING_APPROVAL


def test_mark_paid_refuses_the_future_and_keeps_the_reference(place: Place) -> None:
    payout = place.approved()
    client = place.client(place.maker)
    data = {"version": payout.version, "payment_reference": "CHQ-1042", "paid_on": "2026-11-23"}
    answer = client.post(_act(payout, "mark-paid"), data=data)
    assert answer.status_code == 422
    assert "lies in the future" in answer.text
    assert "CHQ-1042" in answer.text
    assert "<title>Error: " in answer.text
    empty = client.post(_act(payout, "mark-paid"), data={"version": payout.version})
    assert empty.status_code == 422
    assert "such as CHQ-1042" in empty.text
    done = client.post(_act(payout, "mark-paid"), data={**data, "paid_on": "2026-11-20"})
    assert done.status_code == 303
    page = client.get(done.headers["Location"]).text
    assert "CHQ-1042" in page
    assert "20 Nov 2026" in page


def test_payment_reference_of_another_payout_is_a_conflict(place: Place) -> None:
    first, second = place.approved(), place.approved(place.other)
    _do(place, service.mark_paid, first, payment_reference="CHQ-1", paid_on=date(2026, 11, 20))
    data = {"version": second.version, "payment_reference": "CHQ-1", "paid_on": "2026-11-20"}
    answer = place.client(place.maker).post(_act(second, "mark-paid"), data=data)
    assert answer.status_code == 409
    assert first.reference in answer.text


def test_pay_sends_over_the_chosen_rail(place: Place) -> None:
    payout = place.approved()
    client = place.client(place.maker)
    assert (
        client.post(_act(payout, "pay"), data={"version": payout.version, "rail": "pigeon"}).status_code
        == 422
    )
    answer = client.post(_act(payout, "pay"), data={"version": payout.version, "rail": "sandbox"})
    assert answer.status_code == 303
    db.session.refresh(payout)
    assert payout.state == PayoutState.PROCESSING
    assert "Ask the bank" in client.get(_act(payout, "check-status")).text


def test_hold_stops_paying_until_it_is_released(place: Place) -> None:
    payout = place.approved()
    client = place.client(place.maker)
    assert client.post(_act(payout, "hold"), data={"version": payout.version}).status_code == 422
    client.post(_act(payout, "hold"), data={"version": payout.version, "reason": "A complaint"})
    page = client.get(f"/admin/payouts/{payout.reference}").text
    assert "On hold: A complaint." in page
    assert f'href="{_act(payout, "release")}" class="btn btn-primary"' in page
    assert _act(payout, "pay") + '"' not in page
    db.session.refresh(payout)
    assert client.post(_act(payout, "release"), data={"version": payout.version}).status_code == 303


def test_accountant_sees_no_actions(place: Place) -> None:
    payout = place.payout()
    accountant = people.user(organisation=place.organisation, role="accountant")
    client = place.client(accountant)
    html = client.get(f"/admin/payouts/{payout.reference}").text
    assert "More actions" not in html
    assert client.post(_act(payout, "reject"), data={"reason": "No"}).status_code == 403
    for slug in plans.PLANS:
        form = client.get(_act(payout, slug))
        assert form.status_code == 403
        assert "Ask an admin to do this." in form.text


def test_time_line_tells_only_what_happened_to_the_payout(place: Place) -> None:
    payout = place.payout()
    _do(place, service.edit, payout, note="Look at the roof")
    with transaction():
        audit.record(
            tag="notices:email:sent_again",
            actor=people.FACTORY,
            now=HOUR,
            organisation_id=place.organisation.id,
            subject_type="payout",
            subject_id=payout.id,
            subject_label=payout.reference,
        )
    html = place.client(place.approver).get(f"/admin/payouts/{payout.reference}").text
    assert 'class="event event-note"' in html
    assert "Edited" in html
    assert "Sent again" not in html
    # This class belongs to the icon of every turn; a turn of that name would be laid out as its icon.
    assert 'class="event event-dot"' not in html


def test_cut_off_is_shown_only_where_there_is_one(place: Place) -> None:
    payout = place.approved()
    client = place.client(place.maker)
    address = f"/admin/payouts/{payout.reference}"
    assert "You can stop it until" not in client.get(address).text
    rules = policies.current_policy(place.organisation.id)[0].rules
    # Where people send payouts nobody can promise that nothing leaves before.
    for at, by_itself, is_shown in (
        ("17:30", ["installations"], True),
        ("03:00", ["installations"], False),
        ("17:30", [], False),
    ):
        with transaction():
            service.change_policy(
                organisation_id=place.organisation.id,
                rules={**rules, "cut_off": {"installations": at}, "paid_by_itself": by_itself},
                actor=people.FACTORY,
                now=HOUR,
            )
        assert ("You can stop it until 17:30 EST." in client.get(address).text) is is_shown


@pytest.fixture
def clean_panels(monkeypatch: pytest.MonkeyPatch) -> None:
    """No panels but those of the test."""
    monkeypatch.setattr(panels, "_panels", {})


@pytest.mark.usefixtures("clean_panels")
def test_panels_of_upper_rooms_are_for_their_audience(place: Place) -> None:
    payout = place.payout()
    seen: list[int] = []

    def loader(one: Payout, _now: object) -> dict[str, str]:
        seen.append(one.id)
        return {}

    panels.register_panel("mails", loader, "payouts/_totals.html")
    panels.register_panel("nothing", lambda payout, now: None, "payouts/missing.html", (panels.PAYEE,))
    assert [panel.name for panel in panels.load(payout, panels.ADMIN, HOUR)] == ["mails"]
    assert panels.load(payout, panels.PAYEE, HOUR) == []
    assert seen == [payout.id]
    with pytest.raises(ValueError, match="not driver"):
        panels.register_panel("x", loader, "x.html", ("driver",))


@pytest.mark.parametrize("headers", [{}, HTMX], ids=["page", "dialog"])
def test_a_reason_that_stands_takes_the_place_of_the_button(place: Place, headers: dict[str, str]) -> None:
    made = place.approved()
    _do(place, service.hold, made, reason="A complaint.")
    page = place.client(place.approver).get(_act(made, "pay"), headers=headers).text
    assert "Pay is not possible now." in page
    assert "on hold" in page
    assert 'class="btn btn-primary"' not in page
    assert "<form" not in page.partition("<h1>")[2]


def test_a_payee_who_is_switched_off_has_no_button_to_pay(place: Place) -> None:
    made = place.approved()
    with transaction():
        place.payee.is_active = False
    client = place.client(place.approver)
    page = client.get(_act(made, "pay")).text
    assert "is switched off as a payee. Switch them on first." in page
    assert "Pay $499.50" not in page
    assert (
        client.post(_act(made, "pay"), data={"version": made.version, "rail": "sandbox"}).status_code == 409
    )
    with transaction():
        place.payee.is_active = True
    assert "Pay $499.50" in client.get(_act(made, "pay")).text
