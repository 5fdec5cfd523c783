"""The pages of asked-for payment details, and what they do to payouts that are on their way."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select

from tests.factories import actor_of, people
from tests.factories.pages import Place, counted_queries
from tests.factories.pages import place as make_place
from webapp.audit.models import AuditEvent
from webapp.database import db, transaction
from webapp.payouts import execution, explain
from webapp.payouts import service as payouts
from webapp.payouts.models import Payout, Transfer
from webapp.people import queries
from webapp.people.changes import service
from webapp.people.changes.models import MethodChange
from webapp.people.models import PayoutMethod
from webapp.people.throttle import limiter

HOUR = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
OLD, NEW = "111122224821", "333344449055"
NOTE = "Called Tomas on the number on file; he confirmed it."


@pytest.fixture(autouse=True)
def _hour() -> Iterator[None]:
    with time_machine.travel(HOUR, tick=False):
        yield


@pytest.fixture
def place(database: Flask) -> Place:
    """Two admins, a technician with a login and the account that ends in 4821."""
    made = make_place(database)
    people.method(made.payee, people.destination(OLD))
    return made


def bank(number: str = NEW, **values: str) -> dict[str, str]:
    """What a person types into the form of an account in the United States."""
    typed = {
        "version": "2", "name_at_bank": "Tomas Ek", "bank_name": "Second Bank", "routing_number": "021000021",
        "account_number": number, "account_number_again": number,
    }  # fmt: skip
    return {**typed, **values}


def hidden(text: str) -> dict[str, str]:
    """The sealed draft and the version of a check page."""
    found = re.findall(r'<input type="hidden" name="(draft|version)" value="([^"]*)"', text)
    return {name: html.unescape(value) for name, value in found}


def ask_as_payee(place: Place, number: str = NEW) -> FlaskClient:
    """The technician asks for new details on their own page."""
    client = place.client(place.technician)
    checked = client.post("/technician/payment-details/change?way=aba", data=bank(number))
    assert checked.status_code == 200, checked.text
    assert number not in checked.text
    saved = client.post("/technician/payment-details/save", data=hidden(checked.text))
    assert saved.status_code == 303, saved.text
    return client


def ask(place: Place, number: str = NEW, **values: Any) -> MethodChange:
    """The maker asks for new details."""
    defaults: dict[str, Any] = {"payee_id": place.payee.id, "source": "admin", "actor": actor_of(place.maker)}
    with transaction():
        made = service.ask(
            organisation_id=place.organisation.id,
            destination=people.destination(number),
            now=datetime.now(UTC),
            **{**defaults, **values},
        )
    assert isinstance(made, MethodChange)
    return made


def reload(payout: Payout) -> Payout:
    db.session.rollback()
    return db.session.get_one(Payout, payout.id)


def test_payee_asks_sees_what_waits_and_withdraws(place: Place) -> None:
    client = ask_as_payee(place)
    page = client.get("/technician/payment-details").text
    for words in ("New details wait", "••4821", "••9055", "BC-0001", "48 more hours", "Waits for Solaria"):
        assert words in page
    assert NEW not in page
    wrong = client.post("/technician/payment-details/withdraw", data={"reference": "BC-0002"})
    assert wrong.status_code == 409
    assert (
        client.post("/technician/payment-details/withdraw", data={"reference": "BC-0001"}).status_code == 303
    )
    page = client.get("/technician/payment-details").text
    assert "New details wait" not in page
    assert "BC-0001 is withdrawn" in page


def test_payee_is_not_offered_payment_by_hand_nor_told_of_others(place: Place) -> None:
    people.method(place.other, people.destination(NEW))
    client = place.client(place.technician)
    assert "By hand" not in client.get("/technician/payment-details/change").text
    assert client.get("/technician/payment-details/change?way=manual").status_code == 404
    checked = client.post("/technician/payment-details/change?way=aba", data=bank()).text
    assert "Ana Souza" not in checked


def test_ways_of_the_country_come_first(place: Place) -> None:
    client = place.client(place.maker)
    with transaction():
        place.payee.country = "IN"
    page = client.get(f"/admin/payees/{place.payee.reference}/method").text
    assert page.index('value="ifsc"') < page.index('value="upi"') < page.index('value="aba"')


def test_queue_lists_what_waits_and_the_home_says_so(place: Place) -> None:
    people.method(place.other, people.destination(NEW))
    ask_as_payee(place)
    client = place.client(place.approver)
    page = client.get("/admin/bank-changes").text
    for words in ("BC-0001", "Tomas Ek", "••4821", "••9055", "tomas@example.com", "Same account elsewhere"):
        assert words in page
    assert NEW not in page
    home = client.get("/admin/").text
    assert "1 change of payment details to verify" in home
    assert 'href="/admin/bank-changes"' in home
    assert "BC-0001" not in client.get("/admin/bank-changes?state=refused").text


def test_queue_asks_the_same_few_questions_for_one_row_and_for_many(place: Place) -> None:
    client = place.client(place.approver)
    ask(place)
    with counted_queries() as few:
        client.get("/admin/bank-changes")
    for _ in range(12):
        payee = people.payee(place.organisation)
        people.method(payee)
        ask(place, payee_id=payee.id, number=None)  # type: ignore[arg-type]
    with counted_queries() as many:
        client.get("/admin/bank-changes")
    assert len(many) == len(few)
    assert len(many) <= 12, many


def test_change_is_shown_side_by_side_with_what_was_found(place: Place) -> None:
    people.method(place.other, people.destination(NEW))
    with transaction():
        place.payee.phone = "+1 203 555 0142"
    ask_as_payee(place)
    with counted_queries() as asked:
        page = place.client(place.approver).get("/admin/bank-changes/BC-0001").text
    assert len(asked) <= 20, asked
    for words in (
        "••4821", "••9055", "Maya Fernandez", "Second Bank", "Changed", "Ana Souza", "tomas@example.com",
        "The payee, on their own page", "127.0.0.1", "+1 203 555 0142", "not checked by a provider",
        "Whom did you call, on which number?", "The name on the account is the payee&#39;s name.",
    ):  # fmt: skip
        assert words in page, words
    assert OLD not in page
    assert NEW not in page


def test_change_of_another_organisation_is_not_there(place: Place) -> None:
    ask(place)
    other = people.organisation("other")
    client = place.client(people.user(organisation=other, role="admin"), other)
    assert client.get("/admin/bank-changes/BC-0001").status_code == 404
    for act in ("verify", "refuse", "withdraw", "reveal"):
        answer = client.post(f"/admin/bank-changes/BC-0001/{act}", data={"note": NOTE, "reason": NOTE})
        assert answer.status_code == 404, act
    assert "BC-0001" not in client.get("/admin/bank-changes").text
    assert db.session.scalar(select(MethodChange.state)) == "pending"


def test_asker_is_told_why_they_cannot_verify(place: Place) -> None:
    ask(place)
    client = place.client(place.maker)
    page = client.get("/admin/bank-changes/BC-0001").text
    assert "You asked for these payment details; a different admin must decide." in page
    assert "Whom did you call" not in page
    late = client.post("/admin/bank-changes/BC-0001/verify", data={"note": NOTE})
    assert late.status_code == 409
    assert "a different admin must decide" in late.text
    assert client.post("/admin/bank-changes/BC-0001/withdraw").status_code == 303


def test_note_is_needed_and_kept_when_somebody_was_faster(place: Place) -> None:
    ask(place)
    client = place.client(place.approver)
    empty = client.post("/admin/bank-changes/BC-0001/verify", data={"note": ""})
    assert empty.status_code == 422
    assert 'href="#verify-note"' in empty.text
    third = people.user("third@example.com", organisation=place.organisation, role="admin")
    with transaction():
        service.refuse(
            organisation_id=place.organisation.id, reference="BC-0001", reason="He did not ask.",
            actor=actor_of(third), now=HOUR,
        )  # fmt: skip
    late = client.post("/admin/bank-changes/BC-0001/verify", data={"note": NOTE})
    assert late.status_code == 409
    assert "third@example.com has refused BC-0001 on 21 Nov 2026, 04:00 EST" in late.text


def test_another_persons_ask_shows_both(place: Place) -> None:
    client = place.client(place.approver)
    address = f"/admin/payees/{place.payee.reference}/method"
    checked = client.post(f"{address}?way=aba", data=bank("999988887777"))
    ask(place)
    answer = client.post(f"{address}/save", data=hidden(checked.text))
    assert answer.status_code == 409
    for words in ("maya@example.com asked for new payment details", "••9055", "••7777", "Look at BC-0001"):
        assert words in answer.text
    assert "Ask for mine instead" not in answer.text


def test_changed_details_of_an_approved_payout_from_asking_to_paying(place: Place) -> None:
    """The payee changes the account while a payout is approved: nothing leaves until two people agree."""
    payout = place.approved()
    address = f"/admin/payouts/{payout.reference}"
    payee = ask_as_payee(place)
    approver, maker = place.client(place.approver), place.client(place.maker)
    waits = "New payment details of Tomas Ek wait for a second person (BC-0001, asked for on 21 Nov 2026, 04:00 EST)."
    # What each person sees.
    assert waits in approver.get(address).text
    assert (
        "New payment details (••9055) wait until Solaria has verified them."
        in payee.get(f"/technician/payouts/{payout.reference}").text
    )
    assert "New payment details wait for a second person (BC-0001)" in maker.get("/admin/payouts").text
    # Nothing leaves, by page, by hand or in bulk.
    version = str(reload(payout).version)
    refused = maker.post(f"{address}/pay", data={"version": version, "rail": "sandbox"})
    assert refused.status_code == 409
    assert "wait for a second person" in refused.text
    by_hand = {"version": version, "payment_reference": "CHQ-1", "paid_on": "2026-11-21"}
    assert maker.post(f"{address}/mark-paid", data=by_hand).status_code == 409
    assert not db.session.query(Transfer).count()
    # Verified by a second person: the cool-off begins.
    assert approver.post("/admin/bank-changes/BC-0001/verify", data={"note": NOTE}).status_code == 303
    assert queries.current_method(place.payee.id).masked == "••9055"  # type: ignore[union-attr]
    reasons = explain.why_not_paid(reload(payout), HOUR)
    assert len(reasons) == 2
    assert reasons[0].startswith("The payment details changed after the approval.")
    assert "nothing is paid before 23 Nov 2026, 04:00 EST" in reasons[1]
    assert "it can be paid from 23 Nov 2026, 04:00 EST" in maker.get("/admin/payouts").text
    with time_machine.travel(HOUR + timedelta(hours=49), tick=False):
        maker = place.client(place.maker)
        page = maker.get(f"{address}/pay").text
        for words in (
            "The payment details changed after the approval",
            "••4821",
            "••9055",
            "ravi@example.com",
        ):
            assert words in page
        fields = dict(re.findall(r'<input type="hidden" name="(version|seen_details)" value="([^"]*)"', page))
        unconfirmed = maker.post(f"{address}/pay", data={**fields, "rail": "sandbox"})
        assert unconfirmed.status_code == 422
        # The maker made the payout and cannot confirm; the approver can.
        approver = place.client(place.approver)
        page = approver.get(f"{address}/pay").text
        fields = dict(re.findall(r'<input type="hidden" name="(version|seen_details)" value="([^"]*)"', page))
        done = approver.post(f"{address}/pay", data={**fields, "rail": "sandbox", "confirm_method": "y"})
        assert done.status_code == 303, done.text
    transfer = db.session.query(Transfer).one()
    assert transfer.method_id == queries.current_method(place.payee.id).id  # type: ignore[union-attr]


def test_queued_transfer_waits_and_then_fails_without_being_sent(place: Place) -> None:
    payout = place.approved()
    with transaction():
        payouts.submit(
            organisation_id=place.organisation.id, reference=payout.reference, actor=actor_of(place.approver),
            now=HOUR, rail="sandbox",
        )  # fmt: skip
    row_id = db.session.query(Transfer).one().id
    ask(place)
    later = execution.send(transfer_row_id=row_id)
    assert later is not None
    assert "wait for a second person (BC-0001" in later.reason
    assert "wait for a second person" in explain.why_not_paid(reload(payout), HOUR)[0]
    with transaction():
        service.verify(
            organisation_id=place.organisation.id, reference="BC-0001", note=NOTE,
            actor=actor_of(place.approver), now=HOUR,
        )  # fmt: skip
    assert execution.send(transfer_row_id=row_id) is None
    transfer = db.session.query(Transfer).one()
    assert (transfer.state, transfer.sends, transfer.error_code) == ("failed", 0, "METHOD_CHANGED")


def test_queued_transfer_goes_out_when_the_change_is_refused(place: Place) -> None:
    payout = place.approved()
    with transaction():
        payouts.submit(
            organisation_id=place.organisation.id, reference=payout.reference, actor=actor_of(place.approver),
            now=HOUR, rail="sandbox",
        )  # fmt: skip
    row_id = db.session.query(Transfer).one().id
    ask(place)
    assert execution.send(transfer_row_id=row_id) is not None
    with transaction():
        service.refuse(
            organisation_id=place.organisation.id, reference="BC-0001", reason="He did not ask for it.",
            actor=actor_of(place.approver), now=HOUR,
        )  # fmt: skip
    assert execution.send(transfer_row_id=row_id) is None
    assert db.session.query(Transfer).one().sends == 1


def test_two_admins_end_the_wait_on_the_payees_page(place: Place) -> None:
    ask_as_payee(place)
    with transaction():
        service.verify(
            organisation_id=place.organisation.id, reference="BC-0001", note=NOTE,
            actor=actor_of(place.approver), now=HOUR,
        )  # fmt: skip
    page = f"/admin/payees/{place.payee.reference}"
    method = queries.current_method(place.payee.id)
    assert method is not None
    data = {"method_id": str(method.id), "reason": "Tomas called: the old account is closed."}
    first, second = place.client(place.approver), place.client(place.maker)
    assert first.post(f"{page}/method/release", data={**data, "reason": ""}).status_code == 422
    assert first.post(f"{page}/method/release", data={**data, "method_id": "1"}).status_code == 409
    assert first.post(f"{page}/method/release", data=data).status_code == 303
    seen = first.get(page).text
    assert "1 of 2 have" in seen
    assert "Another admin must give theirs." in seen
    assert second.post(f"{page}/method/release", data=data).status_code == 303
    db.session.expire_all()
    assert method.cool_off_until == HOUR
    assert "Pay before the wait is over" not in second.get(page).text


def reveal(client: FlaskClient, address: str, **headers: str) -> Any:
    return client.post(address, data={"reason": "Tomas is on the phone."}, headers=headers)


def test_account_is_shown_in_full_for_half_a_minute_and_kept_in_the_trail(place: Place) -> None:
    ask(place)
    client = place.client(place.approver)
    address = f"/admin/payees/{place.payee.reference}/method/reveal"
    assert client.post(address, data={"reason": ""}).status_code == 422
    page = reveal(client, address)
    assert OLD in page.text
    assert f'content="30;url=/admin/payees/{place.payee.reference}"' in page.text
    assert page.headers["Cache-Control"] == "no-store"
    piece = reveal(client, address, **{"HX-Request": "true", "HX-Target": "reveal-current"}).text
    assert OLD in piece
    assert 'data-hx-trigger="load delay:30s"' in piece
    assert "<html" not in piece
    assert NEW in reveal(client, "/admin/bank-changes/BC-0001/reveal").text
    own = place.client(place.technician).post("/technician/payment-details/reveal")
    assert OLD in own.text
    events = db.session.scalars(
        select(AuditEvent).where(AuditEvent.tag == "people:payout_method:revealed")
    ).all()
    assert [event.actor_id for event in events] == [place.approver.id] * 3 + [place.technician.id]
    for event in db.session.scalars(select(AuditEvent)):
        assert OLD not in f"{event.note}{event.changes}{event.subject_label}"
        assert NEW not in f"{event.note}{event.changes}{event.subject_label}"


def test_revealing_needs_a_fresh_proof_and_the_role(place: Place) -> None:
    address = f"/admin/payees/{place.payee.reference}/method/reveal"
    client = place.client(place.approver)
    with time_machine.travel(HOUR + timedelta(minutes=9, seconds=50), tick=False):
        assert reveal(client, address).status_code == 200
    client = place.client(place.approver)
    with transaction():
        from webapp.people.models import UserSession

        for row in db.session.scalars(select(UserSession)):
            row.reauthenticated_at = HOUR - timedelta(minutes=11)
    asked = reveal(client, address)
    assert asked.status_code == 403
    assert OLD not in asked.text
    accountant = place.client(people.user(organisation=place.organisation, role="accountant"))
    assert reveal(accountant, address).status_code == 403
    assert reveal(place.client(place.technician), address).status_code == 403


def test_one_person_sees_ten_accounts_an_hour(place: Place) -> None:
    was, limiter.enabled = limiter.enabled, True
    limiter.reset()
    try:
        client = place.client(place.approver)
        address = f"/admin/payees/{place.payee.reference}/method/reveal"
        assert client.post(address, data={"reason": ""}).status_code == 422
        codes = [reveal(client, address).status_code for _ in range(11)]
        assert codes == [200] * 10 + [429]
        assert reveal(place.client(place.maker), address).status_code == 200
    finally:
        limiter.reset()
        limiter.enabled = was


def test_nothing_to_show_of_payment_by_hand(place: Place) -> None:
    from webapp.people import accounts

    people.method(place.payee, accounts.by_hand())
    client = place.client(place.approver)
    assert reveal(client, f"/admin/payees/{place.payee.reference}/method/reveal").status_code == 409
    assert place.client(place.technician).post("/technician/payment-details/reveal").status_code == 409


def test_no_page_shows_a_clear_number(place: Place) -> None:
    ask_as_payee(place)
    payout = place.approved(place.other)
    admin, payee = place.client(place.approver), place.client(place.technician)
    for client, address in (
        (admin, "/admin/payees"),
        (admin, f"/admin/payees/{place.payee.reference}"),
        (admin, "/admin/bank-changes"),
        (admin, "/admin/bank-changes/BC-0001"),
        (admin, f"/admin/payouts/{payout.reference}"),
        (admin, "/admin/audit"),
        (admin, "/admin/"),
        (payee, "/technician/payment-details"),
        (payee, "/technician/"),
    ):
        text = client.get(address, follow_redirects=True).text
        assert OLD not in text, address
        assert NEW not in text, address


def test_first_details_of_a_payee_hold_at_once(place: Place) -> None:
    person = people.user("new@example.com")
    payee = people.payee(place.organisation, "driver", user=person)
    client = place.client(person)
    checked = client.post("/driver/payment-details/change?way=aba", data=bank(version="0"))
    assert "Save these payment details" in checked.text
    assert client.post("/driver/payment-details/save", data=hidden(checked.text)).status_code == 303
    assert db.session.scalar(select(func.count()).select_from(MethodChange)) == 0
    method = db.session.scalars(select(PayoutMethod).where(PayoutMethod.payee_id == payee.id)).one()
    assert (method.masked, method.created_by_id) == ("••9055", person.id)


def test_first_of_two_approvals_lapses_and_the_page_says_so(place: Place) -> None:
    payout = place.payout(amount=20_000_000)
    with transaction():
        payouts.approve(
            organisation_id=place.organisation.id, reference=payout.reference, actor=actor_of(place.approver),
            now=HOUR,
        )  # fmt: skip
    client = place.client(place.approver)
    address = f"/admin/payouts/{payout.reference}"
    assert "1 of 2 given; 1 more person must approve it." in client.get(address).text
    people.method(place.payee, people.destination(NEW))
    page = client.get(address).text
    assert "0 of 2 given; 2 more people must approve it." in page
    assert "1 lapsed, because the payment details changed afterwards." in page


def test_approved_payout_to_somebody_now_paid_by_hand_is_confirmed_when_it_is_marked(place: Place) -> None:
    from webapp.people import accounts

    payout = place.approved()
    people.method(place.payee, accounts.by_hand())
    client = place.client(place.approver)
    address = f"/admin/payouts/{payout.reference}"
    assert "whoever pays it must confirm the new ones" in client.get(address).text
    page = client.get(f"{address}/mark-paid").text
    for words in (
        "The payment details changed after the approval",
        "••4821",
        "By hand",
        'name="confirm_method"',
    ):
        assert words in page
    fields = dict(re.findall(r'<input type="hidden" name="(version|seen_details)" value="([^"]*)"', page))
    typed = {**fields, "payment_reference": "CHQ-1042", "paid_on": "2026-11-21"}
    assert client.post(f"{address}/mark-paid", data=typed).status_code == 422
    assert client.post(f"{address}/mark-paid", data={**typed, "confirm_method": "y"}).status_code == 303
    assert reload(payout).state == "paid"
    note = payout.approvals[-1].note
    assert note == "Confirmed By hand"
