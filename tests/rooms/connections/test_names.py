"""Asking in whose name an account is: by a person, once, and what is made of the answer."""

from __future__ import annotations

from datetime import datetime

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select

from tests import factories
from tests.factories.connections import answering, connection
from tests.factories.people import stored
from webapp.audit.models import AuditEvent
from webapp.connections import names, service
from webapp.database import db, transaction
from webapp.kernel.actor import Actor
from webapp.kernel.errors import Conflict, NotFound
from webapp.people import accounts
from webapp.people.accounts import Destination
from webapp.people.changes import service as changes
from webapp.people.models import Organisation, User
from webapp.providers.http import Reply

pytestmark = pytest.mark.usefixtures("database")
VERIFICATION = {"verification_client_id": "CFVRS_1234", "verification_client_secret": "verify-secret-1"}
NUMBER = "026291800001191"
VALID = Reply(200, {"account_status": "VALID", "name_at_bank": "ASHA  RAO", "name_match_score": "90.00"})


class Scene:
    """A payee whose new account waits for a second person, in an organisation that can ask Cashfree."""

    def __init__(self, now: datetime, destination: Destination | None = None, **keys: str) -> None:
        self.organisation: Organisation = factories.organisation(currency="INR", country="IN")
        self.admin: User = factories.user(organisation=self.organisation, role="admin")
        other = factories.user(organisation=self.organisation, role="admin")
        connection(self.organisation, **(keys or VERIFICATION))
        payee = factories.payee(self.organisation, name="Asha Rao")
        factories.method(payee)
        where = destination or accounts.ifsc_account(
            account_number=NUMBER, ifsc="YESB0000262", name_at_bank="Asha Rao"
        )
        with stored():
            change = changes.ask(
                organisation_id=self.organisation.id, payee_id=payee.id, destination=where, source="admin",
                actor=factories.actor_of(other), now=now,
            )  # fmt: skip
        self.organisation_id, self.reference, self.now = self.organisation.id, change.reference, now

    def ask(self) -> names.Said:
        return names.ask(
            organisation_id=self.organisation_id, reference=self.reference, actor=Actor(None, "test"),
            clock=lambda: self.now,
        )  # fmt: skip


def asked_events() -> int:
    db.session.rollback()
    query = select(func.count()).select_from(AuditEvent).where(AuditEvent.tag == names.TAG)
    return db.session.scalar(query) or 0


def test_the_name_is_asked_for_once_and_kept(now: datetime) -> None:
    scene = Scene(now)
    with answering(VALID) as asked:
        said = scene.ask()
        with pytest.raises(Conflict, match="already"):
            scene.ask()
    assert (said.name, said.problem) == ("ASHA RAO", "")
    assert [url.rpartition("/verification")[2] for _, url in asked] == ["/bank-account/sync"]
    assert asked_events() == 1
    told = db.session.scalars(select(AuditEvent).where(AuditEvent.tag == names.TAG)).one().changes
    assert NUMBER not in str(told)


def test_a_upi_address_is_asked_about_too(now: datetime) -> None:
    scene = Scene(now, accounts.upi_address(vpa="asha@okbank", name_at_bank="Asha Rao"))
    with answering(Reply(200, {"status": "VALID", "name_at_bank": "Asha Rao"})) as asked:
        assert scene.ask().name == "Asha Rao"
    assert asked[0][1].endswith("/verification/upi")


@pytest.mark.parametrize(
    ("reply", "said", "is_final"),
    [
        (Reply(200, {"account_status": "INVALID", "account_status_code": "INVALID_ACCOUNT_FAIL"}),
         "there is no such account", True),
        (Reply(200, {"account_status": "INVALID", "account_status_code": "ACCOUNT_BLOCKED"}),
         "the account is blocked or closed", True),
        (Reply(422, {"code": "fraud_account"}), "Cashfree warns of fraud with this account", True),
        (Reply(422, {"code": "npci_unavailable"}), "the bank does not answer at the moment", False),
        (Reply(200, {"account_status": "FAILED", "account_status_code": "FAILED_AT_BANK"}),
         "the bank does not answer at the moment", False),
        (Reply(0, problem="time-out"), "the bank does not answer at the moment", False),
        (Reply(403, {"code": "authentication_error"}), "Cashfree does not take the keys for Verification", False),
        (Reply(200, {"account_status": "VALID"}), "the account is there, and the bank tells no name", True),
    ],
)  # fmt: skip
def test_no_name_has_a_reason_and_trouble_can_be_asked_again(
    reply: Reply, said: str, is_final: bool, now: datetime
) -> None:
    scene = Scene(now)
    with answering(reply):
        assert (scene.ask().problem, asked_events()) == (said, 1)
        if is_final:
            with pytest.raises(Conflict):
                scene.ask()
            return
    with answering(VALID):
        assert scene.ask().name == "ASHA RAO"
    assert asked_events() == 2


def test_without_keys_or_an_account_in_india_nobody_is_asked(now: datetime) -> None:
    for scene in (Scene(now, fund_source="CASHFREE_1"), Scene(now, factories.destination())):
        with answering(VALID) as asked, pytest.raises(Conflict, match="keys for Verification"):
            scene.ask()
        assert asked == []
    scene = Scene(now)
    with transaction():
        service.switch(
            organisation_id=scene.organisation_id,
            provider="cashfree",
            is_on=False,
            actor=Actor(None, "t"),
            now=now,
        )
    with answering(VALID) as asked, pytest.raises(Conflict):
        scene.ask()
    with pytest.raises(NotFound):
        names.ask(
            organisation_id=scene.organisation_id + 1, reference=scene.reference, actor=Actor(None, "t")
        )


def test_the_page_of_the_change_asks_and_shows(client: FlaskClient, now: datetime) -> None:
    scene = Scene(now)
    factories.sign_in(client, scene.admin, scene.organisation)
    page = f"/admin/bank-changes/{scene.reference}"
    before = client.get(page).text
    assert "Ask the bank for the name" in before
    assert "not checked by a provider" in before
    with answering(Reply(422, {"code": "npci_unavailable"})):
        assert client.post(f"{page}/name").status_code == 303
    assert "Ask the bank for the name" in client.get(page).text
    with answering(VALID):
        answer = client.post(f"{page}/name")
    assert (answer.status_code, answer.location) == (303, page)
    after = client.get(page).text
    assert "The bank says that the account is of ASHA RAO." in after
    assert "<bdi>ASHA RAO</bdi>" in after
    assert "Ask the bank for the name" not in after
    assert client.post(f"{page}/name").status_code == 409


def test_an_accountant_cannot_ask(client: FlaskClient, now: datetime) -> None:
    scene = Scene(now)
    reader = factories.user(organisation=scene.organisation, role="accountant")
    factories.sign_in(client, reader, scene.organisation)
    page = f"/admin/bank-changes/{scene.reference}"
    assert "Ask the bank for the name" not in client.get(page).text
    assert client.post(f"{page}/name").status_code == 403
