"""One token of an account for all workers: one of them renews it, the others go on with the old one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import select

from tests import factories
from tests.conftest import NOW
from tests.providers.accounts import account
from webapp.database import db, transaction
from webapp.providers import accounts
from webapp.providers.accounts import Access, Token
from webapp.providers.models import ProviderAccount, ProviderToken

MARGIN = timedelta(minutes=4)
HOUR = timedelta(hours=1)


@pytest.fixture
def access(database: Flask) -> Access:
    """An account at PhonePe."""
    return account(factories.organisation(currency="INR").id, "phonepe", client_id="c")


class Provider:
    """Hands out tokens "token-number-1", "token-number-2", … that are good for an hour."""

    def __init__(self, now: datetime) -> None:
        self.now, self.count = now, 0
        self.meanwhile: Callable[[], object] = lambda: None

    def fetch(self) -> Token | None:
        """One more token; what else happens while it is on its way happens first."""
        assert not db.session().in_transaction()
        meanwhile, self.meanwhile = self.meanwhile, lambda: None
        meanwhile()
        self.count += 1
        return Token(f"token-number-{self.count}", self.now + HOUR)


def _token(access: Access, provider: Provider, now: datetime) -> str | None:
    provider.now = now
    return accounts.shared_token(access, "payments", provider.fetch, now=now, margin=MARGIN)


def test_it_is_fetched_once_and_shared(access: Access) -> None:
    provider = Provider(NOW)
    assert [_token(access, provider, NOW) for _ in range(3)] == ["token-number-1"] * 3
    assert _token(access, Provider(NOW), NOW + timedelta(minutes=55)) == "token-number-1"


def test_it_is_renewed_some_minutes_before_its_end(access: Access) -> None:
    provider = Provider(NOW)
    _token(access, provider, NOW)
    assert _token(access, provider, NOW + timedelta(minutes=57)) == "token-number-2"


def test_while_one_renews_the_others_use_the_old_one(access: Access) -> None:
    provider = Provider(NOW)
    _token(access, provider, NOW)
    late = NOW + timedelta(minutes=57)
    seen: list[str | None] = []
    provider.meanwhile = lambda: seen.append(_token(access, provider, late))
    assert _token(access, provider, late) == "token-number-2"
    assert (seen, provider.count) == (["token-number-1"], 2)


def test_without_a_usable_token_nobody_waits(access: Access) -> None:
    provider = Provider(NOW)
    seen: list[str | None] = []
    provider.meanwhile = lambda: seen.append(_token(access, provider, NOW))
    assert {_token(access, provider, NOW), *seen} == {"token-number-1", "token-number-2"}


def test_a_renewal_that_died_is_taken_over(access: Access) -> None:
    provider = Provider(NOW)
    _token(access, provider, NOW)
    late = NOW + timedelta(minutes=57)

    def die() -> Token | None:
        raise SystemExit

    with pytest.raises(SystemExit):
        accounts.shared_token(access, "payments", die, now=late, margin=MARGIN)
    db.session.rollback()
    assert _token(access, provider, late) == "token-number-1"
    assert _token(access, provider, late + accounts.RENEWAL + timedelta(seconds=1)) == "token-number-2"


def test_a_provider_that_refuses_gives_none(access: Access) -> None:
    assert accounts.shared_token(access, "payments", lambda: None, now=NOW, margin=MARGIN) is None


def test_a_forgotten_token_is_fetched_anew(access: Access) -> None:
    provider = Provider(NOW)
    _token(access, provider, NOW)
    accounts.forget_token(access.account_id, "payments")
    assert _token(access, provider, NOW) == "token-number-2"


def test_purposes_and_accounts_have_tokens_of_their_own(access: Access) -> None:
    provider = Provider(NOW)
    other = account(factories.organisation(currency="INR").id, "phonepe", client_id="d")
    assert _token(access, provider, NOW) == "token-number-1"
    assert _token(other, provider, NOW) == "token-number-2"
    assert (
        accounts.shared_token(access, "balance", provider.fetch, now=NOW, margin=MARGIN) == "token-number-3"
    )


def test_it_is_stored_sealed_and_bound_to_its_row(access: Access) -> None:
    provider = Provider(NOW)
    _token(access, provider, NOW)
    other = account(factories.organisation(currency="INR").id, "phonepe", client_id="d")
    _token(other, provider, NOW)
    first, second = db.session.scalars(select(ProviderToken).order_by(ProviderToken.id)).all()
    assert first.token_encrypted is not None
    assert "token-number-1" not in first.token_encrypted
    moved, second_id = first.token_encrypted, second.id
    with transaction():
        db.session.get_one(ProviderToken, second_id).token_encrypted = moved
    with pytest.raises(Exception, match="belong to another record"):
        _token(other, provider, NOW)


def test_keys_are_never_printed(access: Access) -> None:
    found = accounts.find_access(access.organisation_id, "phonepe")
    assert found is not None
    assert found.get("client_id") == "c"
    assert "client_id" not in repr(found)
    assert "token-number-1" not in repr(Token("token-number-1", NOW))


def test_an_account_that_is_switched_off_has_no_access(access: Access) -> None:
    with transaction():
        db.session.get_one(ProviderAccount, access.account_id).is_enabled = False
    assert accounts.find_access(access.organisation_id, "phonepe") is None
    assert accounts.find_access(access.organisation_id, "cashfree") is None


def test_a_provider_is_never_called_inside_a_transaction(access: Access) -> None:
    with transaction(), pytest.raises(RuntimeError, match="outside"):
        accounts.find_access(access.organisation_id, "phonepe")
