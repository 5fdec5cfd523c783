"""Cashfree as a way to pay: offered where its connection is on, and a plain reason where it is not."""

from __future__ import annotations

from typing import Any

import pytest

from tests.factories.connections import connection
from tests.factories.pages import Place
from tests.factories.people import FACTORY
from tests.rooms.payouts_views.conftest import HOUR
from tests.rooms.payouts_views.test_policy_editor import EDIT, _form
from webapp.connections import service as connections
from webapp.database import transaction
from webapp.kernel.errors import NotAllowed
from webapp.payouts import policies, policy_changes, queries, service
from webapp.payouts.policy import default_rules


def use(place: Place, *rails: str) -> None:
    with transaction():
        policies.change_policy(
            organisation_id=place.organisation.id,
            rules={**default_rules(place.organisation.currency), "rails": list(rails)},
            actor=FACTORY,
            now=HOUR,
        )


def switch(place: Place, is_on: bool) -> None:
    with transaction():
        connections.switch(
            organisation_id=place.organisation.id, provider="cashfree", is_on=is_on, actor=FACTORY, now=HOUR
        )


def test_nobody_begins_with_cashfree(place: Place) -> None:
    policy, _ = policies.current_policy(place.organisation.id)
    assert policy.rails == ("manual", "sandbox")


@pytest.mark.parametrize("state", ["none", "off", "on"])
def test_the_rules_offer_it_where_the_connection_is_on(place: Place, state: str) -> None:
    if state != "none":
        connection(place.organisation)
        switch(place, state == "on")
    client = place.client(place.maker)
    assert ('name="use_cashfree"' in client.get(EDIT).text) is (state == "on")
    # Sent all the same, it is not heard.
    answer = client.post(EDIT, data=_form(save="1", use_cashfree="y"))
    assert answer.status_code == 303
    row = policy_changes.pending(place.organisation.id)
    assert row is not None
    assert ("cashfree" in row.rules["rails"]) is (state == "on")


def test_rules_that_name_it_keep_it_on_offer(place: Place) -> None:
    use(place, "manual", "cashfree")
    assert 'name="use_cashfree"' in place.client(place.maker).get(EDIT).text


def test_without_keys_or_switched_off_the_reason_is_plain(place: Place) -> None:
    use(place, "cashfree")
    made = place.approved()
    policy, _ = policies.current_policy(place.organisation.id)

    def reasons() -> str:
        with pytest.raises(NotAllowed) as caught, transaction():
            service.submit(
                organisation_id=place.organisation.id, reference=made.reference, actor=FACTORY, now=HOUR
            )
        return caught.value.message

    page: Any = place.client(place.approver)
    assert "There are no keys for Cashfree Payouts." in reasons()
    assert "There are no keys for Cashfree Payouts." in page.get(f"/admin/payouts/{made.reference}/pay").text
    assert "Not connected" in page.get("/admin/settings").text
    assert queries.open_rails(place.organisation.id, policy) == []
    connection(place.organisation)
    switch(place, is_on=False)
    assert "is switched off. An admin switches it on under Connections." in reasons()
    switch(place, is_on=True)
    assert queries.open_rails(place.organisation.id, policy) == ["cashfree"]
    assert "Not connected" not in page.get("/admin/settings").text
    with transaction():
        done = service.submit(
            organisation_id=place.organisation.id, reference=made.reference, actor=FACTORY, now=HOUR
        )
        assert done.payout.rail == "cashfree"


def test_a_person_chooses_among_what_is_connected(place: Place) -> None:
    use(place, "cashfree", "sandbox")
    made = place.approved()
    page = place.client(place.approver)
    address = f"/admin/payouts/{made.reference}/pay"
    assert 'value="cashfree"' not in page.get(address).text
    connection(place.organisation)
    assert 'value="cashfree"' in page.get(address).text
