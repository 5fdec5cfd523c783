"""An approval holds for the payment details that the page showed, and for no later ones."""

from __future__ import annotations

import re

from tests.factories import people
from tests.factories.pages import Place
from tests.rooms.payouts_views.conftest import HOUR
from webapp.database import db
from webapp.payouts.models import Approval


def _hidden(html: str) -> dict[str, str]:
    return dict(re.findall(r'<input type="hidden" name="(version|seen_details)" value="([^"]*)"', html))


def test_details_that_changed_behind_the_page_are_not_approved_unseen(place: Place) -> None:
    payout = place.payout()
    client, address = place.client(place.approver), f"/admin/payouts/{payout.reference}/approve"
    page = client.get(address).text
    people.method(place.payee, people.destination("333344449055"), now=HOUR)
    answer = client.post(address, data={**_hidden(page), "note": "Fine"})
    assert answer.status_code == 409
    assert "The payment details changed since you opened this page." in answer.text
    assert "Fine" in answer.text
    assert db.session.scalar(db.select(Approval.id)) is None
    assert client.post(address, data=_hidden(answer.text)).status_code == 303


def test_details_that_were_seen_are_approved(place: Place) -> None:
    payout = place.payout()
    client, address = place.client(place.approver), f"/admin/payouts/{payout.reference}/approve"
    assert client.post(address, data=_hidden(client.get(address).text)).status_code == 303
