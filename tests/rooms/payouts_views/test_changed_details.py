"""Paying to payment details that changed after the approval: seen side by side, and confirmed by a person."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from flask.testing import FlaskClient

from tests.factories import people
from tests.factories.pages import Place
from tests.rooms.payouts_views.conftest import HOUR
from webapp.database import db, transaction
from webapp.payouts.models import Approval, Payout, Transfer
from webapp.people.models import PayoutMethod, User

OLD, NEW, NEWER = "111122224821", "333344449055", "555566667788"


def _change(place: Place, number: str = NEW, by: User | None = None, **values: object) -> PayoutMethod:
    actor = people.actor_of(by) if by else people.FACTORY
    return people.method(place.payee, people.destination(number), actor=actor, now=HOUR, **values)


@pytest.fixture(params=["pay", "retry"])
def action(request: pytest.FixtureRequest) -> str:
    """Paying for the first time, and again after a failure."""
    return str(request.param)


@pytest.fixture
def payout(place: Place, action: str) -> Payout:
    """One that is approved, or failed, to the account that ends in 4821."""
    people.method(place.payee, people.destination(OLD))
    made = place.approved()
    if action == "retry":
        with transaction():
            made.state, made.reason = "failed", "The account is closed."
    return made


def _address(payout: Payout, action: str) -> str:
    return f"/admin/payouts/{payout.reference}/{action}"


def _hidden(html: str) -> dict[str, str]:
    """What the form carries along unseen."""
    return dict(re.findall(r'<input type="hidden" name="(version|seen_details)" value="([^"]*)"', html))


def _send(client: FlaskClient, address: str, html: str, **data: str) -> tuple[int, str]:
    answer = client.post(address, data={**_hidden(html), "rail": "sandbox", **data})
    return answer.status_code, answer.text


def test_without_a_change_nothing_is_asked(place: Place, payout: Payout, action: str) -> None:
    html = place.client(place.approver).get(_address(payout, action)).text
    assert "changed after the approval" not in html
    assert 'name="confirm_method"' not in html


def test_change_is_shown_and_must_be_confirmed(place: Place, payout: Payout, action: str) -> None:
    _change(place, by=place.maker)
    client = place.client(place.approver)
    address = _address(payout, action)
    html = client.get(address).text
    for text in ("••4821", "••9055", "maya@example.com", "The payment details changed after the approval",
                 "21 Nov 2026", "under your name", 'name="confirm_method"'):  # fmt: skip
        assert text in html
    assert OLD not in html
    assert NEW not in html
    status, refused = _send(client, address, html)
    assert status == 422
    assert "Check the new ones, then tick this box." in refused
    assert "••9055" in refused
    assert not db.session.query(Transfer).count()
    status, _ = _send(client, address, refused, confirm_method="y")
    assert status == 303
    assert db.session.query(Transfer).one().method_id == place.payee.current_method.id  # type: ignore[union-attr]
    last = db.session.query(Approval).order_by(Approval.id.desc()).first()
    assert last is not None
    assert (last.approver_label, last.note) == ("ravi@example.com", "Confirmed ••9055")


def test_tick_holds_only_for_the_details_that_were_seen(place: Place, payout: Payout, action: str) -> None:
    _change(place)
    client = place.client(place.approver)
    address = _address(payout, action)
    seen = client.get(address).text
    _change(place, NEWER)
    status, html = _send(client, address, seen, confirm_method="y")
    assert status == 409
    assert "changed again since you opened this page" in html
    assert "••7788" in html
    assert "They changed 2 times since the approval" in html
    assert not re.search(r'name="confirm_method"[^>]*checked|checked[^>]*name="confirm_method"', html)
    assert not db.session.query(Transfer).count()
    assert _send(client, address, html, confirm_method="y")[0] == 303


def test_who_entered_the_details_cannot_confirm_them(place: Place, payout: Payout, action: str) -> None:
    _change(place, by=place.approver)
    client = place.client(place.approver)
    address = _address(payout, action)
    html = client.get(address).text
    assert "You cannot confirm them. You entered the payment details of this payee" in html
    assert 'name="confirm_method"' not in html
    status, text = _send(client, address, html, confirm_method="y")
    assert status == 409
    assert "Somebody who did not enter them" in text
    assert not db.session.query(Transfer).count()


def test_new_details_wait_for_their_cool_off(place: Place, payout: Payout, action: str) -> None:
    method = _change(place, cool_off_hours=48)
    assert method.cool_off_until == HOUR + timedelta(hours=48)
    client = place.client(place.approver)
    address = _address(payout, action)
    html = client.get(address).text
    assert "nothing is paid to them before" in html
    status, text = _send(client, address, html, confirm_method="y")
    assert status == 409
    assert "nothing is paid before 23 Nov 2026, 04:00 EST" in text
    assert not db.session.query(Transfer).count()
