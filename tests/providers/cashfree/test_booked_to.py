"""Where the money went by Cashfree's own word, in the names of our payment details."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask

from tests import factories
from tests.factories import connections
from webapp.database import db, transaction
from webapp.providers.cashfree.rail import Cashfree
from webapp.providers.http import Reply
from webapp.providers.models import ProviderBeneficiary


@pytest.fixture
def organisation_id(database: Flask) -> Iterator[int]:
    """An organisation with an account at Cashfree that knows one beneficiary, under an id of its own."""
    organisation = factories.organisation()
    made = organisation.id
    account = connections.connection(organisation)
    with transaction() as session:
        session.add(
            ProviderBeneficiary(
                account_id=account.id,
                beneficiary_key="key1",
                beneficiary_id="ASHA_OLD",
                created_at=connections.WHEN,
            )
        )
    yield made
    db.session.rollback()


@pytest.mark.parametrize(
    ("said", "booked"),
    [
        ({"beneficiary_id": "ASHA_OLD"}, {"key1", "ASHA_OLD"}),
        ({"beneficiary_id": "PDBkey2"}, {"key2"}),
        ({"beneficiary_id": "SOMEBODY"}, {"SOMEBODY"}),
        ({}, None),
        (None, None),
        ("odd", None),
    ],
)
def test_who_was_paid_is_named_by_our_keys(
    organisation_id: int, said: object, booked: set[str] | None
) -> None:
    body = {"transfer_id": "PD1", "status": "SUCCESS", "transfer_amount": "1.00", "beneficiary_details": said}
    with connections.answering(Reply(200, body)):
        answer = Cashfree().status(organisation_id, "PD1")
    assert (None if answer.booked_to is None else set(answer.booked_to)) == booked
