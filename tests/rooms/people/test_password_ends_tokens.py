"""A new password takes the API tokens with it: who had the old one may have made some."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from tests import factories
from tests.factories import PASSWORD
from tests.factories.tokens import Api, token
from webapp.audit.models import AuditEvent
from webapp.database import db, transaction
from webapp.kernel.clock import utc_now
from webapp.notices import accounts
from webapp.notices.service import Desk
from webapp.outbox.models import OutboxMessage
from webapp.people.access import links, tokens
from webapp.people.access.models import ApiToken
from webapp.people.models import Organisation, User

NEW = "seven green umbrellas sing"
DESK = "https://pay.example.org"


@pytest.fixture
def house(client: FlaskClient) -> Organisation:
    return factories.organisation("solaria")


@pytest.fixture
def admin(house: Organisation) -> User:
    return factories.user("maya@solaria.example", organisation=house, role="admin", password=PASSWORD)


def _with_tokens(admin: User, house: Organisation) -> list[str]:
    """Two tokens, one of them in another organisation; and one that had ended before."""
    other = factories.organisation("elsewhere")
    factories.membership(admin, other, "accountant")
    texts = [token(admin, house), token(admin, other)]
    token(admin, house)
    with transaction():
        over = db.session.scalars(select(ApiToken).order_by(ApiToken.id.desc())).first()
        assert over is not None
        over.expires_at = utc_now() - timedelta(days=1)
    return texts


def _works(client: FlaskClient, text: str) -> bool:
    return Api(client.application, text).get("/me").status_code == 200


def _trail() -> list[tuple[int | None, object]]:
    events = db.session.scalars(
        select(AuditEvent).where(AuditEvent.tag == "people:api_token:revoked").order_by(AuditEvent.id)
    )
    return [(event.organisation_id, event.changes["reason"][1]) for event in events]


def _mail(user: User) -> str:
    message = db.session.scalars(
        select(OutboxMessage).where(OutboxMessage.kind == "notice.security.password_changed")
    ).one()
    desk = Desk(public_url=DESK, mail_from="Paydesk <pay@example.org>", now=utc_now())
    with transaction():
        body = accounts.security("password_changed", message.reference_id, desk=desk)[0].body_text
    assert message.reference_id == user.id
    return body


def test_one_s_own_new_password_ends_every_token(
    client: FlaskClient, admin: User, house: Organisation
) -> None:
    texts = _with_tokens(admin, house)
    factories.sign_in(client, admin, house)
    page = client.get("/account/password").text
    assert "You have 2 API tokens. They are revoked too" in page
    wrong = client.post("/account/password", data={"present": "no", "password": NEW, "again": NEW})
    assert wrong.status_code == 422
    assert all(_works(client, text) for text in texts)
    done = client.post("/account/password", data={"present": PASSWORD, "password": NEW, "again": NEW})
    assert done.status_code == 303
    assert not any(_works(client, text) for text in texts)
    elsewhere = db.session.scalars(select(Organisation.id).where(Organisation.slug == "elsewhere")).one()
    assert _trail() == [(house.id, "password changed"), (elsewhere, "password changed")]
    changed = db.session.scalars(
        select(AuditEvent).where(AuditEvent.tag == "people:user:password_changed")
    ).one()
    assert changed.changes == {"api_tokens_revoked": [0, 2]}
    assert "2 revoked; the programs that used them need new ones" in _mail(admin)
    client.get("/account")
    assert "API token" not in client.get("/account/password").text


def test_a_reset_ends_every_token_and_says_so_beforehand(
    client: FlaskClient, admin: User, house: Organisation
) -> None:
    text = token(admin, house)
    with transaction():
        link = links.create_reset(user_id=admin.id, actor=factories.FACTORY, now=utc_now())
        path = links.url_of(link, DESK).removeprefix(DESK)
    assert "API tokens that you have are revoked" in client.get(path).text
    assert _works(client, text)
    assert client.post(path, data={"password": NEW, "again": NEW}).status_code == 303
    assert not _works(client, text)
    assert "1 revoked; the program that used it needs a new one" in _mail(admin)


def test_somebody_else_s_tokens_go_on(client: FlaskClient, admin: User, house: Organisation) -> None:
    other = factories.user("ira@solaria.example", organisation=house, role="admin")
    text = token(other, house)
    with transaction():
        ended = tokens.revoke_all(
            user_id=admin.id, actor=factories.FACTORY, now=utc_now(), reason="password changed"
        )
    assert ended == 0
    assert _works(client, text)
    assert _trail() == []


def test_without_tokens_the_mail_says_nothing_of_them(
    client: FlaskClient, admin: User, house: Organisation
) -> None:
    factories.sign_in(client, admin, house)
    assert "API token" not in client.get("/account/password").text
    client.post("/account/password", data={"present": PASSWORD, "password": NEW, "again": NEW})
    assert "revoked" not in _mail(admin)
