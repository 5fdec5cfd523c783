"""A rail that does not answer is said to be paused, with the reason and when it is tried again."""

from __future__ import annotations

from flask.testing import FlaskClient

from tests import factories
from webapp.database import transaction
from webapp.kernel.clock import utc_now
from webapp.payouts import breaker
from webapp.providers.ports import Answer, Outcome


def test_a_paused_rail_says_why_and_until_when(client: FlaskClient) -> None:
    organisation = factories.organisation()
    organisation_id = organisation.id
    factories.sign_in(client, factories.user(organisation=organisation, role="admin"), organisation)
    assert "Paused" not in client.get("/admin/settings").text
    with transaction():
        for _ in range(breaker.FAILURES):
            problem = Answer(Outcome.UNKNOWN, message="HTTP 503.")
            breaker.record(organisation_id, "sandbox", problem, utc_now())
    page = client.get("/admin/settings").text
    assert "Paused" in page
    assert "sandbox does not answer (HTTP 503)" in page
